DROP TABLE search_state;
DROP TABLE message_words;
DROP INDEX messages_of_instance;
