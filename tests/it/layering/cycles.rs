//! No file of `src` imports one that imports it, directly or by way of others.

use std::collections::{BTreeMap, BTreeSet};

use super::differences;
use super::files::library;
use super::imports::{ImportGraph, import_graph};

/// The cycles that are still there, each as its files. None may be added. One that is gone fails the test until it
/// is deleted here.
const KNOWN_CYCLES: &[&[&str]] = &[
    &[
        "app/admin/mod.rs",
        "app/admin/probes.rs",
        "app/admin/sessions.rs",
        "app/background.rs",
        "app/check/coder.rs",
        "app/check/mod.rs",
        "app/mod.rs",
        "app/settings.rs",
    ],
    &["app/check/client.rs", "app/check/client/authentik.rs"],
    &["cli/check.rs", "cli/coder_env/mod.rs", "cli/coder_env/render.rs", "cli/mod.rs", "cli/sessions.rs"],
    &["coder/handoff/answer.rs", "coder/handoff/mod.rs", "coder/handoff/request.rs"],
    &["coder/refusal/mod.rs", "coder/refusal/page.rs"],
    &["config/keys/mod.rs", "config/keys/own.rs", "config/keys/provider.rs"],
    &["config/leftover.rs", "config/parse.rs"],
    &["gateway/cause.rs", "gateway/cause/login.rs"],
    &["gateway/limits/bad_tokens.rs", "gateway/limits/mod.rs"],
    &["grant/credentials.rs", "grant/judge.rs"],
    &["grant/entry.rs", "grant/flight.rs", "grant/live.rs", "grant/tunnels.rs"],
    &["grant/mod.rs", "grant/renew.rs", "grant/save.rs", "grant/states.rs"],
    &["grant/store/embedded/connections.rs", "grant/store/embedded/mod.rs"],
    &["issuer/discovery.rs", "issuer/mod.rs"],
    &["listen/accept.rs", "listen/connection.rs"],
    &[
        "oidc/discovery.rs",
        "oidc/error.rs",
        "oidc/id_token.rs",
        "oidc/provider.rs",
        "oidc/reachability.rs",
        "oidc/token.rs",
        "oidc/token_answer.rs",
    ],
    &["proxy/forward.rs", "proxy/origin.rs"],
    &[
        "proxy/upstream_connection/head.rs",
        "proxy/upstream_connection/mod.rs",
        "proxy/upstream_connection/receiving.rs",
        "proxy/upstream_connection/sending.rs",
    ],
];

/// Groups of files each of which imports every other, if by way of others.
fn cycles(graph: &ImportGraph) -> Vec<BTreeSet<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|file| (file.as_str(), reachable(graph, file))).collect();
    let mut found = Vec::new();
    for (file, others) in &reached {
        if others.contains(file) {
            let group: BTreeSet<&str> =
                others.iter().copied().filter(|other| reached[other].contains(file)).collect();
            if group.first() == Some(file) {
                found.push(group);
            }
        }
    }
    found
}

/// Every file that one imports, and what those import, and so on.
fn reachable<'g>(graph: &'g ImportGraph, from: &str) -> BTreeSet<&'g str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = graph[from].iter().map(String::as_str).collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(graph[file].iter().map(String::as_str));
        }
    }
    reached
}

/// A line for each import within a group.
fn imports_within(graph: &ImportGraph, group: &BTreeSet<&str>) -> String {
    let line = |file: &&str| {
        let within: Vec<_> =
            graph[*file].iter().filter(|other| group.contains(other.as_str())).cloned().collect();
        format!("    {file} imports {}\n", within.join(", "))
    };
    group.iter().map(line).collect()
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let graph = import_graph(library());
    assert!(graph.values().map(BTreeSet::len).sum::<usize>() > 500, "imports are not found");
    let found: BTreeMap<String, String> = cycles(&graph)
        .iter()
        .map(|group| (group.iter().copied().collect::<Vec<_>>().join(" "), imports_within(&graph, group)))
        .collect();
    let known = KNOWN_CYCLES.iter().map(|group| group.join(" "));
    let wrong = differences("KNOWN_CYCLES", &found, known);
    assert!(
        wrong.is_empty(),
        "A file must not import one that imports it. Move what both need into a file below them.\n{wrong}"
    );
}

#[test]
fn cycles_are_found_however_long_they_are() {
    let graph: ImportGraph = [("a", "b"), ("b", "c"), ("c", "a d"), ("d", ""), ("e", "e"), ("f", "a")]
        .map(|(file, imports)| (file.to_owned(), imports.split_whitespace().map(str::to_owned).collect()))
        .into();
    let found: Vec<Vec<&str>> = cycles(&graph).into_iter().map(|group| group.into_iter().collect()).collect();
    assert_eq!(found, [vec!["a", "b", "c"], vec!["e"]]);
}
