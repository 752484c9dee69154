//! The issuer listener: the OpenID provider that Coder sees. Only Coder can reach it.
//!
//! It passes on the provider's own issuer identifier, ID tokens and keys. It has no signing key and cannot make up an
//! identity. It adds a refresh handle that stays the same however often it is used, because Coder refreshes without a
//! lock.
//!
//! | request | response |
//! | --- | --- |
//! | `GET /.well-known/openid-configuration` | `discovery.rs` |
//! | `GET /jwks` | the keys of the provider's set that the gateway can read |
//! | `POST /token` | `token.rs`, the client by `client.rs` |
//! | `GET`, `POST /userinfo` | `user_info.rs` |
//! | `GET /healthz` | `ok` |
//! | anything else | 404; `/authorize` explains why nobody is sent there |

mod answer;
mod client;
mod discovery;
mod form;
mod route;
#[cfg(test)]
mod tests;
mod token;
mod tokens;
mod user_info;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, header};

use crate::oidc::{Documents, Provider};
use crate::types::WatchedSecret;
use crate::web::Response;
use answer::{empty, json, text};
use client::ClientCredentials;
use route::IssuerRoute;

pub use discovery::Endpoints;
pub use tokens::{TokenRefusal, TokenSource};

/// The issuer listener's part of the configuration.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// Where Coder reaches the listener (`coder.issuer.url`), with or without a trailing slash.
    pub url: String,
    /// The client id that Coder presents: the provider's own (`oidc.clientID`), because Coder expects it as the `aud`
    /// of the ID token.
    pub client_id: String,
    /// The secrets that Coder may present, the present one first (`coder.issuer.clientSecret`): Coder's own, not the
    /// provider's.
    pub client_secrets: Vec<Arc<WatchedSecret>>,
}

/// The issuer for Coder. `T` is the grants, as `Arc<Grants>`; clones share everything.
#[derive(Clone)]
pub struct IssuerEndpoint<T> {
    endpoints: Arc<Endpoints>,
    credentials: Arc<ClientCredentials>,
    tokens: T,
    provider: Arc<Provider>,
}

impl<T: TokenSource> IssuerEndpoint<T> {
    /// An issuer that serves `tokens` and the documents of `provider`.
    pub fn new(settings: IssuerSettings, tokens: T, provider: Arc<Provider>) -> Self {
        let IssuerSettings { url, client_id, client_secrets } = settings;
        Self {
            endpoints: Arc::new(Endpoints::of(&url)),
            credentials: Arc::new(ClientCredentials::new(client_id, client_secrets)),
            tokens,
            provider,
        }
    }

    /// Responds to one request.
    pub async fn handle<B>(&self, request: Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send,
    {
        let (parts, body) = request.into_parts();
        let Some(route) = self.endpoints.route(parts.uri.path()) else {
            return text(StatusCode::NOT_FOUND, "Nothing is here. This address is for Coder alone.\n");
        };
        if !route.takes(&parts.method) {
            let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(header::ALLOW, route.methods());
            return response;
        }
        match route {
            IssuerRoute::Discovery => {
                self.with_documents(|documents| discovery::answer(documents, &self.endpoints))
            }
            IssuerRoute::Keys => {
                self.with_documents(|documents| json(StatusCode::OK, documents.keys.clone()))
            }
            IssuerRoute::Token => token::answer(&self.tokens, &self.credentials, &parts.headers, body).await,
            IssuerRoute::UserInfo => user_info::answer(&self.tokens, &parts.headers).await,
            IssuerRoute::Authorize => text(
                StatusCode::NOT_FOUND,
                "Nobody signs in here: this address is for Coder alone. Open Coder's access URL instead.\n",
            ),
            IssuerRoute::Health => text(StatusCode::OK, "ok\n"),
        }
    }

    /// The last known documents are served while the provider does not answer: Coder fetches them when it starts, and
    /// does not start without them.
    fn with_documents(&self, answer: impl FnOnce(&Documents) -> Response) -> Response {
        self.provider.documents().map_or_else(
            || {
                answer::unavailable(
                    answer::ISSUER_RETRY_AFTER,
                    "the provider has not been reached yet, so its documents are not known",
                )
            },
            |documents| answer(&documents),
        )
    }
}
