-- The code of a `qr_received` event, which holds a secret of the pairing; NULL once it is void. `data` doesn't hold it.
ALTER TABLE events ADD COLUMN code BLOB; -- sealed
CREATE INDEX events_with_codes ON events (instance, seq) WHERE code IS NOT NULL;
-- Those that were stored until now are void: none outlives its process.
UPDATE events SET data = json_set(data, '$.data.code', '')
WHERE kind = 'qr_received' AND format = 1 AND json_valid(data);
UPDATE events SET data = json_set(data, '$.qrCode', '')
WHERE kind = 'qr_received' AND format = 0 AND json_valid(data);

-- Deliveries that were given up, in pages and by their number.
CREATE INDEX deliveries_dead ON deliveries (instance, consumer, seq) WHERE state <> 'pending';
CREATE INDEX claims_by_time ON claims (taken_at);
