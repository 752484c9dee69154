use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn request(version: Version, target: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get(target).version(version);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn check(version: Version, target: &str, headers: &[(&str, &str)]) -> Result<String, BadRequest> {
    check_message(&request(version, target, headers)).map(|host| host.as_str().to_owned())
}

const H1: Version = Version::HTTP_11;
const HOST: (&str, &str) = ("host", "a.company");

#[test]
fn one_host_is_found_in_header_target_or_both() {
    let h2 = Version::HTTP_2;
    assert_eq!(check(H1, "/", &[("host", "Coder.Company:443")]).as_deref(), Ok("coder.company:443"));
    assert_eq!(check(H1, "http://a.company/x", &[("host", "A.company")]).as_deref(), Ok("a.company"));
    assert_eq!(check(h2, "https://a.company/x", &[]).as_deref(), Ok("a.company"));
    assert_eq!(check(h2, "https://a.company/x", &[HOST]).as_deref(), Ok("a.company"));
    assert_eq!(check(Version::HTTP_10, "/", &[HOST]).as_deref(), Ok("a.company"));
    for host in ["127.0.0.1:3000", "[::1]", "[2001:db8::1]:3000", "localhost", "a_b--c.apps.company"] {
        assert_eq!(check(H1, "/", &[("host", host)]).as_deref(), Ok(host));
    }
}

#[test]
fn the_name_is_what_stands_before_the_port() {
    let host = |text: &str| check_message(&request(H1, "/", &[("host", text)])).unwrap();
    for (text, name) in
        [("a.company:3000", "a.company"), ("[::1]:3000", "[::1]"), ("[::1]", "[::1]"), ("a", "a")]
    {
        assert_eq!((host(text).as_str(), host(text).name()), (text, name));
    }
}

/// CVE-2026-48710: a host was assembled from two contradicting sources.
#[test]
fn no_host_two_hosts_or_another_host_in_the_target_is_refused() {
    for (version, target, hosts) in [
        (H1, "/", &[][..]),
        (Version::HTTP_10, "/", &[]),
        (Version::HTTP_2, "/", &[]),
        (H1, "/", &[HOST, HOST]),
        (H1, "/", &[HOST, ("host", "b.company")]),
        (H1, "http://evil.example/", &[HOST]),
        (H1, "http://a.company:81/", &[HOST]),
        (H1, "http://a.company/", &[]),
        (Version::HTTP_2, "https://evil.example/", &[HOST]),
    ] {
        assert_eq!(check(version, target, hosts), Err(BadRequest::Host), "{version:?} {target} {hosts:?}");
    }
}

#[test]
fn what_is_no_host_is_refused() {
    let long = format!("{}.company", "a".repeat(260));
    for host in [
        "",
        " ",
        "user@a.company",
        "a company",
        "a.company/x",
        "a.company:",
        "a.company:99999",
        "a.company:x",
        "a.company:80:80",
        "a.company, b.company",
        "a%2ecompany",
        "a.company#",
        "[::1",
        "[::1]x",
        "[a.company]",
        "::1",
        "http://a.company",
        ":80",
        &long,
    ] {
        assert_eq!(check(H1, "/", &[("host", host)]), Err(BadRequest::Host), "{host}");
    }
}

/// CVE-2026-33186: a target that is not a path matched no rule.
#[test]
fn a_target_that_is_no_path_is_refused() {
    for target in ["*", "a.company", "a.company:443"] {
        assert_eq!(check(H1, target, &[HOST]), Err(BadRequest::Target), "{target}");
    }
    let mut connect = request(H1, "/", &[HOST]);
    *connect.method_mut() = Method::CONNECT;
    assert_eq!(check_message(&connect), Err(BadRequest::Target));
}

/// RUSTSEC-2026-0034 and the smuggling classes around it.
#[test]
fn a_length_that_reads_two_ways_is_refused() {
    let chunked = ("transfer-encoding", "chunked");
    for headers in [
        &[HOST, chunked, ("content-length", "3")][..],
        &[HOST, ("transfer-encoding", "x, chunked")],
        &[HOST, ("transfer-encoding", "chunked, identity")],
        &[HOST, ("transfer-encoding", "gzip"), chunked],
        &[HOST, chunked, chunked],
        &[HOST, ("transfer-encoding", "identity")],
        &[HOST, ("transfer-encoding", "\u{b}chunked")],
        &[HOST, ("transfer-encoding", "")],
    ] {
        let mut request = request(H1, "/", &[]);
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap_or(HeaderValue::from_static("\t"));
            request.headers_mut().append(*name, value);
        }
        assert_eq!(check_message(&request), Err(BadRequest::Framing), "{headers:?}");
    }
    for version in [Version::HTTP_10, Version::HTTP_2] {
        assert_eq!(check(version, "/", &[HOST, chunked]), Err(BadRequest::Framing), "{version:?}");
    }
    assert!(check(H1, "/", &[HOST, chunked]).is_ok());
    assert!(check(H1, "/", &[HOST, ("transfer-encoding", "Chunked")]).is_ok());
    assert!(check(H1, "/", &[HOST, ("content-length", "3")]).is_ok());
}

/// CVE-2026-26308: the second line of a header was missed. CVE-2023-27487: so was another's first.
#[test]
fn a_header_that_may_stand_once_is_refused_twice() {
    for name in &ONCE {
        let twice = [HOST, (name.as_str(), "a"), (name.as_str(), "a")];
        assert_eq!(check(H1, "/", &twice), Err(BadRequest::Repeated(name.as_str())));
        assert!(check(H1, "/", &twice[..2]).is_ok());
    }
    let many = [HOST, ("cookie", "a=1"), ("cookie", "b=2"), ("accept", "a"), ("accept", "b")];
    assert!(check(H1, "/", &many).is_ok());
}

/// CVE-2026-40575, GHSA-5wcc-hf24-rf5h, CVE-2026-55430, CVE-2026-34457: a header that anybody can set chose
/// the host or the path, or let somebody in.
#[test]
fn headers_that_anybody_can_set_choose_neither_host_nor_refusal() {
    for (name, value) in [
        ("x-forwarded-host", "evil.example"),
        ("x_forwarded_host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("x-original-host", "evil.example"),
        ("x-forwarded-uri", "/healthz"),
        ("x-rewrite-url", "/healthz"),
        ("user-agent", "kube-probe/1.31"),
    ] {
        assert_eq!(check(H1, "/", &[HOST, (name, value)]).as_deref(), Ok("a.company"), "{name}");
        assert_eq!(check(H1, "/", &[(name, value)]), Err(BadRequest::Host), "{name}");
    }
}

proptest! {
    /// CVE-2026-48743 and its class: every message is refused or has one host and one length.
    #[test]
    fn no_message_breaks_the_check(
        hosts in proptest::collection::vec("[\\PC\t]{0,20}|[a-z.:0-9\\[\\]@]{0,20}", 0..3),
        codings in proptest::collection::vec("chunked|x|gzip, chunked| chunked", 0..3),
        lengths in proptest::collection::vec("[0-9+-]{0,22}", 0..3),
    ) {
        let mut request = request(H1, "/", &[]);
        for (name, values) in [("host", &hosts), ("transfer-encoding", &codings), ("content-length", &lengths)] {
            for value in values {
                if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                    request.headers_mut().append(name, value);
                }
            }
        }
        if let Ok(host) = check_message(&request) {
            let one = |name: &str| request.headers().get_all(name).iter().count();
            prop_assert_eq!(one("host"), 1);
            prop_assert!(one("transfer-encoding") + one("content-length") <= 1);
            prop_assert!(!host.name().is_empty() && host.as_str().is_ascii());
        }
    }
}
