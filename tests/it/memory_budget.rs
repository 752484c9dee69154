//! Holds `docs/limits.md` to the code: each number is that of the constant or setting that the page names.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A number with a unit, in bytes or seconds.
fn number(text: &str) -> u64 {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    let factor = match unit {
        "" | "s" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        other => panic!("{other} is no unit of this page"),
    };
    digits.replace(',', "").parse::<u64>().unwrap() * factor
}

/// The value of a constant that is a product of numbers, a duration, or another constant of its file.
fn constant(file: &str, name: &str) -> u64 {
    let source = read(file);
    let (_, rest) =
        source.split_once(&format!("const {name}: ")).unwrap_or_else(|| panic!("no {name} in {file}"));
    value(file, rest.split_once('=').unwrap().1.split_once(';').unwrap().0)
}

fn value(file: &str, text: &str) -> u64 {
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix("Duration::from_secs(") {
        return seconds.trim_end_matches(')').parse().unwrap();
    }
    if let Some(minutes) = text.strip_prefix("Duration::from_mins(") {
        return minutes.trim_end_matches(')').parse::<u64>().unwrap() * 60;
    }
    let factor = |factor: &str| factor.replace('_', "").parse().unwrap_or_else(|_| constant(file, factor));
    text.split(" * ").map(factor).product()
}

/// The default of a field in a `Default` implementation.
fn default_of(file: &str, field: &str) -> u64 {
    let source = read(file);
    let (_, defaults) = source.split_once("fn default() -> Self {").unwrap();
    let (_, rest) =
        defaults.split_once(&format!("{field}: ")).unwrap_or_else(|| panic!("no {field} in {file}"));
    value(file, rest.split_once(",\n").unwrap().0)
}

/// The default of a setting, which another test holds to the code.
fn setting(path: &str) -> u64 {
    let page = read("docs/configuration.md");
    let row = page.lines().find(|line| line.starts_with(&format!("| `{path}` |"))).unwrap();
    let default = row.split(" | ").nth(3).unwrap().trim_matches('`').to_owned();
    match default.strip_suffix('m') {
        Some(minutes) => minutes.parse::<u64>().unwrap() * 60,
        None => default.parse::<u64>().unwrap() * if path.ends_with("Buffer") { 1 << 10 } else { 1 },
    }
}

/// The words in backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_row_of_the_page_has_the_number_of_its_constant_or_setting() {
    let page = read("docs/limits.md");
    let mut compared = 0;
    for line in page.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [said, _, holder] = cells[..] else { panic!("{line}") };
        let held = match quoted(holder)[..] {
            [name, file] if name.chars().all(|c| c.is_ascii_uppercase() || c == '_') => constant(file, name),
            [field, file] => default_of(file, field),
            [path] => setting(path),
            _ => panic!("{line}"),
        };
        assert_eq!(number(said), held, "{line}");
        compared += 1;
    }
    assert!(compared >= 12, "only {compared} rows");
}

#[test]
fn the_numbers_in_the_text_follow_from_the_constants() {
    let page = read("docs/limits.md").replace('\n', " ");
    let has = |text: String| assert!(page.contains(&text), "the page does not say: {text}");
    let credit = |name| constant("src/web/send_credit.rs", name) >> 10;
    has(format!(
        "a credit of {} KiB, and with less than {} KiB",
        credit("FIRST_CREDIT"),
        credit("LEAST_CREDIT")
    ));
    has(format!("idle for {} s gives up", default_of("src/listen/mod.rs", "rest_after")));
    let streams = setting("listen.http2.streams");
    let stream = setting("listen.http2.sendBuffer") + constant("src/proxy/forward.rs", "MOST_OF_MANY");
    has(format!("{streams} streams open"));
    let tenths = (streams * stream * 10) >> 20;
    has(format!("So {}.{} MiB of responses wait", tenths / 10, tenths % 10));
    let tenth = constant("src/listen/places.rs", "RESERVED_OF");
    has(format!("`RESERVED_OF` in `src/listen/places.rs` is {tenth}"));
    let places = constant("src/app/open_files.rs", "MOST_CONNECTIONS");
    let open = places - places / tenth;
    let grouped = |number: u64| format!("{},{:03}", number / 1000, number % 1000);
    has(format!("at most {} (`MOST_CONNECTIONS`", grouped(places)));
    has(format!("without a sign-in can use {}", grouped(open)));
    has(format!(
        "at most {} MiB: {} requests of {} KiB",
        (open * stream).div_ceil(1 << 20),
        grouped(open),
        stream >> 10
    ));
}
