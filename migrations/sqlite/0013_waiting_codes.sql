-- What became of reports that were acknowledged while a database was away, by the numbers that their codes hold: they come
-- with a history that was moved here out of a database. Nothing of what was said.
CREATE TABLE waiting_code (
  waiting_no  INTEGER PRIMARY KEY,
  received_at INTEGER NOT NULL,
  report_no   INTEGER,          -- in the log
  refused     TEXT,             -- or why it never will be
  sum         INTEGER
) STRICT;

CREATE INDEX waiting_code_report ON waiting_code (report_no);
