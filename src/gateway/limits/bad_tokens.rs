//! Bad tokens: those that Coder does not know. Each costs a question to Coder, and only the response shows whether the
//! token was bad.
//!
//! A question takes room on the account of its address while it is open, and gives the room back unless the token was
//! bad. So good tokens that were never seen before, from a whole office behind one address, wait for each other and
//! are not counted. Questions and bad tokens share the same room: many at once learn no more than one after the other.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use super::network::network_of;
use crate::types::{Clock, Moment, lock};

/// How many bad tokens one address may present at once, and the most questions that it may have open.
const BURST: u32 = 60;

/// How long each bad token is held against its address: 120 a minute in the long run.
const HELD: Duration = Duration::from_millis(500);

/// How many questions of one address may wait for room.
const MOST_WAITING: u32 = 2000;

/// The accounts of all addresses.
pub(super) struct BadTokens {
    clock: Clock,
    accounts: Mutex<HashMap<IpAddr, Arc<Account>>>,
}

/// The bad tokens and open questions of one address.
#[derive(Default)]
struct Account {
    balance: Mutex<Balance>,
    answered: Notify,
}

/// One address's account.
#[derive(Debug, Default)]
struct Balance {
    /// When the last bad token is forgotten.
    held_until: Moment,
    /// Questions without a response yet.
    open: u32,
    /// Questions that wait for room.
    waiting: u32,
}

/// Whether there is room for one more question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// There is room now.
    Free,
    /// There will be room when an open question is answered.
    Open,
    /// There is no room for so long: bad tokens take all of it.
    Held(Duration),
}

/// An open question to Coder. Dropping it gives its room back; [`TokenQuestion::was_bad`] does not.
pub(in crate::gateway) struct TokenQuestion {
    account: Arc<Account>,
    clock: Clock,
    bad: bool,
}

impl BadTokens {
    pub(super) fn new(clock: &Clock) -> Self {
        Self { clock: clock.clone(), accounts: Mutex::default() }
    }

    /// Opens a question about a token that was never seen, and waits for room while other questions of the same
    /// address are open.
    ///
    /// # Errors
    /// The wait until a next try, when too many tokens of the address were bad, or too many questions wait.
    pub(super) async fn question(&self, client: IpAddr) -> Result<TokenQuestion, Duration> {
        let account = Arc::clone(lock(&self.accounts).entry(network_of(client)).or_default());
        loop {
            // Created before the balance is read, so that no response in between is missed.
            let answered = account.answered.notified();
            {
                let mut balance = lock(&account.balance);
                match balance.room(self.clock.moment()) {
                    Room::Held(wait) => return Err(wait),
                    Room::Free => {
                        balance.open += 1;
                        drop(balance);
                        // Time makes room too: a question that waits may go on at the same time.
                        account.answered.notify_one();
                        return Ok(TokenQuestion {
                            account: Arc::clone(&account),
                            clock: self.clock.clone(),
                            bad: false,
                        });
                    }
                    Room::Open if balance.waiting >= MOST_WAITING => return Err(HELD),
                    Room::Open => balance.waiting += 1,
                }
            }
            let waiting = WaitingCount(&account);
            answered.await;
            drop(waiting);
        }
    }

    /// Forgets addresses with an empty account.
    pub(super) fn forget_quiet(&self) {
        let now = self.clock.moment();
        let mut accounts = lock(&self.accounts);
        // An account with another owner has an open question.
        accounts
            .retain(|_, account| Arc::strong_count(account) > 1 || now < lock(&account.balance).held_until);
        accounts.shrink_to_fit();
    }
}

impl Balance {
    fn room(&mut self, now: Moment) -> Room {
        let all = HELD * BURST;
        let held = self.held_until.since(now);
        let beyond = (held + HELD).saturating_sub(all);
        if beyond > Duration::ZERO {
            return Room::Held(beyond);
        }
        if held + HELD * (self.open + 1) > all { Room::Open } else { Room::Free }
    }
}

impl TokenQuestion {
    /// Closes the question: Coder does not know the token.
    pub(in crate::gateway) fn was_bad(mut self) {
        self.bad = true;
    }
}

impl Drop for TokenQuestion {
    fn drop(&mut self) {
        let now = self.clock.moment();
        let mut balance = lock(&self.account.balance);
        balance.open = balance.open.saturating_sub(1);
        if self.bad {
            balance.held_until = balance.held_until.max(now) + HELD;
        }
        let room = balance.room(now);
        drop(balance);
        match room {
            // No question that waits will have room soon: all of them give up.
            Room::Held(_) => self.account.answered.notify_waiters(),
            Room::Free | Room::Open => self.account.answered.notify_one(),
        }
    }
}

/// Counts a question that waits, until it is dropped.
struct WaitingCount<'a>(&'a Account);

impl Drop for WaitingCount<'_> {
    fn drop(&mut self) {
        let mut balance = lock(&self.0.balance);
        balance.waiting = balance.waiting.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::types::{ManualClock, Timestamp};

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn accounts() -> (BadTokens, ManualClock) {
        let (clock, hand) = Clock::manual(Timestamp::from_seconds(1_000_000));
        (BadTokens::new(&clock), hand)
    }

    async fn bad(accounts: &BadTokens, many: u32) {
        for _ in 0..many {
            accounts.question(CLIENT).await.unwrap().was_bad();
        }
    }

    #[tokio::test]
    async fn good_tokens_are_never_counted_however_many() {
        let (accounts, _) = accounts();
        for _ in 0..10 * BURST {
            drop(accounts.question(CLIENT).await.unwrap());
        }
        assert_eq!(lock(&accounts.accounts)[&CLIENT].balance.lock().unwrap().open, 0);
    }

    #[tokio::test]
    async fn bad_tokens_are_stopped_beyond_the_burst_and_forgotten_one_by_one() {
        let (accounts, hand) = accounts();
        bad(&accounts, BURST).await;
        assert_eq!(accounts.question(CLIENT).await.err(), Some(HELD));
        assert!(accounts.question("192.0.2.2".parse().unwrap()).await.is_ok(), "another address");
        hand.advance(HELD);
        bad(&accounts, 1).await;
        assert_eq!(accounts.question(CLIENT).await.err(), Some(HELD));
        hand.advance(HELD * BURST);
        bad(&accounts, BURST).await;
        assert!(accounts.question(CLIENT).await.is_err());
    }

    #[tokio::test]
    async fn a_clock_that_is_set_neither_locks_anybody_out_nor_lets_anybody_in() {
        let (accounts, hand) = accounts();
        bad(&accounts, BURST).await;
        for seconds in [1_000_000 - 3600, 1_000_000 + 3600] {
            hand.set(Timestamp::from_seconds(seconds));
            assert_eq!(accounts.question(CLIENT).await.err(), Some(HELD));
        }
        hand.advance(HELD);
        assert!(accounts.question(CLIENT).await.is_ok());
    }

    #[tokio::test]
    async fn open_questions_and_bad_tokens_share_the_room() {
        let (accounts, _) = accounts();
        bad(&accounts, BURST - 2).await;
        let (one, two) = (accounts.question(CLIENT).await.unwrap(), accounts.question(CLIENT).await.unwrap());
        let mut third = Box::pin(accounts.question(CLIENT));
        assert!((&mut third).now_or_never().is_none(), "it waits, and is not refused");
        one.was_bad();
        assert!((&mut third).now_or_never().is_none(), "a bad one gives no room back");
        drop(two);
        let third = third.now_or_never().expect("a good one does").unwrap();
        let mut fourth = Box::pin(accounts.question(CLIENT));
        let mut fifth = Box::pin(accounts.question(CLIENT));
        assert!((&mut fourth).now_or_never().is_none() && (&mut fifth).now_or_never().is_none());
        third.was_bad();
        assert!(fourth.now_or_never().is_some_and(|room| room.is_err()), "there will be none");
        assert!(fifth.now_or_never().is_some_and(|room| room.is_err()), "all who wait are told");
    }

    #[tokio::test]
    async fn only_so_many_wait() {
        let (accounts, _) = accounts();
        let mut open = Vec::new();
        for _ in 0..BURST {
            open.push(accounts.question(CLIENT).await.unwrap());
        }
        let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| Box::pin(accounts.question(CLIENT))).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        assert!(accounts.question(CLIENT).await.is_err());
        waiting.pop();
        assert!(accounts.question(CLIENT).now_or_never().is_none(), "who goes away makes room");
        open.clear();
        for one in waiting {
            drop(one.await.unwrap());
        }
    }

    #[tokio::test]
    async fn an_address_is_forgotten_only_when_nothing_is_held_against_it() {
        let (accounts, hand) = accounts();
        bad(&accounts, 1).await;
        let open = accounts.question("192.0.2.2".parse().unwrap()).await.unwrap();
        accounts.forget_quiet();
        assert_eq!(lock(&accounts.accounts).len(), 2);
        hand.advance(HELD);
        accounts.forget_quiet();
        assert_eq!(lock(&accounts.accounts).len(), 1);
        drop(open);
        accounts.forget_quiet();
        assert!(lock(&accounts.accounts).is_empty());
    }
}
