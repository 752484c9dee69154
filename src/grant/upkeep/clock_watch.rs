//! Keeps the gateway's time going across restarts, however the wall clock is set.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::grant::memory::{CLOCK_SET_TOLERANCE, ClockSetting, GrantMemory};
use crate::grant::parts::GrantParts;
use crate::grant::store::{Store, StoreError};
use crate::types::{Clock, Timestamp, lock};

/// The note with the last known setting of the wall clock: [`ClockSetting::ahead`] and [`ClockSetting::since`] in
/// milliseconds, as two big-endian numbers.
const CLOCK: &str = "clock";

/// Continues the time of the earlier process. A clock that was set back while none ran leaves moments in the future,
/// which are corrected: no limit is put off by more than the clock was set back.
///
/// # Errors
///
/// The store failed.
pub(in crate::grant) async fn resume(
    clock: &Clock,
    store: &dyn Store,
    recheck: Duration,
) -> Result<ClockSetting, StoreError> {
    let unset = ClockSetting { ahead: 0, since: Timestamp::EPOCH };
    let stored = store.note(CLOCK).await?;
    let ClockSetting { ahead, since } = stored.as_deref().and_then(read).unwrap_or(unset);
    clock.resume(ahead);
    let now = clock.now();
    let corrected = store.correct_future(now + CLOCK_SET_TOLERANCE, now - recheck).await?;
    if corrected > 0 {
        tracing::warn!(
            rows = corrected,
            "the clock was set back while the gateway did not run: what lay in the future counts from now"
        );
    }
    Ok(ClockSetting { ahead, since: since.min(now) })
}

/// Stores how the wall clock is set.
pub(super) struct ClockWatch {
    memory: Arc<GrantMemory>,
    store: Arc<dyn Store>,
    stored: Mutex<ClockSetting>,
}

impl ClockWatch {
    /// A watch over a memory whose setting is stored.
    pub(super) fn new(parts: &GrantParts, stored: ClockSetting) -> Self {
        let (memory, store) = (Arc::clone(&parts.memory), Arc::clone(&parts.store));
        Self { memory, store, stored: Mutex::new(stored) }
    }

    /// Stores the setting when it has changed.
    pub(super) async fn keep(&self) {
        let setting = self.memory.register().clock_setting();
        if setting == *lock(&self.stored) {
            return;
        }
        match self.store.set_note(CLOCK, written(setting)).await {
            Ok(()) => *lock(&self.stored) = setting,
            Err(error) => tracing::error!(%error, "how the clock was set is not stored"),
        }
    }
}

fn written(setting: ClockSetting) -> Vec<u8> {
    [setting.ahead.to_be_bytes(), setting.since.as_millis().to_be_bytes()].concat()
}

fn read(bytes: &[u8]) -> Option<ClockSetting> {
    let (ahead, since) = bytes.split_first_chunk()?;
    let since = i64::from_be_bytes(since.try_into().ok()?);
    Some(ClockSetting { ahead: i64::from_be_bytes(*ahead), since: Timestamp::from_millis(since) })
}
