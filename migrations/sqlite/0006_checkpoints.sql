-- What proves that the log was not written anew: seals over the log, made with a key that is not in this file.
CREATE TABLE checkpoint (
  seq    INTEGER PRIMARY KEY, -- the log had so many entries: seqs are dense from 1
  at     INTEGER NOT NULL,    -- of that entry
  hash   BLOB NOT NULL,       -- of that entry
  key_id BLOB NOT NULL,       -- which key: the first 8 bytes of its SHA-256
  mac    BLOB NOT NULL        -- HMAC-SHA256(key, "pantau checkpoint 1", mac before, seq, at, hash); zeros before the first
) STRICT;

-- Hotspots and surges follow from the log, but only at length: so that a bit that the disk changed is found without,
-- each row has the CRC-32 of its other columns. Rows from before have none.
ALTER TABLE derived ADD COLUMN sum INTEGER;
ALTER TABLE hotspot ADD COLUMN sum INTEGER;
ALTER TABLE hotspot_state ADD COLUMN sum INTEGER;
ALTER TABLE hotspot_member ADD COLUMN sum INTEGER;
ALTER TABLE hotspot_event ADD COLUMN sum INTEGER;
ALTER TABLE surge ADD COLUMN sum INTEGER;
