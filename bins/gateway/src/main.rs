//! The `trunkline` command.

use std::process::ExitCode;

use clap::Parser as _;
use trunkline::{cli::Cli, commands};

// At 500 idle instances the system's allocator keeps less resident; `--features mimalloc` switches.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    commands::run(Cli::parse().command).await
}
