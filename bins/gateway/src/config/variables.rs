//! Every environment variable that the gateway reads: the one list behind the parser, the help text and the
//! spelling check.

use std::fmt::Write as _;

/// One environment variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// The name as it stands in the environment.
    pub name: &'static str,
    /// What holds when it isn't set, in words.
    pub default: &'static str,
    /// Whether `NAME_FILE` may name a file to read the value from instead.
    pub secret: bool,
    /// One sentence for the help text.
    pub help: &'static str,
}

const fn plain(name: &'static str, default: &'static str, help: &'static str) -> Variable {
    Variable { name, default, secret: false, help }
}

const fn secret(name: &'static str, default: &'static str, help: &'static str) -> Variable {
    Variable { name, default, secret: true, help }
}

/// All variables, in the order in which the help shows them.
pub const VARIABLES: &[Variable] = &[
    plain("LISTEN", "127.0.0.1:3000", "Address and port of the REST API; port 0 picks a free one."),
    plain(
        "TLS_CERT_FILE",
        "none",
        "PEM file with the certificate that clients are shown, and those behind it. Without it: plain HTTP.",
    ),
    plain("TLS_KEY_FILE", "none", "PEM file with the private key of that certificate."),
    plain(
        "PUBLIC_URL",
        "none",
        "Where clients reach the gateway: printed at start, and the server that /openapi.json names.",
    ),
    plain(
        "DATA_DIR",
        "./data",
        "Folder for an SQLite database, the generated keys and the files of messages.",
    ),
    plain(
        "DATABASE_PROVIDER",
        "postgres where DATABASE_URL is set, else sqlite",
        "sqlite or postgres; mongodb is known but not built yet.",
    ),
    plain("SQLITE_DATABASE_URL", "file:DATA_DIR/trunkline.db", "SQLite file: a path, or file:path."),
    secret(
        "DATABASE_URL",
        "none",
        "PostgreSQL's database: postgres://user:password@host:5432/database; ignored with sqlite.",
    ),
    secret(
        "MASTER_KEY",
        "generated into DATA_DIR/master.key",
        "64 hexadecimal digits; seals credentials and Signal keys at rest.",
    ),
    secret(
        "MASTER_KEY_PREVIOUS",
        "none",
        "The key that MASTER_KEY takes the place of, until rotate-key has sealed everything anew.",
    ),
    secret("JWT_SECRET", "generated and kept in the database", "Signs login tokens; at least 32 bytes."),
    plain(
        "JWT_EXPIRATION",
        "24h",
        "How long a login token is good: 90s, 15m, 24h, 7d, 2w, or plain seconds.",
    ),
    plain("ADMIN_EMAIL", "admin@localhost", "The first user's e-mail, used at the first start only."),
    secret(
        "ADMIN_PASSWORD",
        "generated at the first start",
        "The first user's password, used at the first start only.",
    ),
    plain("ADMIN_FIRST_NAME", "Admin", "The first user's first name."),
    plain("ADMIN_LAST_NAME", "User", "The first user's last name."),
    plain(
        "WHATSAPP_URL",
        "WhatsApp's own",
        "WebSocket to connect instances to, for a simulator: ws://127.0.0.1:4000/ws/chat.",
    ),
    plain(
        "WHATSAPP_ROOT_KEY",
        "WhatsApp's own",
        "64 hexadecimal digits: root of the server's certificates, as the simulator prints it.",
    ),
    plain(
        "WHATSAPP_CA_FILE",
        "none",
        "PEM file with a further certificate authority for wss://, for a self-signed simulator.",
    ),
    secret(
        "WHATSAPP_PROXY",
        "none",
        "socks5:// or http://[user:password@]host:port: what everything goes through that goes to WhatsApp.",
    ),
    plain(
        "WHATSAPP_VERSION",
        "looked up once a day",
        "Version of WhatsApp Web that is announced, such as 2.3000.1045649367, instead of the newest.",
    ),
    plain("WEBHOOK_CA_FILE", "none", "PEM file with further certificate authorities for https:// webhooks."),
    plain(
        "EVENT_RETENTION",
        "30d",
        "How long events are kept that every webhook has had: 12h, 30d, or forever. Each instance may say otherwise.",
    ),
    plain(
        "MESSAGE_RETENTION",
        "forever",
        "How long messages are kept: 12h, 30d, or forever. Each instance may say otherwise.",
    ),
    plain(
        "DEAD_LETTER_RETENTION",
        "30d",
        "How long calls of webhooks that were given up can be replayed: 12h, 30d, or forever.",
    ),
    plain("AUDIT_RETENTION", "365d", "How long the audit log is kept: 12h, 30d, or forever."),
    plain(
        "MEDIA_DOWNLOAD",
        "arrival",
        "When the files of messages are fetched: arrival, demand (when somebody asks for one), or never. Each instance may say otherwise.",
    ),
    plain(
        "MEDIA_RETENTION",
        "forever",
        "How long the files of messages are kept: 12h, 30d, or forever (as their messages). Each instance may say otherwise.",
    ),
    plain(
        "MEDIA_QUOTA",
        "unlimited",
        "How many bytes of files are kept of one user: 500MB, 20GB, 1TB, or unlimited. Messages come beyond it, without their files.",
    ),
    plain(
        "MEDIA_STORE",
        "local",
        "Where the files of messages are kept: local (below DATA_DIR), or s3://bucket/prefix in a bucket of an S3-compatible store.",
    ),
    plain(
        "S3_ENDPOINT",
        "https://s3.<S3_REGION>.amazonaws.com",
        "Address of that store, such as https://minio.example:9000.",
    ),
    plain("S3_REGION", "us-east-1", "What that store calls the place of the bucket; most take any."),
    plain("S3_ACCESS_KEY_ID", "none", "Who may use the bucket."),
    secret("S3_SECRET_ACCESS_KEY", "none", "What they sign with."),
    plain("S3_CA_FILE", "none", "PEM file with further certificate authorities for that store."),
    plain(
        "QR_PAGE_PARENTS",
        "*",
        "Origins of pages that may show the QR page in a frame, separated by commas; * for all, none for none.",
    ),
    plain(
        "ALLOWED_IPS",
        "everybody",
        "Clients that may use the API: addresses and CIDR ranges, separated by commas.",
    ),
    plain(
        "TRUSTED_PROXIES",
        "none",
        "Proxies in front, as addresses and CIDR ranges: their X-Forwarded-For or Forwarded names the client.",
    ),
    plain(
        "CORS_ORIGINS",
        "none",
        "Origins whose web pages may call the API, such as https://app.example, separated by commas; or *.",
    ),
    plain(
        "RATE_LIMIT",
        "none",
        "How often each credential may call: 100/s, 6000/m, 100000/h. So many calls may be made at once.",
    ),
    plain(
        "OUTBOUND_ALLOW",
        "public addresses only",
        "Private hosts and CIDR ranges that webhooks may go to, separated by commas.",
    ),
    plain(
        "DNS_SERVERS",
        "the system's",
        "Name servers to ask: addresses, with a port where it isn't 53, separated by commas.",
    ),
    secret("METRICS_TOKEN", "administrators only", "Opens /metrics as a bearer token; at least 16 bytes."),
    plain(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "none",
        "Collector of OpenTelemetry that traces are sent to, as OTLP over HTTP: http://127.0.0.1:4318.",
    ),
    secret(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "none",
        "What it is told in the head: name=value pairs, separated by commas.",
    ),
    plain("OTEL_SERVICE_NAME", "trunkline", "What this gateway is called there."),
    plain("OTEL_TRACES_SAMPLER_ARG", "1", "Of the traces that begin here, the share that is sent: 0 to 1."),
    plain("LOG", "info", "off, error, warn, info, debug, trace, or target=level pairs, separated by commas."),
    plain("LOG_FORMAT", "text", "text or json; logs go to stderr."),
];

/// The section of `--help` that lists every variable.
#[must_use]
pub fn help() -> String {
    let mut text =
        String::from("Environment (a file named .env is read when present; the environment wins):\n");
    for variable in VARIABLES {
        let file = if variable.secret { " (or …_FILE)" } else { "" };
        let name = format!("{}{file}", variable.name);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<31} {} [{}]", variable.help, variable.default);
    }
    text
}

/// The variable that `name` is one keystroke away from, unless it is one itself.
///
/// A misspelt `OUTBOUND_ALOW` would otherwise be ignored in silence. Short names are left alone: too much is one
/// keystroke away from `LOG`.
pub(super) fn misspelt(name: &str) -> Option<&'static str> {
    const SHORTEST_CHECKED: usize = 8;
    let base = name.strip_suffix("_FILE").unwrap_or(name);
    if base.len() < SHORTEST_CHECKED || VARIABLES.iter().any(|known| known.name == base || known.name == name)
    {
        return None;
    }
    VARIABLES.iter().map(|known| known.name).find(|known| one_edit_apart(base.as_bytes(), known.as_bytes()))
}

/// Whether one insertion, deletion, replacement or swap of neighbours turns `a` into `b`.
fn one_edit_apart(a: &[u8], b: &[u8]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let start = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    let (short, long) = (short.get(start..).unwrap_or_default(), long.get(start..).unwrap_or_default());
    match (short, long) {
        ([s0, s1, rest @ ..], [l0, l1, tail @ ..]) if rest == tail && s0 == l1 && s1 == l0 => true,
        ([_, rest @ ..], [_, tail @ ..]) if short.len() == long.len() => rest == tail,
        (rest, [_, tail @ ..]) => rest == tail,
        (_, []) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_one_keystroke_away_are_recognised() {
        assert_eq!(misspelt("OUTBOUND_ALOW"), Some("OUTBOUND_ALLOW"));
        assert_eq!(misspelt("ALOLWED_IPS"), Some("ALLOWED_IPS"));
        assert_eq!(misspelt("ADMIN_PASWORD_FILE"), Some("ADMIN_PASSWORD"));
        assert_eq!(misspelt("JWT_SECRETS"), Some("JWT_SECRET"));
        assert_eq!(misspelt("JWT_SEKRET"), Some("JWT_SECRET"));
    }

    #[test]
    fn known_and_foreign_names_are_left_alone() {
        for variable in VARIABLES {
            assert_eq!(misspelt(variable.name), None, "{}", variable.name);
        }
        for name in ["PATH", "LOGS", "HOME", "LISTENS", "HOSTNAME", "ADMIN_PASSWORD_FILE", "WHATSAPP_PORT"] {
            assert_eq!(misspelt(name), None, "{name}");
        }
    }

    #[test]
    fn the_readme_lists_every_variable() {
        let readme = include_str!("../../../../README.md");
        for variable in VARIABLES {
            assert!(readme.contains(&format!("`{}`", variable.name)), "{}", variable.name);
        }
    }

    #[test]
    fn help_lists_every_variable() {
        let help = help();
        for variable in VARIABLES {
            assert!(help.contains(variable.name), "{}", variable.name);
        }
    }
}
