//! The configuration that an environment describes.

use outbound::{InvalidProxy, OutboundAllow};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use storage::MediaDownload;
use storage_postgres::InvalidAddress;
use storage_sql::MasterKey;
use storage_sqlite::DatabaseUrl;
use wa_client::{TrustRoot, Version};

use super::{
    AdminConfig, Config, ConfigError, DATABASE_FILE, DEFAULT_AUDIT_RETENTION, DEFAULT_BCRYPT_COST,
    DEFAULT_EVENT_RETENTION, DEFAULT_JWT_LIFE_SPAN, DEFAULT_LISTEN, DEFAULT_LOG, DatabaseConfig, Environment,
    JwtConfig, LogFormat, MediaStore, Secret, TlsFiles, TracesConfig, WhatsAppConfig, known, parse,
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
            tls: tls(environment)?,
            public_url: parsed(environment, "PUBLIC_URL", |text| parse::url(text, &["http", "https"]))?,
            database: database(environment, &data_dir)?,
            data_dir,
            master_key: master_key(environment, "MASTER_KEY")?,
            previous_master_key: master_key(environment, "MASTER_KEY_PREVIOUS")?,
            bcrypt_cost: DEFAULT_BCRYPT_COST,
            init: false,
            jwt: jwt(environment)?,
            admin: admin(environment)?,
            whatsapp: whatsapp(environment)?,
            event_retention: parsed(environment, "EVENT_RETENTION", parse::retention)?
                .unwrap_or(DEFAULT_EVENT_RETENTION),
            dead_letter_retention: parsed(environment, "DEAD_LETTER_RETENTION", parse::retention)?
                .unwrap_or(DEFAULT_EVENT_RETENTION),
            audit_retention: parsed(environment, "AUDIT_RETENTION", parse::retention)?
                .unwrap_or(DEFAULT_AUDIT_RETENTION),
            message_retention: parsed(environment, "MESSAGE_RETENTION", parse::retention)?.unwrap_or(None),
            media_retention: parsed(environment, "MEDIA_RETENTION", parse::retention)?.unwrap_or(None),
            media_quota: parsed(environment, "MEDIA_QUOTA", parse::size)?.unwrap_or(None),
            media_store: media_store(environment)?,
            s3_ca_file: file(environment, "S3_CA_FILE")?,
            media_download: parsed(environment, "MEDIA_DOWNLOAD", media_download)?
                .unwrap_or(MediaDownload::Arrival),
            qr_page_parents: parsed(environment, "QR_PAGE_PARENTS", str::parse)?.unwrap_or_default(),
            allowed_ips: parsed(environment, "ALLOWED_IPS", parse::network_list)?.unwrap_or_default(),
            trusted_proxies: parsed(environment, "TRUSTED_PROXIES", parse::network_list)?.unwrap_or_default(),
            cors_origins: parsed(environment, "CORS_ORIGINS", parse::origins)?.unwrap_or_default(),
            rate_limit: parsed(environment, "RATE_LIMIT", parse::rate_limit)?,
            outbound_allow: parsed(environment, "OUTBOUND_ALLOW", outbound_allow)?.unwrap_or_default(),
            dns_servers: parsed(environment, "DNS_SERVERS", parse::name_servers)?.unwrap_or_default(),
            webhook_ca_file: file(environment, "WEBHOOK_CA_FILE")?,
            metrics_token: metrics_token(environment)?,
            traces: traces(environment)?,
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

/// What `DATABASE_PROVIDER` names; without it, PostgreSQL where `DATABASE_URL` is set.
fn database(environment: &Environment, data_dir: &Path) -> Result<DatabaseConfig, ConfigError> {
    const PROVIDER: &str = "DATABASE_PROVIDER";
    let server = || environment.secret(SERVER_URL);
    match environment.text(PROVIDER) {
        // The server is another provider's then.
        Some("sqlite") => sqlite(environment, data_dir),
        Some("postgres" | "postgresql") => {
            let missing =
                || ConfigError::new(SERVER_URL, format!("must be set for postgres: {SERVER_FORM}."));
            postgres(&server()?.ok_or_else(missing)?)
        }
        Some("mongodb") => {
            let problem =
                "\"mongodb\" is planned but not built yet; this version stores in sqlite or postgres.";
            Err(ConfigError::new(PROVIDER, problem))
        }
        Some(other) => Err(ConfigError::new(PROVIDER, format!("must be sqlite or postgres, not {other:?}."))),
        None => server()?.map_or_else(|| sqlite(environment, data_dir), |url| postgres(&url)),
    }
}

const SERVER_URL: &str = "DATABASE_URL";
const SERVER_FORM: &str = "postgres://user:password@host:5432/database";

fn sqlite(environment: &Environment, data_dir: &Path) -> Result<DatabaseConfig, ConfigError> {
    let file = parsed(environment, "SQLITE_DATABASE_URL", sqlite_file)?;
    Ok(DatabaseConfig::Sqlite { file: file.unwrap_or_else(|| data_dir.join(DATABASE_FILE)) })
}

fn postgres(url: &Secret) -> Result<DatabaseConfig, ConfigError> {
    // The text may hold a password, so it isn't repeated.
    let refused = |error: InvalidAddress| ConfigError::new(SERVER_URL, format!("can't be used: {error}."));
    let address = url.expose().parse().map_err(refused)?;
    Ok(DatabaseConfig::Postgres { address: Box::new(address) })
}

fn sqlite_file(text: &str) -> Result<PathBuf, String> {
    let url = text.parse::<DatabaseUrl>();
    url.map(|url| url.path().to_owned()).map_err(|error| format!("can't be used: {error}."))
}

fn master_key(environment: &Environment, name: &str) -> Result<Option<MasterKey>, ConfigError> {
    environment
        .secret(name)?
        .map(|key| MasterKey::from_hex(key.expose()).map_err(|_| ConfigError::new(name, parse::NOT_A_KEY)))
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

fn metrics_token(environment: &Environment) -> Result<Option<Secret>, ConfigError> {
    /// What nobody guesses over the network.
    const SHORTEST: usize = 16;
    let token = environment.secret("METRICS_TOKEN")?;
    if token.as_ref().is_some_and(|token| token.expose().len() < SHORTEST) {
        return Err(ConfigError::new("METRICS_TOKEN", format!("must have at least {SHORTEST} bytes.")));
    }
    Ok(token)
}

fn traces(environment: &Environment) -> Result<Option<TracesConfig>, ConfigError> {
    const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    let endpoint =
        parsed(environment, "OTEL_EXPORTER_OTLP_ENDPOINT", |text| parse::url(text, &["http", "https"]))?;
    let headers = environment.secret(HEADERS)?.map(|headers| parse::header_list(headers.expose()));
    let headers = headers.transpose().map_err(|problem| ConfigError::new(HEADERS, problem))?;
    let service = environment.text("OTEL_SERVICE_NAME").unwrap_or("trunkline").to_owned();
    let share = parsed(environment, "OTEL_TRACES_SAMPLER_ARG", parse::share)?.unwrap_or(1.0);
    Ok(endpoint.map(|endpoint| TracesConfig {
        endpoint,
        headers: headers.unwrap_or_default(),
        service,
        share,
    }))
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

fn tls(environment: &Environment) -> Result<Option<TlsFiles>, ConfigError> {
    match (file(environment, "TLS_CERT_FILE")?, file(environment, "TLS_KEY_FILE")?) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(ConfigError::new("TLS_KEY_FILE", "must be set, too, with TLS_CERT_FILE.")),
        (None, Some(_)) => Err(ConfigError::new("TLS_CERT_FILE", "must be set, too, with TLS_KEY_FILE.")),
    }
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

fn media_store(environment: &Environment) -> Result<MediaStore, ConfigError> {
    const STORE: &str = "MEDIA_STORE";
    let place = match environment.text(STORE) {
        None | Some("local") => return Ok(MediaStore::Local),
        Some(text) => text.strip_prefix("s3://").ok_or_else(|| {
            ConfigError::new(STORE, format!("must be local, or s3://bucket/prefix, not {text:?}."))
        })?,
    };
    let needed = |name| ConfigError::new(name, format!("must be set for the bucket of {STORE}."));
    let (bucket, prefix) = bucket::Settings::place(place);
    let region = environment.text("S3_REGION").unwrap_or("us-east-1").to_owned();
    let endpoint = parsed(environment, "S3_ENDPOINT", |text| parse::url(text, &["http", "https"]))?;
    let public = || format!("https://s3.{region}.amazonaws.com").parse().ok();
    let settings = bucket::Settings {
        endpoint: endpoint
            .or_else(public)
            .ok_or_else(|| ConfigError::new("S3_REGION", "can't be part of a name."))?,
        bucket,
        prefix,
        access_key: environment
            .text("S3_ACCESS_KEY_ID")
            .ok_or_else(|| needed("S3_ACCESS_KEY_ID"))?
            .to_owned(),
        secret_key: environment
            .secret("S3_SECRET_ACCESS_KEY")?
            .ok_or_else(|| needed("S3_SECRET_ACCESS_KEY"))?
            .expose()
            .to_owned(),
        region,
    };
    settings.check().map_err(|problem| {
        let name = if problem == bucket::InvalidSettings::Endpoint { "S3_ENDPOINT" } else { STORE };
        ConfigError::new(name, format!("{problem}."))
    })?;
    Ok(MediaStore::Bucket(Box::new(settings)))
}

fn media_download(text: &str) -> Result<MediaDownload, String> {
    text.parse().map_err(|_| format!("must be arrival, demand or never, not {text:?}."))
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("must be text or json, not {text:?}.")),
    }
}
