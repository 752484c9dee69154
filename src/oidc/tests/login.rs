//! A sign-in with a scripted provider: what is sent and refused, and in which order.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::signer::part;
use super::*;

/// The token endpoint's response, and the result.
type Case = (Box<dyn FnOnce(String) -> Answer>, &'static str);

async fn complete(scene: &Scene, login: PendingLogin, query: &str) -> Result<VerifiedIdentity, LoginError> {
    let answer = AuthorizationResponse::parse(query).unwrap();
    scene.provider.complete(login, answer).await.map_err(|failed| failed.error)
}

#[tokio::test]
async fn a_sign_in_asks_with_state_nonce_and_pkce_and_gives_an_identity() {
    let scene = Scene::new().await;
    let (login, parameters) = scene.begin();
    assert_eq!(parameters["response_type"], "code");
    assert_eq!(parameters["client_id"], "coder-client-id");
    assert_eq!(parameters["redirect_uri"], "http://127.0.0.1:3000/api/v2/users/oidc/callback");
    assert_eq!(parameters["scope"], "openid profile email offline_access");
    assert_eq!(parameters["code_challenge_method"], "S256");
    assert_eq!(parameters["access_type"], "offline");
    assert_eq!(parameters["state"], login.state());
    assert!(parameters["nonce"].as_str().unwrap().len() >= 43);

    let mut claims = scene.claims();
    claims["nonce"] = parameters["nonce"].clone();
    let id_token = PROVIDER.token(&claims);
    scene.op.once("/token", Answer::json(200, &Scene::tokens(&id_token)));
    scene.op.always("/userinfo", Scene::user_info());
    let query = format!("code=code-canary&state={}", login.state());
    let identity = complete(&scene, login, &query).await.unwrap();

    assert_eq!(identity.key().issuer.as_str(), scene.op.issuer());
    assert_eq!(identity.key().subject.as_str(), SUBJECT);
    assert_eq!(identity.email().as_str(), "alice@company.example");
    assert_eq!(identity.sid(), Some("session-at-the-provider"));
    assert_eq!(identity.id_token().expose(), id_token);
    assert_eq!(identity.access_token().expose(), "access-token-canary");
    assert_eq!(identity.access_expires_at(), Timestamp::from_seconds(NOW + 300));
    assert_eq!(identity.refresh_token().unwrap().expose(), "refresh-token-canary");
    assert_eq!(identity.scope(), Some("openid email profile offline_access"));
    assert_eq!(identity.user_info().unwrap()["sub"], SUBJECT);

    let request = &scene.op.seen("/token")[0];
    assert_eq!(request.field("grant_type").unwrap(), "authorization_code");
    assert_eq!(request.field("code").unwrap(), "code-canary");
    assert_eq!(request.field("redirect_uri").unwrap(), "http://127.0.0.1:3000/api/v2/users/oidc/callback");
    let verifier = request.field("code_verifier").unwrap();
    assert_eq!(part(digest(&SHA256, verifier.as_bytes())), parameters["code_challenge"].as_str().unwrap());
    assert_eq!(scene.op.seen("/userinfo")[0].headers["authorization"], "Bearer access-token-canary");
}

/// CVE-2024-47616, CVE-2025-66411: no printed text shows a secret.
#[tokio::test]
async fn nothing_that_is_printed_holds_a_secret() {
    let scene = Scene::new().await;
    let (login, parameters) = scene.begin();
    let shown = format!("{login:?}");
    for secret in ["state", "nonce"] {
        assert!(!shown.contains(parameters[secret].as_str().unwrap()), "{shown}");
    }
    let identity = scene.sign_in(scene.claims(), Scene::user_info()).await.unwrap();
    let whole = format!("{identity:?}");
    let shown = format!("{whole} {:?} {:?}", identity.into_parts(), scene.provider.settings);
    assert!(
        !shown.contains("canary") && !shown.contains(CLIENT_SECRET) && !shown.contains("alice"),
        "{shown}"
    );
}

/// CVE-2026-48090 and the ChangeLog of mod_auth_openidc: foreign parameters change nothing that the protocol needs.
#[tokio::test]
async fn parameters_of_the_operator_cannot_replace_those_of_the_protocol() {
    let change = |settings: &mut ProviderSettings| {
        let foreign = [
            ("state", "x"),
            ("nonce", "x"),
            ("redirect_uri", "https://evil.example"),
            ("prompt", "none"),
            ("max_age", "9"),
            ("login_hint", "a b&c"),
            ("request", "x"),
        ];
        settings.auth_url_params = foreign.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        settings.prompt = Some("login".to_owned());
        settings.max_age = Some(Duration::from_mins(5));
        settings.scopes = ["email", "openid", "email"].map(str::to_owned).to_vec();
    };
    let scene = Scene::with(change, |_| {}).await;
    let (login, parameters) = scene.begin();
    assert_eq!(parameters["state"], login.state());
    assert_eq!(parameters["prompt"], "login");
    assert_eq!(parameters["max_age"], "3");
    assert_eq!(parameters["login_hint"], "a b&c");
    assert_eq!(parameters["scope"], "openid email");
    assert!(!parameters.contains_key("request"));
}

#[tokio::test]
async fn another_account_is_asked_for_whatever_the_settings_prompt() {
    let change = |settings: &mut ProviderSettings| {
        settings.auth_url_params = vec![("prompt".to_owned(), "none".to_owned())];
        settings.prompt = Some("consent".to_owned());
    };
    let scene = Scene::with(change, |_| {}).await;
    let (_, url) = scene.provider.begin_as_another(LocalRedirect::root(), None).unwrap();
    let prompts: Vec<_> = url.query_pairs().filter(|(name, _)| name == "prompt").collect();
    assert_eq!(prompts.len(), 1);
    assert_eq!(prompts[0].1, "login");
}

#[tokio::test]
async fn nobody_is_sent_to_a_provider_that_was_never_read() {
    let scene = Scene::undiscovered(|_| {}).await;
    assert!(matches!(scene.provider.begin(LocalRedirect::root(), None), Err(NotReady(None))));
    scene.provider.discover().await.unwrap_err();
    let not_ready = scene.provider.begin(LocalRedirect::root(), None).map(drop).unwrap_err();
    assert!(not_ready.to_string().contains("404"), "{not_ready}");
}

/// The order of the checks of a response; nothing is sent to the provider before all of them pass.
#[tokio::test]
async fn an_answer_is_refused_by_the_first_thing_that_is_wrong() {
    let scene = Scene::with(
        |_| {},
        |document| document["authorization_response_iss_parameter_supported"] = true.into(),
    )
    .await;
    let issuer = part_of_query(&scene.op.issuer());
    let fresh = || scene.begin().0;
    let expired = fresh();
    scene.clock.advance(Duration::from_mins(11));
    let error = |answer: Result<VerifiedIdentity, LoginError>| answer.map(drop).unwrap_err();

    let login = fresh();
    assert!(matches!(
        error(complete(&scene, login, "error=x&state=other&iss=wrong").await),
        LoginError::State
    ));
    let query = format!("code=c&state={}&iss={issuer}", expired.state());
    assert!(matches!(error(complete(&scene, expired, &query).await), LoginError::Expired));
    for bad in [
        "",
        "&iss=",
        "&iss=https%3A%2F%2Fevil.example%2F",
        &format!("&iss={}", issuer.trim_end_matches("%2F")),
    ] {
        for outcome in ["code=c", "error=access_denied"] {
            let login = fresh();
            let query = format!("{outcome}&state={}{bad}", login.state());
            assert!(
                matches!(error(complete(&scene, login, &query).await), LoginError::Issuer { .. }),
                "{query}"
            );
        }
    }
    let login = fresh();
    let query = format!(
        "error=access_denied&error_description=no%0D%0A%1b%5B31m&state={}&iss={issuer}",
        login.state()
    );
    let LoginError::Denied(denied) = error(complete(&scene, login, &query).await) else { panic!("denied") };
    assert_eq!((denied.code.as_str(), denied.description.as_deref()), ("access_denied", Some("no[31m")));
    assert!(scene.op.seen("/token").is_empty());
}

fn part_of_query(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// RFC 9207 §2.4: a present `iss` is compared even when the provider promises none.
#[tokio::test]
async fn an_issuer_that_nobody_promised_is_compared_too() {
    let scene = Scene::new().await;
    let login = scene.begin().0;
    let query = format!("code=c&state={}&iss=https%3A%2F%2Fevil.example%2F", login.state());
    assert!(matches!(complete(&scene, login, &query).await, Err(LoginError::Issuer { .. })));
}

/// CVE-2026-41569, CVE-2024-47616: the token endpoint's responses are classified, and none is shown.
#[tokio::test]
async fn an_answer_of_the_token_endpoint_is_taken_only_when_it_is_one() {
    let scene = Scene::new().await;
    let oauth =
        |status, code: &str| Answer::json(status, &json!({"error": code, "error_description": "because"}));
    let changed = |name: &'static str, value: Value| {
        move |id_token: String| {
            let mut tokens = Scene::tokens(&id_token);
            tokens[name] = value;
            Answer::json(200, &tokens)
        }
    };
    let cases: Vec<Case> = vec![
        (Box::new(move |_| oauth(400, "invalid_grant")), "Code"),
        (Box::new(move |_| oauth(400, "invalid_client")), "Provider(OAuth("),
        (Box::new(move |_| oauth(401, "invalid_client")), "Provider(OAuth("),
        (Box::new(move |_| oauth(500, "invalid_grant")), "Unreachable("),
        (Box::new(move |_| oauth(200, "invalid_grant")), "Provider(TokenEndpointResponse("),
        (Box::new(|_| Answer::json(503, &json!({"error": "authentik starting"}))), "Unreachable("),
        (Box::new(|_| Answer::text(429, "Retry-After: 7\r\n", "")), "Unreachable("),
        (Box::new(|_| Answer::never()), "Unreachable("),
        (
            Box::new(|_| Answer::text(302, "Location: https://evil.example/\r\n", "")),
            "Provider(TokenEndpointResponse(",
        ),
        (
            Box::new(|_| Answer::text(200, "Content-Type: text/html\r\n", "<html>")),
            "Provider(TokenEndpointResponse(",
        ),
        (Box::new(|_| Answer::json(200, &json!([]))), "Provider(TokenEndpointResponse("),
        (Box::new(|_| Answer::json(200, &json!({"x": "y".repeat(1_100_000)}))), "Unreachable("),
        (Box::new(changed("token_type", json!("DPoP"))), "Provider(TokenEndpointResponse("),
        (Box::new(changed("access_token", json!(""))), "Provider(TokenEndpointResponse("),
        (Box::new(changed("access_token", json!("a\r\nb"))), "Provider(TokenEndpointResponse("),
        (Box::new(changed("access_token", json!(null))), "Provider(TokenEndpointResponse("),
        (Box::new(changed("refresh_token", json!("a\tb"))), "Provider(TokenEndpointResponse("),
        (Box::new(changed("expires_in", json!(-1))), "Provider(TokenEndpointResponse("),
        (Box::new(changed("expires_in", json!("soon"))), "Provider(TokenEndpointResponse("),
        (Box::new(changed("id_token", json!(null))), "Provider(IdToken(Missing"),
        (Box::new(changed("id_token", json!("e30.e30.e30.e30.e30"))), "Provider(IdToken(Token(Encrypted"),
        (Box::new(changed("id_token", json!("access-token-canary"))), "Provider(IdToken(IsTheAccessToken"),
    ];
    // The other method of client authentication is tried, and refused too.
    scene.op.always("/token", oauth(400, "invalid_client"));
    for (index, (answer, expected)) in cases.into_iter().enumerate() {
        let error = scene.answer_token(answer, scene.claims()).await.map(drop).unwrap_err();
        assert!(name(&error).starts_with(expected), "case {index}: {error:?}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    assert!(scene.op.seen("/userinfo").is_empty(), "userinfo is asked only after the ID token held");
}

#[tokio::test]
async fn the_life_of_the_access_token_is_read_as_number_or_text_or_taken_from_the_id_token() {
    let scene = Scene::with(|settings| settings.ignore_user_info = true, |_| {}).await;
    for (value, life) in
        [(json!(60), 60), (json!("60"), 60), (Value::Null, 300), (json!(u64::MAX), 316_224_000)]
    {
        let answer = |id_token: String| {
            let mut tokens = Scene::tokens(&id_token);
            tokens["expires_in"] = value;
            tokens["token_type"] = "bearer".into();
            tokens.as_object_mut().unwrap().remove("refresh_token");
            Answer::json(200, &tokens)
        };
        let identity = scene.answer_token(answer, scene.claims()).await.unwrap();
        assert_eq!(identity.access_expires_at(), Timestamp::from_seconds(NOW + life));
        assert!(identity.refresh_token().is_none());
    }
}

#[tokio::test]
async fn userinfo_overrides_the_id_token_as_at_coder() {
    let scene = Scene::new().await;
    let answer =
        json!({"sub": SUBJECT, "email": "bob@company.example", "email_verified": true, "extra": [1]});
    let identity = scene.sign_in(scene.claims(), Answer::json(200, &answer)).await.unwrap();
    assert_eq!(identity.email().as_str(), "bob@company.example");
    assert_eq!(identity.claims()["preferred_username"], "alice");
    assert_eq!(identity.claims()["extra"], json!([1]));
    assert_eq!(Value::Object(identity.user_info().unwrap().clone()), answer);
    // A verified ID token does not help an unverified userinfo either.
    let answer = Answer::json(200, &json!({"sub": SUBJECT, "email_verified": false}));
    let refused = scene.sign_in(scene.claims(), answer).await;
    assert!(matches!(
        refused,
        Err(LoginError::Refused(IdentityRefusal::EmailUnverified { found: EmailVerified::False, .. }))
    ));
}

/// Conformance suite: userinfo-invalid-sub; mod_auth_openidc 08-12: userinfo as an array.
#[tokio::test]
async fn a_userinfo_answer_is_taken_only_when_it_is_about_the_same_person() {
    let scene = Scene::new().await;
    let jwt = PROVIDER.token(&json!({"sub": SUBJECT}));
    for (answer, expected) in [
        (Answer::json(200, &json!({"sub": "somebody-else"})), "Provider(UserInfo(Subject"),
        (Answer::json(200, &json!({"email": "alice@company.example"})), "Provider(UserInfo(Subject"),
        (Answer::json(200, &json!({"sub": [SUBJECT]})), "Provider(UserInfo(Subject"),
        (Answer::json(200, &json!([{"sub": SUBJECT}])), "Provider(UserInfo(NotAnObject"),
        (Answer::text(200, "Content-Type: text/plain\r\n", &jwt), "Provider(UserInfo(NotAnObject"),
        (Answer::text(200, "", ""), "Provider(UserInfo(NotAnObject"),
        (
            Answer::text(401, "WWW-Authenticate: error=\"invalid_token\"\r\n", ""),
            "Provider(UserInfo(Status(401",
        ),
        (Answer::json(403, &json!({"sub": SUBJECT})), "Provider(UserInfo(Status(403"),
        (Answer::text(302, "Location: /userinfo2\r\n", ""), "Provider(UserInfo(Status(302"),
        (Answer::json(502, &json!({})), "Unreachable("),
        (Answer::json(200, &json!({"sub": SUBJECT, "x": "y".repeat(1_100_000)})), "Unreachable("),
        (Answer::never(), "Unreachable("),
    ] {
        let error = scene.sign_in(scene.claims(), answer).await.map(drop).unwrap_err();
        assert!(name(&error).starts_with(expected), "{error:?}");
    }
    assert!(scene.op.seen("/userinfo2").is_empty(), "no redirect is followed");
}

#[tokio::test]
async fn userinfo_is_not_asked_when_it_is_ignored_or_not_there() {
    for scene in [
        Scene::with(|settings| settings.ignore_user_info = true, |_| {}).await,
        Scene::with(|_| {}, |document| document["userinfo_endpoint"] = Value::Null).await,
    ] {
        let identity = scene.sign_in(scene.claims(), Answer::json(500, &json!({}))).await.unwrap();
        assert!(identity.user_info().is_none());
        assert!(scene.op.seen("/userinfo").is_empty());
    }
}

#[tokio::test]
async fn a_nonce_of_another_attempt_is_refused() {
    let scene = Scene::new().await;
    let mut claims = scene.claims();
    claims["nonce"] = scene.begin().1["nonce"].clone();
    let error = scene.sign_in(claims, Scene::user_info()).await.map(drop).unwrap_err();
    assert!(matches!(error, LoginError::Provider(ProviderFault::IdToken(IdTokenError::Nonce))));
}

#[tokio::test]
async fn the_client_secret_is_sent_as_discovery_says() {
    let post = |document: &mut Value| {
        document["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    };
    let basic = |document: &mut Value| {
        document["token_endpoint_auth_methods_supported"] = json!(["client_secret_basic"]);
    };
    let odd = |settings: &mut ProviderSettings| {
        settings.client_id = "id:1".to_owned();
        settings.credential = Secret::new("s e+c/r:et").into();
    };
    let scene = Scene::with(odd, basic).await;
    scene.sign_in(scene.claims(), Scene::user_info()).await.map(drop).unwrap_err();
    let request = &scene.op.seen("/token")[0];
    // RFC 6749 §2.3.1: both halves form-encoded, then base64.
    assert_eq!(request.headers["authorization"], "Basic aWQlM0ExOnMrZSUyQmMlMkZyJTNBZXQ=");
    assert_eq!(request.field("client_secret"), None);

    let scene = Scene::with(odd, post).await;
    scene.sign_in(scene.claims(), Scene::user_info()).await.map(drop).unwrap_err();
    let request = &scene.op.seen("/token")[0];
    assert!(!request.headers.contains_key("authorization"));
    assert_eq!(request.field("client_id").unwrap(), "id:1");
    assert_eq!(request.field("client_secret").unwrap(), "s e+c/r:et");
}

/// CVE-2024-38371, CVE-2024-52287: the granted scope is compared with the requested one.
#[test]
fn scopes_that_differ_from_those_asked_for_are_found() {
    let compare = super::super::scopes::compare_scopes;
    let asked = ["openid", "email", "offline_access"];
    assert_eq!(compare(&asked, None), (vec![], vec![]));
    assert_eq!(compare(&asked, Some("offline_access email  openid")), (vec![], vec![]));
    assert_eq!(compare(&asked, Some("openid email admin")), (vec!["offline_access"], vec!["admin"]));
    assert_eq!(compare(&asked, Some("")).0, asked);
}

#[test]
fn an_attempt_is_taken_back_as_it_was_sealed_and_only_then() {
    let redirect = LocalRedirect::parse("/workspaces?a=b").unwrap();
    let now = Timestamp::from_seconds(NOW);
    let login =
        super::super::pending_login::PendingLogin::new(redirect.clone(), Some("merge".to_owned()), true, now);
    let back = PendingLogin::from_bytes(&login.to_bytes()).unwrap();
    assert_eq!(
        (back.state(), back.redirect(), back.merge_state()),
        (login.state(), &redirect, Some("merge"))
    );
    assert_eq!((back.started_at(), back.reauthenticates()), (now, true));
    assert!(login.nonce == back.nonce && login.verifier == back.verifier);
    for bad in [&b""[..], b"{}", b"[]", &login.to_bytes()[1..]] {
        assert!(PendingLogin::from_bytes(bad).is_err());
    }
    let text = String::from_utf8(login.to_bytes()).unwrap();
    assert!(PendingLogin::from_bytes(text.replace("/workspaces", "//evil.example").as_bytes()).is_err());
    for odd in ["", "a b", "a\n", &"x".repeat(257)] {
        let login = super::super::pending_login::PendingLogin::new(
            LocalRedirect::root(),
            Some(odd.to_owned()),
            false,
            now,
        );
        assert_eq!(login.merge_state(), None);
    }
}
