//! Files that are opened at the start, and what has to be read again when they change: the certificate, the key file,
//! the files of secrets.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::BuildError;
use crate::config::{Config, TlsFiles};
use crate::grant::store::{Embedded, WatchedKeyFile, key_file, watch_key_file};
use crate::grant::{Resealed, Store, reseal};
use crate::listen::Certificates;
use crate::types::{FromFiles, Keyring};

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
    let store = Embedded::open(&config.store.folder).await?;
    let keyring = key_file(&key_file_path(config))?;
    Ok((Arc::new(store), keyring))
}

/// The key file, which is read again when it changes.
///
/// # Errors
/// [`BuildError::KeyFile`].
pub(super) fn watched_key_file(
    config: &Config,
    keyring: &Keyring,
) -> Result<Arc<WatchedKeyFile>, BuildError> {
    Ok(watch_key_file(key_file_path(config), keyring.clone())?)
}

/// Everything of the configuration that was read from files and can change while the gateway runs.
pub(super) fn watched(config: &Config) -> Vec<Arc<dyn FromFiles>> {
    let mut all: Vec<Arc<dyn FromFiles>> = config.oidc.credential.from_files().into_iter().collect();
    for secret in config.coder.issuer.client_secrets() {
        all.push(Arc::clone(secret) as Arc<dyn FromFiles>);
    }
    for tls in [&config.oidc_tls, &config.coder.tls] {
        all.extend(tls.loaded.iter().map(|loaded| Arc::clone(loaded) as Arc<dyn FromFiles>));
    }
    all
}

/// Seals everything in the store with the newest key of the key file, while no gateway uses the store.
///
/// # Errors
/// [`BuildError::Open`] and [`BuildError::KeyFile`].
pub async fn reseal_store(config: &Config) -> Result<Resealed, BuildError> {
    let store = Embedded::open(&config.store.folder).await?;
    let done = reseal(&store, &key_file(&key_file_path(config))?).await?;
    store.close().await?;
    Ok(done)
}

/// The key file: the configured one, or `keys` in the store's folder.
fn key_file_path(config: &Config) -> PathBuf {
    config.store.key_file.clone().unwrap_or_else(|| config.store.folder.join("keys"))
}
