//! Revocation, sign-out at the provider, and logout tokens that come in.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn a_token_is_revoked_with_its_kind_and_our_credentials() {
    let scene = Scene::new().await;
    scene.op.always("/revoke", Answer::json(200, &json!({})));
    scene.provider.revoke(&Secret::new("r t"), TokenKind::Refresh).await.unwrap();
    scene.provider.revoke(&Secret::new("at"), TokenKind::Access).await.unwrap();
    let seen = scene.op.seen("/revoke");
    assert_eq!(seen[0].field("token").unwrap(), "r t");
    assert_eq!(seen[0].field("token_type_hint").unwrap(), "refresh_token");
    assert_eq!(seen[1].field("token_type_hint").unwrap(), "access_token");
    assert!(seen.iter().all(|request| request.headers["authorization"].starts_with("Basic ")));

    let post = |document: &mut Value| {
        document["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    };
    let scene = Scene::with(|_| {}, post).await;
    scene.op.always("/revoke", Answer::text(200, "", ""));
    scene.provider.revoke(&Secret::new("rt"), TokenKind::Refresh).await.unwrap();
    assert_eq!(scene.op.seen("/revoke")[0].field("client_secret").unwrap(), CLIENT_SECRET);
}

#[tokio::test]
async fn a_failed_revocation_says_whether_to_try_again() {
    let scene = Scene::new().await;
    // The other method of client authentication is tried, and refused too.
    scene.op.always("/revoke", Answer::json(401, &json!({"error": "invalid_client"})));
    for (answer, expected) in [
        (
            Answer::json(401, &json!({"error": "invalid_client"})),
            "Refused(OAuthError { code: \"invalid_client\"",
        ),
        (Answer::text(400, "", "<html>"), "Refused(OAuthError { code: \"unknown\""),
        (Answer::text(405, "", ""), "Unreachable("),
        (Answer::text(503, "Retry-After: 5\r\n", ""), "Unreachable("),
        (Answer::never(), "Unreachable("),
    ] {
        scene.op.once("/revoke", answer);
        let error = scene.provider.revoke(&Secret::new("canary"), TokenKind::Refresh).await.unwrap_err();
        assert!(name(&error).starts_with(expected), "{error:?}");
    }
    let scene = Scene::with(|_| {}, |document| document["revocation_endpoint"] = Value::Null).await;
    let error = scene.provider.revoke(&Secret::new("x"), TokenKind::Refresh).await.unwrap_err();
    assert_eq!(error, RevokeError::Unsupported);
}

#[tokio::test]
async fn a_sign_out_carries_the_hint_and_comes_back_with_the_state() {
    let scene = Scene::new().await;
    let back = Url::parse("https://coder.company/vestibule/signed-out").unwrap();
    let hint = Secret::new("id.token.hint");
    let end = scene.provider.end_session(Some(&hint), Some(&back), Some("state-canary")).unwrap();
    let url = end.get_url().unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    assert_eq!(
        pairs,
        [
            ("id_token_hint", "id.token.hint"),
            ("post_logout_redirect_uri", "https://coder.company/vestibule/signed-out"),
            ("state", "state-canary"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert!(!format!("{end:?}").contains("canary"));

    let end = scene.provider.end_session(None, None, Some("state")).unwrap();
    let url = end.get_url().unwrap();
    assert_eq!(url.query(), Some("client_id=coder-client-id"));

    let scene = Scene::with(|_| {}, |document| document["end_session_endpoint"] = Value::Null).await;
    assert_eq!(scene.provider.end_session(None, None, None), None);
    let scene = Scene::undiscovered(|_| {}).await;
    assert_eq!(scene.provider.end_session(None, None, None), None);
}

/// RP-Initiated Logout 1.0 §2: a provider takes GET and POST. Keycloak 26.7.3 takes both.
#[tokio::test]
async fn a_hint_too_long_for_an_address_goes_into_a_form_where_the_provider_takes_one() {
    let scene = Scene::with(|_| {}, |document| document["acr_values_supported"] = json!(["0"])).await;
    let back = Url::parse("https://coder.company/vestibule/signed-out").unwrap();
    let end = scene.provider.end_session(Some(&Secret::new("x".repeat(4000))), Some(&back), None).unwrap();
    assert_eq!(end.get_url(), None);
    assert_eq!(end.form_url().path(), "/end-session");
    let fields: Vec<&str> = end.form_fields().iter().map(|(name, _)| *name).collect();
    assert_eq!(fields, ["id_token_hint", "post_logout_redirect_uri"]);
}

/// authentik 2026.8.0-rc1 answers the form of another site with 403 (CSRF), took a GET with a hint of 6,187
/// characters, and answers an address to return to without a hint with an error.
#[tokio::test]
async fn authentik_is_asked_by_get_with_long_hints_too_and_without_one_that_is_longer_than_it_takes() {
    let acr = json!(["goauthentik.io/providers/oauth2/default"]);
    let scene = Scene::with(|_| {}, |document| document["acr_values_supported"] = acr).await;
    let back = Url::parse("https://coder.company/vestibule/signed-out").unwrap();
    for (groups, whole) in [(24, true), (110, true), (150, false), (400, false)] {
        let groups: Vec<String> = (0..groups).map(|number| format!("{number:032}")).collect();
        let claims =
            json!({"acr": "goauthentik.io/providers/oauth2/default", "jti": "one", "groups": groups});
        let hint = Secret::new(PROVIDER.token(&claims));
        let end = scene.provider.end_session(Some(&hint), Some(&back), Some("state")).unwrap();
        let length = hint.expose().len();
        let url = end.get_url().unwrap_or_else(|| panic!("a form for {length}"));
        assert!(url.as_str().len() <= 7000, "{length}");
        let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        if whole {
            assert_eq!(names, ["id_token_hint", "post_logout_redirect_uri", "state"], "{length}");
        } else {
            assert!(length > 6187);
            assert_eq!(names, ["client_id"], "{length}");
        }
        assert_eq!(end.comes_back(), whole);
    }
}

/// What the sign-out at a provider with these values of `acr` and this hint sends along.
async fn sent(acr: &[&str], hint: Option<&Value>) -> Vec<&'static str> {
    let scene = Scene::with(|_| {}, |document| document["acr_values_supported"] = json!(acr)).await;
    let hint = hint.map(|claims| Secret::new(PROVIDER.token(claims)));
    let back = Url::parse("https://coder.company/vestibule/signed-out").unwrap();
    let end = scene.provider.end_session(hint.as_ref(), Some(&back), Some("state")).unwrap();
    assert_eq!(end.comes_back(), end.form_fields().len() == 3);
    end.form_fields().iter().map(|(name, _)| *name).collect()
}

/// authentik from 2026.5 on, whose ID tokens have a `jti`, sends browsers back; an older one never does, and none
/// does without a hint.
#[tokio::test]
async fn an_authentik_that_would_not_send_the_browser_back_is_not_asked_to() {
    const ACR: &str = "goauthentik.io/providers/oauth2/default";
    let all = ["id_token_hint", "post_logout_redirect_uri", "state"];
    let newer = json!({"acr": ACR, "jti": "one"});
    let older = json!({"acr": ACR});
    let other = json!({"acr": "0"});
    assert_eq!(sent(&[ACR], Some(&newer)).await, all);
    assert_eq!(sent(&[ACR], Some(&older)).await, ["id_token_hint"]);
    assert_eq!(sent(&[], Some(&older)).await, ["id_token_hint"], "known by the ID token alone");
    assert_eq!(sent(&[ACR], Some(&other)).await, ["id_token_hint"], "known by the document alone");
    assert_eq!(sent(&[ACR], None).await, ["client_id"]);
    assert_eq!(sent(&["0"], Some(&other)).await, all, "another provider");
    assert_eq!(sent(&[], None).await, ["client_id", "post_logout_redirect_uri", "state"]);
}

#[tokio::test]
async fn a_logout_token_is_verified_with_the_keys_of_the_provider() {
    let scene = Scene::new().await;
    let claims = json!({
        "iss": scene.op.issuer(), "aud": ["coder-client-id"], "iat": NOW, "exp": NOW + 300, "jti": "one",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "sub": SUBJECT, "sid": "session",
    });
    let token = PROVIDER.sign(&json!({"alg": "PS384", "kid": "rsa", "typ": "logout+jwt"}), &claims);
    let found = scene.provider.verify_logout_token(&token).await.unwrap();
    assert_eq!(found.subject.unwrap().as_str(), SUBJECT);
    assert_eq!((found.sid.as_deref(), found.jti.as_str()), (Some("session"), "one"));
    assert_eq!(found.expires_at, Timestamp::from_seconds(NOW + 300));
    assert_eq!(found.issued_at, Timestamp::from_seconds(NOW));
    scene.clock.advance(Duration::from_mins(6));
    assert_eq!(scene.provider.verify_logout_token(&token).await, Err(LogoutTokenError::Time));

    let scene = Scene::undiscovered(|_| {}).await;
    assert_eq!(scene.provider.verify_logout_token(&token).await, Err(LogoutTokenError::NotReady));
}
