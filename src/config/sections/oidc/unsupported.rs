//! Coder's settings that cannot work behind the gateway. They are listed so that each is refused with the reason.

use crate::config::entry::{KeyEntry, KeyRole, ValueKind, WhenAbsent};
use crate::config::key::keys;

keys! { KEYS;
    SKIP_ISSUER_CHECKS: KeyEntry = KeyEntry::new(
        "oidc.dangerousSkipIssuerChecks", "CODER_DANGEROUS_OIDC_SKIP_ISSUER_CHECKS", ValueKind::Bool, WhenAbsent::Default("false"),
        "Has no effect: the gateway always compares the issuer. Only Coder behind the gateway needs it (`vestibule coder-env`).",
    ).with_role(KeyRole::Ignored(
        "The gateway always compares the issuer. Remove the line; `vestibule coder-env` sets it for Coder, where it belongs",
    ));
    ACCESS_TOKEN_CLAIMS: KeyEntry = KeyEntry::new(
        "oidc.accessTokenClaims", "CODER_OIDC_ACCESS_TOKEN_CLAIMS", ValueKind::Bool, WhenAbsent::Nothing,
        "Not supported: an access token is never a source of claims.",
    ).with_role(KeyRole::Refused(
        "An access token is never a source of claims. Remove the line and map the claims into the ID token or the userinfo answer at the provider",
    ));
    REDIRECT_URL: KeyEntry = KeyEntry::new(
        "oidc.oidc-redirect-url", "CODER_OIDC_REDIRECT_URL", ValueKind::Url, WhenAbsent::Nothing,
        "Not supported: users always return to the access URL.",
    ).with_role(KeyRole::Refused(
        "Users always return to the access URL, where their sign-in began. Remove the line and register that callback at the provider",
    ));
    REDIRECT_ALLOWED_HOSTS: KeyEntry = KeyEntry::new(
        "oidc.oidcRedirectAllowedHosts", "CODER_OIDC_REDIRECT_ALLOWED_HOSTS", ValueKind::List, WhenAbsent::Nothing,
        "Not supported: the gateway serves one access URL.",
    ).with_role(KeyRole::Refused("The gateway serves one access URL. Remove the line"));
}
