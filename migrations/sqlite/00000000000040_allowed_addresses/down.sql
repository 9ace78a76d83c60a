ALTER TABLE users DROP COLUMN allowed_ips;
