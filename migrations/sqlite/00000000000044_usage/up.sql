-- What each instance has done on each day (since 1970, in UTC). It outlives the messages and events that were counted.
CREATE TABLE usage_days (
    instance          INTEGER NOT NULL,
    day               INTEGER NOT NULL,
    messages_sent     INTEGER NOT NULL,
    messages_received INTEGER NOT NULL,
    media_sent        INTEGER NOT NULL,
    media_received    INTEGER NOT NULL,
    media_size        INTEGER NOT NULL, -- bytes
    api_calls         INTEGER NOT NULL,
    webhook_calls     INTEGER NOT NULL,
    PRIMARY KEY (instance, day)
) STRICT, WITHOUT ROWID;

-- What is stored is counted as if it had been as it came; of calls nothing is known.
INSERT INTO usage_days
SELECT instance, created_at / 86400000,
       sum(from_me), sum(NOT from_me),
       sum(from_me AND media IS NOT NULL), sum(NOT from_me AND media IS NOT NULL),
       sum(coalesce(iif(json_valid(media), json_extract(media, '$.size'), 0), 0)),
       0, 0
FROM messages
WHERE NOT amends AND NOT history AND created_at >= 0
  AND kind NOT IN ('unsupported', 'undecryptable') AND status NOT IN ('pending', 'held', 'failed')
GROUP BY instance, created_at / 86400000;
