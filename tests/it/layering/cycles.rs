//! No file of `src` imports one that imports it, directly or indirectly.

use std::collections::{BTreeMap, BTreeSet};

use super::files::library;
use super::imports::{ImportGraph, import_graph};

/// Groups of files each of which imports every other, directly or indirectly.
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

/// Every file that one imports, directly or indirectly.
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
    let wrong: Vec<String> = cycles(&graph).iter().map(|group| imports_within(&graph, group)).collect();
    assert!(
        wrong.is_empty(),
        "A file must not import one that imports it. Move what both need into a file below them.\n{}",
        wrong.join("\n")
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
