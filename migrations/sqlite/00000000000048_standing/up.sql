-- The secret that is to follow the present one, and from when on.
ALTER TABLE webhooks ADD COLUMN next_secret BLOB; -- sealed
ALTER TABLE webhooks ADD COLUMN next_secret_at INTEGER;
-- What becomes of calls that are not taken, how long the receiver has taken none, and since when only probes are made.
ALTER TABLE webhooks ADD COLUMN on_give_up TEXT NOT NULL DEFAULT 'dead_letter';
ALTER TABLE webhooks ADD COLUMN failing_since INTEGER;
ALTER TABLE webhooks ADD COLUMN paused_at INTEGER;
