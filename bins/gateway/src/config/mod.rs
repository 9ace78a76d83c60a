//! The configuration: read from the environment, checked as a whole before anything starts.

mod environment;
mod error;
mod known;
mod parents;
mod parse;
mod read;
mod secret;
pub mod variables;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use outbound::{OutboundAllow, Proxy};
use reqwest::Url;
use reqwest::header::HeaderMap;
use storage::MediaDownload;
use storage_postgres::DatabaseAddress;
use storage_sql::MasterKey;
use wa_client::{TrustRoot, Version};

pub use environment::Environment;
pub use error::ConfigError;
pub use parents::QrPageParents;
pub use secret::Secret;

/// Everything the gateway can be told. [`Config::from_environment`] reads it, [`Config::in_folder`] is for tests.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the REST API; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The certificate that clients are shown; without it they are served over plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Where clients reach the gateway, when that isn't `http://` and the address it listens on.
    pub public_url: Option<Url>,
    /// Folder for an SQLite database, the generated keys and the files of messages.
    pub data_dir: PathBuf,
    /// Where everything is stored.
    pub database: DatabaseConfig,
    /// Seals credentials and Signal keys at rest; generated into the data folder when absent.
    pub master_key: Option<MasterKey>,
    /// What the master key takes the place of, until everything is sealed anew.
    pub previous_master_key: Option<MasterKey>,
    /// Cost of bcrypt for the passwords that are hashed from now on: each step doubles the work.
    pub bcrypt_cost: u32,
    /// Whether a database that is missing beside its master key may be begun anew.
    pub init: bool,
    /// How login tokens are signed, and how long they last.
    pub jwt: JwtConfig,
    /// The user that the first start creates, who may do everything.
    pub admin: AdminConfig,
    /// Which WhatsApp the instances connect to.
    pub whatsapp: WhatsAppConfig,
    /// How long events are kept that every webhook has had; `None` keeps them.
    pub event_retention: Option<Duration>,
    /// How long dead letters are kept; `None` keeps them for ever.
    pub dead_letter_retention: Option<Duration>,
    /// How long the audit log is kept; `None` keeps it for ever.
    pub audit_retention: Option<Duration>,
    /// How long messages are kept; `None` keeps them.
    pub message_retention: Option<Duration>,
    /// How long the files of messages are kept; `None` keeps them as long as their messages.
    pub media_retention: Option<Duration>,
    /// Bytes of files that are kept of one user; `None` without a bound.
    pub media_quota: Option<u64>,
    /// Where the files of messages are kept.
    pub media_store: MediaStore,
    /// PEM file with further certificate authorities for the store of files.
    pub s3_ca_file: Option<PathBuf>,
    /// When the files of messages are fetched.
    pub media_download: MediaDownload,
    /// Which pages may show the QR page in a frame, and hear from it.
    pub qr_page_parents: QrPageParents,
    /// Clients that may use the API; empty means everybody.
    pub allowed_ips: Vec<IpNet>,
    /// Proxies in front of the gateway, whose word is taken for whom a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// Pages of which origins may call the API.
    pub cors_origins: CorsOrigins,
    /// How often each credential may call; `None` for as often as it likes.
    pub rate_limit: Option<RateLimit>,
    /// Private hosts and networks that webhooks may go to nevertheless.
    pub outbound_allow: OutboundAllow,
    /// Name servers that are asked instead of the system's; empty means the system's.
    pub dns_servers: Vec<SocketAddr>,
    /// PEM file with further certificate authorities for webhook receivers.
    pub webhook_ca_file: Option<PathBuf>,
    /// Opens `/metrics` as a bearer token, beside the credentials of administrators.
    pub metrics_token: Option<Secret>,
    /// Where traces are sent; `None` for nowhere.
    pub traces: Option<TracesConfig>,
    /// Log filter, as `LOG` has it.
    pub log: String,
    /// How log lines are written.
    pub log_format: LogFormat,
}

/// Where a gateway stores everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseConfig {
    /// One SQLite file on this machine.
    Sqlite {
        /// The database file; its log lies beside it.
        file: PathBuf,
    },
    /// A database on a PostgreSQL server.
    Postgres {
        /// Where it is.
        address: Box<DatabaseAddress>,
    },
}

impl fmt::Display for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { file } => file.display().fmt(f),
            Self::Postgres { address } => write!(f, "{address}"),
        }
    }
}

/// How login tokens are signed and how long they are good.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// The signing secret; generated and kept in the database when absent.
    pub secret: Option<Secret>,
    /// From login to expiry.
    pub life_span: Duration,
}

/// The user that the first start creates.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// E-mail to log in with.
    pub email: String,
    /// Password; generated when absent.
    pub password: Option<Secret>,
    /// Given name, as `/api/auth/me` shows it.
    pub first_name: String,
    /// Family name, as `/api/auth/me` shows it.
    pub last_name: String,
}

/// Where the files of messages are kept.
#[derive(Debug, Clone)]
pub enum MediaStore {
    /// Below the data folder.
    Local,
    /// In a bucket.
    Bucket(Box<bucket::Settings>),
}

/// The server that instances connect to; WhatsApp itself where nothing is set.
#[derive(Debug, Clone, Default)]
pub struct WhatsAppConfig {
    /// Address of its WebSocket, `wss://` or `ws://`.
    pub url: Option<Url>,
    /// Root of the server's Noise certificates.
    pub trust: Option<TrustRoot>,
    /// PEM file with a further certificate authority for TLS.
    pub ca_file: Option<PathBuf>,
    /// What every connection to WhatsApp goes through.
    pub proxy: Option<Proxy>,
    /// The version that is announced, whatever WhatsApp's page says.
    pub version: Option<Version>,
}

/// Where traces are sent, and of which calls.
#[derive(Debug, Clone)]
pub struct TracesConfig {
    /// The collector, which takes OTLP over HTTP at `/v1/traces` below it.
    pub endpoint: Url,
    /// What else it is told in the head of each call. `Debug` shows no values.
    pub headers: HeaderMap,
    /// What this gateway is called there.
    pub service: String,
    /// Of the traces that begin here, the share that is sent: 0 to 1.
    pub share: f64,
}

/// A certificate and its key, in PEM files that are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those that lead to its authority behind it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Pages of which origins may call the API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CorsOrigins {
    /// No pages.
    #[default]
    None,
    /// All pages.
    All,
    /// Those of these origins, each as browsers write it: `https://app.example`.
    These(Vec<String>),
}

/// So many calls in so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many; so many may also be made at once.
    pub calls: u32,
    /// In how long.
    pub period: Duration,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One line of text for people to read.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            email: "admin@localhost".to_owned(),
            password: None,
            first_name: "Admin".to_owned(),
            last_name: "User".to_owned(),
        }
    }
}

impl Config {
    /// A gateway on a free loopback port that keeps everything in `data_dir`, and WhatsApp's own server.
    #[must_use]
    pub fn in_folder(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            public_url: None,
            database: DatabaseConfig::Sqlite { file: data_dir.join(DATABASE_FILE) },
            data_dir,
            master_key: None,
            previous_master_key: None,
            bcrypt_cost: DEFAULT_BCRYPT_COST,
            init: false,
            jwt: JwtConfig { secret: None, life_span: DEFAULT_JWT_LIFE_SPAN },
            admin: AdminConfig::default(),
            whatsapp: WhatsAppConfig::default(),
            event_retention: DEFAULT_EVENT_RETENTION,
            dead_letter_retention: DEFAULT_EVENT_RETENTION,
            audit_retention: DEFAULT_AUDIT_RETENTION,
            message_retention: None,
            media_retention: None,
            media_quota: None,
            media_store: MediaStore::Local,
            s3_ca_file: None,
            media_download: MediaDownload::Arrival,
            qr_page_parents: QrPageParents::default(),
            allowed_ips: Vec::new(),
            trusted_proxies: Vec::new(),
            cors_origins: CorsOrigins::None,
            rate_limit: None,
            outbound_allow: OutboundAllow::default(),
            dns_servers: Vec::new(),
            webhook_ca_file: None,
            metrics_token: None,
            traces: None,
            log: DEFAULT_LOG.to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 3000);
const DEFAULT_JWT_LIFE_SPAN: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_EVENT_RETENTION: Option<Duration> = Some(Duration::from_secs(30 * 24 * 60 * 60));
const DEFAULT_AUDIT_RETENTION: Option<Duration> = Some(Duration::from_secs(365 * 24 * 60 * 60));
const DEFAULT_BCRYPT_COST: u32 = 12;
/// The HTTP server tells at `info` of each worker that starts and stops.
const DEFAULT_LOG: &str = "info,actix_server=warn";
const DATABASE_FILE: &str = "trunkline.db";

#[cfg(test)]
mod tests;
