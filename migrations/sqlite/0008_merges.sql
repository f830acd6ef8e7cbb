-- Incidents that became one: who absorbed whom, and how many people stand behind each.
--
-- A report's incident_no never changes: it is the incident that the report opened or joined. What it counts under now is
-- found by following merged_into until it is NULL.

-- Distinct senders of the reports that count under it. Joins from before this column each count as another sender.
ALTER TABLE incident ADD COLUMN reporters INTEGER NOT NULL DEFAULT 1;
UPDATE incident SET reporters = reports WHERE reports > 1;

-- The incident that absorbed it; NULL for those that stand by themselves.
ALTER TABLE incident ADD COLUMN merged_into INTEGER;
CREATE INDEX incident_merged ON incident (merged_into) WHERE merged_into IS NOT NULL;

-- Who has reported an incident before is asked of every report that joins one.
DROP INDEX report_incident;
CREATE INDEX report_incident ON report (incident_no, sender);

-- Merges and splits by the incident that stays; the row in "action" is that of the absorbed one.
CREATE TABLE merge (
  seq     INTEGER PRIMARY KEY,  -- its entry
  into_no INTEGER NOT NULL
) STRICT;

CREATE INDEX merge_into ON merge (into_no);

DROP VIEW incident_readable;
CREATE VIEW incident_readable AS
  SELECT no, category, status, agency, area, lng_e7 / 1e7 AS lng, lat_e7 / 1e7 AS lat,
         datetime(opened_at / 1000, 'unixepoch') AS opened_utc,
         datetime(updated_at / 1000, 'unixepoch') AS updated_utc,
         datetime(due_at / 1000, 'unixepoch') AS due_utc,
         datetime(closed_at / 1000, 'unixepoch') AS closed_utc,
         reports, reporters, version, drill, imported, merged_into
  FROM incident;
