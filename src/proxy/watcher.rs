//! What watches the bytes that a client sends in a tunnel, and may have the tunnel cut.

use std::task::{Context, Poll};

/// What a tunnel does once its watcher has seen some of the client's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// They go on, and the watcher wants to see the next ones.
    More,
    /// They go on, and the watcher needs to see no more.
    Enough,
    /// They do not go on: both connections are dropped now.
    Cut,
}

/// Watches what a client sends in a tunnel. It never changes a byte, and delays none.
///
/// It lives as long as the tunnel, and is dropped with it.
pub trait TunnelWatcher: Send {
    /// Sees the client's next bytes, in order and before they go on to Coder. Not called again after [`Seen::Enough`].
    fn sees(&mut self, bytes: &[u8]) -> Seen;

    /// Ready when both connections are to be dropped, without a close frame. Polled whenever the tunnel is, so it must
    /// be cheap.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// The watcher of a tunnel, if it has one.
#[derive(Default)]
pub(super) struct Watch {
    watcher: Option<Box<dyn TunnelWatcher>>,
    /// Whether the watcher wants to see more.
    sees: bool,
}

impl Watch {
    /// By this watcher.
    pub(super) fn new(watcher: Option<Box<dyn TunnelWatcher>>) -> Self {
        Self { sees: watcher.is_some(), watcher }
    }

    /// Shows the watcher the client's next bytes. Returns whether they may go on.
    pub(super) fn may_pass(&mut self, bytes: &[u8]) -> bool {
        let Some(watcher) = self.watcher.as_mut().filter(|_| self.sees && !bytes.is_empty()) else {
            return true;
        };
        let seen = watcher.sees(bytes);
        self.sees = seen == Seen::More;
        seen != Seen::Cut
    }

    /// Ready when the tunnel is to be cut.
    pub(super) fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.watcher.as_mut().map_or(Poll::Pending, |watcher| watcher.poll_cut(cx))
    }
}
