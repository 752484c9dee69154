//! Userinfo as a signed JWT (OpenID Connect Core 1.0 §5.3.2), and one token that is both ID token and access token.

use serde_json::{Value, json};

use super::*;

/// A response of the userinfo endpoint that is a JWT.
fn jwt(token: &str) -> Answer {
    Answer::text(200, "Content-Type: application/jwt;charset=UTF-8\r\n", token)
}

/// The claims that Keycloak 26.7.3 signs, with some changed; null removes one.
fn claims(scene: &Scene, change: &Value) -> Value {
    let mut claims = json!({
        "iss": scene.op.issuer(), "aud": "coder-client-id", "sub": SUBJECT,
        "email": "alice@company.example", "email_verified": true, "preferred_username": "from-userinfo",
    });
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// Keycloak 26.7.3 signs its userinfo responses when the client's setting "User info signed response algorithm" is set.
#[tokio::test]
async fn a_signed_userinfo_answer_is_verified_like_an_id_token() {
    let scene = Scene::new().await;
    for header in [
        json!({"alg": "ES256", "kid": "es256", "typ": "JWT"}),
        json!({"alg": "RS256", "kid": "rsa"}),
        json!({"alg": "ES512", "kid": "es512"}),
    ] {
        let answer = jwt(&PROVIDER.sign(&header, &claims(&scene, &json!({}))));
        let identity = scene.sign_in(scene.claims(), answer).await.unwrap();
        assert_eq!(identity.claims()["preferred_username"], "from-userinfo", "it overrides the ID token");
        assert_eq!(identity.user_info().unwrap()["email"], "alice@company.example");
    }
    // The claims that Core recommends may be missing, and an audience may be one of several.
    for change in [
        json!({"iss": null, "aud": null}),
        json!({"aud": ["other", "coder-client-id"]}),
        json!({"exp": NOW + 1}),
        json!({"exp": NOW - 59}),
    ] {
        let answer = jwt(&PROVIDER.token(&claims(&scene, &change)));
        assert!(scene.sign_in(scene.claims(), answer).await.is_ok(), "{change}");
    }
    let request = &scene.op.seen("/userinfo")[0];
    assert!(request.headers["accept"].contains("application/jwt"));
}

#[tokio::test]
async fn a_signed_userinfo_answer_that_does_not_hold_is_refused_by_name() {
    let scene = Scene::new().await;
    let of = |change: Value| jwt(&PROVIDER.token(&claims(&scene, &change)));
    let foreign = STRANGER.token(&claims(&scene, &json!({})));
    let shared = PROVIDER.sign(&json!({"alg": "HS256"}), &claims(&scene, &json!({})));
    for (answer, expected) in [
        (of(json!({"iss": "https://evil.example/"})), "Claim(\"iss\")"),
        (of(json!({"iss": [scene.op.issuer()]})), "Claim(\"iss\")"),
        (of(json!({"aud": "other"})), "Claim(\"aud\")"),
        (of(json!({"aud": []})), "Claim(\"aud\")"),
        (of(json!({"exp": NOW - 60})), "Claim(\"exp\")"),
        (of(json!({"exp": "never"})), "Claim(\"exp\")"),
        (of(json!({"sub": "somebody-else"})), "Subject"),
        (of(json!({"sub": null})), "Subject"),
        (jwt(&foreign), "Token(Signature)"),
        (jwt(&shared), "Token(SharedSecret(\"HS256\"))"),
        (jwt("e30.a.b.c.d"), "Token(Encrypted)"),
        (jwt(&json!({"sub": SUBJECT}).to_string()), "Token(Malformed)"),
        (jwt(""), "Token(Malformed)"),
        (Answer::text(200, "Content-Type: application/json\r\n", &foreign), "NotAnObject"),
    ] {
        let error = scene.sign_in(scene.claims(), answer).await.map(drop).unwrap_err();
        assert_eq!(name(&error), format!("Provider(UserInfo({expected}))"));
    }
    let encrypted = UserInfoError::Token(JwsError::Encrypted).to_string();
    assert!(encrypted.contains("userinfo") && encrypted.contains("encrypted"), "{encrypted}");
}

/// Keycloak 26.7.3 with a new active key: it signs userinfo with it as well.
#[tokio::test]
async fn a_userinfo_answer_under_a_new_key_has_the_keys_read_anew() {
    let scene = Scene::new().await;
    let mut renamed = PROVIDER.es256_jwk();
    renamed["kid"] = json!("new");
    scene.op.always("/jwks", Answer::json(200, &json!({"keys": [PROVIDER.es256_jwk(), renamed]})));
    let token = PROVIDER.sign(&json!({"alg": "ES256", "kid": "new"}), &claims(&scene, &json!({})));
    scene.sign_in(scene.claims(), jwt(&token)).await.unwrap();
    assert_eq!(scene.op.seen("/jwks").len(), 2);
}

/// Casdoor 3.158.0 sends the access token as the ID token too, byte for byte.
#[tokio::test]
async fn one_token_for_both_is_refused_by_name_unless_that_danger_is_accepted() {
    let both = |id_token: String| {
        let mut answer = Scene::tokens(&id_token);
        answer["access_token"] = json!(id_token);
        Answer::json(200, &answer)
    };
    for accepted in [false, true] {
        let scene = Scene::with(|settings| settings.danger_access_token_as_id_token = accepted, |_| {}).await;
        scene.op.always("/userinfo", Scene::user_info());
        let mut claims = scene.claims();
        claims["tokenType"] = json!("access-token");
        claims["aud"] = json!(["coder-client-id"]);
        let found = scene.answer_token(both, claims.clone()).await.map(drop);
        if accepted {
            assert!(found.is_ok(), "{found:?}");
            // All its other rules hold, and a different access token is still refused.
            let mut other = claims.clone();
            other["aud"] = json!(["other"]);
            let found = scene.answer_token(both, other).await.map(drop).unwrap_err();
            assert_eq!(name(&found), "Provider(IdToken(Audience))");
            let two = |id_token: String| Answer::json(200, &Scene::tokens(&id_token));
            let found = scene.answer_token(two, claims).await.map(drop).unwrap_err();
            assert_eq!(name(&found), "Provider(IdToken(AccessToken))");
        } else {
            let error = found.unwrap_err();
            assert_eq!(name(&error), "Provider(IdToken(IsTheAccessToken))");
            let text = error.to_string();
            assert!(text.contains("Casdoor") && text.contains("oidc.dangerAccessTokenAsIDToken"), "{text}");
        }
    }
}
