//! The body of a response on its way to the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::pool::Pool;
use super::termination::Termination;
use super::upstream_connection::UpstreamConnection;
use crate::web::BodyError;

/// A response body that did not arrive complete with its head. Polling it drives the connection it comes on.
///
/// At its end the connection returns to the pool. Dropped earlier, the connection closes, so that Coder notices that
/// nobody listens. When the authorization ends, the body breaks off; the client can tell that from its end.
#[derive(Debug)]
pub(super) struct Download {
    /// `None` once the body is over.
    connection: Option<Box<UpstreamConnection>>,
    pool: Arc<Pool>,
    termination: Termination,
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

impl Download {
    pub(super) const fn new(
        connection: Box<UpstreamConnection>,
        pool: Arc<Pool>,
        termination: Termination,
    ) -> Self {
        Self { connection: Some(connection), pool, termination }
    }

    /// The body is over. If it broke off, its connection closes.
    fn break_off(&mut self, error: BodyError) -> Polled {
        self.connection = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = self.get_mut();
        if this.termination.authorization_has_ended() {
            return this.break_off(BodyError::Ended);
        }
        let Some(connection) = &mut this.connection else { return Poll::Ready(None) };
        match connection.poll_frame(cx).map(Option::transpose) {
            Poll::Ready(Err(error)) => this.break_off(BodyError::Broken(Box::new(error))),
            Poll::Ready(Ok(frame)) => {
                this.termination.active();
                if let Some(connection) = this.connection.take_if(|connection| connection.is_over()) {
                    this.pool.put(connection);
                }
                Poll::Ready(frame.map(Ok))
            }
            Poll::Pending => match this.termination.poll(cx) {
                Poll::Ready(cause) => {
                    tracing::debug!(?cause, "answer ended");
                    this.break_off(BodyError::Ended)
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.connection.as_ref().map_or(Some(0), |connection| connection.length());
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
