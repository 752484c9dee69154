//! Single values from text, with what is wrong and what to write instead.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::types::EmailDomain;

use super::leftover;

/// What is wrong with a value and what to write instead. Never the value itself.
pub(super) type Fault = (String, String);

/// The longest duration taken: ten years. Longer ones are typing errors.
const MAX_DURATION: Duration = Duration::from_hours(10 * 365 * 24);

fn fault(what: &str, remedy: &str) -> Fault {
    (what.to_owned(), remedy.to_owned())
}

pub(super) fn text(text: &str) -> Result<String, Fault> {
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(fault("has a control character", "Write plain text"));
    }
    Ok(text.to_owned())
}

/// A name of a claim, a client id: one line of text.
pub(super) fn line(text: &str) -> Result<String, Fault> {
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(fault("begins or ends with white space, or has a line break", "Write it on one line"));
    }
    Ok(text.to_owned())
}

/// A path. Quotes around it or `${...}` in it would name a file that nobody means.
pub(super) fn path(text: &str) -> Result<PathBuf, Fault> {
    match leftover::of(text, false).filter(|_| leftover::is_certain(text)) {
        Some(fault) => Err(fault),
        None => line(text).map(PathBuf::from),
    }
}

/// As Go's `strconv.ParseBool` has it, which reads Coder's variables.
pub(super) fn boolean(text: &str) -> Result<bool, Fault> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(fault("is neither true nor false", "Write `true` or `false`")),
    }
}

pub(super) fn count(text: &str) -> Result<NonZeroUsize, Fault> {
    match text.parse::<NonZeroUsize>() {
        Ok(count) if count.get() <= 1024 => Ok(count),
        _ => Err(fault("is not a whole number from 1 to 1024", "Write a number such as `4`")),
    }
}

/// A sequence of numbers with units, as Go's `time.ParseDuration` has it; `0` needs none.
pub(super) fn duration(text: &str) -> Result<Duration, Fault> {
    let bad = || fault("is not a duration with a unit", "Write a number with h, m, s or ms: `90s`, `1h30m`");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(bad());
    }
    let mut rest = text;
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return Err(bad()),
        };
        total += number.parse::<f64>().map_err(|_| bad())? * seconds;
        rest = tail;
    }
    match Duration::try_from_secs_f64(total) {
        Ok(duration) if duration <= MAX_DURATION => Ok(duration),
        _ => Err(fault("is longer than ten years", "Write a shorter duration")),
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, Fault> {
    text.parse().map_err(|_| {
        fault(
            "is not an IP address with a port",
            "Write `127.0.0.1:3000`, or `0.0.0.0:3000` or `[::]:3000` for every address of the machine",
        )
    })
}

pub(super) fn network(text: &str) -> Result<IpNet, Fault> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map(|network| network.trunc()).map_err(|_| {
        fault("has an entry that is not a network", "Write networks such as `10.0.0.0/8` or single addresses")
    })
}

pub(super) fn email_domain(text: &str) -> Result<EmailDomain, Fault> {
    EmailDomain::parse(text).map_err(|_| {
        fault(
            "has an entry that is not a domain",
            "Write domains such as `example.com`; in a variable, separate them with commas",
        )
    })
}

/// An http or https URL without user information.
pub(super) fn url(text: &str) -> Result<Url, Fault> {
    let remedy = "Write it with scheme and host: `https://host.example.com`";
    url_characters(text)?;
    let url = Url::parse(text).map_err(|_| fault("is not an absolute URL", remedy))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(fault("is not an http or https URL", remedy));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault("has a user name or password", "Remove them from the URL"));
    }
    if url.fragment().is_some() {
        return Err(fault("has a fragment", "Remove `#` and what follows"));
    }
    Ok(url)
}

/// Refuses what no URL has (RFC 3986 §2) and URL readers quietly encode or drop: `<slug>`, a comment after a space.
pub(super) fn url_characters(text: &str) -> Result<(), Fault> {
    let foreign = |c: char| c.is_whitespace() || c.is_control() || "\"<>\\^`{|}".contains(c);
    if text.contains(foreign) {
        return Err(fault(
            "has white space, quotation marks, brackets or another character that is not allowed in a URL",
            "Write only the URL, with every `<...>` replaced by its value",
        ));
    }
    Ok(())
}

/// An http or https URL of nothing but scheme, host and port.
pub(super) fn origin(text: &str) -> Result<Url, Fault> {
    let url = url(text)?;
    if url.path() != "/" || url.query().is_some() {
        return Err(fault("has a path or a query", "Write only scheme, host and port"));
    }
    Ok(url)
}

/// Coder's pattern for app hosts, by Coder's rules: one asterisk, at the beginning; no scheme.
pub(super) fn wildcard(text: &str) -> Result<String, Fault> {
    let remedy = "Write it as `*.apps.example.com` or `*--apps.example.com`";
    let pattern = text.to_ascii_lowercase();
    let Some(rest) = pattern.strip_prefix('*') else {
        return Err(fault("does not begin with an asterisk", remedy));
    };
    let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // The asterisk stands for the beginning of the first label.
    let labels_fit = format!("a{host}").split('.').all(label);
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if !host.contains('.') || !labels_fit || !port_fits {
        return Err(fault("is not a pattern for host names", remedy));
    }
    Ok(pattern)
}

/// `login`, `consent`, `select_account`, or several. `none` would let nobody in who is not signed in already.
pub(super) fn prompt(text: &str) -> Result<String, Fault> {
    let words: Vec<&str> = text.split(' ').collect();
    if words.iter().all(|word| matches!(*word, "login" | "consent" | "select_account")) {
        return Ok(text.to_owned());
    }
    Err(fault("is not a supported value of prompt", "Write `login`, `consent` or `select_account`"))
}

/// `info`, or levels by module with commas between.
pub(super) fn log_level(text: &str) -> Result<String, Fault> {
    let level = |word: &str| matches!(word, "off" | "error" | "warn" | "info" | "debug" | "trace");
    let module = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
    };
    let part = |part: &str| match part.split_once('=') {
        None => level(part),
        Some((target, word)) => module(target) && level(word),
    };
    if text.split(',').all(part) {
        return Ok(text.to_owned());
    }
    Err(fault(
        "is not a log level",
        "Write `error`, `warn`, `info`, `debug` or `trace`, or by module `info,vestibule::grant=debug`",
    ))
}

/// The fields of one line of CSV, as Coder's variables with lists have it: `a,b` or `"a,b",c`.
/// White space around a field is dropped.
pub(super) fn list(text: &str) -> Result<Vec<String>, Fault> {
    let mut fields = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Ok(fields);
    }
    loop {
        let (field, tail) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_field(quoted)?
        } else {
            let (field, tail) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
            (field.trim().to_owned(), tail)
        };
        fields.push(field);
        match tail.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None => break,
        }
    }
    if fields.iter().any(String::is_empty) {
        return Err(fault("has an empty entry", "Remove the extra comma"));
    }
    Ok(fields)
}

/// What stands up to the closing quote, and what follows it.
fn quoted_field(text: &str) -> Result<(String, &str), Fault> {
    let bad = || {
        fault(
            "has quotes that do not match",
            "Separate entries with commas, and double every quote within quotes",
        )
    };
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"').ok_or_else(bad)?;
        let (part, tail) = rest.split_at(end);
        field.push_str(part);
        let tail = tail.strip_prefix('"').ok_or_else(bad)?;
        if let Some(more) = tail.strip_prefix('"') {
            field.push('"');
            rest = more;
            continue;
        }
        let tail = tail.trim_start();
        return if tail.is_empty() || tail.starts_with(',') { Ok((field, tail)) } else { Err(bad()) };
    }
}

#[cfg(test)]
mod tests;
