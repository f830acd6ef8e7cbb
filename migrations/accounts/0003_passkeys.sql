-- Passkeys of accounts: public keys, no secrets. Times are milliseconds since 1970, UTC.

CREATE TABLE account_passkey (
  id         TEXT PRIMARY KEY,       -- the beginning of the SHA-256 of the device's own id, in hex
  account    TEXT NOT NULL REFERENCES account (name),
  label      TEXT NOT NULL,          -- what its owner calls the device
  host       TEXT NOT NULL,          -- the name of the server that it is for
  credential TEXT NOT NULL,          -- public key and counter, as JSON
  created_at INTEGER NOT NULL,
  used_at    INTEGER                 -- NULL until then
) STRICT;
