//! How the stand-in for authentik behaves, and misbehaves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

/// What an endpoint does instead of answering properly.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status with this JSON text.
    Status(u16, String),
    /// 500 with a page that quotes the request, as frameworks write it in debug mode.
    Quotes,
    /// 200 with something that is no JSON.
    Garbled,
    /// Closes the connection.
    HangUp,
    /// Waits until [`Provider::open_gate`], then answers properly.
    Gate,
}

/// How userinfo is answered (OpenID Connect Core §5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserInfoAs {
    Json,
    /// `application/jwt`, signed as ID tokens are: a setting of a client in Keycloak 26.7.3.
    Signed,
    /// `application/jwt`, a JWE.
    Encrypted,
}

/// An error answer of the token endpoint: status, `error`, `error_description`.
pub type Refusal = (u16, &'static str, &'static str);

/// How the token endpoint refuses, by product.
#[derive(Clone, Copy, Debug)]
pub struct Refusals {
    /// A wrong client id or secret.
    pub client: Refusal,
    /// A refresh token that nobody has.
    pub refresh_token: Refusal,
    /// A code that nobody has.
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
    /// Nobody's: one that looks at the grant before it looks at the client.
    pub const UNTELLING: Self = Self { client: (400, "invalid_grant", ""), ..Self::AUTHENTIK };
}

/// How the stand-in behaves; the defaults are authentik's.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Knobs {
    pub access_token_life: Duration,
    /// `offline_access` is granted: a refresh token comes.
    pub offline_access: bool,
    /// A refresh token that was used is spent (authentik's default).
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
    /// What a user's refreshes are answered with instead of tokens: status and body.
    pub no_refresh_for: BTreeMap<&'static str, (u16, &'static str)>,
    /// One refresh token for each user: that of a new sign-in takes the place of the one before.
    pub one_refresh_token: bool,
    /// How refresh tokens begin.
    pub refresh_token_prefix: &'static str,
    /// Replaces or removes members of the token endpoint's answers to refreshes.
    pub refresh_answer: Map<String, Value>,
    /// How it refuses.
    pub refusals: Refusals,
    /// The redirect URIs that are registered; `None` for whatever is asked for.
    pub redirect_uris: Option<Vec<String>>,
    /// The grant types allowed to the client, which come first (authentik since 2026.5).
    pub grant_types: Vec<&'static str>,
    /// The client is public: its secret is not looked at.
    pub public: bool,
    /// Replaces members of the discovery document.
    pub discovery: Map<String, Value>,
    /// Replaces or (with null) removes claims of every ID token.
    pub id_token: Map<String, Value>,
    /// Replaces or removes members of the ID token's header.
    pub header: Map<String, Value>,
    /// Replaces or removes claims of userinfo.
    pub userinfo: Map<String, Value>,
    /// A session at the provider is kept and answers silently, as authentik's does: `auth_time` is that of the sign-in
    /// that began it, `prompt=login` asks once, and `max_age` asks whenever it has passed. Otherwise every
    /// authorization request finds somebody who has just signed in.
    pub keeps_session: bool,
    /// How userinfo is answered.
    pub userinfo_as: UserInfoAs,
    /// One token is both the access token and the ID token (Casdoor 3.158.0).
    pub one_token: bool,
    /// Further entries of the key set, whatever they are; they come first.
    pub foreign_keys: Vec<Value>,
    /// Members that each of its own keys has in the key set as well.
    pub jwk: Map<String, Value>,
    /// Takes these claims away again at a refresh, or puts others.
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
    /// Whether a redirect URI is not registered.
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
