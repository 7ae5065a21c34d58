-- Version 2: what was moved into archives, and which of its records are still needed here.
-- At most one row: the last record that was archived. The first record of `journal` follows it.
CREATE TABLE base (
    sequence        INTEGER PRIMARY KEY CHECK (sequence > 0),
    hash            BLOB    NOT NULL CHECK (length(hash) = 32)
);

-- Archived records that the books still need, as they were; `before` is the hash each one follows.
CREATE TABLE kept (
    sequence        INTEGER PRIMARY KEY CHECK (sequence > 0),
    time_ns         INTEGER NOT NULL,
    kind            TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    symbol          TEXT    NOT NULL,
    client_order_id TEXT    NOT NULL,
    actor           TEXT    NOT NULL,
    payload         TEXT    NOT NULL,
    hash            BLOB    NOT NULL CHECK (length(hash) = 32),
    before          BLOB    NOT NULL CHECK (length(before) = 32)
);

CREATE TRIGGER kept_is_never_updated BEFORE UPDATE ON kept
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

CREATE TRIGGER kept_is_never_deleted BEFORE DELETE ON kept
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

-- Only a file that is being made takes any.
CREATE TRIGGER kept_is_made_once BEFORE INSERT ON kept
WHEN EXISTS (SELECT 1 FROM journal)
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

CREATE TRIGGER base_is_never_updated BEFORE UPDATE ON base
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

CREATE TRIGGER base_is_never_deleted BEFORE DELETE ON base
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

CREATE TRIGGER base_is_made_once BEFORE INSERT ON base
WHEN EXISTS (SELECT 1 FROM journal) OR EXISTS (SELECT 1 FROM base)
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;
