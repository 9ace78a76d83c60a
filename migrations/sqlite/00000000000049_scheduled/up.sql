-- Messages that are to be sent later. `version` grows with each change; `content` is in the services' own words.
CREATE TABLE scheduled (
    key        INTEGER NOT NULL PRIMARY KEY,
    instance   INTEGER NOT NULL,
    message_id TEXT    NOT NULL,
    recipient  TEXT    NOT NULL,
    content    TEXT    NOT NULL, -- JSON
    file       BLOB,             -- the name of its file
    send_at    INTEGER NOT NULL,
    expire_at  INTEGER,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX scheduled_by_message ON scheduled (instance, message_id);
CREATE INDEX scheduled_by_time ON scheduled (send_at);
CREATE INDEX scheduled_of_instance ON scheduled (instance, send_at);
CREATE INDEX scheduled_files ON scheduled (instance, file) WHERE file IS NOT NULL;
