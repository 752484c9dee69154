//! Whether the provider answers: how often it is asked, and what counts as an answer.

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::types::within::within;

/// How often the discovery document was requested since the setup.
fn asked(scene: &Scene) -> usize {
    scene.op.seen(StandIn::DISCOVERY).len() - 1
}

#[tokio::test]
async fn a_provider_that_answers_is_asked_once_in_ten_seconds_however_many_want_to_know() {
    let scene = Scene::new().await;
    scene.provider.answers().await.unwrap();
    assert_eq!(asked(&scene), 0, "its documents were just read");
    scene.clock.advance(Duration::from_secs(10));
    let answers = join_all((0..20).map(|_| scene.provider.answers())).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(asked(&scene), 1);
    scene.clock.advance(Duration::from_secs(9));
    scene.provider.answers().await.unwrap();
    assert_eq!(asked(&scene), 1);
}

/// authentik responds 503 while it starts, and its front server 502 when its core is down.
#[tokio::test]
async fn a_provider_that_fails_is_asked_again_after_two_seconds() {
    let scene = Scene::new().await;
    scene.clock.advance(Duration::from_secs(10));
    scene.op.always(StandIn::DISCOVERY, Answer::json(503, &json!({"error": "authentik starting"})));
    for _ in 0..3 {
        let error = scene.provider.answers().await.unwrap_err();
        assert_eq!(error.cause, OutageCause::Status(503));
    }
    assert_eq!(asked(&scene), 1);
    assert!(scene.provider.ready(), "what was read of it is kept");
    scene.op.describe(&scene.op.discovery(), &PROVIDER.jwks());
    scene.clock.advance(Duration::from_secs(2));
    scene.provider.answers().await.unwrap();
    assert_eq!(asked(&scene), 2);
}

#[tokio::test]
async fn any_answer_that_is_no_failure_is_a_sign_of_life() {
    let scene = Scene::new().await;
    for (status, alive) in [(200, true), (302, true), (404, true), (429, true), (500, false), (502, false)] {
        scene.clock.advance(Duration::from_secs(10));
        scene.op.always(StandIn::DISCOVERY, Answer::json(status, &json!({})));
        assert_eq!(scene.provider.answers().await.is_ok(), alive, "{status}");
    }
}

/// A provider that goes down within the ten seconds is detected by the failing request.
#[tokio::test]
async fn a_request_that_fails_brings_the_question_forward() {
    let scene = Scene::new().await;
    scene.op.always("/revoke", Answer::text(503, "", ""));
    scene.provider.revoke(&Secret::new("token"), TokenKind::Access).await.unwrap_err();
    scene.provider.answers().await.unwrap();
    assert_eq!(asked(&scene), 1);
    let answer = |_: String| Answer::text(502, "", "");
    scene.answer_token(answer, scene.claims()).await.map(drop).unwrap_err();
    scene.provider.answers().await.unwrap();
    assert_eq!(asked(&scene), 2);
}

#[tokio::test]
async fn a_silent_provider_is_waited_for_two_seconds() {
    let scene = Scene::new().await;
    scene.clock.advance(Duration::from_secs(10));
    scene.op.always(StandIn::DISCOVERY, Answer::never());
    let began = Instant::now();
    let error = scene.provider.answers().await.unwrap_err();
    assert_eq!(error.cause, OutageCause::Timeout);
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_first_reading_is_waited_for_up_to_a_limit() {
    let scene = Scene::undiscovered(|_| {}).await;
    let began = Instant::now();
    scene.provider.first_reading(Duration::from_secs(3)).await;
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn the_wait_ends_with_the_first_reading_whatever_came_of_it() {
    for works in [true, false] {
        let scene = Scene::undiscovered(|_| {}).await;
        if works {
            scene.op.describe(&scene.op.discovery(), &PROVIDER.jwks());
            // The same documents as last time: nothing changes, and yet the provider is ready now.
            scene.provider.restore(&scene.op.discovery().to_string(), &PROVIDER.jwks().to_string()).unwrap();
        }
        let wait = scene.provider.first_reading(Duration::from_hours(1));
        let (read, ()) = within(async { tokio::join!(scene.provider.discover(), wait) }).await;
        assert_eq!((read.is_ok(), scene.provider.ready()), (works, works));
    }
}
