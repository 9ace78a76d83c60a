-- One body per message, typed events, webhooks of their own, leases, retention.

-- A message is its protobuf (`raw`) and, beside it, only what is queried. `raw` comes last, so that reading the other
-- columns doesn't touch its pages. `key` is the order in which messages were stored.
CREATE TABLE new_messages (
    key               INTEGER NOT NULL PRIMARY KEY,
    instance          INTEGER NOT NULL,
    id                BLOB    NOT NULL,
    chat              TEXT    NOT NULL,
    wire_chat         TEXT    NOT NULL,
    sender            TEXT    NOT NULL,
    participant       TEXT,
    from_me           INTEGER NOT NULL,
    message_id        TEXT    NOT NULL,
    target            TEXT,
    kind              TEXT    NOT NULL,
    amends            INTEGER NOT NULL, -- whether the kind is one that isn't listed
    text              TEXT,
    push_name         TEXT,
    status            TEXT    NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    status_updated_at INTEGER,
    edited_at         INTEGER,
    revoked_at        INTEGER,
    raw               BLOB    NOT NULL
) STRICT;

-- What was pending has its protobuf in the outbox. That of a text is built here (field 1, length-delimited), so that it
-- can be quoted and forwarded; other old messages stay without.
INSERT INTO new_messages
SELECT m.key, m.instance, m.id, m.chat, m.wire_chat, m.sender, NULL, m.from_me, m.message_id, NULL, m.message_type,
       m.message_type IN ('reaction', 'edit', 'revoke', 'pin', 'keep'),
       coalesce(m.content, m.caption),
       json_extract(m.metadata, '$.pushName'),
       m.status, m.created_at, max(m.updated_at, m.created_at), max(m.status_updated_at, m.created_at), NULL, NULL,
       CASE
           WHEN o.payload IS NOT NULL THEN o.payload
           WHEN m.message_type <> 'text' OR m.content IS NULL THEN x''
           ELSE unhex('0A' || CASE
                   WHEN octet_length(m.content) < 0x80 THEN printf('%02X', octet_length(m.content))
                   WHEN octet_length(m.content) < 0x4000 THEN printf('%02X%02X',
                        octet_length(m.content) & 0x7F | 0x80, octet_length(m.content) >> 7)
                   WHEN octet_length(m.content) < 0x200000 THEN printf('%02X%02X%02X',
                        octet_length(m.content) & 0x7F | 0x80, octet_length(m.content) >> 7 & 0x7F | 0x80,
                        octet_length(m.content) >> 14)
                   ELSE printf('%02X%02X%02X%02X',
                        octet_length(m.content) & 0x7F | 0x80, octet_length(m.content) >> 7 & 0x7F | 0x80,
                        octet_length(m.content) >> 14 & 0x7F | 0x80, octet_length(m.content) >> 21)
               END || hex(m.content))
       END
FROM messages m LEFT JOIN outbox o ON o.instance = m.instance AND o.message = m.key
ORDER BY m.key;

DROP TABLE outbox;
DROP TABLE messages;
ALTER TABLE new_messages RENAME TO messages;
CREATE UNIQUE INDEX messages_by_identity ON messages (instance, message_id, sender, wire_chat);
CREATE INDEX messages_by_chat ON messages (instance, chat, amends, created_at);
CREATE INDEX messages_pending ON messages (instance) WHERE status = 'pending';

-- Edits and revocations that came before the message that they are about. They leave when it comes.
CREATE TABLE early_changes (
    key        INTEGER NOT NULL PRIMARY KEY,
    instance   INTEGER NOT NULL,
    message_id TEXT    NOT NULL,
    chats      TEXT    NOT NULL, -- JSON array
    from_me    INTEGER NOT NULL,
    authors    TEXT    NOT NULL, -- JSON array
    kind       TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    text       TEXT,
    raw        BLOB    NOT NULL
) STRICT;
CREATE INDEX early_changes_by_message ON early_changes (instance, message_id);

-- `data` is in the words of `format`: 0 are those of the first version.
-- Within an instance `timestamp` never falls as `seq` grows, so a time is found by halving and needs no index.
CREATE TABLE new_events (
    instance  INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    id        BLOB    NOT NULL,
    kind      TEXT    NOT NULL,
    chat      TEXT,
    chat_pn   TEXT,
    chat_lid  TEXT,
    timestamp INTEGER NOT NULL,
    format    INTEGER NOT NULL,
    data      TEXT    NOT NULL, -- JSON
    PRIMARY KEY (instance, seq)
) STRICT, WITHOUT ROWID;

INSERT INTO new_events
SELECT instance, seq, id, kind, chat,
       coalesce(json_extract(data, '$.pn'), iif(chat LIKE '%@s.whatsapp.net', chat, NULL)),
       coalesce(json_extract(data, '$.lid'), iif(chat LIKE '%@lid', chat, NULL)),
       timestamp, 0, data
FROM events;

DROP TABLE events;
ALTER TABLE new_events RENAME TO events;

-- The secrets of the webhook named `default` are sealed to the place where the first version kept them.
CREATE TABLE webhooks (
    instance       INTEGER NOT NULL,
    name           TEXT    NOT NULL,
    url            TEXT,
    enabled        INTEGER NOT NULL,
    format         TEXT    NOT NULL,
    received       INTEGER NOT NULL,
    sent           INTEGER NOT NULL,
    delivery       INTEGER NOT NULL,
    read           INTEGER NOT NULL,
    kinds          TEXT, -- JSON array
    max_retries    INTEGER NOT NULL,
    retry_interval INTEGER NOT NULL,
    secret         BLOB, -- sealed
    headers        BLOB, -- sealed JSON object
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    PRIMARY KEY (instance, name)
) STRICT, WITHOUT ROWID;

INSERT INTO webhooks
SELECT key, 'default', webhook_url, webhook_enabled, 'seed1', notify_received, notify_sent, notify_delivery, notify_read,
       NULL, max_retries, retry_interval, webhook_secret, webhook_headers, created_at, updated_at
FROM instances;

UPDATE cursors SET consumer = 'default' WHERE consumer = 'webhook';
UPDATE deliveries SET consumer = 'default' WHERE consumer = 'webhook';

-- Processes that run instances, and until when each one's lease is good.
CREATE TABLE nodes (
    id    BLOB    NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Changed in place: a new table would forget which keys were used already.
ALTER TABLE instances DROP COLUMN webhook_url;
ALTER TABLE instances DROP COLUMN webhook_enabled;
ALTER TABLE instances DROP COLUMN notify_received;
ALTER TABLE instances DROP COLUMN notify_sent;
ALTER TABLE instances DROP COLUMN notify_delivery;
ALTER TABLE instances DROP COLUMN notify_read;
ALTER TABLE instances DROP COLUMN max_retries;
ALTER TABLE instances DROP COLUMN retry_interval;
ALTER TABLE instances DROP COLUMN webhook_secret;
ALTER TABLE instances DROP COLUMN webhook_headers;
-- Days; NULL leaves it to the gateway's setting.
ALTER TABLE instances ADD COLUMN event_days INTEGER;
ALTER TABLE instances ADD COLUMN message_days INTEGER;
-- How often the instance has changed hands, who holds it, and who was not told yet that it lost it.
ALTER TABLE instances ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instances ADD COLUMN node BLOB;
ALTER TABLE instances ADD COLUMN lost_by BLOB;
DROP INDEX instances_by_owner;
CREATE INDEX instances_by_owner ON instances (owner, created_at, id);
CREATE INDEX instances_by_node ON instances (node, created_at, id);
CREATE INDEX instances_lost ON instances (lost_by) WHERE lost_by IS NOT NULL;
