//! Discovery over a socket: what is read, what is kept, and when it is retried.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::types::within::within;

#[tokio::test]
async fn the_documents_are_kept_as_they_were_sent() {
    let scene = Scene::new().await;
    let documents = scene.provider.documents().unwrap();
    assert_eq!(documents.discovery, scene.op.discovery().to_string());
    assert_eq!(documents.jwks, PROVIDER.jwks().to_string());
    assert_eq!(documents.algorithms, Algorithm::ALL);
    assert!(scene.provider.ready() && scene.provider.trouble().is_none());
}

#[tokio::test]
async fn discovery_fails_with_what_is_wrong_and_what_to_change() {
    for (path, answer, expected, says) in [
        (StandIn::DISCOVERY, Answer::text(404, "", ""), "Status", "issuer mode"),
        (StandIn::DISCOVERY, Answer::text(302, "Location: /elsewhere\r\n", ""), "Status", "302"),
        (StandIn::DISCOVERY, Answer::text(200, "", "<html>"), "Document", "not understood"),
        (StandIn::DISCOVERY, Answer::json(200, &json!([])), "Document", "not understood"),
        (StandIn::DISCOVERY, Answer::json(503, &json!({})), "Unreachable", "503"),
        (StandIn::DISCOVERY, Answer::text(200, "", &"x".repeat(1_100_000)), "Unreachable", "too large"),
        (StandIn::DISCOVERY, Answer::never(), "Unreachable", "in time"),
        ("/jwks", Answer::json(200, &json!({})), "Keys(Empty)", "\"Signing Key\""),
        (
            "/jwks",
            Answer::json(200, &json!({"keys": [{"kty": "oct"}]})),
            "Keys(NoneUsable)",
            "\"Signing Key\"",
        ),
        ("/jwks", Answer::text(200, "", "\u{fffd}"), "Keys(NotASet)", "JWKS"),
        ("/jwks", Answer::text(500, "", ""), "Unreachable", "500"),
    ] {
        let scene = Scene::undiscovered(|_| {}).await;
        scene.op.describe(&scene.op.discovery(), &PROVIDER.jwks());
        scene.op.always(path, answer);
        let error = scene.provider.discover().await.unwrap_err();
        assert!(name(&error).starts_with(expected), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!scene.provider.ready() && scene.provider.documents().is_none());
        assert_eq!(scene.provider.trouble().as_deref(), Some(&error));
        assert!(scene.op.seen("/elsewhere").is_empty());
    }
    let nobody = Provider::new(
        settings("http://127.0.0.1:1/"),
        Client::new(&ClientSettings::default()).unwrap(),
        Clock::system(),
    );
    let error = nobody.discover().await.unwrap_err();
    assert_eq!(
        error,
        DiscoveryError::Unreachable(Unreachable { cause: OutageCause::Connect, retry_after: None })
    );
}

#[tokio::test]
async fn a_failed_reading_later_keeps_what_was_known() {
    let scene = Scene::new().await;
    let before = scene.provider.documents();
    let mut moved = scene.op.discovery();
    moved["issuer"] = json!("https://evil.example/");
    for answer in [Answer::text(503, "", ""), Answer::json(200, &moved), Answer::json(200, &json!({}))] {
        scene.op.always(StandIn::DISCOVERY, answer);
        scene.provider.discover().await.unwrap_err();
        assert!(scene.provider.ready() && scene.provider.trouble().is_some());
        assert_eq!(scene.provider.documents(), before);
    }
}

#[tokio::test]
async fn only_a_changed_document_counts_as_a_change() {
    let scene = Scene::new().await;
    let changes = scene.provider.changes();
    let first = *changes.borrow();
    scene.provider.discover().await.unwrap();
    assert_eq!(*changes.borrow(), first);
    let mut document = scene.op.discovery();
    document["scopes_supported"] = json!(["openid"]);
    scene.op.describe(&document, &PROVIDER.jwks());
    scene.provider.discover().await.unwrap();
    assert_eq!(*changes.borrow(), first + 1);
}

#[tokio::test]
async fn restored_documents_serve_coder_and_never_a_sign_in() {
    let scene = Scene::undiscovered(|_| {}).await;
    let (discovery, jwks) = (scene.op.discovery().to_string(), PROVIDER.jwks().to_string());
    let changes = scene.provider.changes();
    scene.provider.restore(&discovery, &jwks).unwrap();
    assert_eq!(*changes.borrow(), 1);
    assert_eq!(scene.provider.documents().unwrap().discovery, discovery);
    assert!(!scene.provider.ready());
    assert!(scene.provider.begin(LocalRedirect::root(), None).is_err());
    let token = PROVIDER.token(&json!({}));
    assert_eq!(scene.provider.verify_logout_token(&token).await, Err(LogoutTokenError::NotReady));
    // Another issuer, or no keys: refused.
    let other = discovery.replace("coder/\"", "other/\"");
    assert!(scene.provider.restore(&other, &jwks).is_err());
    assert!(scene.provider.restore(&discovery, "{}").is_err());
    // The provider's current documents come first.
    let mut document = scene.op.discovery();
    document["scopes_supported"] = Value::Null;
    scene.op.describe(&document, &PROVIDER.jwks());
    scene.provider.discover().await.unwrap();
    scene.provider.restore(&discovery, &jwks).unwrap();
    assert_eq!(scene.provider.documents().unwrap().discovery, document.to_string());
}

/// The gateway starts before authentik does.
#[tokio::test]
async fn a_provider_that_comes_up_later_is_discovered_in_the_background() {
    let scene = Scene::undiscovered(|_| {}).await;
    scene.op.once(StandIn::DISCOVERY, Answer::json(503, &json!({"error": "authentik starting"})));
    scene.op.describe(&scene.op.discovery(), &PROVIDER.jwks());
    let mut changes = scene.provider.changes();
    let stop = CancellationToken::new();
    let task = tokio::spawn(Arc::clone(&scene.provider).keep_discovered(stop.clone()));
    within(changes.changed()).await.unwrap();
    assert!(scene.provider.ready());
    assert_eq!(scene.op.seen(StandIn::DISCOVERY).len(), 2);
    stop.cancel();
    within(task).await.unwrap();
}

/// The audit log about a refused person.
#[tokio::test]
async fn a_refusal_names_the_user_of_a_valid_id_token() {
    let scene = Scene::with(|settings| settings.groups_allowed = vec!["nobody".to_owned()], |_| {}).await;
    let complete = async |user_info: Answer, change: Value| {
        let mut claims = scene.claims();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        scene.op.always("/userinfo", user_info);
        let answer = |id_token: String| Answer::json(200, &Scene::tokens(&id_token));
        scene.complete(answer, claims).await.map(drop).unwrap_err()
    };
    let said = async |user_info: Value, change: Value| {
        let about = complete(Answer::json(200, &user_info), change).await.about.unwrap();
        assert_eq!(about.key.subject.as_str(), SUBJECT);
        about.unverified_email
    };
    let alice = Some("alice@company.example".to_owned());
    assert_eq!(said(json!({"sub": SUBJECT}), json!({})).await, alice, "of no group");
    assert_eq!(said(json!({"sub": SUBJECT}), json!({"email_verified": false})).await, alice);
    let newer = json!({"sub": SUBJECT, "email": "bob@company.example"});
    assert_eq!(said(newer, json!({})).await.unwrap(), "bob@company.example", "userinfo overrides");
    let by_name = json!({"email": "", "preferred_username": "carol@company.example"});
    assert_eq!(said(json!({"sub": SUBJECT}), by_name).await.unwrap(), "carol@company.example");
    for nobody in [json!({"email": ""}), json!({"email": 7}), json!({"email": "\r\n"})] {
        assert_eq!(said(json!({"sub": SUBJECT}), nobody.clone()).await, None, "{nobody}");
    }
    let long = format!("a\u{1b}[2J\n{}@@x", "b".repeat(1000));
    let kept = said(json!({"sub": SUBJECT}), json!({"email": long})).await.unwrap();
    assert!(kept.starts_with("a[2Jb") && kept.len() == 320, "{kept}");
    let down = complete(Answer::text(503, "", ""), json!({})).await;
    assert!(matches!(down.error, LoginError::Unreachable(_)));
    assert_eq!(down.about.unwrap().unverified_email, alice, "the ID token has held");
    let forged = complete(Answer::json(200, &json!({"sub": SUBJECT})), json!({"aud": "other"})).await;
    assert_eq!(forged.about, None, "it has not");
}
