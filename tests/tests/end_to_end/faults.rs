//! A DynamoDB that is busy, or whose answers get lost.

use chrono::TimeDelta;
use interline_domain::events::Command;
use interline_domain::units::calendar::Period;
use interline_domain::units::limits::SHARDS;
use interline_ledger::{Answer, LedgerError, Source};
use interline_tests::events::{redemption, sale};
use interline_tests::faults::{Fault, ledger};
use interline_tests::programme::{Programme, replayed};

const NOW: &str = "2017-01-20T12:00:00+08:00";
const AT: &str = "2017-01-05T12:00:00+08:00";

fn events() -> Vec<Command> {
    vec![sale("dining", "S-1", AT, "m1", "100.00"), redemption("grocery", "R-1", AT, "m1", 100)]
}

#[tokio::test]
async fn conflicts_throttling_and_lost_replies_are_overcome_and_the_events_are_recorded_once() {
    for faults in [
        vec![Fault::Conflict],
        vec![Fault::Conflict; 8],
        vec![Fault::Throttled; 3],
        vec![Fault::Refused("ThrottlingException"); 4],
        vec![Fault::Refused("ProvisionedThroughputExceededException"); 2],
        vec![Fault::Refused("TransactionInProgressException"); 5],
        vec![Fault::Refused("InternalServerError")],
        // The SDK repeats the request with its token, and it has no second effect.
        vec![Fault::LostReply],
        vec![Fault::LostReply, Fault::LostReply],
        // All tries of the SDK: the ledger looks again and finds the events.
        vec![Fault::LostReply; 3],
        vec![Fault::Conflict, Fault::Throttled, Fault::LostReply, Fault::LostReply],
    ] {
        let programme = Programme::sample(NOW).await;
        let (ledger, next) = ledger(&programme);
        next.next(&faults);
        let rulebook = programme.rulebook().await;
        let now = programme.app().now();
        let answers = ledger
            .post(&rulebook, &rulebook, &events()[0].head.member, &events(), Source::Api(None), &move || now)
            .await
            .unwrap();
        assert_eq!(next.left(), 0, "{faults:?}");
        assert!(
            answers.iter().all(|answer| matches!(answer, Answer::Accepted(_) | Answer::Replayed(_))),
            "{faults:?}: {answers:?}"
        );
        assert_eq!(programme.balance("m1", NOW).await, 200, "{faults:?}");
        assert_eq!(programme.account("m1").await.sequence, 2, "{faults:?}");
        for event in events() {
            replayed(programme.post_one(&event).await);
        }
    }
}

#[tokio::test]
async fn a_seal_waits_for_each_gate_that_a_writer_has() {
    let programme = Programme::sample("2017-02-01T01:00:00+08:00").await;
    let (ledger, next) = ledger(&programme);
    let (rulebook, january) = (programme.rulebook().await, Period::parse("2017-01").unwrap());
    next.next_puts(&[Fault::Refused("TransactionConflictException"); 15]);
    next.next_puts(&[Fault::Refused("ThrottlingException"), Fault::LostReply]);
    ledger.seal(&rulebook, january, programme.app().now()).await.unwrap();
    assert_eq!(next.left(), 0);
    assert!(!ledger.period(january).await.unwrap().is_open());
}

#[tokio::test]
async fn gates_that_stay_taken_leave_the_period_open_and_the_next_seal_puts_the_rest() {
    let programme = Programme::sample("2017-02-01T01:00:00+08:00").await;
    let (ledger, next) = ledger(&programme);
    let (rulebook, january, now) =
        (programme.rulebook().await, Period::parse("2017-01").unwrap(), programme.app().now());
    // So many that some gate is given up.
    next.next_puts(&[Fault::Refused("TransactionConflictException"); 8 * 20]);
    let error = ledger.seal(&rulebook, january, now).await.unwrap_err();
    assert!(matches!(error, LedgerError::Contention(_)) && error.is_retryable(), "{error}");
    assert!(ledger.period(january).await.unwrap().is_open());
    let mut gates = 0;
    for shard in 0..SHARDS {
        gates += u32::from(ledger.is_sealed(january, shard).await.unwrap());
    }
    assert!(gates >= u32::from(SHARDS) - 8, "{gates} gates");
    ledger.seal(&rulebook, january, now).await.unwrap();
    assert!(!ledger.period(january).await.unwrap().is_open());
}

#[tokio::test]
async fn by_a_clock_that_the_service_contradicts_nothing_is_written() {
    let programme = Programme::sample(NOW).await;
    let (ledger, service) = ledger(&programme);
    let (rulebook, events, now) = (programme.rulebook().await, events(), programme.app().now());
    let clock = move || now;
    let post =
        async || ledger.post(&rulebook, &rulebook, &events[0].head.member, &events, Source::Api(None), &clock).await;
    for (ahead, expected) in [(310, -310), (-310, 310), (7_200, -7_200)] {
        service.set_service_clock_ahead(ahead);
        let error = post().await.unwrap_err();
        let LedgerError::WrongClock { seconds } = error else { panic!("{error}") };
        assert!((expected - 5..=expected + 5).contains(&seconds), "{seconds} of {expected}");
        assert!(!error.is_retryable());
        let sealed = ledger.seal(&rulebook, Period::parse("2017-01").unwrap(), now + TimeDelta::days(30)).await;
        assert!(matches!(sealed, Err(LedgerError::WrongClock { .. })), "{sealed:?}");
        assert!(ledger.period(Period::parse("2017-01").unwrap()).await.unwrap().is_open());
    }
    assert_eq!(programme.account("m1").await.sequence, 0);
    service.set_service_clock_ahead(-280);
    post().await.unwrap();
    assert_eq!(programme.account("m1").await.sequence, 2);
}

#[tokio::test]
async fn a_request_that_cannot_succeed_is_not_tried_again() {
    let programme = Programme::sample(NOW).await;
    let (ledger, next) = ledger(&programme);
    next.next(&[Fault::Refused("AccessDeniedException"), Fault::Refused("ValidationException")]);
    let rulebook = programme.rulebook().await;
    let (events, now) = (events(), programme.app().now());
    for left in [1, 0] {
        let error = ledger
            .post(&rulebook, &rulebook, &events[0].head.member, &events, Source::Api(None), &move || now)
            .await
            .unwrap_err();
        assert!(matches!(error, LedgerError::Refused(_)) && !error.is_retryable(), "{error}");
        assert_eq!(next.left(), left);
    }
    assert_eq!(programme.account("m1").await.sequence, 0);
}

#[tokio::test]
async fn a_service_that_keeps_failing_is_not_taken_for_other_writers_and_given_up() {
    let programme = Programme::sample(NOW).await;
    let (ledger, next) = ledger(&programme);
    let plenty = 50;
    next.next(&vec![Fault::Refused("InternalServerError"); plenty]);
    let rulebook = programme.rulebook().await;
    let (events, now) = (events(), programme.app().now());
    let error = ledger
        .post(&rulebook, &rulebook, &events[0].head.member, &events, Source::Api(None), &move || now)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable(_)) && error.is_retryable(), "{error}");
    // The SDK's tries of each of five of our own.
    assert!(next.left() >= plenty - 5 * 3, "{} left", next.left());
    assert_eq!(programme.account("m1").await.sequence, 0);
}
