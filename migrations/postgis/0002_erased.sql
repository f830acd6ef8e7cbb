-- Which private parts erasures took, wholly or in part: of each the newest. It follows from the log, and says to which
-- digest what is left answers, and which incidents changed.
CREATE TABLE pantau.erased (
  part        bigint PRIMARY KEY, -- seq of the entry whose private part it is
  seq         bigint NOT NULL,    -- of the newest erasure that took something of it
  incident_no bigint NOT NULL,
  digest      bytea               -- SHA-256(new salt, what is left); NULL where nothing is left
);

CREATE INDEX erased_seq ON pantau.erased (seq);
CREATE INDEX entry_erasure ON pantau.entry (seq) WHERE kind = 'erasure';
