//! Programs of this machine that show the first picture of a video and the first page of a PDF, where it has them.
//!
//! They read files of strangers, so each is a process of its own that is bounded in time, memory and in what it answers. No
//! shell is asked, the file's name is chosen by the gateway, and nothing but this file is opened.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Longest that one may take: a message waits for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest picture that one may answer, in bytes.
const LARGEST: u64 = 32 << 20;
/// Most memory of one, in bytes: a frame of a video of 8K, and what decoders keep beside it.
#[cfg(target_os = "linux")]
const MOST_MEMORY: u64 = 2 << 30;
/// Pixels on the longer side of a page that is rendered.
const PAGE: &str = "800";
/// Processes at a time, whoever sends files: each takes a core, and memory.
static RUNNING: Semaphore = Semaphore::const_new(2);

/// The programs that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs {
    /// `ffmpeg`, for videos.
    pub ffmpeg: Option<PathBuf>,
    /// `pdftoppm` of Poppler, for PDFs.
    pub pdftoppm: Option<PathBuf>,
}

/// What a picture is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pictured {
    /// A video in the container that `ffmpeg` calls by this name: no other is looked for, since some of them lead to other
    /// files.
    Video(&'static str),
    Pdf,
}

impl Pictured {
    /// What a file of this type is, if a picture can be made of it.
    pub(crate) fn of(mime_type: &str) -> Option<Self> {
        match mime_type.split(';').next().unwrap_or_default().trim() {
            "video/mp4" | "video/3gpp" | "video/3gpp2" | "video/quicktime" | "video/x-m4v" => {
                Some(Self::Video("mov"))
            }
            "video/webm" | "video/x-matroska" => Some(Self::Video("matroska")),
            "video/x-msvideo" => Some(Self::Video("avi")),
            "application/pdf" => Some(Self::Pdf),
            _ => None,
        }
    }
}

impl Programs {
    /// Those in the folders of `PATH`.
    pub fn found() -> Self {
        Self::among(std::env::var_os("PATH").as_deref())
    }

    /// Those in these folders, which are written as in `PATH`.
    pub fn among(path: Option<&OsStr>) -> Self {
        let folders = path.into_iter().flat_map(|path| std::env::split_paths(path));
        // Others would be looked for from wherever the gateway was started.
        let folders: Vec<PathBuf> = folders.filter(|folder| folder.is_absolute()).collect();
        let find = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
        Self { ffmpeg: find("ffmpeg"), pdftoppm: find("pdftoppm") }
    }

    /// The first picture of a file, as a JPEG. `None` where the program isn't there or can't make one.
    pub(crate) async fn picture(&self, what: Pictured, file: &Path) -> Option<Vec<u8>> {
        self.picture_within(what, file, PATIENCE).await
    }

    async fn picture_within(&self, what: Pictured, file: &Path, patience: Duration) -> Option<Vec<u8>> {
        let mut command = self.command(what, file)?;
        let _turn = RUNNING.acquire().await.ok()?;
        let picture = timeout(patience, answer(&mut command)).await;
        let picture = picture.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        picture
            .inspect_err(|error| tracing::debug!(?what, %error, "no picture can be made of a file"))
            .ok()
            .filter(|picture| !picture.is_empty())
    }

    fn command(&self, what: Pictured, file: &Path) -> Option<Command> {
        let (program, arguments) = match what {
            Pictured::Video(container) => (self.ffmpeg.as_ref()?, of_video(container, file)),
            Pictured::Pdf => (self.pdftoppm.as_ref()?, of_pdf(file)),
        };
        let mut command = Command::new(program);
        // Nothing of the gateway's own settings concerns it.
        command.env_clear().args(arguments).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Some(command)
    }
}

fn of_video(container: &str, file: &Path) -> Vec<OsString> {
    let mut input = OsString::from("file:");
    input.push(file);
    let before =
        ["-nostdin", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file", "-threads", "1"];
    let form = ["-f", container, "-i"];
    let after = [
        "-an",
        "-sn",
        "-dn",
        "-frames:v",
        "1",
        "-threads",
        "1",
        "-f",
        "image2pipe",
        "-c:v",
        "mjpeg",
        "pipe:1",
    ];
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    [words(&before), words(&form), vec![input], words(&after)].concat()
}

fn of_pdf(file: &Path) -> Vec<OsString> {
    let options = ["-q", "-jpeg", "-f", "1", "-l", "1", "-singlefile", "-scale-to", PAGE];
    options.into_iter().map(OsString::from).chain([file.as_os_str().to_owned()]).collect()
}

async fn answer(command: &mut Command) -> io::Result<Vec<u8>> {
    let mut child = command.spawn()?;
    bound(&child);
    let picture = match child.stdout.take() {
        Some(output) => read(output).await?,
        None => Vec::new(),
    };
    match child.wait().await?.success() {
        true => Ok(picture),
        false => Err(io::Error::other("the program has failed")),
    }
}

async fn read(output: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut picture = Vec::new();
    output.take(LARGEST + 1).read_to_end(&mut picture).await?;
    if picture.len() as u64 > LARGEST {
        return Err(io::Error::other("the picture is too large"));
    }
    Ok(picture)
}

/// Bounds what the process may use. It has only just begun, so that it can't have used more.
#[cfg(target_os = "linux")]
fn bound(child: &Child) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    // A process that has ended already has no limits any more.
    let Some(pid) = pid else { return };
    // It writes no files.
    let limits = [
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Cpu, PATIENCE.as_secs()),
        (Resource::As, MOST_MEMORY),
    ];
    for (what, most) in limits {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        if let Err(error) = prlimit(Some(pid), what, limit) {
            tracing::debug!(?what, %error, "a process can't be bounded");
        }
    }
}

/// Elsewhere the time and the answer are bounded alone.
#[cfg(not(target_os = "linux"))]
fn bound(_child: &Child) {}

#[cfg(test)]
mod tests;
