//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use wa_simulator::{Profile, Quirk, Wanted};

use crate::config::variables;

/// Runs many WhatsApp accounts in one process: REST API, signed webhooks, event log.
#[derive(Debug, Parser)]
#[command(name = "trunkline", version, about, after_long_help = variables::help())]
pub struct Cli {
    /// The subcommand that was given.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway.
    ///
    /// The first start creates the administrator and shows e-mail, password and API key once: on stdout if that is a
    /// terminal, otherwise in DATA_DIR/first-start.txt.
    #[command(after_long_help = variables::help())]
    Serve {
        /// How the database is opened.
        #[command(flatten)]
        start: Start,
    },
    /// Show the whole thing at work against the built-in WhatsApp simulator.
    ///
    /// Two phones scan, a text goes each way through the REST API, both arrive as signed webhooks. Afterwards the
    /// gateway keeps running; with ONCE=1 in the environment the command ends with "demo: ok" instead.
    Demo,
    /// Run the WhatsApp simulator: server, phones, media host and control API on one port.
    ///
    /// The first line on stdout is JSON: {"url","rootKey","wsUrl","mediaUrl","certificate"?,"controlToken"?}. The
    /// certificate is in PEM and there with --tls only; the token is what the control API asks for, if it does.
    Simulate {
        /// Address and port; port 0 picks a free one.
        #[arg(long, default_value = "127.0.0.1:4000", value_name = "ADDRESS:PORT")]
        listen: SocketAddr,
        /// Serve https and wss with a self-signed certificate.
        #[arg(long)]
        tls: bool,
        /// What callers of the control API must show, as "Authorization: Bearer TOKEN". Without it, on an address that
        /// others can reach, one is made.
        #[arg(long, env = "SIMULATOR_CONTROL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
        control_token: Option<String>,
        /// How it treats companions: "plain" like WhatsApp on the first day, "hostile" like WhatsApp after weeks.
        #[arg(long, env = Profile::VARIABLE, default_value_t)]
        profile: Profile,
        /// What of the profile it leaves out, such as "rate_limit,busy_pairing".
        #[arg(long, env = Quirk::VARIABLE, value_delimiter = ',', value_name = "BEHAVIOURS")]
        without: Vec<Quirk>,
        /// What it does besides, alone or with a number, such as "tokens,answer_within=30".
        #[arg(long, env = Wanted::VARIABLE, value_delimiter = ',', value_name = "BEHAVIOURS")]
        with: Vec<Wanted>,
    },
    /// Bring the database's schema up to date and say so.
    #[command(after_long_help = variables::help())]
    Migrate {
        /// How the database is opened.
        #[command(flatten)]
        start: Start,
    },
    /// Make a new master key, and seal everything with it that the present one has sealed.
    ///
    /// No gateway may run meanwhile. When it is cut off, run it again: it goes on where it ended, and both keys are known
    /// until it is through. With MASTER_KEY set, put the present key into MASTER_KEY_PREVIOUS and another one into
    /// MASTER_KEY first.
    #[command(after_long_help = variables::help())]
    RotateKey,
    /// Take a user's credentials back, also while a gateway runs.
    ///
    /// The new one is shown once: on stdout if that is a terminal, otherwise in a file in DATA_DIR that only its owner can
    /// read. The old one and all login tokens of the user end; a running gateway notices within 5 seconds.
    #[command(after_long_help = variables::help())]
    User {
        /// What to do.
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Take an already linked device over from another gateway, without linking it anew.
    ///
    /// From Baileys: the folder of its files, or one JSON document as adapters keep it in databases. From whatsmeow: its SQLite
    /// database. No gateway may run on the data folder meanwhile; a running one takes POST /api/instances/{id}/import.
    ///
    /// The old gateway has to be stopped first, for good: both sides move the same keys on with every message.
    #[command(after_long_help = variables::help())]
    Import(ImportArguments),
    /// Look at everything that a gateway needs, and say what is in its way.
    ///
    /// Configuration, data folder, database, open files, address guard, the way to WhatsApp, its version and the clock.
    /// Nothing is changed, and a gateway may run meanwhile. It fails when something would keep a gateway from working.
    #[command(after_long_help = variables::help())]
    Doctor,
    /// Write a script that completes this command line.
    ///
    /// For bash: trunkline completions bash > /etc/bash_completion.d/trunkline
    Completions {
        /// For which shell.
        shell: Shell,
    },
}

/// What can be done about a user.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a new password.
    ResetPassword {
        /// Email address that the user logs in with.
        email: String,
    },
    /// Make a new API key.
    RotateKey {
        /// Email address that the user logs in with.
        email: String,
    },
}

/// What is taken over, and whose it will be.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The folder, document or database of the other gateway.
    pub store: PathBuf,
    /// E-mail of the user whose instance it will be.
    #[arg(long, value_name = "EMAIL")]
    pub user: String,
    /// What the new instance is called.
    #[arg(long, default_value = "imported")]
    pub name: String,
    /// Which device of a database with several: its JID, or its account's phone number.
    #[arg(long, value_name = "JID")]
    pub device: Option<String>,
    /// Only say what would be taken over.
    #[arg(long)]
    pub dry_run: bool,
    /// Say that the old gateway is stopped and won't be started again with this store.
    #[arg(long)]
    pub old_side_stopped: bool,
}

/// How a database is opened.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Start {
    /// Begin a new database although there is a master key of an earlier one.
    #[arg(long)]
    pub init: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_help_lists_every_variable() {
        let mut command = Cli::command();
        let serve = command.find_subcommand_mut("serve").unwrap();
        let help = serve.render_long_help().to_string();
        for variable in variables::VARIABLES {
            assert!(help.contains(variable.name), "{}", variable.name);
        }
    }

    #[test]
    fn simulate_takes_port_0_tls_a_profile_and_exceptions() {
        let args = ["trunkline", "simulate", "--listen", "127.0.0.1:0", "--tls", "--profile", "hostile"];
        let changed = ["--without", "rate_limit,busy_pairing", "--with", "answer_within=9"];
        let cli = Cli::parse_from(args.into_iter().chain(changed));
        let Command::Simulate { listen, tls, profile, without, with, .. } = cli.command else {
            panic!("not simulate: {:?}", cli.command);
        };
        assert_eq!((listen.port(), tls, profile), (0, true, Profile::Hostile));
        assert_eq!(without, [Quirk::RateLimit, Quirk::BusyPairing]);
        assert_eq!(with, ["answer_within=9".parse().unwrap()]);
    }
}
