-- What the gateway itself stores. Times are Unix milliseconds, identifiers 16 bytes.
-- `instance` in every table is instances.key: a small number that is never used twice.

CREATE TABLE users (
    id            BLOB    NOT NULL PRIMARY KEY,
    email         TEXT    NOT NULL COLLATE NOCASE,
    password_hash TEXT    NOT NULL,
    first_name    TEXT    NOT NULL,
    last_name     TEXT    NOT NULL,
    role          TEXT    NOT NULL,
    api_key_hash  BLOB    NOT NULL,
    api_key       BLOB    NOT NULL, -- sealed
    disabled_at   INTEGER,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX users_by_email ON users (email);
CREATE UNIQUE INDEX users_by_api_key ON users (api_key_hash);

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL -- sealed
) STRICT, WITHOUT ROWID;

CREATE TABLE instances (
    key              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id               BLOB    NOT NULL,
    owner            BLOB    NOT NULL,
    name             TEXT    NOT NULL,
    description      TEXT,
    webhook_url      TEXT,
    webhook_enabled  INTEGER NOT NULL,
    notify_received  INTEGER NOT NULL,
    notify_sent      INTEGER NOT NULL,
    notify_delivery  INTEGER NOT NULL,
    notify_read      INTEGER NOT NULL,
    max_retries      INTEGER NOT NULL,
    retry_interval   INTEGER NOT NULL,
    webhook_secret   BLOB, -- sealed
    webhook_headers  BLOB, -- sealed JSON object
    status           TEXT    NOT NULL,
    status_cause     TEXT,
    jid              TEXT,
    lid              TEXT,
    phone            TEXT,
    push_name        TEXT,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX instances_by_id ON instances (id);
CREATE INDEX instances_by_owner ON instances (owner);

-- `key` is the order in which messages were stored.
CREATE TABLE messages (
    key               INTEGER NOT NULL PRIMARY KEY,
    instance          INTEGER NOT NULL,
    id                BLOB    NOT NULL,
    chat              TEXT    NOT NULL,
    wire_chat         TEXT    NOT NULL,
    sender            TEXT    NOT NULL,
    from_me           INTEGER NOT NULL,
    message_type      TEXT    NOT NULL,
    content           TEXT,
    message_id        TEXT    NOT NULL,
    has_media         INTEGER NOT NULL,
    media_url         TEXT,
    caption           TEXT,
    mime_type         TEXT,
    file_name         TEXT,
    status            TEXT    NOT NULL,
    metadata          TEXT    NOT NULL, -- JSON
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    status_updated_at INTEGER
) STRICT;
CREATE UNIQUE INDEX messages_by_identity ON messages (instance, message_id, sender, wire_chat);
CREATE INDEX messages_by_chat ON messages (instance, chat, created_at);

-- Protobuf of outgoing messages that WhatsApp has not acknowledged.
CREATE TABLE outbox (
    instance INTEGER NOT NULL,
    message  INTEGER NOT NULL, -- messages.key
    payload  BLOB    NOT NULL,
    PRIMARY KEY (instance, message)
) STRICT, WITHOUT ROWID;

-- Within an instance `timestamp` never falls as `seq` grows, so a time is found by halving and needs no index.
CREATE TABLE events (
    instance  INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    id        BLOB    NOT NULL,
    kind      TEXT    NOT NULL,
    chat      TEXT,
    timestamp INTEGER NOT NULL,
    data      TEXT    NOT NULL, -- JSON
    PRIMARY KEY (instance, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE cursors (
    instance INTEGER NOT NULL,
    consumer TEXT    NOT NULL,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (instance, consumer)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    instance     INTEGER NOT NULL,
    consumer     TEXT    NOT NULL,
    seq          INTEGER NOT NULL,
    chat         TEXT,
    state        TEXT    NOT NULL,
    attempts     INTEGER NOT NULL,
    next_attempt INTEGER NOT NULL,
    last_error   TEXT,
    status_code  INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (instance, consumer, seq)
) STRICT, WITHOUT ROWID;

-- Idempotency keys.
CREATE TABLE claims (
    scope       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    instance    INTEGER NOT NULL,
    fingerprint BLOB    NOT NULL,
    answer      TEXT    NOT NULL, -- JSON
    taken_at    INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

-- Deleted instances whose messages and events are still to be removed, a few at a time.
CREATE TABLE retired_instances (
    instance INTEGER NOT NULL PRIMARY KEY -- instances.key of a row that is gone
) STRICT;
