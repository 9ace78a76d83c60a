//! `trunkline demo`: the whole path in a few seconds, over real sockets, without a phone or a network.

mod error;
mod gateway;
mod http;
mod phones;
mod receiver;
mod script;
mod stage;

pub(super) use error::DemoError;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wa_client::TrustRoot;
use wa_simulator::{Options, Simulator};

use self::script::Script;
use self::stage::{Mark, Stage};
use super::simulate;
use crate::application::Application;
use crate::config::{Config, WhatsAppConfig};
use crate::first_start::FirstStart;
use crate::shutdown::Signals;

/// The whole play, from the first line to the last webhook.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Where the gateway stays afterwards, if that port is free.
const USUAL_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 3000);

/// Plays the demonstration. With `once` it ends afterwards, otherwise it leaves everything running until a signal.
///
/// # Errors
/// What went wrong, in a sentence.
pub(super) async fn run(once: bool) -> Result<(), DemoError> {
    let mut signals = Signals::catch()?;
    let mut stage = Stage::new();
    let mut set = Set::build(&mut stage, once).await?;
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(TIME_LIMIT, set.play(&mut stage)) => {
            outcome.unwrap_or_else(|_| Err(DemoError::new("the demonstration did not end within 60 seconds")))
        }
        () = signals.next() => Err(DemoError::new("interrupted")),
    };
    if outcome.is_ok() && !once {
        set.show(&mut stage)?;
        signals.next().await;
    }
    set.strike().await;
    outcome?;
    if once {
        stage.line("demo: ok")?;
    }
    Ok(())
}

/// Everything that is running: simulator and gateway, with their data in a temporary folder.
struct Set {
    simulator: Simulator,
    simulator_url: String,
    gateway_url: String,
    first_start: FirstStart,
    script: Script,
    stop: CancellationToken,
    gateway: tokio::task::JoinHandle<()>,
    _folder: TempDir,
}

impl Set {
    async fn build(stage: &mut Stage, once: bool) -> Result<Self, DemoError> {
        stage.title("Trunkline: two WhatsApp accounts, one text each way, no phone and no network needed")?;
        let began = Instant::now();
        let simulator = simulator().await?;
        let simulator_url =
            simulate::base_url(&simulator).ok_or_else(|| DemoError::new("the simulator has no address"))?;
        stage.step(Mark::Done, "WhatsApp simulator", &simulator_url, began.elapsed())?;

        let began = Instant::now();
        let folder = tempfile::tempdir()?;
        let config = config(&folder, &simulator, once)?;
        let application =
            Application::build(config).await.map_err(|error| DemoError::new(error.to_string()))?;
        let gateway_url = application.url();
        let first_start = application
            .first_start()
            .cloned()
            .ok_or_else(|| DemoError::new("the gateway has users already"))?;
        let stop = CancellationToken::new();
        let gateway = tokio::spawn(run_gateway(application, stop.clone()));
        stage.step(Mark::Done, "Gateway", &gateway_url, began.elapsed())?;
        let script = Script::new(&gateway_url, &first_start.api_key, &simulator_url)?;
        Ok(Self {
            simulator,
            simulator_url,
            gateway_url,
            first_start,
            script,
            stop,
            gateway,
            _folder: folder,
        })
    }

    async fn play(&mut self, stage: &mut Stage) -> Result<(), DemoError> {
        self.script.play(stage).await
    }

    /// What a person can go on with.
    fn show(&self, stage: &mut Stage) -> Result<(), DemoError> {
        stage.title("The gateway keeps running. Ctrl-C ends it and removes its data.")?;
        stage.fact("Gateway", &self.gateway_url)?;
        stage.fact("E-mail", &self.first_start.email)?;
        stage.fact("Password", self.first_start.password.as_deref().unwrap_or("as configured"))?;
        stage.fact("API key", &self.first_start.api_key)?;
        stage.fact("Simulator", &self.simulator_url)?;
        let key = &self.first_start.api_key;
        stage.line(&format!("\n  curl -H 'x-api-key: {key}' {}/api/instances\n", self.gateway_url))?;
        stage.fact("Console", &format!("{}/ shows both, and what they wrote", self.gateway_url))?;
        Ok(())
    }

    /// Stops the gateway first, so that its instances close their sockets themselves.
    async fn strike(self) {
        self.stop.cancel();
        if self.gateway.await.is_err() {
            tracing::error!("the gateway ended abnormally");
        }
        self.script.end().await;
        drop(self.simulator);
    }
}

async fn simulator() -> Result<Simulator, DemoError> {
    let options = Options { listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..Options::default() };
    Simulator::start(options)
        .await
        .map_err(|error| DemoError::new(format!("the simulator can't start: {error}")))
}

/// A gateway that knows nothing but the simulator, and may send webhooks to this machine.
fn config(folder: &TempDir, simulator: &Simulator, once: bool) -> Result<Config, DemoError> {
    let mut config = Config::in_folder(folder.path());
    let url = simulator.info().ws_url.and_then(|url| url.parse().ok());
    let trust = TrustRoot::from_hex(&simulator.info().root_key);
    let trust = Some(trust.map_err(|_| DemoError::new("the simulator has no root key"))?);
    config.whatsapp = WhatsAppConfig { url, trust, ..WhatsAppConfig::default() };
    config.outbound_allow =
        "127.0.0.1".parse().map_err(|_| DemoError::new("loopback can't be allowed as a destination"))?;
    if !once && TcpListener::bind(USUAL_ADDRESS).is_ok() {
        config.listen = USUAL_ADDRESS;
    }
    Ok(config)
}

async fn run_gateway(application: Application, stop: CancellationToken) {
    if let Err(error) = application.run(stop).await {
        tracing::error!(%error, "the gateway failed");
    }
}
