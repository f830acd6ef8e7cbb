-- Which private parts erasures took, wholly or in part: of each the newest. It follows from the log, and says to which
-- digest what is left answers, which incidents changed, and what backups must forget.
CREATE TABLE erased (
  part        INTEGER PRIMARY KEY, -- seq of the entry whose private part it is
  seq         INTEGER NOT NULL,    -- of the newest erasure that took something of it
  incident_no INTEGER NOT NULL,
  digest      BLOB                 -- SHA-256(new salt, what is left); NULL where nothing is left
) STRICT;

CREATE INDEX erased_seq ON erased (seq);
CREATE INDEX entry_erasure ON entry (seq) WHERE kind = 'erasure';
