//! The program: arguments in, exit code out.

use std::env;
use std::io::{stderr, stdout};
use std::process::ExitCode;

use vestibule::cli;
use vestibule::config::Environment;

/// Returns memory to the system sooner than the default under many short requests.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let exit = cli::run(env::args_os(), &environment(), &mut stdout(), &mut stderr());
    exit.into()
}

/// The process's variables; nothing else reads them.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment() -> Environment {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    Environment::new(env::vars_os().map(|(name, value)| (text(name), text(value))))
}
