//! Refreshes: what ends somebody, what does not, and who is judged again.

use serde_json::{Value, json};

use super::*;
use crate::types::{IdentityKey, Subject};

fn key(scene: &Scene) -> IdentityKey {
    IdentityKey {
        issuer: Issuer::parse(&scene.op.issuer(), false).unwrap(),
        subject: Subject::parse(SUBJECT).unwrap(),
    }
}

async fn refresh(scene: &Scene, answer: Answer) -> Result<Refreshed, RefreshError> {
    scene.op.once("/token", answer);
    scene.provider.refresh(&key(scene), &Secret::new("old-refresh-token")).await
}

fn answer(claims: &Value) -> Answer {
    Answer::json(200, &Scene::tokens(&PROVIDER.token(claims)))
}

/// A trouble after the provider had rotated the refresh token.
fn halfway(cause: Trouble) -> RefreshError {
    RefreshError::Halfway { refresh_token: Secret::new("refresh-token-canary"), cause }
}

#[tokio::test]
async fn a_refresh_sends_no_scope_and_gives_new_tokens() {
    let scene = Scene::new().await;
    let refreshed = refresh(&scene, answer(&scene.claims())).await.unwrap();
    let request = &scene.op.seen("/token")[0];
    assert_eq!(request.field("grant_type").unwrap(), "refresh_token");
    assert_eq!(request.field("refresh_token").unwrap(), "old-refresh-token");
    assert_eq!(request.field("scope"), None);
    assert_eq!(refreshed.access_token.expose(), "access-token-canary");
    assert_eq!(refreshed.access_expires_at, Timestamp::from_seconds(NOW + 300));
    assert_eq!(refreshed.refresh_token.as_ref().unwrap().expose(), "refresh-token-canary");
    assert_eq!(refreshed.sid, Sid::Present("session-at-the-provider".to_owned()));
    assert_eq!(refreshed.email.as_str(), "alice@company.example");
    assert!(scene.op.seen("/userinfo").is_empty(), "the ID token says enough");
    assert!(!format!("{refreshed:?}").contains("canary"));
}

/// authentik: the session ended, the refresh token lives on, and the new ID token has no `sid`.
#[tokio::test]
async fn a_missing_sid_is_told_apart_from_a_missing_id_token() {
    let scene = Scene::new().await;
    let mut claims = scene.claims();
    claims.as_object_mut().unwrap().remove("sid");
    assert_eq!(refresh(&scene, answer(&claims)).await.unwrap().sid, Sid::Missing);

    scene.op.always("/userinfo", Scene::user_info());
    let mut tokens = Scene::tokens("");
    tokens.as_object_mut().unwrap().remove("id_token");
    let refreshed = refresh(&scene, Answer::json(200, &tokens)).await.unwrap();
    assert_eq!(refreshed.sid, Sid::NotTold);
    assert!(refreshed.id_token.is_none());
    assert_eq!(refreshed.email.as_str(), "alice@company.example");
}

#[tokio::test]
async fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    let scene = Scene::new().await;
    for none in [Value::Null, json!("")] {
        let mut tokens = Scene::tokens(&PROVIDER.token(&scene.claims()));
        tokens["refresh_token"] = none;
        assert!(refresh(&scene, Answer::json(200, &tokens)).await.unwrap().refresh_token.is_none());
    }
}

/// Only `invalid_grant` ends; and an answer that says "not now" is never looked into.
#[tokio::test]
async fn only_invalid_grant_ends() {
    let scene = Scene::new().await;
    let oauth = |status, code: &str| Answer::json(status, &json!({"error": code}));
    for status in [400, 401, 403] {
        let error = refresh(&scene, oauth(status, "invalid_grant")).await.unwrap_err();
        assert!(matches!(error, RefreshError::Ended(_)), "{error:?}");
    }
    for (answer, expected) in [
        (oauth(400, "invalid_client"), "Provider(OAuth("),
        (oauth(401, "invalid_client"), "Provider(OAuth("),
        (oauth(400, "invalid_scope"), "Provider(OAuth("),
        (oauth(400, "INVALID_GRANT"), "Provider(OAuth("),
        (oauth(404, "not_found"), "Provider(OAuth("),
        (oauth(408, "invalid_grant"), "Unreachable("),
        (oauth(429, "invalid_grant"), "Unreachable("),
        (oauth(500, "invalid_grant"), "Unreachable("),
        (oauth(502, "invalid_grant"), "Unreachable("),
        (Answer::json(503, &json!({"error": "authentik starting"})), "Unreachable("),
        (Answer::text(400, "", ""), "Provider(TokenAnswer("),
        (Answer::text(400, "Content-Type: text/html\r\n", "<html>invalid_grant"), "Provider(TokenAnswer("),
        (Answer::text(200, "", ""), "Provider(TokenAnswer("),
        (oauth(200, "invalid_grant"), "Provider(TokenAnswer("),
        (Answer::text(301, "Location: /token2\r\n", ""), "Provider(TokenAnswer("),
        (Answer::never(), "Unreachable("),
    ] {
        let error = refresh(&scene, answer).await.unwrap_err();
        assert!(name(&error).starts_with(expected), "{error:?}");
    }
    let answer = Answer::text(503, "Retry-After: 5\r\n", "");
    let RefreshError::Unreachable(why) = refresh(&scene, answer).await.unwrap_err() else { panic!() };
    assert_eq!(why, Unreachable { cause: Cause::Status(503), retry_after: Some(Duration::from_secs(5)) });
    let answer = Answer::text(503, "Retry-After: 99999999999\r\n", "");
    let RefreshError::Unreachable(why) = refresh(&scene, answer).await.unwrap_err() else { panic!() };
    assert_eq!(why.retry_after, Some(Duration::from_mins(5)));
}

#[tokio::test]
async fn a_provider_that_was_never_read_ends_nobody() {
    let scene = Scene::undiscovered(|_| {}).await;
    let error = scene.provider.refresh(&key(&scene), &Secret::new("old")).await.unwrap_err();
    assert_eq!(
        error,
        RefreshError::Unreachable(Unreachable { cause: Cause::NotDiscovered, retry_after: None })
    );
}

/// mod_auth_openidc 07-31: the refreshed ID token is verified, and its subject compared. Conformance
/// suite: refresh with an invalid issuer, an invalid sub.
#[tokio::test]
async fn a_refreshed_id_token_is_verified_and_about_the_same_person() {
    let scene = Scene::new().await;
    let changed = |name: &str, value: Value| {
        let mut claims = scene.claims();
        claims[name] = value;
        claims
    };
    for (claims, expected) in [
        (changed("sub", json!("somebody-else")), IdTokenError::Subject),
        (
            changed("iss", json!("https://evil.example/")),
            IdTokenError::Issuer { found: "https://evil.example/".to_owned(), expected: scene.op.issuer() },
        ),
        (changed("aud", json!("other")), IdTokenError::Audience),
        (changed("azp", json!("other")), IdTokenError::AuthorizedParty),
    ] {
        let error = refresh(&scene, answer(&claims)).await.unwrap_err();
        assert_eq!(error, RefreshError::Provider(ProviderFault::IdToken(expected)));
    }
    for (claims, expected) in [
        (changed("exp", json!(NOW - 61)), IdTokenError::Expired),
        (changed("iat", json!(NOW + 61)), IdTokenError::Future("iat")),
        (changed("at_hash", json!("wrong")), IdTokenError::AccessTokenHash),
    ] {
        let error = refresh(&scene, answer(&claims)).await.unwrap_err();
        assert_eq!(error, halfway(Trouble::Provider(ProviderFault::IdToken(expected))));
    }
    let forged = Scene::tokens(&signer::STRANGER.token(&scene.claims()));
    let error = refresh(&scene, Answer::json(200, &forged)).await.unwrap_err();
    let forged = ProviderFault::IdToken(IdTokenError::Token(JwsError::Signature));
    assert_eq!(error, halfway(Trouble::Provider(forged)));
    // A nonce may be there; an old `auth_time` is nobody's fault.
    assert!(refresh(&scene, answer(&changed("nonce", json!("first")))).await.is_ok());
}

#[tokio::test]
async fn an_old_sign_in_is_refreshed_in_spite_of_max_age() {
    let scene = Scene::with(|settings| settings.max_age = Some(Duration::from_mins(5)), |_| {}).await;
    let mut claims = scene.claims();
    claims["auth_time"] = json!(NOW - 86_400);
    assert!(refresh(&scene, answer(&claims)).await.is_ok());
}

/// CVE-2021-41230: claims that changed are judged again.
#[tokio::test]
async fn somebody_who_left_the_group_or_the_domain_is_refused_at_the_refresh() {
    let change = |settings: &mut Settings| {
        settings.group_field = Some("groups".to_owned());
        settings.groups_allowed = vec!["coder-users".to_owned()];
        settings.email_domains = vec![crate::types::EmailDomain::parse("company.example").unwrap()];
    };
    let scene = Scene::with(change, |_| {}).await;
    let with = |name: &str, value: Value| {
        let mut claims = scene.claims();
        claims[name] = value;
        claims
    };
    assert!(refresh(&scene, answer(&scene.claims())).await.is_ok());
    for (claims, user_info, expected) in [
        (with("groups", json!([])), json!({"sub": SUBJECT}), "GroupNotAllowed"),
        (with("email", json!("alice@other.example")), json!({"sub": SUBJECT}), "DomainNotAllowed"),
        (with("email_verified", json!(false)), json!({"sub": SUBJECT}), "EmailUnverified"),
        (scene.claims(), json!({"sub": SUBJECT, "groups": []}), "ok"),
    ] {
        scene.op.always("/userinfo", Answer::json(200, &user_info));
        let found = match refresh(&scene, answer(&claims)).await {
            Ok(_) => "ok".to_owned(),
            Err(RefreshError::Refused(refusal)) => name(&refusal),
            Err(other) => panic!("{other:?}"),
        };
        assert!(found.starts_with(expected), "{found}");
    }
}

/// authentik with `include_claims_in_id_token` off: userinfo has what the ID token lacks.
#[tokio::test]
async fn claims_that_the_id_token_lacks_are_asked_for() {
    let scene = Scene::new().await;
    let mut bare = scene.claims();
    for claim in ["email", "email_verified", "preferred_username", "groups"] {
        bare.as_object_mut().unwrap().remove(claim);
    }
    scene.op.always("/userinfo", Scene::user_info());
    let refreshed = refresh(&scene, answer(&bare)).await.unwrap();
    assert_eq!(refreshed.email.as_str(), "alice@company.example");
    assert_eq!(refreshed.claims["sid"], "session-at-the-provider");
    assert_eq!(scene.op.seen("/userinfo")[0].headers["authorization"], "Bearer access-token-canary");

    for (user_info, expected) in [
        (
            Answer::json(200, &json!({"sub": "other", "email": "a@b.c", "email_verified": true})),
            "Provider(UserInfo(",
        ),
        (Answer::json(401, &json!({})), "Halfway { refresh_token: [redacted], cause: Provider(UserInfo("),
        (Answer::json(503, &json!({})), "Halfway { refresh_token: [redacted], cause: Unreachable("),
        (Answer::never(), "Halfway { refresh_token: [redacted], cause: Unreachable("),
        (Answer::json(200, &json!({"sub": SUBJECT})), "Refused(EmailMissing"),
    ] {
        scene.op.always("/userinfo", user_info);
        let error = refresh(&scene, answer(&bare)).await.unwrap_err();
        assert!(name(&error).starts_with(expected), "{error:?}");
    }
}

/// authentik has spent the old refresh token by then: what came in its place is not lost.
#[tokio::test]
async fn a_trouble_after_the_rotation_hands_the_new_refresh_token_over() {
    let scene = Scene::new().await;
    scene.op.always("/jwks", Answer::text(503, "", ""));
    let unknown = PROVIDER.sign(&json!({"alg": "ES256", "kid": "new"}), &scene.claims());
    let error = refresh(&scene, Answer::json(200, &Scene::tokens(&unknown))).await.unwrap_err();
    let fault = ProviderFault::IdToken(IdTokenError::Token(JwsError::UnknownKey));
    assert_eq!(error, halfway(Trouble::Provider(fault.clone())));
    assert!(!error.to_string().contains("canary"));
    let mut kept = Scene::tokens(&unknown);
    kept["refresh_token"] = Value::Null;
    let error = refresh(&scene, Answer::json(200, &kept)).await.unwrap_err();
    assert_eq!(error, RefreshError::Provider(fault));
}

#[tokio::test]
async fn tokens_of_somebody_who_may_not_come_in_are_given_back() {
    let scene = Scene::with(|settings| settings.ignore_user_info = true, |_| {}).await;
    scene.op.always("/revoke", Answer::json(200, &json!({})));
    let mut claims = scene.claims();
    claims["email_verified"] = json!(false);
    assert!(matches!(refresh(&scene, answer(&claims)).await, Err(RefreshError::Refused(_))));
    assert!(matches!(scene.sign_in(claims, Scene::user_info()).await, Err(LoginError::Refused(..))));
    let mut revoked: Vec<String> =
        scene.op.seen("/revoke").iter().map(|request| request.field("token").unwrap()).collect();
    revoked.sort();
    assert_eq!(
        revoked,
        ["access-token-canary", "access-token-canary", "refresh-token-canary", "refresh-token-canary"]
    );
}

#[tokio::test]
async fn without_id_token_and_userinfo_nobody_can_be_judged_and_nobody_is_ended() {
    let scene = Scene::with(|settings| settings.ignore_user_info = true, |_| {}).await;
    let mut tokens = Scene::tokens("");
    tokens["id_token"] = Value::Null;
    let error = refresh(&scene, Answer::json(200, &tokens)).await.unwrap_err();
    assert_eq!(error, halfway(Trouble::Provider(ProviderFault::NothingToJudge)));
}
