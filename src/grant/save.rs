//! What a refresh gave: the new refresh token stored first, then the person judged, then all of it stored.

use std::sync::Arc;

use super::flight::Outcome;
use super::health::Pass;
use super::live::GrantState;
use super::renew::emit;
use super::store::{GrantHead, GrantRow, Replacement, StoreError};
use super::vault::Contents;
use super::{EndReason, Grants};
use crate::oidc::{RefreshAnswer, Refreshed, Sid};
use crate::types::{GrantId, Secret, TokenHash};

/// An answer of the provider that is not stored whole yet. The old refresh token may be spent: this must be
/// stored, not asked for again.
#[derive(Clone)]
pub(super) struct Unsaved {
    generation: u64,
    answer: RefreshAnswer,
}

impl Grants {
    /// Stores the new refresh token, judges the person by the answer, and lets it count once it is stored.
    pub(super) async fn keep(
        self: &Arc<Self>,
        grant: &Arc<GrantState>,
        row: GrantRow,
        contents: Contents,
        answer: RefreshAnswer,
        pass: &mut Pass<'_>,
    ) -> Result<Outcome, StoreError> {
        self.note_unsaved(&row.head, &answer);
        let Some((head, contents)) = self.keep_refresh_token(row.head, contents, &answer).await? else {
            return self.fenced_off(grant).await;
        };
        self.note_unsaved(&head, &answer);
        let refreshed = match self.asking.judge(&grant.slot, &head.key, &answer, pass).await {
            Ok(refreshed) => refreshed,
            Err(not_renewed) => {
                let outcome = self.not_renewed(&head, not_renewed).await?;
                self.lock_unsaved().remove(&grant.id);
                return Ok(outcome);
            }
        };
        if self.save(head, contents, refreshed).await? {
            self.lock_unsaved().remove(&grant.id);
            return Ok(Outcome::Fresh);
        }
        self.fenced_off(grant).await
    }

    fn note_unsaved(&self, head: &GrantHead, answer: &RefreshAnswer) {
        let unsaved = Unsaved { generation: head.generation, answer: answer.clone() };
        self.lock_unsaved().insert(head.id, unsaved);
    }

    /// Writes the new refresh token before anything else of the answer is looked at: whatever is wrong with
    /// the rest, the grant can be refreshed again. None: fenced off.
    async fn keep_refresh_token(
        &self,
        mut head: GrantHead,
        mut contents: Contents,
        answer: &RefreshAnswer,
    ) -> Result<Option<(GrantHead, Contents)>, StoreError> {
        let Some(token) =
            answer.refresh_token().filter(|token| contents.refresh_token.as_ref() != Some(token))
        else {
            return Ok(Some((head, contents)));
        };
        contents.refresh_token = Some(token.clone());
        let sealed = self.vault.seal(head.id, &contents)?;
        if !self.store.reseal(head.id, head.generation, sealed).await? {
            return Ok(None);
        }
        head.generation += 1;
        self.register().renewed(&head);
        Ok(Some((head, contents)))
    }

    /// Stores a refresh that counts. False: fenced off.
    async fn save(
        &self,
        head: GrantHead,
        contents: Contents,
        refreshed: Refreshed,
    ) -> Result<bool, StoreError> {
        let (id, seen) = (head.id, head.generation);
        let (head, replacement) = self.replacement(head, contents, refreshed)?;
        let reason = replacement.end_sessions.clone();
        let Some(ended) = self.store.replace(id, seen, replacement).await? else { return Ok(false) };
        emit(&head, reason.as_ref().map_or("ok", EndReason::label));
        let mut register = self.register();
        register.renewed(&head);
        if let Some(reason) = reason {
            register.ended(&ended, &reason);
        }
        Ok(true)
    }

    /// The grant as it will be, and what to write for it.
    fn replacement(
        &self,
        mut head: GrantHead,
        mut contents: Contents,
        refreshed: Refreshed,
    ) -> Result<(GrantHead, Replacement), StoreError> {
        let missing = refreshed.sid == Sid::Missing && head.sid.is_some();
        let signed_out = missing && self.settings.sign_out_with_provider;
        if let Sid::Present(sid) = refreshed.sid {
            head.sid = Some(sid);
        }
        head.email = refreshed.email;
        head.access_expires_at = refreshed.access_expires_at;
        head.checked_at = self.clock.now();
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
        let fresh = self.is_fresh_as(grant, &row.head);
        Ok(if fresh { Outcome::Fresh } else { Outcome::NoAnswer(self.clock.now()) })
    }

    /// Hands tokens that came too late for an ended grant to the queue of revocations.
    pub(super) async fn revoke_unsaved(&self, row: &GrantRow) -> Result<(), StoreError> {
        let id = row.head.id;
        let Some(unsaved) = self.lock_unsaved().get(&id).cloned() else { return Ok(()) };
        if row.head.ended.is_some() {
            let old = self.vault.open(id, &row.sealed).ok();
            let sealed = self.vault.seal(id, &late(old, &unsaved.answer))?;
            self.store.revoke_instead(id, sealed, self.clock.now()).await?;
        }
        self.lock_unsaved().remove(&id);
        Ok(())
    }

    pub(super) fn unsaved(&self, id: GrantId, generation: u64) -> Option<RefreshAnswer> {
        let unsaved = self.lock_unsaved();
        unsaved.get(&id).filter(|it| it.generation == generation).map(|it| it.answer.clone())
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
            self.renew(&grant, row.head.generation, self.patience()).await?;
        }
        Ok(())
    }
}

/// The tokens to revoke of a grant that ended while it was refreshed.
fn late(old: Option<Contents>, answer: &RefreshAnswer) -> Contents {
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
    if let Some(token) = answer.access_token() {
        contents.access_token = token.clone();
    }
    if let Some(token) = answer.refresh_token() {
        contents.refresh_token = Some(token.clone());
    }
    contents
}
