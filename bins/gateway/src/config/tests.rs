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
    assert!(config.jwt.secret.is_none() && config.admin.password.is_none() && config.master_key.is_none());
    assert!(config.allowed_ips.is_empty() && config.outbound_allow == OutboundAllow::default());
}

#[test]
fn the_seeds_example_is_understood_as_far_as_it_is_built() {
    let config = config(&[
        ("DATABASE_PROVIDER", "sqlite"),
        ("DATABASE_URL", "mongodb://username:password@hostname:1/database"),
        ("SQLITE_DATABASE_URL", "file:./data/whatsapp-api.db"),
        ("JWT_EXPIRATION", "24h"),
        ("ADMIN_EMAIL", "admin@example.com"),
        ("ADMIN_FIRST_NAME", "Admin"),
        ("ADMIN_LAST_NAME", "User"),
    ])
    .unwrap();
    let file = PathBuf::from("./data/whatsapp-api.db");
    assert_eq!(config.database, DatabaseConfig::Sqlite { file });
    assert_eq!(config.admin.email, "admin@example.com");
}

#[test]
fn the_seeds_example_secrets_are_refused() {
    for (name, value) in [("JWT_SECRET", "your-jwt-secret-key-here"), ("ADMIN_PASSWORD", "admin123")] {
        let error = config(&[(name, value)]).unwrap_err();
        assert_eq!(error.variable(), name);
        assert!(error.to_string().contains("everybody") && !error.to_string().contains(value), "{error}");
    }
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
        ("ALLOWED_IPS", ","),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
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
    assert_eq!(error.to_string(), "OUTBOUND_ALOW isn't a variable of trunkline. Is OUTBOUND_ALLOW meant?");
}

#[test]
fn debug_output_shows_no_secret() {
    let config = config(&[
        ("JWT_SECRET", "sixteen bytes and sixteen bytes more"),
        ("ADMIN_PASSWORD", "correct horse"),
        ("WHATSAPP_PROXY", "socks5://user:battery@proxy.example"),
    ])
    .unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("sixteen") && !shown.contains("horse") && !shown.contains("battery"));
}
