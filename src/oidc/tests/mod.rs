//! What the relying party accepts and refuses: vectors, authentik's recorded responses, and complete exchanges with a
//! scripted provider over real sockets.

mod afresh;
mod client;
mod exchange;
mod inside;
mod keys;
mod libraries;
mod login;
mod logout;
mod properties;
mod reachability;
mod recordings;
mod refresh;
mod signer;
mod stand_in;
mod token_answer;
mod user_info;
mod vectors;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use url::Url;

use super::*;
use crate::types::{Clock, Issuer, LocalRedirect, ManualClock, Secret, Timestamp};
use crate::web::{Client, ClientSettings};
use signer::{CLIENT_SECRET, PROVIDER, STRANGER};
use stand_in::{Answer, StandIn};

/// The time limit for a response of the provider.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The clock of the tests, in seconds.
const NOW: i64 = 1_795_493_400;
/// The subject of the tokens.
const SUBJECT: &str = "af5674b8bf5b297bc0a5eb7c614ccbc142ad90ed95adf5d59f1036bdb22c6e91";

/// [`ProviderSettings`] for an issuer, everything else at its default.
fn settings(issuer: &str) -> ProviderSettings {
    ProviderSettings {
        issuer: Issuer::parse(issuer, true).unwrap(),
        internal_url: None,
        client_id: "coder-client-id".to_owned(),
        client_authentication: None,
        credential: Secret::new(CLIENT_SECRET).into(),
        redirect_uri: Url::parse("http://127.0.0.1:3000/api/v2/users/oidc/callback").unwrap(),
        scopes: ["openid", "profile", "email", "offline_access"].map(str::to_owned).to_vec(),
        auth_url_params: vec![("access_type".to_owned(), "offline".to_owned())],
        algorithms: Algorithm::ALL.to_vec(),
        email_field: "email".to_owned(),
        username_field: "preferred_username".to_owned(),
        ignore_email_verified: false,
        ignore_user_info: false,
        email_domains: Vec::new(),
        group_field: None,
        groups_allowed: Vec::new(),
        prompt: None,
        max_age: None,
        pkce: Pkce::Auto,
        danger_access_token_as_id_token: false,
        danger_allow_http: false,
    }
}

/// A provider that was discovered at a stand-in, with a clock that shows [`NOW`].
struct Scene {
    op: StandIn,
    provider: Arc<Provider>,
    clock: ManualClock,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    /// With custom settings and a custom discovery document.
    async fn with(change: impl FnOnce(&mut ProviderSettings), document: impl FnOnce(&mut Value)) -> Self {
        let scene = Self::undiscovered(change).await;
        let mut discovery = scene.op.discovery();
        document(&mut discovery);
        scene.op.describe(&discovery, &PROVIDER.jwks());
        scene.provider.discover().await.unwrap();
        scene
    }

    async fn undiscovered(change: impl FnOnce(&mut ProviderSettings)) -> Self {
        let op = StandIn::start().await;
        let mut settings = settings(&op.issuer());
        change(&mut settings);
        let client = ClientSettings { timeout: TIMEOUT, ..ClientSettings::default() };
        let (now, clock) = Clock::manual(Timestamp::from_seconds(NOW));
        let provider = Provider::new(settings, Client::new(&client).unwrap(), now);
        Self { op, provider, clock }
    }

    /// Claims of a valid ID token, except for its nonce.
    fn claims(&self) -> Value {
        json!({
            "iss": self.op.issuer(), "sub": SUBJECT, "aud": "coder-client-id",
            "exp": NOW + 300, "iat": NOW, "auth_time": NOW, "sid": "session-at-the-provider",
            "email": "alice@company.example", "email_verified": true,
            "preferred_username": "alice", "groups": ["coder-users"],
        })
    }

    /// A token response with this ID token.
    fn tokens(id_token: &str) -> Value {
        json!({
            "access_token": "access-token-canary", "token_type": "Bearer", "expires_in": 300,
            "refresh_token": "refresh-token-canary", "scope": "openid email profile offline_access",
            "id_token": id_token,
        })
    }

    /// Begins an attempt: the attempt, and the parameters of its authorization request.
    fn begin(&self) -> (PendingLogin, Map<String, Value>) {
        let (login, url) = self.provider.begin(LocalRedirect::root(), None).unwrap();
        let pairs =
            url.query_pairs().map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
        let count = url.query_pairs().count();
        let parameters: Map<String, Value> = pairs.collect();
        assert_eq!(parameters.len(), count, "no parameter is there twice");
        (login, parameters)
    }

    /// A complete sign-in with the given ID token claims and userinfo response.
    async fn sign_in(&self, claims: Value, user_info: Answer) -> Result<VerifiedIdentity, LoginError> {
        self.op.always("/userinfo", user_info);
        self.answer_token(|id_token| Answer::json(200, &Self::tokens(&id_token)), claims).await
    }

    /// A complete sign-in in which `answer` makes the token response from the ID token.
    async fn answer_token(
        &self,
        answer: impl FnOnce(String) -> Answer,
        claims: Value,
    ) -> Result<VerifiedIdentity, LoginError> {
        self.complete(answer, claims).await.map_err(|failed| failed.error)
    }

    /// The same, with the person of a failure.
    async fn complete(
        &self,
        answer: impl FnOnce(String) -> Answer,
        mut claims: Value,
    ) -> Result<VerifiedIdentity, FailedLogin> {
        let (login, parameters) = self.begin();
        if claims.get("nonce").is_none() {
            claims["nonce"] = parameters["nonce"].clone();
        }
        self.op.once("/token", answer(PROVIDER.token(&claims)));
        let query = format!("code=code-canary&state={}", login.state());
        self.provider.complete(login, AuthorizationResponse::parse(&query).unwrap()).await
    }

    /// A valid userinfo response.
    fn user_info() -> Answer {
        Answer::json(200, &json!({"sub": SUBJECT, "email": "alice@company.example", "email_verified": true}))
    }
}

/// The name and content of an error, as in the vectors.
fn name(error: &impl std::fmt::Debug) -> String {
    format!("{error:?}")
}
