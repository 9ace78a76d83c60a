-- Messages that wait until WhatsApp lets the account write to their recipients.
CREATE INDEX messages_held ON messages (instance) WHERE status = 'held';
