//! The form of a refusal: route by credential by caller.

use std::time::Duration;

use bytes::Bytes;
use http::Request;

use crate::support::client::{Answer, send, send_to};
use crate::support::world::{Options, World};

const AGENT: &str = "b7e2a8f0-3c1d-4f5a-9b6c-7d8e9f0a1b2c";
const GARBAGE: &str = "abcdefghij-abcdefghijklmnopqrstuv";

/// The caller, and how it carries a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// A navigating browser, with Fetch Metadata.
    Navigation,
    /// A browser without Fetch Metadata.
    OldBrowser,
    /// A script on a page.
    Script,
    /// An image on a page.
    Picture,
    /// The CLI, with a header.
    Cli,
    /// curl with Bearer that accepts HTML.
    Bearer,
    /// A browser's websocket.
    Websocket,
}

const CALLERS: [Caller; 7] = [
    Caller::Navigation,
    Caller::OldBrowser,
    Caller::Script,
    Caller::Picture,
    Caller::Cli,
    Caller::Bearer,
    Caller::Websocket,
];

/// The callers that can carry this credential: without one, Bearer means an old browser.
fn callers(token: Option<&str>) -> impl Iterator<Item = Caller> + use<> {
    let bearer = token.is_some();
    CALLERS.into_iter().filter(move |caller| bearer || *caller != Caller::Bearer)
}

impl Caller {
    const fn is_browser_on_its_way(self) -> bool {
        matches!(self, Self::Navigation | Self::OldBrowser)
    }

    async fn ask(self, world: &World, path: &str, token: Option<&str>) -> Answer {
        self.ask_at(world, &world.host, path, token).await
    }

    async fn ask_at(self, world: &World, host: &str, path: &str, token: Option<&str>) -> Answer {
        let mut request = Request::get(path).header("host", host);
        let manners: &[(&str, &str)] = match self {
            Self::Navigation => &[
                ("accept", "text/html,*/*;q=0.8"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
            Self::OldBrowser | Self::Bearer => &[("accept", "text/html,*/*;q=0.8")],
            Self::Script => &[("accept", "*/*"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
            Self::Picture => {
                &[("accept", "image/*,*/*"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")]
            }
            Self::Cli => &[("user-agent", "coder-cli/2.31")],
            Self::Websocket => &[
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ],
        };
        for (name, value) in manners {
            request = request.header(*name, *value);
        }
        if let Some(token) = token {
            request = match self {
                Self::Cli => request.header("coder-session-token", token),
                Self::Bearer => request.header("authorization", format!("Bearer {token}")),
                _ => request.header("cookie", format!("coder_session_token={token}")),
            };
        }
        send_to(&world.host, request.body(Bytes::new()).unwrap()).await.unwrap()
    }
}

/// The expected response.
#[derive(Clone, Copy, Debug)]
enum Sees {
    /// A navigating browser is sent to sign in; everybody else gets 401 with a challenge and this detail.
    SignIn(&'static str),
    /// A navigating browser gets a page; everybody else Coder's JSON. The status of the JSON, and of the page.
    No(u16, u16),
}

const MISSING: &str = "Cookie \"coder_session_token\" or query parameter must be provided.";
const ENDED: &str = "Your sign-in has ended. Sign in again in a browser, or run \"coder login\".";
const INVALID: &str = "API key is invalid.";

fn check(case: &str, caller: Caller, path: &str, token: Option<&str>, sees: Sees, answer: &Answer) {
    let request_id = |text: &str| text.contains("equest");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{case}");
    assert!(answer.header("x-coder-build-version").is_none(), "{case}: it came from Coder");
    match sees {
        Sees::SignIn(_) if caller.is_browser_on_its_way() => {
            assert_eq!(answer.status, 303, "{case}: {}", answer.text());
            let back: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
            assert_eq!(answer.location(), format!("/vestibule/sign-in?redirect={back}"), "{case}");
            let gone = answer.set_cookies().iter().any(|line| line.starts_with("coder_session_token=;"));
            let stale = token.is_some_and(|token| token.len() == 33) && !case.contains("without a grant");
            assert_eq!(gone, stale, "{case}: {:?}", answer.set_cookies());
        }
        Sees::No(_, status) if caller.is_browser_on_its_way() => {
            assert_eq!(answer.status, status, "{case}");
            assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{case}");
            assert!(
                answer.header("content-security-policy").unwrap().contains("default-src 'none'"),
                "{case}"
            );
            assert!(request_id(&answer.text()), "{case}");
        }
        Sees::SignIn(detail) => {
            assert_eq!(answer.status, 401, "{case}: {}", answer.text());
            let challenge = answer.header("www-authenticate").unwrap_or_else(|| panic!("{case}"));
            assert!(challenge.starts_with("Bearer realm=\"coder\""), "{case}: {challenge}");
            let said = answer.json();
            assert!(said["message"].as_str().unwrap().starts_with("You are signed out"), "{case}");
            assert_eq!(said["detail"], detail, "{case}");
            plain(case, answer);
        }
        Sees::No(status, _) => {
            assert_eq!(answer.status, status, "{case}: {}", answer.text());
            let said = answer.json();
            assert!(said["message"].as_str().unwrap().len() > 10, "{case}");
            assert!(said["detail"].as_str().unwrap().len() > 10, "{case}");
            assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{case}");
            assert_eq!(answer.header("retry-after").is_some(), status == 503, "{case}");
            plain(case, answer);
        }
    }
}

/// A program never sees HTML or a redirect (coder/coder#17687).
fn plain(case: &str, answer: &Answer) {
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"), "{case}");
    assert!(answer.header("location").is_none() && answer.set_cookies().is_empty(), "{case}");
}

/// A credential, its name, and the expected response on a route for people.
async fn credentials(world: &World) -> Vec<(&'static str, Option<String>, Sees)> {
    let ended = world.sign_in("bob").await;
    let session = world.session(&ended);
    world.provider.deactivate("bob");
    world.advance(Duration::from_secs(301));
    let (_, carol) = world.coder.add_user("carol", "oidc");
    let (dave, by_password) = world.coder.add_user("dave", "password");
    let scoped = world.coder.make_key(&dave, "token", "application_connect");
    vec![
        ("nothing", None, Sees::SignIn(MISSING)),
        ("an ended session", Some(session), Sees::SignIn(ENDED)),
        ("garbage", Some(GARBAGE.to_owned()), Sees::SignIn(INVALID)),
        ("no token's shape", Some("not-a-token".to_owned()), Sees::SignIn(INVALID)),
        ("an agent's token", Some(AGENT.to_owned()), Sees::SignIn(INVALID)),
        ("a token without a grant", Some(carol), Sees::SignIn(INVALID)),
        ("a password user's token without a grant", Some(by_password), Sees::No(403, 303)),
        ("a scoped token without a grant", Some(scoped), Sees::No(403, 303)),
    ]
}

#[tokio::test]
async fn where_a_person_is_wanted_every_caller_is_refused_in_its_own_language() {
    let world = World::start().await;
    for (name, token, sees) in credentials(&world).await {
        world.coder.forget_seen();
        for path in ["/api/v2/workspaces?q=owner:me", "/workspaces", "/api/v2/users/me/keys", "/nope"] {
            for caller in callers(token.as_deref()) {
                let case = format!("{caller:?} with {name} at {path}");
                let answer = caller.ask(&world, path, token.as_deref()).await;
                let sees = match sees {
                    // Another sign-in may help a browser; nothing here helps the token.
                    Sees::No(..) if caller.is_browser_on_its_way() => Sees::SignIn(""),
                    sees => sees,
                };
                check(&case, caller, path, token.as_deref(), sees, &answer);
            }
        }
        let reached: Vec<_> =
            world.coder.seen().into_iter().filter(|seen| seen.target != "/api/v2/users/me").collect();
        assert!(reached.is_empty(), "{name}: {reached:?}");
    }
}

/// `Authorization` belongs to the app, so no caller uses Bearer here.
#[tokio::test]
async fn where_an_app_wants_a_person_a_browser_is_led_there_and_every_program_is_told() {
    let sections = "policy:\n  apps:\n    public: false\n";
    let world = World::with(Options { wildcard: Some(".apps.test"), sections, ..Options::default() }).await;
    let host = format!("code--main--dev--alice.apps.test:{}", world.host.rsplit_once(':').unwrap().1);
    for (name, token, sees) in credentials(&world).await {
        world.coder.forget_seen();
        for caller in CALLERS.into_iter().filter(|caller| *caller != Caller::Bearer) {
            let case = format!("{caller:?} with {name}");
            let browser = caller.is_browser_on_its_way();
            let by_path = match sees {
                Sees::No(..) if browser => Sees::SignIn(""),
                sees => sees,
            };
            let path = "/@alice/dev/apps/code/x?y=1";
            let answer = caller.ask(&world, path, token.as_deref()).await;
            check(&case, caller, path, token.as_deref(), by_path, &answer);
            let answer = caller.ask_at(&world, &host, "/x?y=1", token.as_deref()).await;
            // Another session may open the app if this one has ended; a rule against the token remains.
            let led = browser
                && matches!(sees, Sees::SignIn(_))
                && name != "an agent's token"
                && !name.contains("grant");
            if led {
                let to = url::Url::parse(answer.location()).unwrap();
                assert_eq!((answer.status, to.path()), (303, "/api/v2/applications/auth-redirect"), "{case}");
            } else if browser {
                assert_eq!(answer.status, 403, "{case}: {}", answer.text());
                assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{case}");
            } else {
                check(&case, caller, "/x", token.as_deref(), sees, &answer);
            }
        }
        let reached: Vec<_> =
            world.coder.seen().into_iter().filter(|seen| seen.target != "/api/v2/users/me").collect();
        assert!(reached.is_empty(), "{name}: {reached:?}");
    }
}

#[tokio::test]
async fn what_is_closed_is_closed_whatever_is_presented() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.coder.forget_seen();
    for token in [None, Some(session.as_str()), Some(GARBAGE)] {
        for path in
            ["/swagger/index.html", "/api/v2/debug/pprof/heap", "/api/v2/users/oauth2/github/callback"]
        {
            for caller in callers(token) {
                // Without its tunnel, a sign-in method is a page like others.
                if caller == Caller::Websocket && path.ends_with("callback") {
                    continue;
                }
                let case = format!("{caller:?} with {token:?} at {path}");
                let answer = caller.ask(&world, path, token).await;
                check(&case, caller, path, token, Sees::No(403, 403), &answer);
            }
        }
    }
    let reached: Vec<_> =
        world.coder.seen().into_iter().filter(|seen| seen.target != "/api/v2/users/me").collect();
    assert!(reached.is_empty(), "{reached:?}");
    let page = browser.get(&world.url("/swagger/index.html")).await.text();
    for part in ["This part of Coder is closed here.", "policy.routes", "href=\"/\">Go to Coder"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test]
async fn on_a_machines_route_a_person_is_refused_and_no_browser_is_sent_to_sign_in() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.coder.forget_seen();
    for token in [None, Some(session.as_str()), Some(GARBAGE), Some("not-a-token")] {
        for path in ["/api/v2/workspaceagents/me/rpc", "/api/v2/workspaceproxies/me/crypto-keys"] {
            for caller in callers(token) {
                let case = format!("{caller:?} with {token:?} at {path}");
                let answer = caller.ask(&world, path, token).await;
                check(&case, caller, path, token, Sees::No(401, 403), &answer);
            }
        }
    }
    assert!(world.coder.seen().is_empty());
}

#[tokio::test]
async fn while_nobody_can_be_asked_a_session_is_told_to_wait_and_not_to_sign_in() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.provider.stop();
    world.advance(Duration::from_hours(1));
    for caller in CALLERS {
        let case = format!("{caller:?}");
        let answer = caller.ask(&world, "/workspaces", Some(&session)).await;
        check(&case, caller, "/workspaces", Some(&session), Sees::No(503, 503), &answer);
        assert!(answer.set_cookies().is_empty(), "{case}: the session is kept");
    }
}

#[tokio::test]
async fn a_coder_that_does_not_answer_is_502_and_a_token_that_it_must_be_asked_about_503() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.coder.stop();
    for caller in CALLERS {
        let case = format!("{caller:?}");
        let answer = caller.ask(&world, "/workspaces", Some(&session)).await;
        assert_eq!(answer.status, if caller.is_browser_on_its_way() { answer.status } else { 502 }, "{case}");
        assert!(matches!(answer.status, 502 | 503), "{case}: {}", answer.status);
        let html = answer.header("content-type").unwrap().starts_with("text/html");
        assert_eq!(html, caller.is_browser_on_its_way(), "{case}");
        let unknown = caller.ask(&world, "/api/v2/workspaces", Some(GARBAGE)).await;
        assert_eq!(unknown.status, 503, "{case}: {}", unknown.text());
        assert!(unknown.header("retry-after").is_some() || caller.is_browser_on_its_way(), "{case}");
    }
}

#[tokio::test]
async fn contradicting_credentials_are_400_for_everybody_and_a_browser_forgets_its_cookies() {
    let world = World::start().await;
    let (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let (alice, bob) = (world.session(&alice), world.session(&bob));
    world.coder.forget_seen();
    let me = "/api/v2/users/me";
    let cookie = |value: &str| ("cookie", format!("coder_session_token={value}"));
    let header = |value: &str| ("coder-session-token", value.to_owned());
    let bearer = |value: &str| ("authorization", format!("Bearer {value}"));
    for (path, headers) in [
        (me.to_owned(), vec![cookie(&alice), header(&bob)]),
        (me.to_owned(), vec![cookie(&alice), bearer(&bob)]),
        (me.to_owned(), vec![header(&alice), bearer(&bob)]),
        (me.to_owned(), vec![header(&alice), header(&alice)]),
        (me.to_owned(), vec![bearer(&alice), bearer(&alice)]),
        (me.to_owned(), vec![cookie(&alice), cookie(&bob)]),
        (me.to_owned(), vec![cookie(&alice), header(AGENT)]),
        (format!("{me}?coder_session_token={bob}"), vec![cookie(&alice)]),
        (format!("{me}?access_token={bob}"), vec![header(&alice)]),
        (format!("{me}?coder_session_token={alice}&coder_session_token={bob}"), vec![]),
        (format!("{me}?%63oder_session_token={bob}"), vec![cookie(&alice)]),
    ] {
        let mut request = Request::get(world.url(&path));
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        let answer = send(request.body(Bytes::new()).unwrap()).await.unwrap();
        assert_eq!(answer.status, 400, "{path} {headers:?}: {}", answer.text());
        plain(&path, &answer);
        assert!(!answer.text().contains(&alice) && !answer.text().contains(&bob));
    }
    assert!(world.coder.seen().is_empty());
    let both = format!("coder_session_token={alice}; coder_session_token={bob}");
    let page = Request::get(world.url("/workspaces")).header("cookie", both).header("accept", "text/html");
    let page = send(page.body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!((page.status, page.header("content-type")), (400, Some("text/html; charset=utf-8")));
    assert!(page.set_cookies().iter().any(|line| line.starts_with("coder_session_token=;")));
}

/// With `CODER_HOST_PREFIX_COOKIE` the session cookie has another name; both are known.
#[tokio::test]
async fn a_session_with_the_host_prefix_is_judged_like_the_other() {
    let world = World::with(Options { host_prefix_cookie: true, ..Options::default() }).await;
    let browser = world.sign_in("alice").await;
    assert_eq!(world.whoami(&browser).await["username"], "alice");
    let session = world.session(&browser);
    let mixed = format!("__Host-coder_session_token={session}; coder_session_token={GARBAGE}");
    let request = Request::get(world.url("/api/v2/users/me")).header("cookie", mixed);
    let answer = send(request.body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let deleted = answer.set_cookies();
    assert!(deleted.iter().any(|line| line.starts_with("coder_session_token=; Path=/;")), "{deleted:?}");
    assert!(!deleted.iter().any(|line| line.starts_with("__Host-")), "{deleted:?}");
}

#[tokio::test]
async fn a_program_is_told_the_number_that_a_page_has_at_its_foot() {
    let world = World::start().await;
    let twice = world.url("/api/v2/users/oidc/callback?code=x&code=y&state=z");
    let json = send(Request::get(&twice).body(Bytes::new()).unwrap()).await.unwrap();
    let detail = json.json()["detail"].as_str().unwrap().to_owned();
    let number = detail.split("request number ").nth(1).and_then(|rest| rest.split('.').next()).unwrap();
    assert!(number.len() == 16 && number.bytes().all(|digit| digit.is_ascii_hexdigit()), "{detail}");
    let page = Request::get(&twice).header("accept", "text/html").body(Bytes::new()).unwrap();
    assert!(send(page).await.unwrap().text().contains("request number below"));
}
