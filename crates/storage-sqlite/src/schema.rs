//! The tables as diesel sees them; `migrations/sqlite` is their definition.
//!
//! Column types are those that every SQL database has: text, 64-bit integers, bytes, booleans.

use diesel::table;

table! {
    users (id) {
        id -> Binary,
        email -> Text,
        password_hash -> Text,
        first_name -> Text,
        last_name -> Text,
        role -> Text,
        api_key_hash -> Binary,
        api_key -> Binary,
        disabled_at -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

table! {
    settings (name) {
        name -> Text,
        value -> Binary,
    }
}

table! {
    instances (key) {
        key -> BigInt,
        id -> Binary,
        owner -> Binary,
        name -> Text,
        description -> Nullable<Text>,
        webhook_url -> Nullable<Text>,
        webhook_enabled -> Bool,
        notify_received -> Bool,
        notify_sent -> Bool,
        notify_delivery -> Bool,
        notify_read -> Bool,
        max_retries -> BigInt,
        retry_interval -> BigInt,
        webhook_secret -> Nullable<Binary>,
        webhook_headers -> Nullable<Binary>,
        status -> Text,
        status_cause -> Nullable<Text>,
        jid -> Nullable<Text>,
        lid -> Nullable<Text>,
        phone -> Nullable<Text>,
        push_name -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

table! {
    messages (key) {
        key -> BigInt,
        instance -> BigInt,
        id -> Binary,
        chat -> Text,
        wire_chat -> Text,
        sender -> Text,
        from_me -> Bool,
        message_type -> Text,
        content -> Nullable<Text>,
        message_id -> Text,
        has_media -> Bool,
        media_url -> Nullable<Text>,
        caption -> Nullable<Text>,
        mime_type -> Nullable<Text>,
        file_name -> Nullable<Text>,
        status -> Text,
        metadata -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        status_updated_at -> Nullable<BigInt>,
    }
}

table! {
    outbox (instance, message) {
        instance -> BigInt,
        message -> BigInt,
        payload -> Binary,
    }
}

table! {
    events (instance, seq) {
        instance -> BigInt,
        seq -> BigInt,
        id -> Binary,
        kind -> Text,
        chat -> Nullable<Text>,
        timestamp -> BigInt,
        data -> Text,
    }
}

table! {
    cursors (instance, consumer) {
        instance -> BigInt,
        consumer -> Text,
        seq -> BigInt,
    }
}

table! {
    deliveries (instance, consumer, seq) {
        instance -> BigInt,
        consumer -> Text,
        seq -> BigInt,
        chat -> Nullable<Text>,
        state -> Text,
        attempts -> BigInt,
        next_attempt -> BigInt,
        last_error -> Nullable<Text>,
        status_code -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

table! {
    claims (scope, key) {
        scope -> Text,
        key -> Text,
        instance -> BigInt,
        fingerprint -> Binary,
        answer -> Text,
        taken_at -> BigInt,
    }
}

table! {
    retired_instances (instance) {
        instance -> BigInt,
    }
}

table! {
    companions (instance) {
        instance -> BigInt,
        record -> Binary,
    }
}

table! {
    sessions (instance, name, device) {
        instance -> BigInt,
        name -> Text,
        device -> BigInt,
        record -> Binary,
    }
}

table! {
    identities (instance, name, device) {
        instance -> BigInt,
        name -> Text,
        device -> BigInt,
        public_key -> Binary,
    }
}

table! {
    prekeys (instance, id) {
        instance -> BigInt,
        id -> BigInt,
        private_key -> Binary,
    }
}

table! {
    sender_keys (instance, chat, name, device) {
        instance -> BigInt,
        chat -> Text,
        name -> Text,
        device -> BigInt,
        record -> Binary,
    }
}

table! {
    lid_mappings (instance, pn) {
        instance -> BigInt,
        pn -> Text,
        lid -> Text,
    }
}

table! {
    device_lists (instance, user) {
        instance -> BigInt,
        user -> Text,
        record -> Binary,
    }
}

table! {
    sent_messages (instance, slot) {
        instance -> BigInt,
        slot -> BigInt,
        turn -> BigInt,
        id -> Text,
        chat -> Text,
        recipient -> Text,
        message -> Binary,
        sent_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(messages, outbox);
diesel::allow_tables_to_appear_in_same_query!(instances, events, cursors, deliveries);
