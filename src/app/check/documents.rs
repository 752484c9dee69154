//! The provider's discovery document and keys.

use crate::config::Config;
use crate::oidc::{Announced, Provider};

use super::Finding;

/// The scope that requests a refresh token (OpenID Connect Core 1.0 §11).
const OFFLINE_ACCESS: &str = "offline_access";

/// Reads the documents as the gateway does when it starts.
pub(super) async fn discovery(provider: &Provider) -> Finding {
    let issuer = provider.issuer();
    match provider.discover().await {
        Ok(()) => Finding::ok(format!("{issuer} answers, and its documents and keys are valid.")),
        Err(error) => {
            Finding::wrong(format!("Users cannot sign in with {issuer}."), error.to_string(), error.remedy())
        }
    }
}

/// Compares the requested scopes with those that the provider lists. A missing scope has a meaning only for authentik:
/// Ory Hydra 26.2.0 and Spring Authorization Server 7.0.6 grant scopes that they do not list.
pub(super) fn scopes(config: &Config, announced: &Announced) -> Vec<Finding> {
    let wanted = &config.oidc.scopes;
    let listed = announced.scopes.as_deref();
    let is_missing = |scope: &str| listed.is_some_and(|listed| !listed.iter().any(|known| known == scope));
    let mut findings: Vec<Finding> =
        offline_access(wanted, &is_missing, announced.is_authentik).into_iter().collect();
    findings.extend(offline_session(config));
    if !announced.is_authentik {
        return findings;
    }
    for scope in wanted.iter().filter(|scope| *scope != OFFLINE_ACCESS && is_missing(scope)) {
        let what = format!("The provider in authentik has no scope mapping for \"{scope}\".");
        let remedy = format!(
            "Select the mapping for \"{scope}\" in the field \"Scopes\" (Advanced protocol settings) of the provider in \
             authentik, or remove the scope from oidc.scopes."
        );
        let cause = "authentik silently drops such a scope, so its claims are missing.";
        let needed = matches!(scope.as_str(), "openid" | "email") || needed_for_groups(config, scope);
        let finding = if needed { Finding::wrong } else { Finding::hint };
        findings.push(finding(what, cause.to_owned(), remedy));
    }
    findings
}

/// authentik sends `groups` with the scope `profile`.
fn needed_for_groups(config: &Config, scope: &str) -> bool {
    scope == "profile"
        && !config.oidc.groups_allowed.is_empty()
        && config.oidc.group_field.as_deref() == Some("groups")
}

/// Only the first sign-in shows whether the provider sends a refresh token: Keycloak and Spring Authorization Server send
/// one without `offline_access`.
fn offline_access(
    wanted: &[String],
    is_missing: &impl Fn(&str) -> bool,
    is_authentik: bool,
) -> Option<Finding> {
    let what = "The provider may send no refresh token. Sessions would then end with the access token.";
    if !wanted.iter().any(|scope| scope == OFFLINE_ACCESS) {
        let remedy = if is_authentik {
            "Add offline_access to oidc.scopes, and its scope mapping to the provider in authentik."
        } else {
            "Sign in once and look at the log: it warns when the provider sends no refresh token. Then add offline_access to \
             oidc.scopes."
        };
        let cause = "oidc.scopes lacks offline_access. Some providers, Keycloak for example, send a refresh token \
                     without it.";
        return Some(Finding::hint(what, cause, remedy));
    }
    is_missing(OFFLINE_ACCESS).then(|| {
        let remedy = if is_authentik {
            "Select the mapping for \"offline_access\" in the field \"Scopes\" (Advanced protocol settings) of the \
             provider in authentik."
        } else {
            "Sign in once and look at the log: it warns when the provider sends no refresh token. Then allow this client \
             offline_access at the provider."
        };
        Finding::hint(what, "The provider does not list the scope offline_access (scopes_supported).", remedy)
    })
}

/// With `offline_access` Keycloak 26.7.3 creates only an *offline* session: features that need a browser session do not
/// work.
fn offline_session(config: &Config) -> Option<Finding> {
    let is_realm = config.oidc.issuer.as_str().contains("/realms/");
    let asked = config.oidc.scopes.iter().any(|scope| scope == OFFLINE_ACCESS);
    (is_realm && asked).then(|| {
        Finding::hint(
            "If this is Keycloak, offline_access prevents single sign-on and back-channel logout.",
            "oidc.scopes has offline_access. Keycloak then creates only an offline session: it neither signs users in to \
             other applications nor notifies the gateway when they sign out.",
            "Remove offline_access from oidc.scopes: Keycloak sends a refresh token without it.",
        )
    })
}

/// authentik lists encryption exactly when the provider has an encryption key, and then encrypts every token. Other
/// providers list the algorithms that a client may request, which says nothing about this client.
pub(super) fn encryption(announced: &Announced) -> Option<Finding> {
    (announced.is_authentik && announced.lists_encryption).then(|| {
        Finding::wrong(
            "The provider in authentik encrypts its ID tokens, which the gateway cannot read.",
            "The provider has an encryption key (id_token_encryption_alg_values_supported).",
            "Clear the field \"Encryption Key\" of the provider in authentik.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::check::Level;

    const MINIMAL: &str = include_str!("../../../config/minimal.yaml");

    fn announced(is_authentik: bool, scopes: &[&str]) -> Announced {
        let scopes = Some(scopes.iter().map(|scope| (*scope).to_owned()).collect());
        Announced { is_authentik, scopes, lists_encryption: true }
    }

    fn levels(config: &Config, announced: &Announced) -> Vec<Level> {
        scopes(config, announced).iter().map(|finding| finding.level).collect()
    }

    /// Ory Hydra 26.2.0 lists neither `profile` nor `email`, Spring Authorization Server 7.0.6 lists `openid` alone;
    /// both grant them. Keycloak 26.7.3 and Spring send refresh tokens without `offline_access`.
    #[test]
    fn a_short_list_of_scopes_is_a_hint_at_most_unless_it_is_authentiks() {
        let config = Config::from_text(MINIMAL).unwrap();
        assert_eq!(levels(&config, &announced(false, &["openid", "offline_access"])), []);
        assert_eq!(levels(&config, &announced(false, &["openid"])), [Level::Hint]);
        assert_eq!(levels(&config, &Announced { scopes: None, ..announced(false, &[]) }), []);
        let without = Config::from_text(&MINIMAL.replace(", offline_access", "")).unwrap();
        let found = scopes(&without, &announced(false, &["openid"])).remove(0);
        assert!(found.level == Level::Hint && found.cause.contains("Keycloak"), "{found:?}");
        assert!(!found.remedy.contains("authentik"), "{found:?}");
    }

    /// Keycloak 26.7.3.
    #[test]
    fn offline_access_at_a_realm_is_a_hint_to_leave_it_out() {
        let realm = MINIMAL.replace("9100/application/o/coder/", "9100/realms/acme");
        let other = announced(false, &["openid", "offline_access"]);
        let found = scopes(&Config::from_text(&realm).unwrap(), &other);
        assert!(
            found.len() == 1 && found[0].remedy.contains("Remove offline_access from oidc.scopes"),
            "{found:?}"
        );
        let without = Config::from_text(&realm.replace(", offline_access", "")).unwrap();
        assert!(scopes(&without, &other)[0].cause.contains("lacks"), "the other way round");
    }

    /// authentik 2026.8.0-rc1 lists the scopes that the provider has a mapping for.
    #[test]
    fn at_authentik_a_scope_without_a_mapping_is_named_with_the_field_to_change() {
        let config = Config::from_text(MINIMAL).unwrap();
        let all = ["openid", "profile", "email", "offline_access"];
        assert_eq!(levels(&config, &announced(true, &all)), []);
        for (missing, level) in [
            ("openid", Level::Wrong),
            ("email", Level::Wrong),
            ("profile", Level::Hint),
            ("offline_access", Level::Hint),
        ] {
            let rest: Vec<_> = all.into_iter().filter(|scope| *scope != missing).collect();
            let found = scopes(&config, &announced(true, &rest));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].level == level && found[0].remedy.contains("\"Scopes\""), "{found:?}");
        }
        let groups = MINIMAL.replace("oidc:\n", "oidc:\n  groupField: groups\n  groupAllowed: [coder]\n");
        let groups = Config::from_text(&groups).unwrap();
        assert_eq!(levels(&groups, &announced(true, &["openid", "email", "offline_access"])), [Level::Wrong]);
    }

    /// authentik 2026.8.0-rc1 with an encryption key; Keycloak 26.7.3 lists algorithms for every client.
    #[test]
    fn encryption_is_wrong_at_authentik_alone() {
        assert_eq!(encryption(&announced(true, &[])).unwrap().level, Level::Wrong);
        assert_eq!(encryption(&announced(false, &[])), None);
    }
}
