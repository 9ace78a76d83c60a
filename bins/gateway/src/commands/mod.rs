//! The subcommands. Only here anything is written to stdout.

mod completions;
mod demo;
mod doctor;
mod import;
mod migrate;
mod rotate_key;
mod serve;
mod simulate;
mod user;

use std::io::{self, Write as _};
use std::process::ExitCode;

use wa_simulator::Behaviour;

use crate::cli::{Command, Start};
use crate::config::{Config, ConfigError, Environment, LogFormat};
use crate::telemetry;

/// Runs a subcommand to its end. What went wrong goes to stderr as one sentence.
pub async fn run(command: Command) -> ExitCode {
    keep_files_private();
    let outcome: Result<(), Box<dyn std::error::Error>> = match command {
        Command::Serve { start } => serve::run(start).await,
        Command::Migrate { start } => migrate::run(start).await,
        Command::RotateKey => rotate_key::run().await,
        Command::User { command } => user::run(command).await,
        Command::Import(arguments) => import::run(arguments).await,
        Command::Doctor => doctor::run().await,
        Command::Completions { shell } => completions::run(shell).map_err(Into::into),
        Command::Simulate { listen, tls, profile, without, with, control_token } => {
            quiet_telemetry();
            let behaviour = without.into_iter().fold(profile.behaviour(), Behaviour::without);
            let behaviour = with.into_iter().fold(behaviour, Behaviour::with);
            simulate::run(listen, tls, behaviour, control_token).await
        }
        Command::Demo => {
            quiet_telemetry();
            demo::run(is_set("ONCE")).await.map_err(Into::into)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.as_ref()),
    }
}

/// Says what went wrong.
#[must_use]
pub fn fail(error: &dyn std::error::Error) -> ExitCode {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(io::stderr(), "trunkline: {}", sentence(error));
    ExitCode::FAILURE
}

/// Whatever is written from now on is its owner's alone.
fn keep_files_private() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// The configuration from the environment and the command line, with logging started as it says.
fn configure(start: Start) -> Result<Config, ConfigError> {
    let config = read(start)?;
    telemetry::start(&config.log, config.log_format);
    Ok(config)
}

/// The configuration alone.
fn read(start: Start) -> Result<Config, ConfigError> {
    let config = Config::from_environment(&Environment::of_process()?)?;
    Ok(Config { init: start.init, ..config })
}

/// For commands without a configuration: warnings only, unless `LOG` says otherwise.
fn quiet_telemetry() {
    let filter = std::env::var("LOG").unwrap_or_else(|_| "warn".to_owned());
    telemetry::start(&filter, LogFormat::Text);
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

/// One line for stdout.
fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// An error with what caused it, as far down as it says something new.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
