//! A response of the token endpoint, parsed so that no malformed member loses the refresh token.
//!
//! A provider that rotates refresh tokens invalidates the old one when it responds. A response with a malformed member
//! is refused, but keeps the new refresh token: [`TokenEndpointResponse::refresh_token`] returns it even when
//! [`TokenEndpointResponse::tokens`] is an error. `openidconnect`'s own type loses it then.

use std::fmt;
use std::time::Duration;

use openidconnect::core::{
    CoreGenderClaim, CoreIdToken, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreTokenType,
};
use openidconnect::{
    AccessToken, EmptyAdditionalClaims, OAuth2TokenResponse, RefreshToken, Scope, TokenResponse,
};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::jws::MAX_TOKEN;
use super::provider_fault::ProviderFault;
use crate::types::{Secret, Timestamp};

/// The longest accepted life of an access token: ten years.
pub(super) const MAX_ACCESS_TOKEN_LIFE: Duration = Duration::from_hours(10 * 366 * 24);

/// The tokens of a well-formed response.
#[derive(Clone)]
pub(super) struct GrantedTokens {
    /// The access token: visible ASCII, fit for a header.
    pub(super) access_token: Secret,
    /// Its life, counted from the response; none when the provider does not report it.
    pub(super) expires_in: Option<Duration>,
    /// The refresh token; none when the response has none.
    pub(super) refresh_token: Option<Secret>,
    /// The granted scope; none when the response does not name it.
    pub(super) scope: Option<String>,
    /// The member `id_token`. Unverified.
    pub(super) unverified_id_token: Option<Secret>,
}

impl GrantedTokens {
    /// When the access token expires: `expires_in` after `answered_at`, else at `otherwise`.
    pub(super) fn expiry(&self, answered_at: Timestamp, otherwise: Timestamp) -> Timestamp {
        self.expires_in.map_or(otherwise, |life| answered_at + life)
    }
}

/// A response of the token endpoint (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
#[derive(Clone)]
pub(super) struct TokenEndpointResponse {
    refresh_token: Option<Secret>,
    tokens: Result<GrantedTokens, ProviderFault>,
    /// Placeholders that `openidconnect`'s trait returns. Nobody reads them.
    shown: (AccessToken, CoreTokenType),
}

impl TokenEndpointResponse {
    /// The new refresh token, even of a response that is otherwise refused.
    pub(super) fn refresh_token(&self) -> Option<&Secret> {
        self.refresh_token.as_ref()
    }

    /// The tokens.
    ///
    /// # Errors
    ///
    /// [`ProviderFault::TokenEndpointResponse`] names the malformed member.
    pub(super) fn tokens(&self) -> Result<&GrantedTokens, ProviderFault> {
        self.tokens.as_ref().map_err(Clone::clone)
    }

    /// A response with these tokens.
    #[cfg(test)]
    pub(super) fn for_test(access_token: &str, refresh_token: Option<&Secret>) -> Self {
        let raw = |text: &str| RawValue::from_string(serde_json::Value::from(text).to_string()).ok();
        Self::of(&Members {
            access_token: raw(access_token),
            refresh_token: refresh_token.and_then(|token| raw(token.expose())),
            ..Members::default()
        })
    }

    fn of(members: &Members) -> Self {
        let refresh_token = text(members.refresh_token.as_deref()).ok().flatten();
        let refresh_token = refresh_token.filter(|token| is_vschar(token)).map(Secret::new);
        let tokens = members.tokens(refresh_token.as_ref());
        Self { refresh_token, tokens, shown: (AccessToken::new(String::new()), CoreTokenType::Bearer) }
    }
}

/// The members that are read, each as raw JSON: a number that fits no type here must not lose the others.
#[derive(Default)]
struct Members {
    access_token: Option<Box<RawValue>>,
    token_type: Option<Box<RawValue>>,
    expires_in: Option<Box<RawValue>>,
    refresh_token: Option<Box<RawValue>>,
    scope: Option<Box<RawValue>>,
    id_token: Option<Box<RawValue>>,
}

impl Members {
    fn slot(&mut self, name: &str) -> Option<&mut Option<Box<RawValue>>> {
        Some(match name {
            "access_token" => &mut self.access_token,
            "token_type" => &mut self.token_type,
            "expires_in" => &mut self.expires_in,
            "refresh_token" => &mut self.refresh_token,
            "scope" => &mut self.scope,
            "id_token" => &mut self.id_token,
            _ => return None,
        })
    }

    /// Checks the members.
    fn tokens(&self, refresh_token: Option<&Secret>) -> Result<GrantedTokens, ProviderFault> {
        let fault = ProviderFault::TokenEndpointResponse;
        // A missing token type means Bearer, as for Coder's library.
        let token_type = text(self.token_type.as_deref()).map_err(|()| fault("token_type is not text"))?;
        if token_type.is_some_and(|name| !name.eq_ignore_ascii_case("bearer")) {
            return Err(fault("token_type is not Bearer"));
        }
        let access_token = text(self.access_token.as_deref()).ok().flatten();
        let fits =
            |text: &String| text.len() <= MAX_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
        let access_token = access_token
            .filter(fits)
            .ok_or(fault("access_token is missing, empty, too long or not plain ASCII"))?;
        if refresh_token.is_none() && !matches!(text(self.refresh_token.as_deref()), Ok(None)) {
            return Err(fault("refresh_token is not text, too long or not plain ASCII"));
        }
        let id_token = text(self.id_token.as_deref()).map_err(|()| fault("id_token is not text"))?;
        Ok(GrantedTokens {
            access_token: Secret::new(access_token),
            expires_in: expires_in(self.expires_in.as_deref())?,
            refresh_token: refresh_token.cloned(),
            scope: scope(self.scope.as_deref()),
            unverified_id_token: id_token.map(Secret::new),
        })
    }
}

/// A member of type text: none when it is missing, null or empty.
fn text(member: Option<&RawValue>) -> Result<Option<String>, ()> {
    let Some(member) = member else { return Ok(None) };
    let text: Option<String> = serde_json::from_str(member.get()).map_err(|_| ())?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// Whether a text can be a refresh token: VSCHAR, which includes the space (RFC 6749 Appendix A.17). The OpenID
/// Foundation's suite sends tokens with spaces.
fn is_vschar(token: &str) -> bool {
    token.len() <= MAX_TOKEN && token.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
}

/// `expires_in`: seconds as a number or text, without a fraction. 0 means unknown, as for golang.org/x/oauth2, with
/// which Coder signs in: a token that is never valid would be useless.
fn expires_in(member: Option<&RawValue>) -> Result<Option<Duration>, ProviderFault> {
    let Some(member) = member.map(RawValue::get).filter(|text| *text != "null") else { return Ok(None) };
    let unquoted = member.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(member);
    let seconds = unquoted.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    let seconds =
        seconds.ok_or(ProviderFault::TokenEndpointResponse("expires_in is not a number of seconds"))?;
    let life = Duration::try_from_secs_f64(seconds.trunc())
        .map_or(MAX_ACCESS_TOKEN_LIFE, |life| life.min(MAX_ACCESS_TOKEN_LIFE));
    Ok(Some(life).filter(|life| !life.is_zero()))
}

/// `scope`: text, or a list of texts. It is only compared with the requested scope, so a malformed one is ignored.
fn scope(member: Option<&RawValue>) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scopes {
        Text(String),
        List(Vec<String>),
    }
    match serde_json::from_str(member?.get()).ok()? {
        Scopes::Text(text) => Some(text),
        Scopes::List(list) => Some(list.join(" ")),
    }
}

impl<'de> Deserialize<'de> for TokenEndpointResponse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object with access_token or refresh_token")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members::default();
                while let Some(name) = map.next_key::<String>()? {
                    match members.slot(&name) {
                        Some(slot) => *slot = Some(map.next_value()?),
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(members)
            }
        }
        let members = deserializer.deserialize_map(Object)?;
        if members.access_token.is_none() && members.refresh_token.is_none() {
            return Err(serde::de::Error::custom("it has no token"));
        }
        Ok(Self::of(&members))
    }
}

impl Serialize for TokenEndpointResponse {
    /// `openidconnect` requires it, but nobody calls it: tokens are not serialized.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl fmt::Debug for TokenEndpointResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenEndpointResponse([redacted])")
    }
}

impl OAuth2TokenResponse for TokenEndpointResponse {
    type TokenType = CoreTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.shown.0
    }

    fn token_type(&self) -> &CoreTokenType {
        &self.shown.1
    }

    fn expires_in(&self) -> Option<Duration> {
        None
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        None
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl
    TokenResponse<
        EmptyAdditionalClaims,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    > for TokenEndpointResponse
{
    /// None: the ID token is kept as text, and `verifier.rs` alone reads it.
    fn id_token(&self) -> Option<&CoreIdToken> {
        None
    }
}
