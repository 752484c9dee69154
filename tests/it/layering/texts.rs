//! The project's texts describe the program: not the machine that they were written on, nor how they were
//! written.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{files_below, root};

/// Folders that a text may name although somebody works in one of them.
const COMMON_FOLDERS: &[&str] = &[
    "/",
    "/app/",
    "/build/",
    "/etc/",
    "/mnt/",
    "/opt/",
    "/src/",
    "/srv/",
    "/tmp/",
    "/usr/src/",
    "/var/lib/",
];

/// The project's files: those that git tracks, or all of them without git.
fn project() -> Vec<PathBuf> {
    let known = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    if let Ok(known) = known.as_ref()
        && known.status.success()
        && !known.stdout.is_empty()
    {
        let names = String::from_utf8_lossy(&known.stdout).into_owned();
        return names.split_terminator('\0').map(|name| root().join(name)).collect();
    }
    let mut paths = Vec::new();
    files_below(root(), &mut paths);
    paths
}

/// All of the project's text files except lock files.
fn texts() -> Vec<(PathBuf, String)> {
    project()
        .into_iter()
        .filter(|path| !path.to_str().unwrap().contains("lock"))
        .filter_map(|path| Some((path.clone(), fs::read_to_string(path).ok()?)))
        .collect()
}

/// The lines in which `is_wrong` finds a fault, with the fault.
fn wrong_lines(is_wrong: impl Fn(&str) -> Option<String>) -> String {
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let lines = text.lines().enumerate();
        wrong.extend(lines.filter_map(|(at, line)| Some(format!("{name}:{}: {}", at + 1, is_wrong(line)?))));
    }
    wrong.join("\n")
}

#[test]
fn no_text_tells_of_the_machine_it_was_written_on() {
    let folders = root().ancestors().take(2).map(|folder| format!("{}/", folder.display()));
    let uncommon = folders.filter(|folder| !COMMON_FOLDERS.contains(&folder.as_str()));
    // Concatenated, so that this file does not contain them.
    let homes = [["/ho", "me/"].concat(), ["/ro", "ot/"].concat()];
    let folders: Vec<String> = uncommon.chain(homes).collect();
    let named = |line: &str| folders.iter().find(|folder| line.contains(folder.as_str())).cloned();
    let wrong = wrong_lines(named);
    assert!(wrong.is_empty(), "These lines name a folder that only this machine has:\n{wrong}");
}

/// The fault of a line that describes how the text was written.
fn tells_how_it_came_about(line: &str) -> Option<String> {
    let line = line.to_lowercase();
    // Concatenated, so that this file does not contain them.
    let unfinished = [["to", "do:"], ["fix", "me"]].map(|parts| parts.concat());
    if let Some(word) = unfinished.iter().find(|word| line.contains(word.as_str())) {
        return Some(format!("{word}: do it now, or say as a fact what is not covered"));
    }
    if line.contains(&["co-auth", "ored"].concat()) {
        return Some("git knows the authors".to_owned());
    }
    let bare = line.match_indices("issue").map(|(at, word)| line[at + word.len()..].trim_start_matches('s'));
    let number = |rest: &str| {
        rest.strip_prefix(' ')
            .unwrap_or(rest)
            .trim_start_matches('#')
            .starts_with(|c: char| c.is_ascii_digit())
    };
    bare.into_iter().any(number).then(|| {
        "say why, not under which number; where another project's thread is the source, cite it as `coder/coder#8537`"
            .to_owned()
    })
}

#[test]
fn no_text_tells_how_it_came_about() {
    let wrong = wrong_lines(tells_how_it_came_about);
    assert!(wrong.is_empty(), "These lines speak of how the text came about:\n{wrong}");
}

#[test]
fn numbers_of_other_projects_may_be_cited_and_bare_ones_may_not() {
    for fine in [
        "Coder does not send it (coder/coder#8537).",
        "seen in oauth2-proxy#2996, of which <https://github.com/coder/coder/issues/8537> is the source",
        "a function that helps others",
    ] {
        assert_eq!(tells_how_it_came_about(fine), None, "{fine}");
    }
    let word = ["iss", "ue"].concat();
    for bare in [format!("see {word} 12"), format!("{word} #12"), format!("{}s 3 and 4", word.to_uppercase())]
    {
        assert!(tells_how_it_came_about(&bare).is_some(), "{bare}");
    }
}
