-- How dialects reach an instance: by the hash of a key of their own, which lies sealed beside what else they keep of it.
CREATE TABLE dialect_access (
    instance INTEGER NOT NULL,
    dialect  TEXT    NOT NULL,
    key_hash BLOB    NOT NULL,
    key      BLOB    NOT NULL,
    notes    BLOB    NOT NULL,
    PRIMARY KEY (instance, dialect)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX dialect_access_by_key ON dialect_access (dialect, key_hash);
