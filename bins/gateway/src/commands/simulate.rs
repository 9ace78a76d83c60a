use std::error::Error;
use std::net::SocketAddr;

use serde::Serialize;
use wa_simulator::{Behaviour, Info, Options, Simulator};

use super::say;
use crate::shutdown::Signals;

/// The first line on stdout, for programs.
#[derive(Serialize)]
struct Announcement {
    /// Where the control API is, without a slash at its end.
    url: String,
    #[serde(flatten)]
    info: Info,
}

/// `trunkline simulate`.
pub(super) async fn run(
    listen: SocketAddr,
    tls: bool,
    behaviour: Behaviour,
    control_token: Option<String>,
) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::catch()?;
    // Whoever names another address wants to be reached there.
    let allow_remote = !listen.ip().is_loopback();
    let options =
        Options { listen: Some(listen), allow_remote, control_token, tls, behaviour, ..Options::default() };
    let simulator = Simulator::start(options).await?;
    let info = simulator.info();
    let url = base_url(&simulator).ok_or("the simulator has no address")?;
    let environment = environment(&info);
    say(&serde_json::to_string(&Announcement { url: url.clone(), info })?)?;
    say(&format!("WhatsApp simulator on {url}; its control API is {url}/sim/. A gateway that uses it:"))?;
    say(&format!("  {environment} trunkline serve"))?;
    signals.next().await;
    Ok(())
}

/// Where the simulator's control API is.
pub(super) fn base_url(simulator: &Simulator) -> Option<String> {
    let scheme = if simulator.info().certificate.is_some() { "https" } else { "http" };
    simulator.address().map(|address| format!("{scheme}://{address}"))
}

fn environment(info: &Info) -> String {
    let url = info.ws_url.as_deref().unwrap_or_default();
    let ca =
        if info.certificate.is_some() { " WHATSAPP_CA_FILE=<\"certificate\" above, as a file>" } else { "" };
    format!("WHATSAPP_URL={url} WHATSAPP_ROOT_KEY={}{ca}", info.root_key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[tokio::test]
    async fn help_and_readme_name_the_fields_of_the_first_line() {
        let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let control_token = Some("token".to_owned());
        let options = Options { listen, control_token, tls: true, ..Options::default() };
        let simulator = Simulator::start(options).await.unwrap();
        let announcement = Announcement { url: base_url(&simulator).unwrap(), info: simulator.info() };
        let line = serde_json::to_value(&announcement).unwrap();
        let fields: BTreeSet<String> = line.as_object().unwrap().keys().cloned().collect();

        let help = Cli::command().find_subcommand_mut("simulate").unwrap().render_long_help().to_string();
        assert_eq!(braced(&help), fields);
        let readme = include_str!("../../../../README.md");
        let section = readme.split("\n## ").find(|section| section.starts_with("The simulator\n")).unwrap();
        assert_eq!(braced(section), fields);
    }

    /// The names in double quotes between the first pair of braces.
    fn braced(text: &str) -> BTreeSet<String> {
        let inner = text.split_once('{').unwrap().1.split_once('}').unwrap().0;
        inner.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }
}
