//! `vestibule check`: what the configuration means, and with `--online` whether it fits the neighbours.

use std::io::{self, Write};

use tokio::runtime::Builder;

use crate::app::{self, Finding, Level};
use crate::coder::handoff::CALLBACK;
use crate::config::{Config, Store};
use crate::gateway::{BACKCHANNEL_LOGOUT, SIGNED_OUT};
use crate::telemetry;
use crate::types::{Clock, EmailDomain};

use super::{Exit, said};

/// What `--online` logs: only the log has the words of the system or the TLS library about a connection that fails.
/// The provider's error answers are left out: every probe with a made-up token gets one, and the findings explain it.
const LOG: &str = "warn,vestibule::oidc::error_log=off";

/// Says what is understood and what is probably not meant; asks the neighbours when `online`.
pub(super) fn run(config: Config, online: bool, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let machine = app::check_machine(&config, &Clock::system());
    let is_wrong = |finding: &&Finding| finding.level == Level::Wrong;
    if let Err(error) = app::check_files(&config) {
        let mut reasons = machine.iter().filter(is_wrong);
        let written = writeln!(err, "vestibule: {error}");
        return said(
            written.and_then(|()| reasons.try_for_each(|reason| explain(reason, err))),
            Exit::Failed,
        );
    }
    if let Err(error) = summary(&config, out) {
        return said(Err(error), Exit::Done);
    }
    let mut found = app::hints(&config);
    found.extend(machine);
    let offline = exit_of(&found);
    if let Err(error) = found.iter().try_for_each(|finding| explain(finding, out)) {
        return said(Err(error), offline);
    }
    if !online {
        return offline;
    }
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return said(writeln!(out, "\nThe provider and Coder cannot be asked: {error}"), Exit::Failed);
        }
    };
    let log = telemetry::LogSettings { filter: LOG.to_owned(), format: telemetry::LogFormat::Text };
    let findings =
        match telemetry::log_during(&log, || runtime.block_on(app::check_online(config, Clock::system()))) {
            Ok(findings) => findings,
            Err(error) => return said(writeln!(err, "vestibule: {error}"), Exit::Failed),
        };
    let exit = if offline == Exit::Failed { offline } else { exit_of(&findings) };
    said(findings.iter().try_for_each(|finding| explain(finding, out)), exit)
}

/// Failed when something is wrong.
fn exit_of(findings: &[Finding]) -> Exit {
    let wrong = findings.iter().any(|finding| finding.level == Level::Wrong);
    if wrong { Exit::Failed } else { Exit::Done }
}

fn summary(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    let access_url = &config.coder.access_url;
    let tls = if config.listen.tls.is_some() { "TLS" } else { "plain HTTP" };
    let Store::Embedded { path, .. } = &config.store;
    writeln!(out, "The configuration is valid.\n")?;
    writeln!(out, "  people reach     {access_url} (listening on {}, {tls})", config.listen.address)?;
    if let Some(pattern) = &config.coder.wildcard_access_url {
        writeln!(out, "  apps             {pattern}")?;
    }
    writeln!(out, "  Coder            {}", config.coder.url)?;
    let issuer = &config.coder.issuer;
    writeln!(out, "  Coder reaches    {} (listening on {})", issuer.url, issuer.listen)?;
    writeln!(out, "  provider         {}", config.oidc.issuer)?;
    if let Some(internal) = &config.oidc.internal_url {
        writeln!(out, "  reached at       {internal}")?;
    }
    writeln!(out, "  client id        {}", config.oidc.client_id)?;
    writeln!(out, "  who may sign in  {}", who(config))?;
    writeln!(out, "  sign-ins kept in {}", path.display())?;
    if let Ok(callback) = access_url.join(CALLBACK) {
        writeln!(out, "\nThe redirect URI to register at the provider (authentik: Strict) is {callback}")?;
    }
    for (path, what) in [
        (BACKCHANNEL_LOGOUT, "The logout URI, with the logout method \"Back-channel\", is"),
        (SIGNED_OUT, "The redirect URI for after a sign-out (type \"Logout\", authentik from 2026.5 on) is"),
    ] {
        if let Ok(url) = access_url.join(path) {
            writeln!(out, "{what} {url}")?;
        }
    }
    writeln!(out, "The environment for Coder is printed by `vestibule coder-env`.")?;
    for warning in &config.warnings {
        writeln!(out, "\nwarning: {warning}")?;
    }
    Ok(())
}

fn who(config: &Config) -> String {
    let domains: Vec<&str> = config.oidc.email_domains.iter().map(EmailDomain::as_str).collect();
    let mut who = if domains.is_empty() {
        "everyone whom the provider lets in".to_owned()
    } else {
        format!("addresses of {}", domains.join(", "))
    };
    if let (Some(field), false) = (&config.oidc.group_field, config.oidc.groups_allowed.is_empty()) {
        who =
            format!("{who}, in one of the groups {} (claim {field})", config.oidc.groups_allowed.join(", "));
    }
    who
}

/// What is wrong, the likely cause, what to do.
fn explain(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let word = match finding.level {
        Level::Ok => return writeln!(out, "\nok: {}", finding.what),
        Level::Hint => "hint",
        Level::Wrong => "wrong",
    };
    writeln!(out, "\n{word}: {}", finding.what)?;
    writeln!(out, "  likely: {}", finding.cause)?;
    writeln!(out, "  to do:  {}", finding.remedy)
}
