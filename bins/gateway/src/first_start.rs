//! What the first start creates and nobody can be told again: the password is stored as a hash only.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use services::Welcome;

use crate::private_file;
pub use crate::private_file::KeepError;

/// The administrator that the first start created.
#[derive(Clone)]
pub struct FirstStart {
    /// What the administrator logs in with.
    pub email: String,
    /// The password, if it was generated and not configured.
    pub password: Option<String>,
    /// The administrator's API key.
    pub api_key: String,
}

impl FirstStart {
    /// The credentials, for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("e-mail    {}\n", self.email);
        if let Some(password) = &self.password {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "password  {password}");
        }
        let _ = writeln!(text, "API key   {}", self.api_key);
        text
    }

    /// Keeps the credentials in `first-start.txt` in this folder, for the owner's eyes only, and tells where.
    ///
    /// # Errors
    /// [`KeepError`].
    pub fn keep(&self, data_dir: &Path) -> Result<PathBuf, KeepError> {
        let advice = "remove the database to have a first start again";
        private_file::keep(data_dir, FILE, &self.text(), advice)
    }
}

const FILE: &str = "first-start.txt";

impl From<Welcome> for FirstStart {
    fn from(welcome: Welcome) -> Self {
        Self {
            email: welcome.email,
            password: welcome.password.map(|password| password.expose().to_owned()),
            api_key: welcome.api_key.expose().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_start(password: Option<&str>) -> FirstStart {
        FirstStart { email: "a@b".into(), password: password.map(str::to_owned), api_key: "key".into() }
    }

    #[test]
    fn the_text_shows_what_was_generated() {
        assert_eq!(first_start(Some("secret")).text(), "e-mail    a@b\npassword  secret\nAPI key   key\n");
        assert_eq!(first_start(None).text(), "e-mail    a@b\nAPI key   key\n");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone_even_where_another_was_left() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "of another database").unwrap();
        let file = first_start(Some("secret")).keep(folder.path()).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), first_start(Some("secret")).text());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = first_start(None).keep(&folder.path().join("missing")).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
