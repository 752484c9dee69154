//! Compares the written lines with the pages that document them.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value};

use super::audit::{self, AuditAction, AuditPerson, Event};
use super::logs::subscriber;
use super::{Access, LogFormat, LogSettings};
use crate::types::{IdentityKey, Issuer, RequestId, Subject};

/// Everything written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The output during `work`.
fn written(filter: &str, format: LogFormat, work: impl FnOnce()) -> String {
    let written = Written::default();
    let writer = written.clone();
    let settings = LogSettings { filter: filter.to_owned(), format };
    let subscriber = subscriber(&settings, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn json(work: impl FnOnce()) -> Map<String, Value> {
    serde_json::from_str(&written("info", LogFormat::Json, work)).unwrap()
}

fn access(path: &str) -> Access<'_> {
    Access {
        request: RequestId::random(),
        method: "GET",
        path,
        status: 401,
        class: "user",
        refused: Some("no_credential"),
        user: "2f1b6cf9-2d8a-4c1e-9f42-3a1b5c6d7e8f".parse().ok(),
        client: "192.0.2.7".parse().unwrap(),
        took: Duration::from_micros(1234),
    }
}

fn key() -> IdentityKey {
    IdentityKey {
        issuer: Issuer::parse("https://authentik.company/application/o/coder/", false).unwrap(),
        subject: Subject::parse("alice").unwrap(),
    }
}

fn event(action: AuditAction) {
    let (key, email) = (key(), "alice@acme.company");
    let coder_user = "2f1b6cf9-2d8a-4c1e-9f42-3a1b5c6d7e8f".parse().ok();
    let event = Event {
        action,
        outcome: "ok",
        person: AuditPerson { key: Some(&key), email: Some(email), coder_user },
        client: "192.0.2.7".parse().ok(),
        request: Some(RequestId::random()),
    };
    audit::emit_with_reason(event, Some("in Coder's words"));
}

/// The names in the first column of a page's table of fields.
fn documented(page: &str) -> BTreeSet<String> {
    let table = page.split("\n\n").find(|block| block.starts_with("| field |")).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches(['`', ' ']).to_owned()).collect()
}

/// The fields of an event, without those of every line.
fn fields(event: &Map<String, Value>) -> BTreeSet<String> {
    let always = ["timestamp", "level", "target"];
    event.keys().filter(|name| !always.contains(&name.as_str())).cloned().collect()
}

#[test]
fn a_request_is_one_line_with_the_documented_fields() {
    let line = json(|| access("/api/v2/users/me").log());
    assert_eq!(fields(&line), documented(include_str!("../../docs/request-log.md")));
    assert_eq!(line["target"], "access");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["path"], "/api/v2/users/me");
    assert_eq!(line["status"], 401);
    assert_eq!(line["micros"], 1234);
    assert_eq!(line["client"], "192.0.2.7");
    assert_eq!(line["request"].as_str().unwrap().len(), 16);
}

#[test]
fn what_is_not_known_of_a_request_is_left_out() {
    let line = json(|| Access { refused: None, user: None, ..access("/") }.log());
    assert!(!line.contains_key("refused") && !line.contains_key("user"));
}

#[test]
fn an_audit_event_is_one_line_with_the_documented_fields() {
    let line = json(|| event(AuditAction::SignIn));
    assert_eq!(fields(&line), documented(include_str!("../../docs/audit-log.md")));
    assert_eq!(line["target"], "audit");
    assert_eq!(line["action"], "sign_in");
    assert_eq!(line["outcome"], "ok");
    assert_eq!(line["iss"], "https://authentik.company/application/o/coder/");
    assert_eq!(line["sub"], "alice");
    assert_eq!(line["email"], "alice@acme.company");
}

#[test]
fn what_is_not_known_of_an_event_is_left_out() {
    let unknown = Event {
        action: AuditAction::SignIn,
        outcome: "no_answer",
        person: AuditPerson::default(),
        client: None,
        request: None,
    };
    let line = json(|| audit::emit(unknown));
    assert_eq!(fields(&line), ["action", "outcome"].map(str::to_owned).into());
}

#[test]
fn every_action_is_documented() {
    let page = include_str!("../../docs/audit-log.md");
    for action in AuditAction::ALL {
        let line = json(|| event(action));
        let word = line["action"].as_str().unwrap();
        assert!(page.contains(&format!("| `{word}` |")), "{word}");
    }
}

/// A filter that hides requests does not hide sign-ins.
#[test]
fn audit_events_are_written_at_every_level_unless_they_are_named() {
    for (filter, audited, logged) in [
        ("trace", true, true),
        ("info", true, true),
        ("warn", true, false),
        ("off", true, false),
        ("ERROR", true, false),
        ("warn,access=info", true, true),
        ("info,access=off", true, false),
        ("info,audit=off", false, true),
        ("audit=warn", false, false),
    ] {
        let text = written(filter, LogFormat::Text, || {
            event(AuditAction::SignIn);
            access("/").log();
        });
        assert_eq!(text.contains(" audit: "), audited, "{filter}");
        assert_eq!(text.contains(" access: "), logged, "{filter}");
    }
}

#[test]
fn a_filter_that_means_nothing_is_refused() {
    for filter in ["", "verbose", "inof", "info,vestibule=loud", "=="] {
        let settings = LogSettings { filter: filter.to_owned(), format: LogFormat::Text };
        assert!(subscriber(&settings, io::sink).is_err(), "{filter}");
    }
}

/// mod_auth_openidc, 2026-05-23, and its class: a line break from outside began a forged line.
#[test]
fn text_from_outside_can_neither_end_a_line_nor_colour_a_terminal() {
    let path = "/a\n2026 INFO audit: x\r\u{1b}[31mred\u{9b}31m\0";
    let text = written("info", LogFormat::Text, || access(path).log());
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.trim_end_matches('\n').chars().any(char::is_control), "{text:?}");
    let json = written("info", LogFormat::Json, || access(path).log());
    assert_eq!(json.lines().count(), 1, "{json}");
    assert!(!json.trim_end_matches('\n').chars().any(|c| c.is_ascii_control()), "{json:?}");
}

#[test]
fn a_line_for_people_names_its_target_and_has_no_colours() {
    let text = written("info", LogFormat::Text, || access("/x").log());
    assert!(text.contains(" INFO access: ") && text.contains("path=\"/x\""), "{text}");
    assert!(!text.contains('\u{1b}'));
}
