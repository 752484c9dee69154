//! The limit on open files.

use super::Finding;
use crate::app::open_files::{ConnectionBudget, OpenFiles};

/// A hard limit below this is worth a hint: a few thousand people with their workspaces need more connections.
const LOW: u64 = 16_384;

/// Checks whether the hard limit, to which the start raises the soft one, leaves room for enough connections.
pub(super) fn look(files: OpenFiles, workers: usize) -> Finding {
    let connections = ConnectionBudget::new(files.hard, workers).connections;
    let hard = if files.hard == u64::MAX { "no limit".to_owned() } else { files.hard.to_string() };
    let what = format!(
        "The hard limit on open files is {hard} here: {connections} connections at once, the last tenth only for people who are \
         signed in."
    );
    if files.hard >= LOW {
        return Finding::ok(what);
    }
    Finding::hint(
        what,
        "Every websocket takes two files. The service may have another limit than this shell: the gateway logs its own when it \
         starts.",
        "Raise it: LimitNOFILE=65536 in the systemd unit, `ulimits: {nofile: 65536}` in Docker Compose, or \
         `--ulimit nofile=65536` for docker run.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::check::Level;

    #[test]
    fn a_low_hard_limit_is_a_hint_with_what_to_do() {
        let found = look(OpenFiles { soft: 1024, hard: 4096 }, 2);
        assert_eq!(found.level, Level::Hint);
        assert!(found.what.contains("4096 here: 1790 connections"), "{found:?}");
        assert!(found.remedy.contains("LimitNOFILE=") && found.remedy.contains("ulimits"), "{found:?}");
        assert_eq!(look(OpenFiles { soft: 1024, hard: 524_288 }, 2).level, Level::Ok);
        assert!(look(OpenFiles { soft: 1024, hard: u64::MAX }, 2).what.contains("no limit"));
    }
}
