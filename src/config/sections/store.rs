//! The section `store`: where grants are kept.

use std::path::PathBuf;

use crate::config::entry::{ValueKind, WhenAbsent};
use crate::config::key::{Key, keys};
use crate::config::parse;
use crate::config::reader::SettingsReader;

keys! { KEYS;
    FOLDER: Key<PathBuf> = Key::new(
        "store.embedded.path", "VESTIBULE_STORE_EMBEDDED_PATH", ValueKind::Path, WhenAbsent::Default("./vestibule-data"), parse::path,
        "The folder in which sign-ins are stored. It is created at the first start, must survive restarts, and must belong to one process only.",
    );
    KEY_FILE: Key<PathBuf> = Key::new(
        "store.embedded.keyFile", "VESTIBULE_STORE_EMBEDDED_KEY_FILE", ValueKind::Path, WhenAbsent::Nothing, parse::path,
        "The file with the key that seals the tokens (one line of base64 for 32 bytes, mode 0600). Not set: a key is created in the folder at the first start.",
    );
}

/// The store in a folder of this machine.
#[derive(Clone, Debug)]
pub struct EmbeddedStoreConfig {
    /// The folder; created when it is missing. Default: `./vestibule-data`.
    pub folder: PathBuf,
    /// The file with the keys that seal the tokens. `None`: created in the folder at the first start.
    pub key_file: Option<PathBuf>,
}

/// Reads the section.
pub(crate) fn read(r: &mut SettingsReader) -> Option<EmbeddedStoreConfig> {
    let folder = r.get(&FOLDER);
    let key_file = r.get(&KEY_FILE);
    Some(EmbeddedStoreConfig { folder: folder?, key_file })
}
