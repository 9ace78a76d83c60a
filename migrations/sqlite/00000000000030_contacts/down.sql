ALTER TABLE messages DROP COLUMN history;
DROP TABLE contacts;
