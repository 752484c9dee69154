//! What can go wrong at the provider's endpoints, sorted by who is at fault.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::id_token::IdTokenError;
use super::jws::JwsError;
use super::keys::JwksError;
use super::mismatch::differs;
use super::text::printable;
use crate::web::ClientError;

/// The longest `Retry-After` that is taken over.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// The provider could not be asked, or said that it cannot answer now. It says nothing about anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// What happened.
    pub cause: OutageCause,
    /// How long the provider asks to be left alone (`Retry-After` in seconds, at most 5 minutes).
    pub retry_after: Option<Duration>,
}

/// Why the provider gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageCause {
    /// No connection: name, network, TLS.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection broke, or what came is no HTTP.
    Broken,
    /// The answer is beyond the size limit.
    TooLarge,
    /// 408, 429 or 5xx; authentik answers 503 while it starts and 502 when its core is down.
    Status(u16),
    /// Its discovery document has not been read yet.
    NotDiscovered,
}

impl Unreachable {
    /// As [`Self::by_status`], for an endpoint that takes POST: authentik up to 2026.8 turns an internal
    /// error there into 405, because its own error page knows GET only.
    pub(super) fn by_post_status(parts: &http::response::Parts) -> Option<Self> {
        let failed = parts.status == http::StatusCode::METHOD_NOT_ALLOWED;
        Self::by_status(parts).or(failed.then_some(Self::because(OutageCause::Status(405))))
    }

    /// Whether this may be a failure over one person's tokens alone: an internal error, a connection that
    /// breaks off or no answer in time, and no word that the provider is busy, starting or behind a gateway
    /// that has lost it. Dex 2.45 answers 500 when the person was deleted; with SQLite it never answers a
    /// refresh for a person of its own password database.
    pub fn may_concern_one_person(&self) -> bool {
        match self.cause {
            OutageCause::Status(status) => !matches!(status, 408 | 429 | 502..=504),
            OutageCause::Timeout | OutageCause::Broken => true,
            OutageCause::Connect | OutageCause::TooLarge | OutageCause::NotDiscovered => false,
        }
    }

    /// Without a `Retry-After`.
    pub(super) const fn because(cause: OutageCause) -> Self {
        Self { cause, retry_after: None }
    }

    /// An answer whose status says "not now".
    pub(super) fn by_status(parts: &http::response::Parts) -> Option<Self> {
        let status = parts.status;
        let not_now = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
        let header = parts.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let seconds = header.and_then(|text| text.trim().parse().ok());
        let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
        not_now.then_some(Self { cause: OutageCause::Status(status.as_u16()), retry_after })
    }
}

impl From<ClientError> for Unreachable {
    fn from(error: ClientError) -> Self {
        Self::because(match error {
            ClientError::Connect => OutageCause::Connect,
            ClientError::Timeout => OutageCause::Timeout,
            ClientError::TooLarge => OutageCause::TooLarge,
            ClientError::Broken => OutageCause::Broken,
        })
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            OutageCause::Connect => {
                f.write_str("the provider cannot be reached (name, network or certificate)")
            }
            OutageCause::Timeout => f.write_str("the provider did not answer in time"),
            OutageCause::Broken => f.write_str("the connection to the provider broke"),
            OutageCause::TooLarge => f.write_str("the provider's answer is too large"),
            OutageCause::Status(status) => {
                write!(f, "the provider answers {status}: it is starting, busy or failing")
            }
            OutageCause::NotDiscovered => {
                f.write_str("the provider's discovery document has not been read yet")
            }
        }
    }
}

impl std::error::Error for Unreachable {}

/// An error answer of OAuth 2.0 (RFC 6749 §4.1.2.1, §5.2), shortened and without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The error code, `invalid_client` for example; `unknown` when it is none.
    pub code: String,
    /// What the provider adds, at most 200 characters.
    pub description: Option<String>,
    /// The status of the answer; none of an error that the browser brought.
    pub status: Option<u16>,
}

impl OAuthError {
    /// Takes over what the provider, or whoever made the callback's query, said.
    pub(super) fn new(code: &str, description: Option<&str>) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_code = !code.is_empty() && code.len() <= 64 && code.chars().all(plain);
        let code = if is_code { code } else { "unknown" }.to_owned();
        let description = description.map(|text| printable(text, 200)).filter(|text| !text.is_empty());
        Self { code, description, status: None }
    }

    /// A no with this status and without an error code.
    pub(super) fn unnamed(status: u16) -> Self {
        let what = format!("status {status}, and no error of RFC 6749 §5.2");
        Self { status: Some(status), ..Self::new("", Some(&what)) }
    }

    /// Whether the provider refuses the client rather than what it presented: `invalid_client`, which may
    /// come as 400 (authentik), or any other error but `invalid_grant` with 401, the status of a failed
    /// client authentication (RFC 6749 §5.2; Keycloak 26 calls a wrong secret `unauthorized_client`).
    pub fn is_about_the_client(&self) -> bool {
        self.code == "invalid_client" || (self.status == Some(401) && self.code != "invalid_grant")
    }

    /// What an operator of authentik can do about it.
    fn remedy(&self) -> Option<&'static str> {
        match self.code.as_str() {
            "invalid_client" => Some(
                "check oidc.clientID and oidc.clientSecret; authentik also answers so when the redirect URI is \
                 not registered as it is sent",
            ),
            "unauthorized_client" if self.status == Some(401) => {
                Some("check oidc.clientID and oidc.clientSecret")
            }
            "invalid_request" | "unauthorized_client" | "unsupported_grant_type" => Some(
                "allow the client the grant types authorization_code and refresh_token: at authentik since 2026.5 \
                 they are empty unless they were chosen",
            ),
            "invalid_scope" => Some("check oidc.scopes against the provider's scope mappings"),
            _ => None,
        }
    }
}

impl OAuthError {
    /// What the provider answers, without advice.
    pub(super) fn said(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the provider answers \"{}\"", self.code)?;
        self.description.as_ref().map_or(Ok(()), |description| write!(f, ": {description}"))
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said(f)?;
        self.remedy().map_or(Ok(()), |remedy| write!(f, " ({remedy})"))
    }
}

impl std::error::Error for OAuthError {}

/// The provider answered, and the answer is of no use. It says nothing about anybody either.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProviderFault {
    /// An error of OAuth 2.0 other than the one that means the person.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// The token endpoint's answer is not what RFC 6749 §5.1 says.
    #[error("the answer of the token endpoint is not understood: {0}")]
    TokenEndpointResponse(&'static str),
    /// The ID token does not hold.
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
    /// The userinfo answer does not hold.
    #[error(transparent)]
    UserInfo(#[from] UserInfoError),
    /// A refresh gave neither an ID token nor userinfo, so nobody can be judged.
    #[error(
        "the provider sends no ID token at a refresh and userinfo is not asked: allow userinfo \
         (oidc.ignoreUserInfo: false)"
    )]
    NothingToJudge,
}

impl ProviderFault {
    /// Whether the provider refuses the client ([`OAuthError::is_about_the_client`]).
    pub(super) fn is_about_the_client(&self) -> bool {
        matches!(self, Self::OAuth(error) if error.is_about_the_client())
    }
}

/// Why a userinfo answer does not hold (OpenID Connect Core §5.3.4).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UserInfoError {
    /// Another status than 200.
    #[error(
        "the userinfo endpoint answers {0} (authentik answers 403 when the scope \"openid\" was not granted)"
    )]
    Status(u16),
    /// No JSON object, and not called a JWT (`Content-Type: application/jwt`).
    #[error("the answer of the userinfo endpoint is not a JSON object")]
    NotAnObject,
    /// A JWT that is encrypted, not signed, or not by the provider.
    #[error("the answer of the userinfo endpoint is a JWT that is refused: {0}")]
    Token(#[from] JwsError),
    /// A JWT with an issuer, audience or expiry that is not ours, or no more.
    #[error("the answer of the userinfo endpoint is a JWT whose claim \"{0}\" is not what it must be")]
    Claim(&'static str),
    /// `sub` is missing or not the ID token's.
    #[error("the answer of the userinfo endpoint is about another person (sub)")]
    Subject,
}

/// Why the provider's discovery document or keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DiscoveryError {
    /// It did not answer.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// Another status than 200.
    #[error(
        "{url} answers {status}: oidc.issuerURL must be the provider's \"OpenID Configuration Issuer\" in \
         authentik (https://…/application/o/<slug>/), and its issuer mode \"Each provider has a different \
         issuer\""
    )]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// Not a discovery document.
    #[error("the discovery document is not understood: {0}")]
    Document(String),
    /// A member that is used is missing or of a type that it cannot have.
    #[error("the discovery document's \"{0}\" is missing or not what it must be")]
    Member(&'static str),
    /// `issuer` is another.
    #[error("the discovery document is that of the issuer {}", differs(.found, .expected))]
    Issuer {
        /// What the document says.
        found: String,
        /// What is configured.
        expected: String,
    },
    /// An endpoint is missing, no URL, or on plain http beyond loopback.
    #[error("the discovery document's \"{0}\" is missing, not a URL, or not https")]
    Endpoint(&'static str),
    /// The authorization code flow is not offered.
    #[error(
        "the provider does not offer the authorization code flow (response_types_supported lacks \"code\")"
    )]
    CodeFlow,
    /// The methods of PKCE are listed, without S256.
    #[error(
        "the provider does not offer PKCE with S256: it is not among the code_challenge_methods_supported of the \
         discovery document"
    )]
    Pkce,
    /// The methods of PKCE are not listed, and must be.
    #[error(
        "the discovery document lists no code_challenge_methods_supported, and oidc.pkce is \"require\": have the \
         provider announce S256, or set oidc.pkce to \"auto\", which sends S256 anyway"
    )]
    PkceNotAnnounced,
    /// Neither way to send a client secret is offered.
    #[error("the provider takes neither client_secret_basic nor client_secret_post")]
    ClientAuthentication,
    /// ID tokens are signed with the client secret only.
    #[error(
        "the provider signs with the client secret ({0}), which is never accepted: choose a certificate in the \
         field \"Signing Key\" on the provider in authentik"
    )]
    SharedSecret(String),
    /// None of its algorithms is allowed.
    #[error("the provider signs with none of oidc.algorithms (it lists {0})")]
    Algorithms(String),
    /// Its keys cannot be used.
    #[error(transparent)]
    Keys(#[from] JwksError),
}

impl DiscoveryError {
    /// What an operator can do about it, in a sentence or two.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unreachable(Unreachable { cause: OutageCause::Connect, .. }) => {
                "Open oidc.issuerURL (or oidc.internalURL, where it is set) from this machine, with curl for example, and \
                 check its name, the network and its certificate. To trust a certification authority of your own, add \
                 it to the system's store or name it in the variable SSL_CERT_FILE."
            }
            Self::Unreachable(_) => {
                "Check that the provider is running, and look at its log and at the proxy in front of it."
            }
            Self::Status { .. } | Self::Issuer { .. } => {
                "Compare oidc.issuerURL with \"OpenID Configuration Issuer\" on the provider's page in authentik."
            }
            Self::Document(_) | Self::Member(_) => {
                "Open oidc.issuerURL with .well-known/openid-configuration appended: something other than the provider \
                 answers there."
            }
            Self::Endpoint(_) => {
                "Configure the provider to announce https addresses. An authentik behind a proxy builds them from Host and \
                 X-Forwarded-Proto."
            }
            Self::CodeFlow | Self::Pkce | Self::ClientAuthentication => "Enable it at the provider.",
            Self::PkceNotAnnounced => {
                "Configure the provider to announce S256, or set oidc.pkce to \"auto\" if you know that it checks S256."
            }
            Self::SharedSecret(_) | Self::Keys(JwksError::Empty | JwksError::NoneUsable) => {
                "Choose a \"Signing Key\" with a certificate on the provider's page in authentik, then run the check again."
            }
            Self::Keys(JwksError::NotASet) => "Look at what answers at the discovery document's jwks_uri.",
            Self::Algorithms(_) => {
                "Choose a certificate of another kind as the provider's signing key, or add its algorithm to \
                 oidc.algorithms."
            }
        }
    }
}
