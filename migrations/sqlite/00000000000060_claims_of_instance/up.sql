-- The claims of a deleted instance are removed a few at a time: none of it reads those of all others.
CREATE INDEX claims_by_instance ON claims (instance);
