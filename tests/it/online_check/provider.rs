//! The findings about the provider; each product responds as recorded.

use std::time::Duration;

use serde_json::json;
use vestibule::app::{Level, check_online};
use vestibule::config::Config;
use vestibule::types::Clock;

use super::{about, found, found_with, wrong};
use crate::support::Refusals;
use crate::support::provider::{Fault, Knobs};
use crate::support::world::{Options, World};

const SECRET: &str = "clientSecret: secret-of-the-client";
const WRONG_SECRET: &str = "clientSecret: secret-of-somebody-else";

/// A change to the provider's behaviour.
type Change = fn(&mut Knobs);

/// Both neighbours, with a provider that does not look like authentik.
async fn with_another_provider(refusals: Refusals) -> World {
    let world = World::without_gateway(Options::default()).await;
    world.provider.tune(|knobs| {
        knobs.refusals = refusals;
        knobs.discovery.insert("acr_values_supported".to_owned(), json!(["1"]));
    });
    world
}

#[tokio::test]
async fn each_fault_of_the_documents_has_a_remedy_of_its_own() {
    let world = World::without_gateway(Options::default()).await;
    let first = || async { found(&world).await.remove(0) };
    assert_eq!(first().await.level, Level::Ok);
    for (name, value, cause, remedy) in [
        ("issuer", json!("https://other.example/"), "match exactly", "oidc.issuerURL"),
        ("id_token_signing_alg_values_supported", json!(["HS256"]), "client secret", "Signing Key"),
        ("token_endpoint", json!("http://provider.example/token"), "not https", "X-Forwarded-Proto"),
        ("code_challenge_methods_supported", json!(["plain"]), "PKCE", "Enable it"),
    ] {
        world.provider.tune(|knobs| drop(knobs.discovery.insert(name.to_owned(), value)));
        let found = first().await;
        assert_eq!(found.level, Level::Wrong, "{found:?}");
        assert!(found.cause.contains(cause) && found.remedy.contains(remedy), "{name}: {found:?}");
        world.provider.tune(|knobs| drop(knobs.discovery.remove(name)));
    }
    world.provider.fail_next("jwks", Fault::Status(200, "{}".to_owned()));
    let found = first().await;
    assert!(
        found.level == Level::Wrong && found.remedy.contains("Signing Key"),
        "no key, as authentik has it: {found:?}"
    );
    world.provider.stop();
    let found = first().await;
    assert!(found.level == Level::Wrong && found.remedy.contains("SSL_CERT_FILE"), "{found:?}");
}

/// authentik 2026.8.0-rc1 behind a proxy that sends no `X-Forwarded-Proto`, requested without the trailing slash.
#[tokio::test]
async fn an_issuer_that_differs_in_scheme_or_slash_alone_is_explained_with_both() {
    let world = World::without_gateway(Options::default()).await;
    let issuer = world.provider.issuer();
    for (found_issuer, cause) in [
        (issuer.replace("http://", "https://"), "X-Forwarded-Proto"),
        (issuer.trim_end_matches('/').to_owned(), "only the trailing slash differs"),
    ] {
        let value = json!(found_issuer);
        world.provider.tune(|knobs| drop(knobs.discovery.insert("issuer".to_owned(), value)));
        let findings = found(&world).await;
        let cause_found = &findings[0].cause;
        for part in [cause, &format!("\"{found_issuer}\""), &format!("\"{issuer}\"")] {
            assert!(cause_found.contains(part), "{part}: {cause_found}");
        }
    }
}

/// authentik 2026.8.0-rc1: `invalid_client` to a refresh with a wrong secret, and to a code for a redirect URI that
/// is missing or of the type Logout; `invalid_grant` to a grant type that is not allowed, before anything else.
#[tokio::test]
async fn what_authentik_tells_before_anybody_signs_in_is_said_with_the_field_to_change() {
    let world = World::without_gateway(Options::default()).await;
    let tuned = |change: Change| {
        world.provider.tune(|knobs| *knobs = Knobs::default());
        world.provider.tune(change);
        found(&world)
    };
    assert!(wrong(&tuned(|_| ()).await).is_empty());
    let cases: [(Change, &str, &str); 5] = [
        (
            |knobs| knobs.redirect_uris = Some(Vec::new()),
            "redirect URI is not registered",
            "\"Redirect URIs\"",
        ),
        (
            |knobs| knobs.grant_types = vec!["authorization_code"],
            "does not allow refresh tokens",
            "\"Grant types\"",
        ),
        (
            |knobs| knobs.grant_types = vec!["refresh_token"],
            "does not allow the authorization code grant",
            "\"Grant types\"",
        ),
        (|knobs| knobs.grant_types = vec![], "allows no grant types", "\"Grant types\""),
        (
            |knobs| {
                let algorithms = json!(["RSA-OAEP-256"]);
                knobs.discovery.insert("id_token_encryption_alg_values_supported".to_owned(), algorithms);
            },
            "encrypts its ID tokens",
            "\"Encryption Key\"",
        ),
    ];
    for (change, what, remedy) in cases {
        let findings = tuned(change).await;
        let wrong = wrong(&findings);
        assert_eq!(wrong.len(), 1, "{what}: {findings:#?}");
        assert!(wrong[0].what.contains(what) && wrong[0].remedy.contains(remedy), "{:?}", wrong[0]);
    }
    let public = tuned(|knobs| knobs.public = true).await;
    assert!(
        wrong(&public).is_empty()
            && about(&public, "does not check the client secret").remedy.contains("Confidential")
    );
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_client_id_at_authentik_are_told_apart() {
    let world = World::without_gateway(Options::default()).await;
    let findings = found_with(&world, SECRET, WRONG_SECRET).await;
    let secret = about(&findings, "does not accept the client id or the client secret");
    assert!(
        secret.level == Level::Wrong && secret.cause.contains("oidc.clientSecret is wrong"),
        "{secret:?}"
    );
    world.provider.tune(|knobs| knobs.redirect_uris = Some(Vec::new()));
    let findings = found_with(&world, SECRET, WRONG_SECRET).await;
    let either = about(&findings, "does not accept the client id or the client secret");
    assert!(either.cause.contains("oidc.clientID or oidc.clientSecret"), "{either:?}");
}

/// Dex 2.45.1 rejects a dead refresh token with `invalid_request`; Keycloak 26.7.3 a wrong secret with 401
/// `unauthorized_client`.
#[tokio::test]
async fn at_other_providers_a_wrong_secret_is_found_and_no_field_of_authentiks_is_named() {
    for (refusals, told) in [(Refusals::DEX, true), (Refusals::KEYCLOAK, true), (Refusals::UNTELLING, false)]
    {
        let world = with_another_provider(refusals).await;
        let right = found(&world).await;
        let wrong_secret = found_with(&world, SECRET, WRONG_SECRET).await;
        assert!(wrong(&right).is_empty(), "{right:#?}");
        if told {
            assert_eq!(about(&right, "accepts the client id").level, Level::Ok);
            assert_eq!(about(&wrong_secret, "does not accept the client id").level, Level::Wrong);
        } else {
            for findings in [&right, &wrong_secret] {
                assert_eq!(
                    about(findings, "Cannot tell whether client id and client secret are right").level,
                    Level::Hint
                );
            }
        }
        let text = format!("{right:?}{wrong_secret:?}");
        assert!(!text.contains("in authentik"), "{text}");
    }
}

#[tokio::test]
async fn a_redirect_uri_that_another_provider_does_not_know_is_found() {
    let world = with_another_provider(Refusals::KEYCLOAK).await;
    world.provider.tune(|knobs| knobs.redirect_uris = Some(vec!["https://elsewhere.example/".to_owned()]));
    let findings = found(&world).await;
    let unknown = about(&findings, "does not send sign-ins by this client back");
    assert!(unknown.level == Level::Wrong && unknown.remedy.contains(&world.host), "{unknown:?}");
}

#[tokio::test]
async fn clocks_that_differ_by_more_than_a_minute_are_found() {
    let world = World::without_gateway(Options::default()).await;
    let config = Config::from_text(&std::fs::read_to_string(world.config_file()).unwrap()).unwrap();
    let (slow, _) = Clock::manual(Clock::system().now() - Duration::from_mins(5));
    let findings = check_online(config, slow).await;
    let clock = about(&findings, "clock is");
    assert!(clock.level == Level::Wrong && clock.what.contains("ahead of"), "{clock:?}");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_its_token_endpoint_is_not_judged() {
    let world = World::without_gateway(Options::default()).await;
    for fault in [
        Fault::HangUp,
        Fault::Garbled,
        Fault::Status(503, "{}".to_owned()),
        Fault::Status(405, String::new()),
    ] {
        world.provider.fail_all("token", Some(fault.clone()));
        let findings = found(&world).await;
        assert!(wrong(&findings).is_empty(), "{fault:?}: {findings:#?}");
        let unknown = about(&findings, "client id, client secret and grant types");
        assert!(unknown.level == Level::Hint && unknown.what.contains("Cannot tell"), "{unknown:?}");
    }
}
