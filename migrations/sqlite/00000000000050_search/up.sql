-- The messages of an instance in the order they were stored in.
CREATE INDEX messages_of_instance ON messages (instance);

-- The words of messages, by messages.key; the texts themselves are not kept twice. `scope` is `i` and the instance's key. What
-- is taken out is overwritten at once, as elsewhere.
CREATE VIRTUAL TABLE message_words USING fts5(scope, words, content = '', columnsize = 0, tokenize = 'ascii');
INSERT INTO message_words (message_words, rank) VALUES ('secure-delete', 1);

-- The words of all messages up to this key are there; those of later ones follow in the background.
CREATE TABLE search_state (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO search_state VALUES ('indexed', 0);
