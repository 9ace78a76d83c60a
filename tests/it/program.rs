//! Programs of others, run as somebody would run them.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use test_support::until_within;
use tokio::sync::mpsc;

/// How long a program may take for its next line.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that tells what it does, line by line.
pub(crate) struct Program {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Program {
    /// Starts it; `None`, loudly, where there is nothing to run it with.
    pub(crate) fn start(command: &mut Command) -> Option<Self> {
        let mut child = match command.stdout(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Past the harness, which keeps what passing tests print to itself.
                let program = command.get_program().display();
                let _ = writeln!(std::io::stderr(), "SKIPPED LOUDLY: {program} is not installed");
                return None;
            }
            Err(error) => panic!("{command:?}: {error}"),
        };
        let said = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Some(Self { child, lines })
    }

    /// The rest of the next line that begins with this word.
    pub(crate) async fn says(&mut self, word: &str) -> String {
        let found = async {
            while let Some(line) = self.lines.recv().await {
                if let Some(rest) = line.strip_prefix(word).and_then(|rest| rest.strip_prefix(' ')) {
                    return rest.to_owned();
                }
            }
            panic!("it has ended without {word:?}");
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("it doesn't say {word:?}"))
    }

    /// Waits until it has ended by itself, all being well.
    pub(crate) async fn ends(mut self) {
        let ended = until_within("the program ends", PATIENCE, || {
            let ended = self.child.try_wait().unwrap();
            async move { ended }
        });
        assert!(ended.await.success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of the workspace.
pub(crate) fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
