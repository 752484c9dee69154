//! What the gateway authenticates with at the provider.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::client_key::WatchedClientKey;
use crate::types::{FromFiles, Secret, Watched, WatchedSecret};

/// The credential of the gateway as a client of the provider.
#[derive(Clone, Debug)]
pub enum ClientCredential {
    /// A secret (`oidc.clientSecret`, `oidc.clientSecretFile`).
    Secret(Arc<WatchedSecret>),
    /// A private key that signs client assertions (`oidc.oidcClientKeyFile`).
    Key(Arc<WatchedClientKey>),
    /// The certificate of the TLS connection (`oidc.clientAuthentication: tls`; RFC 8705 §2).
    Certificate,
}

impl ClientCredential {
    /// The present client secret, if it is one.
    pub fn secret(&self) -> Option<Arc<Secret>> {
        match self {
            Self::Secret(secret) => Some(secret.current()),
            Self::Key(_) | Self::Certificate => None,
        }
    }

    /// The file of the certificate that client assertions name, if there is one.
    pub fn certificate_file(&self) -> Option<&Path> {
        match self {
            Self::Key(key) => key.files().get(1).map(PathBuf::as_path),
            Self::Secret(_) | Self::Certificate => None,
        }
    }

    /// What has to be read again when a file changes.
    pub fn from_files(&self) -> Option<Arc<dyn FromFiles>> {
        match self {
            Self::Secret(secret) => Some(Arc::clone(secret) as Arc<dyn FromFiles>),
            Self::Key(key) => Some(Arc::clone(key) as Arc<dyn FromFiles>),
            Self::Certificate => None,
        }
    }

    /// How often it has been replaced.
    pub(super) fn generation(&self) -> u64 {
        self.from_files().map_or(0, |files| files.generation())
    }

    /// What it is, for an operator.
    pub const fn described(&self) -> &'static str {
        match self {
            Self::Secret(_) => "client secret",
            Self::Key(_) => "client assertion",
            Self::Certificate => "client certificate",
        }
    }
}

impl From<Secret> for ClientCredential {
    fn from(secret: Secret) -> Self {
        Self::Secret(Watched::fixed(secret))
    }
}
