DROP TABLE scoped_keys;
