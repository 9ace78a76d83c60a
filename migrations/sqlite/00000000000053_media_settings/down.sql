DROP INDEX messages_file_age;
ALTER TABLE instances DROP COLUMN media_days;
ALTER TABLE instances DROP COLUMN media_download;
