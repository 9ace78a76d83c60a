//! The gateway as a value: built from a configuration, run until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_server::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use bucket::Bucket;
use outbound::{AddressGuard, Sockets};
use rand::Rng as _;
use reqwest::Url;
use services::{
    AuthConfig, AuthService, BucketObjects, Dependencies, FirstAdmin, KeepFor, MediaOptions, Programs,
    ServiceError, Services,
};
use storage::{SecretText, Storage, StorageError};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::backend::{self, Backend, BackendError};
use crate::config::{AdminConfig, Config, MediaStore};
use crate::data_dir::Found;
use crate::dialects;
use crate::first_start::FirstStart;
use crate::in_flight::InFlight;
use crate::middleware::edge;
use crate::names;
use crate::node::{Node, NodeError};
use crate::openapi;
use crate::routes;
use crate::server::{self, CertificateError, Gate, Limits, Tls};
use crate::state::AppState;
use crate::streams::Streams;
use crate::whatsapp::{self, OutboundError, Route};

// A stop takes less than 5 s whatever hangs: service managers kill after 10, and all that was promised is stored anyway.
// Answers that are under way come first, see `server`.

/// When answers that are under way are cut off, counted from the stop: a worker that is busy doesn't hear of it.
const ANSWERS_END: Duration = Duration::from_millis(1_500);
/// When changes that nobody waits for any more are cut off.
const CHANGES_END: Duration = Duration::from_millis(2_500);
/// When instances and deliveries are cut off.
const SERVICES_END: Duration = Duration::from_millis(3_800);
/// When the database is left to what it does by itself with what wasn't committed.
const DATABASE_END: Duration = Duration::from_millis(4_700);
/// Under this name the database keeps the secret of the login tokens.
const JWT_SECRET: &str = "jwt_secret";

/// A gateway that listens, and answers once it [runs](Self::run).
pub struct Application {
    server: Server,
    address: SocketAddr,
    tls: Option<Tls>,
    state: web::Data<AppState>,
    node: Node,
    first_start: Option<FirstStart>,
}

/// Why a gateway can't start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The database can't be opened.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The identity of this process can't be kept.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The database was opened, but can't be used.
    #[error("the database can't be used")]
    Storage(#[from] StorageError),
    /// Connections can't be set up.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The certificate for clients can't be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A service refused its configuration.
    #[error("the services can't start")]
    Services(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address can't be listened on.
    #[error("LISTEN names an address that can't be listened on: {address}")]
    Listen {
        /// The address that could not be bound.
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
    /// [`Self::run`]: those that no other gateway on the same database carries. Several gateways may live in one process.
    ///
    /// # Errors
    /// The first thing that can't be used.
    pub async fn build(config: Config) -> Result<Self, StartError> {
        install_crypto();
        let tls = config.tls.as_ref().map(Tls::new).transpose()?;
        let backend = Backend::open(&config).await?;
        let node = Node::of(&config.data_dir)?;
        // Webhooks are judged by it; it learns where the gateway itself is as soon as that is known.
        let guard = AddressGuard::new(config.outbound_allow.clone());
        let services = services(&config, &backend, &node, &guard).await?;
        let first_start = first_start(&services, &config.admin).await?;
        let document = openapi::document(config.public_url.as_ref());
        let limits = Limits::of(server::descriptor_limit());
        let paths_with_files = dialects::paths_with_files();
        let (streams, in_flight) = (Streams::among(limits.all), InFlight::new(limits.per_address));
        let state =
            AppState::new(services, backend, &config, &document, paths_with_files, streams, in_flight);
        let state = web::Data::new(state);
        let (server, address) = listen(&config, limits, tls.clone(), state.clone())?;
        guard.close(address);
        Ok(Self { server, address, tls, state, node, first_start })
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
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// What was created because there were no users yet. The password can't be told again.
    pub fn first_start(&self) -> Option<&FirstStart> {
        self.first_start.as_ref()
    }

    /// Serves until `stop` is cancelled, then ends in order: no new connections; answers under way; instances and
    /// deliveries, with everything they tell last; the database; the node, for whoever starts next.
    ///
    /// # Errors
    /// When the server fails or instances can't be resumed; the order of the end is kept then, too.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RunError> {
        let Self { server, tls, state, node, .. } = self;
        let followed = tls.map(|tls| AbortOnDropHandle::new(tokio::spawn(tls.follow_files())));
        let handle = server.handle();
        let serving = tokio::spawn(server);
        let resumed = tokio::select! {
            resumed = state.services.resume() => Some(resumed),
            // Thousands of instances, or a database that hangs, keep nobody from stopping.
            () = stop.cancelled() => None,
        };
        let outcome = match resumed {
            Some(Ok(())) => {
                state.set_ready(true);
                let watched = Arc::clone(&state);
                let watching = async move { watched.watchdog.watch(watched.backend.storage()).await };
                let watching = AbortOnDropHandle::new(tokio::spawn(watching));
                let ended = wait(stop, serving).await;
                drop(watching);
                ended
            }
            Some(Err(error)) => Err(error.into()),
            None => Ok(()),
        };
        drop(followed);
        end(&state, &handle).await;
        drop(node);
        outcome
    }
}

/// Ends everything in order, each part by its time.
async fn end(state: &AppState, handle: &ServerHandle) {
    let began = Instant::now();
    state.set_ready(false);
    state.stopping.cancel();
    if timeout_at(began + ANSWERS_END, handle.stop(true)).await.is_err() {
        tracing::warn!("answers were still under way when the gateway stopped");
    }
    if timeout_at(began + CHANGES_END, state.changes.idle()).await.is_err() {
        tracing::warn!("requests were still at work when the gateway stopped");
    }
    let left = (began + SERVICES_END).saturating_duration_since(Instant::now());
    if !state.services.stop(left).await {
        tracing::warn!("instances were still at work when the gateway stopped");
    }
    if timeout_at(began + DATABASE_END, state.backend.close()).await.is_err() {
        tracing::warn!("the database was still at work when the gateway stopped");
    }
}

/// Brings the database's schema up to date.
///
/// # Errors
/// When the database can't be opened or a step fails.
pub async fn migrate(config: &Config) -> Result<(), BackendError> {
    Backend::open(config).await?.close().await;
    Ok(())
}

/// Which credential of a user is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The password.
    Password,
    /// The API key.
    ApiKey,
}

/// Why a credential can't be made anew.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RenewError {
    /// There is no database yet: the first start makes it, and the first user with it.
    #[error("there is no database at {0} yet")]
    NoDatabase(String),
    /// The database can't be opened.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// There is no such user, or the database can't be written.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The secret of the tokens can't be read.
    #[error("the database can't be used")]
    Storage(#[from] StorageError),
}

/// Makes a credential of the user with this e-mail anew, also while a gateway runs on the same database. Answers with what
/// is to be shown once.
///
/// # Errors
/// [`RenewError`].
pub async fn renew(config: &Config, email: &str, renewal: Renewal) -> Result<String, RenewError> {
    if backend::found(config).await? != Found::Something {
        return Err(RenewError::NoDatabase(config.database.to_string()));
    }
    let backend = Backend::open(config).await?;
    let auth = AuthService::new(backend.storage(), &auth(config, &*backend.storage()).await?);
    let renewed = match renewal {
        Renewal::Password => auth.reset_password(email).await,
        Renewal::ApiKey => auth.rotate_key(email).await,
    };
    backend.close().await;
    let renewed = renewed?;
    let (name, secret) = match (&renewed.password, &renewed.api_key) {
        (Some(password), _) => ("password", password.expose()),
        (None, Some(key)) => ("API key ", key.expose()),
        (None, None) => ("nothing ", ""),
    };
    Ok(format!("e-mail    {}\n{name}  {secret}\n", renewed.email))
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

async fn services(
    config: &Config,
    backend: &Backend,
    node: &Node,
    guard: &AddressGuard,
) -> Result<Services, StartError> {
    let storage = backend.storage();
    let auth = auth(config, &*storage).await?;
    let resolver = names::resolver(config);
    let route = Route::new(config, guard, resolver.clone())?;
    let versions = route.versions(&config.whatsapp, Arc::clone(&storage))?;
    let companions = route.companions(backend.clone(), versions.clone())?;
    let sockets = outgoing(server::descriptor_limit());
    let webhooks = webhook::Options {
        guard: guard.clone(),
        sockets: sockets.clone(),
        resolver,
        authorities: whatsapp::authorities("WEBHOOK_CA_FILE", config.webhook_ca_file.as_deref())?,
        public_url: config.public_url.as_ref().map_or_else(String::new, public_url),
        ..webhook::Options::default()
    };
    Services::new(Dependencies {
        storage,
        companions: Arc::new(companions),
        node: node.id(),
        auth,
        webhooks,
        versions,
        keep_for: KeepFor {
            events: config.event_retention,
            messages: config.message_retention,
            media: config.media_retention,
            dead_letters: config.dead_letter_retention,
            audit: config.audit_retention,
        },
        media: media_options(config, sockets)?,
    })
    .map_err(|error| StartError::Services(error.into()))
}

/// Without a slash at its end, as paths follow it.
fn public_url(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// The sockets of webhooks, of files by address and of the store of files: a quarter of what may be open, as for clients. The
/// rest is for what must not fail because of them, a socket for each instance above all.
fn outgoing(descriptors: u64) -> Sockets {
    /// Each takes some 40 KB with TLS.
    const MOST: usize = 4096;
    /// With fewer nobody could work.
    const FEWEST: usize = 32;
    Sockets::new(usize::try_from(descriptors / 4).unwrap_or(usize::MAX).clamp(FEWEST, MOST))
}

fn media_options(config: &Config, sockets: Sockets) -> Result<MediaOptions, OutboundError> {
    let folder = config.data_dir.join("media");
    let local = MediaOptions {
        download: config.media_download,
        most_per_user: config.media_quota,
        programs: programs(),
        ..MediaOptions::local(&folder)
    };
    let Some(bucket) = bucket(config, sockets)? else { return Ok(local) };
    Ok(MediaOptions { objects: Arc::new(BucketObjects::new(bucket, folder.join("files"))), ..local })
}

/// The bucket that files are kept in, if they are.
pub(crate) fn bucket(config: &Config, sockets: Sockets) -> Result<Option<Bucket>, OutboundError> {
    let MediaStore::Bucket(settings) = &config.media_store else { return Ok(None) };
    let authorities = whatsapp::authorities("S3_CA_FILE", config.s3_ca_file.as_deref())?;
    Ok(Some(Bucket::new((**settings).clone(), names::resolver(config), &authorities, sockets)?))
}

/// The programs of this machine that make pictures. What is missing is said once.
fn programs() -> Programs {
    let programs = Programs::found();
    if programs.ffmpeg.is_none() {
        tracing::info!("there is no ffmpeg in PATH: videos are sent without a small picture");
    }
    if programs.pdftoppm.is_none() {
        tracing::info!("there is no pdftoppm in PATH: PDFs are sent without a small picture");
    }
    programs
}

async fn auth(config: &Config, storage: &dyn Storage) -> Result<AuthConfig, StorageError> {
    Ok(AuthConfig {
        jwt_secret: jwt_secret(config, storage).await?,
        token_lifetime: config.jwt.life_span,
        bcrypt_cost: config.bcrypt_cost,
    })
}

/// The configured secret, or the one that was generated at the first start and is kept sealed.
async fn jwt_secret(config: &Config, storage: &dyn Storage) -> Result<SecretText, StorageError> {
    if let Some(secret) = &config.jwt.secret {
        return Ok(SecretText::new(secret.expose()));
    }
    let mut random = [0; 32];
    rand::rng().fill_bytes(&mut random);
    storage.init_setting(JWT_SECRET.to_owned(), SecretText::new(hex::encode(random))).await
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

fn listen(
    config: &Config,
    limits: Limits,
    tls: Option<Tls>,
    state: web::Data<AppState>,
) -> Result<(Server, SocketAddr), StartError> {
    let address = config.listen;
    let failed = |source| StartError::Listen { address, source };
    tracing::info!(
        all = limits.all,
        per_address = limits.per_address,
        "connections of clients that are allowed"
    );
    let gate = Gate::new(config.allowed_ips.clone(), config.trusted_proxies.clone(), limits);
    let listener = server::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let app = move || {
        let workers = state.workers.clone();
        App::new()
            .app_data(state.clone())
            // In each worker, once.
            .data_factory(move || std::future::ready(Ok::<_, ()>(actix_web::rt::spawn(workers.beat()))))
            .wrap(from_fn(edge))
            .configure(routes::configure)
    };
    let server = server::serve(listener, gate, tls, app).map_err(failed)?;
    Ok((server, bound))
}
