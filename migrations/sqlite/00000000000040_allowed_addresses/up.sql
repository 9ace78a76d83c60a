-- Networks in which a user's credentials are good, separated by commas; empty for everywhere.
ALTER TABLE users ADD COLUMN allowed_ips TEXT NOT NULL DEFAULT '';
