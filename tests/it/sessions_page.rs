//! The page with a user's own sessions and tokens: what it shows, and that only its own forms end something.

use http::{Method, Request};

use crate::support::client::Browser;
use crate::support::world::World;

const PAGE: &str = "/vestibule/sessions";

/// The values of a name in the forms of a page.
fn values(html: &str, name: &str) -> Vec<String> {
    let marker = format!("name=\"{name}\" value=\"");
    html.split(&marker).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

async fn end(world: &World, browser: &Browser, csrf: &str, what: &str) -> u16 {
    let form = [("csrf", csrf), ("end", what)];
    browser.post_form(&world.url(PAGE), &world.url(""), &form).await.status
}

async fn is_in(world: &World, token: &str) -> bool {
    world.me(token).await.status == 200
}

#[tokio::test]
async fn somebody_sees_and_ends_their_own_sessions_and_tokens_and_nobody_elses() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let here = world.session(&browser);
    let there = world.session(&world.sign_in("alice").await);
    let key = world.coder.make_key(&world.coder.users()[0].id, "password", "all");
    assert!(is_in(&world, &key).await);
    let bobs = world.sign_in("bob").await;
    let bob = world.session(&bobs);
    let page = browser.get(&world.url(PAGE)).await;
    assert_eq!(page.status, 200);
    let html = page.text();
    assert!(html.contains("alice@acme.company") && html.contains("Mozilla/5.0 (test)"), "{html}");
    assert!(html.contains("Key or token"), "{html}");
    assert!(html.contains("127.0.0.1") && !html.contains("bob@acme.company") && !html.contains("<script"));
    for secret in [&here, &there, &key, &bob] {
        assert!(!html.contains(secret.as_str()));
    }
    let csrf = values(&html, "csrf").remove(0);
    let mine = values(&html, "end");
    let bobs_html = bobs.get(&world.url(PAGE)).await.text();
    let bobs_id = values(&bobs_html, "end").into_iter().find(|id| id != "all").unwrap();
    assert!(!mine.contains(&bobs_id));
    assert_eq!(end(&world, &browser, &csrf, &bobs_id).await, 200, "there is no such entry of alice's");
    assert!(is_in(&world, &bob).await);
    let row = html.split("<tr>").find(|row| row.contains("this browser")).unwrap();
    let current = values(row, "end").remove(0);
    let others: Vec<_> = mine.iter().filter(|id| *id != "all" && **id != current).collect();
    assert_eq!(others.len(), 2);
    for id in others {
        assert_eq!(end(&world, &browser, &csrf, id).await, 200);
    }
    assert!(!is_in(&world, &there).await && !is_in(&world, &key).await && is_in(&world, &here).await);
    assert_eq!(end(&world, &browser, &csrf, &current).await, 303, "on to the signed-out page");
    assert!(browser.cookie(&world.host, "coder_session_token").is_none());
    assert!(!is_in(&world, &here).await && is_in(&world, &bob).await);
}

#[tokio::test]
async fn all_of_them_end_with_one_button_and_their_tokens_are_revoked() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let (here, there) = (world.session(&browser), world.session(&world.sign_in("alice").await));
    let csrf = values(&browser.get(&world.url(PAGE)).await.text(), "csrf").remove(0);
    let form = [("csrf", csrf.as_str()), ("end", "all")];
    let over = browser.post_form(&world.url(PAGE), &world.url(""), &form).await;
    assert_eq!(over.status, 303);
    let page = browser.get(&world.url(over.location())).await.text();
    assert!(
        page.contains("You are signed out") && page.contains("redirect=%2Fvestibule%2Fsessions"),
        "{page}"
    );
    assert!(!is_in(&world, &here).await && !is_in(&world, &there).await);
    world.until("all are revoked", || world.provider.live_tokens().is_empty()).await;
}

#[tokio::test]
async fn a_form_that_is_not_of_this_sessions_page_ends_nothing() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let session = world.session(&browser);
    let bobs = world.sign_in("bob").await;
    let csrf = values(&browser.get(&world.url(PAGE)).await.text(), "csrf").remove(0);
    let foreign = values(&bobs.get(&world.url(PAGE)).await.text(), "csrf").remove(0);
    for wrong in ["", "guessed", &foreign] {
        assert_eq!(end(&world, &browser, wrong, "all").await, 403, "{wrong}");
    }
    let cross_site = Request::post(world.url(PAGE))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site")
        .header("origin", "https://evil.example")
        .body(format!("csrf={csrf}&end=all").into());
    assert_eq!(browser.send(cross_site.unwrap()).await.status, 403);
    let too_long = format!("csrf={csrf}&end=all&filler={}", "x".repeat(5000));
    assert_eq!(browser.fetch(Method::POST, &world.url(PAGE), too_long).await.status, 403);
    assert!(is_in(&world, &session).await);
    let nobody = Browser::new();
    assert_eq!(nobody.get(&world.url(PAGE)).await.status, 303);
    assert_eq!(nobody.fetch(Method::GET, &world.url(PAGE), "").await.status, 401);
}

/// A browser shows the response to its form: JSON helps nobody there.
#[tokio::test]
async fn a_form_is_answered_with_pages_and_a_script_with_json() {
    let world = World::start().await;
    let browser = world.sign_in("alice").await;
    let csrf = values(&browser.get(&world.url(PAGE)).await.text(), "csrf").remove(0);
    let wrong = [("csrf", "guessed"), ("end", "all")];
    let page = browser.post_form(&world.url(PAGE), &world.url(""), &wrong).await;
    let text = page.text();
    assert_eq!(page.status, 403);
    assert!(
        text.contains("<h1>This form is out of date") && text.contains("href=\"/vestibule/sessions\""),
        "{text}"
    );
    let script = browser.fetch(Method::POST, &world.url(PAGE), "csrf=guessed&end=all").await;
    assert_eq!(script.status, 403);
    assert!(script.json()["message"].as_str().unwrap().contains("form"), "{}", script.text());

    let elsewhere = world.sign_in("alice").await;
    let all = values(&elsewhere.get(&world.url(PAGE)).await.text(), "csrf").remove(0);
    assert_eq!(end(&world, &elsewhere, &all, "all").await, 303);
    let form = [("csrf", csrf.as_str()), ("end", "all")];
    let over = browser.post_form(&world.url(PAGE), &world.url(""), &form).await;
    assert_eq!(over.status, 303, "{}", over.text());
    assert_eq!(over.location(), "/vestibule/sign-in?redirect=%2Fvestibule%2Fsessions");
}

/// RFC 9110 §15.5.6: a request with another method gets the allowed methods.
#[tokio::test]
async fn every_endpoint_of_its_own_says_which_methods_it_knows() {
    let world = World::start().await;
    let browser = Browser::new();
    for (path, method, known) in [
        ("/vestibule/sign-in", Method::POST, "GET, HEAD"),
        ("/vestibule/signed-out", Method::DELETE, "GET, HEAD"),
        (PAGE, Method::PUT, "GET, HEAD, POST"),
        ("/vestibule/backchannel-logout", Method::GET, "POST"),
    ] {
        let answer = browser.fetch(method, &world.url(path), "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(known)), "{path}");
    }
}
