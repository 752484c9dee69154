//! The services behind [`super::Grants`], and their construction.

use std::sync::Arc;

use super::credentials::Credentials;
use super::judge::Judge;
use super::memory::{ClockSetting, GrantMemory};
use super::parts::GrantParts;
use super::refresh::{GrantProvider, ProviderLink, Refresher};
use super::settings::GrantSettings;
use super::sign_in::{OneTimeValues, SignIns, TokenAnswers};
use super::store::Store;
use super::terminator::Terminator;
use super::upkeep::{GrantUpkeep, UpkeepServices};
use super::vault::Vault;
use super::work_runtime::WorkRuntime;
use crate::types::Clock;

/// The services behind [`super::Grants`].
pub(super) struct GrantServices {
    pub(super) store: Arc<dyn Store>,
    pub(super) vault: Arc<Vault>,
    pub(super) clock: Clock,
    /// The grants in use, and the hot path.
    pub(super) memory: Arc<GrantMemory>,
    /// Ends sessions, tokens and grants.
    pub(super) terminator: Arc<Terminator>,
    /// Finds credentials.
    pub(super) credentials: Arc<Credentials>,
    /// Asks the provider to confirm grants.
    pub(super) refresher: Arc<Refresher>,
    /// Judges credentials.
    pub(super) judge: Arc<Judge>,
    /// States and other one-time values.
    pub(super) one_time_values: Arc<OneTimeValues>,
    /// Begins and finishes sign-ins.
    pub(super) sign_ins: SignIns,
    /// Tokens and claims for Coder.
    pub(super) answers: TokenAnswers,
    /// Work in the background.
    pub(super) upkeep: GrantUpkeep,
}

impl GrantServices {
    /// Services over a store that `vault` has checked and that knows `setting` of the clock. Their tasks run on the
    /// caller's runtime.
    pub(super) fn new(
        settings: &GrantSettings,
        store: Arc<dyn Store>,
        vault: Vault,
        provider: Arc<dyn GrantProvider>,
        clock: Clock,
        setting: ClockSetting,
    ) -> Self {
        let (memory, seen) = GrantMemory::new(settings, clock.clone());
        memory.register().resume_clock_setting(setting);
        let provider = Arc::new(ProviderLink::new(provider, clock.clone()));
        let (memory, vault, runtime) = (Arc::new(memory), Arc::new(vault), WorkRuntime::current());
        let parts = GrantParts { store, memory, vault, runtime, clock };
        let terminator = Arc::new(Terminator::new(&parts));
        let credentials = Arc::new(Credentials::new(&parts));
        let refresher = Refresher::new(&parts, settings, Arc::clone(&provider), Arc::clone(&terminator));
        let refresher = Arc::new(refresher);
        let (finder, asker) = (Arc::clone(&credentials), Arc::clone(&refresher));
        let judge = Arc::new(Judge::new(&parts, finder, asker, Arc::clone(&terminator)));
        let one_time_values = Arc::new(OneTimeValues::new(&parts));
        let upkeep = UpkeepServices {
            judge: Arc::clone(&judge),
            refresher: Arc::clone(&refresher),
            provider: Arc::clone(&provider),
            terminator: Arc::clone(&terminator),
            one_time_values: Arc::clone(&one_time_values),
        };
        Self {
            sign_ins: SignIns::new(&parts, provider, Arc::clone(&terminator)),
            answers: TokenAnswers::new(&parts, Arc::clone(&refresher)),
            upkeep: GrantUpkeep::new(&parts, settings, upkeep, seen, setting),
            terminator,
            credentials,
            refresher,
            judge,
            one_time_values,
            memory: parts.memory,
            store: parts.store,
            vault: parts.vault,
            clock: parts.clock,
        }
    }
}
