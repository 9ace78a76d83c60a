#![doc = include_str!("../README.md")]
// The clock and the random generator enter the workspace here and above (see .clippy.toml).
#![allow(clippy::disallowed_methods)]

pub mod application;
pub mod cli;
pub mod commands;
mod completion;
pub mod config;
mod counts;
mod dto;
mod error;
mod extract;
pub mod first_start;
mod middleware;
mod openapi;
mod routes;
pub mod shutdown;
mod state;
mod telemetry;
mod whatsapp;

pub use error::ApiError;
