-- Who stands at the top of the ladder of what is late. Not a role: whoever it is may do what their role may.
ALTER TABLE account ADD COLUMN head INTEGER NOT NULL DEFAULT 0; -- 1: is told what is late once it is the head's
