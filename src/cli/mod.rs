//! The command line: what was asked for, and the exit code.
//!
//! Tier 8. Writes to what it is given, so that tests read it; only `main` knows the real streams.

mod check;
mod coder_env;
mod sessions;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::app;
use crate::config::{Config, ConfigErrors, Environment};
use crate::telemetry;

/// The sign-in gateway for Coder.
#[derive(Debug, Parser)]
#[command(
    name = "vestibule",
    version,
    after_help = "Every setting can be given as a variable too: see docs/configuration.md.\n\
                  Exit codes: 0 done, 1 failed, 64 wrong arguments or configuration."
)]
struct Arguments {
    /// The configuration file [default: $VESTIBULE_CONFIG, ./vestibule.yaml or /etc/vestibule/vestibule.yaml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (the default)
    Serve,
    /// Read the configuration and explain what it means
    #[command(
        after_help = "Each finding is ok, hint or wrong: what was found, its likely cause, what to do.\n\
                      Exit codes: 0 nothing is wrong, there may be hints; 1 something is wrong; \
                      64 wrong arguments or configuration."
    )]
    Check {
        /// Ask the provider and Coder too, and explain what is wrong
        #[arg(long)]
        online: bool,
    },
    /// Print the environment that Coder needs behind the gateway
    CoderEnv {
        /// What the block is for
        #[arg(long, value_enum, default_value_t = EnvFormat::Shell)]
        format: EnvFormat,
        /// Address or network that the gateway's requests reach Coder from; may be repeated
        #[arg(long, value_name = "CIDR", value_parser = network)]
        gateway: Vec<IpNet>,
    },
    /// List sessions and tokens, and end them
    Sessions {
        #[command(subcommand)]
        action: sessions::SessionsCommand,
    },
}

/// What `coder-env` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EnvFormat {
    /// NAME='value' lines: for a shell, or /etc/coder.d/coder.env
    Shell,
    /// A YAML map of names and values: for `environment:` of Docker Compose
    Yaml,
    /// Values for Coder's Helm chart
    Helm,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done: 0.
    Done,
    /// Failed: 1.
    Failed,
    /// Wrong arguments or configuration: 64 (`EX_USAGE` of sysexits.h).
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

/// Does what the arguments ask for; the first of them is the program's name.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(answer) if answer.use_stderr() => {
            return said(write!(err, "{answer}"), Exit::Usage);
        }
        Err(help) => return said(write!(out, "{help}"), Exit::Done),
    };
    let config = match Config::load(arguments.config.as_deref(), environment) {
        Ok(config) => config,
        Err(errors) => return said(complain(&errors, err), Exit::Usage),
    };
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config, err),
        Command::Check { online } => check::run(config, online, out, err),
        Command::CoderEnv { format, gateway } => {
            said(coder_env::write(&config, format, &gateway, out), Exit::Done)
        }
        Command::Sessions { action } => sessions::run(&action, &config.admin.socket, out, err),
    }
}

fn serve(config: Config, err: &mut dyn Write) -> Exit {
    if let Err(error) = telemetry::init(&config.log) {
        return said(writeln!(err, "vestibule: {error}"), Exit::Failed);
    }
    for warning in &config.warnings {
        tracing::warn!(key = warning.key.as_str(), "{warning}");
    }
    match app::run(config) {
        Ok(()) => Exit::Done,
        Err(error) => said(writeln!(err, "vestibule: {error}"), Exit::Failed),
    }
}

fn complain(errors: &ConfigErrors, err: &mut dyn Write) -> io::Result<()> {
    let count = errors.iter().count();
    let things = if count == 1 { "one thing" } else { "several things" };
    writeln!(err, "vestibule: {things} in the configuration must be corrected:\n\n{errors}")
}

/// The exit after something was written. A reader who has left early (`| head`) is no failure.
fn said(written: io::Result<()>, exit: Exit) -> Exit {
    match written {
        Ok(()) => exit,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit,
        Err(_) => Exit::Failed,
    }
}

/// A network, or a single address as one.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()))
        .map_err(|_| "write an address or a network such as 10.0.0.0/8".to_owned())
}

#[cfg(test)]
mod tests;
