//! Authenticates the gateway at the provider's token and revocation endpoints.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::client_authentication::{ClientAuthentication, ClientVerdict, SecretMethods};
use super::client_credential::ClientCredential;
use super::client_key::AssertionClaims;
use super::metadata::Metadata;
use super::settings::ProviderSettings;
use super::unreachable::{OutageCause, Unreachable};
use crate::types::{Clock, Secret, random_token};

/// How long a client assertion is valid. Short, because anyone who sees it could use it until then at a provider that
/// does not remember its `jti`.
const ASSERTION_LIFE: Duration = Duration::from_mins(1);

/// The `client_assertion_type` of a JWT (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The client authentication of one request.
#[derive(Debug)]
pub(super) enum ClientProof {
    /// `client_secret_basic`: the secret in the `Authorization` header (RFC 6749 §2.3.1).
    Basic(Secret),
    /// `client_secret_post`: the secret in the body.
    Post(Secret),
    /// `private_key_jwt`: a signed assertion, for this request only.
    Assertion(Secret),
    /// `tls_client_auth` or `self_signed_tls_client_auth`: the connection's certificate, and the client id in the body
    /// (RFC 8705 §2).
    Certificate,
}

impl ClientProof {
    /// The secret or assertion, which must not appear in a log line.
    pub(super) const fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Basic(secret) | Self::Post(secret) | Self::Assertion(secret) => Some(secret),
            Self::Certificate => None,
        }
    }

    /// The parameters of an assertion.
    pub(super) fn assertion_parameters(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Assertion(jwt) => {
                vec![("client_assertion_type", JWT_BEARER), ("client_assertion", jwt.expose())]
            }
            Self::Basic(_) | Self::Post(_) | Self::Certificate => Vec::new(),
        }
    }
}

/// Authenticates requests with the configured credential.
pub(super) struct ClientAuthenticator {
    settings: Arc<ProviderSettings>,
    methods: SecretMethods,
    clock: Clock,
}

impl ClientAuthenticator {
    pub(super) fn new(settings: Arc<ProviderSettings>, clock: Clock) -> Self {
        let methods = SecretMethods::new(settings.client_authentication);
        Self { settings, methods, clock }
    }

    /// Sends a request with the client's credential. A secret is sent by the method that is likely to work, and with
    /// `oidc.clientAuthentication: auto` once more by the other one when the provider refuses the client. When the
    /// provider still refuses it and the credential's file has changed meanwhile, the file is read and the request sent
    /// once more.
    ///
    /// # Errors
    ///
    /// The error of the last request; [`Unreachable`] when no assertion can be signed.
    pub(super) async fn authenticate<T, E, F>(
        &self,
        metadata: &Metadata,
        send: impl Fn(ClientProof) -> F,
        verdict: impl Fn(&Result<T, E>) -> ClientVerdict,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<Unreachable>,
    {
        let used = self.settings.credential.generation();
        let answer = self.attempt(metadata, &send, &verdict).await;
        if verdict(&answer) == ClientVerdict::Refused && self.has_newer_credential(used).await {
            return self.attempt(metadata, &send, &verdict).await;
        }
        answer
    }

    async fn attempt<T, E, F>(
        &self,
        metadata: &Metadata,
        send: &impl Fn(ClientProof) -> F,
        verdict: &impl Fn(&Result<T, E>) -> ClientVerdict,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<Unreachable>,
    {
        let secret = match &self.settings.credential {
            ClientCredential::Secret(secret) => secret.current(),
            ClientCredential::Key(_) => return send(self.assertion(metadata)?).await,
            ClientCredential::Certificate => return send(ClientProof::Certificate).await,
        };
        let mut methods = self.methods.all(metadata.authentication);
        loop {
            let answer = send(by_method(methods.first, (*secret).clone())).await;
            match (verdict(&answer), methods.rest()) {
                (ClientVerdict::Refused, Some(rest)) => methods = rest,
                (ClientVerdict::Accepted, _) => {
                    self.methods.remember(methods.first);
                    return answer;
                }
                (ClientVerdict::Refused | ClientVerdict::Unclear, _) => return answer,
            }
        }
    }

    /// A proof that was made up: a right provider refuses it.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] when no assertion can be signed.
    pub(super) fn made_up(&self, metadata: &Metadata) -> Result<ClientProof, Unreachable> {
        let made_up = Secret::new(random_token());
        Ok(match &self.settings.credential {
            ClientCredential::Secret(_) => by_method(self.methods.first(metadata.authentication), made_up),
            ClientCredential::Key(_) => {
                let [mine, other] = [self.assertion(metadata)?, self.assertion(metadata)?];
                with_signature_of(&mine, &other)
            }
            ClientCredential::Certificate => ClientProof::Post(made_up),
        })
    }

    /// A fresh assertion: issuer and subject are the client, the audience is the token endpoint (RFC 7523 §3), and the
    /// `jti` is new. It has no `nbf`: a provider whose clock is behind would refuse it.
    fn assertion(&self, metadata: &Metadata) -> Result<ClientProof, Unreachable> {
        let ClientCredential::Key(key) = &self.settings.credential else {
            return Err(Unreachable::because(OutageCause::ClientKey));
        };
        let (key, id, jti) = (key.current(), self.settings.client_id.as_str(), random_token());
        let now = self.clock.now();
        let claims = AssertionClaims {
            iss: id,
            sub: id,
            aud: metadata.token.as_str(),
            jti: &jti,
            iat: now.as_seconds(),
            exp: (now + ASSERTION_LIFE).as_seconds(),
        };
        let signed = key
            .algorithm(metadata.assertion_algorithms.as_deref())
            .and_then(|algorithm| key.sign(algorithm, &claims));
        signed.map(ClientProof::Assertion).ok_or_else(|| {
            warn!(
                ?key,
                "the provider lists no algorithm that the key of oidc.oidcClientKeyFile can sign with"
            );
            Unreachable::because(OutageCause::ClientKey)
        })
    }

    /// Reads the credential again if its file has changed. Returns whether it is newer than the `used` one; another request may have read it.
    async fn has_newer_credential(&self, used: u64) -> bool {
        let Some(credential) = self.settings.credential.from_files() else { return false };
        let read = move || {
            if credential.changed() {
                credential.reload_and_log();
            }
            credential.generation() != used
        };
        tokio::task::spawn_blocking(read).await.unwrap_or(false)
    }
}

fn by_method(method: ClientAuthentication, secret: Secret) -> ClientProof {
    match method {
        ClientAuthentication::Basic => ClientProof::Basic(secret),
        ClientAuthentication::Post => ClientProof::Post(secret),
    }
}

/// An assertion with the signature of another one.
fn with_signature_of(assertion: &ClientProof, other: &ClientProof) -> ClientProof {
    let [jwt, other] = [assertion, other].map(|proof| proof.secret().map_or("", Secret::expose));
    let (signed, signature) = (jwt.rsplit_once('.'), other.rsplit_once('.'));
    let [signed, signature] =
        [signed.map_or("", |(signed, _)| signed), signature.map_or("", |(_, last)| last)];
    ClientProof::Assertion(Secret::new(format!("{signed}.{signature}")))
}
