-- The journal of one city in PostgreSQL with PostGIS. The tables stand in the schema "pantau" and are Pantau's alone:
-- never write to them by hand, `pantau verify --store` would tell. For QGIS and other programs there are the views of
-- the schema "pantau_map": GRANT USAGE ON SCHEMA pantau_map and SELECT on its views is all that such a role needs.
--
-- Times are whole milliseconds since 1970 in UTC: to_timestamp(at / 1000.0).
-- Places are whole 1e-7 degrees, WGS 84. "geom" follows from them and cannot say otherwise; of what is sensitive it is
-- the centre of the H3 cell, as on the public map, and the exact place is in the whole numbers alone.
-- Columns marked ERASABLE hold personal data and may become NULL on request; the log still verifies.

-- What this database is: city, mode (live or replay), epoch, secret (64 hex digits).
CREATE TABLE meta (
  key   text COLLATE "C" PRIMARY KEY,
  value text NOT NULL
);

-- Who writes. Every commit holds this row locked and is refused under another term than the one that stands here:
-- so commits follow each other in the order of their seqs, and there are never two writers.
CREATE TABLE writer (
  only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  term          bigint NOT NULL,  -- counts who took over, from 1
  node          text NOT NULL,    -- a number that the process drew at its start
  backend_pid   integer,          -- of the writer's connection
  backend_start timestamptz
);
INSERT INTO writer (term, node) VALUES (0, '');

-- A sign of life of the writer, about once a second. Not durable, and nothing is decided by it but when to take over.
CREATE TABLE writer_beat (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  term     bigint NOT NULL,
  beats    bigint NOT NULL
);
INSERT INTO writer_beat (term, beats) VALUES (0, 0);

-- The first statement of every commit.
CREATE FUNCTION fence(expected bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM pantau.writer WHERE term = expected FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'another process writes this database by now' USING ERRCODE = 'PTERM';
  END IF;
END
$$;

-- The log. Everything else follows from it (and from the erasable columns).
CREATE TABLE entry (
  seq  bigint PRIMARY KEY,        -- dense, from 1, in commit order
  at   bigint NOT NULL,           -- never falls
  kind text NOT NULL,             -- pack, report, action, tick: as in the body
  body text NOT NULL,             -- JSON
  hash bytea NOT NULL             -- SHA-256(hash before, seq, at, body): numbers as 8 bytes, big-endian; zeros before the first
);

CREATE INDEX entry_pack ON entry (seq) WHERE kind = 'pack';

-- What reporters said. One row a report entry, in the same order.
CREATE TABLE report (
  no            bigint PRIMARY KEY, -- dense, from 1
  seq           bigint NOT NULL,    -- its entry
  incident_no   bigint NOT NULL,
  received_at   bigint NOT NULL,    -- time of its entry
  occurred_at   bigint NOT NULL,
  category      text NOT NULL,
  lng_e7        integer NOT NULL,   -- exact
  lat_e7        integer NOT NULL,
  coarse_lng_e7 integer,            -- of a sensitive one: the H3 cell's centre
  coarse_lat_e7 integer,
  area          text,               -- code of the finest area that holds the place
  sender        bigint NOT NULL,    -- keyed hash of the reporter's mark, or no where there is none
  channel       text NOT NULL,
  drill         boolean NOT NULL,
  imported      boolean NOT NULL,
  salt          bytea,              -- ERASABLE, together with private
  private       text,               -- ERASABLE: JSON with description, name, phone, email, exact place
  geom          geometry(Point, 4326) NOT NULL GENERATED ALWAYS AS (
    ST_SetSRID(ST_MakePoint(coalesce(coarse_lng_e7, lng_e7) / 1e7, coalesce(coarse_lat_e7, lat_e7) / 1e7), 4326)
  ) STORED
);

CREATE UNIQUE INDEX report_seq ON report (seq);
CREATE INDEX report_incident ON report (incident_no);
-- By the week in which it occurred: an import in any order then writes to a few pages of this index, not to all.
CREATE INDEX report_week ON report ((occurred_at / 604800000), no);
CREATE INDEX report_geom ON report USING gist (geom);

-- The cases that the center works on, as of the newest entry.
CREATE TABLE incident (
  no               bigint PRIMARY KEY, -- dense, from 1
  closed_at        bigint,             -- time of the entry that closed it, while it is closed
  opened_seq       bigint NOT NULL,
  changed_seq      bigint NOT NULL,
  category         text NOT NULL,
  status           text NOT NULL,      -- new, verified, in_progress, resolved, rejected
  agency           text,
  area             text,
  lng_e7           integer NOT NULL,   -- place of its first report
  lat_e7           integer NOT NULL,
  coarse_lng_e7    integer,            -- of a sensitive one
  coarse_lat_e7    integer,
  opened_at        bigint NOT NULL,
  updated_at       bigint NOT NULL,
  due_at           bigint,
  closed_by_import boolean NOT NULL,
  reports          bigint NOT NULL,
  version          bigint NOT NULL,    -- counts every change, from 1
  drill            boolean NOT NULL,
  imported         boolean NOT NULL,
  geom             geometry(Point, 4326) NOT NULL GENERATED ALWAYS AS (
    ST_SetSRID(ST_MakePoint(coalesce(coarse_lng_e7, lng_e7) / 1e7, coalesce(coarse_lat_e7, lat_e7) / 1e7), 4326)
  ) STORED
);

CREATE INDEX incident_closed ON incident (closed_at);
CREATE INDEX incident_geom ON incident USING gist (geom);

-- What staff did. The statuses before and after are in the entry's body.
CREATE TABLE action (
  seq         bigint PRIMARY KEY, -- its entry
  incident_no bigint NOT NULL,
  action      text NOT NULL,
  actor       text NOT NULL,
  salt        bytea,              -- ERASABLE, together with private
  private     text                -- ERASABLE: JSON with note
);

CREATE INDEX action_incident ON action (incident_no);

-- Which rows of which files were imported, so that an import can be repeated.
CREATE TABLE import_source (
  id   bigint PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE import_key (
  source_id  bigint NOT NULL,
  row_digest bytea NOT NULL,      -- 16 bytes: of the row's id, or of the whole row
  report_no  bigint NOT NULL,
  PRIMARY KEY (source_id, row_digest)
);

-- Idempotency keys of submissions, for 72 hours.
CREATE TABLE idempotency (
  key         text COLLATE "C" PRIMARY KEY,
  body_digest bytea NOT NULL,     -- 32 bytes
  report_no   bigint NOT NULL,
  at          bigint NOT NULL
);

CREATE INDEX idempotency_at ON idempotency (at);

-- Reports that other nodes took while they could not reach this database, for the writer to put into the log, in the
-- order of their places. What was put in keeps its code's number here, and nothing of what was said.
CREATE TABLE handed_in (
  place       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  waiting_no  bigint NOT NULL UNIQUE,
  key         text COLLATE "C" NOT NULL UNIQUE, -- Idempotency-Key
  body_digest bytea NOT NULL,
  received_at bigint NOT NULL,
  body        bytea,              -- ERASABLE: the JSON that was sent; NULL once it is in the log
  report_no   bigint,
  refused     text                -- why it was not put in
);

CREATE INDEX handed_in_waiting ON handed_in (place) WHERE body IS NOT NULL;

-- Hotspots: computed from the entries up to a tick, kept so that a start needs no replay.
CREATE TABLE derived (
  only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  as_of_seq bigint NOT NULL       -- the tick that the hotspots stand at
);

CREATE TABLE hotspot (
  projection  text COLLATE "C" NOT NULL, -- public or staff
  id          text COLLATE "C" NOT NULL,
  category    text NOT NULL,
  changed_seq bigint NOT NULL,
  ended_seq   bigint,
  body        text NOT NULL,      -- JSON
  PRIMARY KEY (projection, id)
);

CREATE INDEX hotspot_ended ON hotspot (ended_seq);

-- How each hotspot stood after every tick that changed it.
CREATE TABLE hotspot_state (
  projection  text COLLATE "C" NOT NULL,
  id          text COLLATE "C" NOT NULL,
  changed_seq bigint NOT NULL,    -- the tick
  body        text NOT NULL,      -- JSON
  PRIMARY KEY (projection, id, changed_seq)
);

-- The reports of each hotspot, one a row.
CREATE TABLE hotspot_member (
  projection  text COLLATE "C" NOT NULL,
  id          text COLLATE "C" NOT NULL,
  seq         bigint NOT NULL,    -- of the report's entry
  report_no   bigint NOT NULL,
  received_at bigint NOT NULL,
  core        boolean NOT NULL,
  repeats     smallint NOT NULL,  -- earlier reports of its sender nearby, up to 7
  rejections  smallint NOT NULL,  -- rejected reports of its sender, up to 7
  PRIMARY KEY (projection, id, seq)
);

CREATE TABLE hotspot_event (
  seq        bigint NOT NULL,
  projection text COLLATE "C" NOT NULL,
  id         text COLLATE "C" NOT NULL,
  kind       text COLLATE "C" NOT NULL, -- born, doubled, merged, split, ended
  at         bigint NOT NULL,
  body       text NOT NULL,       -- JSON
  PRIMARY KEY (seq, projection, id, kind)
);

-- Alarms of kind surge, and the newest day on which each still stood out.
CREATE TABLE surge (
  seq        bigint NOT NULL,     -- the tick that raised it
  projection text COLLATE "C" NOT NULL,
  n          bigint NOT NULL,     -- its number among those of the tick
  at         bigint NOT NULL,
  category   text NOT NULL,
  area       text NOT NULL,       -- code
  until_day  text NOT NULL,       -- the city's
  body       text NOT NULL,       -- JSON
  PRIMARY KEY (seq, projection, n)
);

-- The areas of the city pack in force, written with its entry.
CREATE TABLE area (
  code        text COLLATE "C" PRIMARY KEY,
  no          bigint NOT NULL UNIQUE, -- its place in the order of the codes
  name        text NOT NULL,
  level       text NOT NULL,      -- city, district, village
  parent      text,               -- code
  approximate boolean NOT NULL,   -- drawn from centres, not surveyed
  geom        geometry(MultiPolygon, 4326) NOT NULL
);

CREATE INDEX area_geom ON area USING gist (geom);

-- For maps, spreadsheets and business intelligence: no personal data, no exact place of what is sensitive.
CREATE SCHEMA pantau_map;

CREATE VIEW pantau_map.incidents AS
  SELECT no, category, status, agency, CASE WHEN coarse_lng_e7 IS NULL THEN area END AS area,
         to_timestamp(opened_at / 1000.0) AS opened_at,
         to_timestamp(updated_at / 1000.0) AS updated_at, to_timestamp(due_at / 1000.0) AS due_at,
         to_timestamp(closed_at / 1000.0) AS closed_at, reports, version, drill, imported,
         coarse_lng_e7 IS NOT NULL AS coarse, geom
  FROM pantau.incident;

CREATE VIEW pantau_map.reports AS
  SELECT no, incident_no, category, CASE WHEN coarse_lng_e7 IS NULL THEN area END AS area, channel,
         to_timestamp(received_at / 1000.0) AS received_at, to_timestamp(occurred_at / 1000.0) AS occurred_at,
         drill, imported, coarse_lng_e7 IS NOT NULL AS coarse, geom
  FROM pantau.report;

-- Those that live, as the public sees them.
CREATE VIEW pantau_map.hotspots AS
  SELECT row_number() OVER (ORDER BY id) AS no, id, category, b ->> 'state' AS state,
         b #>> '{name,id}' AS name_id, b #>> '{name,en}' AS name_en, b #>> '{why,id}' AS why_id,
         b #>> '{why,en}' AS why_en, (b ->> 'reports')::bigint AS reports, (b ->> 'reporters')::bigint AS reporters,
         (b ->> 'drill')::boolean AS drill, to_timestamp((b ->> 'first_at_ms')::bigint / 1000.0) AS first_at,
         to_timestamp((b ->> 'last_at_ms')::bigint / 1000.0) AS last_at,
         ST_Scale(
           ST_GeomFromGeoJSON(jsonb_build_object('type', 'MultiPolygon', 'coordinates', b -> 'outline_e6')), 1e-6, 1e-6
         )::geometry(MultiPolygon, 4326) AS geom
  FROM (SELECT id, category, body::jsonb AS b FROM pantau.hotspot WHERE projection = 'public' AND ended_seq IS NULL) AS h;

CREATE VIEW pantau_map.areas AS
  SELECT no, code, name, level, parent, approximate, geom FROM pantau.area;
