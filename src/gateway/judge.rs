//! Finds who presents a request. A fresh authorization is one look-up in memory; everything else waits on the slow
//! runtime, for the store, the provider and Coder.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::context::RequestContext;
use super::limits::{LimitExceeded, Limits};
use super::refusals::RefusalCause;
use crate::coder::api::{Api, TokenLookup};
use crate::coder::credential::{
    Contradiction, Finder, PresentedCredential, PresentedKind, SessionCookie, key_id, session_cookies,
};
use crate::grant::{
    AskNext, CredentialHandle, Device, EndedKey, Grants, MadeFor, StoreError, TokenOwner, Verdict,
};
use crate::policy::{Bearer, Judging, RouteClass, Rules};
use crate::types::{CoderUserId, CutOff, HashMemo, Secret, SingleFlight, TokenHash};

/// When to ask again after Coder could not be asked.
const CODER_RETRY: Duration = Duration::from_secs(5);

/// How long a question about a token waits for room among others of its address.
const QUESTION_PATIENCE: Duration = Duration::from_secs(10);

/// Why Coder was not asked about a token, or its answer was not stored. Everybody who waits for the answer gets it.
#[derive(Clone, Debug)]
enum LookupError {
    /// The store failed.
    Store(StoreError),
    /// The address may ask about no more tokens now.
    TooMany(LimitExceeded),
}

impl From<LookupError> for RefusalCause {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Store(error) => Self::Store(error),
            LookupError::TooMany(exceeded) => Self::TooMany(exceeded),
        }
    }
}

/// Finds the credential of a request and its verdict.
pub(super) struct CredentialJudge {
    finder: Finder,
    rules: Arc<Rules>,
    grants: Arc<Grants>,
    api: Api,
    limits: Arc<Limits>,
    /// The questions to Coder that are open: one for each token, however many requests wait for its answer.
    lookups: SingleFlight<TokenHash, Result<Verdict, LookupError>>,
    slow: Handle,
}

impl CredentialJudge {
    /// A judge that waits on the runtime `slow`.
    pub(super) fn new(
        finder: Finder,
        rules: Arc<Rules>,
        grants: Arc<Grants>,
        api: Api,
        limits: Arc<Limits>,
        slow: Handle,
    ) -> Self {
        Self { finder, rules, grants, api, limits, lookups: SingleFlight::default(), slow }
    }

    /// The credential that Coder will use; `None` if the route needs none. Two contradictory credentials
    /// do not matter there.
    ///
    /// # Errors
    /// [`Contradiction`] when the request carries two different ones.
    pub(super) fn find<'a>(
        &self,
        headers: &'a HeaderMap,
        query: Option<&'a str>,
        class: RouteClass,
    ) -> Result<Option<PresentedCredential<'a>>, Contradiction> {
        match self.rules.judging(class) {
            Judging::Nothing => Ok(None),
            Judging::Format | Judging::Person => self.finder.find(headers, query, class),
        }
    }

    /// The bearer of a request. One look-up when the authorization is fresh, and one hash when another credential was
    /// presented before on the connection.
    ///
    /// # Errors
    /// When the credential cannot be judged: the store fails, the address has asked about too many unknown
    /// tokens, or the gateway is being restarted.
    pub(super) async fn bearer(
        self: &Arc<Self>,
        presented: Option<&PresentedCredential<'_>>,
        class: RouteClass,
        headers: &HeaderMap,
        context: &RequestContext,
        hashes: &HashMemo,
    ) -> Result<Bearer, RefusalCause> {
        let Some(presented) = presented else { return Ok(Bearer::Nobody) };
        if !presented.is_personal() || self.rules.judging(class) != Judging::Person {
            return Ok(presented.bearer(Verdict::NeedsAsking(AskNext::Grants)));
        }
        let hash = presented.hash_with(hashes);
        let mut verdict = self.grants.check(&hash);
        if matches!(verdict, Verdict::NeedsAsking(_)) {
            // Coder cannot be asked about the encrypted key of an app redirect.
            let secret = (presented.kind() == PresentedKind::Person).then(|| presented.secret());
            verdict = self.find_out(hash, secret, context.device(headers)).await?;
        }
        Ok(presented.bearer(verdict))
    }

    /// The verdict on the session in a browser's cookie; `None` when it has no such cookie.
    ///
    /// # Errors
    /// As [`Self::bearer`], and [`Contradiction`] when it has the live sessions of two people.
    pub(super) async fn session_of_browser(
        self: &Arc<Self>,
        headers: &HeaderMap,
        context: &RequestContext,
    ) -> Result<Option<Verdict>, RefusalCause> {
        let cookies = session_cookies(headers);
        let token = match cookies.as_slice() {
            [] => return Ok(None),
            [one] => one.token,
            [first, ..] => {
                self.session_among(&cookies, context.device(headers)).await?.unwrap_or(first.token)
            }
        };
        let device = context.device(headers);
        self.find_out(TokenHash::of(token), Some(token.into()), device).await.map(Some)
    }

    /// Whether Coder accepts a token now. Nothing is kept of its answer.
    pub(super) async fn coder_accepts(&self, token: Secret, client: IpAddr) -> bool {
        let api = self.api.clone();
        let asked = self.slow.spawn(async move { api.who(&token, client).await }).await;
        matches!(asked, Ok(TokenLookup::Owner(_) | TokenLookup::Scoped))
    }

    /// Of several sessions in a browser's cookies, the one that counts: a live one, else one that cannot be judged at
    /// the moment. `None` when all of them have ended or are unknown. Coder is asked only when no session is known to be
    /// live: an app that plants cookies must not make the gateway ask about them with each request.
    ///
    /// # Errors
    /// [`Contradiction`] when two people's sessions are live, and another host can have set both; otherwise as
    /// [`Self::bearer`].
    pub(super) async fn session_among<'a>(
        self: &Arc<Self>,
        cookies: &[SessionCookie<'a>],
        device: Device,
    ) -> Result<Option<&'a str>, RefusalCause> {
        let mut live: Option<(SessionCookie<'a>, Option<CoderUserId>)> = None;
        let (mut undecided, mut never_seen) = (None, Vec::new());
        for cookie in cookies {
            let verdict = self.known(TokenHash::of(cookie.token)).await?;
            match (&verdict, &live) {
                (verdict, None) if is_live(verdict) => {
                    live = Some((*cookie, verdict.credential().and_then(CredentialHandle::user)));
                }
                (verdict, Some((first, user))) if is_live(verdict) => {
                    let other = verdict.credential().and_then(CredentialHandle::user);
                    // Nobody knows the owner of a token that Coder does not attribute.
                    let same = other.is_some() && other == *user;
                    if !same && !first.is_prefixed {
                        return Err(Contradiction { in_cookies: true }.into());
                    }
                }
                (Verdict::NeedsAsking(AskNext::Coder), _) => never_seen.push(cookie.token),
                (Verdict::Unreachable { .. } | Verdict::Declined | Verdict::NeedsAsking(_), _) => {
                    undecided = undecided.or(Some(cookie.token));
                }
                _ => {}
            }
        }
        if let Some(known) = live.map(|(cookie, _)| cookie.token).or(undecided) {
            return Ok(Some(known));
        }
        for token in never_seen {
            let verdict = self.find_out(TokenHash::of(token), Some(token.into()), device.clone()).await?;
            if is_live(&verdict) || matches!(verdict, Verdict::Unreachable { .. }) {
                return Ok(Some(token));
            }
        }
        Ok(None)
    }

    /// What memory, the store and the provider know of a session.
    async fn known(&self, hash: TokenHash) -> Result<Verdict, RefusalCause> {
        let verdict = self.grants.check(&hash);
        if !matches!(verdict, Verdict::NeedsAsking(_)) {
            return Ok(verdict);
        }
        let grants = Arc::clone(&self.grants);
        let judged = self.slow.spawn(async move { grants.judge(&hash).await }).await;
        Ok(judged.map_err(|_| RefusalCause::CutOff)??)
    }

    /// Runs on the slow runtime to the end, whether or not the client waits.
    async fn find_out(
        self: &Arc<Self>,
        hash: TokenHash,
        secret: Option<Secret>,
        device: Device,
    ) -> Result<Verdict, RefusalCause> {
        let judge = Arc::clone(self);
        let work = async move {
            let verdict = judge.ask(hash, secret, device.address).await;
            judge.grants.seen_from(&hash, device);
            verdict
        };
        self.slow.spawn(work).await.unwrap_or(Err(RefusalCause::CutOff))
    }

    /// Asks the store and the provider, and Coder where they do not know the token.
    async fn ask(
        self: &Arc<Self>,
        hash: TokenHash,
        secret: Option<Secret>,
        client: IpAddr,
    ) -> Result<Verdict, RefusalCause> {
        let known = match self.grants.judge(&hash).await? {
            Verdict::NeedsAsking(next) => next == AskNext::CoderAgain,
            verdict => return Ok(verdict),
        };
        let Some(secret) = secret else { return Ok(Verdict::Unknown) };
        let judge = Arc::clone(self);
        let work = || async move { judge.ask_coder(hash, &secret, known, client).await };
        match self.lookups.join_or_start(&self.slow, hash, work).await {
            Ok(answer) => Ok(answer?),
            Err(CutOff) => Err(RefusalCause::CutOff),
        }
    }

    /// Asks Coder who owns a token. A `known` token, which Coder knew the last time, does not count towards the limit
    /// of its address, nor as bad.
    async fn ask_coder(
        &self,
        hash: TokenHash,
        secret: &Secret,
        known: bool,
        client: IpAddr,
    ) -> Result<Verdict, LookupError> {
        // The question before this one may have been about the same token.
        let verdict = self.grants.check(&hash);
        if !matches!(verdict, Verdict::NeedsAsking(_)) {
            return Ok(verdict);
        }
        let question = if known {
            None
        } else {
            match timeout(QUESTION_PATIENCE, self.limits.question(client)).await {
                Ok(question) => Some(question.map_err(LookupError::TooMany)?),
                // Coder is so slow that the questions before this one are still open.
                Err(_) => return Ok(CODER_IS_SILENT),
            }
        };
        let verdict = match self.api.who(secret, client).await {
            TokenLookup::Owner(owner) => {
                let owner = TokenOwner {
                    user: owner.user,
                    login_type: owner.login_type,
                    made_for: MadeFor::Presented,
                    key_id: key_id(secret.expose()),
                };
                self.grants.adopt(hash, owner).await.map_err(LookupError::Store)?
            }
            TokenLookup::Scoped => self.grants.accept_unattributed(hash),
            TokenLookup::UnknownToken => {
                if known {
                    self.grants.forget_token(EndedKey::Token(hash)).await.map_err(LookupError::Store)?;
                }
                self.grants.remember_unknown(hash);
                if let Some(question) = question {
                    question.was_bad();
                }
                return Ok(Verdict::Unknown);
            }
            TokenLookup::Unreachable => return Ok(CODER_IS_SILENT),
        };
        // Nobody is left to ask.
        Ok(if matches!(verdict, Verdict::NeedsAsking(_)) { Verdict::Unknown } else { verdict })
    }
}

/// Whether a session can be served, as far as its verdict says.
const fn is_live(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Authorized(_) | Verdict::CoderOnly(_) | Verdict::Unattributed(_))
}

/// The verdict while Coder cannot be asked.
const CODER_IS_SILENT: Verdict = Verdict::Unreachable { answers: false, retry_after: CODER_RETRY };
