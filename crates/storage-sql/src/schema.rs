//! The tables as diesel sees them; the migrations of each backend are their definition.
//!
//! Column types are those that every SQL database has: text, 64-bit integers, bytes, booleans.

#![allow(missing_docs, reason = "tables and columns, which the migrations describe")]

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
        credentials_version -> BigInt,
        allowed_ips -> Text,
    }
}

table! {
    scoped_keys (id) {
        id -> Binary,
        owner -> Binary,
        name -> Text,
        hash -> Binary,
        scopes -> Text,
        instances -> Nullable<Text>,
        expires_at -> Nullable<BigInt>,
        created_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
    }
}

table! {
    audit (place) {
        place -> BigInt,
        at -> BigInt,
        user -> Nullable<Binary>,
        scoped_key -> Nullable<Binary>,
        address -> Nullable<Text>,
        action -> Text,
        target -> Nullable<Text>,
        details -> Text,
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
        status -> Text,
        status_cause -> Nullable<Text>,
        jid -> Nullable<Text>,
        lid -> Nullable<Text>,
        phone -> Nullable<Text>,
        push_name -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
        event_days -> Nullable<BigInt>,
        message_days -> Nullable<BigInt>,
        epoch -> BigInt,
        node -> Nullable<Binary>,
        lost_by -> Nullable<Binary>,
        buried_at -> Nullable<BigInt>,
        proxy -> Nullable<Binary>,
        shows_delivery -> Bool,
        device_name -> Nullable<Text>,
        device_icon -> Nullable<Text>,
        limits -> Nullable<Text>,
        tags -> Text,
        media_days -> Nullable<BigInt>,
        media_download -> Nullable<Text>,
    }
}

table! {
    nodes (id) {
        id -> Binary,
        until -> BigInt,
    }
}

table! {
    webhooks (instance, name) {
        instance -> BigInt,
        name -> Text,
        url -> Nullable<Text>,
        enabled -> Bool,
        format -> Text,
        received -> Bool,
        sent -> Bool,
        delivery -> Bool,
        read -> Bool,
        kinds -> Nullable<Text>,
        max_retries -> BigInt,
        retry_interval -> BigInt,
        secret -> Nullable<Binary>,
        headers -> Nullable<Binary>,
        created_at -> BigInt,
        updated_at -> BigInt,
        next_secret -> Nullable<Binary>,
        next_secret_at -> Nullable<BigInt>,
        on_give_up -> Text,
        failing_since -> Nullable<BigInt>,
        paused_at -> Nullable<BigInt>,
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
        participant -> Nullable<Text>,
        from_me -> Bool,
        message_id -> Text,
        target -> Nullable<Text>,
        kind -> Text,
        amends -> Bool,
        text -> Nullable<Text>,
        push_name -> Nullable<Text>,
        status -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        status_updated_at -> Nullable<BigInt>,
        edited_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        raw -> Binary,
        history -> Bool,
        media_state -> Nullable<Text>,
        media -> Nullable<Text>,
    }
}

table! {
    contacts (instance, jid) {
        instance -> BigInt,
        jid -> Text,
        id -> Binary,
        lid -> Nullable<Text>,
        is_group -> Bool,
        saved_name -> Nullable<Text>,
        verified_name -> Nullable<Text>,
        push_name -> Nullable<Text>,
        picture -> Nullable<Text>,
        about -> Nullable<Text>,
        last_activity -> Nullable<BigInt>,
        archived -> Bool,
        pinned_at -> Nullable<BigInt>,
        muted_until -> Nullable<BigInt>,
        name -> Text,
        search -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

table! {
    scheduled (key) {
        key -> BigInt,
        instance -> BigInt,
        message_id -> Text,
        recipient -> Text,
        content -> Text,
        file -> Nullable<Binary>,
        send_at -> BigInt,
        expire_at -> Nullable<BigInt>,
        version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

table! {
    receipts (message, member) {
        message -> BigInt,
        member -> Text,
        delivered_at -> Nullable<BigInt>,
        read_at -> Nullable<BigInt>,
        played_at -> Nullable<BigInt>,
    }
}

table! {
    search_state (name) {
        name -> Text,
        value -> BigInt,
    }
}

table! {
    early_changes (key) {
        key -> BigInt,
        instance -> BigInt,
        message_id -> Text,
        chats -> Text,
        from_me -> Bool,
        authors -> Text,
        kind -> Text,
        at -> BigInt,
        text -> Nullable<Text>,
        raw -> Binary,
    }
}

table! {
    events (instance, seq) {
        instance -> BigInt,
        seq -> BigInt,
        id -> Binary,
        kind -> Text,
        chat -> Nullable<Text>,
        chat_pn -> Nullable<Text>,
        chat_lid -> Nullable<Text>,
        timestamp -> BigInt,
        format -> BigInt,
        data -> Text,
        code -> Nullable<Binary>,
    }
}

table! {
    consumers (instance, name) {
        instance -> BigInt,
        name -> Text,
        kinds -> Nullable<Text>,
        position -> BigInt,
        seen_at -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
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
        replayed -> Bool,
    }
}

table! {
    attempts (instance, consumer, last) {
        instance -> BigInt,
        consumer -> Text,
        last -> BigInt,
        at -> BigInt,
        tried -> Text,
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
    dialect_access (instance, dialect) {
        instance -> BigInt,
        dialect -> Text,
        key_hash -> Binary,
        key -> Binary,
        notes -> Binary,
    }
}

table! {
    retired_instances (instance) {
        instance -> BigInt,
    }
}

table! {
    usage_days (instance, day) {
        instance -> BigInt,
        day -> BigInt,
        messages_sent -> BigInt,
        messages_received -> BigInt,
        media_sent -> BigInt,
        media_received -> BigInt,
        media_size -> BigInt,
        api_calls -> BigInt,
        webhook_calls -> BigInt,
    }
}

table! {
    companion_records (instance, kind, key) {
        instance -> BigInt,
        kind -> BigInt,
        key -> Text,
        value -> Binary,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    instances, nodes, webhooks, events, cursors, deliveries, scheduled
);
