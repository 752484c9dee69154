//! A sign-in that must also be new at the provider: the request, and the accepted responses.

use serde_json::{Value, json};

use super::*;

/// The parameters of the authorization request with these settings, with or without another account.
async fn asked(
    change: impl FnOnce(&mut ProviderSettings),
    another: bool,
) -> (Option<String>, Option<String>) {
    let scene = Scene::with(change, |_| {}).await;
    let root = LocalRedirect::root();
    let begun =
        if another { scene.provider.begin_as_another(root, None) } else { scene.provider.begin(root, None) };
    let (_, url) = begun.unwrap();
    let value = |name: &str| {
        let values: Vec<_> = url.query_pairs().filter(|(key, _)| key == name).collect();
        assert!(values.len() <= 1, "{name} stands twice");
        values.first().map(|(_, value)| value.clone().into_owned())
    };
    (value("prompt"), value("max_age"))
}

fn both(prompt: &str, max_age: &str) -> (Option<String>, Option<String>) {
    (Some(prompt.to_owned()), Some(max_age.to_owned()))
}

/// authentik (2026.8.0-rc1) honours `prompt=login` once in a session and a `max_age` above 0 each time.
#[tokio::test]
async fn prompt_login_goes_with_a_max_age_of_seconds_and_a_shorter_one_of_the_operator_stays() {
    let prompt =
        |words: &'static str| move |settings: &mut ProviderSettings| settings.prompt = Some(words.to_owned());
    assert_eq!(asked(|_| {}, false).await, (None, None));
    assert_eq!(asked(|_| {}, true).await, both("login", "3"));
    assert_eq!(asked(prompt("login"), false).await, both("login", "3"));
    assert_eq!(asked(prompt("consent login"), false).await, both("consent login", "3"));
    assert_eq!(asked(prompt("consent"), false).await, (Some("consent".to_owned()), None));
    assert_eq!(asked(prompt("consent"), true).await, both("login", "3"));
    for (max_age, sent) in [(1, "1"), (300, "3")] {
        let change = |settings: &mut ProviderSettings| settings.max_age = Some(Duration::from_secs(max_age));
        assert_eq!(asked(change, true).await, both("login", sent));
    }
}

/// Completes a sign-in whose ID token has this `auth_time`.
async fn completed(scene: &Scene, auth_time: &Value) -> Result<(), String> {
    let mut claims = scene.claims();
    claims["auth_time"] = auth_time.clone();
    if auth_time.is_null() {
        claims.as_object_mut().unwrap().remove("auth_time");
    }
    scene.sign_in(claims, Scene::user_info()).await.map(drop).map_err(|error| name(&error))
}

/// OpenID Connect Core §3.1.2.1: with `prompt=login` the provider should have the person sign in again.
#[tokio::test]
async fn an_answer_to_prompt_login_with_an_earlier_sign_in_is_refused_and_its_tokens_are_given_back() {
    let scene = Scene::with(|settings| settings.prompt = Some("login".to_owned()), |_| {}).await;
    scene.op.always("/revoke", Answer::json(200, &json!({})));
    for at in [NOW + 30, NOW, NOW - 60] {
        assert_eq!(completed(&scene, &json!(at)).await, Ok(()), "{at}");
    }
    assert!(scene.op.seen("/revoke").is_empty());
    assert_eq!(completed(&scene, &json!(NOW - 61)).await, Err("NotAsked".to_owned()));
    assert_eq!(scene.op.seen("/revoke").len(), 2, "both tokens");
    let odd = completed(&scene, &json!("yesterday")).await.unwrap_err();
    assert!(odd.contains("auth_time"), "{odd}");
}

/// npm's oidc-provider 9.13.3 sends no `auth_time` unless the client's registration requests it.
#[tokio::test]
async fn a_provider_that_does_not_tell_when_one_signed_in_locks_nobody_out_but_by_max_age() {
    let scene = Scene::with(|settings| settings.prompt = Some("login".to_owned()), |_| {}).await;
    assert_eq!(completed(&scene, &Value::Null).await, Ok(()));
    let strict = |settings: &mut ProviderSettings| {
        settings.prompt = Some("login".to_owned());
        settings.max_age = Some(Duration::from_hours(1));
    };
    let scene = Scene::with(strict, |_| {}).await;
    assert!(completed(&scene, &Value::Null).await.unwrap_err().contains("AuthTime"));
    assert_eq!(
        completed(&scene, &json!(NOW - 61)).await,
        Err("NotAsked".to_owned()),
        "though within the hour"
    );
}

#[tokio::test]
async fn without_prompt_login_an_earlier_sign_in_at_the_provider_is_as_good_as_any() {
    let scene = Scene::new().await;
    assert_eq!(completed(&scene, &json!(NOW - 86_400)).await, Ok(()));
}
