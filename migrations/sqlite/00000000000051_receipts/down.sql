ALTER TABLE instances DROP COLUMN tags;
DROP TABLE receipts;
