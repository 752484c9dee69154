//! A store that fails, falsely reports failure, or waits, as scripted.

use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use crate::grant::EndReason;
use crate::grant::store::*;
use crate::types::{CoderUserId, GrantId, IdentityKey, Timestamp, TokenHash};

/// The result of a call.
pub(super) enum Fate {
    Pass,
    /// The call has no effect, and reports an error.
    Fail,
    /// The call takes effect, then waits for a permit.
    PassAndWait(Arc<Semaphore>),
    /// The process is killed (`SIGKILL`).
    Die(Moment),
}

/// When the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    /// During the engine's write.
    During,
    /// After the write is durable, before it is reported.
    After,
}

/// Kills this process without any warning to it.
fn die() -> ! {
    let killed = std::process::Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
    panic!("it lives on: {killed:?}")
}

type Script = Box<dyn FnMut(&'static str) -> Fate + Send>;

pub(super) struct Scripted {
    inner: Arc<dyn Store>,
    script: Mutex<Script>,
}

impl Scripted {
    pub(super) fn over(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { inner, script: Mutex::new(Box::new(|_| Fate::Pass)) })
    }

    pub(super) fn script(&self, script: impl FnMut(&'static str) -> Fate + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    fn play<'a, T: Send + 'a>(&'a self, name: &'static str, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        let fate = (self.script.lock().unwrap())(name);
        let failed = move || StoreError::Failed(format!("{name}, as the test wants it"));
        Box::pin(async move {
            let mut call = call;
            match fate {
                Fate::Pass => call.await,
                Fate::Fail => Err(failed()),
                Fate::Die(moment) => {
                    match moment {
                        Moment::Before => {}
                        Moment::During => drop(futures_util::poll!(&mut call)),
                        Moment::After => drop(call.await?),
                    }
                    die()
                }
                Fate::PassAndWait(gate) => {
                    let done = call.await;
                    gate.acquire().await.unwrap().forget();
                    done
                }
            }
        })
    }
}

/// The methods that only read. Every other one is a write, also one added later.
const READS: [&str; 13] = [
    "grant",
    "grant_by_access",
    "grants_by_handle",
    "grants_of",
    "user",
    "sealed_after",
    "session",
    "token",
    "due_revocations",
    "note",
    "list",
    "verify",
    "close",
];

/// Whether a method of the store writes.
pub(super) fn writes(name: &str) -> bool {
    !READS.contains(&name)
}

/// Methods that call the inner store through the script.
macro_rules! scripted {
    ($(fn $name:ident(&self $(, $argument:ident: $kind:ty)*) -> $given:ty;)*) => {
        /// Every method of the store: the compiler enforces it by the trait.
        pub(super) const METHODS: &[&str] = &[$(stringify!($name)),*];

        impl Store for Scripted {
            $(fn $name(&self $(, $argument: $kind)*) -> StoreFuture<'_, $given> {
                self.play(stringify!($name), self.inner.$name($($argument),*))
            })*
        }
    };
}

scripted! {
    fn insert_grant(&self, row: GrantRow, by: Option<Spent>) -> bool;
    fn grant(&self, id: GrantId) -> Option<GrantRow>;
    fn grant_by_access(&self, access: TokenHash) -> Option<GrantRow>;
    fn grants_by_handle(&self, handle: TokenHash) -> Vec<GrantHead>;
    fn grants_of(&self, key: IdentityKey) -> Vec<GrantHead>;
    fn user(&self, user: CoderUserId) -> UserRow;
    fn replace(&self, id: GrantId, generation: u64, with: Replacement) -> Option<Ended>;
    fn reseal(&self, id: GrantId, generation: u64, sealed: Vec<u8>) -> bool;
    fn sealed_after(&self, after: Option<GrantId>, limit: u32) -> Vec<(GrantId, Vec<u8>)>;
    fn exchange_sealed(&self, all: Vec<SealedExchange>) -> u64;
    fn move_sessions(&self, from: GrantId, to: GrantId) -> Vec<TokenHash>;
    fn revoke_instead(&self, id: GrantId, sealed: Vec<u8>, at: Timestamp) -> ();
    fn bind(&self, bind: Bind) -> Bound;
    fn allow_relink(&self, whom: Filter, until: Timestamp) -> Vec<BoundUser>;
    fn forget_token(&self, token: EndedKey) -> Vec<TokenHash>;
    fn session(&self, hash: TokenHash) -> Option<SessionRow>;
    fn token(&self, hash: TokenHash) -> Option<TokenRow>;
    fn put_token(&self, row: TokenRow) -> TokenRow;
    fn end(&self, scope: Scope, at: Timestamp, reason: EndReason) -> Ended;
    fn touch(&self, seen: Vec<Touch>) -> ();
    fn spend(&self, id: TokenHash, until: Timestamp) -> bool;
    fn due_revocations(&self, now: Timestamp, limit: u32) -> Vec<Revocation>;
    fn revoked(&self, id: GrantId) -> ();
    fn revoke_later(&self, id: GrantId, at: Timestamp) -> ();
    fn note(&self, name: &'static str) -> Option<Vec<u8>>;
    fn set_note(&self, name: &'static str, value: Vec<u8>) -> ();
    fn list(&self, filter: Filter, limit: u32) -> Vec<Listed>;
    fn forget(&self, now: Timestamp, grants: Timestamp, hashes: Timestamp, limit: u32) -> u64;
    fn correct_future(&self, now: Timestamp, confirmed: Timestamp) -> u64;
    fn verify(&self) -> ();
    fn close(&self) -> ();
}
