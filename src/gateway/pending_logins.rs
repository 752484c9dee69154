//! Pending logins, kept in the browser: each has its own sealed cookie, so that several tabs may sign in at
//! once and the gateway keeps no state.

use http::{HeaderMap, HeaderValue};

use crate::oidc::{ATTEMPT_LIFE, PendingLogin};
use crate::types::{Keyring, Purpose, Sealer};
use crate::web::cookies::{self, OwnCookies};

/// How many pending logins one browser may have; a new one replaces the oldest. Without a limit, cookies pile up
/// until the browser or a server refuses the request.
const MAX_PENDING_LOGINS: usize = 5;

/// The prefix of every such cookie's name.
const COOKIE_PREFIX: &str = "attempt_";

/// How many characters of `state` follow in the name of the cookie. They tell pending logins apart and prove nothing.
const STATE_IN_NAME: usize = 12;

/// Writes and reads the cookies of pending logins.
#[derive(Debug)]
pub(super) struct PendingLogins {
    sealer: Sealer,
    cookies: OwnCookies,
}

impl PendingLogins {
    /// Cookies sealed with the keys of the deployment.
    pub(super) fn new(keyring: &Keyring, cookies: OwnCookies) -> Self {
        Self { sealer: keyring.sealer(Purpose::Attempt), cookies }
    }

    /// The `Set-Cookie` lines that store `login`, and delete the oldest where there are too many.
    pub(super) fn remember(&self, login: &PendingLogin, headers: &HeaderMap) -> Vec<HeaderValue> {
        let name = base_name(login.state());
        let sealed = self.sealer.seal_text(name.as_bytes(), &login.to_bytes());
        let mut lines = vec![self.cookies.set(&name, &sealed, Some(ATTEMPT_LIFE))];
        let mut present = self.present(headers);
        present.sort_by_key(|(_, login)| login.as_ref().map(PendingLogin::started_at));
        let surplus = (present.len() + 1).saturating_sub(MAX_PENDING_LOGINS);
        lines.extend(present.iter().take(surplus).map(|(name, _)| self.cookies.delete(name)));
        lines
    }

    /// The pending login that `state` belongs to, when this browser began it.
    pub(super) fn recall(&self, state: &str, headers: &HeaderMap) -> Option<PendingLogin> {
        let name = base_name(state);
        let full = self.cookies.name(&name);
        let mut values = cookies::each_text(headers).filter(|(name, _)| *name == full);
        let (_, sealed) = values.next()?;
        // A browser has two cookies of one name only when another site planted one.
        if values.next().is_some() {
            return None;
        }
        self.open(&name, sealed)
    }

    /// The `Set-Cookie` line that deletes the pending login of `state`.
    pub(super) fn forget(&self, state: &str) -> HeaderValue {
        self.cookies.delete(&base_name(state))
    }

    /// The name of every such cookie of the request, and the pending login in it; `None` when it cannot be opened.
    fn present(&self, headers: &HeaderMap) -> Vec<(String, Option<PendingLogin>)> {
        let own = self.cookies.name(COOKIE_PREFIX);
        cookies::each_text(headers)
            .filter_map(|(name, sealed)| {
                let rest = name.strip_prefix(&own)?;
                let base = format!("{COOKIE_PREFIX}{rest}");
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

/// The name of the cookie for a `state`, limited to characters that the gateway's own have.
fn base_name(state: &str) -> String {
    let head = state.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    COOKIE_PREFIX.chars().chain(head.take(STATE_IN_NAME)).collect()
}
