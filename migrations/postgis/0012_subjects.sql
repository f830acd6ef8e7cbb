-- Accounts of people whom a provider of single sign-on vouches for (OpenID Connect). Such an account has no password.
-- Times are milliseconds since 1970, UTC.

CREATE TABLE account_subject (
  issuer     text NOT NULL,          -- the provider, by its address
  subject    text NOT NULL,          -- what the provider calls them, for good
  account    text NOT NULL UNIQUE REFERENCES account (name),
  created_at bigint NOT NULL,
  PRIMARY KEY (issuer, subject)
);
