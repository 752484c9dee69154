//! Grants, sessions, tokens, and the authorization that follows from them.
//!
//! A *grant* is what the provider gave for one sign-in; a *session* is a browser's, bound to its grant;
//! a *token* is any other Coder API key, bound to a user of Coder. An [`Authorization`] says that a session or
//! token may be served now: it is made only here, and a grant begins only from a
//! [`crate::oidc::VerifiedIdentity`].
//!
//! | what | file |
//! | --- | --- |
//! | the hot path and the judgement behind it | `judge.rs`, `verdict.rs`, `authorization.rs`, `entry.rs` |
//! | credentials found, and told about by Coder | `credentials.rs` |
//! | one refresh in flight per grant, stored before it counts | `renew.rs`, `save.rs`, `flight.rs` |
//! | what an answer without tokens means: a no, a client set up wrong, an outage | `asking.rs`, `health.rs` |
//! | providers that keep one refresh token for each person | `shared_slot.rs` |
//! | sign-in: begin, bind, abandon | `sign_in.rs` |
//! | answers to Coder: codes, handles, userinfo | `answers.rs`, `code.rs` |
//! | everything that ends something | `ending.rs`, `reason.rs` |
//! | one of each grant and user in memory | `register.rs`, `live.rs` |
//! | sign-ins under way, and their codes | `unbound.rs` |
//! | a state is good once | `states.rs` |
//! | limits of tunnels, last seen, revocation, sweeping | `background.rs`, `tunnels.rs` |
//! | what is kept, and how it is sealed | `store/`, `vault.rs` |
//!
//! Order that holds everywhere: the store first, then the memory, then the answer. What has ended in
//! the store ends in memory before anybody is told; a failing store serves nobody it cannot judge.
//!
//! Tier 3.

mod answers;
mod asking;
mod authorization;
mod background;
mod code;
mod credentials;
mod ending;
mod entry;
mod flight;
mod health;
mod judge;
mod live;
mod reason;
mod refresher;
mod register;
mod renew;
mod save;
mod shared_slot;
mod sign_in;
mod states;
pub mod store;
mod tunnels;
mod unbound;
mod vault;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub use answers::{AnswerError, TokenReply};
pub use authorization::{Authorization, CoderOnlyToken, CredentialHandle, CredentialKind, UnattributedToken};
pub use credentials::TokenOwner;
pub use ending::{CredentialOwner, EndedSession, EndedThere};
pub use live::ProviderUser;
pub use reason::EndReason;
pub use refresher::Refresher;
pub use sign_in::BindError;
pub use states::TakenState;
pub use store::{Device, Filter, Listed, ListedKind, MadeFor, OpenError, Store, StoreError};
pub use tunnels::TunnelGuard;
pub use verdict::{AskNext, Verdict};

use crate::types::{Clock, GrantId, Keyring, Timestamp, TokenHash, TokenHashState};
use asking::Asking;
use entry::{Entry, Links};
use register::Register;
use save::Unsaved;
use states::States;
use vault::Vault;

/// How long a request waits for a refresh while its authorization could go on by the grace. authentik
/// takes about 0.4 s on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many hashes of unknown_tokens are remembered.
const UNKNOWN_TOKEN_CAPACITY: u64 = 20_000;

/// How grants are kept and judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantSettings {
    /// How long the provider's yes counts (`session.recheck`); never beyond the access token's life.
    /// Default: 5 minutes.
    pub recheck: Duration,
    /// How long an authorization goes on after that when the provider does not answer (`unreachable.grace`).
    /// Default: 10 minutes.
    pub grace: Duration,
    /// Ends a grant's browser sessions when a refresh shows that the session at the provider has ended
    /// (`session.signOutWithProvider`). Default: true.
    pub sign_out_with_provider: bool,
    /// The longest life of a session (`session.maxAge`). Default: none.
    pub max_age: Option<Duration>,
    /// The longest time that a session may be idle (`session.idle`). Default: none.
    pub idle: Option<Duration>,
    /// How many sessions and tokens are kept in memory; others are read from the store when they
    /// come. Each takes about 900 bytes once it has come. Default: 1 000 000.
    pub cache_capacity: u64,
}

impl Default for GrantSettings {
    fn default() -> Self {
        Self {
            recheck: Duration::from_mins(5),
            grace: Duration::from_mins(10),
            sign_out_with_provider: true,
            max_age: None,
            idle: None,
            cache_capacity: 1_000_000,
        }
    }
}

/// How much is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Sessions and tokens.
    pub credentials: usize,
    /// Grants.
    pub grants: usize,
    /// Open tunnels, and answers under way.
    pub tunnels: usize,
}

type Cache<V> = moka::sync::Cache<TokenHash, V, TokenHashState>;

/// All grants, sessions and tokens, and the judgement over them.
///
/// Its asynchronous methods may be awaited on any runtime and dropped at any point: what must not be
/// left half-done runs in tasks on the runtime that [`Grants::open`] was called on.
#[expect(missing_debug_implementations, reason = "a service, not a value; it holds keys")]
pub struct Grants {
    settings: GrantSettings,
    store: Arc<dyn Store>,
    asking: Asking,
    clock: Clock,
    vault: Vault,
    runtime: Handle,
    /// What the hot path looks up.
    cache: Cache<Arc<Entry>>,
    /// Credentials that Coder does not know, and until when that is believed.
    unknown_tokens: Cache<Timestamp>,
    register: Mutex<Register>,
    states: States,
    unsaved: Mutex<HashMap<GrantId, Unsaved>>,
    links: Arc<Links>,
    seen: Mutex<UnboundedReceiver<Arc<Entry>>>,
    patience: Duration,
}

impl Grants {
    /// Opens the grants kept in `store`. Fails when the store was made with other keys.
    pub async fn open(
        settings: GrantSettings,
        store: Arc<dyn Store>,
        keyring: &Keyring,
        refresher: Arc<dyn Refresher>,
        clock: Clock,
    ) -> Result<Arc<Self>, OpenError> {
        let vault = Vault::new(keyring);
        vault.check(&*store).await?;
        let (sender, seen) = unbounded_channel();
        let links = Arc::new(Links { seen: sender, tunnels: Arc::default(), idle: settings.idle });
        let cached = moka::sync::Cache::builder().max_capacity(settings.cache_capacity);
        let unknown_tokens = moka::sync::Cache::builder().max_capacity(UNKNOWN_TOKEN_CAPACITY);
        Ok(Arc::new(Self {
            cache: cached.build_with_hasher(TokenHashState),
            unknown_tokens: unknown_tokens.build_with_hasher(TokenHashState),
            register: Mutex::new(Register::new(settings.recheck, clock.clone())),
            states: States::new(clock.now()),
            settings,
            store,
            asking: Asking::new(refresher, clock.clone()),
            clock,
            vault,
            runtime: Handle::current(),
            unsaved: Mutex::default(),
            links,
            seen: Mutex::new(seen),
            patience: PATIENCE,
        }))
    }

    /// Spends a one-time value of some `domain` (a logout token's `jti`): true the first time, false when it was
    /// spent before. It is remembered until `until`, across restarts. An error means that nothing may be accepted.
    pub async fn spend(&self, domain: &str, value: &str, until: Timestamp) -> Result<bool, StoreError> {
        self.store.spend(Self::one_time(domain, value), until).await
    }

    /// What the store knows a one-time value by.
    fn one_time(domain: &str, value: &str) -> TokenHash {
        TokenHash::of(&format!("{domain}\0{value}"))
    }

    /// The provider's last known discovery document and keys, as [`Self::keep_documents`] kept them.
    pub async fn documents(&self) -> Result<Option<(String, String)>, StoreError> {
        self.vault.documents(&*self.store).await
    }

    /// Keeps the provider's discovery document and keys for a start while it is down.
    pub async fn keep_documents(&self, discovery: &str, jwks: &str) -> Result<(), StoreError> {
        self.vault.keep_documents(&*self.store, discovery, jwks).await
    }

    /// At most `limit` live sessions and tokens, last seen first.
    pub async fn list(&self, filter: Filter, limit: u32) -> Result<Vec<Listed>, StoreError> {
        self.store.list(filter, limit).await
    }

    /// Writes to the store, to know whether it takes writes.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.store.set_note("probe", Vec::new()).await
    }

    /// Whether the provider gave no answer when it was last asked to renew something.
    #[cfg(test)]
    fn provider_is_down(&self) -> bool {
        self.asking.health.is_down()
    }

    /// How much is in memory.
    pub fn sizes(&self) -> Sizes {
        let (credentials, grants) = self.register().sizes();
        Sizes { credentials, grants, tunnels: self.links.tunnels.count() }
    }

    /// The memory's register. Never held across a wait.
    fn register(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_unsaved(&self) -> MutexGuard<'_, HashMap<GrantId, Unsaved>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs work to its end on our own runtime, whether or not the caller goes on waiting.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let cut_off = |_| StoreError::Failed("the work was cut off".to_owned());
        self.runtime.spawn(work).await.map_err(cut_off)?
    }
}
