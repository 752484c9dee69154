//! What is to be known about authentik beforehand, as far as the configuration shows that it matters. Whether it
//! is set up so there cannot be seen from here. `docs/authentik.md` has it all.

use crate::config::Config;

use super::Finding;

/// All hints for a provider that is authentik.
pub(super) fn hints(config: &Config) -> Vec<Finding> {
    [email_verified(config), sign_out(config)].into_iter().flatten().collect()
}

/// authentik's guide for Coder has neither the mapping nor the setting, and every sign-in is refused.
fn email_verified(config: &Config) -> Option<Finding> {
    (!config.oidc.ignore_email_verified).then(|| {
        Finding::hint(
            "authentik since 2025.10 sends email_verified: false by default. With that, nobody can sign in.",
            "oidc.ignoreEmailVerified is false. Whether the provider in authentik has a scope mapping that returns true \
             shows only at a sign-in.",
            "Give the provider a scope mapping for the scope \"email\" that returns \"email_verified\": True. Or, if \
             every address in authentik can be trusted, set oidc.ignoreEmailVerified: true \
             (CODER_OIDC_IGNORE_EMAIL_VERIFIED) and give Coder the new environment that `vestibule coder-env` prints. \
             See docs/authentik.md.",
        )
    })
}

/// `default-provider-invalidation-flow`, which authentik's form preselects, leaves its session alive.
fn sign_out(config: &Config) -> Option<Finding> {
    config.sign_out.at_provider.then(|| {
        Finding::hint(
            "A sign-out ends the session at authentik only with the right invalidation flow.",
            "signOut.from is provider. The flow that authentik preselects, default-provider-invalidation-flow, keeps its \
             session alive: the next sign-in asks for no password.",
            "Set the field \"Invalidation flow\" of the provider in authentik to default-invalidation-flow, or to another \
             flow with a User Logout stage.",
        )
    })
}
