-- Readers of the log that pull, and say how far they have come.
CREATE TABLE consumers (
    instance   INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    kinds      TEXT, -- JSON array; NULL means all
    position   INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (instance, name)
) STRICT, WITHOUT ROWID;
