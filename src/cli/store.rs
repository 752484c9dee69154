//! `vestibule store`: backs up the store, or reseals it after a new key was added to the key file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use http::Method;
use serde::Deserialize as _;
use tokio::runtime::{Builder, Runtime};

use super::exit::{Exit, after_writing};
use crate::app;
use crate::app::admin::{self, AdminError};
use crate::config::Config;
use crate::grant::Resealed;

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Copy the store into a new file, also while the gateway runs
    Backup {
        /// The new file, created with mode 0600; an existing one is not overwritten
        #[arg(value_name = "FILE")]
        dest: PathBuf,
    },
    /// Seal everything with the first key of the key file, so that older keys can be removed from it
    Reseal,
}

/// Runs the command on the store of this configuration.
pub(super) fn run(action: &StoreCommand, config: &Config, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let ended = match action {
        StoreCommand::Backup { dest } => back_up(config, dest).map(|()| {
            let written = writeln!(
                out,
                "The store is in {}. It is worth nothing without the key file, which is not in it.",
                dest.display()
            );
            after_writing(written, Exit::Done)
        }),
        StoreCommand::Reseal => reseal(config).map(|done| {
            after_writing(report(done, out), if done.unreadable == 0 { Exit::Done } else { Exit::Failed })
        }),
    };
    ended.unwrap_or_else(|error| after_writing(writeln!(err, "vestibule: {error}"), Exit::Failed))
}

fn back_up(config: &Config, dest: &Path) -> Result<(), String> {
    runtime()?.block_on(app::back_up_store(config, dest)).map_err(|error| error.to_string())
}

/// The running gateway does it, which holds the store; without one, this process does.
fn reseal(config: &Config) -> Result<Resealed, String> {
    match admin::ask(&config.admin.socket, &Method::POST, admin::RESEAL) {
        Ok(answer) => Resealed::deserialize(&answer).map_err(|error| error.to_string()),
        Err(AdminError::Connect { .. }) => {
            runtime()?.block_on(app::reseal_store(config)).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn runtime() -> Result<Runtime, String> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))
}

fn report(done: Resealed, out: &mut dyn Write) -> io::Result<()> {
    let Resealed { resealed, current, unreadable } = done;
    writeln!(
        out,
        "Grants sealed again with the first key of the key file: {resealed}. Sealed with it before: {current}."
    )?;
    if unreadable > 0 {
        return writeln!(
            out,
            "Grants that no key opens: {unreadable}. Put the key that sealed them back into the key file, and repeat."
        );
    }
    writeln!(out, "Nothing in the store needs the older keys.")
}
