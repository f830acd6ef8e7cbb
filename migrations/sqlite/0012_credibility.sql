-- How much a report counts in hotspots, and why; and sums for the keys of what was sent.

-- How exact the reporter's device believed its place to be, in metres: as the entry says.
ALTER TABLE report ADD COLUMN accuracy_m INTEGER;
UPDATE report SET accuracy_m = (SELECT body ->> '$.report.accuracy_m' FROM entry WHERE entry.seq = report.seq)
WHERE EXISTS (SELECT 1 FROM entry WHERE entry.seq = report.seq AND instr(body, '"accuracy_m":') > 0);

-- What else speaks against a member of a hotspot, and for it.
ALTER TABLE hotspot_member ADD COLUMN channel INTEGER NOT NULL DEFAULT 0;  -- halvings of its channel
ALTER TABLE hotspot_member ADD COLUMN vague INTEGER NOT NULL DEFAULT 0;    -- 1: its place is known less well than the radius
ALTER TABLE hotspot_member ADD COLUMN photo INTEGER NOT NULL DEFAULT 0;    -- 1: a photo takes one halving back
ALTER TABLE hotspot_member ADD COLUMN agreeing INTEGER NOT NULL DEFAULT 0; -- other senders nearby that take one back each
-- A row that is not sound keeps its sum, and so is found as before.
UPDATE hotspot_member
SET sum = row_sum(projection, id, seq, report_no, received_at, core, repeats, rejections, channel, vague, photo, agreeing)
WHERE sum = row_sum(projection, id, seq, report_no, received_at, core, repeats, rejections);

-- The keys follow from the log only in part: each row has the CRC-32 of its other columns.
ALTER TABLE import_source ADD COLUMN sum INTEGER;
ALTER TABLE import_key ADD COLUMN sum INTEGER;
ALTER TABLE import_key_new ADD COLUMN sum INTEGER;
ALTER TABLE idempotency ADD COLUMN sum INTEGER;
