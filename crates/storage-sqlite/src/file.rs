//! The database's file and folder, before SQLite opens them.

use std::fs::{DirBuilder, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::open::OpenError;

/// Creates what is missing, for its owner's eyes alone, and refuses what would lose data. The answer is the file's own
/// name, without links to it: SQLite keeps its log beside the name by which it is opened.
pub(crate) fn prepare(database: &Path) -> Result<PathBuf, OpenError> {
    create_folders(database)?;
    let failed = |source| OpenError::File { path: database.to_owned(), source };
    // In this order: whoever creates the database right now writes to it before there is anything in its log.
    let log = resolved(database).map(|file| beside(&file, "-wal")).map_err(failed)?;
    let has_log = size(&log).is_some_and(|bytes| bytes > 0);
    if has_log && size(database).is_none_or(|bytes| bytes == 0) {
        return Err(OpenError::LeftLog { log });
    }
    match create_private(database) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let file = database.canonicalize().map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if has_other_names(&found) {
        return Err(OpenError::HardLink { path: file });
    }
    for part in ["", "-wal", "-shm"] {
        close_to_others(&beside(&file, part));
    }
    Ok(file)
}

/// The folder's own name with the file's, also where the file doesn't exist yet.
fn resolved(file: &Path) -> io::Result<PathBuf> {
    match file.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        found => return found,
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(folder.canonicalize()?.join(file.file_name().unwrap_or_default()))
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn size(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|found| found.len())
}

/// Creates the folders that the database is to lie in.
fn create_folders(database: &Path) -> Result<(), OpenError> {
    let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|source| OpenError::Folder { path: folder.to_owned(), source })
}

fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(unix)]
fn has_other_names(file: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(file) > 1
}

#[cfg(not(unix))]
fn has_other_names(_file: &Metadata) -> bool {
    false
}

/// Takes from others what they may do with a file that exists. Where that isn't ours to do, it is said.
#[cfg(unix)]
fn close_to_others(path: &Path) {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    let Ok(found) = path.metadata() else { return };
    let mode = found.permissions().mode();
    if mode & 0o077 == 0 {
        return;
    }
    match std::fs::set_permissions(path, Permissions::from_mode(mode & 0o700)) {
        Ok(()) => tracing::warn!(file = %path.display(), "others could read the database; now they can't"),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "others can read the database, and that can't be changed");
        }
    }
}

#[cfg(not(unix))]
fn close_to_others(_path: &Path) {}
