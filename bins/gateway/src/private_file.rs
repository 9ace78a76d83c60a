//! Credentials in files that only their owner can read, where no terminal shows them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Credentials can't be kept, and are lost.
#[derive(Debug, Error)]
#[error("the credentials can't be written to {}; {advice}", file.display())]
pub struct KeepError {
    file: PathBuf,
    advice: &'static str,
    #[source]
    source: io::Error,
}

/// Keeps the text in a new file of this name, for the owner's eyes only, and tells where. `advice` is for whoever reads
/// the error.
pub(crate) fn keep(
    folder: &Path,
    name: &str,
    text: &str,
    advice: &'static str,
) -> Result<PathBuf, KeepError> {
    let file = folder.join(name);
    match write(&file, text) {
        Ok(()) => Ok(file),
        Err(source) => Err(KeepError { file, advice, source }),
    }
}

/// Writes a new file for the owner's eyes only: nobody can have opened it before, or have made it a link to elsewhere.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create_private(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
