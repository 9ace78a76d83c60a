use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// The source of the library that bends the clock.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/abuse/clocks/jumping.c");

/// The wall clock of processes that are started with its environment.
pub(super) struct Clock {
    folder: TempDir,
}

impl Clock {
    /// A clock that is right so far; none where a process can't be given one.
    pub(super) fn make() -> Option<Self> {
        let clock = Self { folder: tempfile::tempdir().expect("a folder") };
        clock.set_hours(0);
        let compiled = cfg!(target_os = "linux").then(|| {
            let flags = ["-shared", "-fPIC", "-O1", "-o"];
            Command::new("cc").args(flags).arg(clock.library()).arg(SOURCE).status()
        });
        match compiled {
            Some(Ok(status)) if status.success() => Some(clock),
            other => {
                println!("clocks: SKIPPED LOUDLY: needs Linux and a C compiler (cc): {other:?}");
                None
            }
        }
    }

    /// Lets it be wrong by so much.
    pub(super) fn set_hours(&self, hours: i64) {
        // In place: the library has mapped the file.
        let bytes = (hours * 3600).to_ne_bytes();
        let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(self.file());
        std::io::Write::write_all(&mut file.expect("a file"), &bytes).expect("written");
    }

    /// What a process needs to see it.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let text = |path: PathBuf| path.display().to_string();
        vec![("LD_PRELOAD", text(self.library())), ("CLOCK_FILE", text(self.file()))]
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("jumping.so")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}
