ALTER TABLE webhooks DROP COLUMN paused_at;
ALTER TABLE webhooks DROP COLUMN failing_since;
ALTER TABLE webhooks DROP COLUMN on_give_up;
ALTER TABLE webhooks DROP COLUMN next_secret_at;
ALTER TABLE webhooks DROP COLUMN next_secret;
