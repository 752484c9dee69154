//! Writes the pages to files, to be viewed as users see them (those of refusals: `gateway::refusals::tests`):
//! `VESTIBULE_PAGES_DIR=folder cargo test --lib pages::gallery`.

use super::tests::{html, url};
use super::*;
use crate::types::{LocalRedirect, Timestamp};

fn link() -> Link {
    Link::to(&LocalRedirect::parse_or_root("/start")).with("redirect", "/workspaces")
}

fn settings() -> PageSettings {
    PageSettings {
        access_url: url("https://coder.company/"),
        sign_in_text: "Log in with authentik".to_owned(),
        icon_url: Some(url("https://authentik.company/static/dist/assets/icons/icon.svg")),
    }
}

fn rows() -> (Vec<ListedSession<'static>>, Vec<ListedSession<'static>>) {
    let row = |name, address: &str, since: i64, seen: i64, current| ListedSession {
        id: "0123456789ab".to_owned(),
        name,
        client: None,
        address: address.parse().ok(),
        since: Timestamp::from_seconds(1_795_500_000 - since),
        seen: Timestamp::from_seconds(1_795_500_000 - seen),
        current,
    };
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1";
    let sessions = vec![
        row(firefox, "192.0.2.17", 5_000, 20, true),
        row(iphone, "2001:db8:2:1f::a41", 260_000, 90_000, false),
    ];
    let mut tokens = vec![
        row("Key for a command line or editor", "192.0.2.17", 900_000, 300, false),
        row("Long-lived token", "", 90_000, 7_300, false),
    ];
    tokens[0].client = Some("coder-cli/2.31.0 (linux/amd64; coder)");
    (sessions, tokens)
}

fn plain_pages(pages: &Pages) -> Vec<(&'static str, Response)> {
    let id = RequestId::random();
    let (sessions, tokens) = rows();
    let (csrf, fields) = (Secret::new("csrf"), [("id_token_hint", Secret::new("hint"))]);
    let leave = url("https://authentik.company/application/o/coder/end-session/");
    let ended = "Your session at the sign-in service has ended, so this one ended too.";
    let sign_in = |notice, password| SignInView { start: link(), password, notice };
    let signed_out = SignedOutView { sign_in: link(), asked_provider: false, tokens: false };
    let leave = SignOutAtProviderView { action: &leave, fields: &fields, stay: link() };
    let problem = ProblemView {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        heading: "Something went wrong here",
        happened: "The gateway could not finish your request.",
        advice: "Try again. If it happens again, give your administrator the request number below.",
        detail: None,
        next: Some(NextStep { text: "Try again", to: link().into() }),
        retry_after: None,
        reload: None,
    };
    let sessions = SessionsView {
        person: "alice@acme.company",
        sessions: &sessions,
        tokens: &tokens,
        csrf: &csrf,
        action: link(),
        notice: Some("The session in Firefox on Windows was ended."),
        now: Timestamp::from_seconds(1_795_500_000),
    };
    vec![
        ("sign-in", pages.sign_in(&sign_in(None, None), id)),
        ("sign-in-notice", pages.sign_in(&sign_in(Some(ended), Some(link())), id)),
        ("problem", pages.problem(&problem, id)),
        ("signed-out", pages.signed_out(&signed_out, id)),
        ("sign-out-at-provider", pages.sign_out_at_provider(&leave, id)),
        ("sessions", pages.sessions(&sessions, id)),
    ]
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the variable names a folder only when a developer wants the files"
)]
async fn pages_are_written_to_the_folder_that_is_named() {
    let folder = std::env::var("VESTIBULE_PAGES_DIR").ok();
    for (name, response) in plain_pages(&Pages::new(settings())) {
        let html = html(response).await;
        assert!(html.ends_with("</html>"), "{name} is incomplete");
        if let Some(folder) = &folder {
            std::fs::write(format!("{folder}/{name}.html"), html).expect("a folder to write to");
        }
    }
}
