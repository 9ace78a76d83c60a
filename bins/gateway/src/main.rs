//! The `trunkline` command.

use std::process::ExitCode;

use clap::Parser as _;
use trunkline::{cli::Cli, commands};

// One line to switch: without it, the system's allocator is used.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    commands::run(Cli::parse().command).await
}
