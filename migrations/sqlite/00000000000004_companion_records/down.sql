DROP TABLE companion_records;

CREATE TABLE companions (
    instance INTEGER NOT NULL PRIMARY KEY,
    record   BLOB    NOT NULL -- sealed
) STRICT;

CREATE TABLE sessions (
    instance INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    device   INTEGER NOT NULL,
    record   BLOB    NOT NULL, -- sealed
    PRIMARY KEY (instance, name, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE identities (
    instance   INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    device     INTEGER NOT NULL,
    public_key BLOB    NOT NULL,
    PRIMARY KEY (instance, name, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE prekeys (
    instance    INTEGER NOT NULL,
    id          INTEGER NOT NULL,
    private_key BLOB    NOT NULL, -- sealed
    PRIMARY KEY (instance, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sender_keys (
    instance  INTEGER NOT NULL,
    chat      TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    device    INTEGER NOT NULL,
    record    BLOB    NOT NULL, -- sealed
    PRIMARY KEY (instance, chat, name, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE lid_mappings (
    instance INTEGER NOT NULL,
    pn       TEXT    NOT NULL,
    lid      TEXT    NOT NULL,
    PRIMARY KEY (instance, pn)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX lid_mappings_by_lid ON lid_mappings (instance, lid);

CREATE TABLE device_lists (
    instance INTEGER NOT NULL,
    user     TEXT    NOT NULL, -- JID
    record   BLOB    NOT NULL,
    PRIMARY KEY (instance, user)
) STRICT, WITHOUT ROWID;

-- A ring: message number `turn` of an instance lies in slot `turn` modulo the ring's size, over its predecessor.
CREATE TABLE sent_messages (
    instance  INTEGER NOT NULL,
    slot      INTEGER NOT NULL,
    turn      INTEGER NOT NULL,
    id        TEXT    NOT NULL,
    chat      TEXT    NOT NULL, -- JID
    recipient TEXT    NOT NULL, -- JID
    message   BLOB    NOT NULL,
    sent_at   INTEGER NOT NULL,
    PRIMARY KEY (instance, slot)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX sent_messages_by_id ON sent_messages (instance, id, chat);
