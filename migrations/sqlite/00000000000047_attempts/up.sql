-- What became of attempts to call webhooks, the last of each: a row for all that one commit tells of. `last` counts the
-- attempts of a webhook, up to the last of its row.
CREATE TABLE attempts (
    instance INTEGER NOT NULL,
    consumer TEXT    NOT NULL,
    last     INTEGER NOT NULL,
    at       INTEGER NOT NULL, -- of the last
    tried    TEXT    NOT NULL, -- JSON array
    PRIMARY KEY (instance, consumer, last)
) STRICT, WITHOUT ROWID;

-- Whether somebody has asked for the call again.
ALTER TABLE deliveries ADD COLUMN replayed INTEGER NOT NULL DEFAULT 0;
