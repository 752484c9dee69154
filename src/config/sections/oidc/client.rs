//! The gateway as a client of the provider: what it authenticates with, and its TLS settings.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::entry::{ValueKind, WhenAbsent};
use crate::config::fault::ValueFault;
use crate::config::key::{Key, SecretFileKey, keys};
use crate::config::parse;
use crate::config::reader::SettingsReader;
use crate::config::words::Words;
use crate::oidc::{ClientAuthentication, ClientCredential, ClientKey, WatchedClientKey};
use crate::types::Secret;

use super::super::outbound_tls::{OutboundTlsConfig, OutboundTlsKeys};

keys! { KEYS;
    CLIENT_ID: Key<String> = Key::new(
        "oidc.clientID", "CODER_OIDC_CLIENT_ID", ValueKind::Text, WhenAbsent::Required, parse::line,
        "The client id at the provider. Coder gets the same one, because it is the audience of the ID tokens.",
    ).and_coder().guards_sign_in();
    CLIENT_SECRET: Key<Secret> = Key::new(
        "oidc.clientSecret", "CODER_OIDC_CLIENT_SECRET", ValueKind::Secret, WhenAbsent::Required, parse::secret,
        "The client secret at the provider. Coder never gets it. Not with `oidc.oidcClientKeyFile` or `oidc.clientAuthentication: tls`, which take its place.",
    ).guards_sign_in();
    CLIENT_SECRET_FILE: SecretFileKey = SecretFileKey::new(
        "oidc.clientSecretFile", "CODER_OIDC_CLIENT_SECRET_FILE", &CLIENT_SECRET,
        "A file that holds this secret, in place of `oidc.clientSecret`. A changed file is read again without a restart.",
    );
    CLIENT_KEY_FILE: Key<PathBuf> = Key::new(
        "oidc.oidcClientKeyFile", "CODER_OIDC_CLIENT_KEY_FILE", ValueKind::Path, WhenAbsent::Nothing, parse::path,
        "PEM file with a private key that signs client assertions (`private_key_jwt`), in place of the client secret. RSA as for Coder, also ECDSA on P-256 or P-384, or Ed25519. A changed file is read again without a restart.",
    ).guards_sign_in();
    CLIENT_CERT_FILE: Key<PathBuf> = Key::new(
        "oidc.oidcClientCertFile", "CODER_OIDC_CLIENT_CERT_FILE", ValueKind::Path, WhenAbsent::Nothing, parse::path,
        "PEM file with the certificate that belongs to `oidc.oidcClientKeyFile`. Assertions name it by its thumbprint (`x5t`), as Microsoft Entra ID requires. It is not shown in TLS; that is `oidc.tlsClientCertFile`.",
    );
    CLIENT_AUTHENTICATION: Key<ClientMethod> = Key::word(
        "oidc.clientAuthentication", "VESTIBULE_OIDC_CLIENT_AUTHENTICATION",
        Words::new(
            &["auto", "basic", "post", "tls"],
            &[
                ClientMethod::Auto,
                ClientMethod::Secret(ClientAuthentication::Basic),
                ClientMethod::Secret(ClientAuthentication::Post),
                ClientMethod::Certificate,
            ],
        ),
        WhenAbsent::Default("auto"),
        "How the client secret is sent: `basic` (`client_secret_basic`), `post` (`client_secret_post`), or `auto`. `auto` begins with `basic`, tries `post` if the provider refuses the client, and then keeps to the method that the provider accepted. `tls` sends no secret: the provider knows the client by the certificate of `oidc.tlsClientCertFile` (`tls_client_auth` or `self_signed_tls_client_auth`). With `oidc.oidcClientKeyFile` leave it at `auto`.",
    );
    TLS_CA_FILE: Key<PathBuf> = Key::new(
        "oidc.tlsCAFile", "VESTIBULE_OIDC_TLS_CA_FILE", ValueKind::Path, WhenAbsent::Nothing, parse::path,
        "PEM file with the certification authorities that are trusted for the provider, and no others. Not set: those of the machine. A changed file is read again without a restart, as are the next two.",
    );
    TLS_CLIENT_CERT_FILE: Key<PathBuf> = Key::new(
        "oidc.tlsClientCertFile", "VESTIBULE_OIDC_TLS_CLIENT_CERT_FILE", ValueKind::Path, WhenAbsent::Nothing, parse::path,
        "PEM file with the certificate, and its chain, that the gateway shows to the provider if the provider asks for one (mTLS).",
    );
    TLS_CLIENT_KEY_FILE: Key<PathBuf> = Key::new(
        "oidc.tlsClientKeyFile", "VESTIBULE_OIDC_TLS_CLIENT_KEY_FILE", ValueKind::Path, WhenAbsent::Nothing, parse::path,
        "PEM file with the private key of that certificate.",
    );
}

/// What `oidc.clientAuthentication` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientMethod {
    /// Whatever the credential is for; a secret as the provider accepts it.
    Auto,
    /// A secret, sent in this way.
    Secret(ClientAuthentication),
    /// The certificate of the TLS connection.
    Certificate,
}

/// The gateway as a client of the provider.
pub(super) struct ProviderClientConfig {
    /// What it authenticates with.
    pub(super) credential: ClientCredential,
    /// How a secret is sent; none for `auto`.
    pub(super) method: Option<ClientAuthentication>,
    /// TLS towards the provider.
    pub(super) tls: OutboundTlsConfig,
}

/// Reads the credential and the TLS settings.
pub(super) fn read(r: &mut SettingsReader) -> Option<ProviderClientConfig> {
    let tls = OutboundTlsConfig::read(
        r,
        &OutboundTlsKeys {
            setting: "oidc.tls*",
            authorities: &TLS_CA_FILE,
            certificate: &TLS_CLIENT_CERT_FILE,
            key: &TLS_CLIENT_KEY_FILE,
        },
    );
    let method = r.get(&CLIENT_AUTHENTICATION);
    let credential = credential(r, method);
    if method == Some(ClientMethod::Certificate) && r.given(TLS_CLIENT_CERT_FILE.entry()).is_none() {
        r.wrong(
            CLIENT_AUTHENTICATION.entry(),
            "is tls, and there is no client certificate",
            "Set oidc.tlsClientCertFile and oidc.tlsClientKeyFile, or another method",
        );
    }
    let method = match method? {
        ClientMethod::Secret(method) => Some(method),
        ClientMethod::Auto | ClientMethod::Certificate => None,
    };
    Some(ProviderClientConfig { credential: credential?, method, tls: tls? })
}

/// A secret, unless another credential takes its place. Coder refuses a secret and a key together, too.
fn credential(r: &mut SettingsReader, method: Option<ClientMethod>) -> Option<ClientCredential> {
    let has_key = r.given(CLIENT_KEY_FILE.entry()).is_some();
    if !has_key && r.given(CLIENT_CERT_FILE.entry()).is_some() {
        r.warn(
            CLIENT_CERT_FILE.entry(),
            "has no effect without oidc.oidcClientKeyFile",
            "Set both, or remove it; a certificate for TLS is oidc.tlsClientCertFile",
        );
    }
    let other = match (has_key, method) {
        (true, Some(ClientMethod::Secret(_) | ClientMethod::Certificate)) => {
            r.wrong(
                CLIENT_AUTHENTICATION.entry(),
                "asks for another method than oidc.oidcClientKeyFile, which signs client assertions",
                "Remove one of the two",
            );
            return None;
        }
        (true, _) => CLIENT_KEY_FILE.entry(),
        (false, Some(ClientMethod::Certificate)) => CLIENT_AUTHENTICATION.entry(),
        (false, _) => return r.secret(&CLIENT_SECRET_FILE).map(ClientCredential::Secret),
    };
    for secret in [CLIENT_SECRET.entry(), CLIENT_SECRET_FILE.entry()] {
        if r.given(secret).is_some() {
            r.wrong(
                other,
                format!("takes the place of {}, which is set too", secret.path),
                "Keep one of them",
            );
            return None;
        }
    }
    if has_key { key(r).map(ClientCredential::Key) } else { Some(ClientCredential::Certificate) }
}

fn key(r: &mut SettingsReader) -> Option<Arc<WatchedClientKey>> {
    let certificate = r.get(&CLIENT_CERT_FILE);
    r.get_and(&CLIENT_KEY_FILE, |key| {
        ClientKey::load(CLIENT_KEY_FILE.entry().path, key, certificate.clone()).map_err(|error| {
            ValueFault::new(
                format!("cannot be used: {error}"),
                "Write an unencrypted private key in PEM form, and the certificate of this key; relative paths begin at \
                 the working folder",
            )
        })
    })
}
