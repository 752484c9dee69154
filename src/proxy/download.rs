//! The body of an answer on its way to the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::pool::Pool;
use super::termination::Termination;
use super::upstream_connection::UpstreamConnection;
use crate::web::BodyError;

/// An answer's body that was not all there with its head. Polling it drives the link it comes on.
///
/// At its end the link goes back to the pool; dropped before, it closes the link, so that Coder
/// notices that nobody listens. When the authorization ends it breaks off, which the client can tell from
/// an end.
#[derive(Debug)]
pub(super) struct Download {
    /// `None` once the body is over.
    link: Option<Box<UpstreamConnection>>,
    pool: Arc<Pool>,
    termination: Termination,
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

impl Download {
    pub(super) const fn new(
        link: Box<UpstreamConnection>,
        pool: Arc<Pool>,
        termination: Termination,
    ) -> Self {
        Self { link: Some(link), pool, termination }
    }

    /// It is over: what broke off closes its link.
    fn break_off(&mut self, error: BodyError) -> Polled {
        self.link = None;
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
        let Some(link) = &mut this.link else { return Poll::Ready(None) };
        match link.poll_frame(cx).map(Option::transpose) {
            Poll::Ready(Err(error)) => this.break_off(BodyError::Broken(Box::new(error))),
            Poll::Ready(Ok(frame)) => {
                this.termination.active();
                if let Some(link) = this.link.take_if(|link| link.is_over()) {
                    this.pool.put(link);
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
        self.link.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.link.as_ref().map_or(Some(0), |link| link.length());
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
