//! Sign-in attempts under way, kept in the browser: one sealed cookie an attempt, so
//! that many tabs may sign in at once and no replica has to remember anything.

use http::{HeaderMap, HeaderValue};

use crate::oidc::{ATTEMPT_LIFE, PendingLogin};
use crate::types::{Keyring, Purpose, Sealer};
use crate::web::cookies::{self, OwnCookies};

/// How many attempts one browser may have under way; the oldest goes when one more begins.
/// Cookies piling up until the provider or the browser refuses the request are a known failure.
pub(super) const MOST: usize = 5;

/// What every attempt's cookie is named, before the part that tells them apart.
const PREFIX: &str = "attempt_";

/// How many characters of `state` name the cookie: they tell attempts apart and prove nothing.
const NAME_LENGTH: usize = 12;

/// Writes and reads the cookies of attempts.
#[derive(Debug)]
pub(super) struct PendingLogins {
    sealer: Sealer,
    cookies: OwnCookies,
}

impl PendingLogins {
    /// With the keys of the deployment.
    pub(super) fn new(keyring: &Keyring, cookies: OwnCookies) -> Self {
        Self { sealer: keyring.sealer(Purpose::Attempt), cookies }
    }

    /// The `Set-Cookie` lines that remember `login`, and forget the oldest where there are too many.
    pub(super) fn remember(&self, login: &PendingLogin, headers: &HeaderMap) -> Vec<HeaderValue> {
        let name = base_name(login.state());
        let sealed = self.sealer.seal_text(name.as_bytes(), &login.to_bytes());
        let mut lines = vec![self.cookies.set(&name, &sealed, Some(ATTEMPT_LIFE))];
        let mut present = self.present(headers);
        present.sort_by_key(|(_, login)| login.as_ref().map(PendingLogin::started_at));
        let surplus = (present.len() + 1).saturating_sub(MOST);
        lines.extend(present.iter().take(surplus).map(|(name, _)| self.cookies.delete(name)));
        lines
    }

    /// The attempt that `state` belongs to, when this browser began it.
    pub(super) fn recall(&self, state: &str, headers: &HeaderMap) -> Option<PendingLogin> {
        let name = base_name(state);
        let full = self.cookies.name(&name);
        let mut values = cookies::each_text(headers).filter(|(name, _)| *name == full);
        let (_, sealed) = values.next()?;
        // Two cookies of one name come only from somebody who plants one.
        if values.next().is_some() {
            return None;
        }
        self.open(&name, sealed)
    }

    /// The `Set-Cookie` line that forgets the attempt of `state`.
    pub(super) fn forget(&self, state: &str) -> HeaderValue {
        self.cookies.delete(&base_name(state))
    }

    /// Every attempt cookie of the request with what is in it; `None` for one that does not open.
    fn present(&self, headers: &HeaderMap) -> Vec<(String, Option<PendingLogin>)> {
        let own = self.cookies.name(PREFIX);
        cookies::each_text(headers)
            .filter_map(|(name, sealed)| {
                let rest = name.strip_prefix(&own)?;
                let base = format!("{PREFIX}{rest}");
                let login = self.open(&base, sealed);
                Some((base, login))
            })
            .collect()
    }

    fn open(&self, name: &str, sealed: &str) -> Option<PendingLogin> {
        let bytes = self.sealer.open_text(name.as_bytes(), sealed).ok()?;
        PendingLogin::from_bytes(&bytes).ok()
    }
}

/// The cookie's name for a `state`: only characters that `state` itself is made of.
fn base_name(state: &str) -> String {
    let head = state.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    PREFIX.chars().chain(head.take(NAME_LENGTH)).collect()
}
