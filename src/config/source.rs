//! The sources of settings: one file and the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::types::{SecretFileError, TextFileError, read_text};

use super::fault::ValueFault;

/// The files that are tried when none is named. The first that exists is read.
pub const DEFAULT_FILES: [&str; 2] = ["vestibule.yaml", "/etc/vestibule/vestibule.yaml"];

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "VESTIBULE_CONFIG";

/// The most that is read of a configuration file, in bytes.
const MAX_CONFIG_FILE: u64 = 1024 * 1024;

/// The variables of a process, passed in so that only `main` reads the real ones.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Zeroizing<String>>);

impl Environment {
    /// From names and values. An empty value counts as not set, as with Coder.
    pub fn new<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let kept = variables.into_iter().map(|(name, value)| (name.into(), Zeroizing::new(value.into())));
        Self(kept.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    /// All variables by name, in alphabetical order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl std::fmt::Debug for Environment {
    /// Shows the names only: a value may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The file to read: the named one, the one of [`FILE_VARIABLE`], one of [`DEFAULT_FILES`], or none.
pub(super) fn file(named: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    named
        .map(Path::to_owned)
        .or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from))
        .or_else(|| DEFAULT_FILES.iter().map(PathBuf::from).find(|path| path.exists()))
}

/// Reads a configuration file.
pub(super) fn read_file(path: &Path) -> Result<Zeroizing<String>, ValueFault> {
    read_text(path, MAX_CONFIG_FILE).map_err(|error| match error {
        TextFileError::Io(error) => {
            let remedy = "Name a file that the gateway's user may read";
            ValueFault::new(format!("cannot be read: {error}"), remedy)
        }
        TextFileError::NotText => ValueFault::new("is not UTF-8 text", "Name a YAML file"),
        TextFileError::TooLarge => {
            ValueFault::new("is larger than 1 MiB", "Name a YAML file of a few kilobytes")
        }
    })
}

/// Why the file of a secret cannot be used.
pub(super) fn secret_fault(error: SecretFileError) -> ValueFault {
    const ALONE: &str = "Put only the secret into the file";
    match error {
        SecretFileError::Io(path, error) => ValueFault::new(
            format!("names a file that cannot be read ({}: {error})", path.display()),
            "Name a file that the gateway's user may read; relative paths begin at the working folder",
        ),
        SecretFileError::NotText(_) => ValueFault::new("names a file that is not UTF-8 text", ALONE),
        SecretFileError::TooLarge(_) => ValueFault::new("names a file larger than 64 KiB", ALONE),
        SecretFileError::Empty(_) => ValueFault::new("names an empty file", ALONE),
        SecretFileError::NotALine(_) => {
            ValueFault::new("names a file with more than one line, or with control characters", ALONE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::read_secret;

    fn file_with(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn a_secret_file_that_cannot_be_meant_is_refused_without_its_text() {
        let long = "canary".repeat(20_000);
        for content in [b"".as_slice(), b"canary\ncanary", b"canary\xff", long.as_bytes()] {
            let fault = secret_fault(read_secret(file_with(content).path()).unwrap_err());
            assert!(!fault.what.contains("canary"), "{}", fault.what);
        }
        let missing = secret_fault(read_secret(Path::new("/nonexistent/secret")).unwrap_err());
        assert!(missing.what.contains("/nonexistent/secret"), "{}", missing.what);
    }

    #[test]
    fn a_configuration_file_of_more_than_a_mebibyte_is_refused() {
        let limit = usize::try_from(MAX_CONFIG_FILE).unwrap();
        assert!(read_file(file_with(&vec![b'#'; limit]).path()).is_ok());
        assert!(read_file(file_with(&vec![b'#'; limit + 1]).path()).is_err());
    }

    #[test]
    fn a_named_file_wins_over_the_variable() {
        let environment = Environment::new([(FILE_VARIABLE, "/b")]);
        assert_eq!(file(Some(Path::new("/a")), &environment), Some("/a".into()));
        assert_eq!(file(None, &environment), Some("/b".into()));
    }

    #[test]
    fn debug_of_the_environment_shows_names_only() {
        let environment = Environment::new([("CODER_OIDC_CLIENT_SECRET", "canary"), ("EMPTY", "")]);
        assert_eq!(format!("{environment:?}"), "{\"CODER_OIDC_CLIENT_SECRET\"}");
    }
}
