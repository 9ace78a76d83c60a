DROP TABLE sent_messages;
DROP TABLE device_lists;
DROP TABLE lid_mappings;
DROP TABLE sender_keys;
DROP TABLE prekeys;
DROP TABLE identities;
DROP TABLE sessions;
DROP TABLE companions;
