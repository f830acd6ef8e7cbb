-- What statistics ask at every start, where and when the reports of the last weeks were, answered out of the index
-- alone. By the week first, as the index that it replaces, and by number within a week: so an import in any order
-- writes to the ends of a few runs of it, not all over it.
CREATE INDEX report_places ON report (
  occurred_at / 604800000, no, incident_no, occurred_at, category, lng_e7, lat_e7, area, drill
);
DROP INDEX report_week;
