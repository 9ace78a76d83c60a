ALTER TABLE instances DROP COLUMN device_name;
ALTER TABLE instances DROP COLUMN device_icon;
