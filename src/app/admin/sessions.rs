//! Lists and ends sessions and tokens: the gateway's side of `vestibule sessions`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::form_urlencoded;

use super::answer::{json, not_allowed};
use crate::grant::{BoundUser, EndReason, Filter, Grants, Listed, ListedKind, StoreError};
use crate::telemetry::audit::{self, AuditAction, AuditPerson, Event};
use crate::types::{CoderUserId, Email, RequestId, Timestamp};
use crate::web::Response;

/// The most sessions and tokens that are searched and listed.
const MAX_LISTED_SESSIONS: u32 = 50_000;

/// For how many days another identity may be let to take a user over.
pub const RELINK_DAYS: RangeInclusive<u32> = 1..=90;

const DAY: Duration = Duration::from_hours(24);

/// A live session or token, as the command line shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEntry {
    /// Its short id, which is not a credential.
    pub id: String,
    /// `session` or `token`.
    pub kind: String,
    /// The user's id in Coder.
    pub coder_user: String,
    /// The user's email address, if known.
    pub email: Option<String>,
    /// The issuer of the user's identity, if known.
    pub iss: Option<String>,
    /// The subject of the user's identity, if known.
    pub sub: Option<String>,
    /// What a token was made for: `key`, `token`, `app`, or `presented` if the gateway did not see its creation; `None`
    /// for sessions.
    pub made_for: Option<String>,
    /// For a session the client's address at the sign-in, for a token the address of its last use.
    pub address: Option<String>,
    /// The `User-Agent` that goes with the address; empty when unknown.
    pub device: String,
    /// When it began, in seconds since the Unix epoch.
    pub since: i64,
    /// When it was last seen, in seconds since the Unix epoch.
    pub seen: i64,
}

impl SessionEntry {
    fn of(listed: &Listed) -> Self {
        let (kind, made_for, device) = match &listed.kind {
            ListedKind::Session { device, .. } => ("session", None, Some(device)),
            ListedKind::Token { made_for, device, .. } => ("token", Some(made_for.label()), device.as_ref()),
        };
        let seconds = |at: Timestamp| at.as_seconds();
        Self {
            id: listed.hash.to_string(),
            kind: kind.to_owned(),
            coder_user: listed.user.to_string(),
            email: listed.email.as_ref().map(|email| email.as_str().to_owned()),
            iss: listed.key.as_ref().map(|key| key.issuer.as_str().to_owned()),
            sub: listed.key.as_ref().map(|key| key.subject.as_str().to_owned()),
            made_for: made_for.map(str::to_owned),
            address: device.map(|device| device.address.to_string()),
            device: device.map(|device| device.user_agent.clone()).unwrap_or_default(),
            since: seconds(listed.created_at),
            seen: seconds(listed.last_seen),
        }
    }
}

/// Serves the requests on the local socket.
#[expect(missing_debug_implementations, reason = "a service, not a value")]
pub struct SessionAdmin {
    grants: Arc<Grants>,
}

/// The sessions and tokens that a request names.
enum SessionFilter {
    Everybody,
    User(String),
    Id(String),
}

impl SessionAdmin {
    pub(in crate::app) fn new(grants: Arc<Grants>) -> Self {
        Self { grants }
    }

    pub(super) async fn handle(&self, request: Request<Incoming>) -> Response {
        let method = match request.uri().path() {
            "/sessions" => Method::GET,
            "/sessions/revoke" | "/sessions/relink" => Method::POST,
            _ => {
                return no(
                    StatusCode::NOT_FOUND,
                    "the gateway does not know this request: does it have another version than this command?",
                );
            }
        };
        if *request.method() != method {
            return not_allowed(if method == Method::GET { "GET" } else { "POST" });
        }
        let query = request.uri().query().unwrap_or_default();
        let answer = if request.uri().path() == "/sessions/relink" {
            let Some((whom, days)) = relink_request(query) else {
                return no(StatusCode::BAD_REQUEST, "name one user or everybody, and from 1 to 90 days");
            };
            self.relink(whom, days).await
        } else {
            let Some(whom) = whom(query) else {
                return no(StatusCode::BAD_REQUEST, "name one user, one session or token, or everybody");
            };
            if method == Method::GET { self.list(&whom).await } else { self.revoke(&whom).await }
        };
        answer.unwrap_or_else(|error| no(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()))
    }

    async fn list(&self, whom: &SessionFilter) -> Result<Response, StoreError> {
        let found = self.find(whom).await?;
        if let (SessionFilter::Id(_), true) = (whom, found.is_empty()) {
            return Ok(no(StatusCode::NOT_FOUND, "no live session or token has this id"));
        }
        let entries: Vec<SessionEntry> = found.iter().map(SessionEntry::of).collect();
        Ok(json(StatusCode::OK, &json!({"sessions": entries})))
    }

    async fn revoke(&self, whom: &SessionFilter) -> Result<Response, StoreError> {
        let ended = match whom {
            SessionFilter::Everybody => {
                let ended = self.grants.end_everybody(EndReason::Revoked).await?;
                emit(None, ended);
                ended
            }
            SessionFilter::User(name) => self.revoke_user(name).await?,
            SessionFilter::Id(_) => {
                let found = self.find(whom).await?;
                let Some(listed) = found.first() else {
                    return Ok(no(StatusCode::NOT_FOUND, "no live session or token has this id"));
                };
                let ended = match listed.kind {
                    ListedKind::Session { .. } => {
                        let ended = self.grants.end_session(&listed.hash, EndReason::Revoked).await?;
                        usize::from(ended.is_some())
                    }
                    ListedKind::Token { .. } => {
                        self.grants.end_token(&listed.hash, EndReason::Revoked).await?
                    }
                };
                emit(Some(listed), ended);
                ended
            }
        };
        Ok(json(StatusCode::OK, &json!({"ended": ended})))
    }

    /// Lets another identity take users over, once each, at the next sign-in.
    async fn relink(&self, whom: Filter, days: u32) -> Result<Response, StoreError> {
        let everybody = whom == Filter::Everybody;
        let allowed = self.grants.allow_relink(whom, DAY * days).await?;
        let outcome = if allowed.is_empty() { "nothing" } else { "ok" };
        if everybody || allowed.is_empty() {
            audit_relink(outcome, AuditPerson::default());
        } else {
            for BoundUser { user, key, email } in &allowed {
                let person =
                    AuditPerson { key: Some(key), email: Some(email.as_str()), coder_user: Some(*user) };
                audit_relink(outcome, person);
            }
        }
        Ok(json(StatusCode::OK, &json!({"users": allowed.len()})))
    }

    /// Ends all sessions, tokens and grants of a user. Several users may have the same email address.
    async fn revoke_user(&self, name: &str) -> Result<usize, StoreError> {
        let found = self.find(&SessionFilter::User(name.to_owned())).await?;
        let named = name.parse::<CoderUserId>().ok();
        let users: BTreeSet<CoderUserId> = found.iter().map(|listed| listed.user).chain(named).collect();
        let mut all = 0;
        for user in users {
            let ended = self.grants.end_user(user, EndReason::Revoked).await?;
            emit(found.iter().find(|listed| listed.user == user), ended);
            all += ended;
        }
        Ok(all)
    }

    async fn find(&self, whom: &SessionFilter) -> Result<Vec<Listed>, StoreError> {
        let filter = match whom {
            SessionFilter::Everybody | SessionFilter::Id(_) => Filter::Everybody,
            SessionFilter::User(name) => user_filter(name),
        };
        let mut found = self.grants.list(filter, MAX_LISTED_SESSIONS).await?;
        if let SessionFilter::Id(id) = whom {
            found.retain(|listed| listed.hash.to_string() == *id);
        }
        Ok(found)
    }
}

/// A user by the id in Coder, else by the email address.
fn user_filter(name: &str) -> Filter {
    name.parse::<CoderUserId>().map_or_else(|_| Filter::Email(name.to_owned()), Filter::User)
}

/// Reads `user=` or `everybody=`, and `days=`.
fn relink_request(query: &str) -> Option<(Filter, u32)> {
    let (selector, days) = query.rsplit_once("&days=")?;
    let days = days.parse().ok().filter(|days| RELINK_DAYS.contains(days))?;
    match whom(selector)? {
        SessionFilter::Everybody => Some((Filter::Everybody, days)),
        SessionFilter::User(name) => Some((user_filter(&name), days)),
        SessionFilter::Id(_) => None,
    }
}

/// Reads `user=`, `id=` or `everybody=`: exactly one of them.
fn whom(query: &str) -> Option<SessionFilter> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (name, value) = pairs.next()?;
    let whom = match &*name {
        "everybody" => SessionFilter::Everybody,
        "user" if !value.is_empty() => SessionFilter::User(value.into_owned()),
        "id" if !value.is_empty() => SessionFilter::Id(value.into_owned()),
        _ => return None,
    };
    pairs.next().is_none().then_some(whom)
}

fn no(status: StatusCode, why: &str) -> Response {
    json(status, &json!({"error": why}))
}

/// Writes the audit event of a permission to take a user over. `person` is who the user belongs to now.
fn audit_relink(outcome: &str, person: AuditPerson<'_>) {
    let request = Some(RequestId::random());
    audit::emit(Event { action: AuditAction::Relink, outcome, person, client: None, request });
}

/// Writes the audit event of a revocation. It has no client address, because the request came over the local socket.
fn emit(about: Option<&Listed>, ended: usize) {
    audit::emit(Event {
        action: AuditAction::End,
        outcome: if ended > 0 { "ok" } else { "nothing" },
        person: AuditPerson {
            key: about.and_then(|listed| listed.key.as_ref()),
            email: about.and_then(|listed| listed.email.as_ref()).map(Email::as_str),
            coder_user: about.map(|listed| listed.user),
        },
        client: None,
        request: Some(RequestId::random()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_is_named() {
        assert!(matches!(whom("everybody=yes"), Some(SessionFilter::Everybody)));
        assert!(
            matches!(whom("user=alice%40acme.company"), Some(SessionFilter::User(name)) if name == "alice@acme.company")
        );
        assert!(matches!(whom("id=abc"), Some(SessionFilter::Id(id)) if id == "abc"));
        for nobody in ["", "user=", "id=", "other=1", "user=a&user=b", "user=a&everybody=yes"] {
            assert!(whom(nobody).is_none(), "{nobody}");
        }
    }

    #[test]
    fn a_relink_names_a_user_or_everybody_and_a_bounded_number_of_days() {
        assert_eq!(relink_request("everybody=yes&days=90"), Some((Filter::Everybody, 90)));
        let id = "2f1b6cf9-2d8a-4c1e-9f42-3a1b5c6d7e8f";
        let user = relink_request(&format!("user={id}&days=1"));
        assert_eq!(user, Some((Filter::User(id.parse().unwrap()), 1)));
        let email = relink_request("user=alice%40acme.company&days=7");
        assert_eq!(email, Some((Filter::Email("alice@acme.company".to_owned()), 7)));
        for wrong in
            ["", "days=1", "user=a", "user=a&days=0", "user=a&days=91", "user=a&days=x", "id=a&days=1"]
        {
            assert_eq!(relink_request(wrong), None, "{wrong}");
        }
    }
}
