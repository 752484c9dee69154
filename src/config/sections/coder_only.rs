//! What the section `oidc` holds for Coder alone. It is handed on, so what Coder would refuse is refused here.

use super::super::keys::{self, Key, Kind, Role};
use super::super::parse;
use super::super::reader::{Reader, at_line};
use super::super::settings::CoderOnly;
use super::super::tree::{Node, Value};
use super::regex;

/// The one setting that is a regular expression.
const REGEX: &str = "oidc.groupRegexFilter";

/// What is Coder's business alone and differs from Coder's default, in the syntax of Coder's variables.
pub(super) fn coder_only(r: &mut Reader) -> Option<Vec<CoderOnly>> {
    let mut settings = Some(Vec::new());
    for key in keys::all().filter(|key| key.role == Role::Coder) {
        if r.given(key.path).is_none() {
            continue;
        }
        let value = match key.kind {
            Kind::Bool => r.optional(key.path, parse::boolean).map(|value| value.to_string()),
            Kind::List => r.list(key.path, parse::line).map(|items| csv(&items)),
            Kind::Map => map(r, key),
            Kind::Text if key.path == REGEX => r.optional(key.path, regex::check),
            _ => r.optional(key.path, parse::text),
        };
        match (value, &mut settings) {
            (Some(value), Some(settings)) if Some(value.as_str()) != key.default() => {
                settings.push(CoderOnly { key, value });
            }
            (Some(_), _) => {}
            (None, _) => settings = None,
        }
    }
    settings
}

/// A map in the shape that Coder's type for it has (`codersdk/deployment.go`).
fn map(r: &mut Reader, key: &Key) -> Option<String> {
    let found = r.given(key.path)?.clone();
    let Value::Map(entries) = &found.node.value else {
        r.wrong(key.path, "is not a map", "Write `{name: value}`; in a variable, write JSON");
        return None;
    };
    let (fits, what, remedy): (fn(&Node) -> bool, _, _) = match key.path {
        "oidc.userRoleMapping" => (
            is_list,
            "has a value that is not a list of names",
            "Write `{role: [role of Coder]}`; in a variable, write JSON: {\"role\": [\"role of Coder\"]}",
        ),
        "oidc.organizationMapping" => (
            is_list_of_ids,
            "has a value that is not a list of organization ids (UUIDs)",
            "Write `{name: [id]}`; in a variable, write JSON: {\"name\": [\"id\"]}",
        ),
        _ => (
            is_text,
            "has a value that is not a single string",
            "Write `{group: group of Coder}`; in a variable, write JSON: {\"group\": \"group of Coder\"}",
        ),
    };
    let wrong: Vec<u64> = entries.iter().filter(|entry| !fits(&entry.node)).map(|entry| entry.line).collect();
    for line in &wrong {
        r.problem(key.path, at_line(&found.place, *line), what, remedy);
    }
    wrong.is_empty().then(|| found.node.to_json().to_string())
}

/// Text, or nothing, which Coder takes for empty text.
fn is_text(node: &Node) -> bool {
    matches!(node.value, Value::Text(_) | Value::Null)
}

fn is_list(node: &Node) -> bool {
    match &node.value {
        Value::List(items) => items.iter().all(is_text),
        Value::Null => true,
        Value::Text(_) | Value::Map(_) => false,
    }
}

fn is_list_of_ids(node: &Node) -> bool {
    is_list(node) && node.texts().into_iter().all(is_uuid)
}

/// `2f1b6cf9-2d8a-4c1e-9f42-3a1b5c6d7e8f`, in either case.
fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// One line of CSV, as Coder's variables with lists have it.
pub fn csv(items: &[String]) -> String {
    let quoted = |item: &str| item.contains(['"', ',', '\n', '\r']) || item.trim() != item;
    let field = |item: &String| {
        if quoted(item) { format!("\"{}\"", item.replace('"', "\"\"")) } else { item.clone() }
    };
    items.iter().map(field).collect::<Vec<_>>().join(",")
}
