//! A failing store, and secrets in its files.

use std::sync::Arc;

use super::scripted::{Fate, Scripted};
use super::support::*;
use crate::grant::Resealed;
use crate::grant::store::{Embedded, OpenError, StoreError};
use crate::grant::{EndReason, GrantSettings, Grants, Verdict};
use crate::types::{Keyring, LoginType};

/// CVE-2026-25748, and every proxy that accepted a failed look-up.
#[tokio::test]
async fn a_store_that_cannot_be_read_serves_nobody_it_cannot_judge() {
    let store = Scripted::over(Arc::new(Embedded::in_memory().await));
    let world = World::over(GrantSettings::default(), store.clone()).await;
    let (_, session) = world.sign_in("alice").await;
    let token = world.token("alice", LoginType::Oidc).await;
    store.script(|_| Fate::Fail);
    for hash in [session, token, fresh_hash()] {
        assert!(matches!(world.grants.check(&hash), Verdict::NeedsAsking(_)));
        assert!(world.grants.judge(&hash).await.is_err());
        assert!(matches!(world.grants.check(&hash), Verdict::NeedsAsking(_)));
    }
    assert!(world.grants.adopt(fresh_hash(), owner("alice", LoginType::Oidc)).await.is_err());
    assert!(world.grants.spend("jti", "x", world.clock.now()).await.is_err());
    store.script(|_| Fate::Pass);
    world.served(&session).await;
    store.script(|_| Fate::Fail);
    assert!(world.is_hot(&session), "what was judged needs no store");
    world.hand.advance(MINUTE * 5);
    assert!(world.grants.judge(&session).await.is_err(), "stale, and the row cannot be read");
    store.script(|_| Fate::Pass);
    world.served(&session).await;
}

#[tokio::test]
async fn an_end_that_cannot_be_written_is_not_told_and_is_an_error() {
    let store = Scripted::over(Arc::new(Embedded::in_memory().await));
    let world = World::over(GrantSettings::default(), store.clone()).await;
    let (_, session) = world.sign_in("alice").await;
    world.served(&session).await;
    store.script(|name| if name == "end" { Fate::Fail } else { Fate::Pass });
    assert!(world.grants.end_user(user("alice"), EndReason::Revoked).await.is_err());
    world.hand.advance(MINUTE * 5);
    world.provider.says(Says::InvalidGrant);
    assert!(world.grants.judge(&session).await.is_err(), "fails closed");
    assert!(!world.is_hot(&session));
}

/// The old refresh token is spent, and the new one is only in memory: it must be stored, not requested again.
#[tokio::test]
async fn a_refresh_that_the_store_did_not_take_is_stored_later_and_not_asked_for_again() {
    let store = Scripted::over(Arc::new(Embedded::in_memory().await));
    let world = World::over(GrantSettings::default(), store.clone()).await;
    *world.provider.strict.lock().unwrap() = Some(std::collections::HashMap::default());
    let (grant, session) = world.sign_in("alice").await;
    let (other, bobs) = world.sign_in("bob").await;
    world.hand.advance(MINUTE * 5);
    store.script(|name| if name == "replace" { Fate::Fail } else { Fate::Pass });
    for _ in 0..3 {
        assert!(world.grants.judge(&session).await.is_err());
        assert!(!world.is_hot(&session), "not stored, not used");
        assert!(world.grants.judge(&bobs).await.is_err());
    }
    assert_eq!(world.provider.refreshes(), 2);
    store.script(|_| Fate::Pass);
    world.served(&session).await;
    world.grants.services.upkeep.flush().await;
    assert_eq!(world.generation(other).await, 2, "also when nobody asks: its token, and all of it");
    world.served(&bobs).await;
    assert_eq!(world.provider.refreshes(), 2);
    world.hand.advance(MINUTE * 5);
    world.served(&session).await;
    assert_eq!(world.generation(grant).await, 4);
}

#[tokio::test]
async fn a_new_refresh_token_that_the_store_did_not_take_is_stored_later() {
    let store = Scripted::over(Arc::new(Embedded::in_memory().await));
    let world = World::over(GrantSettings::default(), store.clone()).await;
    *world.provider.strict.lock().unwrap() = Some(std::collections::HashMap::default());
    let (_, session) = world.sign_in("alice").await;
    world.hand.advance(MINUTE * 5);
    world.provider.says(Says::Halfway);
    store.script(|name| if name == "reseal" { Fate::Fail } else { Fate::Pass });
    assert!(world.grants.judge(&session).await.is_err());
    store.script(|_| Fate::Pass);
    world.hand.advance(MINUTE);
    world.grants.services.upkeep.flush().await;
    world.provider.says(Says::Yes);
    world.hand.advance(MINUTE);
    world.served(&session).await;
}

/// Searches the files for every secret.
#[tokio::test]
async fn no_token_can_be_read_from_the_files_and_another_key_does_not_open_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(folder.path()).await.unwrap());
    let world = World::over(GrantSettings::default(), store.clone()).await;
    let (_, session) = world.sign_in("alice").await;
    world.hand.advance(MINUTE * 5);
    world.served(&session).await;
    world.grants.keep_documents("{\"issuer\":\"x\"}", "{\"keys\":[]}").await.unwrap();
    let handle = world.grants.code_for(world.begin("alice").await, "x", None);
    let handle = world.grants.redeem(&handle, "x", None).unwrap().refresh_handle;
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o077, 0, "{path:?} is open to others");
        for secret in ["refresh-alice", "access-alice", "signed-alice", handle.expose(), "{\"keys\""] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} in {path:?}");
        }
        files += 1;
    }
    assert!(files >= 3, "database, log, lock");

    let refused = open_with(&world, Keyring::new([8; 32], [])).await;
    assert!(matches!(refused, Err(OpenError::WrongKey)));
    let renewed = open_with(&world, Keyring::new([8; 32], [[7; 32]])).await.unwrap();
    assert!(matches!(renewed.judge(&session).await, Ok(Verdict::Authorized(_))));
    assert_eq!(renewed.documents().await, Ok(Some(("{\"issuer\":\"x\"}".into(), "{\"keys\":[]}".into()))));
    renewed.by_handle(&handle).await.unwrap();
    let refused = open_with(&world, Keyring::new([7; 32], [])).await;
    assert!(matches!(refused, Err(OpenError::WrongKey)), "the newest key is needed from now on");
}

/// A rotation of the key: the former one can be removed once everything is resealed, and not before.
#[tokio::test]
async fn after_a_resealing_the_former_key_is_not_needed_and_nobody_is_signed_out() {
    let world = World::new().await;
    let (_, session) = world.sign_in("alice").await;
    let (_, ended) = world.sign_in("bob").await;
    world.grants.end_session(&ended, EndReason::Revoked).await.unwrap();
    world.grants.keep_documents("{}", "{}").await.unwrap();
    let rotated = Keyring::new([8; 32], [[7; 32]]);
    let during = open_with(&world, rotated.clone()).await.unwrap();
    let early = open_with(&world, Keyring::new([8; 32], [])).await.unwrap();
    assert_eq!(early.documents().await, Err(StoreError::Sealed), "too early");
    assert_eq!(early.reseal().await.unwrap(), Resealed { unreadable: 2, ..Resealed::default() });
    let done = during.reseal().await.unwrap();
    assert_eq!(done, Resealed { resealed: 2, ..Resealed::default() }, "the ended one has tokens to revoke");
    assert_eq!(during.reseal().await.unwrap(), Resealed { current: 2, ..Resealed::default() });
    let after = open_with(&world, Keyring::new([8; 32], [])).await.unwrap();
    world.hand.advance(MINUTE * 5);
    assert!(matches!(after.judge(&session).await, Ok(Verdict::Authorized(_))));
    assert_eq!(after.documents().await, Ok(Some(("{}".into(), "{}".into()))));
    after.services.upkeep.revoke_due().await;
    assert_eq!(world.provider.revoked().len(), 2, "of the ended one");
}

async fn open_with(world: &World, keyring: Keyring) -> Result<Arc<Grants>, OpenError> {
    let refresher = Arc::clone(&world.provider) as Arc<dyn crate::grant::GrantProvider>;
    let store = Arc::clone(&world.store);
    Grants::open(GrantSettings::default(), store, &keyring, refresher, world.clock.clone()).await
}

/// A grant sealed with a lost key no longer serves its session; nothing ends in the store.
#[tokio::test]
async fn a_grant_that_no_key_opens_ends_in_memory_only() {
    let mut world = World::new().await;
    let (grant, session) = world.sign_in("alice").await;
    assert!(world.store.reseal(grant, 0, b"nonsense".to_vec()).await.unwrap());
    world.hand.advance(MINUTE * 5);
    assert_eq!(world.ended(&session).await, EndReason::Unreadable);
    assert!(world.is_live(grant).await);
    world.restart().await;
    assert_eq!(world.ended(&session).await, EndReason::Unreadable);
}

#[tokio::test]
async fn a_store_error_says_what_to_do_and_shows_nothing() {
    for (error, advice) in [
        (StoreError::Busy, "look at the disk's load"),
        (StoreError::Full, "make room"),
        (StoreError::ReadOnly, "make its folder and files writable"),
        (StoreError::Damaged("a column cannot be read".to_owned()), "restore it, or move it aside"),
        (StoreError::Sealed, "put the former key back"),
    ] {
        assert!(error.to_string().contains(advice), "{error}");
    }
}
