DROP INDEX claims_by_time;
DROP INDEX deliveries_dead;
DROP INDEX events_with_codes;
ALTER TABLE events DROP COLUMN code;
