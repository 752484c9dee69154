//! Refreshes: what ends a grant, what does not, and who is judged again.

use serde_json::{Value, json};

use super::*;
use crate::types::{IdentityKey, Subject};

fn key(scene: &Scene) -> IdentityKey {
    IdentityKey {
        issuer: Issuer::parse(&scene.op.issuer(), false).unwrap(),
        subject: Subject::parse(SUBJECT).unwrap(),
    }
}

/// The result of a refresh, and the new refresh token, which is kept in any case.
#[derive(Debug)]
enum Failed {
    Refresh(RefreshError),
    Judge(JudgeError, Option<Secret>),
}

async fn refresh(scene: &Scene, answer: Answer) -> Result<Refreshed, Failed> {
    scene.op.once("/token", answer);
    let answer = scene.provider.refresh(&Secret::new("old-refresh-token")).await.map_err(Failed::Refresh)?;
    let judged = scene.provider.judge_refreshed(&key(scene), &answer).await;
    judged.map_err(|error| Failed::Judge(error, answer.refresh_token().cloned()))
}

/// The error of a refresh that nevertheless brought a new refresh token.
fn kept(failed: Failed) -> JudgeError {
    let Failed::Judge(error, Some(token)) = failed else { panic!("{failed:?}") };
    assert_eq!(token.expose(), "refresh-token-canary");
    assert!(!error.to_string().contains("canary"));
    error
}

fn fault(error: IdTokenError) -> JudgeError {
    JudgeError::Provider(ProviderFault::IdToken(error))
}

fn answer(claims: &Value) -> Answer {
    Answer::json(200, &Scene::tokens(&PROVIDER.token(claims)))
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

/// authentik: the session ended, the refresh token stays valid, and the new ID token has no `sid`.
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

/// Only `invalid_grant` alone ends a grant; a response that means "not now" is never parsed.
#[tokio::test]
async fn only_invalid_grant_ends() {
    let scene = Scene::new().await;
    let oauth = |status, code: &str| Answer::json(status, &json!({"error": code}));
    // The other method of client authentication is tried, and refused too.
    scene.op.always("/token", oauth(400, "invalid_client"));
    for status in [400, 401, 403] {
        let error = refresh(&scene, oauth(status, "invalid_grant")).await.unwrap_err();
        assert!(matches!(error, Failed::Refresh(RefreshError::Ended(_))), "{error:?}");
    }
    for (answer, expected) in [
        (oauth(400, "invalid_client"), "Declined("),
        (oauth(401, "invalid_client"), "Declined("),
        (oauth(400, "invalid_scope"), "Declined("),
        (oauth(400, "INVALID_GRANT"), "Declined("),
        (oauth(404, "not_found"), "Declined("),
        (oauth(400, "temporarily_unavailable"), "Unreachable("),
        (oauth(400, "server_error"), "Unreachable("),
        (oauth(405, "invalid_grant"), "Unreachable("),
        (Answer::text(405, "", ""), "Unreachable("),
        (oauth(408, "invalid_grant"), "Unreachable("),
        (oauth(429, "invalid_grant"), "Unreachable("),
        (oauth(500, "invalid_grant"), "Unreachable("),
        (oauth(502, "invalid_grant"), "Unreachable("),
        (Answer::json(503, &json!({"error": "authentik starting"})), "Unreachable("),
        // A refusal without a name, which may also mean a dead refresh token.
        (Answer::text(400, "", ""), "Declined("),
        (Answer::text(400, "Content-Type: text/html\r\n", "<html>invalid_grant"), "Declined("),
        (Answer::text(401, "", ""), "Declined("),
        (
            Answer::text(404, "Content-Type: text/html\r\n", "<html>no such page"),
            "Provider(TokenEndpointResponse(",
        ),
        (Answer::text(200, "", ""), "Provider(TokenEndpointResponse("),
        (oauth(200, "invalid_grant"), "Provider(TokenEndpointResponse("),
        (Answer::text(301, "Location: /token2\r\n", ""), "Provider(TokenEndpointResponse("),
        (Answer::never(), "Unreachable("),
    ] {
        let Failed::Refresh(error) = refresh(&scene, answer).await.unwrap_err() else { panic!() };
        assert!(name(&error).starts_with(expected), "{error:?}");
    }
    let answer = Answer::text(503, "Retry-After: 5\r\n", "");
    let Failed::Refresh(RefreshError::Unreachable(why)) = refresh(&scene, answer).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(
        why,
        Unreachable { cause: OutageCause::Status(503), retry_after: Some(Duration::from_secs(5)) }
    );
    let answer = Answer::text(503, "Retry-After: 99999999999\r\n", "");
    let Failed::Refresh(RefreshError::Unreachable(why)) = refresh(&scene, answer).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(why.retry_after, Some(Duration::from_mins(5)));
}

#[tokio::test]
async fn a_provider_that_was_never_read_ends_nobody() {
    let scene = Scene::undiscovered(|_| {}).await;
    let error = scene.provider.refresh(&Secret::new("old")).await.unwrap_err();
    assert_eq!(
        error,
        RefreshError::Unreachable(Unreachable { cause: OutageCause::NotDiscovered, retry_after: None })
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
        (
            changed("iss", json!("https://evil.example/")),
            IdTokenError::Issuer { found: "https://evil.example/".to_owned(), expected: scene.op.issuer() },
        ),
        (changed("aud", json!("other")), IdTokenError::Audience),
        (changed("azp", json!("other")), IdTokenError::AuthorizedParty),
        (changed("exp", json!(NOW - 61)), IdTokenError::Expired),
        (changed("iat", json!(NOW + 61)), IdTokenError::Future("iat")),
        (changed("at_hash", json!("wrong")), IdTokenError::AccessTokenHash),
    ] {
        let error = kept(refresh(&scene, answer(&claims)).await.unwrap_err());
        assert_eq!(error, fault(expected));
    }
    let another = refresh(&scene, answer(&changed("sub", json!("somebody-else")))).await.unwrap_err();
    assert_eq!(kept(another), JudgeError::AnotherSubject);
    let forged = Scene::tokens(&signer::STRANGER.token(&scene.claims()));
    let error = kept(refresh(&scene, Answer::json(200, &forged)).await.unwrap_err());
    assert_eq!(error, fault(IdTokenError::Token(JwsError::Signature)));
    // A nonce may be present; an old `auth_time` does not matter.
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
    let change = |settings: &mut ProviderSettings| {
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
            Err(Failed::Judge(JudgeError::Refused(refusal), _)) => name(&refusal),
            Err(other) => panic!("{other:?}"),
        };
        assert!(found.starts_with(expected), "{found}");
    }
}

/// authentik with `include_claims_in_id_token` off: userinfo has the claims that the ID token lacks.
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
        (Answer::json(401, &json!({})), "Provider(UserInfo("),
        (Answer::json(503, &json!({})), "Unreachable("),
        (Answer::never(), "Unreachable("),
        (Answer::json(200, &json!({"sub": SUBJECT})), "Refused(EmailMissing"),
    ] {
        scene.op.always("/userinfo", user_info);
        let error = kept(refresh(&scene, answer(&bare)).await.unwrap_err());
        assert!(name(&error).starts_with(expected), "{error:?}");
    }
}

/// authentik has already spent the old refresh token: the new one is not lost.
#[tokio::test]
async fn a_trouble_after_the_rotation_hands_the_new_refresh_token_over() {
    let scene = Scene::new().await;
    scene.op.always("/jwks", Answer::text(503, "", ""));
    let unknown = PROVIDER.sign(&json!({"alg": "ES256", "kid": "new"}), &scene.claims());
    let error = kept(refresh(&scene, Answer::json(200, &Scene::tokens(&unknown))).await.unwrap_err());
    let unknown_key = fault(IdTokenError::Token(JwsError::UnknownKey));
    assert_eq!(error, unknown_key);
    let mut no_new_one = Scene::tokens(&unknown);
    no_new_one["refresh_token"] = Value::Null;
    let failed = refresh(&scene, Answer::json(200, &no_new_one)).await.unwrap_err();
    assert!(matches!(failed, Failed::Judge(error, None) if error == unknown_key));
}

/// Whatever else is wrong with a response, the new refresh token is available before any judgement.
#[tokio::test]
async fn an_answer_that_does_not_fit_hands_the_new_refresh_token_over() {
    let scene = Scene::new().await;
    let whole = Scene::tokens(&PROVIDER.token(&scene.claims()));
    for (member, value) in [
        ("token_type", json!("mac")),
        ("token_type", json!(["Bearer"])),
        ("access_token", Value::Null),
        ("expires_in", json!({"seconds": 300})),
        ("id_token", json!("no.token")),
        ("id_token", json!({"a": 1})),
    ] {
        let mut odd = whole.clone();
        odd[member] = value;
        let error = kept(refresh(&scene, Answer::json(200, &odd)).await.unwrap_err());
        assert!(matches!(error, JudgeError::Provider(_)), "{member}: {error:?}");
    }
    for (member, value) in
        [("token_type", Value::Null), ("scope", json!(["openid"])), ("expires_in", json!("300.5"))]
    {
        let mut other_form = whole.clone();
        other_form[member] = value;
        assert!(refresh(&scene, Answer::json(200, &other_form)).await.is_ok(), "{member}");
    }
    for (status, headers) in [(200, "Content-Type: text/html\r\n"), (201, "Content-Type: text/plain\r\n")] {
        let answer = Answer::text(status, headers, &whole.to_string());
        assert!(refresh(&scene, answer).await.is_ok(), "{status} {headers}");
    }
}

#[tokio::test]
async fn tokens_of_somebody_who_may_not_come_in_are_given_back() {
    let scene = Scene::with(|settings| settings.ignore_user_info = true, |_| {}).await;
    scene.op.always("/revoke", Answer::json(200, &json!({})));
    let mut claims = scene.claims();
    claims["email_verified"] = json!(false);
    let refused = kept(refresh(&scene, answer(&claims)).await.unwrap_err());
    assert!(matches!(refused, JudgeError::Refused(_)));
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
    let error = kept(refresh(&scene, Answer::json(200, &tokens)).await.unwrap_err());
    assert_eq!(error, JudgeError::Provider(ProviderFault::NothingToJudge));
}

/// A provider with a client registered for Basic: it refuses a dead refresh token with 401 `invalid_client`, and the
/// other method with 400 `unauthorized_client`. That shows nothing in favour of the other method.
#[tokio::test]
async fn a_method_that_got_another_error_is_not_remembered_as_the_one_that_works() {
    let scene = Scene::new().await;
    refresh(&scene, answer(&scene.claims())).await.unwrap();
    scene.op.once("/token", Answer::json(401, &json!({"error": "invalid_client"})));
    refresh(&scene, Answer::json(400, &json!({"error": "unauthorized_client"}))).await.unwrap_err();
    let before = scene.op.seen("/token").len();
    refresh(&scene, answer(&scene.claims())).await.unwrap();
    let asked = scene.op.seen("/token").split_off(before);
    assert!(asked.len() == 1 && asked[0].field("client_secret").is_none(), "by Basic, at once");
}

/// A server may quote the refresh token that it refuses.
#[tokio::test]
async fn a_refresh_token_that_the_provider_quotes_is_in_no_error() {
    let scene = Scene::new().await;
    for code in ["invalid_grant", "invalid_token"] {
        let quoting = json!({"error": code, "error_description": "Invalid refresh token: old-refresh-token"});
        let error = refresh(&scene, Answer::json(400, &quoting)).await.unwrap_err();
        let text = format!("{error:?}");
        assert!(text.contains("[redacted]") && !text.contains("old-refresh-token"), "{text}");
    }
}

/// RFC 6749 §5.1 only recommends `expires_in`, and Core §12.2 allows a refresh without an ID token.
#[tokio::test]
async fn a_refresh_that_says_nothing_of_an_expiry_is_good_for_a_while() {
    let scene = Scene::new().await;
    scene.op.always("/userinfo", Scene::user_info());
    for expires_in in [Value::Null, json!(0)] {
        let mut tokens = Scene::tokens("");
        tokens.as_object_mut().unwrap().remove("id_token");
        tokens["expires_in"] = expires_in;
        let refreshed = refresh(&scene, Answer::json(200, &tokens)).await.unwrap();
        assert_eq!(refreshed.access_expires_at, Timestamp::from_seconds(NOW + 300));
    }
}

/// A server may check a refresh token before the client: for an unknown one it responds `invalid_grant`, whatever the
/// secret is.
#[tokio::test]
async fn a_check_of_a_client_in_doubt_believes_only_a_provider_that_refuses_a_made_up_secret() {
    let scene = Scene::new().await;
    let oauth = |code: &str| Answer::json(400, &json!({"error": code}));
    scene.op.always("/token", oauth("invalid_grant"));
    assert_eq!(scene.provider.check_client(false).await, Ok(ClientCheck::Good));
    let checked = scene.provider.check_client(true).await;
    assert!(matches!(checked, Ok(ClientCheck::Unclear(_))), "{checked:?}");
    scene.op.once("/token", oauth("invalid_grant"));
    scene.op.once("/token", oauth("invalid_client"));
    assert_eq!(scene.provider.check_client(true).await, Ok(ClientCheck::Good));
}
