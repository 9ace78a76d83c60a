//! The REST API over real HTTP, with the whole stack below it and a simulated WhatsApp.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a failed test is a panic, and the gateway runs on real time"
)]

mod answer;
mod app;
mod auth;
mod causes;
mod client;
mod errors;
mod events;
mod first_version;
mod health;
mod instances;
mod lifecycle;
mod limits;
mod messages;
mod modules;
mod nodes;
mod openapi;
mod outbound;
mod pairing;
mod passkeys;
mod phones;
mod pools;
mod process;
mod receiver;
mod tls;
mod until;
mod webhooks;
mod whatsapp;
