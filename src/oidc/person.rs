//! The person in the claims, and whether the person may come in: address, domain, groups.

use serde_json::{Map, Value};

use super::refusal::{EmailVerified, IdentityRefusal, listed};
use super::settings::{EMAIL_VERIFIED, ProviderSettings};
use crate::types::{Email, printable};

/// The longest logged address of a person who may not come in, in characters: 64 and 255 around the `@` (RFC 5321
/// §4.5.3.1).
const MAX_UNVERIFIED_EMAIL: usize = 320;

/// The claims of a person: a JSON object.
pub type ClaimMap = Map<String, Value>;

/// A person who may come in. Made only by [`judge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AllowedPerson {
    /// The address.
    pub(super) email: Email,
    /// The groups in the group claim; empty without one.
    pub(super) groups: Vec<String>,
}

/// Merges as Coder does by default: userinfo overrides the ID token.
pub(super) fn merge(mut id_token: ClaimMap, user_info: &ClaimMap) -> ClaimMap {
    id_token.extend(user_info.iter().map(|(name, value)| (name.clone(), value.clone())));
    id_token
}

/// Judges merged claims in Coder's order: the address, its verification, its domain, the groups.
///
/// # Errors
///
/// [`IdentityRefusal`]: why this person may not come in.
pub(super) fn judge(
    claims: &ClaimMap,
    settings: &ProviderSettings,
) -> Result<AllowedPerson, IdentityRefusal> {
    let email = email(claims, settings)?;
    let verified = EmailVerified::read(claims.get(EMAIL_VERIFIED));
    if verified != EmailVerified::True && !settings.ignore_email_verified {
        return Err(IdentityRefusal::EmailUnverified { email: email.as_str().to_owned(), found: verified });
    }
    let domains = &settings.email_domains;
    if !domains.is_empty() && !domains.iter().any(|domain| domain.matches(&email)) {
        return Err(IdentityRefusal::DomainNotAllowed { email: email.as_str().to_owned() });
    }
    let groups = groups(claims, settings)?;
    Ok(AllowedPerson { email, groups })
}

/// The address in the claims, valid or not, for the log: at most 320 characters, without control characters.
pub(super) fn unverified_email(claims: &ClaimMap, settings: &ProviderSettings) -> Option<String> {
    let said = |field: &str| claims.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let username = || said(&settings.username_field).filter(|name| Email::parse(name).is_ok());
    let found = said(&settings.email_field).or_else(username)?;
    Some(printable(found, MAX_UNVERIFIED_EMAIL)).filter(|text| !text.is_empty())
}

/// The address: the email claim; when it is missing, the user name if that is an address.
fn email(claims: &ClaimMap, settings: &ProviderSettings) -> Result<Email, IdentityRefusal> {
    let field = &settings.email_field;
    let missing = || IdentityRefusal::EmailMissing {
        field: field.clone(),
        username_field: settings.username_field.clone(),
    };
    match claims.get(field) {
        None => {
            let username = claims.get(&settings.username_field).and_then(Value::as_str);
            username.and_then(|name| Email::parse(name).ok()).ok_or_else(missing)
        }
        // authentik sends "" for a user without an address.
        Some(Value::String(text)) if text.is_empty() => Err(missing()),
        Some(Value::String(text)) => Email::parse(text)
            .map_err(|_| IdentityRefusal::EmailInvalid { field: field.clone(), found: printable(text, 100) }),
        Some(_) => Err(IdentityRefusal::EmailNotText { field: field.clone() }),
    }
}

/// The groups. The claim matters only when a group is required; a malformed one is then a refusal.
fn groups(claims: &ClaimMap, settings: &ProviderSettings) -> Result<Vec<String>, IdentityRefusal> {
    let needed = !settings.groups_allowed.is_empty();
    let field = settings.effective_group_field();
    let found = match field.and_then(|field| claims.get(field)) {
        None if needed => return Err(IdentityRefusal::GroupsMissing { field: field.map(str::to_owned) }),
        None => return Ok(Vec::new()),
        Some(value) => group_names(value),
    };
    let field = field.unwrap_or_default().to_owned();
    let groups = match found {
        None if needed => return Err(IdentityRefusal::GroupsMalformed { field }),
        None => Vec::new(),
        Some(groups) => groups,
    };
    if needed && !groups.iter().any(|group| settings.groups_allowed.contains(group)) {
        let (found, wanted) = (listed(&groups), listed(&settings.groups_allowed));
        return Err(IdentityRefusal::GroupNotAllowed { field, found, wanted });
    }
    Ok(groups)
}

/// The names in a group claim, as Coder reads it: an array of text, or one name as text. Text with a comma may be a
/// list and is refused; names in an array may have any character.
fn group_names(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        Value::String(one) if one.is_empty() => Some(Vec::new()),
        Value::String(one) if !one.contains(',') => Some(vec![one.clone()]),
        _ => None,
    }
}
