//! Both legs against a Coder that responds as in `tests/vectors/handoff.json`.

mod recorded;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::types::LocalRedirect;
use crate::types::within::within;
use crate::web::{ClientSettings, Response};

#[derive(Deserialize)]
struct Vectors {
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    coder: String,
    pkce: bool,
    first: Recorded,
    second_cookies: String,
    signed_in: Recorded,
    refusals: Vec<Recorded>,
    first_refusals: Vec<Recorded>,
}

#[derive(Clone, Deserialize)]
struct Recorded {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Recorded {
    fn redirect(location: &str, cookies: &[&str]) -> Self {
        let mut headers = vec![("Location".to_owned(), location.to_owned())];
        headers.extend(cookies.iter().map(|line| ("Set-Cookie".to_owned(), (*line).to_owned())));
        Self { status: 307, headers, body: String::new() }
    }

    fn wire(&self) -> String {
        let headers = self
            .headers
            .iter()
            .fold(String::new(), |wire, (name, value)| wire + name + ": " + value + "\r\n");
        let length = self.body.len();
        format!(
            "HTTP/1.1 {} X\r\n{headers}Content-Length: {length}\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\r\n{}",
            self.status, self.body
        )
    }
}

fn vectors() -> Vec<Version> {
    let text = include_str!("../../../tests/vectors/handoff.json");
    serde_json::from_str::<Vectors>(text).expect("the vectors are JSON").versions
}

/// A Coder that gives these responses in turn, one per connection, and records the requests.
async fn coder(answers: Vec<Recorded>) -> (Handoff, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = tokio::spawn(async move {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a request"));
            }
            heads.push(String::from_utf8(head).expect("ASCII"));
            stream.write_all(answer.wire().as_bytes()).await.expect("an open connection");
        }
        heads
    });
    (handoff(&format!("http://{address}/")), asked)
}

fn handoff(coder_url: &str) -> Handoff {
    let settings = ClientSettings { max_response: MAX_ANSWER, ..ClientSettings::default() };
    let client = Client::new(&settings).expect("a client");
    let settings = HandoffSettings {
        coder_url: coder_url.parse().expect("a URL"),
        access_url: "http://127.0.0.1:3000".parse().expect("a URL"),
        authorization_endpoint: "http://127.0.0.1:3001/authorize".to_owned(),
        client_id: "cid".to_owned(),
    };
    Handoff::new(settings, client)
}

fn visit() -> Visit {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("user-agent", "Mozilla/5.0 Firefox/140.0"),
        ("accept", "text/html"),
        ("authorization", "Bearer of-the-browser"),
        ("x-forwarded-for", "203.0.113.66"),
        (
            "cookie",
            "coder_session_token=Old0ld0ld0-ld0ld0ld0ld0ld0ld0ld0l; oauth_state=stale; oauth_redirect=/stale; \
             __Host-vestibule_attempt_x=sealed; coder_oauth_convert_jwt=jwt; csrf_token=abc=; other=1; \
             oauth_pkce_verifier=stale",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Visit {
        client: "::ffff:192.0.2.7".parse().expect("an address"),
        headers,
        redirect: LocalRedirect::parse_or_root("/workspaces?a=b&c=d"),
        merge_state: None,
    }
}

async fn started(handoff: &Handoff) -> Started {
    handoff.start(visit()).await.expect("Coder begins a sign-in")
}

async fn body(response: Response) -> Bytes {
    response.into_body().collect().await.expect("a body").to_bytes()
}

fn cookies_set(response: &Response) -> Vec<&str> {
    response.headers().get_all(SET_COOKIE).iter().map(|line| line.to_str().expect("text")).collect()
}

fn line<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let is = |line: &&str| line.split(':').next().is_some_and(|found| found.eq_ignore_ascii_case(name));
    head.lines().filter(is).filter_map(|line| line.split_once(": ")).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn both_versions_of_coder_sign_somebody_in() {
    for version in vectors() {
        let (handoff, asked) = coder(vec![version.first.clone(), version.signed_in.clone()]).await;
        let started = started(&handoff).await;
        assert_eq!(started.redirect_uri(), "http://127.0.0.1:3000/api/v2/users/oidc/callback");
        assert_eq!(started.code_challenge().is_some(), version.pkce, "{}", version.coder);
        let done = handoff.finish(started, &Secret::new("one-time+code")).await.expect("Coder answers");
        let token = "Ab3dEf6hIj-KlMn0pQrStUvWxYz12345A";
        assert_eq!(done.session, Some(Secret::new(token)));
        assert_eq!(done.response.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(done.response.headers()[LOCATION], "/workspaces");
        assert_eq!(done.response.headers()[CACHE_CONTROL], "no-store");
        assert!(done.response.headers().get("x-hop").is_none(), "nominated by Connection");
        let session = format!("coder_session_token={token}; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(cookies_set(&done.response), [session]);
        let heads = within(asked).await.expect("no panic");
        assert!(
            heads[0]
                .starts_with("GET /api/v2/users/oidc/callback?redirect=%2Fworkspaces%3Fa%3Db%26c%3Dd HTTP")
        );
        let state = "state=kN5vQ2xTz8LrB4wYc7JpH3mDs6GfA9eU";
        let second = format!("GET /api/v2/users/oidc/callback?code=one-time%2Bcode&{state} HTTP/1.1");
        assert_eq!(heads[1].lines().next(), Some(second.as_str()));
        let own = "coder_session_token=Old0ld0ld0-ld0ld0ld0ld0ld0ld0ld0l; coder_oauth_convert_jwt=jwt; \
                   csrf_token=abc=";
        assert_eq!(line(&heads[0], "cookie"), [own]);
        assert_eq!(line(&heads[1], "cookie"), [format!("{own}; {}", version.second_cookies)]);
    }
}

/// CVE-2023-36456, CVE-2026-55430: Coder gets only facts about the browser that the gateway has verified.
#[tokio::test]
async fn both_legs_carry_the_persons_address_and_nothing_forged() {
    let version = vectors().remove(1);
    let (handoff, asked) = coder(vec![version.first, version.signed_in]).await;
    let started = started(&handoff).await;
    handoff.finish(started, &Secret::new("code")).await.expect("Coder answers");
    for head in within(asked).await.expect("no panic") {
        assert_eq!(line(&head, "host"), ["127.0.0.1:3000"]);
        assert_eq!(line(&head, "x-forwarded-for"), ["192.0.2.7"]);
        assert_eq!(line(&head, "x-forwarded-proto"), ["http"]);
        assert_eq!(line(&head, "x-forwarded-host"), ["127.0.0.1:3000"]);
        assert_eq!(line(&head, "user-agent"), ["Mozilla/5.0 Firefox/140.0"]);
        assert_eq!(line(&head, "authorization"), [""; 0]);
        assert!(!head.contains("vestibule_"));
    }
}

#[tokio::test]
async fn a_merge_state_is_passed_on_and_a_conversion_signs_nobody_in() {
    let version = vectors().remove(0);
    let deleted = ["coder_session_token=; Path=/; Max-Age=0", "coder_oauth_convert_jwt=; Path=/; Max-Age=0"];
    let (handoff, asked) = coder(vec![version.first, Recorded::redirect("/login", &deleted)]).await;
    let visit = Visit { merge_state: Some("convert-IEN&x".to_owned()), ..visit() };
    let started = handoff.start(visit).await.expect("Coder begins a sign-in");
    let done = handoff.finish(started, &Secret::new("code")).await.expect("Coder answers");
    assert_eq!(done.session, None);
    assert_eq!(cookies_set(&done.response), deleted);
    let heads = within(asked).await.expect("no panic");
    assert!(heads[0].contains("&oidc_merge_state=convert-IEN%26x HTTP/1.1"));
}

/// The refusal that results from a response of Coder's second leg.
async fn refused(first: &Recorded, refusal: &Recorded) -> Box<CoderRefusal> {
    let (handoff, _) = coder(vec![first.clone(), refusal.clone()]).await;
    match handoff.finish(started(&handoff).await, &Secret::new("code")).await {
        Err(HandoffError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn coders_refusals_are_errors_in_its_own_words_and_its_json_goes_to_programs_as_it_is() {
    for version in vectors() {
        for answer in version.refusals {
            let refusal = refused(&version.first, &answer).await;
            assert_eq!(refusal.status().as_u16(), answer.status);
            let is_json = answer.headers[0].1.starts_with("application/json");
            let Some(relayed) = relay_json(&refusal) else {
                assert!(!is_json && refusal.message() == "Incorrect login type", "{refusal:?}");
                continue;
            };
            assert!(
                is_json && answer.body.contains(refusal.message().split('"').next().unwrap()),
                "{refusal:?}"
            );
            assert_eq!(relayed.status().as_u16(), answer.status);
            assert_eq!(relayed.headers()[CONTENT_TYPE], answer.headers[0].1.as_str());
            assert_eq!(body(relayed).await, answer.body);
        }
        for answer in version.first_refusals {
            let (handoff, _) = coder(vec![answer.clone()]).await;
            let Err(HandoffError::Refused(refusal)) = handoff.start(visit()).await else {
                panic!("not refused")
            };
            assert_eq!(
                refusal.retry_after().map(|after| after.as_secs()),
                (answer.status == 429).then_some(17)
            );
            let relayed = relay_json(&refusal).expect("it is JSON");
            for (name, value) in &answer.headers {
                assert_eq!(relayed.headers()[name.as_str()], value.as_str());
            }
            assert_eq!(body(relayed).await, answer.body);
        }
    }
}

#[tokio::test]
async fn a_session_that_comes_with_a_refusal_is_held_back() {
    let version = vectors().remove(0);
    let mut odd = version.refusals[0].clone();
    odd.headers.push(("Set-Cookie".to_owned(), "coder_session_token=Unbound; Path=/".to_owned()));
    let refusal = refused(&version.first, &odd).await;
    assert_eq!(cookies_set(&relay_json(&refusal).expect("it is JSON")), [""; 0]);
    assert!(!format!("{refusal:?}{refusal}").contains("Unbound"));
}

#[tokio::test]
async fn a_coder_that_is_set_up_otherwise_is_told_apart() {
    let good = "http://127.0.0.1:3001/authorize?client_id=cid&response_type=code&state=s&redirect_uri=http%3A%2F%2Fr";
    let other = |found: &str| Unexpected::OtherIssuer {
        found: found.to_owned(),
        wanted: "http://127.0.0.1:3001/authorize".to_owned(),
    };
    let table = [
        (good.replace("3001", "9100"), other("http://127.0.0.1:9100/authorize")),
        (good.replace("authorize", "authorize/"), other("http://127.0.0.1:3001/authorize/")),
        (good.replace("http://127", "http://x@127"), other("http://x@127.0.0.1:3001/authorize")),
        ("/login?x=y".to_owned(), other("/login")),
        ("http://127.0.0.1:3000/".to_owned(), Unexpected::RedirectsToAccessUrl),
        (
            good.replace("=cid", "=own"),
            Unexpected::OtherClient { found: "own".to_owned(), wanted: "cid".to_owned() },
        ),
        (good.replace("=code", "=token"), Unexpected::Request("does not ask for a code")),
        (good.replace("state=s&", ""), Unexpected::Request("has no state")),
        (good.replace("http%3A%2F%2Fr", ""), Unexpected::Request("has no redirect_uri")),
        (format!("{good}&state=t"), Unexpected::Request("names a parameter twice")),
        (
            format!("{good}&code_challenge=c&code_challenge_method=plain"),
            Unexpected::Request("has a PKCE challenge that is not S256"),
        ),
        (format!("{good}&code_challenge=c"), Unexpected::Request("has a PKCE challenge that is not S256")),
        (format!("{good}&x={}", "y".repeat(5000)), Unexpected::Request("has a parameter that is too long")),
    ];
    for (location, wanted) in table {
        let (handoff, _) = coder(vec![Recorded::redirect(&location, &[])]).await;
        match handoff.start(visit()).await {
            Err(HandoffError::Unexpected(found)) => assert_eq!(found, wanted),
            other => panic!("{location}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_silent_or_strange_server_is_an_error_with_advice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let down = handoff(&format!("http://{address}/")).start(visit()).await;
    assert!(matches!(down, Err(HandoffError::Unreachable(_))));
    let page = Recorded { status: 200, headers: Vec::new(), body: "hello".to_owned() };
    let (handoff, _) = coder(vec![page.clone()]).await;
    let strange = handoff.start(visit()).await.err().map(|error| error.to_string());
    assert!(strange.is_some_and(|text| text.contains("is coder.url really Coder?")));
    let large = Recorded { status: 403, body: "x".repeat(MAX_ANSWER + 1), ..page };
    let (handoff, _) = coder(vec![large]).await;
    let large = handoff.start(visit()).await;
    assert!(matches!(large, Err(HandoffError::Unexpected(Unexpected::TooLarge))), "{large:?}");
}

/// GHSA-wcx9-ccpj-hx3c: the page after a sign-in is on this site.
#[tokio::test]
async fn a_target_that_leaves_the_site_becomes_the_start_page() {
    let version = vectors().remove(0);
    for target in ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", ""] {
        let answer = Recorded::redirect(target, &["coder_session_token=Token; Path=/"]);
        let (handoff, _) = coder(vec![version.first.clone(), answer]).await;
        let done = handoff.finish(started(&handoff).await, &Secret::new("code")).await.expect("an answer");
        assert_eq!(done.response.headers()[LOCATION], "/", "{target}");
        assert!(done.session.is_some());
    }
}

#[tokio::test]
async fn the_session_cookie_is_known_under_both_names_and_only_once() {
    let version = vectors().remove(0);
    let host = "__Host-coder_session_token=Token; Path=/; Secure; HttpOnly";
    let leg = "oauth_state=; Path=/; Max-Age=0";
    let table = [
        ([host, leg], Ok(Some(Secret::new("Token")))),
        ([host, "coder_session_token=; Path=/"], Ok(Some(Secret::new("Token")))),
        (["coder_session_tokens=x", "Coder_Session_Token=x"], Ok(None)),
        ([host, "coder_session_token=Other; Path=/"], Err(Unexpected::TwoSessions)),
    ];
    for (lines, wanted) in table {
        let (handoff, _) = coder(vec![version.first.clone(), Recorded::redirect("/", &lines)]).await;
        let done = handoff.finish(started(&handoff).await, &Secret::new("code")).await;
        match done {
            Ok(done) => {
                assert!(!cookies_set(&done.response).contains(&leg), "what belongs to the legs stays here");
                assert_eq!(Ok(done.session), wanted);
            }
            Err(HandoffError::Unexpected(found)) => assert_eq!(Err(found), wanted),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_state_a_cookie_or_a_session() {
    let version = vectors().remove(1);
    let (handoff, _) = coder(vec![version.first, version.signed_in]).await;
    let started = started(&handoff).await;
    let first = format!("{started:?}");
    let done = handoff.finish(started, &Secret::new("code")).await.expect("an answer");
    let text = format!("{first}{done:?}");
    for secret in ["kN5vQ2xT", "V4h0nQm8", "Old0ld", "jwt", "Ab3dEf6hIj"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
