//! The sign-in button: `oidc.signInText` and `oidc.iconURL`.

use url::Url;

use crate::config::entry::{ValueKind, WhenAbsent};
use crate::config::fault::ValueFault;
use crate::config::key::{Key, keys};
use crate::config::parse;
use crate::config::reader::SettingsReader;

keys! { KEYS;
    SIGN_IN_TEXT: Key<String> = Key::new(
        "oidc.signInText", "CODER_OIDC_SIGN_IN_TEXT", ValueKind::Text, WhenAbsent::Default("OpenID Connect"), parse::text,
        "The text of the sign-in button.",
    ).and_coder();
    ICON_URL: Key<IconUrl> = Key::new(
        "oidc.iconURL", "CODER_OIDC_ICON_URL", ValueKind::Url, WhenAbsent::Nothing, icon,
        "The icon of the sign-in button. A path such as `/icon/x.svg` is one of Coder's own icons.",
    ).and_coder();
}

/// The sign-in button.
#[derive(Clone, Debug)]
pub struct SignInButtonConfig {
    /// Its text. Default: `OpenID Connect`.
    pub text: String,
    /// Its icon. Default: none.
    pub icon_url: Option<Url>,
}

/// Where an icon comes from.
#[derive(Clone)]
pub(crate) enum IconUrl {
    /// Any URL.
    Absolute(Url),
    /// A path at Coder, such as `/icon/x.svg`.
    AtCoder(String),
}

/// Reads the button. Without a usable access URL there is no configuration, so a path at Coder is not checked.
pub(super) fn read(r: &mut SettingsReader, access_url: Option<&Url>) -> Option<SignInButtonConfig> {
    let text = r.get(&SIGN_IN_TEXT);
    let icon_url = r.get_and(&ICON_URL, |icon| match icon {
        IconUrl::Absolute(url) => Ok(Some(url)),
        IconUrl::AtCoder(path) => access_url.map(|url| url.join(&path)).transpose().map_err(|_| {
            ValueFault::new("is not a URL", "Write `https://...`, or a path such as `/icon/x.svg`")
        }),
    });
    Some(SignInButtonConfig { text: text?, icon_url: icon_url.flatten() })
}

fn icon(text: &str) -> Result<IconUrl, ValueFault> {
    if text.starts_with('/') && !text.starts_with("//") {
        return Ok(IconUrl::AtCoder(text.to_owned()));
    }
    parse::url(text).map(IconUrl::Absolute)
}
