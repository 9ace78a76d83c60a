DROP TABLE companion_records, usage_days, dialect_access, claims, attempts, deliveries, cursors, consumers, events, scheduled,
           contacts, receipts, early_changes, search_state, message_words, messages, webhooks, retired_instances, instances,
           nodes, settings, audit, scoped_keys, users;
