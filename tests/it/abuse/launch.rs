//! Starts the binary the way a careless machine does.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use test_support::until_within;
use trunkline_tests::Trunkline;

/// Patience with a process on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// A start that is refused is so at once.
const REFUSAL: Duration = Duration::from_secs(30);

/// A program that does `preparation`, in the words of a shell, and becomes the binary under test.
pub(super) fn script(folder: &Path, preparation: &str) -> PathBuf {
    let path = folder.join("trunkline.sh");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o755).open(&path).unwrap();
    let binary = Trunkline::binary().display();
    write!(file, "#!/bin/sh\n{preparation}\nexec '{binary}' \"$@\"\n").unwrap();
    path
}

/// For [`script`]: what is written to stderr is kept for [`said`].
pub(super) fn keep_errors(folder: &Path) -> String {
    format!("exec 2>>'{}'", errors(folder).display())
}

/// What the program of [`script`] has written to stderr so far.
pub(super) fn said(folder: &Path) -> String {
    std::fs::read_to_string(errors(folder)).unwrap_or_default()
}

fn errors(folder: &Path) -> PathBuf {
    folder.join("trunkline.err")
}

/// Starts a gateway that must not start, and returns what it says.
pub(super) async fn refused(args: &[&str], data_dir: &Path) -> String {
    let environment = [("LISTEN", "127.0.0.1:0".to_owned()), ("DATA_DIR", data_dir.display().to_string())];
    let mut command = Trunkline::command(Trunkline::binary(), args, &environment);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > REFUSAL {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{args:?} goes on in {}", data_dir.display());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let output = child.wait_with_output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

/// The permissions of a file or folder.
pub(super) fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// All files below a folder.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The status of `/livez`, `/readyz` and the like, once it is this one.
pub(super) async fn until_status(url: &str, path: &str, wanted: u16) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    until_within(&format!("{path} says {wanted}"), PATIENCE, || async {
        let answer = client.get(format!("{url}{path}")).send().await.ok()?;
        (answer.status().as_u16() == wanted).then_some(())
    })
    .await;
}
