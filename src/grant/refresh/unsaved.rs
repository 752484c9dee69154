//! Answers of the provider that are not completely stored yet.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::grant::store::GrantHead;
use crate::oidc::RefreshAnswer;
use crate::types::{GrantId, lock};

/// An answer, and the generation of its grant.
#[derive(Clone)]
struct UnsavedAnswer {
    generation: u64,
    answer: RefreshAnswer,
}

/// Answers of the provider that are not completely stored yet, one per grant. The refresh token that was presented may
/// be spent: the answer must be stored, not requested again.
#[derive(Default)]
pub(super) struct UnsavedAnswers(Mutex<HashMap<GrantId, UnsavedAnswer>>);

impl UnsavedAnswers {
    /// Remembers the answer for the present generation of a grant.
    pub(super) fn remember(&self, head: &GrantHead, answer: &RefreshAnswer) {
        let unsaved = UnsavedAnswer { generation: head.generation, answer: answer.clone() };
        lock(&self.0).insert(head.id, unsaved);
    }

    /// The answer for a grant, of any generation.
    pub(super) fn any(&self, id: GrantId) -> Option<RefreshAnswer> {
        lock(&self.0).get(&id).map(|unsaved| unsaved.answer.clone())
    }

    /// The answer for a grant at a generation.
    pub(super) fn at(&self, id: GrantId, generation: u64) -> Option<RefreshAnswer> {
        let unsaved = lock(&self.0);
        unsaved.get(&id).filter(|it| it.generation == generation).map(|it| it.answer.clone())
    }

    /// The grants with an answer.
    pub(super) fn grants(&self) -> Vec<GrantId> {
        lock(&self.0).keys().copied().collect()
    }

    /// Forgets an answer that is stored or no longer needed.
    pub(super) fn forget(&self, id: GrantId) {
        lock(&self.0).remove(&id);
    }
}
