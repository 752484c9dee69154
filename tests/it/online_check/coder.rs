//! The findings about Coder.

use vestibule::app::Level;

use super::{about, found, wrong};
use crate::support::coder::{Fault, Version};
use crate::support::world::{Options, World};

const CALLBACK: &str = "/api/v2/users/oidc/callback";

/// Coder's main of July 2025 and 2.31.0 of February 2026.
#[tokio::test]
async fn coders_secret_is_known_by_a_made_up_code_that_it_redeems_at_the_issuer_listener() {
    for version in [Version::July2025, Version::February2026] {
        let world = World::with(Options { version, ..Options::default() }).await;
        world.ready().await;
        let findings = found(&world).await;
        assert_eq!(about(&findings, "its client secret there is right").level, Level::Ok, "{findings:#?}");
        world.coder.set_up(|setup| setup.client_secret = "of-another-gateway".to_owned());
        let findings = found(&world).await;
        let secret = about(&findings, "Coder's client secret is not");
        assert!(
            secret.level == Level::Wrong && secret.cause.contains("CODER_OIDC_CLIENT_SECRET"),
            "{secret:?}"
        );
        assert_eq!(wrong(&findings).len(), 1, "{findings:#?}");
    }
}

#[tokio::test]
async fn without_a_running_gateway_coders_secret_could_not_be_told_and_that_is_no_mistake() {
    let world = World::without_gateway(Options::default()).await;
    let findings = found(&world).await;
    let secret = about(&findings, "Coder's client secret");
    assert!(secret.level == Level::Hint && secret.what.contains("Cannot tell"), "{secret:?}");
    assert!(secret.cause.contains("The gateway is not running"), "{secret:?}");
    assert_eq!(about(&findings, "Coder sends sign-ins to the issuer listener").level, Level::Ok);
}

#[tokio::test]
async fn a_coder_that_does_not_reach_the_issuer_listener_is_told_from_a_gateway_that_does_not_run() {
    let world = World::start().await;
    world.ready().await;
    world.coder.fail_next(CALLBACK, Fault::Pass);
    let refused = r#"{"message":"Failed exchanging Oauth code.","detail":"Post \"http://vestibule:3001/token\": dial tcp: lookup vestibule: no such host"}"#;
    world.coder.fail_next(CALLBACK, Fault::Answer(500, Vec::new(), refused.to_owned()));
    let findings = found(&world).await;
    let unreached = about(&findings, "Coder cannot reach the issuer listener");
    assert!(unreached.level == Level::Wrong && unreached.cause.contains("no such host"), "{unreached:?}");
}

#[tokio::test]
async fn a_coder_that_is_set_up_for_something_else_is_found_with_what_to_set() {
    let world = World::start().await;
    world.ready().await;
    let issuer = world.issuer_url("/");
    world.coder.set_up(|setup| setup.issuer_url = "http://authentik.invalid/application/o/coder/".to_owned());
    let findings = found(&world).await;
    let elsewhere = about(&findings, "does not send sign-ins to the issuer listener");
    assert!(
        elsewhere.level == Level::Wrong && elsewhere.cause.contains("CODER_OIDC_ISSUER_URL"),
        "{elsewhere:?}"
    );
    world.coder.set_up(|setup| setup.issuer_url = issuer);
    world.coder.set_up(|setup| setup.client_id = "own".to_owned());
    let findings = found(&world).await;
    let elsewhere = about(&findings, "does not send sign-ins to the issuer listener");
    assert!(elsewhere.cause.contains("CODER_OIDC_CLIENT_ID"), "{elsewhere:?}");
    world.coder.set_up(|setup| setup.client_id = "cid".to_owned());
    world.coder.set_up(|setup| setup.access_url = "http://old.acme.company".to_owned());
    let findings = found(&world).await;
    let back = about(&findings, "back to http://old.acme.company/");
    assert!(back.level == Level::Wrong && back.remedy.contains("coder-env"), "{back:?}");
}

/// Coder 2.31.0: without OpenID Connect its callback responds with 400; its limit is 60 requests a minute.
#[tokio::test]
async fn a_coder_without_openid_connect_is_wrong_and_a_busy_one_could_not_be_told() {
    let world = World::start().await;
    world.ready().await;
    for (status, message, level) in [
        (400, "The oauth2 method requested is not configured!", Level::Wrong),
        (429, "You've been rate limited for sending more than 60 requests in 1m0s.", Level::Hint),
    ] {
        let body = format!(r#"{{"message":"{message}"}}"#);
        world.coder.fail_next(CALLBACK, Fault::Answer(status, Vec::new(), body));
        let findings = found(&world).await;
        let refused = findings.iter().find(|finding| finding.cause.contains(message)).unwrap();
        assert_eq!(refused.level, level, "{refused:?}");
    }
}
