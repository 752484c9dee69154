//! What a refresh gave, stored before it counts.

use std::sync::Arc;

use super::flight::Outcome;
use super::live::GrantState;
use super::renew::emit;
use super::store::{GrantHead, GrantRow, Replacement, StoreError};
use super::vault::Contents;
use super::{EndReason, Grants};
use crate::oidc::{Refreshed, Sid};
use crate::types::{GrantId, Secret, Timestamp, TokenHash};

/// What the provider gave.
#[derive(Clone)]
pub(super) enum Given {
    /// New tokens and a judgement, and when.
    Yes(Box<Refreshed>, Timestamp),
    /// A new refresh token and no judgement; and when to ask again.
    RefreshToken(Secret, Timestamp),
}

/// What the provider gave and the store did not take yet. The old refresh token may be spent: this
/// must be stored, not asked for again.
#[derive(Clone)]
pub(super) struct Unsaved {
    generation: u64,
    given: Given,
}

impl Grants {
    /// Stores what the provider gave, and only then lets it count.
    pub(super) async fn save(
        self: &Arc<Self>,
        grant: &Arc<GrantState>,
        row: GrantRow,
        contents: Contents,
        given: Given,
    ) -> Result<Outcome, StoreError> {
        let unsaved = Unsaved { generation: row.head.generation, given: given.clone() };
        self.lock_unsaved().insert(grant.id, unsaved);
        let saved = match given {
            Given::Yes(refreshed, at) => self.save_yes(row.head, contents, *refreshed, at).await?,
            Given::RefreshToken(token, again) => {
                let kept = self.save_refresh_token(row.head, contents, token).await?;
                kept.then_some(Outcome::NoAnswer(again))
            }
        };
        match saved {
            Some(outcome) => {
                self.lock_unsaved().remove(&grant.id);
                Ok(outcome)
            }
            None => self.fenced_off(grant).await,
        }
    }

    async fn save_yes(
        &self,
        head: GrantHead,
        contents: Contents,
        refreshed: Refreshed,
        at: Timestamp,
    ) -> Result<Option<Outcome>, StoreError> {
        let (id, seen) = (head.id, head.generation);
        let (head, replacement) = self.replacement(head, contents, refreshed, at)?;
        let reason = replacement.end_sessions.clone();
        let Some(ended) = self.store.replace(id, seen, replacement).await? else { return Ok(None) };
        emit(&head, reason.as_ref().map_or("ok", EndReason::word));
        let mut register = self.register();
        register.renewed(&head);
        if let Some(reason) = reason {
            register.ended(&ended, &reason);
        }
        Ok(Some(Outcome::Fresh))
    }

    /// The grant as it will be, and what to write for it.
    fn replacement(
        &self,
        mut head: GrantHead,
        mut contents: Contents,
        refreshed: Refreshed,
        at: Timestamp,
    ) -> Result<(GrantHead, Replacement), StoreError> {
        let missing = refreshed.sid == Sid::Missing && head.sid.is_some();
        let signed_out = missing && self.settings.sign_out_with_provider;
        if let Sid::Present(sid) = refreshed.sid {
            head.sid = Some(sid);
        }
        head.email = refreshed.email;
        head.access_expires_at = refreshed.access_expires_at;
        head.checked_at = at;
        head.generation += 1;
        let access = TokenHash::of(refreshed.access_token.expose());
        contents.access_token = refreshed.access_token;
        // authentik sends no new refresh token when the old one is to be kept.
        contents.refresh_token = refreshed.refresh_token.or(contents.refresh_token);
        contents.id_token = refreshed.id_token.unwrap_or(contents.id_token);
        contents.groups = refreshed.groups;
        contents.claims = refreshed.claims;
        let replacement = Replacement {
            sid: head.sid.clone(),
            email: head.email.clone(),
            access,
            access_expires_at: head.access_expires_at,
            checked_at: head.checked_at,
            sealed: self.vault.seal(head.id, &contents)?,
            end_sessions: signed_out.then_some(EndReason::SignedOutAtProvider),
        };
        Ok((head, replacement))
    }

    async fn save_refresh_token(
        &self,
        mut head: GrantHead,
        mut contents: Contents,
        token: Secret,
    ) -> Result<bool, StoreError> {
        contents.refresh_token = Some(token);
        let sealed = self.vault.seal(head.id, &contents)?;
        let kept = self.store.reseal(head.id, head.generation, sealed).await?;
        if kept {
            head.generation += 1;
            self.register().renewed(&head);
        }
        Ok(kept)
    }

    /// The grant changed while the provider was asked. When it has ended, the new tokens must go too.
    async fn fenced_off(self: &Arc<Self>, grant: &Arc<GrantState>) -> Result<Outcome, StoreError> {
        let Some(row) = self.store.grant(grant.id).await? else {
            self.lock_unsaved().remove(&grant.id);
            return Ok(self.over_in_memory(grant, EndReason::Unused));
        };
        self.revoke_unsaved(&row).await?;
        if let Some(reason) = row.head.ended {
            return Ok(self.over_in_memory(grant, reason));
        }
        self.register().renewed(&row.head);
        Ok(Outcome::Fresh)
    }

    /// Hands tokens that came too late for an ended grant to the queue of revocations.
    pub(super) async fn revoke_unsaved(&self, row: &GrantRow) -> Result<(), StoreError> {
        let id = row.head.id;
        let Some(unsaved) = self.lock_unsaved().get(&id).cloned() else { return Ok(()) };
        if row.head.ended.is_some() {
            let old = self.vault.open(id, &row.sealed).ok();
            let sealed = self.vault.seal(id, &late(old, unsaved.given))?;
            self.store.revoke_instead(id, sealed, self.clock.now()).await?;
        }
        self.lock_unsaved().remove(&id);
        Ok(())
    }

    pub(super) fn unsaved(&self, id: GrantId, generation: u64) -> Option<Given> {
        let unsaved = self.lock_unsaved();
        unsaved.get(&id).filter(|it| it.generation == generation).map(|it| it.given.clone())
    }

    /// Tries again to store what the provider gave and the store did not take.
    pub(super) async fn save_unsaved(self: &Arc<Self>) -> Result<(), StoreError> {
        let waiting: Vec<GrantId> = self.lock_unsaved().keys().copied().collect();
        for id in waiting {
            let Some(row) = self.store.grant(id).await? else {
                self.lock_unsaved().remove(&id);
                continue;
            };
            if row.head.ended.is_some() {
                self.revoke_unsaved(&row).await?;
                continue;
            }
            let grant = self.register().grant(&row.head);
            self.renew(&grant, row.head.generation).await?;
        }
        Ok(())
    }
}

/// The tokens to revoke of a grant that ended while it was refreshed.
fn late(old: Option<Contents>, given: Given) -> Contents {
    let empty = || Contents {
        access_token: Secret::new(""),
        refresh_token: None,
        id_token: Secret::new(""),
        scope: None,
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        user_info: None,
    };
    let mut contents = old.unwrap_or_else(empty);
    match given {
        Given::Yes(refreshed, _) => {
            contents.access_token = refreshed.access_token;
            contents.refresh_token = refreshed.refresh_token.or(contents.refresh_token);
        }
        Given::RefreshToken(token, _) => contents.refresh_token = Some(token),
    }
    contents
}
