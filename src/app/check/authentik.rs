//! Hints about settings in authentik that matter with this configuration. The check cannot see these settings
//! themselves. `docs/authentik.md` has the complete list.

use crate::config::Config;

use super::Finding;

/// All hints for a provider that is authentik.
pub(super) fn hints(config: &Config) -> Vec<Finding> {
    [email_verified(config), sign_out(config)].into_iter().flatten().collect()
}

/// authentik's guide for Coder has neither the mapping nor the setting, so every sign-in is refused.
fn email_verified(config: &Config) -> Option<Finding> {
    (!config.oidc.ignore_email_verified).then(|| {
        Finding::hint(
            "authentik since 2025.10 sends email_verified: false by default. With that, nobody can sign in.",
            "oidc.ignoreEmailVerified is false. Only a sign-in shows whether the provider in authentik has a scope mapping \
             that returns true.",
            "Give the provider a scope mapping for the scope \"email\" that returns \"email_verified\": True. Or, if you \
             can trust every address in authentik, set oidc.ignoreEmailVerified: true \
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
            "signOut.from is provider. authentik preselects the flow default-provider-invalidation-flow, which keeps its \
             session alive: the next sign-in asks for no password.",
            "Set the field \"Invalidation flow\" of the provider in authentik to default-invalidation-flow, or to another \
             flow with a User Logout stage.",
        )
    })
}
