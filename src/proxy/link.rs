//! One HTTP/1.1 connection to Coder.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use super::ForwardError;
use super::alarm::{Alarm, Delivery};
use super::io::Io;
use super::upload::Upload;

/// What becomes of a request that was handed to a connection.
pub(super) type Sent = Result<Response<Incoming>, TrySendError<Request<Upload>>>;

/// A connection to Coder. It makes progress only while it is driven, by whoever waits for its answer
/// or its body: no task of its own, no hand-over between tasks, and dropping it closes it.
pub(super) struct Link {
    sender: SendRequest<Upload>,
    /// `None` once it has failed.
    connection: Option<Connection<TokioIo<Io>, Upload>>,
    /// The connection has come to its end, or to its switch of protocols.
    over: bool,
    alarm: Arc<Alarm>,
    /// How the connection wakes whoever drives it.
    waker: Waker,
    /// How what the connection delivers wakes them.
    delivery: Waker,
}

impl Link {
    /// Speaks HTTP/1.1 on a fresh connection.
    pub(super) async fn new(io: Io) -> Result<Box<Self>, ForwardError> {
        let (sender, connection) =
            http1::handshake(TokioIo::new(io)).await.map_err(|_| ForwardError::Connect)?;
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        let delivery = Waker::from(Arc::new(Delivery(Arc::clone(&alarm))));
        Ok(Box::new(Self { sender, connection: Some(connection), over: false, alarm, waker, delivery }))
    }

    /// Hands a request to the connection. It is sent, and its answer read, by [`Self::answer`].
    pub(super) fn send(&mut self, request: Request<Upload>) -> impl Future<Output = Sent> + use<> {
        self.leave_alone();
        self.sender.try_send_request(request)
    }

    /// Drives the link until the head of the answer to a request is there.
    ///
    /// # Errors
    /// When the connection ends. The error brings the request back if nothing of it was taken up,
    /// which is so when Coder had closed the connection while it was idle.
    pub(super) async fn answer(&mut self, sent: impl Future<Output = Sent>) -> Sent {
        let mut answer = pin!(sent);
        poll_fn(|cx| {
            self.drive(cx);
            let answered = answer.as_mut().poll(&mut Context::from_waker(&self.delivery));
            if answered.is_pending() && self.over {
                // Lets go of a request that is still queued.
                self.connection = None;
                return answer.as_mut().poll(cx);
            }
            answered
        })
        .await
    }

    /// Lets the connection make progress: what is left of the request goes out, what is there of the
    /// answer's body comes in.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.over) else { return };
        self.alarm.set(cx.waker());
        let ended = connection.poll_without_shutdown(&mut Context::from_waker(&self.waker));
        self.alarm.driven();
        if let Poll::Ready(ended) = ended {
            self.over = true;
            if let Err(error) = ended {
                tracing::debug!(%error, "connection to Coder ended");
                self.connection = None;
            }
        }
    }

    /// Nobody is woken for the link until it is driven again.
    pub(super) fn leave_alone(&self) {
        self.alarm.clear();
    }

    /// What to poll what the link delivers with, if that is done right after each drive.
    pub(super) const fn delivery(&self) -> &Waker {
        &self.delivery
    }

    /// Whether the connection has come to its end: nothing more is to be had by driving it.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the last answer is read to its end, its request sent to its end, and another welcome.
    pub(super) fn is_ready(&self) -> bool {
        !self.over && self.sender.is_ready()
    }

    /// The connection itself, after Coder has switched protocols on it, and what Coder has already
    /// said in the new one.
    pub(super) fn into_switched(self) -> Option<(Io, Bytes)> {
        let parts = self.connection.filter(|_| self.over)?.into_parts();
        Some((parts.io.into_inner(), parts.read_buf))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("over", &self.over).finish_non_exhaustive()
    }
}
