-- The journal of one city. Open it with `sqlite3 pantau.db`; never write to it by hand: `pantau verify` would tell.
--
-- Times are whole milliseconds since 1970 in UTC: datetime(at / 1000, 'unixepoch', 'localtime').
-- Places are whole 1e-7 degrees, WGS 84: lng_e7 / 1e7. The views at the end show both as people read them.
-- Columns marked ERASABLE hold personal data and may become NULL on request; the log still verifies.

-- What this folder is: city, mode (live or replay), epoch, secret.
CREATE TABLE meta (
  key   TEXT NOT NULL PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- The log. Everything else follows from it (and from the erasable columns).
CREATE TABLE entry (
  seq  INTEGER PRIMARY KEY,      -- dense, from 1, in commit order
  at   INTEGER NOT NULL,         -- never falls
  kind TEXT NOT NULL,            -- pack, report, action, tick: as in the body
  body TEXT NOT NULL,            -- JSON
  hash BLOB NOT NULL             -- SHA-256(hash before, seq, at, body): numbers as 8 bytes, big-endian; zeros before the first
) STRICT;

CREATE INDEX entry_pack ON entry (seq) WHERE kind = 'pack';

-- What reporters said. One row a report entry, in the same order.
CREATE TABLE report (
  no          INTEGER PRIMARY KEY, -- dense, from 1
  seq         INTEGER NOT NULL,    -- its entry
  incident_no INTEGER NOT NULL,
  received_at INTEGER NOT NULL,    -- time of its entry
  occurred_at INTEGER NOT NULL,
  category    TEXT NOT NULL,
  lng_e7      INTEGER NOT NULL,    -- exact; only the H3 cell's centre once a sensitive report was erased
  lat_e7      INTEGER NOT NULL,
  area        TEXT,                -- code of the finest area that holds the place
  sender      INTEGER NOT NULL,    -- keyed hash of the reporter's mark, or no where there is none
  channel     TEXT NOT NULL,
  drill       INTEGER NOT NULL,
  imported    INTEGER NOT NULL,
  salt        BLOB,                -- ERASABLE, together with private
  private     TEXT                 -- ERASABLE: JSON with description, name, phone, email, exact place
) STRICT;

CREATE INDEX report_incident ON report (incident_no);
-- By the week in which it occurred: an import in any order then writes to a few pages of this index, not to all.
CREATE INDEX report_week ON report (occurred_at / 604800000);

-- The cases that the center works on, as of the newest entry.
CREATE TABLE incident (
  no               INTEGER PRIMARY KEY, -- dense, from 1
  closed_at        INTEGER,             -- time of the entry that closed it, while it is closed
  opened_seq       INTEGER NOT NULL,
  changed_seq      INTEGER NOT NULL,
  category         TEXT NOT NULL,
  status           TEXT NOT NULL,       -- new, verified, in_progress, resolved, rejected
  agency           TEXT,
  area             TEXT,
  lng_e7           INTEGER NOT NULL,    -- place of its first report
  lat_e7           INTEGER NOT NULL,
  opened_at        INTEGER NOT NULL,
  updated_at       INTEGER NOT NULL,
  due_at           INTEGER,
  closed_by_import INTEGER NOT NULL,
  reports          INTEGER NOT NULL,
  version          INTEGER NOT NULL,    -- counts every change, from 1
  drill            INTEGER NOT NULL,
  imported         INTEGER NOT NULL
) STRICT;

CREATE INDEX incident_closed ON incident (closed_at);

-- What staff did. The statuses before and after are in the entry's body.
CREATE TABLE action (
  seq         INTEGER PRIMARY KEY, -- its entry
  incident_no INTEGER NOT NULL,
  action      TEXT NOT NULL,
  actor       TEXT NOT NULL,
  salt        BLOB,                -- ERASABLE, together with private
  private     TEXT                 -- ERASABLE: JSON with note
) STRICT;

CREATE INDEX action_incident ON action (incident_no);

-- Which rows of which files were imported, so that an import can be repeated.
CREATE TABLE import_source (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE import_key (
  source_id  INTEGER NOT NULL,
  row_digest BLOB NOT NULL,   -- 16 bytes: of the row's id, or of the whole row
  report_no  INTEGER NOT NULL,
  PRIMARY KEY (source_id, row_digest)
) STRICT, WITHOUT ROWID;

-- The newest of them, in the order of their arrival, until they are merged into import_key.
CREATE TABLE import_key_new (
  report_no  INTEGER PRIMARY KEY,
  source_id  INTEGER NOT NULL,
  row_digest BLOB NOT NULL
) STRICT;

-- Idempotency keys of submissions, for 72 hours.
CREATE TABLE idempotency (
  key         TEXT NOT NULL PRIMARY KEY,
  body_digest BLOB NOT NULL,  -- 32 bytes
  report_no   INTEGER NOT NULL,
  at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_at ON idempotency (at);

-- Hotspots: computed from the entries up to a tick, kept so that a start needs no replay.
CREATE TABLE derived (
  only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
  as_of_seq INTEGER NOT NULL   -- the tick that the hotspots stand at
) STRICT;

CREATE TABLE hotspot (
  projection  TEXT NOT NULL,   -- public or staff
  id          TEXT NOT NULL,
  category    TEXT NOT NULL,
  changed_seq INTEGER NOT NULL,
  ended_seq   INTEGER,
  body        TEXT NOT NULL,   -- JSON
  PRIMARY KEY (projection, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX hotspot_ended ON hotspot (ended_seq);

CREATE TABLE hotspot_event (
  seq        INTEGER NOT NULL,
  projection TEXT NOT NULL,
  id         TEXT NOT NULL,
  kind       TEXT NOT NULL,    -- born, doubled, merged, split, ended
  at         INTEGER NOT NULL,
  body       TEXT NOT NULL,    -- JSON
  PRIMARY KEY (seq, projection, id, kind)
) STRICT, WITHOUT ROWID;

-- For people and spreadsheets.
CREATE VIEW report_readable AS
  SELECT no, incident_no, datetime(received_at / 1000, 'unixepoch') AS received_utc,
         datetime(occurred_at / 1000, 'unixepoch') AS occurred_utc, category,
         lng_e7 / 1e7 AS lng, lat_e7 / 1e7 AS lat, area, channel, drill, imported,
         private ->> 'description' AS description
  FROM report;

CREATE VIEW incident_readable AS
  SELECT no, category, status, agency, area, lng_e7 / 1e7 AS lng, lat_e7 / 1e7 AS lat,
         datetime(opened_at / 1000, 'unixepoch') AS opened_utc,
         datetime(updated_at / 1000, 'unixepoch') AS updated_utc,
         datetime(due_at / 1000, 'unixepoch') AS due_utc,
         datetime(closed_at / 1000, 'unixepoch') AS closed_utc,
         reports, version, drill, imported
  FROM incident;
