//! A scripted provider that counts its calls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use super::support::{ISSUER, MINUTE, claims};
use crate::grant::GrantProvider;
use crate::oidc::{
    ClientCheck, IdTokenError, IdentityRefusal, InvalidGrant, JudgeError, OAuthError, OutageCause,
    ProviderFault, RefreshAnswer, RefreshError, Refreshed, RevokeError, Sid, TokenKind, Unreachable,
};
use crate::types::{Clock, Email, IdentityKey, Secret};

/// The scripted response to a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// New tokens.
    Yes,
    /// New tokens, and an ID token without `sid`.
    YesWithoutSid,
    /// New tokens, with the same refresh token.
    YesKeepingRefreshToken,
    InvalidGrant,
    NotInGroup,
    Down,
    InvalidClient,
    /// An error of OAuth 2.0 other than `invalid_grant`.
    Declines(&'static str),
    /// An internal error.
    Fails,
    /// No response in time.
    Hangs,
    /// A new refresh token, then no judgement.
    Halfway,
    /// New tokens, and an ID token of another issuer.
    AnotherIssuer,
    /// New tokens, and an ID token of another person.
    AnotherSubject,
}

/// A scripted provider that counts its calls.
pub(super) struct FakeProvider {
    pub(super) says: Mutex<Says>,
    pub(super) about: Mutex<HashMap<String, Says>>,
    /// The only accepted refresh token, by subject, when rotation is strict.
    pub(super) strict: Mutex<Option<HashMap<String, String>>>,
    /// The error for a refresh token other than that of `strict`, when not `invalid_grant`.
    pub(super) dead_is: Mutex<Option<&'static str>>,
    pub(super) refreshes: AtomicUsize,
    pub(super) at_once: AtomicUsize,
    pub(super) most_at_once: AtomicUsize,
    /// When set, each refresh waits for a permit.
    pub(super) gate: Mutex<Option<Arc<Semaphore>>>,
    pub(super) revoked: Mutex<Vec<String>>,
    pub(super) revocation_down: Mutex<bool>,
    /// The result of checking the client without a grant.
    pub(super) client: Mutex<Result<ClientCheck, Unreachable>>,
    pub(super) checks: AtomicUsize,
    /// The judgements of the responses, by access token.
    judgements: Mutex<HashMap<String, Result<Refreshed, JudgeError>>>,
    pub(super) access_life: Mutex<Duration>,
    clock: Clock,
}

impl FakeProvider {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            says: Mutex::new(Says::Yes),
            about: Mutex::default(),
            strict: Mutex::default(),
            dead_is: Mutex::default(),
            refreshes: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            gate: Mutex::default(),
            revoked: Mutex::default(),
            revocation_down: Mutex::new(false),
            client: Mutex::new(Ok(ClientCheck::Unclear(ProviderFault::TokenEndpointResponse("scripted")))),
            checks: AtomicUsize::new(0),
            judgements: Mutex::default(),
            access_life: Mutex::new(MINUTE * 10),
            clock,
        }
    }

    pub(super) fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    pub(super) fn says_about(&self, subject: &str, says: Says) {
        self.about.lock().unwrap().insert(subject.to_owned(), says);
    }

    /// Sets the result of checking the client without a grant.
    pub(super) fn says_of_client(&self, says: Result<ClientCheck, Unreachable>) {
        *self.client.lock().unwrap() = says;
    }

    pub(super) fn refreshes(&self) -> usize {
        self.refreshes.load(Ordering::SeqCst)
    }

    pub(super) fn close_gate(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    pub(super) fn revoked(&self) -> Vec<String> {
        self.revoked.lock().unwrap().clone()
    }

    fn answer(&self, key: &IdentityKey, presented: &Secret) -> Result<RefreshAnswer, RefreshError> {
        let turn = self.refreshes.fetch_add(1, Ordering::SeqCst) + 1;
        let subject = key.subject.as_str();
        let about = self.about.lock().unwrap().get(subject).cloned();
        let says = about.unwrap_or_else(|| self.says.lock().unwrap().clone());
        let mut sid = Sid::Present(format!("sid-{subject}"));
        let mut next = Some(Secret::new(format!("refresh-{subject}-{turn}")));
        match &says {
            Says::Yes | Says::Halfway | Says::NotInGroup | Says::AnotherIssuer | Says::AnotherSubject => {}
            Says::YesWithoutSid => sid = Sid::Missing,
            Says::YesKeepingRefreshToken => next = None,
            Says::InvalidGrant => return Err(InvalidGrant { description: None }.into()),
            Says::Down => return Err(unreachable(OutageCause::Connect).into()),
            Says::Fails => return Err(unreachable(OutageCause::Status(500)).into()),
            Says::Hangs => return Err(unreachable(OutageCause::Timeout).into()),
            Says::Declines(code) => return Err(RefreshError::Declined(oauth(code))),
            Says::InvalidClient => {
                return Err(RefreshError::Provider(ProviderFault::TokenEndpointResponse("invalid_client")));
            }
        }
        if let Some(current) = self.strict.lock().unwrap().as_mut() {
            let kept = current.entry(subject.to_owned()).or_insert_with(|| presented.expose().to_owned());
            if kept != presented.expose() {
                if let Some(code) = *self.dead_is.lock().unwrap() {
                    return Err(RefreshError::Declined(oauth(code)));
                }
                return Err(InvalidGrant { description: None }.into());
            }
            if let Some(next) = &next {
                next.expose().clone_into(kept);
            }
        }
        let access_token = format!("access-{subject}-{turn}");
        let answer = RefreshAnswer::for_test(&access_token, next.as_ref());
        let judgement = match says {
            Says::Halfway => Err(unreachable(OutageCause::Timeout).into()),
            Says::NotInGroup => {
                let [field, found, wanted] = ["groups", "\"others\"", "\"devs\""].map(str::to_owned);
                Err(IdentityRefusal::GroupNotAllowed { field, found, wanted }.into())
            }
            Says::AnotherIssuer => {
                let [found, expected] = ["https://authentik.company/", ISSUER].map(str::to_owned);
                Err(ProviderFault::from(IdTokenError::Issuer { found, expected }).into())
            }
            Says::AnotherSubject => Err(JudgeError::AnotherSubject),
            _ => Ok(self.refreshed(subject, turn, next, sid)),
        };
        self.judgements.lock().unwrap().insert(access_token, judgement);
        Ok(answer)
    }

    fn refreshed(&self, subject: &str, turn: usize, next: Option<Secret>, sid: Sid) -> Refreshed {
        Refreshed {
            access_token: Secret::new(format!("access-{subject}-{turn}")),
            access_expires_at: self.clock.now() + *self.access_life.lock().unwrap(),
            refresh_token: next,
            id_token: Some(Secret::new(format!("signed-{subject}-{turn}"))),
            sid,
            email: Email::parse(&format!("{subject}@acme.company")).unwrap(),
            groups: vec!["coder".to_owned()],
            claims: claims(subject),
        }
    }
}

pub(super) fn unreachable(cause: OutageCause) -> Unreachable {
    Unreachable { cause, retry_after: None }
}

pub(super) fn oauth(code: &str) -> OAuthError {
    OAuthError { code: code.to_owned(), description: None, status: Some(400) }
}

impl GrantProvider for FakeProvider {
    fn refresh<'a>(
        &'a self,
        key: &'a IdentityKey,
        refresh_token: &'a Secret,
    ) -> BoxFuture<'a, Result<RefreshAnswer, RefreshError>> {
        Box::pin(async move {
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(now, Ordering::SeqCst);
            let gate = self.gate.lock().unwrap().clone();
            if let Some(gate) = gate {
                gate.acquire().await.unwrap().forget();
            }
            let answer = self.answer(key, refresh_token);
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            answer
        })
    }

    fn judge<'a>(
        &'a self,
        _key: &'a IdentityKey,
        answer: &'a RefreshAnswer,
    ) -> BoxFuture<'a, Result<Refreshed, JudgeError>> {
        Box::pin(async move {
            let access_token = answer.access_token().unwrap().expose();
            self.judgements.lock().unwrap()[access_token].clone()
        })
    }

    fn check_client(&self, _in_doubt: bool) -> BoxFuture<'_, Result<ClientCheck, Unreachable>> {
        Box::pin(async move {
            self.checks.fetch_add(1, Ordering::SeqCst);
            self.client.lock().unwrap().clone()
        })
    }

    fn revoke<'a>(&'a self, token: &'a Secret, kind: TokenKind) -> BoxFuture<'a, Result<(), RevokeError>> {
        Box::pin(async move {
            if *self.revocation_down.lock().unwrap() {
                return Err(Unreachable { cause: OutageCause::Timeout, retry_after: None }.into());
            }
            self.revoked.lock().unwrap().push(format!("{kind:?} {}", token.expose()));
            Ok(())
        })
    }
}
