DROP INDEX events_of_instance;
