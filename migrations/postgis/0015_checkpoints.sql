-- What proves that the log was not written anew, or cut: seals over it, made with a key that is not in this database but
-- in the data folder of the server that writes.
CREATE TABLE pantau.checkpoint (
  seq    bigint PRIMARY KEY, -- the log had so many entries: seqs are dense from 1
  at     bigint NOT NULL,    -- of that entry
  hash   bytea NOT NULL,     -- of that entry
  key_id bytea NOT NULL,     -- which key: the first 8 bytes of its SHA-256
  mac    bytea NOT NULL      -- HMAC-SHA256(key, "pantau checkpoint 1", mac before, seq, at, hash); zeros before the first
);
