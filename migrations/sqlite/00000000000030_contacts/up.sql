-- Whom an instance knows, and what the account has marked their chats with. `name` is what they are called and `search` all
-- of their names and the number, a line each, both in lower case as far as ASCII goes.
CREATE TABLE contacts (
    instance      INTEGER NOT NULL,
    jid           TEXT    NOT NULL,
    id            BLOB    NOT NULL,
    lid           TEXT,
    is_group      INTEGER NOT NULL,
    saved_name    TEXT,
    verified_name TEXT,
    push_name     TEXT,
    picture       TEXT,
    about         TEXT,
    last_activity INTEGER,
    archived      INTEGER NOT NULL,
    pinned_at     INTEGER,
    muted_until   INTEGER,
    name          TEXT    NOT NULL,
    search        TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    PRIMARY KEY (instance, jid)
) STRICT, WITHOUT ROWID;
CREATE INDEX contacts_by_name ON contacts (instance, name, jid);
CREATE INDEX contacts_by_lid ON contacts (instance, lid);

-- Whether the phone told of the message when it linked the companion: it is from before.
ALTER TABLE messages ADD COLUMN history INTEGER NOT NULL DEFAULT 0;
