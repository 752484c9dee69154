//! Kills a process at every write of the store: reported results are kept, and ended things stay ended.
//!
//! The life below runs in its own process on a store on disk, and notes in a file what it tries and which results
//! it gets. Before, during or after one write it kills itself with `SIGKILL`. Then this process opens the store and
//! compares it with the notes. One life for each write and moment.

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::scripted::{Fate, METHODS, Moment, Scripted, writes};
use super::support::*;
use crate::grant::store::Embedded;
use crate::grant::{AskNext, BindError, EndReason, EndedKey, Filter, GrantSettings, Verdict};
use crate::types::{LoginType, TokenHash};

/// The child's parameters: the folder, which write, and when; a complete life omits the last two.
const ORDERS: [&str; 3] = ["VESTIBULE_TEST_FOLDER", "VESTIBULE_TEST_WRITE", "VESTIBULE_TEST_MOMENT"];

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::During, Moment::After];

/// The steps of a life, in this order.
const STEPS: [&str; 17] = [
    "documents",
    "spend",
    "bob",
    "alice",
    "key",
    "rotate",
    "seen",
    "refresh",
    "halfway",
    "sign out",
    "carol",
    "end carol",
    "revoke",
    "sweep",
    "move",
    "forget",
    "relink",
];

/// The sessions of the step `move`.
const SHARED: [&str; 2] = ["dave", "dave elsewhere"];

fn hash(name: &str) -> TokenHash {
    TokenHash::of(name)
}

/// Appends a line to the notes. Written lines survive the process.
fn note(folder: &Path, line: &str) {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(folder.join("notes"));
    writeln!(file.unwrap(), "{line}").unwrap();
}

/// The notes of a child.
#[derive(Default)]
struct Notes {
    tried: BTreeSet<String>,
    done: BTreeSet<String>,
    /// The writes, each with the number of refreshes that the provider had answered by then.
    writes: Vec<(String, usize)>,
}

impl Notes {
    fn read(folder: &Path) -> Self {
        let mut notes = Self::default();
        for line in std::fs::read_to_string(folder.join("notes")).unwrap().lines() {
            let (kind, rest) = line.split_once(' ').unwrap();
            match kind {
                "try" => drop(notes.tried.insert(rest.to_owned())),
                "done" => drop(notes.done.insert(rest.to_owned())),
                _ => {
                    let (name, refreshes) = rest.split_once(' ').unwrap();
                    notes.writes.push((name.to_owned(), refreshes.parse().unwrap()));
                }
            }
        }
        notes
    }

    fn tried(&self, step: &str) -> bool {
        self.tried.contains(step)
    }

    fn done(&self, step: &str) -> bool {
        self.done.contains(step)
    }
}

/// One step of the life.
async fn live_through(world: &World, step: &str) {
    let grants = &world.grants;
    let sign_in = async |who: &str| {
        let state = grants.take_state(who, world.clock.now() + SECOND).await.unwrap().unwrap();
        let grant = world.begin_by(state, who, |_| ()).await.unwrap().unwrap();
        grants.bind(grant, hash(who), user(who), Vec::new()).await.unwrap();
    };
    match step {
        "documents" => grants.keep_documents("discovery", "keys").await.unwrap(),
        "spend" => assert_eq!(grants.spend("state", "once", crate::types::Timestamp::MAX).await, Ok(true)),
        "bob" | "alice" | "carol" => sign_in(step).await,
        "key" => grants.attribute(hash("key"), owner("alice", LoginType::Oidc)).await.unwrap(),
        "rotate" => {
            let old = crate::types::Keyring::new(OLD_KEY, [[7; 32]]);
            let before = crate::grant::reseal(&*world.store, &old).await.unwrap();
            let after = grants.reseal().await.unwrap();
            assert_eq!((before.resealed, after.resealed, after.unreadable), (2, 2, 0));
        }
        "seen" => {
            world.hand.advance(SECOND * 2);
            world.served(&hash("alice")).await;
            grants.services.upkeep.flush().await;
        }
        "refresh" => {
            world.hand.advance(MINUTE * 5);
            world.served(&hash("alice")).await;
        }
        "halfway" => {
            world.hand.advance(MINUTE * 5);
            world.provider.says(Says::Halfway);
            world.served(&hash("alice")).await;
            world.provider.says(Says::Yes);
            world.hand.advance(MINUTE * 5);
            world.served(&hash("alice")).await;
        }
        "sign out" => drop(grants.end_session(&hash("alice"), EndReason::SignedOut).await.unwrap()),
        "end carol" => {
            // Her grant ends while the provider is asked about it.
            world.served(&hash("carol")).await;
            world.hand.advance(MINUTE * 5);
            let gate = world.provider.close_gate();
            let asking = Arc::clone(grants);
            let asking = tokio::spawn(async move { asking.judge(&hash("carol")).await });
            settle(world).await;
            grants.end_user(user("carol"), EndReason::Revoked).await.unwrap();
            gate.add_permits(1);
            let judgement = asking.await.unwrap().unwrap();
            assert!(matches!(judgement, Verdict::Ended(EndReason::Revoked)), "{judgement:?}");
            *world.provider.gate.lock().unwrap() = None;
        }
        "revoke" => {
            *world.provider.revocation_down.lock().unwrap() = true;
            grants.services.upkeep.revoke_due().await;
            *world.provider.revocation_down.lock().unwrap() = false;
            world.hand.advance(MINUTE);
            grants.services.upkeep.revoke_due().await;
            assert_eq!(world.provider.revoked().len(), 2);
        }
        "sweep" => grants.services.upkeep.sweep().await,
        "move" => {
            // Two sign-ins that share a refresh token at the provider.
            for session in SHARED {
                let state = grants.take_state(session, world.clock.now() + SECOND).await.unwrap().unwrap();
                let grant = world.begin_by(state, "dave", |parts| parts.sid = None).await.unwrap().unwrap();
                grants.bind(grant, hash(session), user("dave"), Vec::new()).await.unwrap();
                world.hand.advance(SECOND);
            }
            world.hand.advance(MINUTE * 5);
            world.provider.says_about("dave", Says::Declines("invalid_request"));
            world.served(&hash(SHARED[0])).await;
        }
        "forget" => {
            grants.attribute(hash("gone"), owner("bob", LoginType::Oidc)).await.unwrap();
            assert_eq!(grants.forget_token(EndedKey::Token(hash("gone"))).await, Ok(1));
        }
        "relink" => {
            let allowed = grants.allow_relink(Filter::User(user("bob")), MINUTE * 600).await.unwrap();
            assert_eq!(allowed.len(), 1);
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how the tests below talk to their child")]
#[ignore = "run by the tests below, in a process that may be killed"]
async fn a_life() {
    let [Some(folder), turn, moment] = ORDERS.map(std::env::var_os) else { return };
    let folder = PathBuf::from(folder);
    let turn: Option<usize> = turn.map(|turn| turn.to_str().unwrap().parse().unwrap());
    let moment = moment.map_or(Moment::Before, |wanted| {
        MOMENTS.into_iter().find(|it| format!("{it:?}").as_str() == wanted.to_str().unwrap()).unwrap()
    });
    let store = Scripted::over(Arc::new(Embedded::open(&folder.join("store")).await.unwrap()));
    let refreshes = Arc::new(std::sync::OnceLock::<Arc<FakeProvider>>::new());
    let (provider, noted) = (Arc::clone(&refreshes), folder.clone());
    let mut count = 0;
    store.script(move |name| {
        if !writes(name) {
            return Fate::Pass;
        }
        note(&noted, &format!("write {name} {}", provider.get().map_or(0, |provider| provider.refreshes())));
        count += 1;
        if turn.is_some_and(|turn| turn + 1 == count) { Fate::Die(moment) } else { Fate::Pass }
    });
    let world = World::over(GrantSettings::default(), store).await;
    assert!(refreshes.set(Arc::clone(&world.provider)).is_ok());
    for step in STEPS {
        note(&folder, &format!("try {step}"));
        live_through(&world, step).await;
        note(&folder, &format!("done {step}"));
    }
}

/// Starts a life that ends at a write.
fn child(folder: &Path, killed: Option<(usize, Moment)>) -> Notes {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["grant::tests::kill::a_life", "--exact", "--ignored", "--nocapture"]);
    command.env(ORDERS[0], folder);
    if let Some((turn, moment)) = killed {
        command.env(ORDERS[1], turn.to_string()).env(ORDERS[2], format!("{moment:?}"));
    }
    let output = command.output().unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    match killed {
        Some(_) => assert_eq!(signal, Some(9), "{text}"),
        None => assert!(output.status.success(), "{text}"),
    }
    Notes::read(folder)
}

/// Opens the store that a child left behind, and compares it with the child's notes.
async fn hold(folder: &Path, notes: &Notes, moment: Moment) {
    let (killed, refreshes) = notes.writes.last().unwrap();
    let what = format!("killed at {killed}, the {}th write, {moment:?}", notes.writes.len());
    let world =
        World::over(GrantSettings::default(), Arc::new(Embedded::open(&folder.join("store")).await.unwrap()))
            .await;
    world.hand.advance(MINUTE * 60);
    // A new refresh token in flight is lost with the process, and authentik has spent the old one: such a kill is
    // forgiven. After every other one only the newest refresh token is accepted.
    if moment == Moment::After || killed != "reseal" {
        let current = HashMap::from([("alice".to_owned(), format!("refresh-alice-{}", refreshes.min(&3)))]);
        *world.provider.strict.lock().unwrap() = Some(current);
    }
    let judge = async |name: &str| world.judge(&hash(name)).await;
    if notes.done("documents") {
        assert!(world.grants.documents().await.unwrap().is_some(), "{what}");
    }
    if notes.done("spend") {
        let again = world.grants.spend("state", "once", crate::types::Timestamp::MAX).await;
        assert_eq!(again, Ok(false), "{what}: spent twice");
    }
    for (who, end) in [("bob", None), ("alice", Some("sign out")), ("carol", Some("end carol"))] {
        let judgement = judge(who).await;
        let what = format!("{what}, {who}: {judgement:?}");
        let served = matches!(judgement, Verdict::Authorized(_));
        let ended = matches!(judgement, Verdict::Ended(EndReason::SignedOut | EndReason::Revoked));
        if end.is_some_and(|end| notes.done(end)) {
            assert!(ended, "{what}: it came back");
        } else if end.is_some_and(|end| notes.tried(end)) {
            assert!(served || ended, "{what}: neither");
        } else if notes.done(who) {
            assert!(served, "{what}: it is lost");
        } else {
            let nothing = matches!(judgement, Verdict::NeedsAsking(AskNext::Coder));
            assert!(nothing || (served && notes.tried(who)), "{what}: half a sign-in");
        }
        // A sweep forgets the states of attempts that have expired.
        let state = world.grants.take_state(who, crate::types::Timestamp::EPOCH).await.unwrap();
        assert!(state.is_none() || !notes.done(who) || notes.tried("sweep"), "{what}: a state is good again");
    }
    // These two begin with the same refresh token.
    *world.provider.strict.lock().unwrap() = None;
    for session in SHARED {
        let judgement = judge(session).await;
        let served = matches!(judgement, Verdict::Authorized(_));
        let unknown = !notes.done("move") && matches!(judgement, Verdict::NeedsAsking(AskNext::Coder));
        assert!(served || unknown, "{what}, {session}: {judgement:?}");
    }
    if notes.done("key") {
        assert!(matches!(judge("key").await, Verdict::Authorized(_)), "{what}: the key is lost");
    }
    let revoked = notes.done("revoke") || (killed == "revoked" && moment != Moment::Before);
    if notes.done("end carol") && !revoked {
        world.grants.services.upkeep.revoke_due().await;
        let revoked = world.provider.revoked();
        assert_eq!(revoked.len(), 2, "{what}");
        assert!(revoked.contains(&format!("Refresh refresh-carol-{refreshes}")), "{what}: {revoked:?}");
    }
    if notes.done("forget") {
        assert!(matches!(judge("gone").await, Verdict::NeedsAsking(AskNext::Coder)), "{what}: it is back");
    }
    if notes.done("bob") {
        let grant = world.begin("erin").await;
        let taken = world.grants.bind(grant, hash("erin"), user("bob"), Vec::new()).await;
        let refused = matches!(taken, Err(BindError::OtherIdentity { .. }));
        let right = if notes.tried("relink") { taken.is_ok() || !notes.done("relink") } else { refused };
        assert!(right, "{what}: {taken:?}");
    }
}

/// A kill loses no finished sign-in and resurrects no ended one, at any moment.
#[tokio::test]
async fn a_kill_at_any_write_loses_no_finished_sign_in_and_brings_none_back() {
    let whole = tempfile::tempdir().unwrap();
    let notes = child(whole.path(), None);
    let (seen, all): (BTreeSet<&str>, BTreeSet<&str>) = (
        notes.writes.iter().map(|(name, _)| name.as_str()).collect(),
        METHODS.iter().copied().filter(|name| writes(name)).collect(),
    );
    assert_eq!(seen, all, "a life has every write of the store in it");
    assert_eq!(notes.done.len(), STEPS.len());
    for turn in 0..notes.writes.len() {
        for moment in MOMENTS {
            let folder = tempfile::tempdir().unwrap();
            let killed = child(folder.path(), Some((turn, moment)));
            assert_eq!(killed.writes[..], notes.writes[..=turn], "every life is the same");
            hold(folder.path(), &killed, moment).await;
        }
    }
}
