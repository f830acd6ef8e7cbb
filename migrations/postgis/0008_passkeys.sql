-- Passkeys of accounts: public keys, no secrets. Times are milliseconds since 1970, UTC.

CREATE TABLE account_passkey (
  id         text PRIMARY KEY,       -- the beginning of the SHA-256 of the device's own id, in hex
  account    text NOT NULL REFERENCES account (name),
  label      text NOT NULL,          -- what its owner calls the device
  host       text NOT NULL,          -- the name of the server that it is for
  credential text NOT NULL,          -- public key and counter, as JSON
  created_at bigint NOT NULL,
  used_at    bigint                 -- NULL until then
);
