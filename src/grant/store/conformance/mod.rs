//! The tests that every engine must pass.
//!
//! An engine takes part with `conformance!(maker)`, where `maker` returns an empty store and the values that must live
//! as long as it.

mod ends;
mod rows;
mod sign_ins;

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::*;
use crate::types::{Email, IdentityKey, Issuer, LoginType, Subject};

pub(crate) use ends::*;
pub(crate) use rows::*;
pub(crate) use sign_ins::*;

/// Makes the suite's tests for one engine.
macro_rules! conformance {
    ($make:path: $($case:ident)*) => {
        $(#[tokio::test]
        async fn $case() {
            let (store, _kept) = $make().await;
            $crate::grant::store::conformance::$case(&store).await;
        })*
    };
    ($make:path) => {
        $crate::grant::store::conformance::conformance! { $make:
            a_grant_reads_back_as_it_was_kept
            a_grant_is_kept_for_a_one_time_value_once
            a_grant_is_found_by_the_hash_of_its_access_token_while_it_is_live
            a_handle_leads_to_all_live_grants_of_its_identity
            an_identity_leads_to_all_its_live_grants
            a_refresh_is_fenced_by_generation_and_end
            of_two_refreshes_of_one_generation_one_is_written
            resealing_changes_nothing_else_and_is_fenced
            sealed_contents_are_read_in_pages_and_exchanged_only_while_they_are_stored
            sessions_move_to_a_live_grant_and_end_with_it
            late_tokens_are_taken_for_ended_grants_only
            binding_makes_a_session_and_ends_what_it_replaces
            binding_too_late_changes_nothing
            a_user_belongs_to_one_identity_until_another_may_take_it_over
            a_token_that_coder_has_ended_is_forgotten_and_an_ended_one_stays
            a_token_reads_back_and_an_ended_one_keeps_its_owner
            last_seen_never_goes_back
            a_token_is_seen_from_somewhere_and_a_session_keeps_the_device_of_its_sign_in
            a_one_time_value_is_spent_once_by_many_at_once
            revocations_come_when_they_are_due_and_go_when_done
            notes_are_kept_and_replaced
            the_list_is_of_what_is_live_and_last_seen_first
            forgetting_spares_what_must_be_known
            every_scope_ends_what_it_names_and_nothing_else
            an_identity_ends_up_to_a_moment_of_the_provider
            what_has_ended_keeps_its_first_reason
            a_session_takes_its_grant_along_only_when_that_serves_nobody
            sessions_at_apps_end_with_the_browser_session_of_their_user
        }
    };
}
pub(crate) use conformance;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const HOUR: Duration = Duration::from_hours(1);

pub(crate) fn hash(text: &str) -> TokenHash {
    TokenHash::of(text)
}

pub(crate) fn user(name: &str) -> CoderUserId {
    CoderUserId::from_bytes(&hash(name).as_bytes()[..16]).unwrap()
}

fn key(subject: &str) -> IdentityKey {
    IdentityKey {
        issuer: Issuer::parse("https://authentik.company/application/o/coder/", false).unwrap(),
        subject: Subject::parse(subject).unwrap(),
    }
}

/// A grant of `subject`, with the session `sid` at the provider.
pub(crate) fn grant(subject: &str, sid: &str) -> GrantRow {
    let id = GrantId::random();
    GrantRow {
        head: GrantHead {
            id,
            key: key(subject),
            user: None,
            sid: Some(sid.to_owned()),
            email: Email::parse(&format!("{subject}@acme.company")).unwrap(),
            access_expires_at: NOW + HOUR,
            checked_at: NOW,
            refreshable: true,
            generation: 0,
            created_at: NOW,
            ended: None,
        },
        handle: hash(subject),
        access: hash(&id.to_string()),
        issued_at: NOW,
        device: Device::new(IpAddr::V6(Ipv6Addr::LOCALHOST), "curl/8 \"quoted\" ü"),
        sealed: id.as_bytes().to_vec(),
    }
}

fn token(name: &str, owner: &str) -> TokenRow {
    TokenRow {
        hash: hash(name),
        user: user(owner),
        login_type: LoginType::None,
        made_for: MadeFor::Token,
        key_id: None,
        created_at: NOW,
        asked_at: NOW,
        last_seen: NOW,
        ended: None,
    }
}

fn replacement(row: &GrantRow) -> Replacement {
    Replacement {
        sid: None,
        email: Email::parse("new@acme.company").unwrap(),
        access: hash("new access"),
        access_expires_at: NOW + HOUR * 2,
        checked_at: NOW + HOUR,
        sealed: [row.sealed.as_slice(), b"new"].concat(),
        end_sessions: None,
    }
}

/// A complete sign-in of `subject`, whose user in Coder has the same name. Returns the grant.
async fn sign_in(store: &dyn Store, subject: &str, session: &str) -> GrantRow {
    let row = grant(subject, &format!("sid-{subject}"));
    store.insert_grant(row.clone(), None).await.unwrap();
    let bind = Bind {
        grant: row.head.id,
        session: hash(session),
        user: user(subject),
        at: NOW,
        replaces: Vec::new(),
    };
    assert!(matches!(store.bind(bind).await.unwrap(), Bound::Done { .. }));
    store.grant(row.head.id).await.unwrap().unwrap()
}

async fn end(store: &dyn Store, scope: Scope) -> Ended {
    let mut ended = store.end(scope, NOW + HOUR, EndReason::Revoked).await.unwrap();
    ended.sessions.sort();
    ended.tokens.sort();
    ended.grants.sort();
    ended
}
