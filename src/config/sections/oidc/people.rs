//! Who may sign in: email addresses, groups, and the claims that hold them.

use crate::config::entry::{SignInGuard, ValueKind, WhenAbsent};
use crate::config::key::{Key, ListKey, keys};
use crate::config::parse;
use crate::config::reader::SettingsReader;
use crate::types::EmailDomain;

keys! { EMAIL_KEYS;
    EMAIL_DOMAIN: ListKey<EmailDomain> = ListKey::new(
        "oidc.emailDomain", "CODER_OIDC_EMAIL_DOMAIN", ValueKind::List, "", parse::email_domain,
        "The allowed domains of email addresses. The domain must match exactly; a leading `@` is dropped. Empty: every domain. If `oidc.groupAllowed` is empty too, everyone whom the provider lets in may sign in.",
    ).and_coder().guards_sign_in(SignInGuard::AllowedDomains);
    EMAIL_FIELD: Key<String> = Key::new(
        "oidc.emailField", "CODER_OIDC_EMAIL_FIELD", ValueKind::Text, WhenAbsent::Default("email"), parse::line,
        "The claim that holds the email address.",
    ).and_coder().guards_sign_in();
    USERNAME_FIELD: Key<String> = Key::new(
        "oidc.usernameField", "CODER_OIDC_USERNAME_FIELD", ValueKind::Text, WhenAbsent::Default("preferred_username"), parse::line,
        "The claim that holds the user name.",
    ).and_coder().guards_sign_in();
    IGNORE_EMAIL_VERIFIED: Key<bool> = Key::switch(
        "oidc.ignoreEmailVerified", "CODER_OIDC_IGNORE_EMAIL_VERIFIED", "false",
        "Accepts email addresses that the provider does not mark as verified. authentik since 2025.10 marks none as verified unless a scope mapping does so.",
    ).and_coder().guards_sign_in();
}

keys! { GROUP_KEYS;
    IGNORE_USER_INFO: Key<bool> = Key::switch(
        "oidc.ignoreUserInfo", "CODER_OIDC_IGNORE_USERINFO", "false",
        "Uses only the claims of the ID token and does not request userinfo.",
    ).and_coder();
    GROUP_FIELD: Key<String> = Key::new(
        "oidc.groupField", "CODER_OIDC_GROUP_FIELD", ValueKind::Text, WhenAbsent::Nothing, parse::line,
        "The claim that holds the user's groups; with authentik `groups`.",
    ).and_coder().guards_sign_in();
    GROUP_ALLOWED: ListKey<String> = ListKey::new(
        "oidc.groupAllowed", "CODER_OIDC_ALLOWED_GROUPS", ValueKind::List, "", parse::line,
        "The allowed groups. A user must be in one of them at the sign-in and at every refresh. Needs `oidc.groupField`. Empty: no group is needed.",
    ).and_coder().guards_sign_in(SignInGuard::AllowedGroups);
}

/// Who may sign in.
pub(super) struct PeopleSettings {
    pub(super) email_domains: Option<Vec<EmailDomain>>,
    pub(super) email_field: Option<String>,
    pub(super) username_field: Option<String>,
    pub(super) ignore_email_verified: Option<bool>,
    pub(super) ignore_user_info: Option<bool>,
    /// The claim that holds the groups. Also `None` when no claim is named.
    pub(super) group_field: Option<String>,
    pub(super) groups_allowed: Option<Vec<String>>,
}

/// Reads who may sign in; an invalid part is `None`. A scope named `groups` makes that the group claim, as
/// in Coder.
pub(super) fn read(r: &mut SettingsReader, scopes: Option<&[String]>) -> PeopleSettings {
    let email_domains = r.list(&EMAIL_DOMAIN);
    let email_field = r.get(&EMAIL_FIELD);
    let username_field = r.get(&USERNAME_FIELD);
    let ignore_email_verified = r.get(&IGNORE_EMAIL_VERIFIED);
    let ignore_user_info = r.get(&IGNORE_USER_INFO);
    let field = r.get(&GROUP_FIELD);
    let given = r.given(GROUP_FIELD.entry()).is_some();
    let by_scope = scopes.is_some_and(|scopes| scopes.iter().any(|scope| scope == "groups"));
    let groups_allowed = r.list(&GROUP_ALLOWED);
    if !given && !by_scope && groups_allowed.as_ref().is_some_and(|allowed| !allowed.is_empty()) {
        r.wrong(
            GROUP_ALLOWED.entry(),
            "is set, but no claim is named that holds the groups",
            "Set oidc.groupField; with authentik, to `groups`",
        );
    }
    let group_field = field.or_else(|| (by_scope && !given).then(|| "groups".to_owned()));
    PeopleSettings {
        email_domains,
        email_field,
        username_field,
        ignore_email_verified,
        ignore_user_info,
        group_field,
        groups_allowed,
    }
}

impl PeopleSettings {
    /// Warns when only the provider decides who signs in.
    pub(super) fn warn_of_an_open_door(&self, r: &mut SettingsReader) {
        let has_no_domain = self.email_domains.as_ref().is_some_and(Vec::is_empty);
        let has_no_group = self.groups_allowed.as_ref().is_some_and(Vec::is_empty);
        if has_no_domain && has_no_group {
            r.warn(
                EMAIL_DOMAIN.entry(),
                "is empty, and so is oidc.groupAllowed: everyone whom the provider lets in may sign in",
                "Set the domains of your users' email addresses, or the groups that may sign in",
            );
        }
    }
}
