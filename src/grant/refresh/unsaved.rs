//! Answers of the provider that are not stored whole yet.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::grant::store::GrantHead;
use crate::oidc::RefreshAnswer;
use crate::types::{GrantId, lock};

/// An answer, and the generation of the grant that it is for.
#[derive(Clone)]
struct UnsavedAnswer {
    generation: u64,
    answer: RefreshAnswer,
}

/// The answers of the provider that are not stored whole yet, one a grant. The refresh token that each was given for
/// may be spent: the answer must be stored, not asked for again.
#[derive(Default)]
pub(super) struct UnsavedAnswers(Mutex<HashMap<GrantId, UnsavedAnswer>>);

impl UnsavedAnswers {
    /// Remembers the answer for a grant as it is now.
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

    /// The grants that have one.
    pub(super) fn grants(&self) -> Vec<GrantId> {
        lock(&self.0).keys().copied().collect()
    }

    /// It is stored, or of no use any more.
    pub(super) fn forget(&self, id: GrantId) {
        lock(&self.0).remove(&id);
    }
}
