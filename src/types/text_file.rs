//! Reads short text files: the configuration, and files with one secret.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use super::Secret;
use super::watched::Watched;

/// The longest file with a secret, in bytes.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// Why a text file could not be read.
#[derive(Debug, Error)]
pub enum TextFileError {
    /// The system denies it.
    #[error("it cannot be read: {0}")]
    Io(#[source] io::Error),
    /// Not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Longer than the limit.
    #[error("it is too large")]
    TooLarge,
}

/// Why a file does not hold one secret. Never shows its text.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// The system denies it.
    #[error("{0} cannot be read: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// Not UTF-8.
    #[error("{0} is not UTF-8 text")]
    NotText(PathBuf),
    /// Longer than 64 KiB.
    #[error("{0} is larger than 64 KiB")]
    TooLarge(PathBuf),
    /// Without any text.
    #[error("{0} is empty")]
    Empty(PathBuf),
    /// More than one line, or a control character.
    #[error("{0} has more than one line, or control characters")]
    NotALine(PathBuf),
}

/// Reads a text file of at most `limit` bytes.
///
/// # Errors
/// [`TextFileError`].
pub fn read_text(path: &Path, limit: u64) -> Result<Zeroizing<String>, TextFileError> {
    let mut text = Zeroizing::new(String::new());
    match File::open(path).and_then(|file| file.take(limit + 1).read_to_string(&mut text)) {
        Ok(read) if u64::try_from(read).is_ok_and(|read| read <= limit) => Ok(text),
        Ok(_) => Err(TextFileError::TooLarge),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(TextFileError::NotText),
        Err(error) => Err(TextFileError::Io(error)),
    }
}

/// A secret that may come from a file.
pub type WatchedSecret = Watched<Secret, SecretFileError>;

/// Reads a file with one secret: one line, without the line break at its end.
///
/// # Errors
/// [`SecretFileError`].
pub fn read_secret(path: &Path) -> Result<Secret, SecretFileError> {
    let named = || path.to_owned();
    let text = read_text(path, MAX_SECRET_FILE).map_err(|error| match error {
        TextFileError::Io(error) => SecretFileError::Io(named(), error),
        TextFileError::NotText => SecretFileError::NotText(named()),
        TextFileError::TooLarge => SecretFileError::TooLarge(named()),
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(SecretFileError::Empty(named()));
    }
    if line.chars().any(char::is_control) {
        return Err(SecretFileError::NotALine(named()));
    }
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_with(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn one_line_break_at_the_end_of_a_secret_is_dropped() {
        for (content, secret) in [("s", "s"), ("s\n", "s"), ("s\r\n", "s"), (" s ", " s "), ("s\\n", "s\\n")]
        {
            assert_eq!(read_secret(file_with(content.as_bytes()).path()).unwrap(), Secret::new(secret));
        }
    }

    #[test]
    fn a_secret_file_that_cannot_be_meant_is_refused_without_its_text() {
        let long = "canary".repeat(20_000);
        for content in
            [b"".as_slice(), b"\n", b"canary\n\n", b"canary\ncanary", b"canary\xff", long.as_bytes()]
        {
            let error = read_secret(file_with(content).path()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
        assert!(read_secret(Path::new("/nonexistent/secret")).is_err());
        assert!(read_secret(Path::new("/")).is_err());
    }
}
