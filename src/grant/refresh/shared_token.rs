//! Providers that keep one refresh token for each user and client.
//!
//! At Dex the refresh token of a person's second sign-in replaces the first one's, whose refresh is then declined.
//! Ending the first browser's session would make the person sign in again, which would end the second's, and so on. Its
//! sessions continue with the person's newer sign-in instead.

use super::outcome::{RefreshOutcome, emit};
use crate::grant::EndReason;
use crate::grant::credential::GrantState;
use crate::grant::memory::GrantMemory;
use crate::grant::store::{GrantHead, Scope, Store, StoreError};
use crate::grant::terminator::Terminator;
use crate::oidc::OAuthError;

/// Moves the sessions of a declined grant to a newer sign-in of the same person, and ends the grant. None when there is
/// no such sign-in, or when the provider names its sessions (`sid`): there each sign-in has its own refresh token, and
/// a session must end with its own.
///
/// # Errors
///
/// The store failed: sessions may have been moved, and the grant has not ended.
pub(super) async fn move_to_newer(
    store: &dyn Store,
    memory: &GrantMemory,
    terminator: &Terminator,
    (grant, head): (&GrantState, &GrantHead),
    error: &OAuthError,
) -> Result<Option<RefreshOutcome>, StoreError> {
    let Some(user) = head.user.filter(|_| head.sid.is_none() && !error.is_about_the_client()) else {
        return Ok(None);
    };
    let grants = store.user(user).await?.grants;
    let takes_over = |other: &&GrantHead| {
        other.id != head.id
            && other.key == head.key
            && other.sid.is_none()
            && other.created_at > head.created_at
    };
    // Newest first.
    let Some(newer) = grants.iter().find(takes_over) else { return Ok(None) };
    let moved = store.move_sessions(head.id, newer.id).await?;
    tracing::info!(
        sub = %head.key.subject, sessions = moved.len(),
        "the provider keeps one refresh token for each user and client: sessions of an earlier sign-in \
         continue with the newest"
    );
    memory.sessions_moved(grant, &moved);
    emit(head, "moved");
    // Not revoked there: at such a provider that could end the newer sign-in too.
    terminator.end_scope(Scope::Grant(grant.id), EndReason::EndedByProvider).await?;
    Ok(Some(RefreshOutcome::Moved))
}
