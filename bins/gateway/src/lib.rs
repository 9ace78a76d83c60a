#![doc = include_str!("../README.md")]
#![allow(
    clippy::disallowed_methods,
    reason = "the clock and the random generator enter the workspace here and above"
)]

// From top to bottom: a module uses those below it, never one above. A test holds this.
pub mod commands;

pub mod application;
pub mod cli;
pub mod rotation;
pub mod shutdown;
mod telemetry;

mod openapi;
mod server;

mod routes;

mod dialects;
mod metrics;

mod middleware;

mod dto;

mod extract;

mod state;
mod watchdog;
mod workers;

mod listing;
mod sliced;
mod sse;

mod answers;
mod rates;
mod streams;
mod whatsapp;

mod version_source;

mod moving;

mod backend;
mod data_dir;

mod names;

mod bodies;
mod codes;
mod completion;
pub mod config;
mod counts;
mod error;
pub mod first_start;
mod node;
mod vitals;

mod connection;
mod console;
mod field;
mod forms;
mod http_times;
mod in_flight;
mod language;
mod networks;
mod private_file;
mod public;
mod qr_code;
mod trace_parent;

pub use error::ApiError;
