//! The key file: the master keys for everything sealed.
//!
//! One key per line, 32 bytes as base64; the first seals, all open. Empty lines and lines that begin with `#` are
//! ignored. To replace the key, insert a new line at the top, run `vestibule store reseal`, and remove the old line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::types::{KEY_BYTES, Keyring, LostKey, Watched, random_bytes, random_token};

/// The most bytes read of a key file: room for some eighty keys.
const MAX_KEY_FILE: u64 = 4096;

/// A key file cannot be used. Never shows a key.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The system denies access.
    #[error("the key file {path} cannot be read or made: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Others may read it.
    #[error("the key file {path} is open to others (mode {mode:03o}): run chmod 600 on it")]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds no key.
    #[error("the key file {0} holds no key: one line of base64 for 32 bytes (openssl rand -base64 32)")]
    Empty(PathBuf),
    /// The changed file lacks the key that seals at present.
    #[error("the key file {path} cannot be taken over: {source}")]
    Lost {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: LostKey,
    },
    /// A line is not a key.
    #[error("line {line} of the key file {path} is not base64 for 32 bytes (openssl rand -base64 32)")]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
}

/// The key file of a running gateway.
pub type WatchedKeyFile = Watched<(), KeyFileError>;

/// Reads the keys at `path`; creates a file with one fresh key (mode 0600) when there is none.
///
/// A file that group or others may read is refused. A new file appears complete and on the disk, or not at all: a crash
/// leaves no empty key file, and of two processes that start at once only one creates it.
///
/// # Errors
/// [`KeyFileError`]: the file cannot be read or created, or has no usable keys.
pub fn key_file(path: &Path) -> Result<Keyring, KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    match read(path) {
        Err(KeyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    make(path).map_err(failed)?;
    read(path)
}

/// Keeps `ring` at what the key file holds, when the file changes. A file that cannot be used, or without the key that
/// seals at present, changes nothing.
///
/// # Errors
/// [`KeyFileError`]: the file cannot be read now, or has no usable keys.
pub fn watch_key_file(path: PathBuf, ring: Keyring) -> Result<Arc<WatchedKeyFile>, KeyFileError> {
    Watched::load("store.embedded.keyFile", vec![path.clone()], move || {
        let lost = |source| KeyFileError::Lost { path: path.clone(), source };
        ring.replace(&read(&path)?).map_err(lost)
    })
}

fn read(path: &Path) -> Result<Keyring, KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::OpenToOthers { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_KEY_FILE).read_to_string(&mut text).map_err(failed)?;
    let mut keys = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let not_a_key = || KeyFileError::NotAKey { path: path.to_owned(), line: at + 1 };
        let bytes = Zeroizing::new(STANDARD.decode(line).map_err(|_| not_a_key())?);
        keys.push(<[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|_| not_a_key())?);
    }
    let (current, older) = keys.split_first().ok_or_else(|| KeyFileError::Empty(path.to_owned()))?;
    Ok(Keyring::new(*current, older.iter().copied()))
}

/// Writes a fresh key next to `path` and links it there, which fails when another process was faster.
fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = folder.join(format!(".key-{}", random_token()));
    let key = Zeroizing::new(random_bytes::<KEY_BYTES>());
    let line = Zeroizing::new(STANDARD.encode(key.as_slice()));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
            file.write_all(line.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        });
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    // The draft holds the key, so it is removed in any case.
    let removed = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    removed?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::types::Purpose;

    fn seals_for(one: &Keyring, other: &Keyring) -> bool {
        let sealed = one.sealer(Purpose::Store).seal(b"", b"x");
        other.sealer(Purpose::Store).open(b"", &sealed).is_ok()
    }

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_first_start_makes_a_private_key_and_the_next_reads_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let first = key_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(seals_for(&first, &key_file(&path).unwrap()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        key_file(&path).unwrap();
        for mode in [0o640, 0o604, 0o644, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(key_file(&path), Err(KeyFileError::OpenToOthers { .. })), "{mode:o}");
        }
    }

    #[test]
    fn a_new_line_on_top_seals_and_the_old_one_still_opens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let old = key_file(&path).unwrap();
        let line = fs::read_to_string(&path).unwrap();
        write(&path, &format!("# replaced\n{}\n\n{line}", STANDARD.encode([7; 32])), 0o600);
        let both = key_file(&path).unwrap();
        assert!(seals_for(&old, &both));
        assert!(!seals_for(&both, &old));
    }

    #[test]
    fn a_changed_file_is_taken_over_unless_it_lacks_the_key_that_seals() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let ring = key_file(&path).unwrap();
        let old = fs::read_to_string(&path).unwrap();
        let watched = watch_key_file(path.clone(), ring.clone()).unwrap();
        let new = STANDARD.encode([7; 32]);
        for bad in [new.clone(), "canary".to_owned()] {
            write(&path, &bad, 0o600);
            let error = watched.reload().unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
            assert_eq!(ring.count(), 1, "{error}");
        }
        write(&path, &format!("{new}\n{old}"), 0o644);
        assert!(matches!(watched.reload(), Err(KeyFileError::OpenToOthers { .. })));
        write(&path, &format!("{new}\n{old}"), 0o600);
        watched.reload().unwrap();
        assert!(seals_for(&ring, &Keyring::new([7; 32], [])));
        write(&path, &new, 0o600);
        watched.reload().unwrap();
        assert_eq!(ring.count(), 1, "the old key may go now");
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_line_and_without_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write(&path, "\n# nothing\n", 0o600);
        assert!(matches!(key_file(&path), Err(KeyFileError::Empty(_))));
        for bad in ["canary", &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33])] {
            write(&path, &format!("\n{bad}\n"), 0o600);
            let error = key_file(&path).unwrap_err();
            assert!(matches!(error, KeyFileError::NotAKey { line: 2, .. }), "{error}");
            assert!(!error.to_string().contains(bad));
        }
    }
}
