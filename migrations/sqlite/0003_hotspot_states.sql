-- How each hotspot stood after every tick that changed it, so that "what was hot at 14:05" has an answer. Without
-- its members: those are the reports of its time and place.
CREATE TABLE hotspot_state (
  projection  TEXT NOT NULL,
  id          TEXT NOT NULL,
  changed_seq INTEGER NOT NULL, -- the tick
  body        TEXT NOT NULL,    -- JSON
  PRIMARY KEY (projection, id, changed_seq)
) STRICT, WITHOUT ROWID;
