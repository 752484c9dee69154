//! New credentials, read as Coder issues them, so that a scoped token and an app's session, whose owner Coder does
//! not report later, are attributed to their user.

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::cookies;
use super::credential::{HANDOVER_PREFIX, is_person_token};
use crate::types::{CoderUserId, Secret, TokenHash};
use crate::web::cookies::SetCookie;

/// The longest response that is read for a new key, in bytes. Coder's have less than 100.
pub const MAX_KEY_ANSWER: usize = 16 * 1024;

/// The owner of a new key, according to the path of `POST /api/v2/users/{user}/keys[/tokens]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// The user who asked for it.
    Requester,
    /// A user by id.
    Id(CoderUserId),
    /// A user by name: [`super::api::Api::user`] finds the id.
    Name(String),
}

/// Reads the owner from the path of a key-creating route, in the form that Coder routes on.
pub fn owner(path: &str) -> Option<KeyOwner> {
    let rest = path.strip_prefix("/api/v2/users/")?;
    let (user, behind) = rest.split_once('/')?;
    let creates = matches!(behind.trim_end_matches('/'), "keys" | "keys/tokens");
    if !creates || user.is_empty() || user.len() > 255 {
        return None;
    }
    Some(match user.parse::<CoderUserId>() {
        _ if user == "me" => KeyOwner::Requester,
        Ok(id) => KeyOwner::Id(id),
        Err(_) => KeyOwner::Name(user.to_owned()),
    })
}

/// The new key in Coder's response: 201 with `{"key": …}`. Anything else is not a new key.
pub fn new_key(status: StatusCode, body: &[u8]) -> Option<Secret> {
    #[derive(Deserialize)]
    struct Made {
        key: Secret,
    }
    if status != StatusCode::CREATED || body.len() > MAX_KEY_ANSWER {
        return None;
    }
    let made: Made = serde_json::from_slice(body).ok()?;
    is_person_token(made.key.expose()).then_some(made.key)
}

/// The encrypted key that Coder's redirect carries to an app's host, as the hash under which the browser will present
/// it there. It belongs to the user who requested the redirect.
pub fn encrypted_app_key(status: StatusCode, headers: &HeaderMap) -> Option<TokenHash> {
    if !status.is_redirection() {
        return None;
    }
    let location = Url::parse(headers.get(header::LOCATION)?.to_str().ok()?).ok()?;
    let mut values = location.query_pairs().filter(|(name, _)| name.starts_with(HANDOVER_PREFIX));
    let (_, value) = values.next()?;
    (!value.is_empty() && values.next().is_none()).then(|| TokenHash::of(value.trim()))
}

/// The session that an app's host sets once it has decrypted the key of an app redirect; it belongs to the key's user.
pub fn app_session(status: StatusCode, headers: &HeaderMap) -> Option<Secret> {
    if !status.is_redirection() {
        return None;
    }
    let mut set = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(SetCookie::parse)
        .filter(|set| cookies::is_app_session(set.name()) && is_person_token(set.value()));
    let session = set.next()?;
    set.next().is_none().then(|| Secret::new(session.value()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::coder::credential::Finder;
    use crate::policy::RouteClass;

    const KEY: &str = "jHmNX5qhe6-QVvEEXxUKIWgSG5jqWmyKb";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    #[test]
    fn the_owner_of_a_new_key_stands_in_the_path() {
        let id = "f7abef6a-f5e2-444c-82e8-228c4a7d8bf4";
        for (path, expected) in [
            ("/api/v2/users/me/keys", Some(KeyOwner::Requester)),
            ("/api/v2/users/me/keys/tokens/", Some(KeyOwner::Requester)),
            (&format!("/api/v2/users/{id}/keys/tokens"), id.parse().ok().map(KeyOwner::Id)),
            ("/api/v2/users/bob/keys", Some(KeyOwner::Name("bob".to_owned()))),
            ("/api/v2/users/bob/keys/x", None),
            ("/api/v2/users//keys", None),
            ("/api/v2/users/bob", None),
            ("/api/v2/applications/auth-redirect", None),
        ] {
            assert_eq!(owner(path), expected, "{path}");
        }
    }

    #[test]
    fn a_new_key_is_read_only_from_the_answer_that_carries_one() {
        let body = format!("{{\"key\":\"{KEY}\"}}");
        let read = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            new_key(status, body.as_bytes()).map(|key| key.expose().to_owned())
        };
        assert_eq!(read(201, &body).as_deref(), Some(KEY));
        for (status, body) in [
            (200, body.as_str()),
            (400, &body),
            (201, "{}"),
            (201, "null"),
            (201, "{\"key\":7}"),
            (201, "{\"key\":\"short\"}"),
            (201, "<html>"),
            (201, ""),
        ] {
            assert_eq!(read(status, body), None, "{status} {body}");
        }
        assert_eq!(read(201, &format!("{body}{}", " ".repeat(MAX_KEY_ANSWER))), None);
    }

    /// The app's host will compute the same hash from the next request.
    #[test]
    fn an_encrypted_app_key_is_known_again_when_it_is_presented() {
        let location = "https://code--dev--bob.apps.example.com/x?a=1&coder_application_connect_api_key_35e783=eyJ.%2Ba-_";
        let redirect = headers(&[("location", location)]);
        let made = encrypted_app_key(StatusCode::SEE_OTHER, &redirect).expect("an encrypted app key");
        let query = location.split_once('?').map(|(_, query)| query);
        let none = HeaderMap::new();
        let found = Finder::default().find(&none, query, RouteClass::AppHost).expect("no contradiction");
        assert_eq!(found.expect("an encrypted app key").hash(), made);
    }

    #[test]
    fn a_redirect_without_exactly_one_encrypted_app_key_has_none() {
        let name = "coder_application_connect_api_key_35e783";
        for (status, location) in [
            (200, format!("https://a.example.com/?{name}=x")),
            (303, "https://a.example.com/?x=1".to_owned()),
            (303, format!("https://a.example.com/?{name}=")),
            (303, format!("https://a.example.com/?{name}=x&{name}=y")),
            (303, format!("/login?{name}=x")),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(encrypted_app_key(status, &headers(&[("location", &location)])), None, "{location}");
        }
        assert_eq!(encrypted_app_key(StatusCode::SEE_OTHER, &HeaderMap::new()), None);
    }

    #[test]
    fn the_session_of_an_app_host_is_read_from_its_cookie() {
        let line = format!(
            "coder_subdomain_app_session_token_00ff={KEY}; Path=/; Domain=.apps.example.com; HttpOnly"
        );
        let other = "csrf_token=x; Path=/";
        let set = headers(&[("set-cookie", other), ("set-cookie", &line)]);
        let read =
            |status, headers: &HeaderMap| app_session(status, headers).map(|key| key.expose().to_owned());
        assert_eq!(read(StatusCode::SEE_OTHER, &set).as_deref(), Some(KEY));
        assert_eq!(read(StatusCode::OK, &set), None);
        assert_eq!(read(StatusCode::SEE_OTHER, &headers(&[("set-cookie", other)])), None);
        let session = format!("coder_session_token={KEY}; Path=/");
        assert_eq!(read(StatusCode::SEE_OTHER, &headers(&[("set-cookie", &session)])), None);
        assert_eq!(
            read(StatusCode::SEE_OTHER, &headers(&[("set-cookie", &line), ("set-cookie", &line)])),
            None
        );
    }
}
