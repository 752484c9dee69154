//! The provider's authorization response, as the browser brings it back.

use thiserror::Error;
use url::form_urlencoded;

use super::oauth_error::OAuthError;
use crate::types::Secret;

/// The longest query of a callback that is read, in bytes.
const MAX_RESPONSE_QUERY: usize = 16 * 1024;
/// The longest value of a protocol parameter, in bytes.
const MAX_RESPONSE_PARAMETER: usize = 4096;
/// The parameters that are read (RFC 6749 §4.1.2, RFC 9207 §2).
const RESPONSE_PARAMETERS: [&str; 5] = ["state", "iss", "code", "error", "error_description"];

/// Why a query is not an authorization response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadAnswer {
    /// Longer than 16 KiB, or a parameter longer than 4 KiB.
    #[error("the answer of the provider is too long")]
    TooLong,
    /// A protocol parameter appears twice (RFC 6749 §3.1).
    #[error("the answer of the provider has the parameter \"{0}\" twice")]
    Duplicate(&'static str),
    /// There is no `state`.
    #[error("the answer of the provider has no state")]
    NoState,
    /// There is neither `code` nor `error`, or both.
    #[error("the answer of the provider must have either a code or an error")]
    NoOutcome,
}

/// The parameters of the provider's redirect (RFC 6749 §4.1.2, RFC 9207). Unverified.
#[derive(Debug)]
pub struct AuthorizationResponse {
    pub(super) state: Secret,
    pub(super) issuer: Option<String>,
    pub(super) outcome: Result<Secret, OAuthError>,
}

impl AuthorizationResponse {
    /// Whether a query is an authorization response: it has a `code` or an `error`. Otherwise the same address starts a
    /// sign-in, as Coder's callback does.
    pub fn is_in(query: &str) -> bool {
        query.len() > MAX_RESPONSE_QUERY
            || form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "code" || name == "error")
    }

    /// Parses a query (without `?`). Other parameters are ignored.
    ///
    /// # Errors
    ///
    /// [`BadAnswer`] when the query is too long or not a valid response.
    pub fn parse(query: &str) -> Result<Self, BadAnswer> {
        if query.len() > MAX_RESPONSE_QUERY {
            return Err(BadAnswer::TooLong);
        }
        let mut values: [Option<String>; 5] = Default::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some((slot, name)) =
                values.iter_mut().zip(RESPONSE_PARAMETERS).find(|(_, known)| *known == name)
            else {
                continue;
            };
            if value.len() > MAX_RESPONSE_PARAMETER {
                return Err(BadAnswer::TooLong);
            }
            if slot.replace(value.into_owned()).is_some() {
                return Err(BadAnswer::Duplicate(name));
            }
        }
        let [state, issuer, code, error, description] = values;
        let state = state.filter(|state| !state.is_empty()).ok_or(BadAnswer::NoState)?;
        let outcome = match (code, error) {
            (Some(code), None) if !code.is_empty() => Ok(Secret::new(code)),
            (None, Some(error)) => Err(OAuthError::new(&error, description.as_deref())),
            _ => return Err(BadAnswer::NoOutcome),
        };
        Ok(Self { state: Secret::new(state), issuer, outcome })
    }

    /// The `state` of the response, which identifies the cookie of the sign-in. Unverified.
    pub fn state(&self) -> &str {
        self.state.expose()
    }
}
