-- The release before would take them for instances.
DELETE FROM companion_records WHERE instance IN (SELECT key FROM instances WHERE buried_at IS NOT NULL);
DELETE FROM instances WHERE buried_at IS NOT NULL;
ALTER TABLE instances DROP COLUMN buried_at;
