-- The reports of each hotspot, one a row, so that a tick writes those that came or went and not the whole list. A
-- hotspot whose body still holds a list of members, as older ones do, has no rows here.
CREATE TABLE hotspot_member (
  projection  TEXT NOT NULL,
  id          TEXT NOT NULL,
  seq         INTEGER NOT NULL, -- of the report's entry
  report_no   INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  core        INTEGER NOT NULL, -- 0 or 1
  repeats     INTEGER NOT NULL, -- earlier reports of its sender nearby, up to 7
  rejections  INTEGER NOT NULL, -- rejected reports of its sender, up to 7
  PRIMARY KEY (projection, id, seq)
) STRICT, WITHOUT ROWID;
