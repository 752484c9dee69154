//! Asks the provider about a grant, and finds out why no tokens come: a refusal of this user, a misconfigured client,
//! or a provider that does not answer.
//!
//! `invalid_grant` is a refusal. Every other error may be one: for a dead refresh token Dex and LemonLDAP::NG answer
//! `invalid_request`, Gitea `unauthorized_client`, Pocket ID `access_denied`; a wrong secret has the same names. Such
//! an answer ends a grant only when the provider demonstrably accepts our client: it has since given tokens for another
//! grant, or it answers `invalid_grant` to a made-up refresh token. Likewise, an internal error or silence counts as an
//! outage only when the provider answers nothing else either.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::grant_provider::GrantProvider;
use super::health::{ProviderHealth, ProviderPass};
use crate::grant::EndReason;
use crate::grant::credential::{RefreshHistory, RefreshTrouble};
use crate::oidc::{
    ClientCheck, JudgeError, OAuthError, OutageCause, RefreshAnswer, RefreshError, Refreshed, RevokeError,
    TokenKind, Unreachable,
};
use crate::types::{Clock, IdentityKey, Moment, Secret};

/// The time limit for one exchange. The client has its own, shorter limit; this one applies whatever the client does.
const LONGEST_EXCHANGE: Duration = Duration::from_mins(1);

/// No answer within [`LONGEST_EXCHANGE`].
const TOO_LATE: Unreachable = Unreachable { cause: OutageCause::Timeout, retry_after: None };

/// Why a grant is not renewed.
pub(super) enum NotRenewed {
    /// The grant must end.
    Over(EndReason),
    /// The provider gave no usable answer; and when to ask again.
    Later(RefreshTrouble, Moment),
}

/// Why a refresh gave no tokens.
pub(super) enum NoTokens {
    /// An error that may concern the grant or our client: [`ProviderLink::settle`] finds out which.
    Declined(DeclinedRefresh),
    /// Anything else.
    NotRenewed(NotRenewed),
}

/// A refresh that was declined with another error than `invalid_grant`.
pub(super) struct DeclinedRefresh {
    pub(super) error: OAuthError,
    /// The latest exchange known to have given tokens when this one began.
    last_given: u64,
}

impl From<NotRenewed> for NoTokens {
    fn from(not_renewed: NotRenewed) -> Self {
        Self::NotRenewed(not_renewed)
    }
}

/// The provider as grants see it: whether it answers and accepts our client.
pub(in crate::grant) struct ProviderLink {
    provider: Arc<dyn GrantProvider>,
    pub(super) health: ProviderHealth,
    clock: Clock,
    /// Numbers the exchanges, from 1.
    exchanges: AtomicU64,
    /// The latest exchange that gave tokens. If it began after a decline, the provider accepts our client.
    last_given: AtomicU64,
    /// Held while the client is checked: one check at a time.
    checking: Mutex<()>,
}

impl ProviderLink {
    /// A link to a provider that is assumed to answer.
    pub(in crate::grant) fn new(provider: Arc<dyn GrantProvider>, clock: Clock) -> Self {
        Self {
            provider,
            health: ProviderHealth::new(),
            clock,
            exchanges: AtomicU64::new(0),
            last_given: AtomicU64::new(0),
            checking: Mutex::default(),
        }
    }

    /// Presents a grant's refresh token, and notes whether the provider answers.
    pub(super) async fn refresh(
        &self,
        history: &RefreshHistory,
        key: &IdentityKey,
        token: &Secret,
        pass: &mut ProviderPass<'_>,
    ) -> Result<RefreshAnswer, NoTokens> {
        let last_given = self.last_given.load(Ordering::Relaxed);
        let exchange = self.exchanges.fetch_add(1, Ordering::Relaxed) + 1;
        let asked = tokio::time::timeout(LONGEST_EXCHANGE, self.provider.refresh(key, token)).await;
        let error = match asked.unwrap_or_else(|_| Err(TOO_LATE.into())) {
            Ok(answer) => {
                // The judgement shows whether it is back: its keys or its userinfo may be down.
                self.last_given.fetch_max(exchange, Ordering::Relaxed);
                history.token_accepted();
                return Ok(answer);
            }
            Err(error) => error,
        };
        tracing::warn!(sub = %key.subject, %error, "a refresh failed");
        Err(match error {
            RefreshError::Ended(_) => {
                pass.answered();
                NotRenewed::Over(EndReason::EndedByProvider).into()
            }
            RefreshError::Declined(error) => {
                pass.answered();
                NoTokens::Declined(DeclinedRefresh { error, last_given })
            }
            RefreshError::Unreachable(down) if down.may_concern_one_person() => {
                self.failed_for_one(history, pass, down).await.into()
            }
            RefreshError::Unreachable(down) => self.down(history, pass, down.retry_after).into(),
            RefreshError::Provider(_) => self.later(history, RefreshTrouble::Unusable).into(),
        })
    }

    /// Finds out what an error other than `invalid_grant` means for its grant.
    pub(super) async fn settle(
        &self,
        history: &RefreshHistory,
        key: &IdentityKey,
        token: &Secret,
        decline: &DeclinedRefresh,
        pass: &mut ProviderPass<'_>,
    ) -> Result<RefreshAnswer, NotRenewed> {
        let first = history.declined(self.exchanges.load(Ordering::Relaxed));
        let later = self.later(history, RefreshTrouble::Declined);
        let over = || {
            tracing::warn!(
                sub = %key.subject, code = decline.error.code,
                "the provider accepts the gateway's client but no longer this refresh token: the sign-in has ended"
            );
            Err(NotRenewed::Over(EndReason::EndedByProvider))
        };
        // Another grant was refreshed after the first decline and before this request.
        if decline.last_given > first {
            return over();
        }
        match self.check_client(decline.error.is_about_the_client()).await {
            Ok(ClientCheck::Good) => {}
            Ok(ClientCheck::Refused(refused)) => {
                tracing::error!(%refused, "the provider refuses the gateway's client, so no sign-in can be renewed: check oidc.clientID and oidc.clientSecret");
                return Err(later);
            }
            Ok(ClientCheck::Unclear(_)) | Err(_) => return Err(later),
        }
        // Once more: the client may have been corrected between the two answers.
        match self.refresh(history, key, token, pass).await {
            Err(NoTokens::Declined(_)) => over(),
            Err(NoTokens::NotRenewed(not_renewed)) => Err(not_renewed),
            Ok(answer) => Ok(answer),
        }
    }

    /// Judges the person by an answer.
    pub(super) async fn judge(
        &self,
        history: &RefreshHistory,
        key: &IdentityKey,
        answer: &RefreshAnswer,
        pass: &mut ProviderPass<'_>,
    ) -> Result<Refreshed, NotRenewed> {
        let judged = tokio::time::timeout(LONGEST_EXCHANGE, self.provider.judge(key, answer)).await;
        let error = match judged.unwrap_or_else(|_| Err(TOO_LATE.into())) {
            Ok(refreshed) => {
                pass.answered();
                history.confirmed();
                return Ok(refreshed);
            }
            Err(error) => error,
        };
        tracing::warn!(sub = %key.subject, %error, "the answer to a refresh cannot be used");
        if !matches!(error, JudgeError::Unreachable(_)) {
            pass.answered();
        }
        Err(match error {
            JudgeError::Refused(refusal) => NotRenewed::Over(EndReason::refused(&refusal.sentence())),
            JudgeError::AnotherSubject => NotRenewed::Over(EndReason::AnotherSubject),
            // The token endpoint answers, so a check there would not tell an outage from one person's trouble.
            JudgeError::Unreachable(down) => self.down(history, pass, down.retry_after),
            JudgeError::Provider(_) => self.later(history, RefreshTrouble::Unusable),
        })
    }

    /// When a provider that does not answer may be asked again; `None` when it may now.
    pub(in crate::grant) fn down_until(&self, now: Moment) -> Option<Moment> {
        self.health.down_until(now)
    }

    /// Waits until no refresh is in flight.
    pub(in crate::grant) async fn wait_until_idle(&self) {
        self.health.wait_until_idle().await;
    }

    /// Revokes one token.
    ///
    /// # Errors
    ///
    /// The token is not revoked: the provider gave no answer, or offers no revocation.
    pub(in crate::grant) async fn revoke(&self, token: &Secret, kind: TokenKind) -> Result<(), RevokeError> {
        self.provider.revoke(token, kind).await
    }

    /// An internal error or silence: an outage when the provider answers nothing else either.
    async fn failed_for_one(
        &self,
        history: &RefreshHistory,
        pass: &mut ProviderPass<'_>,
        down: Unreachable,
    ) -> NotRenewed {
        let _one = self.checking.lock().await;
        let now = self.clock.moment();
        if let Some(until) = self.health.down_until(now).filter(|_| !pass.is_probe()) {
            // Another check finished while this one waited.
            return NotRenewed::Later(
                RefreshTrouble::NoAnswer,
                until.max(history.failed(now, RefreshTrouble::NoAnswer)),
            );
        }
        match self.ask_about_client(false).await {
            Ok(_) => {
                pass.answered();
                self.later(history, RefreshTrouble::Declined)
            }
            Err(_) => self.down(history, pass, down.retry_after),
        }
    }

    async fn check_client(&self, in_doubt: bool) -> Result<ClientCheck, Unreachable> {
        let _one = self.checking.lock().await;
        self.ask_about_client(in_doubt).await
    }

    async fn ask_about_client(&self, in_doubt: bool) -> Result<ClientCheck, Unreachable> {
        let checked = self.provider.check_client(in_doubt);
        tokio::time::timeout(LONGEST_EXCHANGE, checked).await.unwrap_or(Err(TOO_LATE))
    }

    fn down(
        &self,
        history: &RefreshHistory,
        pass: &mut ProviderPass<'_>,
        retry_after: Option<Duration>,
    ) -> NotRenewed {
        let now = self.clock.moment();
        let again = history.failed(now, RefreshTrouble::NoAnswer);
        NotRenewed::Later(RefreshTrouble::NoAnswer, pass.failed(now, retry_after).max(again))
    }

    fn later(&self, history: &RefreshHistory, trouble: RefreshTrouble) -> NotRenewed {
        NotRenewed::Later(trouble, history.failed(self.clock.moment(), trouble))
    }
}
