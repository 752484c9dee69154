//! Programs that a test starts and waits for.

use std::process::{Command, Output};
use std::time::Duration;

/// Longer than any of them takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Runs a program to its end. Kills it and fails the test when it does not end by itself.
pub fn output_of(command: Command) -> Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let output = tokio::process::Command::from(command).kill_on_drop(true).output();
        tokio::time::timeout(PATIENCE, output).await.expect("it ends by itself").unwrap()
    })
}
