-- One table for whatever a companion keeps. Kinds, keys and values are those of the crate `wa-store`.
CREATE TABLE companion_records (
    instance INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    key      TEXT    NOT NULL,
    value    BLOB    NOT NULL, -- sealed
    PRIMARY KEY (instance, kind, key)
) STRICT, WITHOUT ROWID;

-- What the tables `companions`, `sessions`, `identities`, `prekeys`, `sender_keys`, `lid_mappings` and `device_lists` hold
-- is sealed anew and moved by the program, in the same transaction; then it drops them.

-- Retry receipts are answered from the stored messages; what was sent is exactly this.
UPDATE messages SET raw = sent.message
FROM sent_messages AS sent
WHERE messages.instance = sent.instance AND messages.message_id = sent.id AND messages.from_me;
DROP TABLE sent_messages;
