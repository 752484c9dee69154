//! How the stand-in for authentik behaves, and misbehaves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::provider_clients::RegisteredKey;

/// What an endpoint does instead of responding properly.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status with this JSON text.
    Status(u16, String),
    /// 500 with a page that quotes the request, as frameworks write it in debug mode.
    Quotes,
    /// 200 with something that is not JSON.
    Garbled,
    /// Closes the connection.
    HangUp,
    /// Waits until [`Provider::open_gate`], then responds properly.
    Gate,
}

/// The format of userinfo (OpenID Connect Core §5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserInfoAs {
    Json,
    /// `application/jwt`, signed as ID tokens are: a setting of a client in Keycloak 26.7.3.
    Signed,
    /// `application/jwt`, a JWE.
    Encrypted,
}

/// An error response of the token endpoint: status, `error`, `error_description`.
pub type Refusal = (u16, &'static str, &'static str);

/// How the token endpoint refuses, by product.
#[derive(Clone, Copy, Debug)]
pub struct Refusals {
    /// A wrong client id or secret.
    pub client: Refusal,
    /// An unknown refresh token.
    pub refresh_token: Refusal,
    /// An unknown code.
    pub code: Refusal,
}

impl Refusals {
    /// authentik 2026.8.0-rc1: all of them 400.
    pub const AUTHENTIK: Self = Self {
        client: (400, "invalid_client", "Client authentication failed"),
        refresh_token: (400, "invalid_grant", "The provided authorization grant or refresh token is invalid"),
        code: (400, "invalid_grant", "The provided authorization grant or refresh token is invalid"),
    };
    /// Dex 2.45.1: a dead refresh token is `invalid_request`.
    pub const DEX: Self = Self {
        client: (401, "invalid_client", "Invalid client credentials."),
        refresh_token: (
            400,
            "invalid_request",
            "Refresh token is invalid or has already been claimed by another client.",
        ),
        code: (400, "invalid_request", "Invalid or expired code parameter."),
    };
    /// Keycloak 26.7.3: a wrong secret is 401 `unauthorized_client`.
    pub const KEYCLOAK: Self = Self {
        client: (401, "unauthorized_client", "Invalid client or Invalid client credentials"),
        refresh_token: (400, "invalid_grant", "Invalid refresh token"),
        code: (400, "invalid_grant", "Code not valid"),
    };
    /// No known product: one that checks the grant before the client.
    pub const UNTELLING: Self = Self { client: (400, "invalid_grant", ""), ..Self::AUTHENTIK };
}

/// How the stand-in behaves; the defaults are authentik's.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Knobs {
    pub access_token_life: Duration,
    /// `offline_access` is granted: a refresh token comes.
    pub offline_access: bool,
    /// A used refresh token is spent (authentik's default).
    pub rotate: bool,
    /// No new refresh token at a refresh (authentik's `refresh_token_threshold`).
    pub no_new_refresh_token: bool,
    /// Sends the RFC 9207 `iss` and advertises it.
    pub response_iss: bool,
    pub at_hash: bool,
    /// ID tokens carry the scope claims (authentik's `include_claims_in_id_token`).
    pub claims_in_id_token: bool,
    pub auth_methods: Vec<&'static str>,
    /// The one method of client authentication that this client may use, whatever is announced.
    pub client_uses: Option<&'static str>,
    /// The client secret.
    pub client_secret: &'static str,
    /// The client has no secret, but this key, and signs assertions.
    pub client_key: Option<RegisteredKey>,
    /// The client has no secret, but this certificate, and shows it in TLS.
    pub client_certificate: Option<RegisteredKey>,
    /// The response to a user's refreshes instead of tokens: status and body.
    pub no_refresh_for: BTreeMap<&'static str, (u16, &'static str)>,
    /// One refresh token for each user: a new sign-in replaces the previous one.
    pub one_refresh_token: bool,
    /// The prefix of refresh tokens.
    pub refresh_token_prefix: &'static str,
    /// Replaces or removes members of the token endpoint's responses to refreshes.
    pub refresh_answer: Map<String, Value>,
    /// How it refuses.
    pub refusals: Refusals,
    /// The registered redirect URIs; `None` allows all.
    pub redirect_uris: Option<Vec<String>>,
    /// The grant types allowed to the client, which are checked first (authentik since 2026.5).
    pub grant_types: Vec<&'static str>,
    /// The client is public: its secret is not checked.
    pub public: bool,
    /// Replaces members of the discovery document.
    pub discovery: Map<String, Value>,
    /// Replaces or (with null) removes claims of every ID token.
    pub id_token: Map<String, Value>,
    /// Replaces or removes members of the ID token's header.
    pub header: Map<String, Value>,
    /// Replaces or removes claims of userinfo.
    pub userinfo: Map<String, Value>,
    /// A session at the provider is kept and responds silently, as authentik's does: `auth_time` is that of the sign-in
    /// that began it, `prompt=login` asks once, and `max_age` asks whenever it has passed. Otherwise every
    /// authorization request finds somebody who has just signed in.
    pub keeps_session: bool,
    /// How userinfo is answered.
    pub userinfo_as: UserInfoAs,
    /// One token is both the access token and the ID token (Casdoor 3.158.0).
    pub one_token: bool,
    /// Further entries of the key set, of any kind; they come first.
    pub foreign_keys: Vec<Value>,
    /// Additional members of each of its own keys in the key set.
    pub jwk: Map<String, Value>,
    /// Removes or replaces these claims at a refresh.
    pub refreshed: Map<String, Value>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            access_token_life: Duration::from_mins(5),
            offline_access: true,
            rotate: true,
            no_new_refresh_token: false,
            response_iss: false,
            at_hash: false,
            claims_in_id_token: true,
            auth_methods: vec!["client_secret_post", "client_secret_basic"],
            client_uses: None,
            client_secret: super::provider::CLIENT_SECRET,
            client_key: None,
            client_certificate: None,
            no_refresh_for: BTreeMap::new(),
            one_refresh_token: false,
            refresh_token_prefix: "refresh-",
            refresh_answer: Map::new(),
            refusals: Refusals::AUTHENTIK,
            redirect_uris: None,
            grant_types: vec!["authorization_code", "refresh_token"],
            public: false,
            discovery: Map::new(),
            id_token: Map::new(),
            header: Map::new(),
            userinfo: Map::new(),
            keeps_session: false,
            userinfo_as: UserInfoAs::Json,
            one_token: false,
            foreign_keys: Vec::new(),
            jwk: Map::new(),
            refreshed: Map::new(),
        }
    }
}

impl Knobs {
    /// Whether a redirect URI is unregistered.
    pub(super) fn is_foreign(&self, redirect_uri: &str) -> bool {
        self.redirect_uris.as_ref().is_some_and(|known| !known.iter().any(|uri| uri == redirect_uri))
    }
}

/// Replaces members, or with null removes them.
pub(super) fn overlay(onto: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            onto.remove(name);
        } else {
            onto.insert(name.clone(), value.clone());
        }
    }
}
