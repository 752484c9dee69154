//! A provider reached at an internal address that differs from its public one.

use serde_json::json;

use super::*;

/// The public address. No name under `.invalid` ever resolves (RFC 6761 §6.4).
const PUBLIC: &str = "https://authentik.invalid:9443";

/// A provider whose documents name only the public address, reached at `prefix` of a stand-in.
async fn inside(prefix: &str, change: impl FnOnce(&mut Value)) -> Scene {
    let mut scene = Scene::undiscovered(|_| {}).await;
    let base = scene.op.base.clone();
    let mut settings = settings(&format!("{PUBLIC}/application/o/coder/"));
    settings.internal_url = Some(Url::parse(&format!("{base}{prefix}")).unwrap());
    let text = scene.op.discovery().to_string().replace(&base, PUBLIC);
    let mut discovery: Value = serde_json::from_str(&text).unwrap();
    change(&mut discovery);
    let prefix = prefix.trim_end_matches('/');
    scene.op.always(&format!("{prefix}{}", StandIn::DISCOVERY), Answer::json(200, &discovery));
    scene.op.always(&format!("{prefix}/jwks"), Answer::json(200, &PROVIDER.jwks()));
    let client = ClientSettings { timeout: TIMEOUT, ..ClientSettings::default() };
    let clock = Clock::manual(Timestamp::from_seconds(NOW)).0;
    scene.provider = Provider::new(settings, Client::new(&client).unwrap(), clock);
    scene
}

fn claims_of_the_public_issuer(scene: &Scene) -> Value {
    let mut claims = scene.claims();
    claims["iss"] = json!(format!("{PUBLIC}/application/o/coder/"));
    claims
}

/// authentik derives its issuer from `Host`, and the scheme from `X-Forwarded-Proto`.
#[tokio::test]
async fn everything_that_the_gateway_asks_is_asked_inside_and_names_the_public_address() {
    let scene = inside("", |_| {}).await;
    scene.provider.discover().await.unwrap();
    let identity = scene.sign_in(claims_of_the_public_issuer(&scene), Scene::user_info()).await.unwrap();
    assert_eq!(identity.key().issuer.as_str(), format!("{PUBLIC}/application/o/coder/"));
    scene.op.always("/revoke", Answer::json(200, &json!({})));
    scene.provider.revoke(&Secret::new("refresh-token-canary"), TokenKind::Refresh).await.unwrap();
    for path in [StandIn::DISCOVERY, "/jwks", "/token", "/userinfo", "/revoke"] {
        let seen = scene.op.seen(path);
        assert_eq!(seen.len(), 1, "{path}");
        let header = |name: &str| seen[0].headers.get(name).map(String::as_str);
        assert_eq!(header("host"), Some("authentik.invalid:9443"), "{path}");
        assert_eq!(header("x-forwarded-host"), Some("authentik.invalid:9443"), "{path}");
        assert_eq!(header("x-forwarded-proto"), Some("https"), "{path}");
    }
}

#[tokio::test]
async fn browsers_are_sent_to_the_public_address() {
    let scene = inside("", |_| {}).await;
    scene.provider.discover().await.unwrap();
    let (_, url) = scene.provider.begin(LocalRedirect::root(), None).unwrap();
    assert!(url.as_str().starts_with(&format!("{PUBLIC}/authorize?")), "{url}");
}

#[tokio::test]
async fn a_path_of_the_address_inside_comes_before_every_endpoint() {
    for prefix in ["/auth", "/auth/"] {
        let scene = inside(prefix, |_| {}).await;
        scene.provider.discover().await.unwrap();
        assert_eq!(scene.op.seen("/auth/jwks").len(), 1, "{prefix}");
    }
}

/// Keycloak with `hostname-backchannel-dynamic` itself names internal addresses; Google has endpoints on several hosts.
#[tokio::test]
async fn an_endpoint_at_another_origin_than_the_issuers_is_asked_where_it_is() {
    let other = StandIn::start().await;
    other.always("/keys", Answer::json(200, &PROVIDER.jwks()));
    let keys = format!("{}/keys", other.base);
    let scene = inside("", |discovery| discovery["jwks_uri"] = json!(keys)).await;
    let refused = scene.provider.discover().await.unwrap_err();
    assert!(
        matches!(refused, DiscoveryError::Endpoint("jwks_uri")),
        "plain http as anywhere else: {refused}"
    );
    let mut settings = (*scene.provider.settings).clone();
    settings.danger_allow_http = true;
    let provider = Provider::new(settings, Client::new(&ClientSettings::default()).unwrap(), Clock::system());
    provider.discover().await.unwrap();
    let seen = other.seen("/keys");
    assert_eq!(seen[0].headers["host"], other.base.trim_start_matches("http://"));
    assert!(!seen[0].headers.contains_key("x-forwarded-host"));
}

#[tokio::test]
async fn another_issuer_in_the_document_inside_is_refused() {
    let scene = inside("", |discovery| discovery["issuer"] = json!("http://authentik-server:9000/")).await;
    let error = scene.provider.discover().await.unwrap_err();
    assert!(matches!(error, DiscoveryError::Issuer { .. }), "{error}");
}

#[tokio::test]
async fn an_error_names_the_address_that_was_asked() {
    let scene = inside("", |_| {}).await;
    scene.op.always(StandIn::DISCOVERY, Answer::text(404, "", ""));
    let error = scene.provider.discover().await.unwrap_err().to_string();
    assert!(error.contains(&scene.op.base) && !error.contains("authentik.invalid"), "{error}");
}
