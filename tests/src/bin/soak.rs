//! The endurance test of `make soak`: a fleet on a hostile WhatsApp, with faults, restarts and jumping clocks.
//!
//! `SOAK_SECONDS` (600), `SOAK_INSTANCES` (50) and `SOAK_SEED` (random, printed) say how long, how many, and which troubles.

#![allow(clippy::print_stdout, reason = "its report goes there")]

use trunkline_tests::soak::{Plan, run};

#[tokio::main]
async fn main() {
    let report = run(&Plan::from_environment()).await;
    println!("{report}");
    println!("soak: ok");
}
