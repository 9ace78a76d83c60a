use std::collections::BTreeMap;
use std::path::Path;

use super::variables::{VARIABLES, misspelt};
use super::{ConfigError, Secret};

/// Longest secret file that is read; a key is a few dozen bytes.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// The variables a configuration is made from: the process' own, a `.env` file's, or a test's.
#[derive(Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
}

impl Environment {
    /// The environment of this process, completed by the file `.env` in the working directory when there is one.
    /// What the environment says wins.
    ///
    /// # Errors
    /// When `.env` can't be read, or a variable of ours isn't UTF-8.
    pub fn of_process() -> Result<Self, ConfigError> {
        let mut environment = Self::from_dotenv(Path::new(".env"))?;
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str() else { continue };
            match value.into_string() {
                Ok(value) => {
                    environment.values.insert(name.to_owned(), value);
                }
                Err(_) if is_ours(name) => return Err(ConfigError::new(name, "isn't valid UTF-8.")),
                Err(_) => {}
            }
        }
        Ok(environment)
    }

    /// An environment of exactly these variables.
    pub fn of<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let values = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { values }
    }

    fn from_dotenv(path: &Path) -> Result<Self, ConfigError> {
        if !path.is_file() {
            return Ok(Self::default());
        }
        // The library's own message could repeat a line of the file, and with it a secret.
        let unreadable =
            |_| ConfigError::new(".env", "can't be read: each line must be NAME=value or a # comment.");
        let values = dotenvy::from_path_iter(path)
            .map_err(unreadable)?
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        Ok(Self { values })
    }

    /// Refuses names that are obviously meant to be one of ours.
    pub(super) fn check_spelling(&self) -> Result<(), ConfigError> {
        for name in self.values.keys() {
            if let Some(known) = misspelt(name) {
                return Err(ConfigError::new(
                    name,
                    format!("isn't a variable of trunkline. Is {known} meant?"),
                ));
            }
        }
        Ok(())
    }

    /// The value of `name`. Empty counts as not set, as container tools pass unset variables on.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The secret `name`, or the content of the file that `name_FILE` points to, without the line's end.
    pub(super) fn secret(&self, name: &str) -> Result<Option<Secret>, ConfigError> {
        let file = format!("{name}_FILE");
        match (self.text(name), self.text(&file)) {
            (Some(_), Some(_)) => Err(ConfigError::new(name, format!("and {file} are both set; keep one."))),
            (Some(value), None) => Ok(Some(Secret::new(value))),
            (None, Some(path)) => read_secret(&file, Path::new(path)).map(Some),
            (None, None) => Ok(None),
        }
    }
}

fn is_ours(name: &str) -> bool {
    let base = name.strip_suffix("_FILE").unwrap_or(name);
    VARIABLES.iter().any(|known| known.name == base)
}

fn read_secret(variable: &str, path: &Path) -> Result<Secret, ConfigError> {
    let unreadable = |error: std::io::Error| {
        ConfigError::new(variable, format!("names a file that can't be read: {error}."))
    };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_SECRET_FILE {
        return Err(ConfigError::new(variable, "names a file that is too large for a secret."));
    }
    let content = std::fs::read_to_string(path).map_err(unreadable)?;
    let value = content.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(ConfigError::new(variable, "names an empty file."));
    }
    Ok(Secret::new(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "from the file\n").unwrap();
        let environment = Environment::of([("JWT_SECRET_FILE", path.to_str().unwrap())]);
        let secret = environment.secret("JWT_SECRET").unwrap().unwrap();
        assert_eq!(secret.expose(), "from the file");
    }

    #[test]
    fn a_secret_given_twice_or_unreadable_is_refused_by_name() {
        let twice = Environment::of([("JWT_SECRET", "a"), ("JWT_SECRET_FILE", "b")]);
        let error = twice.secret("JWT_SECRET").unwrap_err();
        assert_eq!(error.to_string(), "JWT_SECRET and JWT_SECRET_FILE are both set; keep one.");

        let missing = Environment::of([("JWT_SECRET_FILE", "/nonexistent/secret")]);
        let error = missing.secret("JWT_SECRET").unwrap_err();
        assert_eq!(error.variable(), "JWT_SECRET_FILE");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        std::fs::write(&path, "\n").unwrap();
        let empty = Environment::of([("JWT_SECRET_FILE", path.to_str().unwrap())]);
        assert!(empty.secret("JWT_SECRET").is_err());
    }

    #[test]
    fn a_dotenv_file_is_read_and_its_mistakes_do_not_repeat_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::fs::write(&path, "# comment\nLISTEN=127.0.0.1:0\nADMIN_FIRST_NAME=\"Ann B\"\n").unwrap();
        let environment = Environment::from_dotenv(&path).unwrap();
        assert_eq!(environment.text("LISTEN"), Some("127.0.0.1:0"));
        assert_eq!(environment.text("ADMIN_FIRST_NAME"), Some("Ann B"));

        std::fs::write(&path, "JWT_SECRET='never closed hunter2\n").unwrap();
        let error = Environment::from_dotenv(&path).err().unwrap();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn empty_values_count_as_unset() {
        let environment = Environment::of([("LISTEN", " ")]);
        assert_eq!(environment.text("LISTEN"), None);
    }
}
