//! The command line: its commands, what they print, and their exit codes.
//!
//! Tier 8. Commands write to the streams that the caller passes, so that tests can read them; only `main` passes the
//! real ones.

mod check;
mod coder_env;
mod exit;
mod sessions;
mod store;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use ipnet::IpNet;

use crate::app;
use crate::config::{Config, ConfigErrors, Environment};
use crate::telemetry;

use coder_env::EnvFormat;
use exit::after_writing;

pub use exit::Exit;

/// The sign-in gateway for Coder.
#[derive(Debug, Parser)]
#[command(
    name = "vestibule",
    version,
    after_help = "Every setting can also be an environment variable: see docs/configuration.md.\n\
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
    #[command(after_help = "Each finding is ok, hint or wrong, with the likely cause and what to do.\n\
                      Exit codes: 0 nothing is wrong, there may be hints; 1 something is wrong; \
                      64 wrong arguments or configuration.")]
    Check {
        /// Also ask the provider and Coder, and explain what is wrong
        #[arg(long)]
        online: bool,
    },
    /// Print the environment that Coder needs behind the gateway
    CoderEnv {
        /// The format of the variables
        #[arg(long, value_enum, default_value_t = EnvFormat::Shell)]
        format: EnvFormat,
        /// Address or network from which Coder receives the gateway's requests; may be repeated
        #[arg(long, value_name = "CIDR", value_parser = network)]
        gateway: Vec<IpNet>,
    },
    /// List sessions and tokens, and end them
    Sessions {
        #[command(subcommand)]
        action: sessions::SessionsCommand,
    },
    /// Back up the store, or seal it with a new key
    Store {
        #[command(subcommand)]
        action: store::StoreCommand,
    },
}

/// Runs the command in `arguments`, whose first is the program's name. Output goes to `out`, errors go to `err`.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(answer) if answer.use_stderr() => {
            return after_writing(write!(err, "{answer}"), Exit::Usage);
        }
        Err(help) => return after_writing(write!(out, "{help}"), Exit::Done),
    };
    let config = match Config::load(arguments.config.as_deref(), environment) {
        Ok(config) => config,
        Err(errors) => return after_writing(complain(&errors, err), Exit::Usage),
    };
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config, err),
        Command::Check { online } => check::run(config, online, out, err),
        Command::CoderEnv { format, gateway } => {
            after_writing(coder_env::write(&config, format, &gateway, out), Exit::Done)
        }
        Command::Sessions { action } => sessions::run(&action, &config.admin.socket, out, err),
        Command::Store { action } => store::run(&action, &config, out, err),
    }
}

fn serve(config: Config, err: &mut dyn Write) -> Exit {
    if let Err(error) = telemetry::init(&config.log) {
        return after_writing(writeln!(err, "vestibule: {error}"), Exit::Failed);
    }
    for warning in &config.warnings {
        tracing::warn!(key = warning.key.as_str(), "{warning}");
    }
    match app::run(config) {
        Ok(()) => Exit::Done,
        Err(error) => after_writing(writeln!(err, "vestibule: {error}"), Exit::Failed),
    }
}

fn complain(errors: &ConfigErrors, err: &mut dyn Write) -> io::Result<()> {
    let count = errors.iter().count();
    let mistakes = if count == 1 { "one mistake".to_owned() } else { format!("{count} mistakes") };
    writeln!(err, "vestibule: the configuration has {mistakes}:\n\n{errors}")
}

/// Parses a network; a single address is a network of its own.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()))
        .map_err(|_| "use an address, or a network such as 10.0.0.0/8".to_owned())
}

#[cfg(test)]
mod tests;
