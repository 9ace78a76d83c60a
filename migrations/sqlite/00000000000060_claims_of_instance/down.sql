DROP INDEX claims_by_instance;
