//! `vestibule check`: what the configuration means, and with `--online` whether the provider and Coder agree with it.

use std::io::{self, Write};

use tokio::runtime::Builder;

use crate::app::{self, Finding, Level};
use crate::coder::handoff::CALLBACK;
use crate::coder::hosts::Wildcard;
use crate::config::Config;
use crate::gateway::{BACKCHANNEL_LOGOUT, SIGNED_OUT};
use crate::telemetry;
use crate::types::{Clock, EmailDomain};

use super::exit::{Exit, after_writing};

/// The log filter for `--online`: only the log has the error of the system or the TLS library when a connection fails.
/// The provider's error responses are left out: every probe with a made-up token gets one, and the findings explain it.
const LOG: &str = "warn,vestibule::oidc::error_log=off";

/// Prints a summary of the configuration and hints about likely mistakes; if `online`, asks the provider and Coder too.
pub(super) fn run(config: Config, online: bool, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return after_writing(
                writeln!(err, "vestibule: cannot start the runtime: {error}"),
                Exit::Failed,
            );
        }
    };
    let mut machine = app::check_machine(&config, &Clock::system());
    machine.push(runtime.block_on(app::check_store(&config)));
    let is_wrong = |finding: &&Finding| finding.level == Level::Wrong;
    if let Err(error) = app::check_files(&config) {
        let mut reasons = machine.iter().filter(is_wrong);
        let written = writeln!(err, "vestibule: {error}");
        return after_writing(
            written.and_then(|()| reasons.try_for_each(|reason| explain(reason, err))),
            Exit::Failed,
        );
    }
    if let Err(error) = summary(&config, out) {
        return after_writing(Err(error), Exit::Done);
    }
    let mut found = app::hints(&config);
    found.extend(machine);
    let offline = exit_of(&found);
    if let Err(error) = found.iter().try_for_each(|finding| explain(finding, out)) {
        return after_writing(Err(error), offline);
    }
    if !online {
        return offline;
    }
    let log = telemetry::LogSettings { filter: LOG.to_owned(), format: telemetry::LogFormat::Text };
    let findings =
        match telemetry::log_during(&log, || runtime.block_on(app::check_online(config, Clock::system()))) {
            Ok(findings) => findings,
            Err(error) => return after_writing(writeln!(err, "vestibule: {error}"), Exit::Failed),
        };
    let exit = if offline == Exit::Failed { offline } else { exit_of(&findings) };
    after_writing(findings.iter().try_for_each(|finding| explain(finding, out)), exit)
}

/// Failed if there is an error.
fn exit_of(findings: &[Finding]) -> Exit {
    let wrong = findings.iter().any(|finding| finding.level == Level::Wrong);
    if wrong { Exit::Failed } else { Exit::Done }
}

fn summary(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    let access_url = &config.coder.access_url;
    let tls = if config.listen.tls.is_some() { "TLS" } else { "plain HTTP" };
    writeln!(out, "The configuration is valid.\n")?;
    writeln!(out, "  access URL       {access_url} (listening on {}, {tls})", config.listen.address)?;
    if let Some(pattern) = config.coder.wildcard.as_ref().map(Wildcard::as_written) {
        writeln!(out, "  apps             {pattern}")?;
    }
    writeln!(out, "  Coder            {}", config.coder.url)?;
    let issuer = &config.coder.issuer;
    writeln!(out, "  issuer for Coder {} (listening on {})", issuer.url, issuer.listen)?;
    writeln!(out, "  provider         {}", config.oidc.issuer)?;
    if let Some(internal) = &config.oidc.internal_url {
        writeln!(out, "  internal address {internal}")?;
    }
    writeln!(out, "  client id        {}", config.oidc.client_id)?;
    writeln!(out, "  who may sign in  {}", who(config))?;
    writeln!(out, "  store            {}", config.store.folder.display())?;
    writeln!(out, "\nAddresses to register at the provider:")?;
    for (path, what) in [
        (CALLBACK, "redirect URI (authentik: Strict)"),
        (BACKCHANNEL_LOGOUT, "logout URI, with the logout method \"Back-channel\""),
        (SIGNED_OUT, "redirect URI after a sign-out (authentik since 2026.5: type \"Logout\")"),
    ] {
        if let Ok(url) = access_url.join(path) {
            writeln!(out, "  {what}:\n    {url}")?;
        }
    }
    writeln!(out, "\n`vestibule coder-env` prints the environment for Coder.")?;
    for warning in &config.warnings {
        writeln!(out, "\nwarning: {warning}")?;
    }
    Ok(())
}

fn who(config: &Config) -> String {
    let domains: Vec<&str> = config.oidc.email_domains.iter().map(EmailDomain::as_str).collect();
    let mut who = if domains.is_empty() {
        "every user of the provider".to_owned()
    } else {
        format!("email addresses in {}", domains.join(", "))
    };
    if let (Some(field), false) = (&config.oidc.group_field, config.oidc.groups_allowed.is_empty()) {
        who =
            format!("{who}, in one of the groups {} (claim {field})", config.oidc.groups_allowed.join(", "));
    }
    who
}

/// Prints a finding; a hint or an error with its likely cause and remedy.
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
