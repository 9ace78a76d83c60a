//! The gateway as a value: built from a configuration, run until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use rand::Rng as _;
use services::{AuthConfig, Dependencies, FirstAdmin, Services};
use storage::{SecretText, SettingStore as _, StorageError};
use storage_sqlite::{MasterKey, MasterKeyError, OpenError, SqliteDatabase};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use webhook::AddressGuard;

use crate::config::{AdminConfig, Config, ConfigError};
use crate::first_start::FirstStart;
use crate::middleware::edge;
use crate::routes;
use crate::state::AppState;
use crate::whatsapp::{self, CaError};

/// How long answers that are under way may take after the stop, in seconds: longer than a send waits for WhatsApp.
const ANSWERS_GRACE: u64 = 12;
/// How long instances and deliveries may take to end after that.
const SERVICES_GRACE: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's head.
const HEAD_TIME_OUT: Duration = Duration::from_secs(10);
/// How long a connection may idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Connections per worker; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 10_000;
/// Under this name the database keeps the secret of the login tokens.
const JWT_SECRET: &str = "jwt_secret";

/// A gateway that listens, and answers once it [runs](Self::run).
pub struct Application {
    server: Server,
    address: SocketAddr,
    state: web::Data<AppState>,
    database: SqliteDatabase,
    first_start: Option<FirstStart>,
}

/// Why a gateway can't start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration names something that can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The master key can't be read or made.
    #[error("MASTER_KEY isn't set, and DATA_DIR/master.key can't be used")]
    MasterKey(#[from] MasterKeyError),
    /// The database can't be opened.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The database was opened, but can't be used.
    #[error("the database can't be used")]
    Storage(#[from] StorageError),
    /// The certificate authority for WhatsApp can't be used.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// A service refused its configuration.
    #[error("the services can't start")]
    Services(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address can't be listened on.
    #[error("LISTEN names an address that can't be listened on: {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why a running gateway ended badly.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The HTTP server failed.
    #[error("the HTTP server failed")]
    Server(#[from] io::Error),
    /// What there is to do could not be read from the database.
    #[error("instances could not be resumed")]
    Resume(#[from] StorageError),
}

impl Application {
    /// Opens the database, creates the administrator if there are no users, and listens. Instances are taken up by
    /// [`Self::run`]. Several gateways may live in one process, each with a database of its own.
    ///
    /// # Errors
    /// The first thing that can't be used.
    pub async fn build(config: Config) -> Result<Self, StartError> {
        install_crypto();
        let database = open(&config).await?;
        let services = services(&config, &database).await?;
        let first_start = first_start(&services, &config.admin).await?;
        let state = web::Data::new(AppState::new(services, Arc::new(database.clone()), &config));
        let (server, address) = listen(config.listen, state.clone())?;
        Ok(Self { server, address, state, database, first_start })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where this machine reaches it, without a slash at its end.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}")
    }

    /// What was created because there were no users yet. The password can't be told again.
    pub fn first_start(&self) -> Option<&FirstStart> {
        self.first_start.as_ref()
    }

    /// Serves until `stop` is cancelled, then ends in order: no new connections; answers under way; instances and
    /// deliveries, with everything they tell last; the database.
    ///
    /// # Errors
    /// When the server fails or instances can't be resumed; the order of the end is kept then, too.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RunError> {
        let Self { server, state, database, .. } = self;
        let handle = server.handle();
        let serving = tokio::spawn(server);
        let outcome = match state.services.resume().await {
            Ok(()) => {
                state.set_ready(true);
                wait(stop, serving).await
            }
            Err(error) => Err(error.into()),
        };
        state.set_ready(false);
        handle.stop(true).await;
        if tokio::time::timeout(SERVICES_GRACE, state.changes.idle()).await.is_err() {
            tracing::warn!("requests were still at work when the gateway stopped");
        }
        if !state.services.stop(SERVICES_GRACE).await {
            tracing::warn!("instances were still at work when the gateway stopped");
        }
        database.close().await;
        outcome
    }
}

/// Brings the database's schema up to date.
///
/// # Errors
/// When the database can't be opened or a step fails.
pub async fn migrate(config: &Config) -> Result<(), StartError> {
    open(config).await?.close().await;
    Ok(())
}

/// Makes ring the process' TLS provider, once; several gateways may live in one process.
pub(crate) fn install_crypto() {
    // An error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn wait(
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<io::Result<()>>,
) -> Result<(), RunError> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = serving => match ended {
            Ok(outcome) => outcome.map_err(RunError::from),
            Err(panicked) => Err(io::Error::other(panicked).into()),
        },
    }
}

async fn open(config: &Config) -> Result<SqliteDatabase, StartError> {
    let config = config.clone();
    // Opening reads and writes files.
    let opening = tokio::task::spawn_blocking(move || {
        let key = master_key(&config)?;
        let url = format!("file:{}", config.database.display());
        SqliteDatabase::open(&url, key).map_err(StartError::from)
    });
    opening.await.unwrap_or_else(|panicked| Err(StartError::Services(panicked.into())))
}

fn master_key(config: &Config) -> Result<MasterKey, StartError> {
    if let Some(key) = &config.master_key {
        return Ok(key.clone());
    }
    let file = config.data_dir.join("master.key");
    if config.database.exists() && !file.exists() {
        // A new key would open nothing of it.
        let problem = format!(
            "isn't set and {} is missing, but {} was sealed with a key.",
            file.display(),
            config.database.display()
        );
        return Err(ConfigError::new("MASTER_KEY", problem).into());
    }
    Ok(MasterKey::from_file(file)?)
}

async fn services(config: &Config, database: &SqliteDatabase) -> Result<Services, StartError> {
    let auth = AuthConfig {
        jwt_secret: jwt_secret(config, database).await?,
        token_lifetime: config.jwt.life_span,
        bcrypt_cost: config.bcrypt_cost,
    };
    let guard = AddressGuard::new(config.outbound_allow.clone());
    let companions = whatsapp::companions(&config.whatsapp, database.clone())?;
    Services::new(Dependencies {
        storage: Arc::new(database.clone()),
        companions: Arc::new(companions),
        auth,
        webhooks: webhook::Options { guard, ..webhook::Options::default() },
    })
    .map_err(|error| StartError::Services(error.into()))
}

/// The configured secret, or the one that was generated at the first start and is kept sealed.
async fn jwt_secret(config: &Config, database: &SqliteDatabase) -> Result<SecretText, StorageError> {
    if let Some(secret) = &config.jwt.secret {
        return Ok(SecretText::new(secret.expose()));
    }
    let mut random = [0; 32];
    rand::rng().fill_bytes(&mut random);
    database.init_setting(JWT_SECRET.to_owned(), SecretText::new(hex::encode(random))).await
}

async fn first_start(services: &Services, admin: &AdminConfig) -> Result<Option<FirstStart>, StartError> {
    let admin = FirstAdmin {
        email: admin.email.clone(),
        password: admin.password.as_ref().map(|password| SecretText::new(password.expose())),
        first_name: admin.first_name.clone(),
        last_name: admin.last_name.clone(),
    };
    let welcome =
        services.auth.first_start(admin).await.map_err(|error| StartError::Services(error.into()))?;
    Ok(welcome.map(FirstStart::from))
}

fn listen(address: SocketAddr, state: web::Data<AppState>) -> Result<(Server, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let server = HttpServer::new(move || {
        App::new().app_data(state.clone()).wrap(from_fn(edge)).configure(routes::configure)
    })
    .disable_signals()
    .shutdown_timeout(ANSWERS_GRACE)
    .client_request_timeout(HEAD_TIME_OUT)
    .keep_alive(KEEP_ALIVE)
    .max_connections(MAX_CONNECTIONS)
    .tcp_nodelay(true)
    .bind(address)
    .map_err(failed)?;
    let bound =
        server.addrs().first().copied().ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))?;
    Ok((server.run(), bound))
}
