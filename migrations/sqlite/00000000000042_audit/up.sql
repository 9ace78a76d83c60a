-- Who did what, from where. `place` grows and is never used twice.
CREATE TABLE audit (
    place      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    user       BLOB,
    scoped_key BLOB,
    address    TEXT,
    action     TEXT    NOT NULL,
    target     TEXT,
    details    TEXT    NOT NULL -- JSON
) STRICT;
CREATE INDEX audit_by_user ON audit (user, place);
CREATE INDEX audit_by_action ON audit (action, place);
