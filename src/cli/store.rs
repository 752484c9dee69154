//! `vestibule store`: reseals the store after a new key was added to the key file.

use std::io::{self, Write};

use clap::Subcommand;
use http::Method;
use serde::Deserialize as _;
use tokio::runtime::Builder;

use super::exit::{Exit, after_writing};
use crate::app;
use crate::app::admin::{self, AdminError};
use crate::config::Config;
use crate::grant::Resealed;

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Seal everything with the first key of the key file, so that older keys can be removed from it
    Reseal,
}

/// Runs the command.
pub(super) fn run(action: &StoreCommand, config: &Config, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let StoreCommand::Reseal = action;
    match reseal(config) {
        Ok(done) => {
            after_writing(report(done, out), if done.unreadable == 0 { Exit::Done } else { Exit::Failed })
        }
        Err(error) => after_writing(writeln!(err, "vestibule: {error}"), Exit::Failed),
    }
}

/// The running gateway does it, which holds the store; without one, this process does.
fn reseal(config: &Config) -> Result<Resealed, String> {
    match admin::ask(&config.admin.socket, &Method::POST, admin::RESEAL) {
        Ok(answer) => Resealed::deserialize(&answer).map_err(|error| error.to_string()),
        Err(AdminError::Connect { .. }) => {
            let runtime =
                Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
            runtime.block_on(app::reseal_store(config)).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn report(done: Resealed, out: &mut dyn Write) -> io::Result<()> {
    let Resealed { resealed, current, unreadable } = done;
    writeln!(
        out,
        "{resealed} grants were sealed with the first key of the key file; {current} were already."
    )?;
    if unreadable > 0 {
        return writeln!(
            out,
            "Grants that no key opens: {unreadable}. Put the key that sealed them back into the key file, and repeat."
        );
    }
    writeln!(out, "Nothing in the store needs the older keys.")
}
