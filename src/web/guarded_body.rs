//! A body with a guard that lives as long as the body.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;

use super::body::{Body, BodyError};

/// A body that keeps a guard until it has been delivered or dropped.
#[derive(Debug)]
pub struct GuardedBody<B, G> {
    body: B,
    _guard: G,
}

impl<B, G> GuardedBody<B, G> {
    /// A body that keeps `guard`.
    pub fn new(body: B, guard: G) -> Self {
        Self { body, _guard: guard }
    }
}

impl<G: Send + Unpin + 'static> GuardedBody<Body, G> {
    /// A body that keeps `guard` while more of it is to come. A complete body no longer needs it.
    pub fn while_it_comes(body: Body, guard: G) -> Body {
        match body {
            Body::Boxed(_) => Body::Boxed(UnsyncBoxBody::new(Self::new(body, guard))),
            whole => whole,
        }
    }
}

impl<B, G> http_body::Body for GuardedBody<B, G>
where
    B: http_body::Body<Data = Bytes, Error = BodyError> + Unpin,
    G: Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
