-- What became of reports that were acknowledged while the database was away, by the numbers that their codes hold: so
-- every node answers whoever holds one, whichever node gave it out. Nothing of what was said.
CREATE TABLE pantau.waiting_code (
  waiting_no  bigint PRIMARY KEY,
  received_at bigint NOT NULL,
  report_no   bigint,             -- in the log
  refused     text                -- or why it never will be
);

CREATE INDEX waiting_code_report ON pantau.waiting_code (report_no);

INSERT INTO pantau.waiting_code (waiting_no, received_at, report_no, refused)
SELECT waiting_no, received_at, report_no, refused FROM pantau.handed_in
WHERE body IS NULL AND (report_no IS NOT NULL OR refused IS NOT NULL);

-- One report may have come to two nodes under one key, and each gave out a code for it. With a body and a reason in
-- "refused" it is set aside: the writer cannot take it as it is.
ALTER TABLE pantau.handed_in DROP CONSTRAINT handed_in_key_key;
CREATE INDEX handed_in_key ON pantau.handed_in (key);
