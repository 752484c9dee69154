//! Signing out: what ends here, what ends at the provider, and what continues.

use std::time::Duration;

use http::Request;
use serde_json::json;

use crate::support::client::{Answer, Browser};
use crate::support::coder::Fault as CoderFault;
use crate::support::provider::Fault;
use crate::support::server::{field, fields};
use crate::support::world::{Options, World};

const AT_PROVIDER: &str = "signOut:\n  from: provider\n";
const END_TOKENS: &str = "signOut:\n  tokens: end\n";

/// Signs out as Coder's dashboard does.
async fn sign_out(world: &World, browser: &Browser) -> Answer {
    browser.set_cookie(&world.host, "csrf_token", "t");
    let request = Request::post(world.url("/api/v2/users/logout")).header("x-csrf-token", "t");
    let answer = browser.send(request.body("".into()).unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// A key for the CLI of the first user.
async fn key(world: &World) -> String {
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    assert_eq!(world.me(&key).await.status, 200);
    key
}

/// The tokens sent to the revocation endpoint, with their types.
fn revoked(world: &World) -> Vec<(String, String)> {
    let forms = world.provider.forms("revoke");
    let pair = |form: &Vec<(String, String)>| {
        let value = |name| field(form, name).unwrap_or_default().to_owned();
        (value("token_type_hint"), value("token"))
    };
    forms.iter().map(pair).collect()
}

#[tokio::test]
async fn refresh_and_access_token_are_both_revoked_at_the_provider() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let live = world.provider.live_tokens();
    assert_eq!(live.len(), 2);
    sign_out(&world, &browser).await;
    world.until("both are revoked", || revoked(&world).len() == 2).await;
    let mut kinds: Vec<_> = revoked(&world).into_iter().map(|(kind, _)| kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["access_token", "refresh_token"]);
    assert!(revoked(&world).iter().all(|(_, token)| live.contains(token)));
    assert!(world.provider.live_tokens().is_empty());
}

/// Coder refreshes before it signs out, and finds no token left to refresh with.
#[tokio::test]
async fn a_sign_out_after_a_pause_is_one_though_coder_takes_the_session_for_expired() {
    let world = World::with(Options { sections: "signIn:\n  mode: redirect\n", ..Options::default() }).await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    world.advance(Duration::from_secs(301));
    let answer = sign_out(&world, &browser).await;
    assert_eq!(answer.json()["message"], "Logged out!");
    assert!(browser.cookie(&world.host, "coder_session_token").is_none());
    assert_eq!(world.me(&session).await.status, 401);
    let page = browser.get(&world.url("/login")).await;
    assert_eq!(page.status, 200, "it does not sign in again by itself");
}

#[tokio::test]
async fn a_revocation_that_fails_is_tried_again_and_after_a_restart_too() {
    let mut world = World::start().await;
    let browser = world.sign_in("alice").await;
    world.provider.fail_all("revoke", Some(Fault::Status(503, "{}".to_owned())));
    let asked = world.provider.count("revoke");
    sign_out(&world, &browser).await;
    world.until("it was tried", || world.provider.count("revoke") > asked).await;
    world.kill_gateway().await;
    assert_eq!(world.provider.live_tokens().len(), 2);
    world.provider.fail_all("revoke", None);
    world.start_gateway().await;
    world.until_ready().await;
    let later = || {
        world.advance(Duration::from_secs(1));
        world.provider.live_tokens().is_empty()
    };
    world.until("both are revoked", later).await;
    let kinds: Vec<_> = revoked(&world).into_iter().map(|(kind, _)| kind).collect();
    assert!(kinds.contains(&"refresh_token".to_owned()) && kinds.contains(&"access_token".to_owned()));
}

#[tokio::test]
async fn the_users_tokens_go_on_by_default_and_end_where_the_operator_wants_that() {
    for (sections, goes_on) in [("", true), (END_TOKENS, false)] {
        let world = World::with(Options { sections, ..Options::default() }).await;
        let browser = world.sign_in("alice").await;
        let session = world.session(&browser);
        let key = key(&world).await;
        sign_out(&world, &browser).await;
        assert_eq!(world.me(&session).await.status, 401);
        assert_eq!(world.me(&key).await.status, if goes_on { 200 } else { 401 });
        let page = browser.get(&world.url("/login")).await.text();
        assert_eq!(page.contains("so have your tokens"), !goes_on, "{page}");
        if goes_on {
            world.advance(Duration::from_secs(301));
            assert_eq!(world.me(&key).await.status, 200, "and is refreshed");
            assert!(revoked(&world).is_empty(), "the key lives on these tokens");
        } else {
            world.until("both are revoked", || revoked(&world).len() == 2).await;
        }
    }
}

#[tokio::test]
async fn signing_out_with_a_cli_token_ends_that_token_alone() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let key = key(&world).await;
    assert_eq!(world.api("POST", "/api/v2/users/logout", &key).await.status, 200);
    assert_eq!(world.me(&key).await.status, 401);
    assert_eq!(world.me(&session).await.status, 200);
}

#[tokio::test]
async fn a_sign_out_at_the_provider_says_whose_session_and_comes_back_to_a_page_that_stays() {
    let world = World::with(Options { sections: AT_PROVIDER, ..Options::default() }).await;
    let browser = world.sign_in("alice").await;
    sign_out(&world, &browser).await;
    let to_provider = browser.get(&world.url("/login")).await;
    assert_eq!(to_provider.status, 303, "{}", to_provider.text());
    let (address, query) = to_provider.location().split_once('?').unwrap();
    assert!(address.ends_with("/application/o/coder/end-session/"), "{address}");
    let query = fields(query);
    assert_eq!(field(&query, "id_token_hint").unwrap().split('.').count(), 3);
    assert_eq!(field(&query, "post_logout_redirect_uri"), Some(&*world.url("/vestibule/signed-out")));
    let state = field(&query, "state").unwrap();
    assert!(state.len() >= 22);
    let back = browser.get(&world.url(&format!("/vestibule/signed-out?state={state}"))).await;
    assert_eq!(back.status, 200);
    let page = back.text();
    assert!(page.contains("was asked to sign you out") && !page.contains("http-equiv"), "{page}");
    assert!(!browser.cookie_names(&world.host).iter().any(|name| name.contains("sign_out_state")));
    let stranger = Browser::new().get(&world.url("/vestibule/signed-out?state=forged")).await;
    assert_eq!(stranger.status, 200);
    assert_ne!(stranger.text(), page, "a state that is not ours proves nothing");
}

/// authentik before 2026.5 ignores the return address; its ID tokens have no `jti`.
#[tokio::test]
async fn an_older_authentik_is_not_asked_to_send_the_browser_back_and_shows_its_own_page() {
    let world = World::with(Options { sections: AT_PROVIDER, ..Options::default() }).await;
    world.provider.tune(|knobs| {
        knobs.id_token.insert("jti".to_owned(), json!(null));
    });
    let browser = world.sign_in("alice").await;
    sign_out(&world, &browser).await;
    let to_provider = browser.get(&world.url("/login")).await;
    assert_eq!(to_provider.status, 303, "{}", to_provider.text());
    let query = fields(to_provider.location().split_once('?').unwrap().1);
    let names: Vec<&str> = query.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["id_token_hint"]);
    assert!(!browser.cookie_names(&world.host).iter().any(|name| name.contains("sign_out_state")));
}

/// A gateway in front of a provider that is not authentik: neither its document nor its ID tokens have authentik's
/// `acr`.
async fn with_another_provider() -> World {
    let mut world = World::without_gateway(Options { sections: AT_PROVIDER, ..Options::default() }).await;
    world.provider.tune(|knobs| {
        knobs.discovery.insert("acr_values_supported".to_owned(), json!(["0"]));
        knobs.id_token.insert("acr".to_owned(), json!("0"));
    });
    world.start_gateway().await;
    world
}

/// Gives a person so many groups that their ID token grows.
fn with_groups(world: &World, count: usize) {
    let groups: Vec<String> = (0..count).map(|number| format!("{number:032}")).collect();
    world.provider.change_user("alice", |user| {
        user.claims.insert("groups".to_owned(), json!(groups));
    });
}

/// authentik 2026.8.0-rc1 rejects a form of another site with 403 (CSRF). It accepted a GET with a hint of 6,187
/// characters, of somebody in some 24 groups, and accepts no return address without a hint.
#[tokio::test]
async fn authentik_is_asked_by_get_with_a_long_hint_and_without_one_that_is_too_long() {
    for (groups, names) in
        [(70, &["id_token_hint", "post_logout_redirect_uri", "state"][..]), (400, &["client_id"][..])]
    {
        let world = World::with(Options { sections: AT_PROVIDER, ..Options::default() }).await;
        with_groups(&world, groups);
        let browser = world.sign_in("alice").await;
        sign_out(&world, &browser).await;
        let to_provider = browser.get(&world.url("/login")).await;
        assert_eq!(to_provider.status, 303, "{}", to_provider.text());
        let location = to_provider.location();
        assert!(location.len() <= 7000 && location.contains("/application/o/coder/end-session/"));
        let query = fields(location.split_once('?').unwrap().1);
        assert_eq!(query.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
        let hint = field(&query, "id_token_hint").map_or(0, str::len);
        assert!(hint == 0 || hint > 2500, "{hint}");
    }
}

/// Where somebody returns who signs out on a page, and in again: also through the sign-out at the provider, where
/// authentik (2026.8.0-rc1) accepts a return address only exactly as registered.
#[tokio::test]
async fn the_page_that_was_wanted_survives_a_sign_out() {
    let terminal = "/@alice/ws/terminal?a=b&c=d";
    let encoded = "redirect=%2F%40alice%2Fws%2Fterminal%3Fa%3Db%26c%3Dd\"";
    // Coder's dashboard goes to its sign-in page, naming the page it left; a reload requests the page itself.
    let of_dashboard = "/login?redirect=%2F%40alice%2Fws%2Fterminal%3Fa%3Db%26c%3Dd";
    for asked in [terminal, of_dashboard] {
        let world = World::start().await;
        let browser = world.sign_in("alice").await;
        sign_out(&world, &browser).await;
        let page = browser.get(&world.url(asked)).await.text();
        assert!(page.contains("You are signed out") && page.contains(encoded), "{asked}: {page}");

        let world = World::with(Options { sections: AT_PROVIDER, ..Options::default() }).await;
        let browser = world.sign_in("alice").await;
        sign_out(&world, &browser).await;
        let to_provider = browser.get(&world.url(asked)).await;
        let query = fields(to_provider.location().split_once('?').unwrap().1);
        let state = field(&query, "state").unwrap();
        let page = browser.get(&world.url(&format!("/vestibule/signed-out?state={state}"))).await.text();
        assert!(page.contains("You are signed out") && page.contains(encoded), "{asked}: {page}");
    }
    let world = with_another_provider().await;
    with_groups(&world, 100);
    let browser = world.sign_in("alice").await;
    sign_out(&world, &browser).await;
    let form = browser.get(&world.url(terminal)).await.text();
    let stay = form.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let page = browser.get(&world.url(stay)).await.text();
    assert!(page.contains("You are signed out") && page.contains(encoded), "{stay}: {page}");
    let plain = browser.get(&world.url("/vestibule/signed-out")).await.text();
    assert!(plain.contains("redirect=%2F\""), "{plain}");
    let away = browser.get(&world.url("/vestibule/signed-out?redirect=https%3A%2F%2Fevil.example%2F")).await;
    assert!(away.text().contains("redirect=%2F\"") && !away.text().contains("evil"), "{}", away.text());
}

/// Keycloak 26.7.3 accepts a sign-out by POST (RP-Initiated Logout 1.0 §2).
#[tokio::test]
async fn a_hint_too_large_for_an_address_is_posted_by_a_form() {
    let world = with_another_provider().await;
    with_groups(&world, 100);
    let browser = world.sign_in("alice").await;
    sign_out(&world, &browser).await;
    let form = browser.get(&world.url("/login")).await;
    assert_eq!(form.status, 200);
    let html = form.text();
    for part in
        ["method=\"post\"", "/application/o/coder/end-session/", "id_token_hint", "post_logout_redirect_uri"]
    {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(html.contains("name=\"state\"") && !html.contains("<script"));
    let policy = form.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action"), "{policy}");
    assert_eq!(form.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_provider_without_an_end_of_sessions_gets_a_plain_sign_out() {
    let world = World::without_gateway(Options { sections: AT_PROVIDER, ..Options::default() }).await;
    world.provider.tune(|knobs| {
        knobs.discovery.insert("end_session_endpoint".to_owned(), json!(null));
    });
    let mut world = world;
    world.start_gateway().await;
    let browser = world.sign_in("alice").await;
    sign_out(&world, &browser).await;
    let page = browser.get(&world.url("/login")).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("signed out"));
}

#[tokio::test]
async fn a_sign_out_across_sites_signs_nobody_out() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    // A link, an image or a form of another site: SameSite=Lax sends the cookie with a navigation only.
    assert_ne!(browser.get(&world.url("/api/v2/users/logout")).await.status, 500);
    assert_eq!(world.me(&session).await.status, 200);
    let own = browser.post_form(&world.url("/vestibule/sessions"), &world.url(""), &[("end", "all")]).await;
    assert_eq!(own.status, 403, "{}", own.text());
    assert_eq!(world.me(&session).await.status, 200);
}

/// A credential that ends while Coder is still at work has ended, and Coder is not at fault.
#[tokio::test]
async fn what_ends_while_coder_is_asked_is_answered_like_what_had_ended_before() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    for path in ["/workspaces", "/api/v2/workspaces"] {
        world.coder.fail_next(path, CoderFault::Gate);
    }
    let meanwhile = async {
        world.until("both wait for Coder", || world.coder.seen().len() >= 2).await;
        assert_eq!(world.api("POST", "/api/v2/users/logout", &session).await.status, 200);
    };
    world.coder.forget_seen();
    let page_url = world.url("/workspaces");
    let (page, json, ()) =
        tokio::join!(browser.get(&page_url), world.api("GET", "/api/v2/workspaces", &session), meanwhile);
    assert_eq!(json.status, 401, "{}", json.text());
    let text = page.text();
    assert_eq!(page.status, 403);
    assert!(text.contains("Your session has ended") && text.contains("redirect=%2Fworkspaces"), "{text}");
}
