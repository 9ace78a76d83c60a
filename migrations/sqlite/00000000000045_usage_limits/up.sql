-- What an instance may do in a day or a month, as JSON; NULL where nothing limits it.
ALTER TABLE instances ADD COLUMN limits TEXT;
