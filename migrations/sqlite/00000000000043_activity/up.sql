-- Events that tell of the instance itself, newest last: the activity log. Few among many, so that most events cost it
-- nothing. The kinds stand here as `storage::EventKind::OF_INSTANCE` has them.
CREATE INDEX events_of_instance ON events (instance, timestamp, seq, kind)
WHERE kind IN ('connected', 'disconnected', 'qr_received', 'limit_exceeded', 'webhook_updated', 'client_expiring', 'limits_changed', 'instance_changed');
