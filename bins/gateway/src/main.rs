//! The `trunkline` command.

use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::Builder;
use trunkline::{cli::Cli, commands};

// At 500 idle instances the system's allocator keeps less resident; `--features mimalloc` switches.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
