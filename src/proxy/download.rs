//! The body of an answer on its way to the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::ends::Ends;
use super::link::Link;
use super::pool::Pool;
use crate::http::BodyError;

/// An answer's body that was not all there with its head. Polling it drives the link it comes on.
///
/// At its end the link goes back to the pool; dropped before, it closes the link, so that Coder
/// notices that nobody listens. When the standing ends it breaks off, which the client can tell from
/// an end.
#[derive(Debug)]
pub(super) struct Download {
    inner: Incoming,
    link: Option<Box<Link>>,
    pool: Arc<Pool>,
    ends: Ends,
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

impl Download {
    pub(super) const fn new(inner: Incoming, link: Box<Link>, pool: Arc<Pool>, ends: Ends) -> Self {
        Self { inner, link: Some(link), pool, ends }
    }

    /// The next frame, from what has come in already or comes in now.
    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Polled {
        let Some(link) = &mut self.link else {
            return Pin::new(&mut self.inner).poll_frame(cx).map_err(BodyError::Broken);
        };
        // Reading asks the link for more; it is driven right below.
        link.leave_alone();
        let mut polled = Pin::new(&mut self.inner).poll_frame(&mut Context::from_waker(link.delivery()));
        if polled.is_pending() {
            link.drive(cx);
            if link.is_over() {
                self.link = None;
            }
            let link = &self.link;
            let waker = link.as_ref().map_or(cx.waker(), |link| link.delivery());
            polled = Pin::new(&mut self.inner).poll_frame(&mut Context::from_waker(waker));
        }
        polled.map_err(BodyError::Broken)
    }

    /// Keeps the link when it can be used again.
    fn finish(&mut self, cx: &mut Context<'_>) {
        let Some(mut link) = self.link.take() else { return };
        if !link.is_ready() {
            link.drive(cx);
        }
        if link.is_ready() {
            self.pool.put(link);
        }
    }
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = self.get_mut();
        if this.ends.standing_has_ended() {
            this.link = None;
            return Poll::Ready(Some(Err(BodyError::Ended)));
        }
        let polled = this.poll_inner(cx);
        match &polled {
            Poll::Ready(Some(Ok(_))) => {
                this.ends.active();
                if this.inner.is_end_stream() {
                    this.finish(cx);
                }
            }
            Poll::Ready(None) => this.finish(cx),
            Poll::Ready(Some(Err(_))) => this.link = None,
            Poll::Pending => {
                if let Poll::Ready(cut) = this.ends.poll(cx) {
                    tracing::debug!(?cut, "answer ended");
                    this.link = None;
                    return Poll::Ready(Some(Err(BodyError::Ended)));
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
