-- Photos as entries name them; their files lie in the folder photos/ under their names. What a row says follows from the log,
-- but for the names, which stand in the private parts: an erasure takes the row, the part and the files.
CREATE TABLE photo (
  seq         INTEGER NOT NULL, -- of the entry that brought it
  n           INTEGER NOT NULL, -- its place there, from 0
  incident_no INTEGER NOT NULL, -- that the entry is of
  report_no   INTEGER,          -- where it came with a report
  at          INTEGER NOT NULL, -- of the entry; milliseconds since 1970
  kind        TEXT NOT NULL,    -- report, before, after
  actor       TEXT,             -- who added it, where staff did
  name        BLOB NOT NULL,    -- SHA-256 of the file, and its name
  thumb       BLOB NOT NULL,    -- of the small one
  width       INTEGER NOT NULL, -- pixels
  height      INTEGER NOT NULL,
  public      INTEGER NOT NULL, -- 1: released
  sum         INTEGER,          -- CRC-32 of the columns before
  PRIMARY KEY (seq, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX photo_incident ON photo (incident_no);
CREATE UNIQUE INDEX photo_name ON photo (name);
CREATE UNIQUE INDEX photo_thumb ON photo (thumb);

-- How many came with the report, also where they are erased.
ALTER TABLE report ADD COLUMN n_photos INTEGER NOT NULL DEFAULT 0;
