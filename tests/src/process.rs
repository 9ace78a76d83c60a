use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use crate::usage::Usage;

/// A running `trunkline` subcommand that has printed the URL at which it listens.
pub struct Trunkline {
    child: Child,
    announced: Announced,
}

/// The line with the URL, and the URL in it.
struct Announced {
    line: String,
    url: String,
}

impl Trunkline {
    /// Starts `trunkline ARGS` with nothing but the given environment, and waits for its URL.
    ///
    /// # Panics
    /// When it ends, or prints no URL within 60 s.
    pub fn start(args: &[&str], environment: &[(&str, String)]) -> Self {
        Self::start_binary(Self::binary(), args, environment)
    }

    /// Like [`start`](Self::start) with another binary than the one under test.
    ///
    /// # Panics
    /// When it ends, or prints no URL within 60 s.
    pub fn start_binary(binary: &Path, args: &[&str], environment: &[(&str, String)]) -> Self {
        let mut command = Self::command(binary, args, environment);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("trunkline starts");
        let announced = announced(&mut child, args);
        Self { child, announced }
    }

    /// `BINARY ARGS` with nothing but the given environment.
    pub fn command(binary: &Path, args: &[&str], environment: &[(&str, String)]) -> Command {
        let inherited = ["PATH", "HOME", "TMPDIR", "SIMULATOR_PROFILE"];
        let mut command = Command::new(binary);
        command
            .args(args)
            .env_clear()
            .envs(inherited.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("LOG", std::env::var("LOG").unwrap_or_else(|_| "warn".to_owned()))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// The binary under test: the one that `TRUNKLINE` names, else the one beside the running test or bench, built when
    /// need be.
    pub fn binary() -> &'static Path {
        binary()
    }

    /// The base URL, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.announced.url
    }

    /// The line in which it printed its URL.
    pub fn announcement(&self) -> &str {
        &self.announced.line
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, in kilobytes; 0 elsewhere than on Linux.
    pub fn resident_kb(&self) -> u64 {
        Usage::of(self.pid()).resident_kb
    }

    /// User and system time of all its threads so far; 0 elsewhere than on Linux.
    pub fn cpu(&self) -> Duration {
        Usage::of(self.pid()).cpu
    }

    /// Ends the process without a warning (SIGKILL), and reaps it.
    pub fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("reaped");
    }

    /// Asks the process to end (SIGTERM) and returns whether it exited with 0.
    pub fn stop(&mut self) -> bool {
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "SIGTERM");
        self.child.wait().expect("reaped").success()
    }
}

impl Drop for Trunkline {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The `trunkline` binary under test: the one that `TRUNKLINE` names, else the one beside the running test or bench, built
/// when need be.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(named) = std::env::var_os("TRUNKLINE") {
            return named.into();
        }
        let profile = profile();
        let release = profile.file_name().is_some_and(|name| name == "release");
        let mut cargo = cargo();
        cargo.args(["build", "--locked", "--quiet", "--bin", "trunkline"]);
        cargo.args(release.then_some("--release")).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        assert!(cargo.status().expect("cargo runs").success(), "trunkline builds");
        profile.join("trunkline")
    })
}

/// The program that an example of a crate is: the one that `cargo test` has left beside the running test, built when it
/// is missing or older than its source. However long that takes: it counts for no time limit of a test.
pub fn example(package: &str, name: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let source = changed(&workspace.join(format!("crates/{package}/examples/{name}.rs")));
    let program = profile().join("examples").join(name);
    if changed(&program).is_none_or(|built| source.is_none_or(|source| built < source)) {
        let mut cargo = cargo();
        cargo.args(["build", "--locked", "--quiet", "-p", package, "--example", name]).current_dir(workspace);
        assert!(cargo.status().expect("cargo runs").success(), "{name} builds");
    }
    program
}

/// The folder of the build that the running test or bench belongs to.
fn profile() -> PathBuf {
    let running = std::env::current_exe().expect("path of this executable");
    let profile = running.ancestors().find(|folder| folder.join(".fingerprint").is_dir());
    profile.expect("profile folder").to_owned()
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn announced(child: &mut Child, args: &[&str]) -> Announced {
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let (found, wait) = mpsc::channel();
    // Goes on reading after the URL, so that the child never blocks on a full pipe.
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let at = ["http://127.0.0.1:", "https://127.0.0.1:"].into_iter().find_map(|url| line.find(url));
            if let Some(at) = at {
                let url: String =
                    line[at..].chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
                let url = url.trim_end_matches('/').to_owned();
                let _ = found.send(Announced { line, url });
            }
        }
    });
    wait.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("trunkline {args:?} printed no URL"))
}
