//! The configuration: read from the environment, checked as a whole before anything starts.

mod environment;
mod error;
mod parse;
mod secret;
pub mod variables;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use outbound::{InvalidProxy, OutboundAllow, Proxy};
use reqwest::Url;
use storage_sqlite::{DatabaseUrl, MasterKey};
use wa_client::{TrustRoot, Version};

pub use environment::Environment;
pub use error::ConfigError;
pub use secret::Secret;

/// Everything the gateway can be told. [`Config::from_environment`] reads it, [`Config::in_folder`] is for tests.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the REST API; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where clients reach the gateway, when that isn't `http://` and the address it listens on.
    pub public_url: Option<Url>,
    /// Folder for the database and the generated keys.
    pub data_dir: PathBuf,
    /// Where everything is stored.
    pub database: DatabaseConfig,
    /// Seals credentials and Signal keys at rest; generated into the data folder when absent.
    pub master_key: Option<MasterKey>,
    /// Cost of bcrypt for the passwords that are hashed from now on: each step doubles the work.
    pub bcrypt_cost: u32,
    /// How login tokens are signed, and how long they last.
    pub jwt: JwtConfig,
    /// The first user.
    pub admin: AdminConfig,
    /// Which WhatsApp the instances connect to.
    pub whatsapp: WhatsAppConfig,
    /// How long events are kept that every webhook has had; `None` keeps them.
    pub event_retention: Option<Duration>,
    /// How long messages are kept; `None` keeps them.
    pub message_retention: Option<Duration>,
    /// Clients that may use the API; empty means everybody.
    pub allowed_ips: Vec<IpNet>,
    /// Private hosts and networks that webhooks may go to nevertheless.
    pub outbound_allow: OutboundAllow,
    /// PEM file with further certificate authorities for webhook receivers.
    pub webhook_ca_file: Option<PathBuf>,
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
}

impl fmt::Display for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { file } => file.display().fmt(f),
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
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
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

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One line of text for people to read.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// The configuration that an environment describes.
    ///
    /// # Errors
    /// The first value that can't be understood, as a sentence that names the variable.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        environment.check_spelling()?;
        let data_dir = PathBuf::from(environment.text("DATA_DIR").unwrap_or("./data"));
        Ok(Self {
            listen: parsed(environment, "LISTEN", listen)?.unwrap_or(DEFAULT_LISTEN),
            public_url: parsed(environment, "PUBLIC_URL", |text| parse::url(text, &["http", "https"]))?,
            database: database(environment, &data_dir)?,
            data_dir,
            master_key: master_key(environment)?,
            bcrypt_cost: DEFAULT_BCRYPT_COST,
            jwt: jwt(environment)?,
            admin: admin(environment)?,
            whatsapp: whatsapp(environment)?,
            event_retention: parsed(environment, "EVENT_RETENTION", parse::retention)?
                .unwrap_or(DEFAULT_EVENT_RETENTION),
            message_retention: parsed(environment, "MESSAGE_RETENTION", parse::retention)?.unwrap_or(None),
            allowed_ips: parsed(environment, "ALLOWED_IPS", parse::networks)?.unwrap_or_default(),
            outbound_allow: parsed(environment, "OUTBOUND_ALLOW", outbound_allow)?.unwrap_or_default(),
            webhook_ca_file: file(environment, "WEBHOOK_CA_FILE")?,
            log: parsed(environment, "LOG", parse::log_filter)?.unwrap_or_else(|| DEFAULT_LOG.to_owned()),
            log_format: parsed(environment, "LOG_FORMAT", log_format)?.unwrap_or_default(),
        })
    }

    /// A gateway on a free loopback port that keeps everything in `data_dir`, and WhatsApp's own server.
    #[must_use]
    pub fn in_folder(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            database: DatabaseConfig::Sqlite { file: data_dir.join(DATABASE_FILE) },
            data_dir,
            master_key: None,
            bcrypt_cost: DEFAULT_BCRYPT_COST,
            jwt: JwtConfig { secret: None, life_span: DEFAULT_JWT_LIFE_SPAN },
            admin: AdminConfig::default(),
            whatsapp: WhatsAppConfig::default(),
            event_retention: DEFAULT_EVENT_RETENTION,
            message_retention: None,
            allowed_ips: Vec::new(),
            outbound_allow: OutboundAllow::default(),
            webhook_ca_file: None,
            log: DEFAULT_LOG.to_owned(),
            log_format: LogFormat::Text,
        }
    }
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

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 3000);
const DEFAULT_JWT_LIFE_SPAN: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_EVENT_RETENTION: Option<Duration> = Some(Duration::from_secs(30 * 24 * 60 * 60));
const DEFAULT_BCRYPT_COST: u32 = 12;
/// The HTTP server tells at `info` of each worker that starts and stops.
const DEFAULT_LOG: &str = "info,actix_server=warn";
const DATABASE_FILE: &str = "trunkline.db";

/// Applies `parse` to a variable that is set.
fn parsed<T>(
    environment: &Environment,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    environment
        .text(name)
        .map(|text| parse(text).map_err(|problem| ConfigError::new(name, problem)))
        .transpose()
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("must be an address and a port, such as 127.0.0.1:3000 or [::1]:3000, not {text:?}.")
    })
}

fn database(environment: &Environment, data_dir: &Path) -> Result<DatabaseConfig, ConfigError> {
    match environment.text("DATABASE_PROVIDER").unwrap_or("sqlite") {
        "sqlite" => {
            let file = parsed(environment, "SQLITE_DATABASE_URL", sqlite_file)?;
            Ok(DatabaseConfig::Sqlite { file: file.unwrap_or_else(|| data_dir.join(DATABASE_FILE)) })
        }
        planned @ ("postgres" | "postgresql" | "mongodb") => {
            let problem = format!("{planned:?} is planned but not built yet; this version stores in sqlite.");
            Err(ConfigError::new("DATABASE_PROVIDER", problem))
        }
        other => Err(ConfigError::new("DATABASE_PROVIDER", format!("must be sqlite, not {other:?}."))),
    }
}

fn sqlite_file(text: &str) -> Result<PathBuf, String> {
    let url = text.parse::<DatabaseUrl>();
    url.map(|url| url.path().to_owned()).map_err(|error| format!("can't be used: {error}."))
}

fn master_key(environment: &Environment) -> Result<Option<MasterKey>, ConfigError> {
    environment
        .secret("MASTER_KEY")?
        .map(|key| {
            MasterKey::from_hex(key.expose()).map_err(|_| ConfigError::new("MASTER_KEY", parse::NOT_A_KEY))
        })
        .transpose()
}

fn jwt(environment: &Environment) -> Result<JwtConfig, ConfigError> {
    const SHORTEST: usize = 16;
    let secret = environment.secret("JWT_SECRET")?;
    if secret.as_ref().is_some_and(|secret| secret.expose().len() < SHORTEST) {
        return Err(ConfigError::new(
            "JWT_SECRET",
            "must have at least 16 bytes; leave it out to have one generated.",
        ));
    }
    Ok(JwtConfig {
        secret,
        life_span: parsed(environment, "JWT_EXPIRATION", parse::life_span)?.unwrap_or(DEFAULT_JWT_LIFE_SPAN),
    })
}

fn admin(environment: &Environment) -> Result<AdminConfig, ConfigError> {
    // bcrypt reads no further than 72 bytes.
    const PASSWORD: std::ops::RangeInclusive<usize> = 8..=72;
    let defaults = AdminConfig::default();
    let password = environment.secret("ADMIN_PASSWORD")?;
    if password.as_ref().is_some_and(|password| !PASSWORD.contains(&password.expose().len())) {
        return Err(ConfigError::new("ADMIN_PASSWORD", "must have 8 to 72 bytes."));
    }
    let text = |name, default| environment.text(name).map_or(default, str::to_owned);
    Ok(AdminConfig {
        email: parsed(environment, "ADMIN_EMAIL", email)?.unwrap_or(defaults.email),
        password,
        first_name: text("ADMIN_FIRST_NAME", defaults.first_name),
        last_name: text("ADMIN_LAST_NAME", defaults.last_name),
    })
}

fn email(text: &str) -> Result<String, String> {
    let wrong = || format!("must be an e-mail address, not {text:?}.");
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    if local.is_empty() || domain.is_empty() || text.contains(char::is_whitespace) || text.len() > 254 {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

fn whatsapp(environment: &Environment) -> Result<WhatsAppConfig, ConfigError> {
    let proxy = environment.secret("WHATSAPP_PROXY")?;
    Ok(WhatsAppConfig {
        url: parsed(environment, "WHATSAPP_URL", |text| parse::url(text, &["ws", "wss"]))?,
        trust: parsed(environment, "WHATSAPP_ROOT_KEY", trust_root)?,
        ca_file: file(environment, "WHATSAPP_CA_FILE")?,
        // The text may hold a password, so it isn't repeated.
        proxy: proxy
            .map(|proxy| proxy.expose().parse())
            .transpose()
            .map_err(|error: InvalidProxy| ConfigError::new("WHATSAPP_PROXY", format!("{error}.")))?,
        version: parsed(environment, "WHATSAPP_VERSION", version)?,
    })
}

/// A file that has to be there.
fn file(environment: &Environment, name: &str) -> Result<Option<PathBuf>, ConfigError> {
    let file = environment.text(name).map(PathBuf::from);
    match file.as_ref().filter(|file| !file.is_file()) {
        Some(file) => {
            Err(ConfigError::new(name, format!("names a file that isn't there: {}.", file.display())))
        }
        None => Ok(file),
    }
}

fn version(text: &str) -> Result<Version, String> {
    text.parse().map_err(|_| format!("must be three numbers such as 2.3000.1045649367, not {text:?}."))
}

fn trust_root(text: &str) -> Result<TrustRoot, String> {
    TrustRoot::from_hex(text).map_err(|_| parse::NOT_A_KEY.to_owned())
}

fn outbound_allow(text: &str) -> Result<OutboundAllow, String> {
    text.parse().map_err(|outbound::AllowError { entry }| {
        format!("must list hosts, host:port pairs, addresses and CIDR ranges, not {entry:?}.")
    })
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("must be text or json, not {text:?}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_environment(&Environment::of(pairs.iter().copied()))
    }

    #[test]
    fn nothing_set_gives_the_documented_defaults() {
        let config = config(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
        assert_eq!(config.data_dir, PathBuf::from("./data"));
        assert_eq!(config.database.to_string(), "./data/trunkline.db");
        assert_eq!(config.event_retention, Some(Duration::from_secs(30 * 86_400)));
        assert_eq!(config.message_retention, None);
        assert_eq!(config.jwt.life_span, Duration::from_secs(86_400));
        assert!(
            config.jwt.secret.is_none() && config.admin.password.is_none() && config.master_key.is_none()
        );
        assert!(config.allowed_ips.is_empty() && config.outbound_allow == OutboundAllow::default());
    }

    #[test]
    fn the_seeds_example_is_understood_as_far_as_it_is_built() {
        let config = config(&[
            ("DATABASE_PROVIDER", "sqlite"),
            ("DATABASE_URL", "mongodb://username:password@hostname:1/database"),
            ("SQLITE_DATABASE_URL", "file:./data/whatsapp-api.db"),
            ("JWT_SECRET", "your-jwt-secret-key-here"),
            ("JWT_EXPIRATION", "24h"),
            ("ADMIN_EMAIL", "admin@example.com"),
            ("ADMIN_PASSWORD", "admin123"),
            ("ADMIN_FIRST_NAME", "Admin"),
            ("ADMIN_LAST_NAME", "User"),
        ])
        .unwrap();
        let file = PathBuf::from("./data/whatsapp-api.db");
        assert_eq!(config.database, DatabaseConfig::Sqlite { file });
        assert_eq!(config.admin.email, "admin@example.com");
    }

    #[test]
    fn every_malformed_value_is_refused_by_name() {
        let not_built = config(&[("DATABASE_PROVIDER", "mongodb")]).unwrap_err().to_string();
        assert_eq!(
            not_built,
            "DATABASE_PROVIDER \"mongodb\" is planned but not built yet; this version stores in sqlite."
        );
        for (name, value) in [
            ("DATABASE_PROVIDER", "oracle"),
            ("SQLITE_DATABASE_URL", ":memory:"),
            ("LISTEN", "localhost"),
            ("LISTEN", "127.0.0.1:99999"),
            ("PUBLIC_URL", "gateway.example"),
            ("JWT_SECRET", "short"),
            ("JWT_EXPIRATION", "soon"),
            ("ADMIN_EMAIL", "nobody"),
            ("ADMIN_PASSWORD", "short"),
            ("WHATSAPP_URL", "https://web.whatsapp.com"),
            ("WHATSAPP_ROOT_KEY", "12"),
            ("WHATSAPP_CA_FILE", "/nonexistent.pem"),
            ("WHATSAPP_PROXY", "127.0.0.1:1080"),
            ("WHATSAPP_VERSION", "2.3000"),
            ("WEBHOOK_CA_FILE", "/nonexistent.pem"),
            ("MASTER_KEY", "12"),
            ("EVENT_RETENTION", "0d"),
            ("MESSAGE_RETENTION", "a while"),
            ("ALLOWED_IPS", "home"),
            ("OUTBOUND_ALLOW", "10.0.0.0/40"),
            ("LOG", "debgu"),
            ("LOG_FORMAT", "xml"),
        ] {
            let error = config(&[(name, value)]).err().unwrap_or_else(|| panic!("{name}={value} passed"));
            assert_eq!(error.variable(), name);
        }
    }

    #[test]
    fn misspelt_names_stop_the_start() {
        let error = config(&[("OUTBOUND_ALOW", "10.0.0.0/8")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "OUTBOUND_ALOW isn't a variable of trunkline. Is OUTBOUND_ALLOW meant?"
        );
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let config = config(&[
            ("JWT_SECRET", "sixteen bytes or more"),
            ("ADMIN_PASSWORD", "correct horse"),
            ("WHATSAPP_PROXY", "socks5://user:battery@proxy.example"),
        ])
        .unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("sixteen") && !shown.contains("horse") && !shown.contains("battery"));
    }
}
