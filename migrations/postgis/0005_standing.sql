-- What else stands of an incident: what it was said to be where it was rejected, whether an agency sent it back, who
-- resolved it (so that somebody else confirms it), whether that was confirmed. It follows from the log.
ALTER TABLE pantau.incident ADD COLUMN standing text; -- JSON with disposition, returned, resolved_by, confirmed; NULL where nothing is

UPDATE pantau.incident SET standing = (
  SELECT json_build_object('resolved_by', action.actor)::text FROM pantau.action
  WHERE action.incident_no = incident.no AND action.action = 'resolve' ORDER BY action.seq DESC LIMIT 1
) WHERE status = 'resolved' AND NOT closed_by_import;
