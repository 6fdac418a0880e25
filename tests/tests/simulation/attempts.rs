//! How often the ledger tries a transaction, and how it waits in between.

use crate::hooks::Hooked;
use chrono::{DateTime, TimeDelta, Utc};
use interline_domain::events::Command;
use interline_domain::terms::rulebook::Rulebook;
use interline_ledger::store::{Outcome, TransactError};
use interline_ledger::{Answer, Ledger, LedgerError, Source};
use interline_tests::events::sale;
use interline_tests::programme::{RULEBOOK, moment};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const AT: &str = "2017-01-05T12:00:00+08:00";
const NOW: &str = "2017-01-20T12:00:00+08:00";

#[derive(Debug, Clone, Copy)]
enum Busy {
    /// Another writer has the first item.
    Conflict,
    Service,
}

struct Tried {
    answer: Result<Answer, LedgerError>,
    transactions: u32,
    pauses: Vec<(Duration, u64)>,
}

/// The event's first `times` transactions fail.
fn tried(as_of: Busy, times: u32, event: &Command, now: DateTime<Utc>) -> Tried {
    let transactions = Arc::new(AtomicU32::new(0));
    let counted = transactions.clone();
    let store = Hooked::default().before_transactions(move |writes| {
        if counted.fetch_add(1, Ordering::Relaxed) >= times {
            return Ok(());
        }
        let first = |at| if at == 0 { Outcome::Conflict } else { Outcome::Fine };
        Err(match as_of {
            Busy::Conflict => TransactError::Cancelled((0..writes.len()).map(first).collect()),
            Busy::Service => TransactError::Ledger(LedgerError::Unavailable("busy".to_owned())),
        })
    });
    let store = Arc::new(store);
    let (ledger, rulebook) = (Ledger::on(store.clone()), Rulebook::parse(RULEBOOK).unwrap());
    let clock = move || now;
    let posted =
        ledger.post(&rulebook, &rulebook, &event.head.member, std::slice::from_ref(event), Source::Api(None), &clock);
    let answer = futures::executor::block_on(posted).map(|mut answers| answers.pop().unwrap());
    Tried { answer, transactions: transactions.load(Ordering::Relaxed), pauses: store.pauses() }
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
    // A moment all of whose bits are in the event's fingerprint already.
    let [.., low] = event("S-1").fingerprint().first_chunk::<8>().copied().unwrap();
    let bit = 1_i64 << low.trailing_zeros();
    assert!(low != 0, "another event has a better fingerprint");
    assert_ne!(seeds("S-1", 0), seeds("S-1", bit));
}
