-- Who signed in, or was refused, and what became of accounts: for the audit. Not part of the journal's history: it
-- holds addresses of the network, and goes after a while. The newest 200,000 of the last 400 days.
CREATE TABLE account_event (
  id      INTEGER PRIMARY KEY,       -- rises
  at      INTEGER NOT NULL,          -- milliseconds since 1970, UTC
  actor   TEXT,                      -- account or token; NULL: nobody who is known
  action  TEXT NOT NULL,             -- sign-in, sign-in-refused, sign-out, denied, account-role, …
  subject TEXT,                      -- the account or token that it was done to
  network TEXT,                      -- address it came from; NULL: a command on the server's machine
  detail  TEXT                       -- what, or why
) STRICT;

CREATE INDEX account_event_at ON account_event (at, id);
