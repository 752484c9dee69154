//! The sections `signIn` and `signOut`.

use crate::config::entry::WhenAbsent;
use crate::config::key::{Key, keys};
use crate::config::reader::SettingsReader;
use crate::config::words::Words;
use crate::gateway::SignInMode;

keys! { KEYS;
    MODE: Key<SignInMode> = Key::word(
        "signIn.mode", "VESTIBULE_SIGN_IN_MODE",
        Words::new(&["page", "redirect", "coder"], &[SignInMode::Page, SignInMode::Redirect, SignInMode::Coder]),
        WhenAbsent::Default("page"),
        "What a browser without a session gets: `page` is the gateway's page with a button, `redirect` goes to the provider at once, `coder` shows Coder's own login page.",
    );
    SIGN_OUT_FROM: Key<bool> = Key::word(
        "signOut.from", "VESTIBULE_SIGN_OUT_FROM",
        Words::new(&["session", "provider"], &[false, true]), WhenAbsent::Default("session"),
        "What a sign-out ends: only this `session`, or the session at the `provider` as well.",
    );
    SIGN_OUT_TOKENS: Key<bool> = Key::word(
        "signOut.tokens", "VESTIBULE_SIGN_OUT_TOKENS",
        Words::new(&["keep", "end"], &[false, true]), WhenAbsent::Default("keep"),
        "What happens to the user's CLI and IDE tokens at a sign-out: they stay valid (`keep`), or they are not accepted until the next sign-in (`end`).",
    );
}

/// What a sign-out ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignOutConfig {
    /// Whether it ends the session at the provider as well (OpenID Connect RP-Initiated Logout 1.0). Default: false.
    pub at_provider: bool,
    /// Whether it ends the user's CLI and IDE tokens until the next sign-in. Default: false.
    pub ends_tokens: bool,
}

/// Reads the section `signIn`.
pub(crate) fn read_sign_in(r: &mut SettingsReader) -> Option<SignInMode> {
    r.get(&MODE)
}

/// Reads the section `signOut`.
pub(crate) fn read_sign_out(r: &mut SettingsReader) -> Option<SignOutConfig> {
    let at_provider = r.get(&SIGN_OUT_FROM);
    let ends_tokens = r.get(&SIGN_OUT_TOKENS);
    Some(SignOutConfig { at_provider: at_provider?, ends_tokens: ends_tokens? })
}
