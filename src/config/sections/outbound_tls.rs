//! The TLS settings of the gateway's own connections: to the provider, and to Coder.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::fault::ValueFault;
use crate::config::key::Key;
use crate::config::reader::SettingsReader;
use crate::web::{OutboundTls, OutboundTlsFiles};

/// The settings of one section.
pub(super) struct OutboundTlsKeys {
    /// Their common name, for the log.
    pub(super) setting: &'static str,
    /// The authorities.
    pub(super) authorities: &'static Key<PathBuf>,
    /// The certificate that the gateway shows.
    pub(super) certificate: &'static Key<PathBuf>,
    /// Its key.
    pub(super) key: &'static Key<PathBuf>,
}

/// TLS towards the provider or towards Coder.
#[derive(Clone, Debug, Default)]
pub struct OutboundTlsConfig {
    /// The settings that were loaded. Default: none; the machine's authorities, and no certificate.
    pub loaded: Option<Arc<OutboundTls>>,
    /// The files that they come from.
    pub files: OutboundTlsFiles,
}

impl OutboundTlsConfig {
    /// Reads and loads the settings. `None` when a file cannot be used.
    pub(super) fn read(r: &mut SettingsReader, keys: &OutboundTlsKeys) -> Option<Self> {
        let authorities = r.get(keys.authorities);
        let certificate = r.get(keys.certificate);
        let key = r.get(keys.key);
        let lacking = match (&certificate, &key) {
            (Some(_), None) => Some((keys.certificate, keys.key)),
            (None, Some(_)) => Some((keys.key, keys.certificate)),
            _ => None,
        };
        if let Some((given, missing)) = lacking {
            let missing = missing.entry().path;
            r.wrong(given.entry(), format!("is set without {missing}"), format!("Set {missing} too"));
            return None;
        }
        let files = OutboundTlsFiles { authorities, client: certificate.zip(key) };
        if files == OutboundTlsFiles::default() {
            return Some(Self::default());
        }
        let blamed = if files.client.is_some() { keys.certificate } else { keys.authorities };
        match files.clone().load(keys.setting) {
            Ok(loaded) => Some(Self { loaded: Some(loaded), files }),
            Err(error) => {
                let fault = ValueFault::new(
                    format!("cannot be used: {error}"),
                    "Write PEM files that the gateway's user may read; relative paths begin at the working folder",
                );
                r.wrong(blamed.entry(), fault.what, fault.remedy);
                None
            }
        }
    }
}
