//! A place of one's own on a PostgreSQL server, for a test.
//!
//! The server is the one at its usual port on this machine, if it lets `postgres` or `root` in without a password; else one
//! that is started from the installed programs for as long as the tests run; else there is none, which is said loudly.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

static SERVER: OnceCell<Option<String>> = OnceCell::const_new();
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Where the server usually is.
const USUAL: [&str; 2] =
    ["postgres://postgres@127.0.0.1:5432/postgres", "postgres://root@127.0.0.1:5432/postgres"];
/// Where Debian keeps the programs of each version.
const INSTALLED: &str = "/usr/lib/postgresql";

/// A schema that goes with this value.
pub struct Scratch {
    server: String,
    schema: String,
}

impl Scratch {
    /// A new one. Without a server there is nothing to test: that is said loudly, and the process ends well.
    pub async fn new() -> Self {
        match Self::find().await {
            Some(scratch) => scratch,
            None => {
                skip();
                std::process::exit(0);
            }
        }
    }

    /// The same; none without a server.
    pub async fn find() -> Option<Self> {
        let server = SERVER.get_or_init(find).await.clone()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let schema = format!("trunkline_test_{}_{number}", std::process::id());
        let client = connect(&server).await.expect("the server let somebody in a moment ago");
        let create = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        client.batch_execute(&create).await.expect("a schema can be made");
        Some(Self { server, schema })
    }

    /// Where it is: what is created there lies in the schema.
    pub fn url(&self) -> String {
        let Self { server, schema } = self;
        format!("{server}?application_name={schema}&options=-c%20search_path%3D{schema}")
    }

    /// A connection to it, as a tool of its administrator would have.
    pub async fn connect(&self) -> Client {
        connect(&self.url()).await.expect("the server is there")
    }
}

impl Drop for Scratch {
    /// On a thread with a runtime of its own: the test's may be at its end.
    fn drop(&mut self) {
        let (server, schema) = (self.server.clone(), self.schema.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let Some(client) = connect(&server).await else { return };
                let end = format!("SET lock_timeout = '10s'; DROP SCHEMA IF EXISTS {schema} CASCADE");
                if let Err(error) = client.batch_execute(&end).await {
                    loudly(&format!("the schema {schema} is left behind: {error}"));
                }
            });
        });
        let _ = dropping.join();
    }
}

/// Says that there is no server to test with.
pub fn skip() {
    loudly(
        "PostgreSQL: SKIPPED LOUDLY: no server answers at 127.0.0.1:5432, and none could be started from installed programs",
    );
}

/// Past what catches the output of tests.
fn loudly(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

async fn connect(url: &str) -> Option<Client> {
    let connecting = tokio_postgres::connect(url, NoTls);
    let (client, driver) = tokio::time::timeout(Duration::from_secs(10), connecting).await.ok()?.ok()?;
    tokio::spawn(driver);
    Some(client)
}

async fn find() -> Option<String> {
    for url in USUAL {
        if connect(url).await.is_some() {
            return Some(url.to_owned());
        }
    }
    let server = Server::start()?;
    let url = server.url();
    // It ends with the process.
    std::mem::forget(server);
    connect(&url).await.map(|_| url)
}

/// A server of a test's own, which can be stopped and started. It ends with this value, or with the process: the shell that
/// looks after it notices that its input has ended.
pub struct Server {
    port: u16,
    shell: Child,
    said: BufReader<ChildStdout>,
}

impl Server {
    /// Starts one from the installed programs, if there are any.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same, which speaks TLS with this certificate and its key (PEM), and nothing else to clients over the network.
    pub fn start_with_tls(certificate: &str, key: &str) -> Option<Self> {
        Self::start_with(&[("CERTIFICATE", certificate), ("KEY", key)])
    }

    fn start_with(environment: &[(&str, &str)]) -> Option<Self> {
        let programs = programs()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let script = SCRIPT.replace("PORT", &port.to_string());
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell
            .args(["-c", AS_NOBODY_SPECIAL, "sh", &script])
            .envs([("PATH", path.as_str()), ("TMPDIR", "/tmp")])
            .envs(environment.iter().copied())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut shell = shell.spawn().ok()?;
        let said = BufReader::new(shell.stdout.take()?);
        let mut server = Self { port, shell, said };
        server.hear("up").then_some(server)
    }

    /// Where it is, also while it is stopped.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends the server at once, as a crash does, with all that it had not made durable.
    ///
    /// # Panics
    /// When it can't be stopped.
    pub fn stop(&mut self) {
        self.tell("stop");
        assert!(self.hear("down"), "the server stops");
    }

    /// Starts it anew.
    ///
    /// # Panics
    /// When it can't be started.
    pub fn start_again(&mut self) {
        self.tell("start");
        assert!(self.hear("up"), "the server starts");
    }

    /// A connection to it, as a tool of its administrator would have.
    ///
    /// # Panics
    /// While it is stopped.
    pub async fn connect(&self) -> Client {
        connect(&self.url()).await.expect("the server is there")
    }

    fn tell(&mut self, word: &str) {
        let input = self.shell.stdin.as_mut().expect("piped");
        writeln!(input, "{word}").expect("the shell listens");
    }

    fn hear(&mut self, word: &str) -> bool {
        let mut line = String::new();
        self.said.read_line(&mut line).is_ok() && line.trim() == word
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// A server refuses to be run by root, who may be somebody else.
const AS_NOBODY_SPECIAL: &str = "[ \"$(id -u)\" = 0 ] || exec sh -c \"$1\"; \
                                 exec setpriv --reuid=postgres --regid=postgres --clear-groups sh -c \"$1\"";

/// Looks after a server for as long as there is input, which stops and starts it.
const SCRIPT: &str =
    "set -e; data=$(mktemp -d); trap 'pg_ctl -D $data/db -m immediate stop >/dev/null; rm -rf $data' EXIT
initdb -D $data/db -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
if [ -n \"$CERTIFICATE\" ]; then
  printf %s \"$CERTIFICATE\" >$data/db/server.crt
  (umask 077; printf %s \"$KEY\" >$data/db/server.key)
  echo 'ssl = on' >>$data/db/postgresql.conf
  sed -i 's/^host /hostssl /' $data/db/pg_hba.conf
fi
start() { pg_ctl -D $data/db -w -l $data/log -o '-p PORT -h 127.0.0.1 -k /tmp' start >/dev/null; echo up; }
start
while read -r word; do
  case $word in
    stop) pg_ctl -D $data/db -m immediate -w stop >/dev/null; echo down ;;
    start) start ;;
  esac
done";

/// The folder with `initdb`: one of the path, or the newest version that is installed.
fn programs() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<PathBuf> = std::fs::read_dir(INSTALLED)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort();
    versions.reverse();
    std::env::split_paths(&paths).chain(versions).find(|folder| folder.join("initdb").exists())
}
