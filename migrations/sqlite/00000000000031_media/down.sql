DROP INDEX messages_with_file;
DROP INDEX messages_media_pending;
ALTER TABLE messages DROP COLUMN media;
ALTER TABLE messages DROP COLUMN media_state;
