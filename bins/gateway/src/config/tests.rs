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
        "DATABASE_PROVIDER \"mongodb\" is planned but not built yet; this version stores in sqlite or postgres."
    );
    for (name, value) in [
        ("DATABASE_PROVIDER", "oracle"),
        ("DATABASE_URL", "mongodb://user:battery@hostname:1/database"),
        ("DATABASE_URL", "postgres://hostname/database"),
        ("DATABASE_URL", "postgres://user:battery@hostname/database?sslmode=prefer"),
        ("METRICS_TOKEN", "fifteen letters"),
        ("SQLITE_DATABASE_URL", ":memory:"),
        ("LISTEN", "localhost"),
        ("LISTEN", "127.0.0.1:99999"),
        ("PUBLIC_URL", "gateway.example"),
        ("TLS_CERT_FILE", "/nonexistent.pem"),
        ("TLS_KEY_FILE", "/nonexistent.pem"),
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
        ("MASTER_KEY_PREVIOUS", "12"),
        ("EVENT_RETENTION", "0d"),
        ("MESSAGE_RETENTION", "a while"),
        ("MEDIA_RETENTION", "long"),
        ("MEDIA_QUOTA", "much"),
        ("MEDIA_QUOTA", "0GB"),
        ("MEDIA_STORE", "ftp://files"),
        ("AUDIT_RETENTION", "0"),
        ("QR_PAGE_PARENTS", "app.example/page"),
        ("ALLOWED_IPS", "home"),
        ("ALLOWED_IPS", ","),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("CORS_ORIGINS", "app.example"),
        ("RATE_LIMIT", "100"),
        ("OUTBOUND_ALLOW", "10.0.0.0/40"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no pair"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("LOG", "debgu"),
        ("LOG_FORMAT", "xml"),
    ] {
        let error = config(&[(name, value)]).err().unwrap_or_else(|| panic!("{name}={value} passed"));
        assert_eq!(error.variable(), name);
        assert!(!error.to_string().contains("battery"), "{error}");
    }
}

#[test]
fn the_server_is_used_where_nothing_else_is_said() {
    let provider = |name| ("DATABASE_PROVIDER", name);
    for scheme in ["postgres", "postgresql"] {
        let url = format!("{scheme}://user:battery@db.example:6432/gateway");
        let url = ("DATABASE_URL", url.as_str());
        for named in [None, Some(provider("postgres")), Some(provider("postgresql"))] {
            let pairs: Vec<_> = named.into_iter().chain([url]).collect();
            let database = config(&pairs).unwrap().database;
            assert_eq!(database.to_string(), format!("{scheme}://user@db.example:6432/gateway"));
            assert!(!format!("{database:?}").contains("battery"));
        }
        let ignored = config(&[provider("sqlite"), url]).unwrap().database;
        assert!(matches!(ignored, DatabaseConfig::Sqlite { .. }));
    }
    let lacking = config(&[provider("postgres")]).unwrap_err();
    assert_eq!(lacking.variable(), "DATABASE_URL");
}

#[test]
fn a_bucket_needs_all_that_it_is_reached_with() {
    let whole = [
        ("MEDIA_STORE", "s3://files/trunkline"),
        ("S3_ENDPOINT", "http://minio.example:9000"),
        ("S3_ACCESS_KEY_ID", "key"),
        ("S3_SECRET_ACCESS_KEY", "battery"),
    ];
    let read = config(&whole).unwrap();
    assert!(!format!("{read:?}").contains("battery"));
    let MediaStore::Bucket(settings) = read.media_store else { panic!("no bucket") };
    assert_eq!(
        (&*settings.bucket, &*settings.prefix, &*settings.region),
        ("files", "trunkline", "us-east-1")
    );
    assert_eq!(settings.endpoint.as_str(), "http://minio.example:9000/");
    let public = config(&[whole[0], whole[2], whole[3], ("S3_REGION", "eu-central-1")]).unwrap();
    let MediaStore::Bucket(settings) = public.media_store else { panic!("no bucket") };
    assert_eq!(settings.endpoint.as_str(), "https://s3.eu-central-1.amazonaws.com/");

    for (changed, named) in [
        (("MEDIA_STORE", "s3://F"), "MEDIA_STORE"),
        (("MEDIA_STORE", "s3://files/a b"), "MEDIA_STORE"),
        (("S3_ENDPOINT", "minio:9000"), "S3_ENDPOINT"),
        (("S3_ENDPOINT", "http://minio.example/files"), "S3_ENDPOINT"),
        (("S3_CA_FILE", "/nonexistent.pem"), "S3_CA_FILE"),
    ] {
        let mut variables = whole.to_vec();
        variables.retain(|(name, _)| *name != changed.0);
        variables.push(changed);
        assert_eq!(config(&variables).unwrap_err().variable(), named, "{changed:?}");
    }
    for missing in ["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"] {
        let left: Vec<_> = whole.into_iter().filter(|(name, _)| *name != missing).collect();
        assert_eq!(config(&left).unwrap_err().variable(), missing);
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
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20staple, x-tenant=1"),
    ])
    .unwrap();
    let traces = config.traces.as_ref().unwrap();
    assert_eq!(traces.headers["authorization"], "Bearer staple");
    assert_eq!(traces.headers["x-tenant"], "1");
    assert_eq!((&*traces.service, traces.share), ("trunkline", 1.0));
    let shown = format!("{config:?}");
    assert!(!shown.contains("staple"));
    assert!(!shown.contains("sixteen") && !shown.contains("horse") && !shown.contains("battery"));
}

/// What containers and services are started with, as `NAME=value` or `NAME: value`.
#[test]
fn the_files_for_operators_set_no_other_variables() {
    let files = [
        include_str!("../../../../.deploy/Dockerfile"),
        include_str!("../../../../.deploy/compose.yaml"),
        include_str!("../../../../.deploy/compose.postgres.yaml"),
        include_str!("../../../../.deploy/trunkline.service"),
        include_str!("../../../../.deploy/helm/values.yaml"),
    ];
    let lines = files.iter().flat_map(|file| file.lines()).map(|line| line.trim_start_matches(['#', ' ']));
    let words =
        lines.flat_map(|line| match line.strip_prefix("ENV ").or(line.strip_prefix("Environment=")) {
            Some(several) => several.split(' ').collect(),
            None => vec![line],
        });
    let names = words.filter_map(|word| word.split(['=', ':']).next());
    let is_variable = |name: &&str| {
        name.contains('_') && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase())
    };
    // Those are the database's own.
    let set: Vec<&str> = names.filter(is_variable).filter(|name| !name.starts_with("POSTGRES_")).collect();
    assert!(set.len() >= 5, "{set:?}");
    for name in set {
        assert!(variables::VARIABLES.iter().any(|known| known.name == name), "{name}");
    }
}
