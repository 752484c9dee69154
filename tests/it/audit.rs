//! Who did what, according to the audit log.

use std::process::Command;
use std::time::Duration;

use http::{Method, Request};
use serde_json::{Value, json};
use vestibule::cli;
use vestibule::config::Environment;
use vestibule::telemetry;

use crate::support::client::{Browser, send};
use crate::support::coder::Fault as CoderFault;
use crate::support::provider::Fault;
use crate::support::within::within;
use crate::support::world::{Options, World};

const CHILD: &str = "VESTIBULE_TEST_AUDIT";

/// The log belongs to the process, so this runs in a process of its own.
#[test]
fn every_change_of_who_may_come_in_is_an_event_that_says_who_from_where_and_why() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["audit::a_life_to_be_told", "--exact", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(child.status.success(), "{log}");
    let events: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let is = |event: &Value, name: &str, wanted: &str| event[name].as_str() == Some(wanted);
    let find = |action: &str, outcome: &str, sub: &str| {
        let found = events.iter().find(|event| {
            is(event, "target", "audit")
                && is(event, "action", action)
                && is(event, "outcome", outcome)
                && event["sub"].as_str().unwrap_or_default() == sub
        });
        found.unwrap_or_else(|| panic!("no {action} {outcome} of {sub}: {log}"))
    };
    for (action, outcome, sub, by_a_request) in [
        ("sign_in", "ok", "sub-alice", true),
        ("sign_in", "domain_not_allowed", "sub-eve", true),
        ("sign_in", "email_unverified", "sub-frank", true),
        ("sign_in", "email_invalid", "sub-grace", true),
        ("sign_in", "provider_fault", "sub-bob", true),
        ("sign_in", "coder_unreachable", "sub-bob", true),
        ("sign_in", "coder_refused", "sub-bob", true),
        ("sign_in", "other_identity", "sub-heidi", true),
        ("relink", "ok", "sub-ivan", true),
        ("relink", "used", "sub-heidi", true),
        ("sign_in", "denied", "", true),
        ("sign_in", "attempt", "", true),
        ("refresh", "ok", "sub-alice", false),
        ("refresh", "no_answer", "sub-alice", false),
        ("refresh", "ended_by_provider", "sub-bob", false),
        ("refresh", "access_expired", "sub-dave", false),
        ("sign_out", "ok", "sub-alice", true),
        ("revocation", "ok", "sub-alice", false),
        ("backchannel_logout", "ok", "sub-carol", true),
        ("backchannel_logout", "ok", "sub-dave", true),
        ("backchannel_logout", "nobody", "stranger", true),
        ("backchannel_logout", "refused", "", true),
        ("break_glass", "coder_refused", "", true),
        ("break_glass", "method_off", "", true),
        ("end", "replaced", "sub-carol", true),
        ("end", "idle", "sub-dave", false),
        ("end", "max_age", "sub-dave", false),
        ("end", "nothing", "", true),
        ("end", "ok", "sub-alice", true),
        ("end", "ended_by_coder", "sub-alice", true),
    ] {
        let event = find(action, outcome, sub);
        assert_eq!(event["request"].is_string(), by_a_request, "{event}");
        assert_eq!(event["iss"].is_string(), !sub.is_empty(), "{event}");
        let known = sub.strip_prefix("sub-").filter(|name| !matches!(*name, "eve" | "grace" | "heidi"));
        let email = known.map(|name| format!("{name}@acme.company"));
        assert!(email.is_none() || event["email"].as_str() == email.as_deref(), "{event}");
        assert_eq!(event["level"], "INFO");
    }
    let documents =
        [include_str!("../../docs/audit-log.md"), include_str!("../../docs/request-log.md")].concat();
    for event in events.iter().filter(|event| is(event, "target", "audit")) {
        for name in ["action", "outcome"] {
            let word = event[name].as_str().unwrap();
            assert!(documents.contains(&format!("`{word}`")), "not documented: {event}");
        }
    }
    assert_eq!(find("sign_in", "domain_not_allowed", "sub-eve")["email"], "eve@evil.example");
    let odd = find("sign_in", "email_invalid", "sub-grace");
    let email = odd["email"].as_str().unwrap();
    assert!(
        email.starts_with("grace@@x") && email.len() == 320,
        "bounded, and nothing that moves a cursor: {odd}"
    );
    assert_eq!(find("sign_in", "coder_refused", "sub-bob")["reason"], "Coder's own words (and[31m more)");
    assert!(log.contains("Coder refuses the sign-in (403): Coder's own words"), "{log}");
    let other = find("sign_in", "other_identity", "sub-heidi");
    assert!(other["reason"].as_str().unwrap().starts_with("sub-ivan at http"), "{other}");
    assert_eq!(other["coder_user"], find("relink", "ok", "sub-ivan")["coder_user"]);
    let taken = find("relink", "used", "sub-heidi");
    assert!(taken["reason"].as_str().unwrap().starts_with("sub-ivan at http"), "{taken}");
    assert_eq!((&taken["coder_user"], taken["client"].as_str()), (&other["coder_user"], Some("127.0.0.1")));
    assert_eq!(find("break_glass", "method_off", "")["client"], "203.0.113.9");
    let without_refresh_token = find("refresh", "access_expired", "sub-dave");
    assert!(log.contains("the provider gave no refresh token"), "{without_refresh_token} comes as announced");
    let signed_in = find("sign_in", "ok", "sub-alice");
    assert_eq!(signed_in["client"], "127.0.0.1");
    for event in [signed_in, find("backchannel_logout", "ok", "sub-dave"), find("end", "idle", "sub-dave")] {
        assert_eq!(event["coder_user"].as_str().unwrap().len(), 36, "{event}");
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how the test above talks to its child")]
#[ignore = "run by the test above, in a process whose log is its own"]
async fn a_life_to_be_told() {
    if std::env::var(CHILD).is_err() {
        return;
    }
    let settings = telemetry::LogSettings { filter: "info".to_owned(), format: telemetry::LogFormat::Json };
    telemetry::init(&settings).unwrap();
    let sections = "policy:\n  passwordSignIn: {allow: true, from: [127.0.0.1/32]}\n\
        session:\n  idle: 30m\n  maxAge: 1h\n";
    let listen = "trustedProxies: [127.0.0.1/32]";
    let world = World::with(Options { listen, sections, ..Options::default() }).await;
    for user in ["dave", "frank", "grace", "heidi", "ivan"] {
        world.provider.add_user(user);
    }
    let alice = world.sign_in("alice").await;
    let session = world.session(&alice);
    world.advance(Duration::from_secs(301));
    assert_eq!(world.me(&session).await.status, 200);
    world.provider.stop();
    world.advance(Duration::from_secs(301));
    assert_eq!(world.me(&session).await.status, 200);
    world.provider.start_again().await;
    refusals(&world).await;
    world.advance(Duration::from_mins(2));
    alice.set_cookie(&world.host, "csrf_token", "t");
    let out = Request::post(world.url("/api/v2/users/logout")).header("x-csrf-token", "t");
    assert_eq!(alice.send(out.body("".into()).unwrap()).await.status, 200);
    for (subject, status) in [("sub-carol", 200), ("stranger", 200), ("", 400)] {
        let token = world.provider.logout_token("logout+jwt", Some(subject), None, &json!({}));
        let url = world.url("/vestibule/backchannel-logout");
        let answer = Browser::new().fetch(Method::POST, &url, format!("logout_token={token}")).await;
        assert_eq!(answer.status, status);
    }
    limits(&world).await;
    relinked(&world).await;
    world.sign_in("alice").await;
    let alice = world.coder.users().into_iter().find(|user| user.username == "alice").unwrap();
    let key = world.coder.make_key(&alice.id, "password", "all");
    assert_eq!(world.me(&key).await.status, 200);
    world.coder.delete_key(&key);
    assert_eq!(world.me(&key).await.status, 401);
    let nobody = &["--user", "6e1f0b53-0a2c-4b0e-9a57-0f6f3a0f3c11"][..];
    for who in [&["--id", "000000000000"][..], nobody, &["--user", "alice@acme.company"], &["--everybody"]] {
        sessions(&world, "revoke", who).await;
    }
    let revocations =
        || telemetry::metrics::events().into_iter().find(|(action, ..)| *action == "revocation");
    world.until("what ended is revoked", || revocations().is_some_and(|(.., count)| count >= 4)).await;
}

/// Sessions that end by themselves: idle, old, without a refresh token, and with the one at the provider.
async fn limits(world: &World) {
    let is_out = async |session: &str| assert_eq!(world.me(session).await.status, 401);
    let idle = world.session(&world.sign_in("dave").await);
    world.advance(Duration::from_mins(31));
    is_out(&idle).await;
    let old = world.session(&world.sign_in("dave").await);
    for _ in 0..2 {
        world.advance(Duration::from_mins(29));
        assert_eq!(world.me(&old).await.status, 200);
    }
    world.advance(Duration::from_mins(2));
    is_out(&old).await;
    let there = world.session(&world.sign_in("dave").await);
    let mut sid = None;
    world.provider.change_user("dave", |user| sid.clone_from(&user.sid));
    let token = world.provider.logout_token("logout+jwt", None, sid.as_deref(), &json!({}));
    let url = world.url("/vestibule/backchannel-logout");
    assert_eq!(Browser::new().fetch(Method::POST, &url, format!("logout_token={token}")).await.status, 200);
    is_out(&there).await;
    world.provider.tune(|knobs| knobs.offline_access = false);
    let short = world.session(&world.sign_in("dave").await);
    world.advance(Duration::from_secs(301));
    is_out(&short).await;
    world.provider.tune(|knobs| knobs.offline_access = true);
}

/// Another identity with the same address, refused and then allowed.
async fn relinked(world: &World) {
    world.sign_in("ivan").await;
    world.provider.change_user("heidi", |user| {
        user.claims.insert("email".to_owned(), json!("ivan@acme.company"));
    });
    assert_eq!(world.sign_in_with(&Browser::new(), "heidi", "/").await.status, 403);
    sessions(world, "relink", &["--user", "ivan@acme.company"]).await;
    world.sign_in("heidi").await;
}

/// Somebody of another domain, with an address that is unverified or missing, with a provider or a Coder that
/// fails, somebody who declines at the provider, somebody deactivated, an answer that arrives twice, a password.
async fn refusals(world: &World) {
    world.until_ready().await;
    let carols = world.sign_in("carol").await;
    assert_eq!(world.sign_in_with(&carols, "carol", "/").await.status, 307, "again, in the same browser");
    assert_eq!(world.sign_in_with(&Browser::new(), "eve", "/").await.status, 403);
    let claim = |user: &str, name: &str, value: Value| {
        world.provider.change_user(user, |user| drop(user.claims.insert(name.to_owned(), value)));
    };
    claim("frank", "email_verified", json!(false));
    claim("grace", "email", json!(format!("grace@@\u{1b}\r\nx{}", "y".repeat(2000))));
    for user in ["frank", "grace"] {
        assert_eq!(world.sign_in_with(&Browser::new(), user, "/").await.status, 403);
    }
    world.provider.fail_next("userinfo", Fault::Status(403, "{}".to_owned()));
    assert_eq!(world.sign_in_with(&Browser::new(), "bob", "/").await.status, 502);
    world.coder.fail_next("/api/v2/users/oidc/callback", CoderFault::HangUp);
    assert_eq!(world.sign_in_with(&Browser::new(), "bob", "/").await.status, 502);
    let no = "{\"message\":\"Coder's own words\",\"detail\":\"and\\u001b[31m\\r\\n more\"}";
    world.coder.fail_next("/api/v2/users/oidc/callback", CoderFault::Pass);
    world.coder.fail_next("/api/v2/users/oidc/callback", CoderFault::Answer(403, Vec::new(), no.to_owned()));
    assert_eq!(world.sign_in_with(&Browser::new(), "bob", "/").await.status, 403);
    let browser = Browser::new();
    let back = world.to_callback(&browser, "bob", "/").await;
    let denied = back.replace("code=", "error=access_denied&was=");
    assert_eq!(browser.get(&denied).await.status, 403);
    let bob = world.session(&world.sign_in("bob").await);
    world.provider.deactivate("bob");
    world.advance(Duration::from_secs(301));
    assert_eq!(world.me(&bob).await.status, 401);
    let twice = Browser::new();
    let back = world.to_callback(&twice, "carol", "/").await;
    assert_eq!(twice.get(&back).await.status, 307);
    assert_eq!(twice.get(&back).await.status, 303, "led on, and written down all the same");
    let login = || Request::post(world.url("/api/v2/users/login"));
    assert_eq!(send(login().body("{}".into()).unwrap()).await.unwrap().status, 401);
    let from_elsewhere = login().header("x-forwarded-for", "203.0.113.9").body("{}".into()).unwrap();
    assert_eq!(send(from_elsewhere).await.unwrap().status, 403);
}

async fn sessions(world: &World, action: &str, whom: &[&str]) {
    let config = world.config_file();
    let start = ["vestibule", "--config", config.to_str().unwrap(), "sessions", action];
    let all: Vec<_> = start.iter().chain(whom).map(std::ffi::OsString::from).collect();
    let run = move || cli::run(all, &Environment::default(), &mut Vec::new(), &mut Vec::new());
    within(tokio::task::spawn_blocking(run)).await.unwrap();
}
