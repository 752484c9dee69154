//! One question to Coder about a token, however many requests wait for its answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;

use super::RefusalCause;
use crate::grant::{StoreError, Verdict};
use crate::types::TokenHash;

/// Why there is no answer, for everybody who waits.
#[derive(Clone, Debug)]
pub(super) enum NoAnswer {
    /// The store failed.
    Store(StoreError),
    /// The address may not ask about more tokens for so long.
    TooMany(Duration),
    /// The work was cut off.
    Gone,
}

impl From<NoAnswer> for RefusalCause {
    fn from(why: NoAnswer) -> Self {
        match why {
            NoAnswer::Store(error) => Self::Store(error),
            NoAnswer::TooMany(wait) => Self::TooMany(wait),
            NoAnswer::Gone => Self::Gone,
        }
    }
}

type Answer = Result<Verdict, NoAnswer>;
type Asked = Shared<BoxFuture<'static, Answer>>;

/// The questions that are open, by the hash of the token.
#[derive(Clone, Default)]
pub(super) struct Questions(Arc<Mutex<HashMap<TokenHash, Asked>>>);

impl Questions {
    /// The answer of the open question about a token; of `work` where there is none. It runs in a task of its own:
    /// who stops waiting does not stop it.
    pub(super) async fn ask(
        &self,
        runtime: &Handle,
        hash: TokenHash,
        work: impl Future<Output = Answer> + Send + 'static,
    ) -> Answer {
        let asked = {
            let mut open = self.lock();
            let asked = open.entry(hash).or_insert_with(|| {
                let closing = Closing { questions: self.clone(), hash };
                let task = runtime.spawn(async move {
                    let _closing = closing;
                    work.await
                });
                task.map(|done| done.unwrap_or(Err(NoAnswer::Gone))).boxed().shared()
            });
            asked.clone()
        };
        asked.await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a question when the work is done, by a panic too.
struct Closing {
    questions: Questions,
    hash: TokenHash,
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.questions.lock().remove(&self.hash);
    }
}
