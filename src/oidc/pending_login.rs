//! A pending login: a sign-in that has begun and is not complete. It is consumed once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::types::{LocalRedirect, Secret, Timestamp, random_token};

/// How long a sign-in may take, including the provider's pages: long enough to find a second factor.
pub const ATTEMPT_LIFE: Duration = Duration::from_mins(10);
/// The longest `oidc_merge_state` that is kept, in bytes; Coder's has 32.
const MAX_MERGE_STATE: usize = 256;

/// What must be remembered of a sign-in until the browser comes back, sealed in its cookie.
///
/// `Provider::complete` consumes it. Its secrets never appear in a page or a log line.
#[derive(Debug)]
pub struct PendingLogin {
    pub(super) state: Secret,
    pub(super) nonce: Secret,
    pub(super) verifier: Secret,
    redirect: LocalRedirect,
    merge_state: Option<String>,
    started_at: Timestamp,
    /// Whether the provider must have the person sign in again.
    reauthenticates: bool,
}

/// The serialized form; short names keep the cookie small.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    s: &'a str,
    n: &'a str,
    v: &'a str,
    r: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    m: Option<&'a str>,
    t: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    p: bool,
}

/// The bytes are not a pending login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not a sign-in attempt")]
pub struct NotAnAttempt;

impl PendingLogin {
    /// A new sign-in: state, nonce and PKCE verifier have 256 random bits each. A `merge_state` that is not visible
    /// ASCII of at most 256 characters is left out.
    pub(super) fn new(
        redirect: LocalRedirect,
        merge_state: Option<String>,
        reauthenticates: bool,
        now: Timestamp,
    ) -> Self {
        let plain = |text: &String| {
            (1..=MAX_MERGE_STATE).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        Self {
            state: Secret::new(random_token()),
            nonce: Secret::new(random_token()),
            verifier: Secret::new(random_token()),
            redirect,
            merge_state: merge_state.filter(plain),
            started_at: now,
            reauthenticates,
        }
    }

    /// The `state` parameter. It identifies the sign-in, also in the name of its cookie.
    pub fn state(&self) -> &str {
        self.state.expose()
    }

    /// Where the browser wants to be after the sign-in.
    pub fn redirect(&self) -> &LocalRedirect {
        &self.redirect
    }

    /// Coder's `oidc_merge_state`, when this sign-in converts a password account.
    pub fn merge_state(&self) -> Option<&str> {
        self.merge_state.as_deref()
    }

    /// When the sign-in began.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Whether the provider must have the person sign in again (`prompt=login`).
    pub(super) fn reauthenticates(&self) -> bool {
        self.reauthenticates
    }

    /// Whether the sign-in began more than [`ATTEMPT_LIFE`] ago, or as far in the future.
    pub(super) fn expired(&self, now: Timestamp) -> bool {
        now.since(self.started_at) > ATTEMPT_LIFE || self.started_at.since(now) > ATTEMPT_LIFE
    }

    /// The serialized form, to be sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let written = Written {
            s: self.state.expose(),
            n: self.nonce.expose(),
            v: self.verifier.expose(),
            r: self.redirect.as_str(),
            m: self.merge_state.as_deref(),
            t: self.started_at.as_millis(),
            p: self.reauthenticates,
        };
        // Text and a number always serialize. If they did not, `from_bytes` would refuse the empty result.
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// Reads the opened serialized form.
    ///
    /// # Errors
    ///
    /// [`NotAnAttempt`] when the bytes are not one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAnAttempt> {
        let written: Written<'_> = serde_json::from_slice(bytes).map_err(|_| NotAnAttempt)?;
        if [written.s, written.n, written.v].iter().any(|text| text.len() < 43) {
            return Err(NotAnAttempt);
        }
        Ok(Self {
            state: Secret::new(written.s),
            nonce: Secret::new(written.n),
            verifier: Secret::new(written.v),
            redirect: LocalRedirect::parse(written.r).ok_or(NotAnAttempt)?,
            merge_state: written.m.map(str::to_owned),
            started_at: Timestamp::from_millis(written.t),
            reauthenticates: written.p,
        })
    }
}
