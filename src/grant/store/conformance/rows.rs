//! Stored rows read back, and are written only where allowed.

use std::sync::Arc;

use super::*;

pub(crate) async fn a_grant_reads_back_as_it_was_kept(store: &Arc<dyn Store>) {
    let full = grant("alice", "sid");
    let mut bare = grant("bob", "sid");
    bare.head.sid = None;
    bare.head.refreshable = false;
    bare.sealed = (0..=255).collect();
    for row in [&full, &bare] {
        store.insert_grant(row.clone(), None).await.unwrap();
        assert_eq!(store.grant(row.head.id).await.unwrap().as_ref(), Some(row));
    }
    assert_eq!(store.grant(GrantId::random()).await.unwrap(), None);
    assert!(store.insert_grant(full, None).await.is_err(), "a name is taken once");
}

pub(crate) async fn a_grant_is_kept_for_a_one_time_value_once(store: &Arc<dyn Store>) {
    let (first, second, third) = (grant("alice", "a"), grant("alice", "b"), grant("alice", "c"));
    let by = Some(Spent { id: hash("state"), until: NOW + HOUR });
    assert!(store.insert_grant(first.clone(), by).await.unwrap());
    assert!(!store.spend(hash("state"), NOW + HOUR).await.unwrap());
    assert!(!store.insert_grant(second.clone(), by).await.unwrap());
    assert!(store.spend(hash("other"), NOW + HOUR).await.unwrap());
    let other = Some(Spent { id: hash("other"), until: NOW + HOUR });
    assert!(!store.insert_grant(third.clone(), other).await.unwrap());
    assert!(store.grant(first.head.id).await.unwrap().is_some());
    for refused in [second, third] {
        assert_eq!(store.grant(refused.head.id).await.unwrap(), None);
    }
}

pub(crate) async fn a_grant_is_found_by_the_hash_of_its_access_token_while_it_is_live(
    store: &Arc<dyn Store>,
) {
    let row = grant("alice", "sid");
    store.insert_grant(row.clone(), None).await.unwrap();
    assert_eq!(store.grant_by_access(row.access).await.unwrap(), Some(row.clone()));
    assert!(store.replace(row.head.id, 0, replacement(&row)).await.unwrap().is_some());
    assert_eq!(store.grant_by_access(row.access).await.unwrap(), None);
    assert!(store.grant_by_access(hash("new access")).await.unwrap().is_some());
    end(&**store, Scope::Grant(row.head.id)).await;
    assert_eq!(store.grant_by_access(hash("new access")).await.unwrap(), None);
}

/// The handle of a grant that has ended, or of an older key, still leads to the newer grants.
pub(crate) async fn a_handle_leads_to_all_live_grants_of_its_identity(store: &Arc<dyn Store>) {
    let old = grant("alice", "sid");
    let mut newer = grant("alice", "sid");
    newer.head.created_at = NOW + HOUR;
    newer.handle = hash("alice, by another key");
    for row in [&old, &newer, &grant("bob", "sid")] {
        store.insert_grant(row.clone(), None).await.unwrap();
    }
    let found = store.grants_by_handle(hash("alice")).await.unwrap();
    assert_eq!(found, [newer.head.clone(), old.head.clone()]);
    end(&**store, Scope::Grant(old.head.id)).await;
    assert_eq!(store.grants_by_handle(hash("alice")).await.unwrap(), [newer.head]);
    assert!(store.grants_by_handle(hash("nobody")).await.unwrap().is_empty());
}

pub(crate) async fn an_identity_leads_to_all_its_live_grants(store: &Arc<dyn Store>) {
    let (old, mut newer) = (grant("alice", "sid"), grant("alice", "sid"));
    newer.head.created_at = NOW + HOUR;
    for row in [&old, &newer, &grant("bob", "sid")] {
        store.insert_grant(row.clone(), None).await.unwrap();
    }
    let key = old.head.key.clone();
    assert_eq!(store.grants_of(key.clone()).await.unwrap(), [newer.head.clone(), old.head.clone()]);
    end(&**store, Scope::Grant(old.head.id)).await;
    assert_eq!(store.grants_of(key).await.unwrap(), [newer.head]);
    assert!(store.grants_of(grant("carol", "sid").head.key).await.unwrap().is_empty());
}

pub(crate) async fn a_refresh_is_fenced_by_generation_and_end(store: &Arc<dyn Store>) {
    let row = sign_in(&**store, "alice", "session").await;
    let (id, new) = (row.head.id, replacement(&row));
    assert_eq!(store.replace(id, 1, new.clone()).await.unwrap(), None, "another generation");
    assert_eq!(store.replace(id, 0, new.clone()).await.unwrap(), Some(Ended::default()));
    assert_eq!(store.replace(id, 0, new.clone()).await.unwrap(), None, "twice");
    let kept = store.grant(id).await.unwrap().unwrap();
    let wanted = GrantHead {
        sid: None,
        email: new.email.clone(),
        access_expires_at: new.access_expires_at,
        checked_at: new.checked_at,
        generation: 1,
        ..row.head
    };
    assert_eq!(kept.head, wanted);
    assert_eq!((kept.access, kept.sealed), (new.access, new.sealed.clone()));
    let ending = Replacement { end_sessions: Some(EndReason::SignedOutAtProvider), ..new.clone() };
    let ended = store.replace(id, 1, ending).await.unwrap().unwrap();
    assert_eq!((ended.sessions, ended.grants), (vec![hash("session")], vec![]));
    end(&**store, Scope::Grant(id)).await;
    let generation = store.grant(id).await.unwrap().unwrap().head.generation;
    assert_eq!(store.replace(id, generation, new).await.unwrap(), None, "ended");
}

pub(crate) async fn of_two_refreshes_of_one_generation_one_is_written(store: &Arc<dyn Store>) {
    let row = sign_in(&**store, "alice", "session").await;
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (store, id, new) = (Arc::clone(store), row.head.id, replacement(&row));
        tries.spawn(async move { store.replace(id, 0, new).await.unwrap().is_some() });
    }
    assert_eq!(tries.join_all().await.into_iter().filter(|it| *it).count(), 1);
}

pub(crate) async fn resealing_changes_nothing_else_and_is_fenced(store: &Arc<dyn Store>) {
    let row = sign_in(&**store, "alice", "session").await;
    let id = row.head.id;
    assert!(!store.reseal(id, 1, b"x".to_vec()).await.unwrap());
    assert!(store.reseal(id, 0, b"x".to_vec()).await.unwrap());
    let mut wanted = GrantRow { sealed: b"x".to_vec(), ..row };
    wanted.head.generation = 1;
    assert_eq!(store.grant(id).await.unwrap(), Some(wanted));
    end(&**store, Scope::Grant(id)).await;
    assert!(!store.reseal(id, 2, b"y".to_vec()).await.unwrap());
}

pub(crate) async fn sealed_contents_are_read_in_pages_and_exchanged_only_while_they_are_stored(
    store: &Arc<dyn Store>,
) {
    let (alice, bob, gone) = (grant("alice", "a"), grant("bob", "b"), grant("carol", "c"));
    for row in [&alice, &bob, &gone] {
        store.insert_grant(row.clone(), None).await.unwrap();
    }
    for ended in [&bob, &gone] {
        store.end(Scope::Grant(ended.head.id), NOW, EndReason::Revoked).await.unwrap();
    }
    store.revoked(gone.head.id).await.unwrap();
    let mut pages = Vec::new();
    while let Some(found) = store.sealed_after(pages.last().copied(), 1).await.unwrap().pop() {
        pages.push(found.0);
    }
    let mut wanted = [alice.head.id, bob.head.id];
    wanted.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    assert_eq!(pages, wanted, "without wiped contents");
    let exchange = |row: &GrantRow, from: &[u8], to: &[u8]| SealedExchange {
        id: row.head.id,
        from: from.to_vec(),
        to: to.to_vec(),
    };
    let both = vec![exchange(&alice, b"something else", b"x"), exchange(&bob, &bob.sealed, b"x")];
    assert_eq!(store.exchange_sealed(both).await, Ok(1), "the other one was newer");
    let twice = vec![exchange(&alice, &alice.sealed, b"x"), exchange(&alice, &alice.sealed, b"y")];
    assert_eq!(store.exchange_sealed(twice).await, Ok(1));
    let wanted = GrantRow { sealed: b"x".to_vec(), ..alice.clone() };
    assert_eq!(
        store.grant(alice.head.id).await.unwrap(),
        Some(wanted),
        "and nothing else, not the generation"
    );
    assert!(store.reseal(alice.head.id, 0, b"z".to_vec()).await.unwrap(), "a refresh is not fenced off");
}

pub(crate) async fn late_tokens_are_taken_for_ended_grants_only(store: &Arc<dyn Store>) {
    let row = sign_in(&**store, "alice", "session").await;
    let id = row.head.id;
    store.revoke_instead(id, b"late".to_vec(), NOW).await.unwrap();
    assert_eq!(store.grant(id).await.unwrap().unwrap().sealed, row.sealed);
    store.end(Scope::Grant(id), NOW, EndReason::EndedByProvider).await.unwrap();
    assert!(store.due_revocations(NOW + HOUR, 10).await.unwrap().is_empty());
    store.revoke_instead(id, b"late".to_vec(), NOW).await.unwrap();
    let due = store.due_revocations(NOW, 10).await.unwrap();
    assert_eq!(due.iter().map(|it| it.sealed.as_slice()).collect::<Vec<_>>(), [b"late"]);
}

pub(crate) async fn a_token_reads_back_and_an_ended_one_keeps_its_owner(store: &Arc<dyn Store>) {
    let row = token("key", "alice");
    assert_eq!(store.put_token(row.clone()).await.unwrap(), row);
    assert_eq!(store.token(row.hash).await.unwrap(), Some(row.clone()));
    let asked = TokenRow {
        login_type: LoginType::Password,
        asked_at: NOW + HOUR,
        created_at: NOW + HOUR,
        made_for: MadeFor::Presented,
        ..row.clone()
    };
    let kept = store.put_token(asked.clone()).await.unwrap();
    let wanted = TokenRow { login_type: LoginType::Password, asked_at: NOW + HOUR, ..row.clone() };
    assert_eq!(kept, wanted, "how it was met stays");
    end(&**store, Scope::Token(row.hash)).await;
    let kept = store.put_token(TokenRow { user: user("mallory"), ..row.clone() }).await.unwrap();
    assert_eq!((kept.user, kept.ended), (user("alice"), Some(EndReason::Revoked)));
    assert_eq!(store.token(hash("nothing")).await.unwrap(), None);
}

pub(crate) async fn last_seen_never_goes_back(store: &Arc<dyn Store>) {
    sign_in(&**store, "alice", "session").await;
    store.put_token(token("key", "alice")).await.unwrap();
    for at in [NOW + HOUR, NOW, NOW + HOUR * 2, NOW + HOUR] {
        let sessions = ["session", "nothing"].map(|name| Touch::Session(hash(name), at));
        let tokens = ["key", "nothing"].map(|name| Touch::Token(hash(name), at, None));
        store.touch([sessions, tokens].concat()).await.unwrap();
    }
    let session = store.session(hash("session")).await.unwrap().unwrap();
    let token = store.token(hash("key")).await.unwrap().unwrap();
    assert_eq!((session.last_seen, token.last_seen), (NOW + HOUR * 2, NOW + HOUR * 2));
    store.touch(Vec::new()).await.unwrap();
}

pub(crate) async fn a_token_is_seen_from_somewhere_and_a_session_keeps_the_device_of_its_sign_in(
    store: &Arc<dyn Store>,
) {
    let row = sign_in(&**store, "alice", "session").await;
    store.put_token(token("key", "alice")).await.unwrap();
    let device = |name: &str| Device::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), name);
    let seen_from = async || {
        let listed = store.list(Filter::User(user("alice")), 10).await.unwrap();
        let kinds: Vec<_> = listed.into_iter().map(|it| it.kind).collect();
        assert!(kinds.contains(&ListedKind::Session { grant: row.head.id, device: row.device.clone() }));
        kinds.into_iter().find_map(|kind| match kind {
            ListedKind::Token { device, .. } => Some(device),
            ListedKind::Session { .. } => None,
        })
    };
    assert_eq!(seen_from().await, Some(None));
    for (at, from, wanted) in [
        (NOW, Some(device("first")), "first"),
        (NOW + HOUR, None, "first"),
        (NOW + HOUR, Some(device("second")), "second"),
    ] {
        let session = Touch::Session(hash("session"), at);
        store.touch(vec![session, Touch::Token(hash("key"), at, from)]).await.unwrap();
        assert_eq!(seen_from().await, Some(Some(device(wanted))));
        assert_eq!(store.token(hash("key")).await.unwrap().unwrap().last_seen, at);
    }
}

pub(crate) async fn a_one_time_value_is_spent_once_by_many_at_once(store: &Arc<dyn Store>) {
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(store);
        tries.spawn(async move { store.spend(hash("code"), NOW).await.unwrap() });
    }
    assert_eq!(tries.join_all().await.into_iter().filter(|it| *it).count(), 1);
    assert!(store.spend(hash("another"), NOW).await.unwrap());
}

pub(crate) async fn notes_are_kept_and_replaced(store: &Arc<dyn Store>) {
    assert_eq!(store.note("a").await.unwrap(), None);
    store.set_note("a", vec![0, 1]).await.unwrap();
    store.set_note("b", Vec::new()).await.unwrap();
    store.set_note("a", vec![2]).await.unwrap();
    assert_eq!(store.note("a").await.unwrap(), Some(vec![2]));
    assert_eq!(store.note("b").await.unwrap(), Some(Vec::new()));
}

pub(crate) async fn the_list_is_of_what_is_live_and_last_seen_first(store: &Arc<dyn Store>) {
    let row = sign_in(&**store, "alice", "session").await;
    sign_in(&**store, "bob", "bobs").await;
    store.put_token(token("key", "alice")).await.unwrap();
    store.put_token(token("robots", "robot")).await.unwrap();
    store.touch(vec![Touch::Token(hash("key"), NOW + HOUR, None)]).await.unwrap();
    let all = store.list(Filter::Everybody, 10).await.unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(all[0].hash, hash("key"));
    let alices = store.list(Filter::User(user("alice")), 10).await.unwrap();
    let kind = ListedKind::Session { grant: row.head.id, device: row.device.clone() };
    assert_eq!((&alices[1].kind, &alices[1].key), (&kind, &Some(key("alice"))));
    assert_eq!(alices[0].email.as_ref().map(Email::as_str), Some("alice@acme.company"));
    assert_eq!(store.list(Filter::Email("ALICE@acme.company".to_owned()), 10).await.unwrap(), alices);
    assert!(store.list(Filter::Email("%".to_owned()), 10).await.unwrap().is_empty());
    let robots = store.list(Filter::User(user("robot")), 10).await.unwrap();
    assert_eq!((robots.len(), &robots[0].key), (1, &None));
    assert_eq!(store.list(Filter::Everybody, 2).await.unwrap().len(), 2);
    end(&**store, Scope::User(user("alice"))).await;
    assert_eq!(store.list(Filter::Everybody, 10).await.unwrap().len(), 2);
}
