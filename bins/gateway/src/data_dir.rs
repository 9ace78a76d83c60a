//! The data folder: nobody else's business, and never begun anew by accident.

use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError, DatabaseConfig};

/// The key that everything stored is sealed with, where the configuration names none.
const MASTER_KEY: &str = "master.key";
/// The key before it, while what it has sealed is sealed anew.
const PREVIOUS_KEY: &str = "master.key.previous";
/// Stands in the folder from before there is a key until the first database was made with it.
const BEGUN: &str = "first-start.pending";
/// What else the gateway writes here, and nobody else is to read.
const PRIVATE: [&str; 5] =
    [PREVIOUS_KEY, "first-start.txt", "new-password.txt", "new-api-key.txt", "node.id"];

/// What a look at the database that is configured found in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is missing, or nothing was ever stored in it.
    Nothing,
    /// The same, though the key in the folder has sealed a database.
    Lost,
    /// Something is stored in it.
    Something,
}

/// The data folder, before the database is looked at: whoever begins one meanwhile makes the key first, and takes the mark of
/// a beginning away last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    has_sealed: bool,
}

impl Before {
    pub(crate) fn of(config: &Config) -> Self {
        Self { has_sealed: present_key(config).exists() && !begun(config).exists() }
    }

    pub(crate) fn then(self, is_filled: bool) -> Found {
        match (is_filled, self.has_sealed) {
            (true, _) => Found::Something,
            (false, true) => Found::Lost,
            (false, false) => Found::Nothing,
        }
    }
}

/// Creates the folder, and takes from others what they may do with it and with what lies in it.
pub(crate) fn prepare(config: &Config) -> io::Result<()> {
    let folder = &config.data_dir;
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    close_to_others(folder);
    PRIVATE.iter().for_each(|name| close_to_others(&folder.join(name)));
    Ok(())
}

/// The file with the master key, which may be made if it is missing.
///
/// # Errors
/// When others can read the key; when what it sealed is missing, unless that is to be begun anew; when the key is missing,
/// and what it sealed is there.
pub(crate) fn master_key(config: &Config, found: Found) -> Result<PathBuf, ConfigError> {
    let key = present_key(config);
    match found {
        // A new key would open nothing of it.
        Found::Something if !key.exists() => Err(ConfigError::new(
            "MASTER_KEY",
            format!(
                "isn't set and {} is missing, but {} was sealed with a key.",
                key.display(),
                config.database
            ),
        )),
        // A mount that is missing, or another database of the server, looks the same as a first start, but for the key.
        Found::Lost if !config.init => {
            let variable = match config.database {
                DatabaseConfig::Sqlite { .. } => "SQLITE_DATABASE_URL",
                DatabaseConfig::Postgres { .. } => "DATABASE_URL",
            };
            let problem = format!(
                "names {}, which is missing or empty, though {} has sealed a database. Bring it back; if it is lost for \
                 good, or another one is to be begun, --init makes a new one.",
                config.database,
                key.display()
            );
            Err(ConfigError::new(variable, problem))
        }
        _ => check_is_private(&key).map(|()| key),
    }
}

/// The file of the master key, whether it is there or not.
pub(crate) fn present_key(config: &Config) -> PathBuf {
    config.data_dir.join(MASTER_KEY)
}

/// The file with the key before the master key, from the beginning of a rotation to its end.
pub(crate) fn previous_key(config: &Config) -> PathBuf {
    config.data_dir.join(PREVIOUS_KEY)
}

/// Says that a first start has begun. If it is cut off, the next one goes on.
pub(crate) fn begin(config: &Config) -> io::Result<()> {
    std::fs::write(begun(config), "")
}

/// Says that there is a database.
pub(crate) fn complete(config: &Config) -> io::Result<()> {
    match std::fs::remove_file(begun(config)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn begun(config: &Config) -> PathBuf {
    config.data_dir.join(BEGUN)
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().ok().map(|found| found.permissions().mode())
}

/// A key that everybody can read seals nothing. One that a group can read may be meant so, as volumes of clusters are.
#[cfg(unix)]
fn check_is_private(key: &Path) -> Result<(), ConfigError> {
    let Some(mode) = mode(key) else { return Ok(()) };
    let (group, others) = (mode & 0o070, mode & 0o007);
    if others != 0 {
        let problem = format!(
            "isn't set, and {0} is open to everybody on this machine (mode {1:o}): run `chmod 600 {0}`, and ask who may \
             have read it.",
            key.display(),
            mode & 0o777
        );
        return Err(ConfigError::new("MASTER_KEY", problem));
    }
    if group != 0 {
        tracing::warn!(file = %key.display(), "a group can read the master key; chmod 600 keeps it out");
    }
    Ok(())
}

/// Where that isn't ours to do, it is said. A folder that everybody may write to on purpose is nobody's data folder alone,
/// and stays as it is.
#[cfg(unix)]
fn close_to_others(path: &Path) {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    const STICKY: u32 = 0o1000;
    let Some(mode) = mode(path).filter(|mode| mode & 0o077 != 0) else { return };
    if mode & STICKY != 0 {
        tracing::warn!(path = %path.display(), "DATA_DIR is a folder that everybody may write to; give the gateway its own");
        return;
    }
    match std::fs::set_permissions(path, Permissions::from_mode(mode & 0o7700)) {
        Ok(()) => {
            tracing::warn!(path = %path.display(), "it was open to others on this machine; now it isn't")
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "it is open to others on this machine, and can't be closed");
        }
    }
}

#[cfg(not(unix))]
fn check_is_private(_key: &Path) -> Result<(), ConfigError> {
    Ok(())
}

#[cfg(not(unix))]
fn close_to_others(_path: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: &Config, is_filled: bool) -> Option<String> {
        master_key(config, Before::of(config).then(is_filled)).err().map(|error| error.to_string())
    }

    #[test]
    fn a_database_is_begun_once_and_never_by_accident() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::in_folder(folder.path().join("data"));
        prepare(&config).unwrap();
        assert_eq!(refusal(&config, false), None);
        begin(&config).unwrap();
        std::fs::write(config.data_dir.join(MASTER_KEY), "key").unwrap();
        close_to_others(&config.data_dir.join(MASTER_KEY));
        assert_eq!(refusal(&config, false), None, "a first start that was cut off goes on");
        complete(&config).unwrap();
        complete(&config).unwrap();
        assert!(refusal(&config, false).unwrap().contains("--init"));
        config.init = true;
        assert_eq!(refusal(&config, false), None);
        config.init = false;
        assert_eq!(refusal(&config, true), None);
        let address = Box::new("postgres://zoe:battery@db.example/gateway".parse().unwrap());
        config.database = DatabaseConfig::Postgres { address };
        let lost = refusal(&config, false).unwrap();
        assert!(lost.starts_with("DATABASE_URL ") && lost.contains("zoe@db.example/gateway"), "{lost}");
        assert!(!lost.contains("battery"), "{lost}");
        std::fs::remove_file(config.data_dir.join(MASTER_KEY)).unwrap();
        assert!(refusal(&config, true).unwrap().contains("sealed with a key"));
    }

    #[cfg(unix)]
    #[test]
    fn a_group_may_read_the_key_and_everybody_may_not() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join(MASTER_KEY);
        std::fs::write(&key, "key").unwrap();
        for (mode, is_good) in [(0o600, true), (0o400, true), (0o660, true), (0o604, false), (0o644, false)] {
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check_is_private(&key).is_ok(), is_good, "{mode:o}");
        }
    }
}
