//! The query parameters that the gateway itself reads.

use thiserror::Error;
use url::form_urlencoded;

/// A parameter occurs more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the sign-in's start has a parameter twice")]
pub(super) struct RepeatedParameter;

/// The single value of a query parameter; `None` when it is missing.
///
/// # Errors
/// [`RepeatedParameter`]: two readers could choose different values.
pub(super) fn single_parameter(query: &str, name: &str) -> Result<Option<String>, RepeatedParameter> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    let first = values.next().map(|(_, value)| value.into_owned());
    if values.next().is_some() { Err(RepeatedParameter) } else { Ok(first) }
}
