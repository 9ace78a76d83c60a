//! The command line.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};
use wa_simulator::{Profile, Quirk};

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
    },
    /// Bring the database's schema up to date and say so.
    #[command(after_long_help = variables::help())]
    Migrate {
        /// How the database is opened.
        #[command(flatten)]
        start: Start,
    },
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
}

/// What can be done about a user.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a new password.
    ResetPassword {
        /// Whose.
        email: String,
    },
    /// Make a new API key.
    RotateKey {
        /// Whose.
        email: String,
    },
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
        let cli = Cli::parse_from(args.into_iter().chain(["--without", "rate_limit,busy_pairing"]));
        let Command::Simulate { listen, tls, profile, without, .. } = cli.command else {
            panic!("not simulate: {:?}", cli.command);
        };
        assert_eq!((listen.port(), tls, profile), (0, true, Profile::Hostile));
        assert_eq!(without, [Quirk::RateLimit, Quirk::BusyPairing]);
    }
}
