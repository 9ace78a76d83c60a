use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::FileError;
use super::frame::{self, NoFrame};
use crate::table::Table;
use crate::{Batch, Step};

/// The file: a mark, then one frame for each batch, oldest first.
///
/// A batch is durable when its frame is. The only frame that can be torn is the last one, of a batch that nobody was
/// told is stored; it is cut off when the file is opened.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Where the next frame begins.
    length: u64,
    /// The file is rewritten when it has become longer than this.
    compact_at: u64,
    state: State,
    _lock: File,
}

/// Whether the end of the file is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is as long as `length` says.
    Sound,
    /// A write failed and could not be taken back; what the disk holds shows when the file is opened again.
    Unknown,
}

impl Log {
    /// Opens or creates the file and applies all its batches to an empty table.
    pub(super) fn open(path: &Path, table: &mut Table) -> Result<Self, FileError> {
        let failed = |source| FileError::File { path: path.to_owned(), source };
        if let Some(folder) = folder(path) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let lock = lock(path)?;
        let mut file = match private().read(true).write(true).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Under another name until it is whole, so that a crash leaves no half of a mark.
                let (file, _) = write_aside(path, &Table::default()).map_err(failed)?;
                put_into_place(path).map_err(failed)?;
                file
            }
            opened => opened.map_err(failed)?,
        };
        let length = read(path, table)?;
        // Of a rewriting that a crash ended.
        let _ = std::fs::remove_file(beside(path, ASIDE));
        file.set_len(length).and_then(|()| file.sync_all()).map_err(failed)?;
        file.seek(SeekFrom::Start(length)).map_err(failed)?;
        let compact_at = limit(table.size());
        Ok(Self { path: path.to_owned(), file, length, compact_at, state: State::Sound, _lock: lock })
    }

    /// Writes a batch, and returns when the disk has it. On an error nothing of it is in the file.
    pub(super) fn append(&mut self, batch: &Batch) -> io::Result<()> {
        if self.state == State::Unknown {
            return Err(io::Error::other("an earlier write failed; the file has to be opened again"));
        }
        if batch.steps().is_empty() {
            return Ok(());
        }
        let frame = encode(batch.steps(), self.length)?;
        // Until it is known what the disk holds, nothing may follow.
        self.state = State::Unknown;
        if let Err(error) = self.file.write_all(&frame) {
            self.take_back()?;
            return Err(error);
        }
        // After a failed sync nobody knows what is on the disk, not even the system.
        self.file.sync_data()?;
        self.length += frame.len() as u64;
        self.state = State::Sound;
        Ok(())
    }

    /// Writes the file anew without what was replaced and deleted, when that is most of it. When there is no room for it,
    /// the file stays as it is, and the next try comes when it has doubled.
    pub(super) fn compact_if_large(&mut self, table: &Table) {
        if self.length <= self.compact_at || self.state == State::Unknown {
            return;
        }
        let Ok((file, length)) = write_aside(&self.path, table) else {
            self.compact_at = limit(self.length);
            return;
        };
        // Until it is known which of the two files the next opening finds, nothing may follow.
        self.state = State::Unknown;
        if put_into_place(&self.path).is_ok() {
            self.file = file;
            self.length = length;
            self.compact_at = limit(length);
            self.state = State::Sound;
        }
    }

    /// Cuts off what a failed write left.
    fn take_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.state = State::Sound;
        Ok(())
    }
}

/// What a store's file begins with: its name and the version of its format.
const MARK: &[u8; 8] = b"wastore1";
/// What the name of a file that isn't whole yet ends with.
const ASIDE: &str = ".new";
/// A file is not rewritten before it has this many bytes that may be saved.
const WORTH_SAVING: u64 = 1 << 20;
/// Records in one frame of a rewritten file, about: a frame has to fit into memory twice.
const REWRITTEN_AT_ONCE: usize = 256;

/// The length at which a file that was this long when all in it was needed is rewritten.
fn limit(needed: u64) -> u64 {
    needed.saturating_mul(2).saturating_add(WORTH_SAVING)
}

/// Applies the file's batches; the answer is the length of its sound part.
fn read(path: &Path, table: &mut Table) -> Result<u64, FileError> {
    let bytes = std::fs::read(path).map_err(|source| FileError::File { path: path.to_owned(), source })?;
    let mut rest = bytes.strip_prefix(MARK).ok_or_else(|| FileError::Format { path: path.to_owned() })?;
    loop {
        let at = (bytes.len() - rest.len()) as u64;
        match frame::decode(rest, at) {
            Ok((steps, next)) => {
                steps.into_iter().for_each(|step| table.apply(step));
                rest = next;
            }
            Err(NoFrame::End | NoFrame::Torn) => return Ok(at),
            Err(NoFrame::Damaged) => return Err(FileError::Damaged { path: path.to_owned(), at }),
        }
    }
}

fn encode(steps: &[Step], at: u64) -> io::Result<Vec<u8>> {
    frame::encode(steps, at).ok_or_else(|| io::Error::from(ErrorKind::FileTooLarge))
}

/// Writes the records to a new file; answers it and its length.
fn write_aside(path: &Path, table: &Table) -> io::Result<(File, u64)> {
    let mut file = private().read(true).write(true).create(true).truncate(true).open(beside(path, ASIDE))?;
    file.write_all(MARK)?;
    let mut length = MARK.len() as u64;
    for steps in table.steps().chunks(REWRITTEN_AT_ONCE) {
        let frame = encode(steps, length)?;
        file.write_all(&frame)?;
        length += frame.len() as u64;
    }
    file.sync_all()?;
    Ok((file, length))
}

/// Puts the new file into the place of the old one, which is there or isn't.
fn put_into_place(path: &Path) -> io::Result<()> {
    std::fs::rename(beside(path, ASIDE), path)?;
    sync_folder(path)
}

/// Taken in a file of its own, since the store's file is replaced. The system takes it away when the process ends,
/// however it ends.
fn lock(path: &Path) -> Result<File, FileError> {
    let lock_path = beside(path, ".lock");
    let failed = |source| FileError::File { path: lock_path.clone(), source };
    let file = private().read(true).write(true).create(true).open(&lock_path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FileError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn folder(path: &Path) -> Option<&Path> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty())
}

/// New files are for their owner's eyes alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a new file's name durable.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path).unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
impl Log {
    /// From now on writing fails, and so does taking it back.
    pub(super) fn break_file(&mut self, path: &Path) {
        self.file = File::open(path).unwrap();
    }
}
