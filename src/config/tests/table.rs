//! Compares the table of keys with the files generated from it. Where a file differs, the expected
//! text is left in `target/expected`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::*;
use crate::config::entry::{KeyEntry, KeyRole, ValueKind, WhenAbsent};
use crate::config::tree::{self, YamlNode, YamlValue};
use crate::policy::ClassName;

const SAMPLE: &str = include_str!("../../../config/vestibule.yaml");
const PAGE: &str = include_str!("../../../docs/configuration.md");

/// The sample's values for settings that are required.
const NEEDED: [(&str, &str); 7] = [
    ("coder.url", "http://127.0.0.1:3100"),
    ("coder.accessURL", "https://coder.example.com"),
    ("coder.issuer.url", "http://127.0.0.1:3001/"),
    ("coder.issuer.clientSecret", "make-one-up"),
    ("oidc.issuerURL", "https://authentik.example.com/application/o/coder/"),
    ("oidc.clientID", "from-the-provider"),
    ("oidc.clientSecret", "from-the-provider"),
];

fn expect_same(actual: &str, expected: &str, name: &str) {
    if actual != expected {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/expected");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), expected).unwrap();
        panic!("{name} does not fit the table of keys; target/expected/{name} would");
    }
}

/// The words of a text in lines of at most `width` characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

/// A key's value in the sample: its default, the required value, or nothing.
fn sample_value(key: &KeyEntry) -> String {
    let needed = NEEDED.iter().find(|(path, _)| *path == key.path).map(|(_, value)| *value);
    match (needed.or(key.default()), key.kind) {
        (None, _) => String::new(),
        (Some(items), ValueKind::List | ValueKind::Networks) => format!(" [{}]", items.replace(',', ", ")),
        (Some("{\"access_type\": \"offline\"}"), _) => " {access_type: offline}".to_owned(),
        (Some(value), _) => format!(" {value}"),
    }
}

fn sample() -> String {
    let mut text = "\
# Every key of Vestibule at its default, with its variable. Keys without a value have none, and may be left out
# as every other key may; those marked as needed stand here with an example. docs/configuration.md says the same
# in a table. config/minimal.yaml is what to start from.
"
    .to_owned();
    let mut open: Vec<&str> = Vec::new();
    for key in TABLE.all() {
        let mut parts: Vec<&str> = key.path.split('.').collect();
        let name = parts.pop().unwrap();
        let common = open.iter().zip(&parts).take_while(|(a, b)| a == b).count();
        for (depth, part) in parts.iter().enumerate().skip(common) {
            let _ = writeln!(text, "\n{}{part}:", "  ".repeat(depth));
        }
        let fresh = common < parts.len();
        open = parts;
        let indent = "  ".repeat(open.len());
        if !fresh {
            text.push('\n');
        }
        let needed = if key.absent == WhenAbsent::Required { " Needed." } else { "" };
        for line in wrapped(&format!("{}{needed}", key.doc), 106 - indent.len()) {
            let _ = writeln!(text, "{indent}# {line}");
        }
        let _ = writeln!(text, "{indent}# {}", key.variable);
        let _ = writeln!(text, "{indent}{name}:{}", sample_value(key));
    }
    text
}

/// The syntax of a setting.
fn syntax(kind: ValueKind) -> String {
    match kind {
        ValueKind::Text | ValueKind::Secret => "text".to_owned(),
        ValueKind::Path => "path".to_owned(),
        ValueKind::Url => "URL".to_owned(),
        ValueKind::Address => "address:port".to_owned(),
        ValueKind::Bool => "true or false".to_owned(),
        ValueKind::Duration => "duration".to_owned(),
        ValueKind::Count => "whole number".to_owned(),
        ValueKind::List => "list".to_owned(),
        ValueKind::Networks => "list of networks".to_owned(),
        ValueKind::Map => "map".to_owned(),
        ValueKind::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        ValueKind::Rules => "list of rules".to_owned(),
    }
}

/// The reference in the page: a table for each section.
fn reference() -> String {
    let mut text = String::new();
    let mut section = "";
    for key in TABLE.all() {
        let own = key.path.split('.').next().unwrap();
        if own != section {
            section = own;
            let _ = write!(text, "\n### `{section}`\n\n| Key | Variable | Value | Default | Meaning |\n");
            text.push_str("| --- | --- | --- | --- | --- |\n");
        }
        let default = match key.absent {
            WhenAbsent::Required => "**needed**".to_owned(),
            WhenAbsent::Nothing | WhenAbsent::Default("") => String::new(),
            WhenAbsent::Default(default) => format!("`{default}`"),
        };
        let kind = syntax(key.kind);
        let doc = match key.role {
            KeyRole::Coder(_) => format!("{} Handed on to Coder.", key.doc),
            KeyRole::Gateway | KeyRole::Both | KeyRole::Ignored(_) | KeyRole::Refused(_) => {
                key.doc.to_owned()
            }
        };
        let _ = writeln!(text, "| `{}` | `{}` | {kind} | {default} | {doc} |", key.path, key.variable);
    }
    text
}

fn paths(node: &YamlNode, prefix: &str, all: &mut BTreeSet<String>) {
    let YamlValue::Map(entries) = &node.value else {
        assert!(all.insert(prefix.to_owned()), "{prefix} is there twice");
        return;
    };
    for entry in entries {
        let path = if prefix.is_empty() { entry.key.clone() } else { format!("{prefix}.{}", entry.key) };
        let known = TABLE.find(&path).is_some();
        if known {
            assert!(all.insert(path.clone()), "{path} is there twice");
        } else {
            paths(&entry.node, &path, all);
        }
    }
}

#[test]
fn the_sample_has_every_key_at_its_default() {
    expect_same(SAMPLE, &sample(), "vestibule.yaml");
    let mut written = BTreeSet::new();
    paths(&tree::parse(SAMPLE).unwrap(), "", &mut written);
    let known: BTreeSet<String> = TABLE.all().map(|key| key.path.to_owned()).collect();
    assert_eq!(written, known);
    let needed: Vec<(&str, &str)> =
        NEEDED.iter().map(|(path, value)| (TABLE.find(path).unwrap().variable, *value)).collect();
    let defaults = Config::finish(SettingsReader::new(TABLE), &Environment::new(needed)).unwrap();
    let sample = Config::from_text(SAMPLE).unwrap();
    assert_eq!(warned(&sample), warned(&defaults));
    let settings = |config: Config| format!("{:#?}", Config { warnings: Vec::new(), ..config });
    assert_eq!(settings(sample), settings(defaults));
}

#[test]
fn the_page_lists_every_key() {
    let (begin, end) = ("<!-- keys -->\n", "\n<!-- end of keys -->");
    let before = PAGE.find(begin).unwrap() + begin.len();
    let after = PAGE.find(end).unwrap();
    let expected = format!("{}{}{}", &PAGE[..before], reference(), &PAGE[after..]);
    expect_same(PAGE, &expected, "configuration.md");
    for class in ClassName::ALL.iter().map(|class| class.label()) {
        assert!(PAGE.contains(&format!("`{class}`")), "the page lacks the class {class}");
    }
}

#[test]
fn names_are_unique_and_own_variables_follow_from_the_path() {
    let mut names = BTreeSet::new();
    for key in TABLE.all() {
        assert!(names.insert(key.path) && names.insert(key.variable), "{}", key.path);
        let mut derived = String::from("VESTIBULE_");
        let mut before = '.';
        let mut rest = key.path.chars().peekable();
        while let Some(c) = rest.next() {
            // A capital begins a word after a small letter, and as the last of several (`IDToken`).
            let last = before.is_uppercase() && rest.peek().is_some_and(|after| after.is_lowercase());
            if c.is_uppercase() && (before.is_lowercase() || last) {
                derived.push('_');
            }
            derived.push(if c == '.' { '_' } else { c.to_ascii_uppercase() });
            before = c;
        }
        assert!(key.variable.starts_with("CODER_") || key.variable == derived, "{}: {derived}", key.path);
        assert!(key.doc.ends_with('.') && !key.doc.contains(['|', '\n']), "{}", key.path);
    }
}

#[test]
fn no_key_is_a_section_too_and_sections_are_not_torn_apart() {
    let paths: Vec<&str> = TABLE.all().map(|key| key.path).collect();
    let mut closed = BTreeSet::new();
    for pair in paths.windows(2) {
        let sections = pair.iter().map(|path| path.split('.').next().unwrap()).collect::<Vec<_>>();
        if sections[0] != sections[1] {
            assert!(closed.insert(sections[0]) && !closed.contains(sections[1]), "{}", sections[1]);
        }
        assert!(paths.iter().all(|path| !path.starts_with(&format!("{}.", pair[0]))));
    }
}

#[test]
fn every_secret_may_stand_in_a_file() {
    for key in TABLE.all().filter(|key| key.kind == ValueKind::Secret) {
        let file = TABLE.find(&format!("{}File", key.path)).expect(key.path);
        assert_eq!(file.variable, format!("{}_FILE", key.variable));
    }
}
