-- Who may sign in. Times are milliseconds since 1970, UTC. Secrets that are
-- drawn (sessions, tokens, devices, links) are kept as their SHA-256 in hex, never themselves.

CREATE TABLE account_revision (
  id bigint PRIMARY KEY CHECK (id = 1),
  n  bigint NOT NULL                -- rises with every change, whoever made it
);
INSERT INTO account_revision (id, n) VALUES (1, 1);

CREATE TABLE account (
  name        text PRIMARY KEY,      -- as the journal remembers who acted: never changed, never given to another
  full_name   text NOT NULL,
  role        text NOT NULL,
  agency      text,                  -- key in the city pack, of an agency's people
  areas       text NOT NULL,         -- codes of the city pack with spaces between them, of a responder
  password    text,                  -- argon2id, PHC form; NULL until one is chosen
  totp        text,                  -- secret of the second factor in hex; NULL where there is none
  totp_step   bigint NOT NULL,      -- the last time step whose code was used: none counts twice
  created_at  bigint NOT NULL,
  disabled_at bigint                -- NULL while it may sign in
);

CREATE TABLE account_session (
  digest   text PRIMARY KEY,
  account  text NOT NULL REFERENCES account (name),
  began_at bigint NOT NULL,
  ends_at  bigint NOT NULL
);

CREATE TABLE account_token (
  id         text PRIMARY KEY,       -- what people call it by; the beginning of its digest
  digest     text NOT NULL UNIQUE,
  label      text NOT NULL,
  kiosk      bigint NOT NULL,       -- 1: of a wall, good as a cookie too
  role       text NOT NULL,
  agency     text,
  areas      text NOT NULL,
  scopes     text,                   -- permissions with spaces between them; NULL: all that the role has
  created_at bigint NOT NULL,
  expires_at bigint,                -- NULL: never
  revoked_at bigint
);

CREATE TABLE account_device (        -- browsers that an account signed in from: guesses elsewhere do not delay them
  digest  text PRIMARY KEY,
  account text NOT NULL REFERENCES account (name),
  seen_at bigint NOT NULL
);

CREATE TABLE account_link (          -- one-time links
  digest     text PRIMARY KEY,
  account    text REFERENCES account (name), -- whose password it sets; NULL: it makes the first admin
  expires_at bigint NOT NULL
);
