//! Why a person whom the provider authenticates may not come in: a sentence for the person; for the operator the claim,
//! the setting and the place in authentik.

use serde_json::Value;

use crate::types::printable;

/// The value of the claim `email_verified`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailVerified {
    /// The JSON value `true`, the only one that counts.
    True,
    /// The JSON value `false`: authentik's default since 2025.10.
    False,
    /// The claim is missing.
    Missing,
    /// A JSON value of another type, `"true"` or `1` for example; named by its type.
    Other(&'static str),
}

impl EmailVerified {
    /// Reads the claim. Nothing is converted (CVE-2026-55076).
    pub(super) fn read(value: Option<&Value>) -> Self {
        match value {
            None => Self::Missing,
            Some(Value::Bool(true)) => Self::True,
            Some(Value::Bool(false)) => Self::False,
            Some(Value::Null) => Self::Other("null"),
            Some(Value::Number(_)) => Self::Other("a number"),
            Some(Value::String(_)) => Self::Other("a string"),
            Some(Value::Array(_)) => Self::Other("an array"),
            Some(Value::Object(_)) => Self::Other("an object"),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Missing => "missing",
            Self::Other(kind) => kind,
        }
    }
}

/// Why a person who signed in at the provider may not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityRefusal {
    /// The email claim has no address, and the user name is not one.
    EmailMissing {
        /// The email claim's name (`oidc.emailField`).
        field: String,
        /// The user name claim's name (`oidc.usernameField`).
        username_field: String,
    },
    /// The email claim is not text.
    EmailNotText {
        /// The email claim's name.
        field: String,
    },
    /// The email claim is text but not an address.
    EmailInvalid {
        /// The email claim's name.
        field: String,
        /// Its value, shortened and without control characters.
        found: String,
    },
    /// The address is not verified, and that is not ignored.
    EmailUnverified {
        /// The address.
        email: String,
        /// The value of the claim `email_verified`.
        found: EmailVerified,
    },
    /// The domain of the address is not allowed.
    DomainNotAllowed {
        /// The address.
        email: String,
    },
    /// A group is required, and the group claim is missing.
    GroupsMissing {
        /// The group claim's name; none when none is configured.
        field: Option<String>,
    },
    /// A group is required, and the group claim is neither text nor a list of text.
    GroupsMalformed {
        /// The group claim's name.
        field: String,
    },
    /// The person is in none of the allowed groups.
    GroupNotAllowed {
        /// The group claim's name.
        field: String,
        /// The groups in the claim, as `listed` shows them.
        found: String,
        /// The allowed groups, as `listed` shows them.
        wanted: String,
    },
}

/// The most groups that a message lists; a directory may send hundreds.
const MAX_LISTED_GROUPS: usize = 20;
/// The most characters that a message shows of a group's name.
const MAX_GROUP_NAME: usize = 64;

/// Names for a page or a log line: the first 20 in quotation marks, each cut to 64 printable characters, and the number
/// of the others.
pub(super) fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = names
        .iter()
        .take(MAX_LISTED_GROUPS)
        .map(|name| format!("\"{}\"", printable(name, MAX_GROUP_NAME)))
        .collect();
    let more = names.len().saturating_sub(MAX_LISTED_GROUPS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

impl IdentityRefusal {
    /// The label for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::EmailMissing { .. } => "email_missing",
            Self::EmailNotText { .. } | Self::EmailInvalid { .. } => "email_invalid",
            Self::EmailUnverified { .. } => "email_unverified",
            Self::DomainNotAllowed { .. } => "domain_not_allowed",
            Self::GroupsMissing { .. } | Self::GroupsMalformed { .. } => "groups_missing",
            Self::GroupNotAllowed { .. } => "group_not_allowed",
        }
    }

    /// For the person: what happened, and what to do. Plain text, to be escaped by the page.
    pub fn sentence(&self) -> String {
        match self {
            Self::EmailMissing { .. } => {
                "Your account has no email address. Ask your administrator to add one, \
                 then sign in again."
                    .to_owned()
            }
            Self::EmailNotText { .. } | Self::EmailInvalid { .. } => {
                "The email address of your account cannot \
                 be read. Ask your administrator to correct it, then sign in again."
                    .to_owned()
            }
            Self::EmailUnverified { email, .. } => format!(
                "Your email address {email} is not verified. Verify it at your sign-in service, or show this page \
                 to your administrator."
            ),
            Self::DomainNotAllowed { email } => format!(
                "The domain of your email address {email} is not allowed here. Sign in with another account, or ask \
                 your administrator."
            ),
            Self::GroupsMissing { .. } | Self::GroupsMalformed { .. } => {
                "Your groups decide whether you may sign in here, but the sign-in service sent none. Show this page to \
                 your administrator."
                    .to_owned()
            }
            Self::GroupNotAllowed { .. } => "You are not in any of the groups that may sign in here. Ask your \
                 administrator to add you to one, then sign in again."
                .to_owned(),
        }
    }

    /// For the operator: the claim, the setting, and where to change it in authentik.
    pub fn detail(&self) -> String {
        match self {
            Self::EmailMissing { field, username_field } => format!(
                "The claim \"{field}\" (CODER_OIDC_EMAIL_FIELD, oidc.emailField) is missing or empty, and \
                 \"{username_field}\" (CODER_OIDC_USERNAME_FIELD, oidc.usernameField) is not an address. In authentik, \
                 give the user an email address, and the provider the scope mapping for \"email\"."
            ),
            Self::EmailNotText { field } => format!(
                "The claim \"{field}\" (CODER_OIDC_EMAIL_FIELD, oidc.emailField) is not a string. In authentik, \
                 correct the scope mapping that makes it."
            ),
            Self::EmailInvalid { field, found } => format!(
                "The claim \"{field}\" (CODER_OIDC_EMAIL_FIELD, oidc.emailField) is \"{found}\", which is not one \
                 email address."
            ),
            Self::EmailUnverified { found, .. } => format!(
                "The claim \"email_verified\" must be the JSON value true and is {}. authentik sends false by default \
                 since 2025.10: give the provider a scope mapping for the scope \"email\" that returns \
                 \"email_verified\": True. Or, when every address at the provider can be trusted, set \
                 oidc.ignoreEmailVerified: true (CODER_OIDC_IGNORE_EMAIL_VERIFIED) for both the gateway and Coder, \
                 which judges the address again: `vestibule coder-env` prints Coder's new environment.",
                found.words()
            ),
            Self::DomainNotAllowed { email } => format!(
                "The domain of \"{email}\" is not in CODER_OIDC_EMAIL_DOMAIN (oidc.emailDomain). A subdomain must \
                 be listed separately."
            ),
            Self::GroupsMissing { field: Some(field) } => format!(
                "A group of CODER_OIDC_ALLOWED_GROUPS (oidc.groupAllowed) is needed, and the claim \"{field}\" \
                 (CODER_OIDC_GROUP_FIELD, oidc.groupField) is missing. In authentik the scope mapping for \
                 \"profile\" sends \"groups\"."
            ),
            Self::GroupsMissing { field: None } => "A group of CODER_OIDC_ALLOWED_GROUPS (oidc.groupAllowed) is \
                 needed, and CODER_OIDC_GROUP_FIELD (oidc.groupField) names no claim: set it to \"groups\" for \
                 authentik."
                .to_owned(),
            Self::GroupsMalformed { field } => format!(
                "The claim \"{field}\" (CODER_OIDC_GROUP_FIELD, oidc.groupField) must be an array of strings. In \
                 authentik: correct the scope mapping that makes it."
            ),
            Self::GroupNotAllowed { field, found, wanted } => format!(
                "No name in the claim \"{field}\" (CODER_OIDC_GROUP_FIELD, oidc.groupField) is one of \
                 CODER_OIDC_ALLOWED_GROUPS (oidc.groupAllowed). The provider sent: {found}. One of these is \
                 required: {wanted}. Names must match exactly. authentik sends direct memberships only, by \
                 name; Keycloak may send paths, such as \"/coder-users\"."
            ),
        }
    }
}

impl std::fmt::Display for IdentityRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail())
    }
}

impl std::error::Error for IdentityRefusal {}
