DROP INDEX messages_held;
-- Older versions know no such status.
UPDATE messages SET status = 'failed' WHERE status = 'held';
