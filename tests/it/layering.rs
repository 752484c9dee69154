//! Checks the layout: imports point downwards without cycles, Coder is named in one place, types have unique
//! names, files stay readable, and the texts contain nothing of the machine that they were written on.

mod cycles;
mod files;
mod imports;
mod texts;
mod tokens;
mod types;

use std::fs;
use std::path::{Path, PathBuf};

/// The modules, lowest first. A module imports only lower ones, never one of the same tier.
const TIERS: &[&[&str]] = &[
    &["types"],
    &["telemetry", "web"],
    &["pages"],
    &["oidc"],
    &["grant"],
    &["policy"],
    &["coder", "issuer", "listen", "proxy"],
    &["gateway"],
    &["config"],
    &["app"],
    &["cli"],
    &["fuzzing"],
];

/// Modules that only some may import, although they are lower.
const RESERVED: &[(&str, &[&str])] = &[("config", &["app", "cli", "fuzzing"])];

/// The most lines of a file in `src`, its tests included.
const MAX_LINES: usize = 400;

/// What only `coder/` may name outside tests: Coder's paths and cookies.
const CODERS: &[&str] = &[
    "/api/v2",
    "/api/experimental",
    "/oauth2/",
    "/scim/",
    "coder_session_token",
    "coder_signed_app_token",
    "coder_oauth_convert_jwt",
    "csrf_token",
    "oauth_state",
    "oauth_redirect",
    "oauth_pkce_verifier",
];

/// Folders that are not part of the text.
const SKIPPED: &[&str] = &["target", "node_modules", "artifacts", ".git", "vestibule-data"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_symlink() || SKIPPED.contains(&name) {
            continue;
        }
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

/// A source file: its text, its text without comments, and where its tests begin.
struct Source {
    /// Relative to `src`: `grant/store/mod.rs`.
    name: String,
    text: String,
    code: String,
    /// Where an inline module of tests begins, or the end of the text.
    tests_at: usize,
    /// Whether all of it is tests.
    is_test: bool,
    lines: usize,
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    files_below(&root().join("src"), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    assert!(paths.len() > 20, "this is not the source");
    paths.into_iter().map(|path| source(&path)).collect()
}

fn source(path: &Path) -> Source {
    let name = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned();
    let text = fs::read_to_string(path).unwrap();
    let code = without_comments(&text);
    let is_test =
        name.split(['/', '.']).any(|part| matches!(part, "tests" | "conformance" | "gallery" | "fuzzing"));
    let tests_at = code.find("#[cfg(test)]\nmod tests {").unwrap_or(code.len());
    Source { name, tests_at, is_test, lines: text.lines().count(), code, text }
}

/// Drops comment lines. A comment after code on a line stays.
fn without_comments(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |code, line| code + line + "\n")
}

/// The modules of the crate that a piece of code names, at a depth of `depth` modules below the root.
fn imports(code: &str, depth: usize) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let standalone =
            code[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '$');
        if standalone {
            names.extend(first_segments(&code[at + "crate::".len()..]));
        }
    }
    let up = "super::".repeat(depth);
    for (at, _) in code.match_indices(&up) {
        let rest = &code[at + up.len()..];
        if !code[..at].ends_with("super::") && !rest.starts_with("super::") {
            names.extend(first_segments(rest));
        }
    }
    names
}

/// The first segment of a path, or of every path in a group.
fn first_segments(path: &str) -> Vec<String> {
    let segment = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![segment(path)] };
    let mut depth = 0_usize;
    let mut starts = vec![0];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => starts.push(at + 1),
            _ => {}
        }
    }
    starts.into_iter().map(|at| segment(&group[at..])).filter(|name| !name.is_empty()).collect()
}

fn tier(module: &str) -> Option<usize> {
    TIERS.iter().position(|tier| tier.contains(&module))
}

/// The top module that a file belongs to, and how many modules below the root it is.
fn place(name: &str) -> (&str, usize) {
    let path = name.strip_suffix(".rs").unwrap_or(name);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    (path.split('/').next().unwrap_or(path), path.split('/').count())
}

#[test]
fn imports_point_downwards() {
    let mut wrong = Vec::new();
    for source in sources() {
        let (module, depth) = place(&source.name);
        if matches!(module, "lib" | "main") {
            continue;
        }
        let own = tier(module).unwrap_or_else(|| panic!("{module} has no tier: give it one"));
        let (code, tests) = source.code.split_at(source.tests_at);
        let named = imports(code, depth).into_iter().chain(imports(tests, depth + 1));
        for name in named.filter(|name| name != module) {
            let Some(other) = tier(&name) else { continue };
            let reserved = RESERVED.iter().any(|(what, to)| *what == name && !to.contains(&module));
            if other >= own || reserved {
                wrong.push(format!("src/{} imports {name}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_of_the_library_has_a_tier() {
    let library = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let modules = library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let mut count = 0;
    for module in modules {
        assert!(tier(module).is_some(), "{module} has no tier");
        count += 1;
    }
    assert_eq!(count, TIERS.iter().map(|tier| tier.len()).sum::<usize>());
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| source.lines > MAX_LINES)
        .map(|source| format!("src/{}: {} lines", source.name, source.lines))
        .collect();
    assert!(long.is_empty(), "more than {MAX_LINES}: {}", long.join(", "));
}

#[test]
fn only_one_module_names_what_is_coders() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.is_test || place(&source.name).0 == "coder" {
            continue;
        }
        for line in source.code[..source.tests_at].lines() {
            for word in CODERS.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("src/{} names {word}: {}", source.name, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_found_in_every_form() {
    assert_eq!(imports("use crate::oidc::Provider;", 1), ["oidc"]);
    assert_eq!(imports("use crate::{grant::{A, B}, http, types::X};", 2), ["grant", "http", "types"]);
    assert_eq!(imports("fn a() -> crate::policy::Permit", 2), ["policy"]);
    assert_eq!(imports("use super::grant::A;", 1), ["grant"]);
    assert_eq!(imports("use super::sibling::A;", 2), [""; 0]);
    assert_eq!(imports("use super::super::grant::A;", 2), ["grant"]);
    assert_eq!(imports("use super::super::{config, http::X};", 2), ["config", "http"]);
    assert_eq!(imports("my_crate::a $crate::b", 2), [""; 0]);
    assert_eq!(place("grant/store/mod.rs"), ("grant", 2));
    assert_eq!(place("app.rs"), ("app", 1));
}
