//! The results of a sign-in and of a refresh: a person whom the provider authenticated and who was judged.

use std::fmt;

use super::person::ClaimMap;
use crate::types::{Email, IdentityKey, Secret, Timestamp};

/// The parts of a [`VerifiedIdentity`].
#[derive(Clone)]
pub struct IdentityParts {
    /// `iss` and `sub`.
    pub key: IdentityKey,
    /// The session at the provider (`sid`); none when the ID token has none.
    pub sid: Option<String>,
    /// When the ID token was issued (`iat`), in whole seconds of the provider's clock.
    pub issued_at: Timestamp,
    /// The address that was judged.
    pub email: Email,
    /// The groups in the group claim; empty without one.
    pub groups: Vec<String>,
    /// ID token and userinfo, merged as Coder merges them: userinfo overrides.
    pub claims: ClaimMap,
    /// The userinfo response as received; none when it was not requested (`ignoreUserInfo`, or the provider has no such
    /// endpoint).
    pub user_info: Option<ClaimMap>,
    /// The ID token, as the provider signed it.
    pub id_token: Secret,
    /// The access token.
    pub access_token: Secret,
    /// When the access token expires (`expires_in`, else the ID token's `exp`).
    pub access_expires_at: Timestamp,
    /// The refresh token; none without `offline_access`.
    pub refresh_token: Option<Secret>,
    /// The granted scope, in no particular order; none when the provider did not name it.
    pub scope: Option<String>,
}

/// A person who signed in at the provider, verified and judged.
///
/// The proof that the grant accepts: it has private fields, and only `Provider::complete` makes one.
pub struct VerifiedIdentity(IdentityParts);

impl VerifiedIdentity {
    /// Only for `Provider::complete`.
    pub(super) fn new(parts: IdentityParts) -> Self {
        Self(parts)
    }

    /// An identity for the tests of other modules.
    #[cfg(test)]
    pub fn for_test(parts: IdentityParts) -> Self {
        Self(parts)
    }

    /// `iss` and `sub`, which identify the person.
    pub fn key(&self) -> &IdentityKey {
        &self.0.key
    }

    /// The session at the provider (`sid`).
    pub fn sid(&self) -> Option<&str> {
        self.0.sid.as_deref()
    }

    /// The address that was judged.
    pub fn email(&self) -> &Email {
        &self.0.email
    }

    /// The groups in the group claim.
    pub fn groups(&self) -> &[String] {
        &self.0.groups
    }

    /// ID token and userinfo, merged.
    pub fn claims(&self) -> &ClaimMap {
        &self.0.claims
    }

    /// The userinfo response as received.
    pub fn user_info(&self) -> Option<&ClaimMap> {
        self.0.user_info.as_ref()
    }

    /// The ID token, as the provider signed it.
    pub fn id_token(&self) -> &Secret {
        &self.0.id_token
    }

    /// The access token.
    pub fn access_token(&self) -> &Secret {
        &self.0.access_token
    }

    /// When the access token expires.
    pub fn access_expires_at(&self) -> Timestamp {
        self.0.access_expires_at
    }

    /// The refresh token; none without `offline_access`.
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.0.refresh_token.as_ref()
    }

    /// The granted scope; none when the provider did not name it.
    pub fn scope(&self) -> Option<&str> {
        self.0.scope.as_deref()
    }

    /// Its parts, to be stored.
    pub fn into_parts(self) -> IdentityParts {
        self.0
    }
}

impl fmt::Debug for VerifiedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifiedIdentity").field(&self.0.key).finish()
    }
}

impl fmt::Debug for IdentityParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityParts").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The session at the provider, as a refresh shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sid {
    /// It still exists, with this `sid`.
    Present(String),
    /// The new ID token has no `sid`: at authentik the browser's session there has ended.
    Missing,
    /// There was no new ID token.
    NotTold,
}

/// The result of a refresh: new tokens, and the person judged again.
#[derive(Clone)]
pub struct Refreshed {
    /// The new access token.
    pub access_token: Secret,
    /// When it expires (`expires_in`, else the ID token's `exp`).
    pub access_expires_at: Timestamp,
    /// The next refresh token. None: the old one stays valid.
    pub refresh_token: Option<Secret>,
    /// The new ID token; none when the response had none.
    pub id_token: Option<Secret>,
    /// The session at the provider.
    pub sid: Sid,
    /// The address that was judged.
    pub email: Email,
    /// The groups in the group claim.
    pub groups: Vec<String>,
    /// The claims that were judged: those of the new ID token, merged with userinfo when it was requested.
    pub claims: ClaimMap,
}

impl fmt::Debug for Refreshed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refreshed").field("sid", &self.sid).finish_non_exhaustive()
    }
}
