//! Tests of binding, revocation and forgetting.

use std::sync::Arc;

use super::*;

pub(crate) async fn binding_makes_a_session_and_ends_what_it_replaces(store: &Arc<dyn Store>) {
    let old = sign_in(&**store, "alice", "old").await;
    let without_session = sign_in(&**store, "alice", "gone").await;
    store.end(Scope::Session(hash("gone")), NOW, EndReason::SignedOut).await.unwrap();
    let kept = sign_in(&**store, "alice", "kept").await;
    let bobs = sign_in(&**store, "bob", "bobs").await;
    let new = grant("alice", "sid");
    store.insert_grant(new.clone(), None).await.unwrap();
    assert_eq!(store.user(user("new")).await.unwrap(), UserRow::default());
    let bind = Bind {
        grant: new.head.id,
        session: hash("new"),
        user: user("alice"),
        at: NOW + HOUR,
        replaces: vec![hash("old")],
    };
    let Bound::Done { head, ended, .. } = store.bind(bind).await.unwrap() else { panic!("not bound") };
    assert_eq!(*head, GrantHead { user: Some(user("alice")), ..new.head.clone() });
    assert_eq!(ended.sessions, [hash("old")]);
    assert_eq!(ended.grants, [(old.head.id, Some(user("alice")))], "the other one ended before");
    let session = store.session(hash("new")).await.unwrap().unwrap();
    let wanted = SessionRow {
        hash: hash("new"),
        grant: new.head.id,
        user: user("alice"),
        created_at: NOW + HOUR,
        last_seen: NOW + HOUR,
        ended: None,
    };
    assert_eq!(session, wanted);
    let alice = store.user(user("alice")).await.unwrap();
    assert!(alice.signed_in);
    let mut ids: Vec<_> = alice.grants.iter().map(|it| it.id).collect();
    let mut live = vec![kept.head.id, new.head.id];
    ids.sort();
    live.sort();
    assert_eq!(ids, live);
    let ended = store.session(hash("old")).await.unwrap().unwrap().ended;
    assert_eq!(ended, Some(EndReason::Replaced));
    assert!(store.grant(bobs.head.id).await.unwrap().unwrap().head.ended.is_none());
    assert!(store.grant(without_session.head.id).await.unwrap().unwrap().head.ended.is_some());
}

pub(crate) async fn binding_too_late_changes_nothing(store: &Arc<dyn Store>) {
    sign_in(&**store, "alice", "alices").await;
    let late = grant("alice", "sid");
    store.insert_grant(late.clone(), None).await.unwrap();
    store.end(Scope::Grant(late.head.id), NOW, EndReason::SignedOutAtProvider).await.unwrap();
    let free = grant("bob", "sid");
    store.insert_grant(free.clone(), None).await.unwrap();
    let bind = |grant, session| Bind {
        grant,
        session: hash(session),
        user: user("bob"),
        at: NOW,
        replaces: vec![hash("alices")],
    };
    let ended = Bound::TooLate(EndReason::SignedOutAtProvider);
    assert_eq!(store.bind(bind(late.head.id, "x")).await.unwrap(), ended);
    let unknown = store.bind(bind(GrantId::random(), "x")).await.unwrap();
    assert_eq!(unknown, Bound::TooLate(EndReason::Abandoned));
    let taken = store.bind(bind(free.head.id, "alices")).await.unwrap();
    assert_eq!(taken, Bound::TooLate(EndReason::Replaced));
    assert_eq!(store.session(hash("x")).await.unwrap(), None);
    assert_eq!(store.grant(free.head.id).await.unwrap().unwrap().head.user, None);
    assert_eq!(store.session(hash("alices")).await.unwrap().unwrap().ended, None);
    assert!(!store.user(user("bob")).await.unwrap().signed_in);
}

/// CVE-2026-55075: the user that Coder found by the email address is another identity's.
pub(crate) async fn a_user_belongs_to_one_identity_until_another_may_take_it_over(store: &Arc<dyn Store>) {
    let alices = sign_in(&**store, "alice", "alices").await;
    sign_in(&**store, "bob", "bobs").await;
    let bound = |who: &str| BoundUser { user: user(who), key: key(who), email: grant(who, "").head.email };
    let tries = async |subject: &str, session: &str, at| {
        let row = grant(subject, "sid");
        store.insert_grant(row.clone(), None).await.unwrap();
        let (grant, replaces) = (row.head.id, vec![hash("presented")]);
        let bind = Bind { grant, session: hash(session), user: user("alice"), at, replaces };
        (grant, store.bind(bind).await.unwrap())
    };
    let refused = |owner: &str| Bound::OtherIdentity(Box::new(key(owner)));
    let (late, answer) = tries("mallory", "x", NOW).await;
    assert_eq!(answer, refused("alice"));
    assert_eq!(store.session(hash("x")).await.unwrap(), None);
    assert_eq!(store.session(hash("presented")).await.unwrap(), None, "nothing was written");
    assert_eq!(store.grant(late).await.unwrap().unwrap().head.user, None);
    let allowed = store.allow_relink(Filter::User(user("alice")), NOW).await.unwrap();
    assert_eq!(allowed, [bound("alice")]);
    assert_eq!(tries("mallory", "x", NOW + HOUR).await.1, refused("alice"), "too late");
    let email = Filter::Email("ALICE@acme.company".to_owned());
    assert_eq!(store.allow_relink(email, NOW + HOUR).await.unwrap(), [bound("alice")]);
    let Bound::Done { relinked_from, head, ended } = tries("mallory", "x", NOW + HOUR).await.1 else {
        panic!("not bound")
    };
    assert_eq!((relinked_from, &head.key), (Some(Box::new(key("alice"))), &key("mallory")));
    assert_eq!(ended.sessions, [hash("presented")]);
    assert!(store.grant(alices.head.id).await.unwrap().unwrap().head.ended.is_none(), "it has a session");
    assert_eq!(tries("alice", "y", NOW + HOUR).await.1, refused("mallory"), "once");
    assert!(matches!(tries("mallory", "z", NOW).await.1, Bound::Done { relinked_from: None, .. }));
    let mut all = store.allow_relink(Filter::Everybody, NOW + HOUR).await.unwrap();
    all.sort_by_key(|it| it.key.subject.as_str().to_owned());
    let mallorys = BoundUser { user: user("alice"), ..bound("mallory") };
    assert_eq!(all, [bound("bob"), mallorys]);
    assert!(matches!(tries("mallory", "own", NOW).await.1, Bound::Done { relinked_from: None, .. }));
    assert_eq!(tries("alice", "y", NOW).await.1, refused("mallory"), "the next sign-in has used it up");
}

pub(crate) async fn a_token_that_coder_has_ended_is_forgotten_and_an_ended_one_stays(store: &Arc<dyn Store>) {
    for (name, id) in [("one", Some("id of one")), ("two", Some("id of two")), ("old", None)] {
        store.put_token(TokenRow { key_id: id.map(hash), ..token(name, "alice") }).await.unwrap();
    }
    let again = TokenRow { key_id: None, ..token("one", "alice") };
    assert_eq!(store.put_token(again).await.unwrap().key_id, Some(hash("id of one")), "once known, kept");
    store.end(Scope::Token(hash("two")), NOW, EndReason::Revoked).await.unwrap();
    for key in
        [EndedKey::Id(hash("one")), EndedKey::Token(hash("id of one")), EndedKey::Id(hash("id of two"))]
    {
        assert!(store.forget_token(key).await.unwrap().is_empty(), "{key:?}");
    }
    assert_eq!(store.forget_token(EndedKey::Id(hash("id of one"))).await.unwrap(), [hash("one")]);
    assert_eq!(store.forget_token(EndedKey::Token(hash("old"))).await.unwrap(), [hash("old")]);
    assert!(store.forget_token(EndedKey::Token(hash("two"))).await.unwrap().is_empty());
    assert_eq!(store.token(hash("one")).await.unwrap(), None);
    assert_eq!(store.token(hash("two")).await.unwrap().unwrap().ended, Some(EndReason::Revoked));
}

pub(crate) async fn revocations_come_when_they_are_due_and_go_when_done(store: &Arc<dyn Store>) {
    let first = sign_in(&**store, "alice", "a").await;
    let second = sign_in(&**store, "bob", "b").await;
    let third = sign_in(&**store, "carol", "c").await;
    store.end(Scope::Grant(first.head.id), NOW, EndReason::SignedOut).await.unwrap();
    store.end(Scope::Grant(second.head.id), NOW + HOUR, EndReason::SignedOut).await.unwrap();
    store.end(Scope::Grant(third.head.id), NOW, EndReason::EndedByProvider).await.unwrap();
    let due = store.due_revocations(NOW, 10).await.unwrap();
    assert_eq!(due.len(), 1, "{due:?}");
    assert_eq!((due[0].head.id, due[0].tries, due[0].ended_at), (first.head.id, 0, NOW));
    assert_eq!(due[0].sealed, first.sealed);
    store.revoke_later(first.head.id, NOW + HOUR * 2).await.unwrap();
    let due = store.due_revocations(NOW + HOUR, 10).await.unwrap();
    assert_eq!(due.iter().map(|it| it.head.id).collect::<Vec<_>>(), [second.head.id]);
    let due = store.due_revocations(NOW + HOUR * 2, 10).await.unwrap();
    assert_eq!(due.iter().map(|it| it.tries).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(store.due_revocations(NOW + HOUR * 2, 1).await.unwrap().len(), 1);
    for id in [first.head.id, second.head.id] {
        store.revoked(id).await.unwrap();
        store.revoke_later(id, NOW).await.unwrap();
        assert!(store.grant(id).await.unwrap().unwrap().sealed.is_empty());
    }
    assert!(store.due_revocations(NOW + HOUR * 100, 10).await.unwrap().is_empty());
    let live = sign_in(&**store, "dave", "d").await;
    store.revoked(live.head.id).await.unwrap();
    assert!(!store.grant(live.head.id).await.unwrap().unwrap().sealed.is_empty(), "a live one is not wiped");
}

pub(crate) async fn forgetting_spares_what_must_be_known(store: &Arc<dyn Store>) {
    let later = NOW + HOUR * 10;
    let live = sign_in(&**store, "alice", "alices").await;
    let to_revoke = sign_in(&**store, "bob", "bobs").await;
    let done = sign_in(&**store, "carol", "carols").await;
    for id in [to_revoke.head.id, done.head.id] {
        store.end(Scope::Grant(id), NOW, EndReason::SignedOut).await.unwrap();
    }
    store.revoked(done.head.id).await.unwrap();
    store.put_token(token("key", "alice")).await.unwrap();
    store.spend(hash("over"), NOW).await.unwrap();
    store.spend(hash("not over"), later + HOUR).await.unwrap();
    assert_eq!(store.forget(later, later, NOW, 100).await.unwrap(), 2, "one value, one grant");
    assert!(store.grant(live.head.id).await.unwrap().is_some());
    assert!(store.grant(to_revoke.head.id).await.unwrap().is_some(), "its tokens are not revoked yet");
    assert!(store.grant(done.head.id).await.unwrap().is_none());
    assert!(store.spend(hash("over"), later).await.unwrap());
    assert!(!store.spend(hash("not over"), later).await.unwrap());
    assert!(store.session(hash("carols")).await.unwrap().unwrap().ended.is_some(), "stays known");
    assert!(store.user(user("carol")).await.unwrap().signed_in, "for ever");
    store.touch(vec![Touch::Session(hash("alices"), later)]).await.unwrap();
    assert_eq!(store.forget(NOW, NOW, later, 1).await.unwrap(), 2, "one of a kind at a time");
    assert_eq!(store.forget(NOW, NOW, later, 100).await.unwrap(), 1);
    assert!(store.session(hash("alices")).await.unwrap().is_some());
    assert_eq!(store.token(hash("key")).await.unwrap(), None);
}
