//! Parses single values; each fault names its remedy.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::types::{EmailDomain, Secret};

use super::fault::ValueFault;
use super::leftover;

/// The longest duration accepted: ten years. A longer one is a typing error.
const MAX_DURATION: Duration = Duration::from_hours(10 * 365 * 24);

pub(super) fn text(text: &str) -> Result<String, ValueFault> {
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(ValueFault::new("has a control character", "Write plain text"));
    }
    Ok(text.to_owned())
}

/// One line of text, such as a client id or the name of a claim.
pub(super) fn line(text: &str) -> Result<String, ValueFault> {
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(ValueFault::new(
            "begins or ends with white space, or has a line break",
            "Write it on one line",
        ));
    }
    Ok(text.to_owned())
}

/// A secret: one line of any text.
pub(super) fn secret(text: &str) -> Result<Secret, ValueFault> {
    line(text).map(Secret::new)
}

/// A path. With quotes around it or `${...}` in it, it would name another file than the intended one.
pub(super) fn path(text: &str) -> Result<PathBuf, ValueFault> {
    match leftover::of(text, false).filter(|_| leftover::is_certain(text)) {
        Some(fault) => Err(fault),
        None => line(text).map(PathBuf::from),
    }
}

/// A boolean as Go's `strconv.ParseBool` reads it, because Coder reads its variables with that.
pub(super) fn boolean(text: &str) -> Result<bool, ValueFault> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(ValueFault::new("is neither true nor false", "Write `true` or `false`")),
    }
}

pub(super) fn count(text: &str) -> Result<NonZeroUsize, ValueFault> {
    match text.parse::<NonZeroUsize>() {
        Ok(count) if count.get() <= 1024 => Ok(count),
        _ => Err(ValueFault::new("is not a whole number from 1 to 1024", "Write a number such as `4`")),
    }
}

/// A sequence of numbers with units, as Go's `time.ParseDuration` reads it. `0` needs no unit.
pub(super) fn duration(text: &str) -> Result<Duration, ValueFault> {
    let bad = || {
        ValueFault::new("is not a duration with a unit", "Write a number with h, m, s or ms: `90s`, `1h30m`")
    };
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
        _ => Err(ValueFault::new("is longer than ten years", "Write a shorter duration")),
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, ValueFault> {
    text.parse().map_err(|_| {
        ValueFault::new(
            "is not an IP address with a port",
            "Write `127.0.0.1:3000`, or `0.0.0.0:3000` or `[::]:3000` for every address of the machine",
        )
    })
}

pub(super) fn network(text: &str) -> Result<IpNet, ValueFault> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map(|network| network.trunc()).map_err(|_| {
        ValueFault::new(
            "has an entry that is not a network",
            "Write networks such as `10.0.0.0/8` or single addresses",
        )
    })
}

pub(super) fn email_domain(text: &str) -> Result<EmailDomain, ValueFault> {
    EmailDomain::parse(text).map_err(|_| {
        ValueFault::new(
            "has an entry that is not a domain",
            "Write domains such as `example.com`; in a variable, separate them with commas",
        )
    })
}

/// An http or https URL without user information.
pub(super) fn url(text: &str) -> Result<Url, ValueFault> {
    let remedy = "Write it with scheme and host: `https://host.example.com`";
    url_characters(text)?;
    let url = Url::parse(text).map_err(|_| ValueFault::new("is not an absolute URL", remedy))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(ValueFault::new("is not an http or https URL", remedy));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ValueFault::new("has a user name or password", "Remove them from the URL"));
    }
    if url.fragment().is_some() {
        return Err(ValueFault::new("has a fragment", "Remove `#` and what follows"));
    }
    Ok(url)
}

/// Refuses characters that a URL cannot have (RFC 3986 §2), but that URL parsers silently encode or drop: those of
/// `<slug>`, or of a comment after a space.
pub(super) fn url_characters(text: &str) -> Result<(), ValueFault> {
    let foreign = |c: char| c.is_whitespace() || c.is_control() || "\"<>\\^`{|}".contains(c);
    if text.contains(foreign) {
        return Err(ValueFault::new(
            "has white space, quotation marks, brackets or another character that is not allowed in a URL",
            "Write only the URL, with every `<...>` replaced by its value",
        ));
    }
    Ok(())
}

/// An http or https URL with only scheme, host and port.
pub(super) fn origin(text: &str) -> Result<Url, ValueFault> {
    let url = url(text)?;
    if url.path() != "/" || url.query().is_some() {
        return Err(ValueFault::new("has a path or a query", "Write only scheme, host and port"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests;
