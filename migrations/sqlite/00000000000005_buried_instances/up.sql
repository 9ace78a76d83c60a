-- A deleted instance whose companion may still be in its phone's list keeps a row, without an owner, and its companion's
-- credentials until it is unlinked. Since when; NULL for every other instance.
ALTER TABLE instances ADD COLUMN buried_at INTEGER;
