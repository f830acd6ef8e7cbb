-- Alarms of kind surge: an area had far more reports of a category than usual on one day. One row each, and the newest
-- day on which it still stood out, so that a surge of several days is one alarm, also across a restart.
CREATE TABLE surge (
  seq         INTEGER NOT NULL, -- the tick that raised it
  projection  TEXT NOT NULL,
  n           INTEGER NOT NULL, -- its number among those of the tick
  at          INTEGER NOT NULL,
  category    TEXT NOT NULL,
  area        TEXT NOT NULL,    -- code
  until_day   TEXT NOT NULL,    -- the city's
  body        TEXT NOT NULL,    -- JSON
  PRIMARY KEY (seq, projection, n)
) STRICT, WITHOUT ROWID;
