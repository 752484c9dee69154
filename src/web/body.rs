//! One type for every response body, without boxing the common ones.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use thiserror::Error;

/// A body broke off.
#[derive(Debug, Error)]
pub enum BodyError {
    /// Its source failed.
    #[error("the body broke off: {0}")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
    /// The authorization behind it has ended.
    #[error("the authorization of this answer has ended")]
    Ended,
}

/// A body.
#[derive(Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes that are all there; taken when delivered.
    Full(Bytes),
    /// Anything else.
    Boxed(UnsyncBoxBody<Bytes, BodyError>),
}

impl Body {
    /// No body.
    pub const fn empty() -> Self {
        Self::Empty
    }

    /// A body of available bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }

    /// Any other body.
    pub fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        Self::Boxed(body.map_err(|error| BodyError::Broken(Box::new(error))).boxed_unsync())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Body::Empty",
            Self::Full(_) => "Body::Full",
            Self::Boxed(_) => "Body::Boxed",
        })
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            full @ Self::Full(_) => match std::mem::take(full) {
                Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                _ => Poll::Ready(None),
            },
            Self::Boxed(inner) => Pin::new(inner).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) => false,
            Self::Boxed(inner) => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Boxed(inner) => inner.size_hint(),
        }
    }
}

/// A body could not be read completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// Longer than allowed here.
    #[error("the body is too large")]
    TooLarge,
    /// It broke off, or came too slowly.
    #[error("the body broke off")]
    Broken,
}

/// The time limit for a complete body, unless its reader sets a shorter one.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads a complete body of at most `limit` bytes, within 30 s. Trailers are dropped.
///
/// # Errors
/// [`ReadError`] if the body is longer, breaks off, or takes longer.
pub async fn read_limited<B>(body: B, limit: usize) -> Result<Bytes, ReadError>
where
    B: http_body::Body<Data = Bytes>,
{
    tokio::time::timeout(READ_TIMEOUT, read_whole(body, limit)).await.unwrap_or(Err(ReadError::Broken))
}

/// Like [`read_limited`], for callers that already limit the time.
pub(super) async fn read_whole<B>(body: B, limit: usize) -> Result<Bytes, ReadError>
where
    B: http_body::Body<Data = Bytes>,
{
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(ReadError::TooLarge);
    }
    let mut body = std::pin::pin!(body);
    let (mut first, mut whole) = (Bytes::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| ReadError::Broken)?.into_data() else { continue };
        if first.len().max(whole.len()) + data.len() > limit {
            return Err(ReadError::TooLarge);
        }
        if first.is_empty() && whole.is_empty() {
            // Most bodies are one frame, which is passed on unchanged.
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { Bytes::from(whole) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(frames: &[&'static str]) -> Body {
        let frames: Vec<_> =
            frames.iter().map(|text| Ok::<_, BodyError>(Frame::data(Bytes::from(*text)))).collect();
        Body::boxed(http_body_util::StreamBody::new(futures_util::stream::iter(frames)))
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read_and_a_longer_one_refused() {
        assert_eq!(read_limited(Body::full("1234"), 4).await, Ok(Bytes::from_static(b"1234")));
        assert_eq!(read_limited(Body::full("12345"), 4).await, Err(ReadError::TooLarge));
        assert_eq!(read_limited(Body::empty(), 0).await, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn the_frames_of_a_stream_are_put_together() {
        assert_eq!(read_limited(frames(&["ab", "", "c", "def"]), 6).await, Ok(Bytes::from_static(b"abcdef")));
        assert_eq!(read_limited(frames(&["", "ab"]), 6).await, Ok(Bytes::from_static(b"ab")));
        assert_eq!(read_limited(frames(&[]), 6).await, Ok(Bytes::new()));
    }

    /// CVE-2026-55078 and its class: an endless body without a length.
    #[tokio::test]
    async fn a_stream_without_a_length_is_cut_at_the_limit() {
        assert_eq!(read_limited(frames(&["abc"; 10]), 20).await, Err(ReadError::TooLarge));
        assert_eq!(read_limited(frames(&["abc"]), 2).await, Err(ReadError::TooLarge));
        assert_eq!(read_limited(frames(&["abc", "d"]), 3).await, Err(ReadError::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let silent = futures_util::stream::pending::<Result<Frame<Bytes>, BodyError>>();
        let body = Body::boxed(http_body_util::StreamBody::new(silent));
        assert_eq!(read_limited(body, 4).await, Err(ReadError::Broken));
    }

    #[tokio::test]
    async fn a_broken_body_is_told_from_one_that_ended() {
        let frames = [Ok(Frame::data(Bytes::from_static(b"a"))), Err(BodyError::Ended)];
        let body = Body::boxed(http_body_util::StreamBody::new(futures_util::stream::iter(frames)));
        assert_eq!(read_limited(body, 4).await, Err(ReadError::Broken));
    }

    #[tokio::test]
    async fn trailers_do_not_count() {
        let trailers = http::HeaderMap::from_iter([(http::header::AGE, http::HeaderValue::from_static("1"))]);
        let frames =
            [Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"a"))), Ok(Frame::trailers(trailers))];
        let body = Body::boxed(http_body_util::StreamBody::new(futures_util::stream::iter(frames)));
        assert_eq!(read_limited(body, 1).await, Ok(Bytes::from_static(b"a")));
    }

    #[test]
    fn a_body_knows_its_length_and_its_end() {
        use http_body::Body as _;
        assert!(Body::empty().is_end_stream() && Body::full("").is_end_stream());
        assert!(!Body::full("a").is_end_stream());
        assert_eq!(Body::full("abc").size_hint().exact(), Some(3));
        assert_eq!(Body::empty().size_hint().exact(), Some(0));
        assert_eq!(format!("{:?}", Body::full("secret")), "Body::Full");
    }
}
