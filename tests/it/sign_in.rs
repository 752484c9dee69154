//! Signing in, from the first click to the dashboard, and every refusal on the way.

use std::time::Duration;

use serde_json::json;

use crate::support::client::Browser;
use crate::support::coder::{Fault, Version};
use crate::support::keys::SigningKey;
use crate::support::provider::{Fault as ProviderFault, Provider};
use crate::support::world::{Options, World};

const CALLBACK: &str = "/api/v2/users/oidc/callback";

#[tokio::test]
async fn the_first_user_signs_in_lands_where_they_wanted_and_is_owner() {
    for version in [Version::July2025, Version::February2026] {
        let world = World::with(Options { version, ..Options::default() }).await;
        let browser = Browser::new();
        let answer = world.sign_in_with(&browser, "alice", "/workspaces?filter=owner:me").await;
        assert_eq!((answer.status, answer.location()), (307, "/workspaces?filter=owner:me"), "{version:?}");
        let me = world.whoami(&browser).await;
        assert_eq!(
            (me["username"].as_str(), me["roles"][0]["name"].as_str()),
            (Some("alice"), Some("owner"))
        );
        let linked = world.coder.users()[0].link.as_ref().unwrap().linked_id.clone();
        assert_eq!(linked, format!("{}||sub-alice", world.provider.issuer()));
        let bob = world.sign_in("bob").await;
        assert_eq!(world.whoami(&bob).await["roles"], json!([]));
    }
}

#[tokio::test]
async fn the_authorization_request_has_pkce_nonce_and_an_opaque_state() {
    let world = World::start().await;
    world.sign_in("alice").await;
    let form = &world.provider.forms("authorize")[0];
    let value = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
    assert_eq!(value("code_challenge_method"), "S256");
    assert_eq!(value("code_challenge").len(), 43);
    assert!(value("nonce").len() >= 22 && value("state").len() >= 22);
    assert_eq!(value("response_type"), "code");
    assert_eq!(value("redirect_uri"), world.url(CALLBACK));
    assert_eq!(value("scope"), "openid profile email offline_access");
    assert_eq!(value("client_id"), "cid");
}

#[tokio::test]
async fn neither_cookies_nor_secrets_of_the_legs_reach_the_browser_and_own_cookies_never_reach_coder() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let names = browser.cookie_names(&world.host);
    assert!(names.iter().all(|name| !name.starts_with("oauth_") && !name.contains("attempt")), "{names:?}");
    browser.set_cookie(&world.host, "vestibule_attempt_x", "planted");
    browser.set_cookie(&world.host, "__Host-vestibule_attempt_x", "planted");
    browser.get(&world.url("/workspaces")).await;
    for seen in world.coder.seen() {
        let cookies: Vec<_> =
            seen.headers.get_all("cookie").iter().map(|line| line.to_str().unwrap()).collect();
        assert!(cookies.iter().all(|line| !line.contains("vestibule")), "{}: {cookies:?}", seen.target);
    }
}

#[tokio::test]
async fn coder_sees_the_persons_address_and_user_agent_on_both_legs() {
    let world = World::start().await;
    world.sign_in("alice").await;
    let legs = world.coder.seen_at(CALLBACK);
    assert_eq!(legs.len(), 2);
    for leg in legs {
        assert_eq!(leg.headers["x-forwarded-for"], "127.0.0.1");
        assert_eq!(leg.headers["user-agent"], "Mozilla/5.0 (test)");
        assert_eq!(leg.headers["host"], world.host.as_str());
    }
}

#[tokio::test]
async fn many_tabs_sign_in_at_once_and_at_most_five_attempts_are_kept() {
    let world = World::start().await;
    let browser = Browser::new();
    let mut backs = Vec::new();
    for tab in 0..7 {
        backs.push(world.to_callback(&browser, "alice", &format!("/tab{tab}")).await);
        world.advance(Duration::from_secs(1));
    }
    let kept = browser.cookie_names(&world.host).iter().filter(|name| name.contains("attempt")).count();
    assert_eq!(kept, 5);
    for (tab, back) in backs.iter().enumerate().skip(2) {
        let answer = browser.get(back).await;
        assert_eq!((answer.status, answer.location()), (307, format!("/tab{tab}").as_str()));
    }
}

#[tokio::test]
async fn an_answer_without_its_attempt_is_refused_before_the_code_is_used() {
    let world = World::start().await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    let stranger = Browser::new().get(&back).await;
    assert_eq!(stranger.status, 400, "{}", stranger.text());
    let bent = back.replace("state=", "state=x");
    assert_eq!(browser.get(&bent).await.status, 400);
    assert_eq!(world.provider.grants("authorization_code"), 0, "no code was presented");
    assert!(world.coder.seen_at(CALLBACK).is_empty());
}

#[tokio::test]
async fn an_answer_works_once() {
    let world = World::start().await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    let cookies: Vec<_> = browser.cookie_names(&world.host);
    let attempt = cookies.iter().find(|name| name.contains("attempt")).unwrap();
    let value = browser.cookie(&world.host, attempt).unwrap();
    assert_eq!(browser.get(&back).await.status, 307);
    // Somebody who copied both URL and cookie replays them.
    let thief = Browser::new();
    thief.set_cookie(&world.host, attempt, &value);
    assert_eq!(thief.get(&back).await.status, 400);
    assert_eq!(world.provider.grants("authorization_code"), 1);
}

#[tokio::test]
async fn an_attempt_that_took_too_long_is_refused_with_a_way_to_start_again() {
    let world = World::start().await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    world.advance(Duration::from_secs(601));
    let answer = browser.get(&back).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains(CALLBACK), "a link to start again: {}", answer.text());
}

#[tokio::test]
async fn duplicated_protocol_parameters_are_refused() {
    let world = World::start().await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    for extra in ["&code=other", "&state=other", "&iss=a&iss=b"] {
        assert_eq!(browser.get(&format!("{back}{extra}")).await.status, 400, "{extra}");
    }
    assert_eq!(world.provider.grants("authorization_code"), 0);
}

#[tokio::test]
async fn a_provider_that_says_no_gets_a_page_and_its_words_do_not_become_markup() {
    let world = World::start().await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    let state =
        url::Url::parse(&back).unwrap().query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    let url = world.url(&format!(
        "{CALLBACK}?error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E&state={state}"
    ));
    let answer = browser.get(&url).await;
    assert_eq!(answer.status, 403);
    assert!(!answer.text().contains("<script"), "{}", answer.text());
    assert!(world.coder.seen_at(CALLBACK).is_empty());
}

#[tokio::test]
async fn an_open_redirect_cannot_be_asked_for() {
    let world = World::start().await;
    for wanted in [
        "//evil.example/x",
        "/\\evil.example",
        "https://evil.example/",
        "/%09/evil.example",
        "/..//evil.example",
    ] {
        let browser = Browser::new();
        let answer = world.sign_in_with(&browser, "alice", wanted).await;
        assert_eq!((answer.status, answer.location()), (307, "/"), "{wanted}");
    }
}

/// A fault of a stand-in.
type Bend = fn(&Provider);

/// The change at the provider, and a word that the page must contain.
type Lie = (&'static str, fn(&Provider), &'static str);

#[tokio::test]
async fn every_person_who_may_not_come_in_is_told_why_and_coder_is_never_asked() {
    let cases: &[Lie] = &[
        ("another domain", |p| p.sign_in_as("eve"), "evil.example"),
        ("a domain that ends alike", |p| claim(p, "email", &json!("a@evilacme.company")), "evilacme.company"),
        ("two at signs", |p| claim(p, "email", &json!("a@evil@acme.company")), "email"),
        ("no email", |p| claim(p, "email", &json!("")), "email"),
        ("an email that is no text", |p| claim(p, "email", &json!(7)), "email"),
        ("an unverified email", |p| claim(p, "email_verified", &json!(false)), "email_verified"),
        ("a missing email_verified", |p| claim(p, "email_verified", &json!(null)), "email_verified"),
        ("email_verified as text", |p| claim(p, "email_verified", &json!("true")), "email_verified"),
        ("email_verified as a number", |p| claim(p, "email_verified", &json!(1)), "email_verified"),
    ];
    for (case, lie, word) in cases {
        let world = World::start().await;
        world.ready().await;
        let browser = Browser::new();
        let start = browser.get(&world.start_url("/")).await;
        lie(&world.provider);
        let authorize = browser.get(start.location()).await;
        let answer = browser.get(authorize.location()).await;
        assert_eq!(answer.status, 403, "{case}: {}", answer.text());
        assert!(answer.text().contains(word), "{case}: {}", answer.text());
        assert!(answer.text().contains("prompt=login"), "{case}: the way on asks for another account");
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{case}");
        assert!(world.coder.seen_at(CALLBACK).is_empty(), "{case}");
        assert!(world.provider.live_tokens().is_empty() || world.provider.count("revoke") < 3, "{case}");
    }
}

fn claim(provider: &Provider, name: &'static str, value: &serde_json::Value) {
    provider.tune(|knobs| {
        knobs.id_token.insert(name.to_owned(), value.clone());
        knobs.userinfo.insert(name.to_owned(), value.clone());
    });
}

#[tokio::test]
async fn every_dishonest_or_broken_id_token_is_refused_and_coder_is_never_asked() {
    let lies: &[(&str, Bend)] = &[
        ("another issuer", |p| id_token(p, "iss", &json!("https://evil.example/"))),
        ("the issuer without its slash", |p| {
            let issuer = p.issuer();
            id_token(p, "iss", &json!(issuer.trim_end_matches('/')));
        }),
        ("another audience", |p| id_token(p, "aud", &json!("other"))),
        ("no audience", |p| id_token(p, "aud", &json!(null))),
        ("a second audience without azp", |p| id_token(p, "aud", &json!(["cid", "other"]))),
        ("a foreign azp", |p| id_token(p, "azp", &json!("other"))),
        ("expired", |p| id_token(p, "exp", &json!(1_795_514_400 - 61))),
        ("no exp", |p| id_token(p, "exp", &json!(null))),
        ("an exp beyond numbers", |p| id_token(p, "exp", &json!(1e300))),
        ("issued in the future", |p| id_token(p, "iat", &json!(1_795_514_400 + 3600))),
        ("no iat", |p| id_token(p, "iat", &json!(null))),
        ("not yet valid", |p| id_token(p, "nbf", &json!(1_795_514_400 + 3600))),
        ("another nonce", |p| id_token(p, "nonce", &json!("other"))),
        ("no nonce", |p| id_token(p, "nonce", &json!(null))),
        ("a wrong at_hash", |p| id_token(p, "at_hash", &json!("AAAAAAAAAAAAAAAAAAAAAA"))),
        ("no subject", |p| id_token(p, "sub", &json!(null))),
        ("userinfo of somebody else", |p| {
            p.tune(|knobs| {
                knobs.userinfo.insert("sub".to_owned(), json!("sub-bob"));
            });
        }),
        ("alg none", |p| header(p, "alg", &json!("none"))),
        ("an unknown alg", |p| header(p, "alg", &json!("XX999"))),
        ("HS256, signed with the client secret", |p| p.use_keys(vec![SigningKey::new("k1", "HS256", 0)])),
        ("a kid that nobody has", |p| header(p, "kid", &json!("nobody"))),
        ("the alg of another family", |p| header(p, "alg", &json!("ES256"))),
        ("a critical extension", |p| header(p, "crit", &json!(["x"]))),
        ("garbage from the token endpoint", |p| p.fail_next("token", ProviderFault::Garbled)),
        ("a token endpoint that hangs up", |p| p.fail_next("token", ProviderFault::HangUp)),
        ("garbage from userinfo", |p| p.fail_next("userinfo", ProviderFault::Garbled)),
        ("an array from userinfo", |p| p.fail_next("userinfo", ProviderFault::Status(200, "[1]".to_owned()))),
    ];
    for (case, lie) in lies {
        let world = World::start().await;
        let browser = Browser::new();
        let back = world.to_callback(&browser, "alice", "/").await;
        lie(&world.provider);
        let answer = browser.get(&back).await;
        assert!(
            (400..=503).contains(&answer.status) && answer.status != 404,
            "{case}: {} {}",
            answer.status,
            answer.text()
        );
        assert!(browser.cookie(&world.host, "coder_session_token").is_none(), "{case}");
        assert!(world.coder.seen_at(CALLBACK).is_empty(), "{case}");
        for token in world.provider.live_tokens() {
            assert!(!answer.text().contains(&token), "{case}: a token on the page");
        }
    }
}

fn id_token(provider: &Provider, name: &'static str, value: &serde_json::Value) {
    provider.tune(|knobs| {
        knobs.id_token.insert(name.to_owned(), value.clone());
    });
}

fn header(provider: &Provider, name: &'static str, value: &serde_json::Value) {
    provider.tune(|knobs| {
        knobs.header.insert(name.to_owned(), value.clone());
    });
}

#[tokio::test]
async fn every_accepted_algorithm_signs_in_and_a_rotated_key_is_fetched_once() {
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"] {
        let world = World::without_gateway(Options::default()).await;
        world.provider.use_keys(vec![SigningKey::new("k1", alg, 0)]);
        let mut world = world;
        world.start_gateway().await;
        world.sign_in("alice").await;
    }
    let world = World::start().await;
    world.sign_in("alice").await;
    let before = world.provider.count("jwks");
    world.advance(Duration::from_mins(1));
    world.provider.use_keys(vec![SigningKey::new("k2", "RS256", 1)]);
    world.sign_in("bob").await;
    world.sign_in("carol").await;
    assert_eq!(world.provider.count("jwks"), before + 1);
}

#[tokio::test]
async fn both_ways_of_client_authentication_work_as_discovery_says() {
    for methods in [vec!["client_secret_basic"], vec!["client_secret_post"]] {
        let mut world = World::without_gateway(Options::default()).await;
        world.provider.tune(|knobs| knobs.auth_methods.clone_from(&methods));
        world.start_gateway().await;
        world.sign_in("alice").await;
        let form = &world.provider.forms("token")[0];
        let posted = form.iter().any(|(name, _)| name == "client_secret");
        assert_eq!(posted, methods == ["client_secret_post"]);
    }
}

/// RFC 9207.
#[tokio::test]
async fn a_response_iss_is_compared_and_demanded_when_advertised() {
    let mut world = World::without_gateway(Options::default()).await;
    world.provider.tune(|knobs| knobs.response_iss = true);
    world.start_gateway().await;
    world.sign_in("alice").await;
    let browser = Browser::new();
    let back = world.to_callback(&browser, "alice", "/").await;
    let url = url::Url::parse(&back).unwrap();
    let without: Vec<_> = url
        .query_pairs()
        .filter(|(name, _)| name != "iss")
        .map(|(n, v)| (n.into_owned(), v.into_owned()))
        .collect();
    let mut bare = url.clone();
    bare.query_pairs_mut().clear().extend_pairs(&without);
    assert_eq!(browser.get(bare.as_str()).await.status, 400);
    let back = world.to_callback(&browser, "alice", "/").await;
    let foreign = back.replace("iss=http", "iss=https");
    assert_eq!(browser.get(&foreign).await.status, 400);
}

#[tokio::test]
async fn coder_down_is_a_page_that_says_so_and_the_next_try_works() {
    let world = World::start().await;
    world.coder.fail_next(CALLBACK, Fault::HangUp);
    let browser = Browser::new();
    let answer = world.sign_in_with(&browser, "alice", "/").await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    world.until("what it brought is revoked", || world.provider.live_tokens().is_empty()).await;
    world.sign_in("alice").await;
}

#[tokio::test]
async fn a_provider_that_is_not_up_yet_is_said_on_the_page_and_found_when_it_comes() {
    let mut world = World::without_gateway(Options::default()).await;
    world.provider.stop();
    world.start_gateway().await;
    let browser = Browser::new();
    let answer = browser.get(&world.start_url("/workspaces")).await;
    let page = answer.text();
    assert_eq!(answer.status, 503, "{page}");
    for part in ["does not answer", "http-equiv", "redirect=%2Fworkspaces"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    world.provider.start_again().await;
    world.sign_in("alice").await;
}

#[tokio::test]
async fn the_session_that_was_there_before_is_dead_after_a_new_sign_in() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let before = world.session(&browser);
    assert_eq!(world.me(&before).await.status, 200);
    assert_eq!(world.sign_in_with(&browser, "alice", "/").await.status, 307);
    let after = world.session(&browser);
    assert_ne!(before, after);
    assert_eq!(world.me(&before).await.status, 401);
    assert_eq!(world.me(&after).await.status, 200);
}
