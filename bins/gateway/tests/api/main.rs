//! The REST API over real HTTP, with the whole stack below it and a simulated WhatsApp.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a failed test is a panic, and the gateway runs on real time"
)]

mod activity;
mod answer;
mod app;
mod audit;
mod auth;
mod causes;
mod channels;
mod client;
mod communities;
mod console;
mod consumers;
mod contacts;
mod cors;
mod database;
mod dialects;
mod docs;
mod errors;
mod events;
mod first_version;
mod groups;
mod health;
mod instances;
mod isolation;
mod keys;
mod kinds;
mod lifecycle;
mod limits;
mod listener;
mod lists;
mod media;
mod messages;
mod metrics;
mod modules;
mod moving;
mod nodes;
mod openapi;
mod outbound;
mod pairing;
mod passkeys;
mod people;
mod phones;
mod pools;
mod postgres;
mod process;
mod qr_page;
mod quotas;
mod receiver;
mod rotation;
mod scheduled;
mod seeds;
mod sends;
mod stats;
mod statuses;
mod store;
mod streams;
mod tls;
mod traces;
mod until;
mod users;
mod webhooks;
mod whatsapp;
mod words;
