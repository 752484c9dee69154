//! TokenLookup presents a request: a look into memory, and for what that does not know, the store, authentik
//! and Coder, on the slow runtime.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::timeout;

use super::context::Context;
use super::questions::NoAnswer;
use super::sign_in::device;
use super::{Gateway, RefusalCause};
use crate::coder::api::TokenLookup;
use crate::coder::credential::{PresentedCredential, PresentedKind};
use crate::grant::{Authorization, Check, Device, EndReason, Judgement, MadeFor, TokenOwner};
use crate::policy::{Bearer, Judged, Judging, RouteClass};
use crate::types::{Secret, TokenHash};

/// When to ask again after Coder could not be asked.
const CODER_AGAIN: Duration = Duration::from_secs(5);

/// How long a token waits for its turn among others of its address.
const PATIENCE: Duration = Duration::from_secs(10);

impl Gateway {
    /// The bearer of a request. One hash and one look-up when the authorization is fresh.
    pub(super) async fn bearer(
        self: &Arc<Self>,
        presented: Option<&PresentedCredential<'_>>,
        class: RouteClass,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<Bearer, RefusalCause> {
        let Some(presented) = presented else { return Ok(Bearer::Nobody) };
        if !presented.is_judged() || self.rules.judging(class) != Judging::Person {
            return Ok(presented.bearer(Judged::Unasked));
        }
        let hash = presented.hash();
        let judged = if let Some(judged) = judged_now(self.grants.check(&hash)) {
            judged
        } else {
            // The encrypted hand-over to an app host is nothing that Coder could be asked about.
            let secret = (presented.kind() == PresentedKind::Person).then(|| presented.secret());
            self.find_out(hash, secret, device(headers, context)).await?
        };
        Ok(presented.bearer(judged))
    }

    /// What became of the session that a browser brings as its cookie; `None` where it brings none.
    pub(super) async fn browsers_session(
        self: &Arc<Self>,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<Option<Judged>, RefusalCause> {
        let Some(token) = self.finder.session_cookie(headers) else { return Ok(None) };
        let from = device(headers, context);
        self.find_out(TokenHash::of(token), Some(token.into()), from).await.map(Some)
    }

    /// Finds out on the slow runtime, to the end, whether or not the client waits for it.
    async fn find_out(
        self: &Arc<Self>,
        hash: TokenHash,
        secret: Option<Secret>,
        from: Device,
    ) -> Result<Judged, RefusalCause> {
        let gateway = Arc::clone(self);
        let work = async move {
            let judged = gateway.ask(hash, secret, from.address).await;
            gateway.grants.seen_from(&hash, from);
            judged
        };
        self.slow.spawn(work).await.unwrap_or(Err(RefusalCause::Gone))
    }

    async fn ask(
        self: &Arc<Self>,
        hash: TokenHash,
        secret: Option<Secret>,
        client: IpAddr,
    ) -> Result<Judged, RefusalCause> {
        let known = match self.grants.judge(&hash).await? {
            Judgement::Unknown => false,
            Judgement::Stale => true,
            judgement => return Ok(judged(judgement)),
        };
        let Some(secret) = secret else { return Ok(Judged::UnknownToken) };
        let gateway = Arc::clone(self);
        let work = async move { gateway.ask_coder(hash, &secret, known, client).await };
        Ok(self.questions.ask(&self.slow, hash, work).await?)
    }

    /// Asks Coder whose a token is. `known` is one that Coder knew the last time: it is not counted before the answer
    /// is another one, and has no share in what an address may ask at once.
    async fn ask_coder(
        &self,
        hash: TokenHash,
        secret: &Secret,
        known: bool,
        client: IpAddr,
    ) -> Result<Judged, NoAnswer> {
        // The question before this one may have been about the same token.
        if let Some(judged) = judged_now(self.grants.check(&hash)) {
            return Ok(judged);
        }
        let question = if known {
            None
        } else {
            match timeout(PATIENCE, self.limits.question(client)).await {
                Ok(question) => Some(question.map_err(NoAnswer::TooMany)?),
                // Coder is so slow that the questions before this one have not come to their end.
                Err(_) => return Ok(Judged::Unreachable { answers: false, retry_after: CODER_AGAIN }),
            }
        };
        let judgement = match self.api.who(secret, client).await {
            TokenLookup::Owner(owner) => {
                let owner = TokenOwner {
                    user: owner.user,
                    login_type: owner.login_type,
                    made_for: MadeFor::Presented,
                };
                self.grants.adopt(hash, owner).await.map_err(NoAnswer::Store)?
            }
            TokenLookup::Scoped => self.grants.accept_unattributed(hash),
            TokenLookup::UnknownToken => {
                self.grants.remember_unknown(hash);
                if let Some(question) = question {
                    question.was_bad();
                }
                return Ok(Judged::UnknownToken);
            }
            TokenLookup::Unreachable => {
                return Ok(Judged::Unreachable { answers: false, retry_after: CODER_AGAIN });
            }
        };
        Ok(judged(judgement))
    }
}

/// What the memory knows, in the policy's words; `None` when somebody has to be asked.
fn judged_now(check: Check) -> Option<Judged> {
    Some(match check {
        Check::Served(authorization) => Judged::Served(authorization),
        Check::WithoutGrant(authorization) => without_grant(authorization),
        Check::Unattributed(authorization) => Judged::Unattributed { authorization },
        Check::UnknownToken => Judged::UnknownToken,
        Check::Ask => return None,
    })
}

fn without_grant(authorization: Authorization) -> Judged {
    Judged::WithoutGrant { login_type: authorization.login_type(), authorization }
}

/// A judgement in the policy's words.
fn judged(judgement: Judgement) -> Judged {
    match judgement {
        Judgement::Served(authorization) => Judged::Served(authorization),
        Judgement::WithoutGrant(authorization) => without_grant(authorization),
        Judgement::Unattributed(authorization) => Judged::Unattributed { authorization },
        Judgement::Ended(reason) => Judged::Ended(reason),
        // Nothing has ended for good, but signing in again is the way on.
        Judgement::Declined => Judged::Ended(EndReason::EndedByProvider),
        Judgement::Unreachable { answers, retry_after } => Judged::Unreachable { answers, retry_after },
        Judgement::Unknown | Judgement::Stale => Judged::UnknownToken,
    }
}
