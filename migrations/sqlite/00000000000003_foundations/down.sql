-- Events in words that the first version doesn't know are lost, and so are webhooks but the default one.

CREATE TABLE old_messages (
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

INSERT INTO old_messages
SELECT key, instance, id, chat, wire_chat, sender, from_me, kind, text, message_id,
       kind IN ('image', 'video', 'gif', 'video_note', 'audio', 'voice', 'document', 'sticker'),
       NULL, NULL, NULL, NULL, status,
       iif(push_name IS NULL, json_object('timestamp', created_at / 1000),
           json_object('pushName', push_name, 'timestamp', created_at / 1000)),
       created_at, updated_at, status_updated_at
FROM messages ORDER BY key;

CREATE TABLE outbox (
    instance INTEGER NOT NULL,
    message  INTEGER NOT NULL, -- messages.key
    payload  BLOB    NOT NULL,
    PRIMARY KEY (instance, message)
) STRICT, WITHOUT ROWID;
INSERT INTO outbox SELECT instance, key, raw FROM messages WHERE status = 'pending';

DROP TABLE early_changes;
DROP TABLE messages;
ALTER TABLE old_messages RENAME TO messages;
CREATE UNIQUE INDEX messages_by_identity ON messages (instance, message_id, sender, wire_chat);
CREATE INDEX messages_by_chat ON messages (instance, chat, created_at);

CREATE TABLE old_events (
    instance  INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    id        BLOB    NOT NULL,
    kind      TEXT    NOT NULL,
    chat      TEXT,
    timestamp INTEGER NOT NULL,
    data      TEXT    NOT NULL, -- JSON
    PRIMARY KEY (instance, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO old_events SELECT instance, seq, id, kind, chat, timestamp, data FROM events WHERE format = 0;
DROP TABLE events;
ALTER TABLE old_events RENAME TO events;

DROP INDEX instances_lost;
DROP INDEX instances_by_node;
DROP INDEX instances_by_owner;
CREATE INDEX instances_by_owner ON instances (owner);
ALTER TABLE instances DROP COLUMN lost_by;
ALTER TABLE instances DROP COLUMN node;
ALTER TABLE instances DROP COLUMN epoch;
ALTER TABLE instances DROP COLUMN message_days;
ALTER TABLE instances DROP COLUMN event_days;
ALTER TABLE instances ADD COLUMN webhook_url TEXT;
ALTER TABLE instances ADD COLUMN webhook_enabled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instances ADD COLUMN notify_received INTEGER NOT NULL DEFAULT 1;
ALTER TABLE instances ADD COLUMN notify_sent INTEGER NOT NULL DEFAULT 1;
ALTER TABLE instances ADD COLUMN notify_delivery INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instances ADD COLUMN notify_read INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instances ADD COLUMN max_retries INTEGER NOT NULL DEFAULT 3;
ALTER TABLE instances ADD COLUMN retry_interval INTEGER NOT NULL DEFAULT 60000;
ALTER TABLE instances ADD COLUMN webhook_secret BLOB; -- sealed
ALTER TABLE instances ADD COLUMN webhook_headers BLOB; -- sealed JSON object
UPDATE instances SET
    webhook_url = w.url, webhook_enabled = w.enabled, notify_received = w.received, notify_sent = w.sent,
    notify_delivery = w.delivery, notify_read = w.read, max_retries = w.max_retries,
    retry_interval = w.retry_interval, webhook_secret = w.secret, webhook_headers = w.headers
FROM webhooks w WHERE w.instance = instances.key AND w.name = 'default';

DELETE FROM cursors WHERE consumer <> 'default';
DELETE FROM deliveries WHERE consumer <> 'default';
UPDATE cursors SET consumer = 'webhook';
UPDATE deliveries SET consumer = 'webhook';
DROP TABLE nodes;
DROP TABLE webhooks;
