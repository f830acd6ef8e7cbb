-- Accounts of people whom a provider of single sign-on vouches for (OpenID Connect). Such an account has no password.
-- Times are milliseconds since 1970, UTC.

CREATE TABLE account_subject (
  issuer     TEXT NOT NULL,          -- the provider, by its address
  subject    TEXT NOT NULL,          -- what the provider calls them, for good
  account    TEXT NOT NULL UNIQUE REFERENCES account (name),
  created_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, subject)
) STRICT;
