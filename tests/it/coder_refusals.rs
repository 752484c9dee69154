//! Coder's refusal at the end of a sign-in: a gateway page with Coder's words for a person, Coder's JSON for a
//! program, the same words in the log.

use bytes::Bytes;
use http::{Request, header};

use crate::support::client::{Answer, Browser, send_to};
use crate::support::coder::{Fault, Version};
use crate::support::error_page_text;
use crate::support::world::{Options, World};

const CALLBACK: &str = "/api/v2/users/oidc/callback";
const ME: &str = "/api/v2/users/me";

/// The page that a browser gets when Coder responds to the code like this.
async fn shown(world: &World, status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
    world.coder.fail_next(CALLBACK, Fault::Pass);
    world.coder.fail_next(CALLBACK, Fault::Answer(status, headers.to_vec(), body.to_owned()));
    world.sign_in_with(&Browser::new(), "alice", "/workspaces").await
}

/// It is one of the gateway's pages, with these words, and the grant has ended.
async fn is_our_page(world: &World, answer: &Answer, parts: &[&str]) {
    let page = answer.text();
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{page}");
    assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"), "{page}");
    assert!(answer.header("x-coder-build-version").is_none(), "it came from Coder");
    for part in ["Coder did not let you in", "Coder says: ", "For the administrator"].iter().chain(parts) {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!answer.set_cookies().iter().any(|line| line.contains("session_token")), "{answer:?}");
    world.until("what it brought is revoked", || world.provider.live_tokens().is_empty()).await;
}

/// Coder 2.31.0 responds with JSON, as recorded; 2.32 and 2.35 with pages of their own (coderd/userauth.go).
#[tokio::test]
async fn each_refusal_of_coders_is_a_page_with_its_words_and_what_to_do() {
    let world = World::start().await;
    let unverified = r#"{"message":"Verify the \"alice@acme.company\" email address on your OIDC provider to authenticate!"}"#;
    let json = ("content-type", "application/json; charset=utf-8");
    let html = ("content-type", "text/html; charset=utf-8");
    let page = error_page_text;
    for (status, kind, body, parts) in [
        (403, json, unverified.to_owned(), ["Verify the", "CODER_OIDC_IGNORE_EMAIL_VERIFIED"]),
        (
            403,
            html,
            page("Unverified email", "Verify the \"alice@acme.company\" address."),
            ["Unverified email", "coder-env"],
        ),
        (
            403,
            html,
            page("Unauthorized email", "Not from an authorized domain."),
            ["Unauthorized email", "CODER_OIDC_EMAIL_DOMAIN"],
        ),
        (403, html, page("Signups are disabled", "Ask IT."), ["Signups are disabled", "oidc.allowSignups"]),
        (
            403,
            html,
            page("Account suspended", "Contact an admin."),
            ["Account suspended", "coder users activate"],
        ),
        (
            403,
            html,
            page("Account already linked", "To another identity."),
            ["Account already linked", "fix-oidc-links"],
        ),
        (
            409,
            json,
            r#"{"message":"Username conflict","detail":"alice"}"#.to_owned(),
            ["Username conflict", "alice."],
        ),
        (
            400,
            json,
            r#"{"message":"Failed to verify OIDC token.","detail":"oidc: token is expired"}"#.to_owned(),
            ["Failed to verify", "token is expired"],
        ),
    ] {
        let answer = shown(&world, status, &[kind], &body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        is_our_page(&world, &answer, &parts).await;
        assert!(
            answer.text().contains("redirect=%2Fworkspaces"),
            "the next try leads there: {}",
            answer.text()
        );
    }
}

/// Coder 2.31.0, both legs counted: the 31st sign-in a minute from one address.
#[tokio::test]
async fn coders_rate_limit_is_a_page_that_says_how_long_to_wait_in_either_leg() {
    let world = World::start().await;
    let body = r#"{"message":"You've been rate limited for sending more than 60 requests in 1m0s."}"#;
    for second_leg in [false, true] {
        if second_leg {
            world.coder.fail_next(CALLBACK, Fault::Pass);
        }
        world.coder.fail_next(CALLBACK, Fault::Answer(429, vec![("retry-after", "17")], body.to_owned()));
        let answer = world.sign_in_with(&Browser::new(), "alice", "/").await;
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("17")));
        let parts = ["rate limited", "Wait 17 seconds", "Try again", "CODER_PROXY_TRUSTED_ORIGINS"];
        is_our_page(&world, &answer, &parts).await;
    }
    world.sign_in("alice").await;
}

/// Coder's main of July 2025 and 2.31.0: 500 when the issuer listener rejects its secret.
#[tokio::test]
async fn a_wrong_secret_of_coders_is_a_page_that_names_it() {
    for version in [Version::July2025, Version::February2026] {
        let world = World::with(Options { version, ..Options::default() }).await;
        world.coder.set_up(|setup| setup.client_secret = "of-another-gateway".to_owned());
        let answer = world.sign_in_with(&Browser::new(), "alice", "/").await;
        assert_eq!(answer.status, 500, "{}", answer.text());
        let parts = ["Failed exchanging Oauth code.", "CODER_OIDC_CLIENT_SECRET", "request number"];
        is_our_page(&world, &answer, &parts).await;
        assert!(!answer.text().contains("of-another-gateway"));
    }
}

/// Coder 2.31.0 issues a suspended user a session, and responds with 401 when it is used.
#[tokio::test]
async fn a_suspended_user_who_gets_a_session_all_the_same_is_told_so_and_does_not_get_it() {
    let world = World::start().await;
    world.sign_in("alice").await;
    world.sign_in("bob").await;
    world.coder.suspend("bob");
    let browser = Browser::new();
    let answer = world.sign_in_with(&browser, "bob", "/").await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    for part in [
        "Coder did not let you in",
        "User is not active (status = &#34;suspended&#34;)",
        "coder users activate",
    ] {
        let page = answer.text().replace("&quot;", "&#34;");
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(browser.cookie(&world.host, "coder_session_token").is_none());
}

/// Coder 2.31.0 issues the session and refuses it when it is used: coderd/httpmw/apikey.go. None of these means that
/// Coder is not set up for the gateway.
#[tokio::test]
async fn whatever_coder_says_of_its_new_session_is_a_page_with_its_words() {
    let world = World::start().await;
    let dormant = r#"{"message":"User is not active (status = \"dormant\"). Contact an admin to reactivate your account."}"#;
    let deleted = r#"{"message":"An internal error occurred. Please try again or contact the system administrator.","detail":"Internal error fetching user's roles. sql: no rows in result set"}"#;
    let gone = r#"{"message":"You are signed out or your session has expired. Please sign in again to continue.","detail":"API key is invalid."}"#;
    let limited = r#"{"message":"You've been rate limited for sending more than 512 requests in 1m0s."}"#;
    let broken = r#"{"message":"Internal error fetching API key by id.","detail":"connection refused"}"#;
    for (status, body, shown, parts) in [
        (401, dormant, 403, ["User is not active", "coder users activate"]),
        (401, deleted, 403, ["An internal error occurred", "the user was deleted in Coder"]),
        (401, gone, 403, ["You are signed out", "the user was deleted in Coder"]),
        (403, "<html>a firewall</html>", 403, ["does not say why", "Sign in with another account"]),
        (429, limited, 429, ["rate limited", "CODER_PROXY_TRUSTED_ORIGINS"]),
        (500, broken, 500, ["Internal error fetching API key", "request number"]),
    ] {
        world.coder.fail_next(ME, Fault::Answer(status, Vec::new(), body.to_owned()));
        let browser = Browser::new();
        let answer = world.sign_in_with(&browser, "alice", "/").await;
        assert_eq!(answer.status, shown, "{}", answer.text());
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{}", answer.text());
        let page = answer.text().replace("&#39;", "'");
        assert!(!page.contains("Coder is not set up"), "{page}");
        for part in ["Coder did not let you in"].iter().chain(&parts) {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(browser.cookie(&world.host, "coder_session_token").is_none());
    }
    world.until("what they brought is revoked", || world.provider.live_tokens().is_empty()).await;
    world.coder.fail_next(ME, Fault::HangUp);
    let answer = world.sign_in_with(&Browser::new(), "alice", "/").await;
    assert!(answer.status == 502 && answer.text().contains("Coder does not answer"), "{}", answer.text());
    world.coder.fail_next(ME, Fault::Answer(200, Vec::new(), "{}".to_owned()));
    let answer = world.sign_in_with(&Browser::new(), "alice", "/").await;
    assert!(answer.status == 502 && answer.text().contains("Coder is not set up"), "{}", answer.text());
    world.sign_in("alice").await;
}

#[tokio::test]
async fn a_refusal_by_coders_own_rules_leaves_no_session_and_no_grant() {
    let world = World::with(Options { coder_domain: "other.company", ..Options::default() }).await;
    let browser = Browser::new();
    let answer = world.sign_in_with(&browser, "alice", "/").await;
    assert_eq!(answer.status, 403);
    is_our_page(&world, &answer, &["not from an authorized domain", "CODER_OIDC_EMAIL_DOMAIN"]).await;
    assert!(browser.cookie(&world.host, "coder_session_token").is_none());
}

#[tokio::test]
async fn a_password_user_who_has_not_converted_sees_coders_words() {
    let world = World::start().await;
    world.coder.add_user("alice", "password");
    let answer = world.sign_in_with(&Browser::new(), "alice", "/").await;
    assert_eq!(answer.status, 403);
    is_our_page(&world, &answer, &["Incorrect login type", "Security"]).await;
}

/// coder/coder#17687: a program that gets a page shows a parse error.
#[tokio::test]
async fn a_program_gets_coders_json_as_it_is_and_json_for_its_page() {
    let world = World::start().await;
    let json = r#"{"message":"Username conflict","detail":"alice","validations":[]}"#;
    let page = error_page_text("Signups are disabled", "Ask IT.");
    for (body, kind, expected) in [
        (json, "application/json; charset=utf-8", json.to_owned()),
        (
            &page,
            "text/html; charset=utf-8",
            r#"{"message":"Signups are disabled","detail":"Ask IT."}"#.to_owned(),
        ),
    ] {
        let browser = Browser::new();
        let back = world.to_callback(&browser, "alice", "/").await;
        world.coder.fail_next(CALLBACK, Fault::Pass);
        world.coder.fail_next(CALLBACK, Fault::Answer(403, vec![("content-type", kind)], body.to_owned()));
        let names = browser.cookie_names(&world.host);
        let cookies =
            names.iter().map(|name| format!("{name}={}", browser.cookie(&world.host, name).unwrap()));
        let request = Request::get(back.split_once(&world.host).unwrap().1)
            .header(header::HOST, &world.host)
            .header(header::ACCEPT, "application/json")
            .header(header::COOKIE, cookies.collect::<Vec<_>>().join("; "));
        let answer = send_to(&world.host, request.body(Bytes::new()).unwrap()).await.unwrap();
        assert_eq!((answer.status, answer.text()), (403, expected));
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    }
}

/// Coder's text stays text: none of it becomes a tag, a line or a text direction on the page.
#[tokio::test]
async fn coders_words_are_printable_bounded_and_escaped() {
    let world = World::start().await;
    let body =
        format!(r#"{{"message":"<img src=x onerror=1>\r\n\u202e{}","detail":"<b>"}}"#, "y".repeat(100_000));
    let answer = shown(&world, 403, &[], &body).await;
    let page = answer.text();
    assert!(page.len() < 20_000 && !page.contains("<img") && !page.contains('\u{202e}'), "{page}");
    assert!(page.contains("img src=x onerror=1"), "{page}");
    let silent = shown(&world, 502, &[], "").await;
    assert!(silent.status == 502 && silent.text().contains("does not say why"), "{}", silent.text());
}
