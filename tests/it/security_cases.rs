//! Checks that `docs/security-cases.md`, `docs/outages.md` and `docs/conformance.md` name existing tests, the first all
//! advisories in the tests, and that the locked crates have the versions in which known faults were fixed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The header of the column that names tests: the last one of its table.
const TESTS: &str = "Tests";

/// Crates that read untrusted input: the first version without a known fault, and the fault.
const MENDED: &[(&str, [u64; 3], &str)] = &[
    ("aws-lc-sys", [0, 39, 0], "RUSTSEC-2026-0044, -0045, -0046, -0047, -0048"),
    ("bytes", [1, 11, 1], "RUSTSEC-2026-0007"),
    ("h2", [0, 4, 16], "RUSTSEC-2026-0258, RUSTSEC-2024-0332, RUSTSEC-2024-0003"),
    ("hyper", [0, 14, 10], "RUSTSEC-2021-0078, RUSTSEC-2021-0079"),
    ("idna", [1, 0, 3], "RUSTSEC-2024-0421"),
    ("openidconnect", [4, 0, 1], "its verifier checks the second opinion in the tests"),
    ("rustls", [0, 23, 18], "RUSTSEC-2024-0336, RUSTSEC-2024-0399"),
    ("rustls-webpki", [0, 103, 13], "RUSTSEC-2026-0049, -0098, -0099, -0104"),
    ("sqlx", [0, 8, 1], "RUSTSEC-2024-0363"),
    ("time", [0, 3, 47], "RUSTSEC-2026-0009"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> String {
    read("docs/security-cases.md")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The texts of `src` and `tests`: code, and the tables that it reads.
fn texts() -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    for folder in ["src", "tests"] {
        files(&root().join(folder), &mut paths);
    }
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The texts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of a table's row; `None` for other lines and for the line below the header.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<_> = inner.split('|').map(str::trim).collect();
    (!cells.iter().all(|cell| cell.starts_with("--"))).then_some(cells)
}

/// Every case with the tests in its row.
fn cases(document: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut columns = None;
    for line in document.lines() {
        if !line.starts_with('|') {
            columns = None;
            continue;
        }
        let Some(cells) = cells(line) else { continue };
        match columns {
            None => columns = Some((cells.len(), cells.last() == Some(&TESTS))),
            Some((_, false)) => {}
            Some((count, true)) => {
                assert_eq!(cells.len(), count, "a row with other columns than its table: {line}");
                let tests = quoted(cells[count - 1]).map(str::to_owned).collect();
                found.push((cells[0].to_owned(), tests));
            }
        }
    }
    found
}

/// The identifiers of advisories in a text: a prefix, and the fixed part of the shape after it.
fn advisories(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for prefix in ["CVE-", "GHSA-", "RUSTSEC-"] {
        for (at, _) in text.match_indices(prefix) {
            let rest = &text[at + prefix.len()..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
            let id = rest[..end].trim_end_matches('-');
            let parts: Vec<_> = id.split('-').collect();
            let numbers = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
            let complete = match prefix {
                "GHSA-" => parts.len() == 3 && parts.iter().all(|part| part.len() == 4),
                _ => parts.len() == 2 && numbers && parts.iter().all(|part| part.len() >= 4),
            };
            if complete {
                found.insert(format!("{prefix}{id}"));
            }
        }
    }
    found
}

/// The names of the functions with a test attribute, and of those that the macro for the engines of the store turns
/// into tests.
fn tests_in(code: &str) -> Vec<String> {
    let (mut names, mut is_test, mut is_list) = (Vec::new(), false, false);
    for line in code.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
        if is_list {
            is_list = line != "}";
            names.extend(is_list.then(|| line.to_owned()));
        } else if line.ends_with("conformance! { $make:") {
            is_list = true;
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            names.extend(rest.split_once('(').map(|(name, _)| name.to_owned()));
            is_test = false;
        }
    }
    names
}

#[test]
fn only_functions_that_run_as_tests_are_found() {
    let code = "#[tokio::test(start_paused = true)]
        #[ignore = \"x\"]
        /// As fn c( says.
        async fn a() {}
        fn b() {}
        // fn d()
        #[test]
        fn e(x in 0..1) {}
        x::conformance! { $make:
            f
        }
        fn g() {}";
    assert_eq!(tests_in(code), ["a", "e", "f"]);
}

#[test]
fn every_test_that_a_document_names_exists() {
    let code =
        texts().into_iter().filter(|(path, _)| path.extension().is_some_and(|extension| extension == "rs"));
    let existing: BTreeSet<String> = code.flat_map(|(_, text)| tests_in(&text)).collect();
    let [security, outages, conformance] =
        ["security-cases", "outages", "conformance"].map(|name| cases(&read(&format!("docs/{name}.md"))));
    assert!(security.len() > 80, "only {} cases were found", security.len());
    assert!(outages.len() > 20, "only {} outages were found", outages.len());
    assert!(conformance.len() > 30, "only {} modules were found", conformance.len());
    let cases = [security, outages, conformance].concat();
    let mut missing = Vec::new();
    for (case, tests) in &cases {
        assert!(!tests.is_empty(), "a case without a test belongs to the last section: {case}");
        for test in tests {
            if !existing.contains(test) {
                missing.push(format!("{test} ({case})"));
            }
        }
    }
    assert!(missing.is_empty(), "named and not there: {missing:#?}");
}

#[test]
fn every_advisory_that_a_test_names_is_in_the_document() {
    let known = advisories(&document());
    let mut missing = BTreeSet::new();
    for (path, text) in texts() {
        // This file makes some up.
        if path.ends_with(file!()) {
            continue;
        }
        for id in advisories(&text).difference(&known) {
            missing.insert(format!("{id} ({})", path.strip_prefix(root()).unwrap().display()));
        }
    }
    assert!(missing.is_empty(), "named by the code and not in the document: {missing:#?}");
}

#[test]
fn the_parts_of_the_document_are_told_apart() {
    let table = "| Case | Tests |\n| --- | --- |\n| CVE-2020-12345: x | `a`, `b` |\n\n| Case | Why |\n| --- | --- |\n| y | `c` |\n";
    assert_eq!(cases(table), [("CVE-2020-12345: x".to_owned(), vec!["a".to_owned(), "b".to_owned()])]);
    let text = "CVE-2020-12345, GHSA-abcd-1234-ef56; RUSTSEC-2024-0001's CVE-x GHSA-1-2-3 CVE-20-1.";
    let ids: Vec<_> = advisories(text).into_iter().collect();
    assert_eq!(ids, ["CVE-2020-12345", "GHSA-abcd-1234-ef56", "RUSTSEC-2024-0001"]);
}

/// RUSTSEC-2026-0258 and the others in the list: a crate may be updated, and never go back before its fix.
#[test]
fn no_crate_is_older_than_the_mending_of_its_faults() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for (name, least, fault) in MENDED {
        let mut seen = 0;
        let mut lines = lock.lines();
        while let Some(line) = lines.next() {
            if line != format!("name = \"{name}\"") {
                continue;
            }
            let version = lines.next().and_then(|line| line.strip_prefix("version = \"")).unwrap();
            let version = version.trim_end_matches('"').split(['-', '+']).next().unwrap();
            let parts: Vec<u64> = version.split('.').map(|part| part.parse().unwrap()).collect();
            assert!(parts.as_slice() >= least.as_slice(), "{name} {version} still has {fault}");
            seen += 1;
        }
        assert!(seen > 0, "{name} is not used any more: take it off the list");
    }
}
