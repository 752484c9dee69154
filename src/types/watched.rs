//! Values read from files, and read again when a file changes.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::lock;

/// How often files are checked, so that what changes them need not notify this process.
const POLL: Duration = Duration::from_secs(10);

/// Something that was read from files, and that a background task keeps current.
pub trait FromFiles: Send + Sync {
    /// Whether a file has changed since it was last read. Blocks on the file system.
    fn changed(&self) -> bool;

    /// How often the content has been replaced.
    fn generation(&self) -> u64;

    /// Reads the files, even if they look unchanged, and logs the outcome. If they cannot be used, the old content
    /// stays in use. Blocks on the file system.
    fn reload_and_log(&self);
}

/// Distinguishes versions of a file: modification time, size, inode. None when there is no such file.
type FileStamp = Option<(SystemTime, u64, u64)>;

/// Reads a value from its files.
type ReadFiles<T, E> = Box<dyn Fn() -> Result<T, E> + Send + Sync>;

/// A value that was read from files. New content is read and checked completely before it takes the place of the old
/// value; content that cannot be used changes nothing.
pub struct Watched<T, E> {
    /// The setting that names the files, for the log.
    setting: &'static str,
    files: Vec<PathBuf>,
    /// None for a value that does not come from files.
    read: Option<ReadFiles<T, E>>,
    current: ArcSwap<T>,
    /// How often the value has been replaced.
    generation: AtomicU64,
    /// The state of the files when they were last read.
    seen: Mutex<Vec<FileStamp>>,
}

impl<T, E> Watched<T, E> {
    /// A value that does not come from a file and never changes.
    pub fn fixed(value: T) -> Arc<Self> {
        Arc::new(Self {
            setting: "",
            files: Vec::new(),
            read: None,
            current: ArcSwap::from_pointee(value),
            generation: AtomicU64::new(0),
            seen: Mutex::default(),
        })
    }

    /// Reads a value from `files`, which `setting` names, with `read`.
    ///
    /// # Errors
    /// The error of `read`.
    pub fn load(
        setting: &'static str,
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, E> {
        // Stamped before reading: if a file changes meanwhile, the next check sees the change.
        let seen = stamps(&files);
        let current = ArcSwap::from_pointee(read()?);
        let (read, generation, seen): (ReadFiles<T, E>, _, _) =
            (Box::new(read), AtomicU64::new(0), Mutex::new(seen));
        Ok(Arc::new(Self { setting, files, read: Some(read), current, generation, seen }))
    }

    /// The current value.
    pub fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// The files that it comes from.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Reads the files, even if they look unchanged. Blocks on the file system.
    ///
    /// # Errors
    /// The files cannot be used; the old value stays.
    pub fn reload(&self) -> Result<(), E> {
        let Some(read) = &self.read else { return Ok(()) };
        *lock(&self.seen) = stamps(&self.files);
        self.current.store(Arc::new(read()?));
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

impl<T: Send + Sync, E: fmt::Display> FromFiles for Watched<T, E> {
    fn changed(&self) -> bool {
        self.read.is_some() && stamps(&self.files) != *lock(&self.seen)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn reload_and_log(&self) {
        if self.read.is_none() {
            return;
        }
        match self.reload() {
            Ok(()) => tracing::info!(setting = self.setting, "the file was read again and is in use"),
            Err(error) => tracing::error!(
                setting = self.setting,
                %error,
                "the changed file cannot be used: the former content stays in use"
            ),
        }
    }
}

impl<T, E> fmt::Debug for Watched<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("files", &self.files).finish_non_exhaustive()
    }
}

/// The state of the files. A link, as Kubernetes swaps it, is followed.
fn stamps(files: &[PathBuf]) -> Vec<FileStamp> {
    let stamp = |file: &PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    };
    files.iter().map(stamp).collect()
}

/// Keeps everything in `all` current until `stop`: checks the files every 10 seconds.
pub async fn watch_files(all: Vec<Arc<dyn FromFiles>>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
        let all = all.clone();
        let looked = tokio::task::spawn_blocking(move || {
            for one in all.iter().filter(|one| one.changed()) {
                one.reload_and_log();
            }
        });
        // It cannot be cancelled, and a panic in it is not this task's.
        let _ = looked.await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::types::{Secret, SecretFileError, read_secret};

    fn watched(file: &Path) -> Arc<Watched<Secret, SecretFileError>> {
        let path = file.to_owned();
        Watched::load("test.secretFile", vec![path.clone()], move || read_secret(&path)).unwrap()
    }

    #[test]
    fn a_new_content_is_used_once_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "first").unwrap();
        let secret = watched(&file);
        assert!(!secret.changed());
        fs::write(&file, "second!").unwrap();
        assert!(secret.changed());
        assert_eq!(secret.current().expose(), "first");
        secret.reload_and_log();
        assert_eq!((secret.current().expose(), secret.changed()), ("second!", false));
        assert_eq!(secret.generation(), 1);
    }

    #[test]
    fn a_file_of_the_same_size_and_time_that_took_its_place_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (file, next) = (folder.path().join("secret"), folder.path().join("next"));
        fs::write(&file, "first").unwrap();
        let secret = watched(&file);
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&next, "other").unwrap();
        fs::File::options().write(true).open(&next).unwrap().set_modified(time).unwrap();
        fs::rename(&next, &file).unwrap();
        assert!(secret.changed());
    }

    #[test]
    fn a_content_that_cannot_be_used_leaves_the_former_value_until_a_good_one_comes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "first").unwrap();
        let secret = watched(&file);
        for bad in ["", "two\nlines\n"] {
            fs::write(&file, bad).unwrap();
            assert!(secret.changed());
            secret.reload_and_log();
            assert_eq!((secret.current().expose(), secret.changed()), ("first", false), "{bad:?}");
            assert_eq!(secret.generation(), 0);
        }
        fs::remove_file(&file).unwrap();
        assert!(secret.changed());
        assert!(secret.reload().is_err());
        assert_eq!(secret.current().expose(), "first");
        fs::write(&file, "second").unwrap();
        assert!(secret.changed());
        secret.reload().unwrap();
        assert_eq!(secret.current().expose(), "second");
    }

    #[test]
    fn debug_shows_the_files_and_nothing_of_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("name");
        fs::write(&file, "canary").unwrap();
        let text = format!("{:?}", watched(&file));
        assert!(text.contains("name") && !text.contains("canary"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_takes_up_a_changed_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "first").unwrap();
        let secret = watched(&file);
        let stop = CancellationToken::new();
        let watch = tokio::spawn(watch_files(vec![secret.clone() as Arc<dyn FromFiles>], stop.clone()));
        fs::write(&file, "second!").unwrap();
        // The files are read on a separate thread, which takes a moment.
        for _ in 0..1_000_000 {
            if secret.current().expose() == "second!" {
                break;
            }
            tokio::time::advance(POLL).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(secret.current().expose(), "second!");
        stop.cancel();
        watch.await.unwrap();
    }
}
