-- Version 1 of the journal. docs/journal.md explains every column.
CREATE TABLE journal (
    sequence        INTEGER PRIMARY KEY CHECK (sequence > 0),
    time_ns         INTEGER NOT NULL,
    kind            TEXT    NOT NULL,
    venue           TEXT    NOT NULL,
    symbol          TEXT    NOT NULL,
    client_order_id TEXT    NOT NULL,
    actor           TEXT    NOT NULL,
    payload         TEXT    NOT NULL,
    hash            BLOB    NOT NULL CHECK (length(hash) = 32)
);

CREATE TRIGGER journal_is_never_updated BEFORE UPDATE ON journal
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

CREATE TRIGGER journal_is_never_deleted BEFORE DELETE ON journal
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

-- INSERT OR REPLACE would delete a row without the trigger above.
CREATE TRIGGER journal_is_never_replaced BEFORE INSERT ON journal
WHEN EXISTS (SELECT 1 FROM journal WHERE sequence >= NEW.sequence)
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;
