//! Differences of other providers from authentik, over complete sign-ins and refreshes.

use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};
use vestibule::telemetry;

use crate::support::client::Browser;
use crate::support::provider::{CLIENT_SECRET, Fault, Knobs};
use crate::support::provider_knobs::UserInfoAs;
use crate::support::world::{Options, World};

/// Longer than the lifetime of an access token.
const LATER: Duration = Duration::from_secs(301);

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

async fn world_with(oidc: &'static str, tune: impl FnOnce(&mut Knobs)) -> World {
    let mut world = World::without_gateway(Options { oidc, ..Options::default() }).await;
    world.provider.tune(tune);
    world.start_gateway().await;
    world
}

/// The status of a sign-in's start, once the provider was contacted.
async fn start_of_a_sign_in(world: &World) -> u16 {
    world.until("discovery", || world.provider.count("openid-configuration") > 0).await;
    Browser::new().get(&world.start_url("/")).await.status
}

/// Microsoft Entra ID, AWS Cognito and the conformance suite of the OpenID Foundation (5.2.4) announce no PKCE methods,
/// and check S256.
#[tokio::test]
async fn a_provider_that_announces_no_pkce_is_sent_s256_all_the_same() {
    let silent = |knobs: &mut Knobs| {
        knobs.discovery = members(&json!({"code_challenge_methods_supported": null}));
    };
    let world = world_with("", silent).await;
    world.sign_in("alice").await;
    let asked = &world.provider.forms("authorize")[0];
    let field = |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(field("code_challenge_method"), Some("S256"));
    assert_eq!(field("code_challenge").unwrap().len(), 43);

    let world = world_with("pkce: require", silent).await;
    assert_eq!(start_of_a_sign_in(&world).await, 503);
    let world = world_with("pkce: require", |_| {}).await;
    world.sign_in("alice").await;
}

#[tokio::test]
async fn a_provider_that_lists_its_methods_of_pkce_without_s256_is_refused() {
    for methods in [json!(["plain"]), json!([])] {
        let list = |knobs: &mut Knobs| {
            knobs.discovery = members(&json!({"code_challenge_methods_supported": methods}));
        };
        assert_eq!(start_of_a_sign_in(&world_with("", list).await).await, 503);
    }
}

/// Casdoor 3.158.0 lists no client authentication methods; and a document may have unknown members of any type.
#[tokio::test]
async fn only_what_is_used_of_a_discovery_document_must_be_right() {
    for change in [
        json!({"token_endpoint_auth_methods_supported": null}),
        json!({"token_endpoint_auth_methods_supported": ["self_signed_tls_client_auth", "client_secret_basic", 7]}),
        json!({"response_types_supported": null, "id_token_signing_alg_values_supported": null}),
        json!({"revocation_endpoint": "", "end_session_endpoint": ""}),
        json!({
            "introspection_endpoint": 7, "subject_types_supported": "public", "response_modes_supported": {},
            "claims_supported": 0, "request_parameter_supported": "no", "service_documentation": "no URL",
            "scopes_supported": "openid", "userinfo_signing_alg_values_supported": [{}], "grant_types_supported": 1,
        }),
    ] {
        let world = world_with("", |knobs| knobs.discovery = members(&change)).await;
        let alice = world.session(&world.sign_in("alice").await);
        world.advance(LATER);
        assert_eq!(world.me(&alice).await.status, 200, "{change}");
    }
}

/// Keycloak 26.7.3 with "User info signed response algorithm".
#[tokio::test]
async fn a_signed_userinfo_answer_signs_people_in_and_keeps_them_in() {
    let world = world_with("", |knobs| {
        knobs.userinfo_as = UserInfoAs::Signed;
        knobs.claims_in_id_token = false;
    })
    .await;
    let alice = world.session(&world.sign_in("alice").await);
    world.advance(LATER);
    assert_eq!(world.me(&alice).await.status, 200);
    assert_eq!(world.provider.count("userinfo"), 2);
    for wrong in [json!({"sub": "sub-bob"}), json!({"aud": "other"}), json!({"iss": "https://evil.example/"})]
    {
        world.provider.tune(|knobs| knobs.userinfo = members(&wrong));
        let answer = world.sign_in_with(&Browser::new(), "carol", "/").await;
        assert_eq!(answer.status, 502, "{wrong}");
    }
}

#[tokio::test]
async fn an_encrypted_userinfo_answer_signs_nobody_in() {
    let world = world_with("", |knobs| knobs.userinfo_as = UserInfoAs::Encrypted).await;
    assert_eq!(world.sign_in_with(&Browser::new(), "alice", "/").await.status, 502);
    assert!(world.coder.users().is_empty());
}

/// Casdoor 3.158.0: `id_token` equals `access_token`, and its claim `tokenType` is `access-token`.
#[tokio::test]
async fn one_token_for_both_signs_in_and_stays_in_only_when_that_danger_is_accepted() {
    let casdoor = |knobs: &mut Knobs| {
        knobs.one_token = true;
        knobs.auth_methods = vec!["client_secret_basic"];
        knobs.id_token = members(&json!({"aud": ["cid"]}));
        knobs.discovery = members(&json!({"token_endpoint_auth_methods_supported": null}));
    };
    let world = world_with("", casdoor).await;
    assert_eq!(world.sign_in_with(&Browser::new(), "alice", "/").await.status, 502);

    let world = world_with("dangerAccessTokenAsIDToken: true", casdoor).await;
    let alice = world.session(&world.sign_in("alice").await);
    for refreshes in 1..3 {
        world.advance(LATER);
        assert_eq!(world.me(&alice).await.status, 200);
        assert_eq!(world.provider.grants("refresh_token"), refreshes);
    }
}

/// Keycloak 26.7.3 can send group names as paths.
#[tokio::test]
async fn somebody_in_none_of_the_groups_is_shown_those_that_came_and_those_that_are_wanted() {
    let world = world_with("groupField: groups\ngroupAllowed: [coder-users, coder-admins]", |_| {}).await;
    let many: Vec<String> = (0..30).map(|number| format!("/team-{number}<b>")).collect();
    world.provider.change_user("alice", |user| {
        user.claims.insert("groups".to_owned(), json!(many));
    });
    let answer = world.sign_in_with(&Browser::new(), "alice", "/").await;
    assert_eq!(answer.status, 403);
    let page = answer.text();
    for shown in ["/team-0", "/team-19", "and 10 more", "coder-users", "coder-admins"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("/team-20") && !page.contains("<b>"), "{page}");
}

const CHILD: &str = "VESTIBULE_TEST_QUIRKS";

/// The log belongs to the process, so this runs in a process of its own.
#[test]
fn the_log_has_the_providers_reason_the_groups_that_came_and_once_that_pkce_is_not_announced() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["provider_quirks::a_log_to_be_read", "--exact", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(child.status.success(), "{log}");
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let saying = |words: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line.to_string().contains(words)).collect()
    };
    let pkce = saying("announces no PKCE");
    assert_eq!(pkce.len(), 1, "{log}");
    assert_eq!(pkce[0]["level"], "WARN");
    for words in ["oidc.dangerAccessTokenAsIDToken", "\\\"devs\\\"", "\\\"coder-users\\\""] {
        assert!(!saying(words).is_empty(), "{words}: {log}");
    }
    for (endpoint, status) in [("token endpoint", 500), ("userinfo endpoint", 403)] {
        let errors = saying(&format!("the provider's {endpoint} answers with an error"));
        assert_eq!(errors.len(), 1, "{log}");
        let error = errors[0].to_string();
        assert!(error.contains(&status.to_string()), "{error}");
        assert!(error.contains("the database is away"), "to its reason: {error}");
    }
    assert!(!log.contains(CLIENT_SECRET), "{log}");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how the test above talks to its child")]
#[ignore = "run by the test above, in a process whose log is its own"]
async fn a_log_to_be_read() {
    if std::env::var(CHILD).is_err() {
        return;
    }
    let settings = telemetry::LogSettings { filter: "info".to_owned(), format: telemetry::LogFormat::Json };
    telemetry::init(&settings).unwrap();
    let silent = json!({"code_challenge_methods_supported": null});
    let oidc = "groupField: groups\ngroupAllowed: [coder-users]";
    let world = world_with(oidc, |knobs| knobs.discovery = members(&silent)).await;
    assert_eq!(world.sign_in_with(&Browser::new(), "alice", "/").await.status, 403);
    world.provider.tune(|knobs| knobs.one_token = true);
    assert_eq!(world.sign_in_with(&Browser::new(), "alice", "/").await.status, 502);
    world.provider.tune(|knobs| knobs.one_token = false);
    // A page in debug mode, which quotes the request before the error.
    let page = format!("<pre>{CLIENT_SECRET}{}</pre> the database is away", " ".repeat(1500));
    for (endpoint, status) in [("token", 500), ("userinfo", 403)] {
        world.provider.fail_all(endpoint, Some(Fault::Status(status, page.clone())));
        assert!(world.sign_in_with(&Browser::new(), "alice", "/").await.status >= 500);
        world.provider.fail_all(endpoint, None);
    }
}
