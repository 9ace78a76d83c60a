-- When the files of an instance's messages are fetched, and for how many days they are kept; NULL leaves both to the gateway.
ALTER TABLE instances ADD COLUMN media_download TEXT;
ALTER TABLE instances ADD COLUMN media_days INTEGER;
-- Files that are old enough to go.
CREATE INDEX messages_file_age ON messages (instance, created_at) WHERE media_state = 'ready';
