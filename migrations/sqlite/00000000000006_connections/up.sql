-- How an instance connects: a proxy of its own (sealed; with its credentials), and whether senders see at once that their
-- messages were delivered.
ALTER TABLE instances ADD COLUMN proxy BLOB;
ALTER TABLE instances ADD COLUMN shows_delivery INTEGER NOT NULL DEFAULT 1;
