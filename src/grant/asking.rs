//! Asking the provider about a grant, and telling apart what it may mean when no tokens come: a no about
//! this person, a client that is not set up right, a provider that does not answer.
//!
//! `invalid_grant` is a no. Every other error may be one: Dex and LemonLDAP::NG call a dead refresh token
//! `invalid_request`, Gitea `unauthorized_client`, Pocket ID `access_denied`; a wrong secret has the same
//! names. Such an answer ends a grant only when it is shown that the provider takes our client: it gave
//! tokens for another grant since, or it answers `invalid_grant` to a refresh token that nobody has. In the
//! same way an internal error or a silence counts as an outage only when the provider answers nothing else
//! either.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::flight::{RefreshSlot, Trouble};
use super::health::{Health, Pass};
use super::{EndReason, Refresher};
use crate::oidc::{
    ClientCheck, JudgeError, OAuthError, OutageCause, RefreshAnswer, RefreshError, Refreshed, RevokeError,
    TokenKind, Unreachable,
};
use crate::types::{Clock, IdentityKey, Secret, Timestamp};

/// How long the provider may take for one exchange. The client has its own, shorter limit; this one
/// holds whatever the client does.
const LONGEST_EXCHANGE: Duration = Duration::from_mins(1);

/// No answer within [`LONGEST_EXCHANGE`].
const TOO_LATE: Unreachable = Unreachable { cause: OutageCause::Timeout, retry_after: None };

/// Why a grant is not renewed.
pub(super) enum NotRenewed {
    /// It is over.
    Over(EndReason),
    /// Nothing that counts was said; and when to ask again.
    Later(Trouble, Timestamp),
}

/// Why a refresh gave no tokens.
pub(super) enum NoTokens {
    /// An error that may be about the grant or about our client: [`Asking::settle`] says which.
    Declined(Decline),
    /// Anything else.
    NotRenewed(NotRenewed),
}

/// A refresh that was declined by another name than `invalid_grant`.
pub(super) struct Decline {
    pub(super) error: OAuthError,
    /// The latest exchange that was known to have given tokens when this one began.
    last_given: u64,
}

impl From<NotRenewed> for NoTokens {
    fn from(not_renewed: NotRenewed) -> Self {
        Self::NotRenewed(not_renewed)
    }
}

/// The provider's side of the grants: how it is, and what it thinks of our client.
pub(super) struct Asking {
    refresher: Arc<dyn Refresher>,
    pub(super) health: Health,
    clock: Clock,
    /// Numbers the exchanges, from 1.
    exchanges: AtomicU64,
    /// The latest exchange that gave tokens. One that began after a decline shows that the provider takes
    /// our client.
    last_given: AtomicU64,
    /// Held while the client is checked: one check at a time.
    checking: Mutex<()>,
}

impl Asking {
    pub(super) fn new(refresher: Arc<dyn Refresher>, clock: Clock) -> Self {
        Self {
            refresher,
            health: Health::new(),
            clock,
            exchanges: AtomicU64::new(0),
            last_given: AtomicU64::new(0),
            checking: Mutex::default(),
        }
    }

    /// Presents a grant's refresh token, and takes note of how the provider is.
    pub(super) async fn refresh(
        &self,
        slot: &RefreshSlot,
        key: &IdentityKey,
        token: &Secret,
        pass: &mut Pass<'_>,
    ) -> Result<RefreshAnswer, NoTokens> {
        let last_given = self.last_given.load(Ordering::Relaxed);
        let exchange = self.exchanges.fetch_add(1, Ordering::Relaxed) + 1;
        let asked = tokio::time::timeout(LONGEST_EXCHANGE, self.refresher.refresh(key, token)).await;
        let error = match asked.unwrap_or_else(|_| Err(TOO_LATE.into())) {
            Ok(answer) => {
                // Whether it is back shows when the person is judged: its keys or its userinfo may be down.
                self.last_given.fetch_max(exchange, Ordering::Relaxed);
                slot.took_its_token();
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
                NoTokens::Declined(Decline { error, last_given })
            }
            RefreshError::Unreachable(down) if down.may_concern_one_person() => {
                self.failed_for_one(slot, pass, down).await.into()
            }
            RefreshError::Unreachable(down) => self.down(slot, pass, down.retry_after).into(),
            RefreshError::Provider(_) => self.later(slot, Trouble::Unusable).into(),
        })
    }

    /// Says what an error other than `invalid_grant` means for the grant that it came for.
    pub(super) async fn settle(
        &self,
        slot: &RefreshSlot,
        key: &IdentityKey,
        token: &Secret,
        decline: &Decline,
        pass: &mut Pass<'_>,
    ) -> Result<RefreshAnswer, NotRenewed> {
        let first = slot.declined(self.exchanges.load(Ordering::Relaxed));
        let later = self.later(slot, Trouble::Declined);
        let over = || {
            tracing::warn!(
                sub = %key.subject, code = decline.error.code,
                "the provider accepts the gateway's client but no longer this refresh token: the sign-in has ended"
            );
            Err(NotRenewed::Over(EndReason::EndedByProvider))
        };
        // Another grant was refreshed after the first decline and before this one was asked for.
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
        // Once more: the client may have been set right between the two answers.
        match self.refresh(slot, key, token, pass).await {
            Err(NoTokens::Declined(_)) => over(),
            Err(NoTokens::NotRenewed(not_renewed)) => Err(not_renewed),
            Ok(answer) => Ok(answer),
        }
    }

    /// Judges the person by an answer.
    pub(super) async fn judge(
        &self,
        slot: &RefreshSlot,
        key: &IdentityKey,
        answer: &RefreshAnswer,
        pass: &mut Pass<'_>,
    ) -> Result<Refreshed, NotRenewed> {
        let judged = tokio::time::timeout(LONGEST_EXCHANGE, self.refresher.judge(key, answer)).await;
        let error = match judged.unwrap_or_else(|_| Err(TOO_LATE.into())) {
            Ok(refreshed) => {
                pass.answered();
                slot.answered();
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
            // The token endpoint answers: nothing there could tell an outage from one person's trouble.
            JudgeError::Unreachable(down) => self.down(slot, pass, down.retry_after),
            JudgeError::Provider(_) => self.later(slot, Trouble::Unusable),
        })
    }

    /// Revokes one token.
    pub(super) async fn revoke(&self, token: &Secret, kind: TokenKind) -> Result<(), RevokeError> {
        self.refresher.revoke(token, kind).await
    }

    /// An internal error or a silence: an outage when the provider answers nothing else either.
    async fn failed_for_one(&self, slot: &RefreshSlot, pass: &mut Pass<'_>, down: Unreachable) -> NotRenewed {
        let _one = self.checking.lock().await;
        let now = self.clock.now();
        if let Some(until) = self.health.hopeless(now).filter(|_| !pass.is_probe()) {
            // Another check has found out while this one waited.
            return NotRenewed::Later(Trouble::NoAnswer, until.max(slot.failed(now, Trouble::NoAnswer)));
        }
        match self.ask_about_client(false).await {
            Ok(_) => {
                pass.answered();
                self.later(slot, Trouble::Declined)
            }
            Err(_) => self.down(slot, pass, down.retry_after),
        }
    }

    async fn check_client(&self, in_doubt: bool) -> Result<ClientCheck, Unreachable> {
        let _one = self.checking.lock().await;
        self.ask_about_client(in_doubt).await
    }

    async fn ask_about_client(&self, in_doubt: bool) -> Result<ClientCheck, Unreachable> {
        let checked = self.refresher.check_client(in_doubt);
        tokio::time::timeout(LONGEST_EXCHANGE, checked).await.unwrap_or(Err(TOO_LATE))
    }

    fn down(&self, slot: &RefreshSlot, pass: &mut Pass<'_>, retry_after: Option<Duration>) -> NotRenewed {
        let now = self.clock.now();
        let again = slot.failed(now, Trouble::NoAnswer);
        NotRenewed::Later(Trouble::NoAnswer, pass.failed(now, retry_after).max(again))
    }

    fn later(&self, slot: &RefreshSlot, trouble: Trouble) -> NotRenewed {
        NotRenewed::Later(trouble, slot.failed(self.clock.now(), trouble))
    }
}
