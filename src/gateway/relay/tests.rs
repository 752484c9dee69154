//! The registry, with time moved by hand.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use super::owners::NodeKeyOwner;
use super::registry::{NodeKeyRegistry, RelayConnection};
use super::{RelayPolicy, RelaySettings};
use crate::grant::Authorization;
use crate::types::{Clock, LoginType, ManualClock, NodeKey, Timestamp, TokenHash};

const SETTLE: Duration = Duration::from_secs(30);
const ALMOST: Duration = Duration::from_secs(29);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

fn key(byte: u8) -> NodeKey {
    NodeKey::from([byte; NodeKey::LENGTH])
}

fn registry(policy: RelayPolicy) -> (Arc<NodeKeyRegistry>, ManualClock) {
    let (clock, hand) = Clock::manual(Timestamp::from_seconds(1_000_000));
    (NodeKeyRegistry::new(RelaySettings { policy, settle: SETTLE }, clock), hand)
}

fn person() -> (Authorization, NodeKeyOwner) {
    let authorization = Authorization::for_test(None, LoginType::Oidc);
    let owner = NodeKeyOwner::Person(authorization.credential().clone());
    (authorization, owner)
}

fn machine(name: &str) -> NodeKeyOwner {
    NodeKeyOwner::Machine(TokenHash::of(name))
}

fn is_cut(connection: &mut RelayConnection) -> bool {
    connection.poll_cut(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// A relay connection that has said its key, if it may stay.
fn connected(registry: &Arc<NodeKeyRegistry>, key: NodeKey) -> Option<RelayConnection> {
    let mut connection = registry.connect();
    connection.name(key).then_some(connection)
}

#[test]
fn an_announced_key_stays_at_the_relay_for_as_long_as_it_likes() {
    let (registry, hand) = registry(RelayPolicy::Known);
    let mut connection = connected(&registry, key(1)).unwrap();
    let tunnel = registry.announce(key(1), machine("agent")).unwrap();
    drop(tunnel);
    for _ in 0..100 {
        hand.advance(MINUTE);
        registry.look();
    }
    assert!(!is_cut(&mut connection), "its judged stream has closed, but nobody has ended");
    drop(connection);
    assert!(connected(&registry, key(1)).is_some());
}

#[test]
fn a_key_that_nobody_announces_settles_once_and_is_cut_however_often_it_connects() {
    let (registry, hand) = registry(RelayPolicy::Known);
    let mut first = connected(&registry, key(1)).unwrap();
    hand.advance(ALMOST);
    registry.look();
    assert!(!is_cut(&mut first));
    let mut second = connected(&registry, key(1)).unwrap();
    hand.advance(SECOND);
    registry.look();
    assert!(is_cut(&mut first) && is_cut(&mut second));
    drop((first, second));
    for _ in 0..5 {
        hand.advance(MINUTE);
        registry.look();
        assert!(connected(&registry, key(1)).is_none());
    }
    let _tunnel = registry.announce(key(1), machine("agent")).unwrap();
    assert!(connected(&registry, key(1)).is_some(), "it is announced now");
}

#[test]
fn an_announcement_in_time_keeps_the_connection() {
    let (registry, hand) = registry(RelayPolicy::Known);
    let mut connection = connected(&registry, key(1)).unwrap();
    hand.advance(ALMOST);
    let _tunnel = registry.announce(key(1), machine("agent")).unwrap();
    hand.advance(MINUTE);
    registry.look();
    assert!(!is_cut(&mut connection));
}

#[test]
fn the_end_of_the_last_owner_cuts_the_key_until_it_is_announced_again() {
    let (registry, _hand) = registry(RelayPolicy::Known);
    let ((alice, hers), (bob, his)) = (person(), person());
    let _tunnels = [registry.announce(key(1), hers.clone()), registry.announce(key(1), his)];
    let mut connection = connected(&registry, key(1)).unwrap();
    alice.credential().end();
    registry.look();
    assert!(!is_cut(&mut connection), "an announcement takes no key over, and one owner lives");
    bob.credential().end();
    registry.look();
    assert!(is_cut(&mut connection));
    assert!(connected(&registry, key(1)).is_none());
    assert!(registry.announce(key(1), hers).is_none(), "hers has ended");
    assert!(connected(&registry, key(1)).is_none());
    let _tunnel = registry.announce(key(1), person().1).unwrap();
    assert!(connected(&registry, key(1)).is_some());
}

/// The end reaches a connection that says its key before the next look.
#[test]
fn an_end_counts_at_once_for_a_new_connection() {
    let (registry, _hand) = registry(RelayPolicy::Known);
    let (alice, hers) = person();
    let _tunnel = registry.announce(key(1), hers).unwrap();
    let mut open = connected(&registry, key(1)).unwrap();
    alice.credential().end();
    assert!(connected(&registry, key(1)).is_none());
    assert!(is_cut(&mut open));
}

#[test]
fn other_keys_are_not_touched_by_an_end() {
    let (registry, _hand) = registry(RelayPolicy::Known);
    let ((alice, hers), (_bob, his)) = (person(), person());
    let _tunnels = [
        registry.announce(key(1), hers),
        registry.announce(key(2), his),
        registry.announce(key(3), machine("agent")),
    ];
    let mut open: Vec<_> = (1..=3).map(|byte| connected(&registry, key(byte)).unwrap()).collect();
    alice.credential().end();
    registry.look();
    assert_eq!(open.iter_mut().map(is_cut).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn an_open_relay_lets_strangers_stay_but_cuts_the_keys_of_ended_owners() {
    let (registry, hand) = registry(RelayPolicy::Open);
    let (alice, hers) = person();
    let _tunnel = registry.announce(key(1), hers).unwrap();
    let (mut theirs, mut stranger) =
        (connected(&registry, key(1)).unwrap(), connected(&registry, key(2)).unwrap());
    alice.credential().end();
    hand.advance(100 * MINUTE);
    registry.look();
    assert!(is_cut(&mut theirs) && !is_cut(&mut stranger));
    assert!(connected(&registry, key(1)).is_none() && connected(&registry, key(2)).is_some());
}

#[test]
fn a_connection_that_never_says_its_key_is_cut_under_both_policies() {
    for policy in [RelayPolicy::Known, RelayPolicy::Open] {
        let (registry, hand) = registry(policy);
        let mut silent = registry.connect();
        hand.advance(ALMOST);
        registry.look();
        assert!(!is_cut(&mut silent));
        hand.advance(SECOND);
        registry.look();
        assert!(is_cut(&mut silent));
        assert!(!silent.name(key(1)), "too late");
    }
}

#[test]
fn a_connection_that_cannot_be_read_is_cut_unless_the_relay_is_open() {
    for (policy, cut) in [(RelayPolicy::Known, true), (RelayPolicy::Open, false)] {
        let (registry, hand) = registry(policy);
        let mut connection = registry.connect();
        connection.cannot_name();
        hand.advance(SETTLE);
        registry.look();
        assert_eq!(is_cut(&mut connection), cut);
    }
}

#[test]
fn a_quiet_key_is_forgotten_after_ten_minutes_and_not_before() {
    let (registry, hand) = registry(RelayPolicy::Known);
    let (_alice, hers) = person();
    let tunnel = registry.announce(key(1), hers).unwrap();
    hand.advance(100 * MINUTE);
    registry.look();
    assert_eq!(registry.sizes().keys, 1, "its judged stream is open");
    drop(tunnel);
    hand.advance(9 * MINUTE);
    registry.look();
    drop(connected(&registry, key(1)).unwrap());
    hand.advance(9 * MINUTE);
    registry.look();
    assert_eq!(registry.sizes().keys, 1);
    hand.advance(MINUTE);
    registry.look();
    assert_eq!(registry.sizes().keys, 0);
    assert!(connected(&registry, key(1)).is_some(), "it may announce itself again");
}

#[test]
fn connections_that_close_leave_nothing_behind() {
    let (registry, _hand) = registry(RelayPolicy::Known);
    let open =
        [registry.connect(), connected(&registry, key(1)).unwrap(), connected(&registry, key(1)).unwrap()];
    assert_eq!(registry.sizes().connections, 3);
    drop(open);
    assert_eq!(registry.sizes().connections, 0);
    registry.look();
    assert_eq!(registry.known(), 0);
}

/// Nobody can push others' ownership out with many tokens.
#[test]
fn a_user_with_many_tokens_keeps_others_in_the_set_of_owners() {
    let (registry, _hand) = registry(RelayPolicy::Known);
    let (_bob, his) = person();
    let _his = registry.announce(key(1), his).unwrap();
    let user = Some("7a3c2f9e-1b0d-4c5e-8f6a-9b2d4e6f8a01".parse().unwrap());
    let tokens: Vec<_> = (0..200).map(|_| Authorization::for_test(user, LoginType::Oidc)).collect();
    let _tunnels: Vec<_> = tokens
        .iter()
        .map(|token| registry.announce(key(1), NodeKeyOwner::Person(token.credential().clone())))
        .collect();
    let (alice, hers) = person();
    let _hers = registry.announce(key(1), hers).unwrap();
    for token in &tokens {
        token.credential().end();
    }
    alice.credential().end();
    registry.look();
    assert!(connected(&registry, key(1)).is_some(), "bob's is live");
}
