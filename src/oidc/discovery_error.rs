//! Why the provider's documents cannot be used, and what an operator can do about it.

use thiserror::Error;

use super::keys::JwksError;
use super::mismatch::differs;
use super::unreachable::{OutageCause, Unreachable};

/// Why the provider's discovery document or keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DiscoveryError {
    /// The provider does not answer.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The response has a status other than 200.
    #[error(
        "{url} answers {status}: oidc.issuerURL must be the provider's \"OpenID Configuration Issuer\" in \
         authentik (https://…/application/o/<slug>/), and its issuer mode \"Each provider has a different \
         issuer\""
    )]
    Status {
        /// The address that was requested.
        url: String,
        /// The status of the response.
        status: u16,
    },
    /// The response is not a discovery document.
    #[error("the discovery document is not understood: {0}")]
    Document(String),
    /// A required member is missing or has another type.
    #[error("the discovery document's \"{0}\" is missing or not what it must be")]
    Member(&'static str),
    /// `issuer` is another issuer.
    #[error("the discovery document is that of the issuer {}", differs(.found, .expected))]
    Issuer {
        /// The issuer of the document.
        found: String,
        /// The configured issuer.
        expected: String,
    },
    /// An endpoint is missing, not a URL, or on plain http beyond loopback.
    #[error("the discovery document's \"{0}\" is missing, not a URL, or not https")]
    Endpoint(&'static str),
    /// The authorization code flow is not offered.
    #[error(
        "the provider does not offer the authorization code flow (response_types_supported lacks \"code\")"
    )]
    CodeFlow,
    /// The document lists methods of PKCE, and S256 is not among them.
    #[error(
        "the provider does not offer PKCE with S256: it is not among the code_challenge_methods_supported of the \
         discovery document"
    )]
    Pkce,
    /// The document lists no methods of PKCE, and `oidc.pkce` requires it to.
    #[error(
        "the discovery document lists no code_challenge_methods_supported, and oidc.pkce is \"require\": have the \
         provider announce S256, or set oidc.pkce to \"auto\", which sends S256 anyway"
    )]
    PkceNotAnnounced,
    /// The provider supports neither method of sending a client secret.
    #[error("the provider accepts neither client_secret_basic nor client_secret_post")]
    ClientAuthentication,
    /// The provider lists methods of client authentication, and the configured one is not among them.
    #[error(
        "the provider does not offer {0}: it is not among the token_endpoint_auth_methods_supported of the discovery \
         document"
    )]
    ClientMethod(&'static str),
    /// The provider accepts client assertions signed by other kinds of keys only.
    #[error(
        "the provider accepts client assertions with {0} only, and the key of oidc.oidcClientKeyFile is of another kind"
    )]
    AssertionAlgorithms(String),
    /// The provider signs ID tokens with the client secret only.
    #[error(
        "the provider signs with the client secret ({0}), which is never accepted: choose a certificate in the \
         field \"Signing Key\" on the provider in authentik"
    )]
    SharedSecret(String),
    /// The provider signs with none of the allowed algorithms.
    #[error("the provider signs with none of oidc.algorithms (it lists {0})")]
    Algorithms(String),
    /// The provider's keys cannot be used.
    #[error(transparent)]
    Keys(#[from] JwksError),
}

impl DiscoveryError {
    /// What an operator can do about the error, in a sentence or two.
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
            Self::ClientMethod(_) => {
                "Enable the method for this client at the provider, or set oidc.clientSecret in place of key or certificate."
            }
            Self::AssertionAlgorithms(_) => {
                "Use a key of a kind that the provider accepts: RSA for RS256 and PS256, P-256 for ES256, P-384 for ES384, \
                 Ed25519 for EdDSA."
            }
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
