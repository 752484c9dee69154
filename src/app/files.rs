//! Files that are opened at the start: the certificate, the store, the key file.

use std::sync::Arc;

use super::error::BuildError;
use crate::config::{Config, TlsFiles};
use crate::grant::Store;
use crate::grant::store::{Embedded, key_file};
use crate::listen::Certificates;
use crate::types::Keyring;

/// The server certificate, if the gateway itself terminates TLS.
///
/// # Errors
/// [`BuildError::Certificate`].
pub(super) fn certificates(config: &Config) -> Result<Option<Arc<Certificates>>, BuildError> {
    let load = |tls: &TlsFiles| Certificates::load(tls.certificate.clone(), tls.key.clone());
    Ok(config.listen.tls.as_ref().map(load).transpose()?)
}

/// The store, and the deployment's keys.
///
/// # Errors
/// [`BuildError::Open`] and [`BuildError::KeyFile`].
pub(super) async fn open_store(config: &Config) -> Result<(Arc<dyn Store>, Keyring), BuildError> {
    let folder = &config.store.folder;
    let store = Embedded::open(folder).await?;
    let keyring = key_file(config.store.key_file.as_deref().unwrap_or(&folder.join("keys")))?;
    Ok((Arc::new(store), keyring))
}
