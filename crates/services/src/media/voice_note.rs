//! What becomes of a sound that is to be a voice note.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use voice::{Limits, Voice, VoiceError, VoiceNote};

/// Longest sound that becomes one, in seconds: it takes some 20 s of a core, and 7 MB of memory for the outcome.
const LONGEST: u32 = 30 * 60;
/// Longest that one may be worked on; a core that is shared with others takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Sounds that are worked on at a time, whoever sends them: each takes a core.
static WORKING: Semaphore = Semaphore::const_new(2);

/// What to say of a file that is Ogg with Opus. `None` where it can't be decoded: it is sent without.
pub(crate) async fn voice_of(path: &Path) -> Option<Voice> {
    worked(path, voice::measure).await.ok()
}

/// Makes a voice note of a sound.
pub(crate) async fn voice_note(path: &Path) -> Result<VoiceNote, VoiceError> {
    worked(path, voice::convert).await
}

async fn worked<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(BufReader<File>, &Limits) -> Result<T, VoiceError> + Send + 'static,
) -> Result<T, VoiceError> {
    let turn = WORKING.acquire().await.map_err(|_| VoiceError::TooSlow)?;
    let path = path.to_owned();
    let working = spawn_blocking(move || {
        // It is over when the work is, whether or not anybody still waits for it.
        let _turn = turn;
        let file = File::open(&path).map_err(VoiceError::Io)?;
        work(BufReader::new(file), &Limits { seconds: LONGEST, until: Instant::now() + PATIENCE })
    });
    working.await.unwrap_or(Err(VoiceError::Damaged))
}
