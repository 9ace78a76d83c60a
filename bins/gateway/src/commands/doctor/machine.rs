//! What this machine gives: a folder, a database, open files.

use std::path::{Path, PathBuf};

use services::Programs;
use storage_sqlite::examine;

use super::super::sentence;
use super::finding::Finding;
use crate::config::{Config, DatabaseConfig};
use crate::data_dir;
use crate::server::raise_descriptor_limit;

/// With fewer open files a gateway has no room for a few hundred instances and their webhooks.
const FEW_FILES: u64 = 4_096;
/// With less free space, in bytes, a busy gateway is full within days.
const LITTLE_SPACE: u64 = 1 << 30;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    vec![folder(&config.data_dir), key(config), database(config), files(), programs(&Programs::found())]
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

fn key(config: &Config) -> Finding {
    const WHAT: &str = "master key";
    if config.master_key.is_some() {
        return Finding::sound(WHAT, "from MASTER_KEY");
    }
    match data_dir::master_key(config) {
        Ok(file) if file.exists() => Finding::sound(WHAT, file.display().to_string()),
        Ok(file) => Finding::sound(WHAT, format!("{}, which the first start makes", file.display())),
        Err(error) => Finding::broken(WHAT, error.to_string()),
    }
}

fn database(config: &Config) -> Finding {
    const WHAT: &str = "database";
    let DatabaseConfig::Sqlite { file } = &config.database;
    if !file.exists() {
        return Finding::sound(WHAT, format!("{}, which the first start makes", file.display()));
    }
    match examine(file) {
        Ok(found) if found.steps > 0 => Finding::sound(
            WHAT,
            format!("{}, of an earlier release: {} steps bring it up to date", file.display(), found.steps),
        ),
        Ok(found) => Finding::sound(WHAT, format!("{}, {} MB", file.display(), found.bytes >> 20)),
        Err(error) => Finding::broken(WHAT, format!("{}: {}", file.display(), sentence(&error))),
    }
}

fn files() -> Finding {
    const WHAT: &str = "open files";
    match raise_descriptor_limit() {
        (_, limit) if limit < FEW_FILES => Finding::odd(
            WHAT,
            format!("{limit} are allowed: enough for some {} instances (LimitNOFILE, ulimit -n)", limit / 4),
        ),
        (_, limit) => Finding::sound(WHAT, format!("{limit} are allowed")),
    }
}

fn programs(found: &Programs) -> Finding {
    const WHAT: &str = "programs";
    let Programs { ffmpeg, pdftoppm } = found;
    let missing = [(ffmpeg, "ffmpeg", "videos"), (pdftoppm, "pdftoppm", "PDFs")];
    let missing = missing.into_iter().filter(|(path, ..)| path.is_none());
    let told: Vec<_> =
        missing.map(|(_, name, of)| format!("no {name}: {of} have no small picture")).collect();
    match told.is_empty() {
        true => Finding::sound(WHAT, "ffmpeg and pdftoppm make small pictures of files"),
        false => Finding::sound(WHAT, told.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_first_start_has_all_it_needs_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::in_folder(folder.path().join("a").join("b"));
        let findings = look(&config);
        assert!(findings.iter().all(|it| it.verdict != Verdict::Broken), "{findings:?}");
        assert!(!folder.path().join("a").exists());
    }

    #[test]
    fn what_is_no_database_and_what_no_key_opens_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::in_folder(folder.path());
        let DatabaseConfig::Sqlite { file } = &config.database;
        std::fs::write(file, "these are no pages of a database, and never were any").unwrap();
        assert_eq!(database(&config).verdict, Verdict::Broken);
        let missing = key(&config);
        assert!(missing.verdict == Verdict::Broken && missing.text.contains("sealed"), "{missing:?}");
    }

    #[test]
    fn missing_programs_keep_nobody_from_working() {
        let found = Programs { ffmpeg: Some("/usr/bin/ffmpeg".into()), pdftoppm: None };
        let finding = programs(&found);
        assert_eq!(
            (finding.verdict, &*finding.text),
            (Verdict::Sound, "no pdftoppm: PDFs have no small picture")
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_can_not_be_written_to_is_told() {
        assert_eq!(self::folder(Path::new("/proc/nothing/data")).verdict, Verdict::Broken);
    }
}
