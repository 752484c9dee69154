//! The places for connections on one address, and who gets the last of them.
//!
//! A connection is *proven* once one of its requests was authorized. The last tenth of the places is a reserve: a
//! connection that is not proven makes room there for any newer one, so that people who are signed in always get in.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::connection_state::ConnectionState;
use super::unproven::Unproven;
use crate::types::lock;
use crate::web::SendCredit;

/// One in this many places is reserved.
const RESERVED_OF: usize = 10;

/// How long a new connection waits for a place before the next search for one to close.
const SEARCH_AGAIN: Duration = Duration::from_millis(100);

/// The shortest time between two warnings.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// The places of one address, shared by all its workers.
#[derive(Debug)]
pub(super) struct Places {
    slots: Arc<Semaphore>,
    capacity: usize,
    /// The number of places outside the reserve.
    open_to_all: usize,
    provisional_for: Duration,
    register: Mutex<PlaceRegister>,
    proven: AtomicUsize,
    forwarded: AtomicUsize,
}

/// The connections that have a place.
#[derive(Debug, Default)]
struct PlaceRegister {
    arrivals: u64,
    taken: usize,
    /// Connections that were asked to close and are still open.
    leaving: usize,
    ordinary: Unproven,
    provisional: Unproven,
    warned: Option<Instant>,
}

impl Places {
    /// `capacity` places, at least one. A connection in the reserve that is not proven within `provisional_for` is
    /// closed.
    pub(super) fn new(capacity: usize, provisional_for: Duration) -> Arc<Self> {
        let capacity = capacity.clamp(1, Semaphore::MAX_PERMITS);
        let reserve = (capacity / RESERVED_OF).max(1).min(capacity - 1);
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(capacity)),
            capacity,
            open_to_all: capacity - reserve,
            provisional_for,
            register: Mutex::default(),
            proven: AtomicUsize::new(0),
            forwarded: AtomicUsize::new(0),
        })
    }

    /// Waits for a place for an accepted connection. While there is none, connections that may be displaced are
    /// closed.
    ///
    /// # Errors
    /// Never; the semaphore is not closed.
    pub(super) async fn take(self: &Arc<Self>) -> io::Result<HeldPlace> {
        loop {
            if self.slots.available_permits() == 0 {
                self.lock().make_room();
            }
            let slot = timeout(SEARCH_AGAIN, Arc::clone(&self.slots).acquire_owned()).await;
            let Ok(slot) = slot else { continue };
            let slot = slot.map_err(io::Error::other)?;
            let state = self.lock().enter(self.open_to_all);
            return Ok(HeldPlace { handle: ConnectionPlace::new(state, Arc::clone(self)), _slot: slot });
        }
    }

    fn lock(&self) -> MutexGuard<'_, PlaceRegister> {
        lock(&self.register)
    }
}

impl PlaceRegister {
    /// Enters a connection that has a slot. Beyond `open_to_all` places an older one makes room, or the new one is
    /// provisional.
    fn enter(&mut self, open_to_all: usize) -> Arc<ConnectionState> {
        let is_in_reserve = self.taken - self.leaving.min(self.taken) >= open_to_all;
        let older = if is_in_reserve { self.ordinary.take_oldest() } else { None };
        let provisional = is_in_reserve && older.is_none();
        if let Some(older) = older {
            self.displace(&older);
        }
        if is_in_reserve {
            self.warn(open_to_all);
        }
        let state = Arc::new(ConnectionState::new(self.arrivals, provisional));
        self.arrivals += 1;
        self.taken += 1;
        let list = if provisional { &mut self.provisional } else { &mut self.ordinary };
        list.insert(Arc::clone(&state));
        state
    }

    /// Asks one connection to close, if any may be displaced.
    fn make_room(&mut self) {
        if let Some(older) = self.ordinary.take_oldest().or_else(|| self.provisional.take_oldest()) {
            self.displace(&older);
        }
    }

    fn displace(&mut self, state: &ConnectionState) {
        self.leaving += 1;
        state.displace();
    }

    /// A proven connection, a tunnel or a closed connection no longer makes room for others.
    fn settle(&mut self, state: &ConnectionState) {
        let list = if state.is_provisional() { &mut self.provisional } else { &mut self.ordinary };
        list.remove(state);
        if state.stays() {
            self.leaving = self.leaving.saturating_sub(1);
        }
    }

    fn warn(&mut self, open_to_all: usize) {
        let now = Instant::now();
        if self.warned.is_some_and(|at| now.saturating_duration_since(at) < WARN_EVERY) {
            return;
        }
        self.warned = Some(now);
        tracing::warn!(
            connections = self.taken,
            "more than {open_to_all} connections are open: idle ones on which nobody is signed in are closed, oldest \
             first, to make room for people who are. If these are no attack, raise the limit on open files. This warning \
             appears once a minute"
        );
    }
}

/// A connection's place, which becomes free when this is dropped.
#[derive(Debug)]
pub(super) struct HeldPlace {
    handle: ConnectionPlace,
    _slot: OwnedSemaphorePermit,
}

impl HeldPlace {
    /// The handle for the service on the connection.
    pub(super) fn handle(&self) -> ConnectionPlace {
        self.handle.clone()
    }
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        let PlaceInner { state, places, .. } = &*self.handle.0;
        let mut register = places.lock();
        // Treated as proven from now on: a request that outlives its connection no longer counts.
        if !state.prove() {
            places.proven.fetch_sub(1, Ordering::Relaxed);
        }
        register.settle(state);
        register.taken = register.taken.saturating_sub(1);
    }
}

/// A handle on a connection's place: whether it may be closed for others, and what it may forward.
#[derive(Clone)]
pub struct ConnectionPlace(Arc<PlaceInner>);

struct PlaceInner {
    state: Arc<ConnectionState>,
    places: Arc<Places>,
    /// For a tunnel: its place among the forwarded requests.
    tunnel: Mutex<Option<ForwardPlace>>,
    credit: SendCredit,
}

/// Who an unauthorized request is forwarded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnprovenCaller {
    /// Anybody.
    Anybody,
    /// An apparent machine; Coder checks its credential.
    Machine,
}

/// Too many unauthorized requests are being forwarded already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the gateway has no room for another request without a sign-in")]
pub struct NoForwardPlace;

impl ConnectionPlace {
    fn new(state: Arc<ConnectionState>, places: Arc<Places>) -> Self {
        Self(Arc::new(PlaceInner { state, places, tunnel: Mutex::default(), credit: SendCredit::default() }))
    }

    /// Notes that a request on this connection was authorized: it is no longer closed for others.
    pub fn prove(&self) {
        let PlaceInner { state, places, .. } = &*self.0;
        if state.is_proven() {
            return;
        }
        let mut register = places.lock();
        if state.prove() {
            places.proven.fetch_add(1, Ordering::Relaxed);
            register.settle(state);
        }
    }

    /// A place for a request forwarded without an authorization, until its response has ended. `upgrade`: whether it
    /// asks for a tunnel.
    ///
    /// # Errors
    /// [`NoForwardPlace`] if there are too many connections and forwarded requests of this kind; also for an
    /// `upgrade` by [`UnprovenCaller::Anybody`] in the reserve.
    pub fn forward(&self, caller: UnprovenCaller, upgrade: bool) -> Result<ForwardPlace, NoForwardPlace> {
        let PlaceInner { state, places, .. } = &*self.0;
        let most = match caller {
            UnprovenCaller::Anybody if upgrade && state.is_provisional() && !state.is_proven() => 0,
            UnprovenCaller::Anybody => places.open_to_all,
            UnprovenCaller::Machine => places.capacity,
        };
        // Counted first, and uncounted if refused, so that two requests never take the same place.
        let place = ForwardPlace(Arc::clone(places));
        let others = places.forwarded.fetch_add(1, Ordering::Relaxed);
        let proven = places.proven.load(Ordering::Relaxed);
        if others + proven < most { Ok(place) } else { Err(NoForwardPlace) }
    }

    /// Keeps the place of a request that became a tunnel until the tunnel ends.
    pub fn keep(&self, place: ForwardPlace) {
        *lock(&self.0.tunnel) = Some(place);
    }

    /// What the connection's socket takes.
    pub fn credit(&self) -> &SendCredit {
        &self.0.credit
    }

    /// Counts a request on a connection that is not proven yet.
    pub(super) fn request(&self) -> Option<OpenRequest> {
        let state = &self.0.state;
        (!state.is_proven()).then(|| {
            state.request_begins();
            OpenRequest(Arc::clone(state))
        })
    }

    /// HTTP has ended here. If the connection is still open, it is a tunnel and does not make room for others.
    pub(super) fn http_ended(&self) {
        self.0.places.lock().settle(&self.0.state);
    }

    /// Completes when the connection has to be closed for others.
    pub(super) async fn has_to_go(&self) {
        let PlaceInner { state, places, .. } = &*self.0;
        let mut late = state.is_provisional().then(|| Box::pin(sleep(places.provisional_for)));
        poll_fn(|cx| match &mut late {
            _ if state.poll_displaced(cx).is_ready() => Poll::Ready(()),
            Some(late) if !state.is_proven() => late.as_mut().poll(cx),
            _ => Poll::Pending,
        })
        .await;
    }
}

impl fmt::Debug for ConnectionPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionPlace").field(&self.0.state).finish()
    }
}

/// A request on an unproven connection, until its response has been delivered or dropped.
#[derive(Debug)]
pub(super) struct OpenRequest(Arc<ConnectionState>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.request_ends();
    }
}

/// The place of a request forwarded without an authorization. It becomes free when this is dropped.
#[derive(Debug)]
pub struct ForwardPlace(Arc<Places>);

impl Drop for ForwardPlace {
    fn drop(&mut self) {
        self.0.forwarded.fetch_sub(1, Ordering::Relaxed);
    }
}
