//! Tests: which rows end together.

use std::sync::Arc;

use super::*;

pub(crate) async fn every_scope_ends_what_it_names_and_nothing_else(store: &Arc<dyn Store>) {
    let store = &**store;
    let first = sign_in(store, "alice", "a1").await;
    let second = sign_in(store, "alice", "a2").await;
    let bobs = sign_in(store, "bob", "b1").await;
    for (name, owner) in [("ta", "alice"), ("ta2", "alice"), ("tb", "bob"), ("tr", "robot")] {
        store.put_token(token(name, owner)).await.unwrap();
    }
    let issuer = key("alice").issuer;
    let nothing = Ended::default();
    let other = Issuer::parse("https://authentik.company/", false).unwrap();
    assert_eq!(end(store, Scope::Sid(other.clone(), "sid-alice".to_owned())).await, nothing);
    let foreign = IdentityKey { issuer: other, ..key("alice") };
    assert_eq!(end(store, Scope::Identity(foreign, NOW)).await, nothing);
    assert_eq!(end(store, Scope::Unbound(NOW + HOUR)).await, nothing, "all are bound");
    assert_eq!(end(store, Scope::Unused(NOW + HOUR)).await, nothing, "all have a session");
    assert_eq!(end(store, Scope::Older(NOW)).await, nothing, "not before");
    assert_eq!(end(store, Scope::Idler(NOW)).await, nothing, "not before");
    assert_eq!(end(store, Scope::Token(hash("a1"))).await, nothing, "a session is no token");
    assert_eq!(end(store, Scope::Session(hash("ta"))).await, nothing, "a token is no session");

    assert_eq!(end(store, Scope::Token(hash("ta2"))).await.tokens, [hash("ta2")]);
    let unbound = grant("alice", "sid-alice");
    store.insert_grant(unbound.clone(), None).await.unwrap();
    let ended = end(store, Scope::Sid(issuer, "sid-alice".to_owned())).await;
    let mut both = vec![hash("a1"), hash("a2")];
    both.sort();
    assert_eq!((ended.sessions, ended.grants), (both, vec![(unbound.head.id, None)]));
    let ended = end(store, Scope::Unused(NOW + HOUR)).await;
    let mut both = vec![(first.head.id, Some(user("alice"))), (second.head.id, Some(user("alice")))];
    both.sort();
    assert_eq!(ended.grants, both);
    let ended = end(store, Scope::Identity(key("alice"), NOW)).await;
    assert_eq!((ended.count(), ended.tokens), (1, vec![hash("ta")]), "the tokens of a known user");

    let unbound = grant("carol", "sid-carol");
    store.insert_grant(unbound.clone(), None).await.unwrap();
    assert_eq!(end(store, Scope::Unbound(NOW)).await, nothing);
    assert_eq!(end(store, Scope::Unbound(NOW + HOUR)).await.grants, [(unbound.head.id, None)]);
    assert_eq!(end(store, Scope::Idler(NOW + HOUR)).await.sessions, [hash("b1")]);
    let ended = end(store, Scope::User(user("bob"))).await;
    assert_eq!(ended.grants, [(bobs.head.id, Some(user("bob")))]);
    assert_eq!(ended.tokens, [hash("tb")]);
    let ended = end(store, Scope::Everybody).await;
    assert_eq!((ended.count(), ended.tokens), (1, vec![hash("tr")]));
}

pub(crate) async fn an_identity_ends_up_to_a_moment_of_the_provider(store: &Arc<dyn Store>) {
    let store = &**store;
    let second = Duration::from_secs(1);
    let old = sign_in(store, "alice", "old").await;
    for (name, at) in [("before", NOW), ("with", NOW + second), ("after", NOW + second * 2)] {
        store.put_token(TokenRow { created_at: at, ..token(name, "alice") }).await.unwrap();
    }
    let mut late = grant("alice", "late");
    (late.issued_at, late.head.created_at) = (NOW + second, NOW + second);
    store.insert_grant(late.clone(), None).await.unwrap();
    let bind = Bind {
        grant: late.head.id,
        session: hash("new"),
        user: user("alice"),
        at: NOW + second,
        replaces: Vec::new(),
    };
    assert!(matches!(store.bind(bind).await.unwrap(), Bound::Done { .. }));
    let ended = end(store, Scope::Identity(key("alice"), NOW)).await;
    assert_eq!(ended.sessions, [hash("old")]);
    assert_eq!(ended.grants, [(old.head.id, Some(user("alice")))]);
    let mut tokens = vec![hash("before"), hash("with")];
    tokens.sort();
    assert_eq!(ended.tokens, tokens, "those that a logout in time would have ended");
    store.replace(late.head.id, 0, replacement(&late)).await.unwrap().unwrap();
    assert!(end(store, Scope::Identity(key("alice"), NOW)).await.is_empty(), "a refresh is no sign-in");
    let ended = end(store, Scope::Identity(key("alice"), NOW + second)).await;
    assert_eq!((ended.count(), ended.tokens), (3, vec![hash("after")]));
}

pub(crate) async fn what_has_ended_keeps_its_first_reason(store: &Arc<dyn Store>) {
    let row = sign_in(&**store, "alice", "session").await;
    let id = row.head.id;
    store.end(Scope::Grant(id), NOW, EndReason::refused("No, because.")).await.unwrap();
    for scope in [Scope::Grant(id), Scope::Session(hash("session")), Scope::Everybody] {
        assert!(end(&**store, scope).await.is_empty());
    }
    let reason = Some(EndReason::refused("No, because."));
    assert_eq!(store.grant(id).await.unwrap().unwrap().head.ended, reason);
    assert_eq!(store.session(hash("session")).await.unwrap().unwrap().ended, reason);
}

pub(crate) async fn a_session_takes_its_grant_along_only_when_that_serves_nobody(store: &Arc<dyn Store>) {
    let store = &**store;
    let alone = sign_in(store, "alice", "a1").await;
    let ended = end(store, Scope::Session(hash("a1"))).await;
    assert_eq!(ended.grants, [(alone.head.id, Some(user("alice")))], "no token, no other session");

    let with_token = sign_in(store, "bob", "b1").await;
    store.put_token(token("tb", "bob")).await.unwrap();
    assert!(end(store, Scope::Session(hash("b1"))).await.grants.is_empty(), "it serves the token");
    end(store, Scope::Token(hash("tb"))).await;
    assert!(end(store, Scope::Session(hash("b1"))).await.is_empty(), "a second time says nothing");
    assert!(store.grant(with_token.head.id).await.unwrap().unwrap().head.ended.is_none());

    store.put_token(token("tc", "carol")).await.unwrap();
    let one = sign_in(store, "carol", "c1").await;
    sign_in(store, "carol", "c2").await;
    let ended = end(store, Scope::Session(hash("c1"))).await;
    assert_eq!(ended.grants, [(one.head.id, Some(user("carol")))], "the other one serves the token");
    end(store, Scope::Everybody).await;

    for (scope, name) in [(Scope::Older(NOW + HOUR), "dave"), (Scope::Idler(NOW + HOUR), "erin")] {
        let alone = sign_in(store, name, name).await;
        let user_with_token = format!("{name}-with-token");
        sign_in(store, &user_with_token, &user_with_token).await;
        store.put_token(token(&format!("t-{name}"), &user_with_token)).await.unwrap();
        let ended = end(store, scope.clone()).await;
        assert_eq!(ended.sessions.len(), 2, "{scope:?}");
        assert_eq!(ended.grants, [(alone.head.id, Some(user(name)))], "{scope:?}");
    }
}

pub(crate) async fn sessions_at_apps_end_with_the_browser_session_of_their_user(store: &Arc<dyn Store>) {
    let store = &**store;
    let app = |name: &str, owner: &str| TokenRow { made_for: MadeFor::App, ..token(name, owner) };
    let issuer = key("alice").issuer;
    let sid = || Scope::Sid(issuer.clone(), "sid-alice".to_owned());

    let alice = sign_in(store, "alice", "a1").await;
    sign_in(store, "alice", "a2").await;
    for row in [app("aa", "alice"), token("ta", "alice"), app("ab", "bob")] {
        store.put_token(row).await.unwrap();
    }
    let ended = end(store, Scope::Session(hash("a1"))).await;
    assert_eq!((ended.sessions, ended.tokens), (vec![hash("a1")], vec![hash("aa")]), "as Coder does it");
    store.put_token(app("aa2", "alice")).await.unwrap();
    assert!(end(store, Scope::Session(hash("a1"))).await.is_empty(), "a second time says nothing");
    assert_eq!(end(store, sid()).await.tokens, [hash("aa2")]);
    store.put_token(app("aa3", "alice")).await.unwrap();
    assert!(end(store, sid()).await.is_empty(), "nor does a second delivery");
    assert_eq!(end(store, Scope::Grant(alice.head.id)).await.tokens, [], "there was no session any more");

    sign_in(store, "bob", "b1").await;
    let second = sign_in(store, "bob", "b2").await;
    let ended = end(store, Scope::Grant(second.head.id)).await;
    assert_eq!((ended.sessions, ended.tokens), (vec![hash("b2")], vec![]), "another session is live");
    assert_eq!(end(store, Scope::Older(NOW + HOUR)).await.tokens, [hash("ab")], "the last one");

    for (session, scope) in [("d1", Scope::Idler(NOW + HOUR)), ("d2", Scope::Session(hash("d2")))] {
        sign_in(store, "dora", session).await;
        store.put_token(app(&format!("app {session}"), "dora")).await.unwrap();
        let ended = store.end(scope, NOW + HOUR, EndReason::Idle).await.unwrap();
        assert_eq!(
            (ended.sessions, ended.tokens),
            (vec![hash(session)], vec![]),
            "who works in an app is not idle"
        );
        store.end(Scope::User(user("dora")), NOW + HOUR, EndReason::Revoked).await.unwrap();
    }

    let carols = sign_in(store, "carol", "c1").await;
    store.put_token(app("ac", "carol")).await.unwrap();
    let with = Replacement { end_sessions: Some(EndReason::SignedOutAtProvider), ..replacement(&carols) };
    let ended = store.replace(carols.head.id, 0, with).await.unwrap().unwrap();
    assert_eq!((ended.sessions, ended.tokens), (vec![hash("c1")], vec![hash("ac")]));
}

pub(crate) async fn sessions_move_to_a_live_grant_and_end_with_it(store: &Arc<dyn Store>) {
    let store = &**store;
    let first = sign_in(store, "alice", "a1").await;
    let second = sign_in(store, "alice", "a2").await;
    store.end(Scope::Session(hash("a0")), NOW, EndReason::SignedOut).await.unwrap();
    assert_eq!(store.move_sessions(first.head.id, second.head.id).await.unwrap(), [hash("a1")]);
    assert_eq!(store.session(hash("a1")).await.unwrap().unwrap().grant, second.head.id);
    assert_eq!(end(store, Scope::Grant(first.head.id)).await.sessions, [], "it serves nobody any more");
    assert!(store.move_sessions(second.head.id, first.head.id).await.unwrap().is_empty(), "it has ended");
    let mut both = vec![hash("a1"), hash("a2")];
    both.sort();
    assert_eq!(end(store, Scope::Grant(second.head.id)).await.sessions, both);
}
