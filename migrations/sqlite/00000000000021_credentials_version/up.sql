-- Counts the changes of a user's credentials: a login token is good only under the version that it was issued under.
ALTER TABLE users ADD COLUMN credentials_version INTEGER NOT NULL DEFAULT 0;
