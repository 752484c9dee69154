//! One piece of work at a time for each key, for any number of waiters.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::lock;

/// The work ended without a result: it panicked, or its runtime shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the work was cut off")]
pub struct CutOff;

/// The result of work in flight; every clone gives the same one.
pub type InFlight<V> = Shared<BoxFuture<'static, Result<V, CutOff>>>;

/// The work in flight, by key. Clones share it.
///
/// Each piece of work runs in a task of its own: dropping an [`InFlight`] does not stop it.
pub struct SingleFlight<K, V>(Arc<Mutex<HashMap<K, InFlight<V>>>>);

impl<K, V> SingleFlight<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins the work in flight for `key`, or starts `work` on `runtime`.
    pub fn join_or_start<W>(&self, runtime: &Handle, key: K, work: impl FnOnce() -> W) -> InFlight<V>
    where
        W: Future<Output = V> + Send + 'static,
    {
        let joined = self.join_or_try(runtime, key, || Ok::<_, std::convert::Infallible>(work()));
        joined.unwrap_or_else(|never| match never {})
    }

    /// The same, where `work` may decline to start. It is called with the list locked.
    ///
    /// # Errors
    ///
    /// The error of `work`, when nothing was in flight and nothing was started.
    pub fn join_or_try<W, E>(
        &self,
        runtime: &Handle,
        key: K,
        work: impl FnOnce() -> Result<W, E>,
    ) -> Result<InFlight<V>, E>
    where
        W: Future<Output = V> + Send + 'static,
    {
        let mut flights = lock(&self.0);
        if let Some(flight) = flights.get(&key) {
            return Ok(flight.clone());
        }
        let work = work()?;
        let (report, reported) = oneshot::channel();
        let flight = reported.map(|done| done.map_err(|_| CutOff)).boxed().shared();
        flights.insert(key.clone(), flight.clone());
        // A runtime that has shut down drops the task at once, and its entry with it: not under the lock.
        drop(flights);
        let entry = FlightEntry { flights: self.clone(), key };
        runtime.spawn(async move {
            let done = work.await;
            drop(entry);
            // Nobody may be waiting any more.
            let _ = report.send(done);
        });
        Ok(flight)
    }
}

/// Removes the work from the list when it ends, also by a panic.
struct FlightEntry<K: Eq + Hash, V> {
    flights: SingleFlight<K, V>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for FlightEntry<K, V> {
    fn drop(&mut self) {
        lock(&self.flights.0).remove(&self.key);
    }
}

impl<K, V> Clone for SingleFlight<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SingleFlight({})", lock(&self.0).len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn all_who_ask_while_it_runs_share_one_result_and_the_next_starts_again() {
        let flights = SingleFlight::<u8, usize>::default();
        let (runs, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let work = || {
            let (runs, go) = (Arc::clone(&runs), Arc::clone(&go));
            async move {
                go.notified().await;
                runs.fetch_add(1, Ordering::Relaxed) + 1
            }
        };
        let runtime = Handle::current();
        let (first, second) =
            (flights.join_or_start(&runtime, 1, work), flights.join_or_start(&runtime, 1, work));
        go.notify_one();
        assert_eq!((first.await, second.await), (Ok(1), Ok(1)));
        let third = flights.join_or_start(&runtime, 1, work);
        go.notify_one();
        assert_eq!(third.await, Ok(2));
    }

    #[tokio::test]
    async fn work_that_panics_is_cut_off_and_makes_room_for_the_next() {
        let flights = SingleFlight::<u8, u8>::default();
        let runtime = Handle::current();
        let broken = flights.join_or_start(&runtime, 1, || async { panic!("on purpose") });
        assert_eq!(broken.await, Err(CutOff));
        assert_eq!(flights.join_or_start(&runtime, 1, || async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn work_may_decline_to_start() {
        let flights = SingleFlight::<u8, u8>::default();
        let declined =
            flights.join_or_try(&Handle::current(), 1, || Err::<std::future::Ready<u8>, _>("not now"));
        assert_eq!(declined.map(drop), Err("not now"));
    }

    #[test]
    fn a_runtime_that_has_shut_down_cuts_the_work_off_and_keeps_no_entry() {
        let flights = SingleFlight::<u8, u8>::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let cut_off = flights.join_or_start(&handle, 1, || async { 7 });
        assert_eq!(cut_off.now_or_never(), Some(Err(CutOff)));
        assert!(lock(&flights.0).is_empty());
    }
}
