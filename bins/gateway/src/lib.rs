#![doc = include_str!("../README.md")]
#![allow(
    clippy::disallowed_methods,
    reason = "the clock and the random generator enter the workspace here and above"
)]

// From top to bottom: a module uses those below it, never one above. A test holds this.
pub mod commands;

pub mod application;
pub mod cli;
pub mod shutdown;
mod telemetry;

mod openapi;
mod server;

mod routes;

mod middleware;

mod dto;

mod extract;

mod state;
mod watchdog;

mod listing;

mod answers;
mod whatsapp;

mod version_source;

mod backend;
mod data_dir;

mod completion;
pub mod config;
mod counts;
mod error;
pub mod first_start;
mod node;
mod vitals;

mod connection;
mod field;
mod networks;
mod private_file;

pub use error::ApiError;
