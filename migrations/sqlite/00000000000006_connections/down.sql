ALTER TABLE instances DROP COLUMN shows_delivery;
ALTER TABLE instances DROP COLUMN proxy;
