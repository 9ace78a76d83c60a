use std::io;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;

/// `trunkline completions`.
pub(super) fn run(shell: Shell) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "trunkline", &mut script);
    io::Write::write_all(&mut io::stdout(), &script)
}
