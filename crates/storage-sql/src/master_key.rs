use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// The key under which private keys, API keys and webhook secrets are sealed at rest.
///
/// Whoever loses it loses what was sealed: keep a copy, and not beside the database's backup. `Debug` shows its id only.
#[derive(Clone)]
pub struct MasterKey {
    secret: Zeroizing<[u8; 32]>,
    id: [u8; 4],
    previous: Option<Box<Self>>,
}

impl MasterKey {
    /// The key with these bytes; they must be random.
    pub fn from_bytes(secret: [u8; 32]) -> Self {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), b"trunkline master key id");
        let mut id = [0; 4];
        id.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Self { secret: Zeroizing::new(secret), id, previous: None }
    }

    /// The same, in the place of another one: what that has sealed is opened until it is sealed anew.
    #[must_use]
    pub fn in_place_of(self, previous: Self) -> Self {
        Self { previous: Some(Box::new(previous)), ..self }
    }

    /// The key written as 64 hexadecimal digits; white space around them is ignored.
    pub fn from_hex(text: &str) -> Result<Self, MasterKeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), secret.as_mut()).map_err(|_| MasterKeyError::Malformed)?;
        Ok(Self::from_bytes(*secret))
    }

    /// A new random key.
    pub fn generate() -> Result<Self, MasterKeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(secret.as_mut()).map_err(|_| MasterKeyError::Randomness)?;
        Ok(Self::from_bytes(*secret))
    }

    /// The key in a file of 64 hexadecimal digits. When the file doesn't exist, a random key is generated and written,
    /// readable by the owner alone; parent folders are created.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, MasterKeyError> {
        let path = path.as_ref();
        let failed = |source| MasterKeyError::File { path: path.to_owned(), source };
        match read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                write_new(path, &Self::generate()?).map_err(failed)?;
                // Read back: another process may have been first.
                Self::from_hex(&read(path).map_err(failed)?)
            }
            text => Self::from_hex(&text.map_err(failed)?),
        }
    }

    /// The key as [`Self::from_hex`] takes it.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.secret()))
    }

    /// Distinguishes keys; it says nothing about the key itself. Every sealed value begins with it.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    pub(crate) fn previous(&self) -> Option<&Self> {
        self.previous.as_deref()
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey(id {})", hex::encode(self.id))
    }
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// Not 64 hexadecimal digits.
    #[error("a master key is written as 64 hexadecimal digits")]
    Malformed,
    /// The file can't be read or written.
    #[error("the master key file {path} is not accessible")]
    File {
        /// The key file that can't be used.
        path: PathBuf,
        /// What exactly failed.
        #[source]
        source: io::Error,
    },
    /// The system gave no random bytes.
    #[error("no randomness from the system")]
    Randomness,
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    std::fs::read_to_string(path).map(Zeroizing::new)
}

/// Writes aside and links into place, so that a key file is either absent or whole, and the first writer wins.
fn write_new(path: &Path, key: &MasterKey) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let aside = folder.join(name);
    let written = create_private(&aside).and_then(|mut file| {
        file.write_all(key.to_hex().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    let linked = written.and_then(|()| std::fs::hard_link(&aside, path));
    let _ = std::fs::remove_file(&aside);
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked.and_then(|()| sync_folder(folder)),
    }
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).open(path)
}

/// Makes a new file's name durable: a sealed database without its key would be lost.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_generated_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/master.key");
        let first = MasterKey::from_file(&path).unwrap();
        let second = MasterKey::from_file(&path).unwrap();
        assert_eq!(first.secret(), second.secret());
        assert_eq!(first.id(), second.id());
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left aside");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_malformed_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        std::fs::write(&path, "not a key").unwrap();
        assert!(matches!(MasterKey::from_file(&path), Err(MasterKeyError::Malformed)));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a key");
    }

    #[test]
    fn text_and_bytes_are_the_same_key_and_debug_shows_neither() {
        let key = MasterKey::from_hex(&format!(" {}\n", "ab".repeat(32))).unwrap();
        assert_eq!(key.secret(), &[0xab; 32]);
        assert_eq!(key.id(), MasterKey::from_bytes([0xab; 32]).id());
        assert_ne!(key.id(), MasterKey::from_bytes([0xac; 32]).id());
        assert!(!format!("{key:?}").contains("abab"));
    }
}
