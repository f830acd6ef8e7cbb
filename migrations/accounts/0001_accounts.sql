-- accounts.db: who may sign in, beside pantau.db. Times are milliseconds since 1970, UTC. Secrets that are
-- drawn (sessions, tokens, devices, links) are kept as their SHA-256 in hex, never themselves.

CREATE TABLE account_revision (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  n  INTEGER NOT NULL                -- rises with every change, whoever made it
) STRICT;
INSERT INTO account_revision (id, n) VALUES (1, 1);

CREATE TABLE account (
  name        TEXT PRIMARY KEY,      -- as the journal remembers who acted: never changed, never given to another
  full_name   TEXT NOT NULL,
  role        TEXT NOT NULL,
  agency      TEXT,                  -- key in the city pack, of an agency's people
  areas       TEXT NOT NULL,         -- codes of the city pack with spaces between them, of a responder
  password    TEXT,                  -- argon2id, PHC form; NULL until one is chosen
  totp        TEXT,                  -- secret of the second factor in hex; NULL where there is none
  totp_step   INTEGER NOT NULL,      -- the last time step whose code was used: none counts twice
  created_at  INTEGER NOT NULL,
  disabled_at INTEGER                -- NULL while it may sign in
) STRICT;

CREATE TABLE account_session (
  digest   TEXT PRIMARY KEY,
  account  TEXT NOT NULL REFERENCES account (name),
  began_at INTEGER NOT NULL,
  ends_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE account_token (
  id         TEXT PRIMARY KEY,       -- what people call it by; the beginning of its digest
  digest     TEXT NOT NULL UNIQUE,
  label      TEXT NOT NULL,
  kiosk      INTEGER NOT NULL,       -- 1: of a wall, good as a cookie too
  role       TEXT NOT NULL,
  agency     TEXT,
  areas      TEXT NOT NULL,
  scopes     TEXT,                   -- permissions with spaces between them; NULL: all that the role has
  created_at INTEGER NOT NULL,
  expires_at INTEGER,                -- NULL: never
  revoked_at INTEGER
) STRICT;

CREATE TABLE account_device (        -- browsers that an account signed in from: guesses elsewhere do not delay them
  digest  TEXT PRIMARY KEY,
  account TEXT NOT NULL REFERENCES account (name),
  seen_at INTEGER NOT NULL
) STRICT;

CREATE TABLE account_link (          -- one-time links
  digest     TEXT PRIMARY KEY,
  account    TEXT REFERENCES account (name), -- whose password it sets; NULL: it makes the first admin
  expires_at INTEGER NOT NULL
) STRICT;
