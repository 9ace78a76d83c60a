//! The configuration that an environment describes.

use outbound::{InvalidProxy, OutboundAllow};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use storage_sqlite::{DatabaseUrl, MasterKey};
use wa_client::{TrustRoot, Version};

use super::{
    AdminConfig, Config, ConfigError, DATABASE_FILE, DEFAULT_BCRYPT_COST, DEFAULT_EVENT_RETENTION,
    DEFAULT_JWT_LIFE_SPAN, DEFAULT_LISTEN, DEFAULT_LOG, DatabaseConfig, Environment, JwtConfig, LogFormat,
    WhatsAppConfig, known, parse,
};

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
            init: false,
            jwt: jwt(environment)?,
            admin: admin(environment)?,
            whatsapp: whatsapp(environment)?,
            event_retention: parsed(environment, "EVENT_RETENTION", parse::retention)?
                .unwrap_or(DEFAULT_EVENT_RETENTION),
            dead_letter_retention: parsed(environment, "DEAD_LETTER_RETENTION", parse::retention)?
                .unwrap_or(DEFAULT_EVENT_RETENTION),
            message_retention: parsed(environment, "MESSAGE_RETENTION", parse::retention)?.unwrap_or(None),
            allowed_ips: parsed(environment, "ALLOWED_IPS", parse::networks)?.unwrap_or_default(),
            trusted_proxies: parsed(environment, "TRUSTED_PROXIES", parse::networks)?.unwrap_or_default(),
            outbound_allow: parsed(environment, "OUTBOUND_ALLOW", outbound_allow)?.unwrap_or_default(),
            dns_servers: parsed(environment, "DNS_SERVERS", parse::name_servers)?.unwrap_or_default(),
            webhook_ca_file: file(environment, "WEBHOOK_CA_FILE")?,
            log: parsed(environment, "LOG", parse::log_filter)?.unwrap_or_else(|| DEFAULT_LOG.to_owned()),
            log_format: parsed(environment, "LOG_FORMAT", log_format)?.unwrap_or_default(),
        })
    }
}

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
    let secret = environment.secret("JWT_SECRET")?;
    if let Some(secret) = &secret {
        known::signing_secret(secret.expose()).map_err(|problem| ConfigError::new("JWT_SECRET", problem))?;
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
    if let Some(password) = &password {
        known::password(password.expose()).map_err(|problem| ConfigError::new("ADMIN_PASSWORD", problem))?;
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
