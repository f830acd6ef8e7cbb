-- Photos as entries name them. What a row says follows from the log, but for the names, which stand in the private parts: an
-- erasure takes the row, the part and the files.
CREATE TABLE pantau.photo (
  seq         bigint NOT NULL,  -- of the entry that brought it
  n           bigint NOT NULL,  -- its place there, from 0
  incident_no bigint NOT NULL,  -- that the entry is of
  report_no   bigint,           -- where it came with a report
  at          bigint NOT NULL,  -- of the entry; milliseconds since 1970
  kind        text NOT NULL,    -- report, before, after
  actor       text,             -- who added it, where staff did
  name        bytea NOT NULL,   -- SHA-256 of the file
  thumb       bytea NOT NULL,   -- of the small one
  width       bigint NOT NULL,  -- pixels
  height      bigint NOT NULL,
  public      boolean NOT NULL, -- released
  PRIMARY KEY (seq, n)
);

CREATE INDEX photo_incident ON pantau.photo (incident_no);
CREATE UNIQUE INDEX photo_name ON pantau.photo (name);
CREATE UNIQUE INDEX photo_thumb ON pantau.photo (thumb);

-- The files themselves, which several nodes share. Each is there before the entry that names it.
CREATE TABLE pantau.photo_file (
  name   bytea PRIMARY KEY, -- SHA-256 of the bytes
  bytes  bytea NOT NULL,    -- JPEG
  put_at timestamptz NOT NULL DEFAULT now()
);
-- A JPEG does not get smaller.
ALTER TABLE pantau.photo_file ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- How many came with the report, also where they are erased.
ALTER TABLE pantau.report ADD COLUMN n_photos bigint NOT NULL DEFAULT 0;
