//! Revocation, sign-out at the provider, and incoming logout tokens.

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

/// RP-Initiated Logout 1.0 §2: a provider accepts GET and POST. Keycloak 26.7.3 accepts both.
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

/// authentik 2026.8.0-rc1 responds to a form from another site with 403 (CSRF), accepted a GET with a hint of 6,187
/// characters, and responds with an error to a return address without a hint.
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

/// The parameters of the sign-out at a provider with these values of `acr` and this hint.
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

fn logout_claims(scene: &Scene) -> Value {
    json!({
        "iss": scene.op.issuer(), "aud": ["coder-client-id"], "iat": NOW, "exp": NOW + 300, "jti": "one",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "sub": SUBJECT, "sid": "session",
    })
}

fn logout_token(scene: &Scene, alg: &str, kid: &str) -> String {
    PROVIDER.sign(&json!({"alg": alg, "kid": kid, "typ": "logout+jwt"}), &logout_claims(scene))
}

#[tokio::test]
async fn a_logout_token_is_verified_with_the_keys_of_the_provider() {
    let scene = Scene::new().await;
    let token = logout_token(&scene, "ES256", "es256");
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

/// Ory Hydra 26.2.0 sends logout tokens without `exp` and `sub`.
#[tokio::test]
async fn a_logout_token_without_exp_is_good_for_five_minutes() {
    let scene = Scene::new().await;
    let mut claims = logout_claims(&scene);
    claims.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "exp" | "sub"));
    let token = PROVIDER.token(&claims);
    let found = scene.provider.verify_logout_token(&token).await.unwrap();
    assert_eq!((found.subject, found.sid.as_deref()), (None, Some("session")));
    assert_eq!(found.expires_at, Timestamp::from_seconds(NOW + 300), "its jti is remembered so long");
    scene.clock.advance(Duration::from_secs(359));
    assert!(scene.provider.verify_logout_token(&token).await.is_ok(), "inside the leeway");
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.provider.verify_logout_token(&token).await, Err(LogoutTokenError::Time));
}

/// Back-Channel Logout 1.0 §2.6 (3). The conformance suite of the OpenID Foundation (5.2.4) has keys for many
/// algorithms, lists them all, and signs a logout token with another one than this client's ID tokens.
#[tokio::test]
async fn a_logout_token_is_signed_as_the_id_tokens_are() {
    let every = |document: &mut Value| {
        document["id_token_signing_alg_values_supported"] = json!(["RS256", "PS256", "ES256", "EdDSA"]);
    };
    let scene = Scene::with(|_| {}, every).await;
    let verdict = |alg: &'static str, kid: &'static str| {
        let token = logout_token(&scene, alg, kid);
        let provider = &scene.provider;
        async move { provider.verify_logout_token(&token).await.map(drop) }
    };
    // Before an ID token was verified, the documents decide.
    for (alg, kid) in [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "es256"), ("Ed25519", "ed25519")] {
        assert_eq!(verdict(alg, kid).await, Ok(()), "{alg}");
    }
    let refused = |algorithm| Err(LogoutTokenError::Algorithm(algorithm));
    assert_eq!(verdict("ES384", "es384").await, refused(Algorithm::Es384), "it is not listed");
    scene.sign_in(scene.claims(), Scene::user_info()).await.unwrap();
    assert_eq!(verdict("ES256", "es256").await, Ok(()));
    for (alg, kid, algorithm) in [
        ("RS256", "rsa", Algorithm::Rs256),
        ("PS256", "rsa", Algorithm::Ps256),
        ("Ed25519", "ed25519", Algorithm::EdDsa),
    ] {
        assert_eq!(verdict(alg, kid).await, refused(algorithm));
    }
}

/// authentik 2026.8 has one key, and its algorithm changes with the key: a logout token may be the first to show that,
/// while the known discovery document still names the former algorithm.
#[tokio::test]
async fn a_logout_token_is_the_first_to_be_signed_with_another_algorithm() {
    let scene = Scene::new().await;
    scene.sign_in(scene.claims(), Scene::user_info()).await.unwrap();
    let es384 = logout_token(&scene, "ES384", "es384");
    assert!(scene.provider.verify_logout_token(&es384).await.is_err(), "the former key is there");
    scene.op.always("/jwks", Answer::json(200, &json!({"keys": [PROVIDER.rsa_jwk()]})));
    let token = PROVIDER.sign(&json!({"alg": "RS256", "kid": "new"}), &logout_claims(&scene));
    assert!(scene.provider.verify_logout_token(&token).await.is_err(), "no such key");
    scene.clock.advance(Duration::from_secs(30));
    let mut renamed = PROVIDER.rsa_jwk();
    renamed["kid"] = json!("new");
    scene.op.always("/jwks", Answer::json(200, &json!({"keys": [renamed]})));
    assert!(scene.provider.verify_logout_token(&token).await.is_ok());
}
