-- The clock of an open incident, as its newest entry left it: JSON with the step, when it is due, when it is warned of, when
-- the supervisor and the head are told, when the whole is due, and since when it stands still. Milliseconds since 1970.
-- NULL where none runs, and where the newest entry is of before there were clocks. It follows from the log.
ALTER TABLE incident ADD COLUMN clock text;
