ALTER TABLE instances DROP COLUMN limits;
