//! The section `admin`: the operator's listeners.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::entry::{ValueKind, WhenAbsent};
use crate::config::key::{Key, keys};
use crate::config::parse;
use crate::config::reader::SettingsReader;

use super::store::EmbeddedStoreConfig;

keys! { KEYS;
    LISTEN: Key<SocketAddr> = Key::new(
        "admin.listen", "VESTIBULE_ADMIN_LISTEN", ValueKind::Address, WhenAbsent::Nothing, parse::address,
        "Where probes and metrics are served (`/healthz`, `/readyz`, `/metrics`), without a credential: keep it off the public network. Not set: they are not served.",
    );
    SOCKET: Key<PathBuf> = Key::new(
        "admin.socket", "VESTIBULE_ADMIN_SOCKET", ValueKind::Path, WhenAbsent::Default("./vestibule-data/admin.sock"), parse::path,
        "The local socket that `vestibule sessions` uses. It is created with mode 0600, because anyone who can open it can end every session. Not set: `admin.sock` in the store's folder.",
    );
}

/// The operator's listeners.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Address and port for probes and metrics. Default: none, they are not served.
    pub listen: Option<SocketAddr>,
    /// The local socket for `vestibule sessions`. Default: `admin.sock` in the store's folder.
    pub socket: PathBuf,
}

/// Reads the section. The default of the socket is in the folder of the store.
pub(crate) fn read(r: &mut SettingsReader, store: Option<&EmbeddedStoreConfig>) -> Option<AdminConfig> {
    let listen = r.get(&LISTEN);
    let given = r.given(SOCKET.entry()).is_some();
    let socket = r.get(&SOCKET)?;
    let socket = match store {
        Some(store) if !given => store.folder.join("admin.sock"),
        _ => socket,
    };
    Some(AdminConfig { listen, socket })
}
