-- How an instance shows itself in the phone's list of linked devices; NULL leaves it to the gateway.
ALTER TABLE instances ADD COLUMN device_name TEXT;
ALTER TABLE instances ADD COLUMN device_icon TEXT;
