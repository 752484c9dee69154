//! A sign-in attempt: begun, sent to the provider, and come back. It is consumed once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::form_urlencoded;

use super::error::OAuthError;
use crate::types::{LocalRedirect, Secret, Timestamp, random_token};

/// How long an attempt may take, in the provider's pages too: as long as a person may need to find a second factor.
pub const ATTEMPT_LIFE: Duration = Duration::from_mins(10);
/// The longest query of a callback that is read, in bytes.
const MAX_QUERY: usize = 16 * 1024;
/// The longest value of a protocol parameter, in bytes.
const MAX_VALUE: usize = 4096;
/// The longest `oidc_merge_state` carried along, in bytes; Coder's has 32.
const MAX_MERGE_STATE: usize = 256;

/// An attempt on its way: what must be remembered until the browser comes back, sealed in its cookie.
///
/// `Provider::complete` consumes it. Nothing of it is ever shown.
#[derive(Debug)]
pub struct PendingLogin {
    pub(super) state: Secret,
    pub(super) nonce: Secret,
    pub(super) verifier: Secret,
    redirect: LocalRedirect,
    merge_state: Option<String>,
    started_at: Timestamp,
    /// Whether the provider is asked to have the person sign in again.
    afresh: bool,
}

/// How an attempt is written; short names keep the cookie small.
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

/// The bytes are no attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not a sign-in attempt")]
pub struct NotAnAttempt;

impl PendingLogin {
    /// A fresh one: state, nonce and PKCE verifier have 256 random bits each. A `merge_state` that is
    /// no plain text of at most 256 characters is left out.
    pub(super) fn new(
        redirect: LocalRedirect,
        merge_state: Option<String>,
        afresh: bool,
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
            afresh,
        }
    }

    /// The `state` parameter: names the attempt, also in the name of its cookie.
    pub fn state(&self) -> &str {
        self.state.expose()
    }

    /// Where the browser wants to be after the sign-in.
    pub fn redirect(&self) -> &LocalRedirect {
        &self.redirect
    }

    /// Coder's `oidc_merge_state`, when this sign-in is to convert a password account.
    pub fn merge_state(&self) -> Option<&str> {
        self.merge_state.as_deref()
    }

    /// When it began.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Whether the provider is asked to have the person sign in again (`prompt=login`).
    pub(super) fn afresh(&self) -> bool {
        self.afresh
    }

    /// Whether its time is over, or has not come yet.
    pub(super) fn expired(&self, now: Timestamp) -> bool {
        now.since(self.started_at) > ATTEMPT_LIFE || self.started_at.since(now) > ATTEMPT_LIFE
    }

    /// To be sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let written = Written {
            s: self.state.expose(),
            n: self.nonce.expose(),
            v: self.verifier.expose(),
            r: self.redirect.as_str(),
            m: self.merge_state.as_deref(),
            t: self.started_at.as_millis(),
            p: self.afresh,
        };
        // Text and a number always serialize; were it otherwise, nothing would be read back either.
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// Takes an opened one back.
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
            afresh: written.p,
        })
    }
}

/// Why a callback's query is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadAnswer {
    /// Longer than 16 KiB, or a parameter longer than 4 KiB.
    #[error("the answer of the provider is too long")]
    TooLong,
    /// A protocol parameter is there twice (RFC 6749 §3.1).
    #[error("the answer of the provider has the parameter \"{0}\" twice")]
    Duplicate(&'static str),
    /// No `state`.
    #[error("the answer of the provider has no state")]
    NoState,
    /// Neither `code` nor `error`, or both.
    #[error("the answer of the provider must have either a code or an error")]
    NoOutcome,
}

/// What the provider's redirect brought back (RFC 6749 §4.1.2, RFC 9207). Unverified.
#[derive(Debug)]
pub struct AuthorizationResponse {
    pub(super) state: Secret,
    pub(super) issuer: Option<String>,
    pub(super) outcome: Result<Secret, OAuthError>,
}

impl AuthorizationResponse {
    /// Whether a query is an answer of the provider at all: it has a `code` or an `error`. Without,
    /// the same address starts a sign-in (as at Coder's callback).
    pub fn is_in(query: &str) -> bool {
        query.len() > MAX_QUERY
            || form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "code" || name == "error")
    }

    /// Parses a query (without `?`). Parameters that are not of the protocol are ignored.
    pub fn parse(query: &str) -> Result<Self, BadAnswer> {
        const NAMES: [&str; 5] = ["state", "iss", "code", "error", "error_description"];
        if query.len() > MAX_QUERY {
            return Err(BadAnswer::TooLong);
        }
        let mut values: [Option<String>; 5] = Default::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some((slot, name)) = values.iter_mut().zip(NAMES).find(|(_, known)| *known == name) else {
                continue;
            };
            if value.len() > MAX_VALUE {
                return Err(BadAnswer::TooLong);
            }
            if slot.replace(value.into_owned()).is_some() {
                return Err(BadAnswer::Duplicate(name));
            }
        }
        let [state, issuer, code, error, description] = values;
        let state = state.filter(|state| !state.is_empty()).ok_or(BadAnswer::NoState)?;
        let outcome = match (code, error) {
            (Some(code), None) if !code.is_empty() => Ok(Secret::new(code)),
            (None, Some(error)) => Err(OAuthError::new(&error, description.as_deref())),
            _ => return Err(BadAnswer::NoOutcome),
        };
        Ok(Self { state: Secret::new(state), issuer, outcome })
    }

    /// The `state` it answers: names the attempt's cookie. Unverified.
    pub fn state(&self) -> &str {
        self.state.expose()
    }
}
