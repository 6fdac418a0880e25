//! How often the ledger tries a transaction, and how it waits in between.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use interline_domain::account::reference_hash;
use interline_domain::entry::Command;
use interline_domain::rulebook::Rulebook;
use interline_ledger::store::{Condition, Consumed, Item, Key, Outcome, Store, TransactError, Write};
use interline_ledger::{Answer, Ledger, LedgerError, Source};
use interline_tests::events::sale;
use interline_tests::programme::{RULEBOOK, moment};
use interline_tests::sim::memory::Memory;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const AT: &str = "2017-01-05T12:00:00+08:00";
const NOW: &str = "2017-01-20T12:00:00+08:00";

#[derive(Debug, Clone, Copy)]
enum Busy {
    /// Another writer has the first item.
    Conflict,
    Service,
}

/// A store whose next transactions fail.
#[derive(Debug)]
struct Failing {
    memory: Memory,
    as_of: Busy,
    left: Mutex<u32>,
    transactions: Mutex<u32>,
    pauses: Mutex<Vec<(Duration, u64)>>,
}

#[async_trait]
impl Store for Failing {
    async fn create_if_missing(&self) -> Result<(), LedgerError> {
        self.memory.create_if_missing().await
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, LedgerError> {
        self.memory.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Item>, LedgerError> {
        self.memory.get_many(keys).await
    }

    async fn page(
        &self,
        pk: &str,
        prefix: Option<&str>,
        after: Option<String>,
        limit: Option<i32>,
    ) -> Result<(Vec<Item>, Option<String>), LedgerError> {
        self.memory.page(pk, prefix, after, limit).await
    }

    async fn statement_page(
        &self,
        member: &str,
        start: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), LedgerError> {
        self.memory.statement_page(member, start, limit).await
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<bool, LedgerError> {
        self.memory.put(item, condition).await
    }

    async fn transact(&self, writes: &[Write]) -> Result<(), TransactError> {
        *self.transactions.lock().unwrap() += 1;
        let fails = {
            let mut left = self.left.lock().unwrap();
            let fails = *left > 0;
            *left = left.saturating_sub(1);
            fails
        };
        match (fails, self.as_of) {
            (false, _) => self.memory.transact(writes).await,
            (true, Busy::Service) => Err(TransactError::Ledger(LedgerError::Unavailable("busy".to_owned()))),
            (true, Busy::Conflict) => {
                let first = |at| if at == 0 { Outcome::Conflict } else { Outcome::Fine };
                Err(TransactError::Cancelled((0..writes.len()).map(first).collect()))
            }
        }
    }

    async fn pause(&self, longest: Duration, seed: u64) {
        self.pauses.lock().unwrap().push((longest, seed));
    }

    fn consumed(&self) -> &Consumed {
        self.memory.consumed()
    }
}

struct Tried {
    answer: Result<Answer, LedgerError>,
    transactions: u32,
    pauses: Vec<(Duration, u64)>,
}

fn tried(as_of: Busy, times: u32, event: &Command, now: DateTime<Utc>) -> Tried {
    let store = Arc::new(Failing {
        memory: Memory::default(),
        as_of,
        left: Mutex::new(times),
        transactions: Mutex::default(),
        pauses: Mutex::default(),
    });
    let (ledger, rulebook) = (Ledger::on(store.clone()), Rulebook::parse(RULEBOOK).unwrap());
    let posted = ledger.post(&rulebook, &event.member, std::slice::from_ref(event), Source::Api, now);
    let answer = futures::executor::block_on(posted).map(|mut answers| answers.pop().unwrap());
    let (transactions, pauses) = (*store.transactions.lock().unwrap(), store.pauses.lock().unwrap().clone());
    Tried { answer, transactions, pauses }
}

fn event(reference: &str) -> Command {
    sale("dining", reference, AT, "m1", "40.00")
}

#[test]
fn whoever_meets_another_writer_waits_longer_each_time_but_never_long() {
    let tried = tried(Busy::Conflict, 8, &event("S-1"), moment(NOW));
    assert!(matches!(tried.answer, Ok(Answer::Accepted(_))), "{:?}", tried.answer);
    let millis: Vec<u128> = tried.pauses.iter().map(|(longest, _)| longest.as_millis()).collect();
    assert_eq!(millis, [4, 8, 16, 32, 64, 128, 250, 250]);
    assert_eq!(tried.transactions, 9);
}

#[test]
fn as_many_rounds_serve_as_many_writers_and_then_the_caller_is_told() {
    let last = tried(Busy::Conflict, 127, &event("S-1"), moment(NOW));
    assert!(matches!(last.answer, Ok(Answer::Accepted(_))), "{:?}", last.answer);
    let given_up = tried(Busy::Conflict, 128, &event("S-1"), moment(NOW));
    assert!(matches!(given_up.answer, Err(LedgerError::Contention(128))), "{:?}", given_up.answer);
}

#[test]
fn a_service_that_fails_is_asked_five_times_in_all() {
    let last = tried(Busy::Service, 4, &event("S-1"), moment(NOW));
    assert!(matches!(last.answer, Ok(Answer::Accepted(_))), "{:?}", last.answer);
    assert_eq!((last.transactions, last.pauses.len()), (5, 4));
    let given_up = tried(Busy::Service, u32::MAX, &event("S-1"), moment(NOW));
    assert!(matches!(given_up.answer, Err(LedgerError::Unavailable(_))), "{:?}", given_up.answer);
    assert_eq!(given_up.transactions, 5);
}

/// Or else two writers who met once would meet again and again.
#[test]
fn waits_are_spread_by_the_event_by_the_moment_and_by_the_attempt() {
    let seeds = |reference: &str, nanos: i64| -> Vec<u64> {
        let now = moment(NOW) + TimeDelta::nanoseconds(nanos);
        tried(Busy::Conflict, 3, &event(reference), now).pauses.into_iter().map(|(_, seed)| seed).collect()
    };
    let [first, second, third] = seeds("S-1", 0)[..] else { panic!("not three pauses") };
    assert!(first != second && second != third && third != first);
    assert_ne!(seeds("S-1", 0), seeds("S-2", 0));
    // A moment all of whose bits are in the event's hash already.
    let event = event("S-1");
    let bit = 1_i64 << reference_hash(&event.line, event.kind(), &event.reference).trailing_zeros();
    assert_ne!(seeds("S-1", 0), seeds("S-1", bit));
}
