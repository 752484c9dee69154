//! The members of a token response: which are accepted, and that none loses the refresh token.

use super::super::token_answer::{MAX_ACCESS_TOKEN_LIFE, TokenEndpointResponse};

fn read(json: &str) -> TokenEndpointResponse {
    serde_json::from_str(json).unwrap()
}

/// Every member except the refresh token may be odd, missing or out of range.
#[test]
fn whatever_else_is_wrong_the_new_refresh_token_is_read() {
    for members in [
        r#""access_token": "a", "token_type": 7"#,
        r#""access_token": "a", "token_type": "mac""#,
        r#""access_token": ["a"]"#,
        r#""access_token": "\u00e9""#,
        r#""access_token": "a", "expires_in": 1e999999"#,
        r#""access_token": "a", "expires_in": {"seconds": 3}"#,
        r#""access_token": "a", "expires_in": -1"#,
        r#""access_token": "a", "expires_in": "soon""#,
        r#""access_token": "a", "expires_in": "inf""#,
        r#""access_token": "a", "id_token": {"a": 1}"#,
        r#""token_type": "Bearer""#,
        r#""error": "server_error""#,
    ] {
        let answer = read(&format!(r#"{{"refresh_token": "next one", {members}}}"#));
        assert_eq!(answer.refresh_token().unwrap().expose(), "next one", "{members}");
        assert!(answer.tokens().is_err(), "{members}");
    }
}

/// A missing token type, a list of scopes and numbers as text: accepted by golang.org/x/oauth2, with which Coder signs
/// in. PHP providers write fractions of a second.
#[test]
fn members_that_coder_takes_in_another_form_are_taken() {
    for (members, scope, seconds) in [
        (r#""expires_in": 300"#, None, Some(300)),
        (r#""expires_in": "300""#, None, Some(300)),
        (r#""expires_in": 300.9, "scope": "openid email""#, Some("openid email"), Some(300)),
        (r#""expires_in": "3e2", "scope": ["openid", "email"]"#, Some("openid email"), Some(300)),
        (r#""expires_in": 0"#, None, None),
        (r#""expires_in": null, "scope": {"openid": true}, "token_type": null"#, None, None),
        (r#""expires_in": 1e300, "token_type": "bearer""#, None, Some(MAX_ACCESS_TOKEN_LIFE.as_secs())),
    ] {
        let answer = read(&format!(r#"{{"access_token": "a", {members}}}"#));
        let tokens = answer.tokens().unwrap();
        assert_eq!(tokens.scope.as_deref(), scope, "{members}");
        assert_eq!(tokens.expires_in.map(|life| life.as_secs()), seconds, "{members}");
        assert!(tokens.refresh_token.is_none() && tokens.unverified_id_token.is_none());
    }
}

#[test]
fn a_refresh_token_that_cannot_be_one_is_refused_and_an_empty_one_is_none() {
    for token in [r#""\u00e9""#, r#""a\nb""#, "7", r#"["a"]"#] {
        let answer = read(&format!(r#"{{"access_token": "a", "refresh_token": {token}}}"#));
        assert!(answer.refresh_token().is_none() && answer.tokens().is_err(), "{token}");
    }
    for token in [r#""""#, "null"] {
        let answer = read(&format!(r#"{{"access_token": "a", "refresh_token": {token}}}"#));
        assert!(answer.tokens().unwrap().refresh_token.is_none(), "{token}");
    }
    let every: String = (' '..='~').collect();
    let written = serde_json::to_string(&every).unwrap();
    let answer = read(&format!(r#"{{"access_token": "a", "refresh_token": {written}}}"#));
    assert_eq!(answer.tokens().unwrap().refresh_token.as_ref().unwrap().expose(), every);
}

#[test]
fn an_object_without_any_token_is_no_answer() {
    assert!(serde_json::from_str::<TokenEndpointResponse>(r#"{"error": "invalid_grant"}"#).is_err());
    assert!(serde_json::from_str::<TokenEndpointResponse>("[]").is_err());
}
