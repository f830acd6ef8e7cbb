-- How much a report counts in hotspots, and why.

-- How exact the reporter's device believed its place to be, in metres: as the entry says.
ALTER TABLE pantau.report ADD COLUMN accuracy_m bigint;
UPDATE pantau.report SET accuracy_m = (entry.body::json -> 'report' ->> 'accuracy_m')::bigint
FROM pantau.entry WHERE entry.seq = report.seq AND entry.body LIKE '%"accuracy_m":%';

-- What else speaks against a member of a hotspot, and for it.
ALTER TABLE pantau.hotspot_member ADD COLUMN channel smallint NOT NULL DEFAULT 0;  -- halvings of its channel
ALTER TABLE pantau.hotspot_member ADD COLUMN vague smallint NOT NULL DEFAULT 0;    -- 1: its place is known less well than the radius
ALTER TABLE pantau.hotspot_member ADD COLUMN photo smallint NOT NULL DEFAULT 0;    -- 1: a photo takes one halving back
ALTER TABLE pantau.hotspot_member ADD COLUMN agreeing smallint NOT NULL DEFAULT 0; -- other senders nearby that take one back each
