//! Where everything is stored: a folder, a key, a database.

use std::path::{Path, PathBuf};

use storage_postgres::DatabaseAddress;

use super::super::sentence;
use super::finding::Finding;
use crate::config::{Config, DatabaseConfig};
use crate::data_dir::{self, Before, Found};
use crate::names;

/// With less free space, in bytes, a busy gateway is full within days.
const LITTLE_SPACE: u64 = 1 << 30;
const DATABASE: &str = "database";

/// What was found in the place of a database, and whether anything is stored there; nothing where it can't be looked at.
type Looked = (Finding, Option<bool>);

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let before = Before::of(config);
    let (database, is_filled) = match &config.database {
        DatabaseConfig::Sqlite { file } => sqlite(file),
        DatabaseConfig::Postgres { address } => postgres(config, address).await,
    };
    // Without a look at it, what the key in the folder is for isn't known.
    let key = is_filled.map(|is_filled| key(config, before.then(is_filled)));
    [folder(&config.data_dir)].into_iter().chain(key).chain([database]).collect()
}

fn folder(data_dir: &Path) -> Finding {
    const WHAT: &str = "data folder";
    // One that isn't there yet is made in what is.
    let existing = data_dir.ancestors().map(to_look_at).find(|path| path.exists());
    let Some(existing) = existing else {
        return Finding::broken(
            WHAT,
            format!("{} can't be made: nothing above it exists", data_dir.display()),
        );
    };
    if let Err(error) = tempfile::tempfile_in(&existing) {
        return Finding::broken(WHAT, format!("{} can't be written to: {error}", existing.display()));
    }
    let shown = match data_dir.exists() {
        true => data_dir.display().to_string(),
        false => format!("{}, which the first start makes", data_dir.display()),
    };
    match free_space(&existing) {
        Some(free) if free < LITTLE_SPACE => {
            Finding::odd(WHAT, format!("{shown}; only {} MB of the disk are free", free >> 20))
        }
        Some(free) => Finding::sound(WHAT, format!("{shown}; {} GB of the disk are free", free >> 30)),
        None => Finding::sound(WHAT, shown),
    }
}

/// The parent of a name without one is here.
fn to_look_at(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() }
}

#[cfg(unix)]
fn free_space(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(not(unix))]
fn free_space(_folder: &Path) -> Option<u64> {
    None
}

fn key(config: &Config, found: Found) -> Finding {
    const WHAT: &str = "master key";
    if config.master_key.is_some() {
        return Finding::sound(WHAT, "from MASTER_KEY");
    }
    match data_dir::master_key(config, found) {
        Ok(file) if file.exists() => Finding::sound(WHAT, file.display().to_string()),
        Ok(file) => Finding::sound(WHAT, format!("{}, which the first start makes", file.display())),
        Err(error) => Finding::broken(WHAT, error.to_string()),
    }
}

fn sqlite(file: &Path) -> Looked {
    let shown = file.display();
    let is_filled = file.metadata().is_ok_and(|found| found.len() > 0);
    if !is_filled {
        let finding = Finding::sound(DATABASE, format!("{shown}, which the first start makes"));
        return (finding, Some(false));
    }
    let finding = match storage_sqlite::examine(file) {
        Ok(found) if found.steps > 0 => of_an_earlier_release(&shown.to_string(), found.steps),
        Ok(found) => Finding::sound(DATABASE, format!("{shown}, {} MB", found.bytes >> 20)),
        Err(error) => Finding::broken(DATABASE, format!("{shown}: {}", sentence(&error))),
    };
    (finding, Some(true))
}

async fn postgres(config: &Config, address: &DatabaseAddress) -> Looked {
    match storage_postgres::examine(address, Some(names::of_database(config))).await {
        Ok(found) if found.is_new() => {
            let text = format!("{address} can be reached; the first start makes its tables");
            (Finding::sound(DATABASE, text), Some(false))
        }
        Ok(found) if found.steps > 0 => (of_an_earlier_release(address.shown(), found.steps), Some(true)),
        Ok(_) => (Finding::sound(DATABASE, format!("{address} can be reached")), Some(true)),
        Err(error) => (Finding::broken(DATABASE, format!("{address}: {}", sentence(&error))), None),
    }
}

fn of_an_earlier_release(shown: &str, steps: usize) -> Finding {
    Finding::sound(DATABASE, format!("{shown}, of an earlier release: {steps} steps bring it up to date"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[tokio::test]
    async fn a_first_start_has_all_it_needs_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::in_folder(folder.path().join("a").join("b"));
        let findings = look(&config).await;
        assert!(findings.iter().all(|it| it.verdict != Verdict::Broken), "{findings:?}");
        assert!(!folder.path().join("a").exists());
    }

    #[tokio::test]
    async fn what_is_no_database_and_what_no_key_opens_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::in_folder(folder.path());
        let file = folder.path().join("trunkline.db");
        std::fs::write(file, "these are no pages of a database, and never were any").unwrap();
        let [_, key, database] = look(&config).await.try_into().unwrap();
        assert_eq!(database.verdict, Verdict::Broken);
        assert!(key.verdict == Verdict::Broken && key.text.contains("sealed"), "{key:?}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_without_its_password() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::in_folder(folder.path());
        let address = format!("postgres://zoe:battery@127.0.0.1:{closed}/gateway").parse().unwrap();
        config.database = DatabaseConfig::Postgres { address: Box::new(address) };
        let [_, database] = look(&config).await.try_into().unwrap();
        assert_eq!(database.verdict, Verdict::Broken);
        let shown = database.text;
        assert!(shown.contains(&format!("zoe@127.0.0.1:{closed}/gateway")), "{shown}");
        assert!(shown.contains("refused") && !shown.contains("battery"), "{shown}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_can_not_be_written_to_is_told() {
        assert_eq!(self::folder(Path::new("/proc/nothing/data")).verdict, Verdict::Broken);
    }
}
