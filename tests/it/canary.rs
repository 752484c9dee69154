//! No secret is logged, not even at the most verbose level: sign-ins, refreshes,
//! refusals and sign-outs, and every token, code, cookie and secret in them searched for in the output.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request};
use serde_json::json;
use vestibule::telemetry;

use crate::support::client::{Answer, Browser, send};
use crate::support::process::output_of;
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, Fault};
use crate::support::server::fields;
use crate::support::world::{Options, World};

/// Where the child process writes the secrets, one a line.
const SECRETS: &str = "VESTIBULE_TEST_SECRETS";

/// The log belongs to the process, so this runs in a process of its own.
#[test]
fn no_secret_is_in_the_log_at_any_level() {
    for (format, json) in [("text", false), ("json", true)] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secrets");
        let mut life = Command::new(std::env::current_exe().unwrap());
        life.args(["canary::a_life_with_everything_logged", "--exact", "--ignored", "--nocapture"])
            .env(SECRETS, &file)
            .env("VESTIBULE_TEST_FORMAT", format);
        let child = output_of(life);
        let output = [child.stderr, child.stdout].concat();
        let log = String::from_utf8_lossy(&output).into_owned();
        let end = log.len().saturating_sub(3000);
        assert!(child.status.success(), "{}", log.get(end..).unwrap_or_default());
        assert!(log.contains("TRACE") && log.contains("DEBUG"), "everything is logged");
        assert!(
            log.contains("Internal error") && log.contains("[redacted]"),
            "what quotes the request is in it"
        );
        for action in ["sign_in", "refresh", "sign_out", "backchannel_logout", "revocation"] {
            let said = if json { format!("\"action\":\"{action}\"") } else { format!("action=\"{action}\"") };
            assert!(log.contains(&said), "{action} is in it");
        }
        let secrets = std::fs::read_to_string(&file).unwrap();
        assert!(secrets.lines().count() > 60, "{secrets}");
        for secret in secrets.lines() {
            if let Some(at) = log.find(secret) {
                let from = log[..at].rfind('\n').map_or(0, |line| line + 1);
                let to = log[at..].find('\n').map_or(log.len(), |line| at + line);
                panic!("{secret} is in the log: {}", &log[from..to]);
            }
        }
    }
}

/// Collects what must not be logged.
#[derive(Default)]
struct Secrets(BTreeSet<String>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        // A part of a signed token is as sensitive as the complete one: its signature and its claims.
        for part in secret.split('.').filter(|part| part.len() >= 12) {
            self.0.insert(part.to_owned());
        }
    }

    /// The sensitive values of a query or form.
    fn add_fields(&mut self, fields: &[(String, String)]) {
        let names = [
            "code",
            "state",
            "code_verifier",
            "refresh_token",
            "client_secret",
            "nonce",
            "token",
            "id_token_hint",
            "logout_token",
        ];
        for (_, value) in fields.iter().filter(|(name, _)| names.contains(&name.as_str())) {
            self.add(value);
        }
    }

    /// A client's secret, plain and as sent (RFC 6749 §2.3.1, RFC 7617).
    fn add_client(&mut self, secret: &str) {
        self.add(secret);
        self.add(&STANDARD.encode(format!("{CLIENT_ID}:{secret}")));
    }

    /// Every value that a response gave a browser.
    fn add_answer(&mut self, answer: &Answer) {
        for line in answer.set_cookies() {
            let pair = line.split(';').next().unwrap_or_default();
            self.add(pair.split_once('=').map_or("", |(_, value)| value));
        }
        // The forms of a page: their proof of origin.
        for field in answer.text().split("name=\"csrf\" value=\"").skip(1) {
            self.add(field.split('"').next().unwrap_or_default());
        }
        if let Some((_, query)) = answer.header("location").and_then(|to| to.split_once('?')) {
            self.add_fields(&fields(query));
        }
    }

    fn add_world(&mut self, world: &World) {
        world.provider.every_token().iter().for_each(|token| self.add(token));
        for endpoint in ["authorize", "token", "revoke"] {
            world.provider.forms(endpoint).iter().for_each(|form| self.add_fields(form));
        }
        for seen in world.coder.seen() {
            self.add_fields(&fields(seen.target.split_once('?').map_or("", |(_, query)| query)));
        }
        for link in world.coder.users().into_iter().filter_map(|user| user.link) {
            self.add(&link.access_token);
            self.add(&link.refresh_token);
        }
        self.add_client("coder-secret");
        self.add_client(CLIENT_SECRET);
        let keys = std::fs::read_to_string(world.dir.path().join("store/keys")).unwrap();
        keys.lines().filter(|line| !line.starts_with('#')).for_each(|key| self.add(key.trim()));
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how the test above talks to its child")]
#[ignore = "run by the test above, in a process whose log is its own"]
async fn a_life_with_everything_logged() {
    let Ok(file) = std::env::var(SECRETS) else { return };
    let json = std::env::var("VESTIBULE_TEST_FORMAT").is_ok_and(|format| format == "json");
    let format = if json { telemetry::LogFormat::Json } else { telemetry::LogFormat::Text };
    telemetry::init(&telemetry::LogSettings { filter: "trace".to_owned(), format }).unwrap();
    let sections = "signOut:\n  from: provider\n  tokens: end\n";
    let world = World::with(Options { sections, ..Options::default() }).await;
    let mut secrets = Secrets::default();
    signed_in(&world, &mut secrets).await;
    refused(&world, &mut secrets).await;
    ended(&world, &mut secrets).await;
    std::fs::write(file, secrets.0.into_iter().collect::<Vec<_>>().join("\n")).unwrap();
}

/// A sign-in, every carrier of its session, a key, refreshes that succeed and that fail.
async fn signed_in(world: &World, secrets: &mut Secrets) {
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    secrets.add_fields(&fields(back.split_once('?').unwrap().1));
    for name in browser.cookie_names(&world.host) {
        secrets.add(&browser.cookie(&world.host, &name).unwrap());
    }
    let answer = browser.get(&back).await;
    assert_eq!(answer.status, 307);
    secrets.add_answer(&answer);
    let session = world.session(&browser);
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    secrets.add(&key);
    let me = "/api/v2/users/me";
    for request in [
        Request::get(world.url(me)).header("authorization", format!("Bearer {session}")),
        Request::get(world.url(&format!("{me}?coder_session_token={key}"))),
        Request::get(world.url(&format!("{me}?access_token={session}"))),
    ] {
        assert_eq!(send(request.body("".into()).unwrap()).await.unwrap().status, 200);
    }
    let made = world.api("POST", "/api/v2/users/me/keys", &session).await;
    secrets.add(made.json()["key"].as_str().unwrap());
    secrets.add_answer(&browser.get(&world.url("/vestibule/sessions")).await);
    secrets.add_world(world);
    for fault in [
        Fault::Status(
            400,
            r#"{"error":"invalid_client","error_description":"canary-from-provider"}"#.to_owned(),
        ),
        Fault::Quotes,
        Fault::Garbled,
        Fault::HangUp,
    ] {
        world.advance(Duration::from_secs(301));
        world.provider.fail_next("token", fault);
        world.me(&session).await;
        world.advance(Duration::from_mins(2));
        assert_eq!(world.me(&session).await.status, 200);
        secrets.add_world(world);
    }
}

/// Refusals: of a person, of a code, of unknown or differing credentials.
async fn refused(world: &World, secrets: &mut Secrets) {
    let eve = Browser::new();
    let answer = world.sign_in_with(&eve, "eve", "/").await;
    assert_eq!(answer.status, 403);
    secrets.add_answer(&answer);
    let browser = Browser::new();
    let back = world.to_callback(&browser, "bob", "/").await;
    secrets.add_fields(&fields(back.split_once('?').unwrap().1));
    world.provider.fail_next("token", Fault::Status(400, r#"{"error":"invalid_grant"}"#.to_owned()));
    assert_eq!(browser.get(&back).await.status, 400);
    assert_eq!(browser.get(&back.replace("state=", "state=stolen-state-")).await.status, 400);
    secrets.add("stolen-state-");
    for garbage in
        ["garbage-canary", "abcdefghij-abcdefghijklmnopqrstuv", "b7e2a8f0-3c1d-4f5a-9b6c-7d8e9f0a1b2c"]
    {
        assert_eq!(world.me(garbage).await.status, 401);
        secrets.add(garbage);
    }
    let both = Request::get(world.url("/api/v2/users/me?coder_session_token=query-canary-credential"))
        .header("cookie", "coder_session_token=cookie-canary-credential");
    assert!(matches!(send(both.body("".into()).unwrap()).await.unwrap().status, 400 | 401));
    secrets.add("query-canary-credential");
    secrets.add("cookie-canary-credential");
    secrets.add_world(world);
}

/// Sign-out with the hint, revocations, valid and invalid back-channel logout.
async fn ended(world: &World, secrets: &mut Secrets) {
    let browser = world.sign_in("alice").await;
    secrets.add(&world.session(&browser));
    secrets.add_world(world);
    browser.set_cookie(&world.host, "csrf_token", "csrf-canary-value");
    secrets.add("csrf-canary-value");
    let out = Request::post(world.url("/api/v2/users/logout")).header("x-csrf-token", "csrf-canary-value");
    let out = browser.send(out.body("".into()).unwrap()).await;
    assert_eq!(out.status, 200);
    secrets.add_answer(&out);
    secrets.add_answer(&browser.get(&world.url("/login")).await);
    let bob = world.session(&world.sign_in("bob").await);
    secrets.add(&bob);
    for change in [json!({}), json!({"aud": "other"})] {
        let token = world.provider.logout_token("logout+jwt", Some("sub-bob"), None, &change);
        secrets.add(&token);
        let body = format!("logout_token={token}");
        let answer =
            Browser::new().fetch(Method::POST, &world.url("/vestibule/backchannel-logout"), body).await;
        assert!(matches!(answer.status, 200 | 400));
    }
    assert_eq!(world.me(&bob).await.status, 401);
    secrets.add_world(world);
    let revoked = || world.provider.forms("revoke").len() >= 8;
    world.until("the tokens of four grants are revoked", revoked).await;
    secrets.add_world(world);
}
