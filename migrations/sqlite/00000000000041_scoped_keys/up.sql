-- Keys that open less than their owner's own credentials. Only their hashes are kept.
CREATE TABLE scoped_keys (
    id           BLOB    NOT NULL PRIMARY KEY,
    owner        BLOB    NOT NULL,
    name         TEXT    NOT NULL,
    hash         BLOB    NOT NULL,
    scopes       TEXT    NOT NULL, -- separated by commas
    instances    TEXT, -- JSON array; NULL for all of the owner's
    expires_at   INTEGER,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX scoped_keys_by_hash ON scoped_keys (hash);
CREATE INDEX scoped_keys_by_owner ON scoped_keys (owner, created_at, id);
