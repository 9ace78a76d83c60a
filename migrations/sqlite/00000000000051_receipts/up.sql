-- Which members of a group have a message of ours (messages.key), and since when.
CREATE TABLE receipts (
    message      INTEGER NOT NULL,
    member       TEXT    NOT NULL,
    delivered_at INTEGER,
    read_at      INTEGER,
    played_at    INTEGER,
    PRIMARY KEY (message, member)
) STRICT, WITHOUT ROWID;
-- What an instance is sorted by, in its owner's words: a JSON array.
ALTER TABLE instances ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
