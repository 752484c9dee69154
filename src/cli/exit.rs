//! Exit codes.

use std::io;
use std::process::ExitCode;

/// How a command ended, as an exit code of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command did its work: 0.
    Done,
    /// The command failed, or found an error: 1.
    Failed,
    /// The arguments or the configuration are wrong: 64 (`EX_USAGE` of sysexits.h).
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::FAILURE,
            Exit::Usage => Self::from(64),
        }
    }
}

/// The exit code after a write. A reader that stopped reading early (`| head`) is not a failure.
pub(super) fn after_writing(written: io::Result<()>, exit: Exit) -> Exit {
    match written {
        Ok(()) => exit,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit,
        Err(_) => Exit::Failed,
    }
}
