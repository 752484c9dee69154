//! Where responses begin and end, however the network splits them.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use proptest::prelude::*;

use super::ExchangeError;
use super::head::{self, Head, MAX_RESPONSE_HEAD};
use super::receiving::{Chunk, Piece, Rest, may_be_kept};

fn head(text: &str) -> Result<Option<Head>, ExchangeError> {
    head::take(&mut Bytes::copy_from_slice(text.as_bytes()), &mut HeaderMap::new())
}

/// A 200 head with these lines.
fn whole(lines: &str) -> Head {
    head(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")).unwrap().unwrap()
}

#[test]
fn a_head_is_taken_once_it_is_whole_and_what_follows_stays() {
    let text = "HTTP/1.1 200 OK\r\nETag: \"\u{e4}\"\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nbody";
    let end = text.len() - "body".len();
    for there in 0..end {
        let mut input = Bytes::copy_from_slice(&text.as_bytes()[..there]);
        assert!(head::take(&mut input, &mut HeaderMap::new()).unwrap().is_none(), "{there}");
        assert_eq!(input.len(), there);
    }
    let mut room = HeaderMap::from_iter([(http::header::COOKIE, "the request's".parse().unwrap())]);
    let mut input = Bytes::copy_from_slice(text.as_bytes());
    let head = head::take(&mut input, &mut room).unwrap().unwrap();
    assert_eq!((head.status.as_u16(), input.as_ref()), (200, &b"body"[..]));
    assert_eq!(head.headers.len(), 3, "{:?}", head.headers);
    assert_eq!(head.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn what_is_no_head_is_refused() {
    for text in [
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 Odd\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname : value\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname: a\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname: \0\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
    ] {
        assert!(matches!(head(text), Err(ExchangeError::Malformed(_))), "{text:?}: {:?}", head(text));
    }
}

#[test]
fn a_head_without_end_is_given_up() {
    let long = format!("HTTP/1.1 200 OK\r\nname: {}", "x".repeat(MAX_RESPONSE_HEAD));
    assert!(matches!(head(&long), Err(ExchangeError::Malformed(_))));
    let many = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(300));
    assert!(matches!(head(&many), Err(ExchangeError::Malformed(_))));
}

/// RFC 9112 §6.3, rule by rule.
#[test]
fn the_body_ends_where_the_head_says() {
    for (lines, rest) in [
        ("Content-Length: 0\r\n", Rest::Bytes(0)),
        ("Content-Length: 12\r\n", Rest::Bytes(12)),
        ("Content-Length: 12\r\nContent-Length: 12\r\n", Rest::Bytes(12)),
        ("Transfer-Encoding: chunked\r\n", Rest::Chunks(Chunk::Size)),
        ("Transfer-Encoding: gzip, Chunked\r\n", Rest::Chunks(Chunk::Size)),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Rest::Chunks(Chunk::Size)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 12\r\n", Rest::Chunks(Chunk::Size)),
        ("Transfer-Encoding: chunked, gzip\r\n", Rest::UntilClose),
        ("Transfer-Encoding: identity\r\nContent-Length: 12\r\n", Rest::UntilClose),
        ("", Rest::UntilClose),
    ] {
        let mut head = whole(lines);
        assert_eq!(Rest::of(&mut head).unwrap(), rest, "{lines:?}");
        let lengths = usize::from(matches!(rest, Rest::Bytes(_)));
        assert_eq!(head.headers.get_all("content-length").iter().count(), lengths, "{lines:?}");
    }
    for status in ["101 Switching Protocols", "204 No Content", "304 Not Modified"] {
        let mut head = head(&format!("HTTP/1.1 {status}\r\nContent-Length: 12\r\n\r\n")).unwrap().unwrap();
        assert_eq!(Rest::of(&mut head).unwrap(), Rest::Bytes(0), "{status}");
    }
}

#[test]
fn lengths_that_two_readers_may_read_differently_are_refused() {
    for length in
        ["", "+1", "-1", " 1 2", "0x1", "1, 1", "1;", "99999999999999999999", "1\r\nContent-Length: 2"]
    {
        let mut head = whole(&format!("Content-Length: {length}\r\n"));
        assert!(matches!(Rest::of(&mut head), Err(ExchangeError::Malformed(_))), "{length:?}");
    }
}

/// RFC 9112 §9.3.
#[test]
fn a_connection_is_kept_unless_either_end_closes_it() {
    for (lines, kept) in [
        ("", true),
        ("Connection: keep-alive\r\n", true),
        ("Connection: close\r\n", false),
        ("Connection: X-Inner, Close\r\n", false),
        ("Connection: X-Inner\r\nConnection: close\r\n", false),
        ("Transfer-Encoding: chunked\r\n", true),
        ("Transfer-Encoding: chunked\r\nContent-Length: 12\r\n", false),
    ] {
        assert_eq!(may_be_kept(&whole(lines)), kept, "{lines:?}");
    }
    let coded = "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n";
    for (lines, kept) in [("", false), ("Connection: Keep-Alive\r\n", true), (coded, false)] {
        let old = head(&format!("HTTP/1.0 200 OK\r\n{lines}\r\n")).unwrap().unwrap();
        assert_eq!(may_be_kept(&old), kept, "HTTP/1.0 {lines:?}");
    }
}

/// Reads a body from `bytes`, `step` at a time. Returns its data, its trailers, and what is left.
fn read(mut rest: Rest, bytes: &[u8], step: usize) -> Result<(Vec<u8>, HeaderMap, Vec<u8>), ExchangeError> {
    let (mut data, mut trailers) = (Vec::new(), HeaderMap::new());
    let (mut input, mut to_come) = (Bytes::new(), bytes.chunks(step));
    loop {
        match rest.take(&mut input)? {
            Piece::Data(piece) => data.extend(piece),
            Piece::Trailers(map) => trailers = map,
            Piece::End => break,
            Piece::Wanting => match to_come.next() {
                Some(next) => input = [&input[..], next].concat().into(),
                None => rest.close()?,
            },
        }
    }
    input = [&input[..], &to_come.collect::<Vec<_>>().concat()].concat().into();
    Ok((data, trailers, input.to_vec()))
}

proptest! {
    #[test]
    fn chunks_are_read_byte_for_byte_however_they_arrive(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..5),
        step in 1_usize..700,
        trailer in any::<bool>(),
    ) {
        let mut bytes = BytesMut::new();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:X};name=value\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(if trailer { b"000\r\nx-sum: 7\r\n\r\nnext" } else { b"0\r\n\r\nnext" });
        let (data, trailers, left) = read(Rest::Chunks(Chunk::Size), &bytes, step).unwrap();
        prop_assert_eq!(data, chunks.concat());
        prop_assert_eq!(trailers.len(), usize::from(trailer));
        prop_assert_eq!(left, b"next");
    }

    #[test]
    fn a_length_is_read_to_its_end_and_no_further(body in ".{0,40}", step in 1_usize..50) {
        let bytes = [body.as_bytes(), b"next"].concat();
        let (data, _, left) = read(Rest::Bytes(body.len() as u64), &bytes, step).unwrap();
        prop_assert_eq!((data, left), (body.into_bytes(), b"next".to_vec()));
    }

    /// Nothing that Coder, or an app behind it, may send makes the reader panic.
    #[test]
    fn whatever_comes_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), step in 1_usize..50) {
        let _ = head::take(&mut Bytes::from(bytes.clone()), &mut HeaderMap::new());
        let _ = read(Rest::Chunks(Chunk::Size), &bytes, step);
        let _ = read(Rest::Chunks(Chunk::Trailers), &bytes, step);
    }
}

#[test]
fn chunks_that_two_readers_may_read_differently_are_refused() {
    for bytes in [
        "\r\n",
        "-1\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "11111111111111111\r\n",
        "0\r\nno colon\r\n\r\n",
        // Found by fuzzing: hyper refuses such an extension, and reads on after such an end of a trailer.
        "1;a\n0;b\r\na\r\n0\r\n\r\n",
        "0\r\nx-sum: 7\n\r\n",
        "0\r\nx-sum: 7\r\n\n",
        "0\r\n\n",
    ] {
        let outcome = read(Rest::Chunks(Chunk::Size), bytes.as_bytes(), 3);
        assert!(matches!(outcome, Err(ExchangeError::Malformed(_))), "{bytes:?}: {outcome:?}");
    }
}

/// A truncated response must not look complete.
#[test]
fn an_end_before_its_time_is_no_end() {
    for bytes in ["", "4", "4\r\nhal", "4\r\nhalf", "4\r\nhalf\r\n", "0\r\n", "0\r\nx-sum: 7\r\n"] {
        let outcome = read(Rest::Chunks(Chunk::Size), bytes.as_bytes(), 3);
        assert!(matches!(outcome, Err(ExchangeError::Ended)), "{bytes:?}: {outcome:?}");
    }
    assert!(matches!(read(Rest::Bytes(5), b"half", 3), Err(ExchangeError::Ended)));
    assert_eq!(read(Rest::UntilClose, b"whole", 3).unwrap().0, b"whole");
}
