//! Settings of the section `oidc` that Coder gets too.

use url::Url;

use crate::config::csv;
use crate::oidc::ProviderSettings;
use crate::types::EmailDomain;

use super::button::{self, SignInButtonConfig};
use super::people;
use super::scopes;

/// A setting for Coder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoderSetting {
    /// Coder's variable for it.
    pub variable: &'static str,
    /// Its value in the syntax of that variable.
    pub value: String,
}

/// The settings of the section `oidc` that Coder gets through `vestibule coder-env`.
#[derive(Clone, Debug, Default)]
pub struct CoderSettings {
    /// Settings that the gateway and Coder both apply, if they differ from Coder's default. The scopes are always
    /// included.
    pub shared: Vec<CoderSetting>,
    /// Settings that only Coder uses, if they differ from Coder's default.
    pub only: Vec<CoderSetting>,
}

/// The settings that Coder shares with the gateway.
pub(super) fn shared(provider: &ProviderSettings, button: &SignInButtonConfig) -> Vec<CoderSetting> {
    let domains: Vec<&str> = provider.email_domains.iter().map(EmailDomain::as_str).collect();
    let icon_url = button.icon_url.as_ref().map(Url::to_string);
    let given = [
        (people::EMAIL_DOMAIN.entry(), csv::write(&domains)),
        (people::EMAIL_FIELD.entry(), provider.email_field.clone()),
        (people::USERNAME_FIELD.entry(), provider.username_field.clone()),
        (people::IGNORE_EMAIL_VERIFIED.entry(), provider.ignore_email_verified.to_string()),
        (people::IGNORE_USER_INFO.entry(), provider.ignore_user_info.to_string()),
        (people::GROUP_FIELD.entry(), provider.group_field.clone().unwrap_or_default()),
        (people::GROUP_ALLOWED.entry(), csv::write(&provider.groups_allowed)),
        (button::SIGN_IN_TEXT.entry(), button.text.clone()),
        (button::ICON_URL.entry(), icon_url.unwrap_or_default()),
    ];
    // Coder's default lacks `offline_access`, so the scopes are never left out.
    let scopes = (scopes::SCOPES.entry(), csv::write(&provider.scopes));
    let different = given.into_iter().filter(|(key, value)| value != key.default().unwrap_or_default());
    std::iter::once(scopes)
        .chain(different)
        .map(|(key, value)| CoderSetting { variable: key.variable, value })
        .collect()
}
