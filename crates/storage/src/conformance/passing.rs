//! A store in front of another one.

/// Implements the named store traits by passing every call on, or all of them. The type has a method
/// `fn through(&self) -> (&dyn Storage, H)`: the store that does it, and what is kept until it has answered.
#[macro_export]
macro_rules! pass_on {
    ($for:ty) => {
        $crate::pass_on!($for:
            UserStore KeyStore AuditStore InstanceStore WebhookStore
            DialectStore AttemptStore ConsumerStore ContactStore MessageStore
            EventLog Fleet LeaseStore ClaimStore ScheduleStore
            UsageStore SettingStore DeliveryStore
        );
    };
    ($for:ty: $($trait:ident)*) => {
        $($crate::pass_on!(@$trait $for);)*
    };
    (@UserStore $for:ty) => {
        $crate::pass_on!(@of $for, UserStore {
            read has_users() -> bool;
            read user(id: $crate::UserId) -> Option<$crate::User>;
            read user_by_email(email: &str) -> Option<$crate::User>;
            read user_by_api_key(key: &$crate::ApiKey) -> Option<$crate::User>;
            read users(limit: u64, skip: u64) -> $crate::Page<$crate::User>;
            read disabled_users() -> Vec<$crate::UserId>;
            write add_user(user: $crate::User, told: Option<$crate::AuditEntry>) -> ();
            write change_user(id: $crate::UserId, patch: $crate::UserPatch, now: $crate::Timestamp, told: Option<$crate::AuditEntry>) -> $crate::User;
            write delete_user(id: $crate::UserId, told: Option<$crate::AuditEntry>) -> ();
        });
    };
    (@KeyStore $for:ty) => {
        $crate::pass_on!(@of $for, KeyStore {
            read keys(owner: $crate::UserId, limit: u64, skip: u64) -> $crate::Page<$crate::ScopedKey>;
            read key_by_hash(hash: [u8; 32]) -> Option<($crate::ScopedKey, $crate::User)>;
            write create_key(key: $crate::ScopedKey, hash: [u8; 32], limit: u64, told: Option<$crate::AuditEntry>) -> ();
            write note_use(id: $crate::KeyId, at: $crate::Timestamp) -> ();
            write delete_key(owner: $crate::UserId, id: $crate::KeyId, told: Option<$crate::AuditEntry>) -> ();
        });
    };
    (@AuditStore $for:ty) => {
        $crate::pass_on!(@of $for, AuditStore {
            read audited(query: &$crate::AuditQuery) -> $crate::AuditPage;
            read prune_audit(before: $crate::Timestamp, limit: u64) -> u64;
            write audit(entry: $crate::AuditEntry) -> ();
        });
    };
    (@InstanceStore $for:ty) => {
        $crate::pass_on!(@of $for, InstanceStore {
            read instance(owner: $crate::UserId, id: $crate::InstanceId) -> Option<$crate::Instance>;
            read instances(owner: $crate::UserId, limit: u64, skip: u64) -> $crate::Page<($crate::Instance, $crate::Webhook)>;
            read instances_tagged(owner: $crate::UserId, tag: &str, limit: u64, skip: u64) -> $crate::Page<($crate::Instance, $crate::Webhook)>;
            write create_instance(instance: $crate::Instance, webhooks: Vec<$crate::Webhook>, node: $crate::NodeId, limit: u64) -> $crate::Epoch;
            write update_instance(owner: $crate::UserId, id: $crate::InstanceId, patch: $crate::InstancePatch, edit: $crate::Edit) -> $crate::Edited<($crate::Instance, $crate::Webhook)>;
            write delete_instance(owner: $crate::UserId, id: $crate::InstanceId) -> ();
            write bury_instance(owner: $crate::UserId, id: $crate::InstanceId, now: $crate::Timestamp) -> $crate::Epoch;
        });
    };
    (@WebhookStore $for:ty) => {
        $crate::pass_on!(@of $for, WebhookStore {
            read webhooks(owner: $crate::UserId, instance: $crate::InstanceId) -> Vec<$crate::Webhook>;
            read fleet_webhooks(instance: $crate::InstanceId) -> Vec<$crate::Webhook>;
            write create_webhook(owner: $crate::UserId, webhook: $crate::Webhook, limit: u64, edit: $crate::Edit) -> $crate::Recorded;
            write update_webhook(owner: $crate::UserId, instance: $crate::InstanceId, name: String, patch: $crate::WebhookPatch, edit: $crate::Edit) -> $crate::Edited<$crate::Webhook>;
            write mark_webhook(consumer: $crate::Consumer, epoch: $crate::Epoch, mark: $crate::WebhookMark, now: $crate::Timestamp) -> $crate::Recorded;
            write delete_webhook(owner: $crate::UserId, instance: $crate::InstanceId, name: String, edit: $crate::Edit) -> $crate::Recorded;
        });
    };
    (@DialectStore $for:ty) => {
        $crate::pass_on!(@of $for, DialectStore {
            read dialect_access(owner: $crate::UserId, instance: $crate::InstanceId, dialect: &str) -> Option<$crate::DialectAccess>;
            read dialect_instance(dialect: &str, key_hash: [u8; 32]) -> Option<($crate::UserId, $crate::InstanceId)>;
            write init_dialect_access(
                owner: $crate::UserId,
                instance: $crate::InstanceId,
                dialect: String,
                access: $crate::DialectAccess
            ) -> $crate::DialectAccess;
            write put_dialect_access(
                owner: $crate::UserId,
                instance: $crate::InstanceId,
                dialect: String,
                access: $crate::DialectAccess
            ) -> ();
            write exchange_dialect_access(
                owner: $crate::UserId,
                instance: $crate::InstanceId,
                dialect: String,
                seen: $crate::DialectAccess,
                access: $crate::DialectAccess
            ) -> ();
        });
    };
    (@AttemptStore $for:ty) => {
        $crate::pass_on!(@of $for, AttemptStore {
            read attempts(owner: $crate::UserId, consumer: &$crate::Consumer, query: &$crate::AttemptQuery) -> $crate::Page<$crate::Attempt>;
            read prune_attempts(kept: ::std::time::Duration, limit: u64) -> u64;
            write redeliver(owner: $crate::UserId, consumer: $crate::Consumer, seqs: Vec<i64>, now: $crate::Timestamp) -> Vec<i64>;
        });
    };
    (@ConsumerStore $for:ty) => {
        $crate::pass_on!(@of $for, ConsumerStore {
            read consumers(owner: $crate::UserId, instance: $crate::InstanceId) -> Vec<$crate::NamedConsumer>;
            write put_consumer(
                owner: $crate::UserId,
                instance: $crate::InstanceId,
                name: String,
                change: $crate::ConsumerChange,
                limit: u64,
                now: $crate::Timestamp
            ) -> ($crate::NamedConsumer, bool);
            write acknowledge(
                owner: $crate::UserId,
                instance: $crate::InstanceId,
                name: String,
                position: i64,
                now: $crate::Timestamp
            ) -> $crate::NamedConsumer;
            write delete_consumer(owner: $crate::UserId, instance: $crate::InstanceId, name: String) -> ();
        });
    };
    (@ContactStore $for:ty) => {
        $crate::pass_on!(@of $for, ContactStore {
            read contacts(owner: $crate::UserId, instance: $crate::InstanceId, query: &$crate::ContactQuery) -> $crate::Page<$crate::Contact>;
            read clear_contacts(owner: $crate::UserId, instance: $crate::InstanceId, limit: u64) -> u64;
            write save_contact(
                owner: $crate::UserId,
                instance: $crate::InstanceId,
                change: $crate::ContactChange,
                now: $crate::Timestamp
            ) -> $crate::Contact;
        });
    };
    (@MessageStore $for:ty) => {
        $crate::pass_on!(@of $for, MessageStore {
            read messages(owner: $crate::UserId, instance: $crate::InstanceId, query: &$crate::MessageQuery) -> $crate::Page<$crate::Message>;
            read messages_by_id(owner: $crate::UserId, instance: $crate::InstanceId, message_id: &str) -> Vec<$crate::Message>;
            read list_messages(
                owner: $crate::UserId,
                instance: $crate::InstanceId,
                filter: &$crate::MessageFilter,
                from: $crate::ListFrom,
                limit: u64
            ) -> $crate::Slice<$crate::Message>;
            read search_messages(
                owner: $crate::UserId,
                instance: $crate::InstanceId,
                terms: &$crate::SearchTerms,
                filter: &$crate::MessageFilter,
                before: Option<$crate::Cursor>,
                limit: u64
            ) -> $crate::Slice<$crate::Message>;
            read chats(owner: $crate::UserId, instance: $crate::InstanceId, before: Option<$crate::Cursor>, limit: u64) -> $crate::Slice<$crate::ChatSummary>;
            read receipts(owner: $crate::UserId, instance: $crate::InstanceId, message_id: &str) -> Vec<$crate::Receipt>;
            read clear_messages(owner: $crate::UserId, instance: $crate::InstanceId, limit: u64) -> u64;
        });
    };
    (@EventLog $for:ty) => {
        $crate::pass_on!(@of $for, EventLog {
            read events(owner: $crate::UserId, instance: $crate::InstanceId, query: &$crate::EventQuery) -> $crate::EventPage;
            read activity(owner: $crate::UserId, instance: $crate::InstanceId, query: &$crate::ActivityQuery) -> $crate::Page<$crate::Event>;
        });
    };
    (@Fleet $for:ty) => {
        $crate::pass_on!(@of $for, Fleet {
            read fleet_instance(id: $crate::InstanceId) -> Option<$crate::Instance>;
            read instance_counts() -> $crate::InstanceCounts;
            read pending_messages(instance: $crate::InstanceId, limit: u64) -> Vec<$crate::Message>;
            read pending_media(instance: $crate::InstanceId, after: i64, limit: u64) -> Vec<(i64, $crate::Message)>;
            read has_file(instance: $crate::InstanceId, message: $crate::StoredMessageId) -> bool;
            read fleet_messages_by_id(instance: $crate::InstanceId, message_id: &str) -> Vec<$crate::Message>;
            read index_messages(limit: u64) -> u64;
            read prune_events(default: Option<::std::time::Duration>, limit: u64) -> u64;
            read prune_messages(default: Option<::std::time::Duration>, limit: u64) -> u64;
            read prune_media(default: Option<::std::time::Duration>, limit: u64) -> u64;
            read prune_dead(kept: ::std::time::Duration, limit: u64) -> u64;
            write forget_codes(before: $crate::Timestamp) -> u64;
            write record(record: $crate::Record) -> $crate::Recorded;
            write forget_buried(id: $crate::InstanceId, epoch: $crate::Epoch) -> ();
        });
    };
    (@LeaseStore $for:ty) => {
        $crate::pass_on!(@of $for, LeaseStore {
            read held_by_others(node: $crate::NodeId) -> (u64, Option<$crate::Timestamp>);
            write acquire(node: $crate::NodeId, anew: bool, limit: u64, lease: ::std::time::Duration) -> Vec<$crate::Leased>;
            write renew(node: $crate::NodeId, lease: ::std::time::Duration) -> Vec<$crate::InstanceId>;
            write release(node: $crate::NodeId, instance: Option<$crate::InstanceId>) -> ();
        });
    };
    (@ClaimStore $for:ty) => {
        $crate::pass_on!(@of $for, ClaimStore {
            read claim(scope: &str, key: &str) -> Option<$crate::StoredClaim>;
            read prune_claims(before: $crate::Timestamp, limit: u64) -> u64;
        });
    };
    (@ScheduleStore $for:ty) => {
        $crate::pass_on!(@of $for, ScheduleStore {
            read scheduled(owner: $crate::UserId, instance: $crate::InstanceId, after: Option<$crate::Cursor>, limit: u64) -> $crate::Page<$crate::Scheduled>;
            read scheduled_message(owner: $crate::UserId, instance: $crate::InstanceId, message_id: &str) -> Option<$crate::Scheduled>;
            read due_instances(at: $crate::Timestamp) -> Vec<$crate::InstanceId>;
            read due_messages(instance: $crate::InstanceId, at: $crate::Timestamp, limit: u64) -> Vec<$crate::Scheduled>;
            read next_due(after: $crate::Timestamp) -> Option<$crate::Timestamp>;
            write schedule(
                owner: $crate::UserId,
                scheduled: $crate::Scheduled,
                claim: Option<$crate::Claim>,
                limits: $crate::ScheduleLimits
            ) -> Option<$crate::StoredClaim>;
            write reschedule(
                owner: $crate::UserId,
                instance: $crate::InstanceId,
                due: $crate::Due,
                patch: $crate::ScheduledPatch,
                now: $crate::Timestamp
            ) -> $crate::Scheduled;
            write unschedule(owner: $crate::UserId, instance: $crate::InstanceId, message_id: String) -> $crate::Scheduled;
        });
    };
    (@UsageStore $for:ty) => {
        $crate::pass_on!(@of $for, UsageStore {
            read usage_by_day(owner: $crate::UserId, instance: $crate::InstanceId, from: $crate::Day) -> Vec<($crate::Day, $crate::Usage)>;
            read usage_of_owner(owner: $crate::UserId, from: $crate::Day) -> Vec<($crate::InstanceId, String, $crate::Usage)>;
            read usage_since(instance: $crate::InstanceId, from: $crate::Day) -> $crate::Usage;
            read usage_of_all() -> $crate::Usage;
            write add_usage(counts: Vec<($crate::InstanceId, $crate::Day, $crate::Usage)>) -> ();
        });
    };
    (@SettingStore $for:ty) => {
        $crate::pass_on!(@of $for, SettingStore {
            read setting(name: &str) -> Option<$crate::SecretText>;
            write init_setting(name: String, value: $crate::SecretText) -> $crate::SecretText;
            write put_setting(name: String, value: $crate::SecretText) -> ();
        });
    };
    (@DeliveryStore $for:ty) => {
        $crate::pass_on!(@of $for, DeliveryStore {
            read work(instance: $crate::InstanceId) -> Vec<$crate::ConsumerWork>;
            read cursor(consumer: &$crate::Consumer) -> Option<i64>;
            read events_after(instance: $crate::InstanceId, seq: i64, limit: u64) -> Vec<$crate::Event>;
            read event(instance: $crate::InstanceId, seq: i64) -> Option<$crate::Event>;
            read pending_deliveries(consumer: &$crate::Consumer, after_seq: i64, limit: u64) -> Vec<$crate::Delivery>;
            read deliveries(
                owner: $crate::UserId,
                consumer: &$crate::Consumer,
                query: &$crate::DeliveryQuery
            ) -> $crate::Page<($crate::Delivery, Option<$crate::Event>)>;
            write settle(settlements: Vec<$crate::Settlement>) -> Vec<$crate::InstanceId>;
            write replay(
                owner: $crate::UserId,
                consumer: $crate::Consumer,
                seqs: Option<Vec<i64>>,
                after_seq: i64,
                limit: u64,
                now: $crate::Timestamp
            ) -> Vec<i64>;
            write hasten(consumer: $crate::Consumer, after_seq: i64, limit: u64, now: $crate::Timestamp) -> Vec<i64>;
        });
    };
    (@of $for:ty, $trait:ident {
        $(read $read:ident($($r:ident: $r_type:ty),*) -> $r_answer:ty;)*
        $(write $write:ident($($w:ident: $w_type:ty),*) -> $w_answer:ty;)*
    }) => {
        #[$crate::conformance::async_trait]
        impl $crate::$trait for $for {
            $(async fn $read(&self, $($r: $r_type),*) -> Result<$r_answer, $crate::StorageError> {
                let (store, _kept) = self.through();
                store.$read($($r),*).await
            })*
            $(fn $write(&self, $($w: $w_type),*) -> $crate::Write<$w_answer> {
                let (store, kept) = self.through();
                let write = store.$write($($w),*);
                Box::pin(async move {
                    let answer = write.await;
                    drop(kept);
                    answer
                })
            })*
        }
    };
}
