-- Version 4; versions 1 to 3 were never released. Forward only: a later version appends a new file and raises user_version.
CREATE TABLE lane (
  id INTEGER PRIMARY KEY,
  pin BLOB NOT NULL UNIQUE,
  line TEXT NOT NULL,
  paired_at INTEGER NOT NULL,
  active INTEGER NOT NULL
) STRICT;

-- A payload is immutable, and visible only once complete = 1. No id is given twice: what removes the rest of an upload knows no
-- more than its id.
CREATE TABLE payload (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  sha256 BLOB,
  bytes INTEGER NOT NULL,
  complete INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX payload_by_hash ON payload (sha256) WHERE complete = 1;

-- One piece of limits::CHUNK bytes; id = payload * 1024 + its place.
CREATE TABLE chunk (
  id INTEGER PRIMARY KEY,
  data BLOB NOT NULL
) STRICT;

CREATE TABLE item (
  id BLOB PRIMARY KEY,
  title TEXT NOT NULL,
  listed INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  payload INTEGER NOT NULL REFERENCES payload (id),
  added_at INTEGER NOT NULL
) STRICT;

-- The id is the first half of the ticket's hash, which a reception chooses: whatever a ticket is to change or to open is looked
-- up by the whole, here or, before the id is used, in the table in memory.
CREATE TABLE request (
  id BLOB PRIMARY KEY,
  ticket BLOB NOT NULL,
  lane INTEGER NOT NULL REFERENCES lane (id),
  undecided INTEGER NOT NULL,
  -- When it changes by itself: by the wall clock, in seconds of Unix time, and by what the vault has waited, in seconds.
  ends_at INTEGER,
  waits_until INTEGER,
  filed_at INTEGER NOT NULL,
  -- Hashes of the words, for those that are alike and for one contact's quota.
  likeness BLOB NOT NULL,
  contact BLOB,
  refused_at INTEGER,
  -- Names the filing by everything that is in it.
  filing BLOB NOT NULL,
  record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX request_by_lane ON request (lane, filed_at);
CREATE INDEX request_by_contact ON request (contact, filed_at) WHERE contact IS NOT NULL;
CREATE INDEX request_by_time ON request (filed_at);
CREATE INDEX request_by_likeness ON request (likeness);
CREATE INDEX request_by_end ON request (ends_at) WHERE ends_at IS NOT NULL;
CREATE INDEX request_by_wait ON request (waits_until) WHERE waits_until IS NOT NULL;

CREATE TABLE publication (
  version INTEGER PRIMARY KEY,
  -- Statement and signatures, as JSON.
  signed TEXT NOT NULL,
  bundle BLOB NOT NULL
) STRICT;

-- What is true of the whole vault: whether releases go on, and what is known of the clock. One row, JSON.
CREATE TABLE standing (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  brake TEXT NOT NULL,
  clock TEXT NOT NULL
) STRICT;

-- The log. A leaf commits to its parts behind a salt; erasing the salt leaves the tree whole.
CREATE TABLE leaf (
  idx INTEGER PRIMARY KEY,
  leaf BLOB NOT NULL,
  salt BLOB NOT NULL,
  request BLOB
) STRICT;
CREATE INDEX leaf_by_request ON leaf (request) WHERE request IS NOT NULL;

CREATE TABLE node (
  level INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 4;
