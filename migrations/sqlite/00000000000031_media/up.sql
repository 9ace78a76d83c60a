-- The file of a message, as far as the gateway has it: how far it has come, and the rest of it as JSON.
ALTER TABLE messages ADD COLUMN media_state TEXT;
ALTER TABLE messages ADD COLUMN media TEXT;
CREATE INDEX messages_media_pending ON messages (instance) WHERE media_state = 'pending';
CREATE INDEX messages_with_file ON messages (instance, id) WHERE media_state = 'ready';
