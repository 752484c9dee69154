//! Revocation at the provider (RFC 7009), in the background.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::grant::owner::CredentialOwner;
use crate::grant::parts::GrantParts;
use crate::grant::refresh::ProviderLink;
use crate::grant::store::{Revocation, Store};
use crate::grant::vault::Vault;
use crate::oidc::{RevokeError, TokenKind};
use crate::telemetry::audit::AuditAction;
use crate::types::{Backoff, Clock, Secret};

/// How many revocations are loaded at once.
const REVOKE_BATCH: u32 = 32;

/// How many of them are in progress together.
const REVOKE_TOGETHER: usize = 4;

/// The pauses between attempts to revoke the tokens of one grant.
const REVOKE_BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_hours(1));

/// How long a revocation is retried. authentik's refresh tokens live 30 days unless used.
const REVOKE_FOR: Duration = Duration::from_hours(24 * 7);

/// Revokes the tokens of ended grants at the provider.
pub(super) struct Revoker {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    provider: Arc<ProviderLink>,
    clock: Clock,
}

impl Revoker {
    /// A revoker for the store's queue.
    pub(super) fn new(parts: &GrantParts, provider: Arc<ProviderLink>) -> Self {
        let (store, vault) = (Arc::clone(&parts.store), Arc::clone(&parts.vault));
        Self { store, vault, provider, clock: parts.clock.clone() }
    }

    /// Revokes due tokens. A failed revocation is retried for a week, also after a restart, with growing pauses.
    pub(super) async fn revoke_due(&self) {
        if self.provider.down_until(self.clock.moment()).is_some() {
            return;
        }
        match self.store.due_revocations(self.clock.now(), REVOKE_BATCH).await {
            Ok(due) => {
                stream::iter(due).for_each_concurrent(REVOKE_TOGETHER, |one| self.revoke(one)).await;
            }
            Err(error) => tracing::error!(%error, "revocations cannot be read"),
        }
    }

    async fn revoke(&self, due: Revocation) {
        let id = due.head.id;
        let outcome = self.revoke_tokens(&due).await;
        let now = self.clock.now();
        let written = match &outcome {
            Err(error) if now.since(due.ended_at) < REVOKE_FOR => {
                tracing::warn!(grant = %id, %error, tries = due.tries + 1, "tokens are not revoked yet");
                self.store.revoke_later(id, now + REVOKE_BACKOFF.step(due.tries.saturating_add(1))).await
            }
            Err(error) => {
                tracing::error!(grant = %id, %error, "giving up: tokens are not revoked");
                emit(&due, "given_up");
                self.store.revoked(id).await
            }
            Ok(word) => {
                emit(&due, word);
                self.store.revoked(id).await
            }
        };
        if let Err(error) = written {
            tracing::error!(grant = %id, %error, "a revocation is not written down");
        }
    }

    /// Both tokens: authentik deletes only the given one.
    async fn revoke_tokens(&self, due: &Revocation) -> Result<&'static str, RevokeError> {
        let Ok(contents) = self.vault.open(due.head.id, &due.sealed) else { return Ok("unreadable") };
        let tokens: [(Option<&Secret>, TokenKind); 2] = [
            (contents.refresh_token.as_ref(), TokenKind::Refresh),
            (Some(&contents.access_token), TokenKind::Access),
        ];
        for (token, kind) in tokens {
            let Some(token) = token else { continue };
            match self.provider.revoke(token, kind).await {
                Err(RevokeError::Unsupported) => return Ok("unsupported"),
                other => other?,
            }
        }
        Ok("ok")
    }
}

/// Writes one audit event for the result of a revocation.
fn emit(due: &Revocation, outcome: &str) {
    CredentialOwner::of(&due.head).audit(AuditAction::Revocation, outcome);
}
