-- Incidents that became one: who absorbed whom, and how many people stand behind each.
--
-- A report's incident_no never changes: it is the incident that the report opened or joined. What it counts under now is
-- found by following merged_into until it is NULL.

-- Distinct senders of the reports that count under it. Joins from before this column each count as another sender.
ALTER TABLE pantau.incident ADD COLUMN reporters bigint NOT NULL DEFAULT 1;
UPDATE pantau.incident SET reporters = reports WHERE reports > 1;

-- The incident that absorbed it; NULL for those that stand by themselves.
ALTER TABLE pantau.incident ADD COLUMN merged_into bigint;
CREATE INDEX incident_merged ON pantau.incident (merged_into) WHERE merged_into IS NOT NULL;

-- Who has reported an incident before is asked of every report that joins one.
DROP INDEX pantau.report_incident;
CREATE INDEX report_incident ON pantau.report (incident_no, sender);

-- Merges and splits by the incident that stays; the row in "action" is that of the absorbed one.
CREATE TABLE pantau.merge (
  seq     bigint PRIMARY KEY,  -- its entry
  into_no bigint NOT NULL
);

CREATE INDEX merge_into ON pantau.merge (into_no);

-- An absorbed incident is on no map.
CREATE OR REPLACE VIEW pantau_map.incidents AS
  SELECT no, category, status, agency, CASE WHEN coarse_lng_e7 IS NULL THEN area END AS area,
         to_timestamp(opened_at / 1000.0) AS opened_at,
         to_timestamp(updated_at / 1000.0) AS updated_at, to_timestamp(due_at / 1000.0) AS due_at,
         to_timestamp(closed_at / 1000.0) AS closed_at, reports, version, drill, imported,
         coarse_lng_e7 IS NOT NULL AS coarse, geom
  FROM pantau.incident WHERE merged_into IS NULL;
