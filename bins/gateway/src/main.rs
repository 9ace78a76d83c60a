//! The `trunkline` command.

use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::Builder;
use trunkline::{cli::Cli, commands};

/// Gives memory back after a burst; the root Cargo.toml says more.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return commands::fail(&error),
    };
    let code = runtime.block_on(commands::run(command));
    // What still hangs, a name that nobody resolves for instance, has nothing to say any more.
    runtime.shutdown_background();
    code
}
