//! The settings of the relying party.

use std::time::Duration;

use url::Url;

use super::algorithm::Algorithm;
use super::client_authentication::ClientAuthentication;
use super::client_credential::ClientCredential;
use crate::types::{EmailDomain, Issuer};

/// The claim that shows whether the address is verified (OpenID Connect Core §5.1).
pub(super) const EMAIL_VERIFIED: &str = "email_verified";

/// The parameters of an authorization request that the relying party sets itself, or that have no place in one:
/// [`ProviderSettings::auth_url_params`] cannot change them.
pub const RESERVED_PARAMETERS: [&str; 14] = [
    "response_type",
    "response_mode",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
];

/// What a provider must announce about PKCE in its discovery document (RFC 8414 §2,
/// `code_challenge_methods_supported`). The gateway always sends S256, and always refuses a list without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pkce {
    /// Nothing: Microsoft Entra ID and AWS Cognito announce no list, but check S256.
    Auto,
    /// A list with S256.
    Require,
}

/// How to reach the provider, and who may come in.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, as in the file")]
pub struct ProviderSettings {
    /// The provider's issuer identifier, byte for byte as its discovery document has it
    /// (`oidc.issuerURL`).
    pub issuer: Issuer,
    /// The provider's internal address, when it differs from the issuer's (`oidc.internalURL`). Default: none.
    pub internal_url: Option<Url>,
    /// Our client identifier at the provider (`oidc.clientID`).
    pub client_id: String,
    /// What we authenticate with at the provider.
    pub credential: ClientCredential,
    /// How a client secret is sent (`oidc.clientAuthentication`). None: as the provider accepts it, Basic first. Without
    /// a meaning for other credentials.
    pub client_authentication: Option<ClientAuthentication>,
    /// Where the provider sends the browser back to; registered there as *Strict*.
    pub redirect_uri: Url,
    /// The scopes to request (`oidc.scopes`); `openid` is added when it is missing.
    pub scopes: Vec<String>,
    /// Further parameters of the authorization request (`oidc.authURLParams`). Protocol parameters
    /// among them are ignored.
    pub auth_url_params: Vec<(String, String)>,
    /// The allowed signature algorithms (`oidc.algorithms`). Default: [`Algorithm::ALL`].
    pub algorithms: Vec<Algorithm>,
    /// The claim with the email address (`oidc.emailField`). Coder's default: `email`.
    pub email_field: String,
    /// The claim with the user name (`oidc.usernameField`). If the email claim is missing, an address in it is used.
    /// Coder's default: `preferred_username`.
    pub username_field: String,
    /// Accepts addresses that the provider does not report as verified (`oidc.ignoreEmailVerified`). Default: false.
    pub ignore_email_verified: bool,
    /// Uses the claims of the ID token only (`oidc.ignoreUserInfo`). Default: false.
    pub ignore_user_info: bool,
    /// The allowed domains (`oidc.emailDomain`). Empty: all.
    pub email_domains: Vec<EmailDomain>,
    /// The claim with the groups (`oidc.groupField`). Default: none, or `groups` when that is a scope.
    pub group_field: Option<String>,
    /// The groups of which one is required (`oidc.groupAllowed`). Empty: none is required.
    pub groups_allowed: Vec<String>,
    /// The `prompt` sent to the provider (OpenID Connect Core §3.1.2.1). Default: none.
    pub prompt: Option<String>,
    /// The longest time since the person last signed in at the provider (`max_age`, `auth_time`).
    /// Default: none.
    pub max_age: Option<Duration>,
    /// What a provider must announce about PKCE (`oidc.pkce`). Default: [`Pkce::Auto`].
    pub pkce: Pkce,
    /// Accepts a token response whose ID token is the access token (`oidc.dangerAccessTokenAsIDToken`). Dangerous:
    /// Coder then receives the access token, and a sign-out puts it into a URL. Default: false.
    pub danger_access_token_as_id_token: bool,
    /// Accepts plain http beyond loopback. Dangerous: tokens and the client secret cross the network unencrypted.
    /// Default: false.
    pub danger_allow_http: bool,
}

impl ProviderSettings {
    /// The claim with the groups, chosen as Coder does: the configured one, else `groups` when that scope is requested.
    pub fn effective_group_field(&self) -> Option<&str> {
        let by_scope = || self.scopes.iter().any(|scope| scope == "groups").then_some("groups");
        self.group_field.as_deref().filter(|field| !field.is_empty()).or_else(by_scope)
    }
}
