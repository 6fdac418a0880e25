//! A DynamoDB that is busy, or whose answers get lost.

use interline_domain::entry::Command;
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
        let answers =
            ledger.post(&rulebook, &rulebook, &events()[0].member, &events(), Source::Api, now).await.unwrap();
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
async fn a_request_that_cannot_succeed_is_not_tried_again() {
    let programme = Programme::sample(NOW).await;
    let (ledger, next) = ledger(&programme);
    next.next(&[Fault::Refused("AccessDeniedException"), Fault::Refused("ValidationException")]);
    let rulebook = programme.rulebook().await;
    let (events, now) = (events(), programme.app().now());
    for left in [1, 0] {
        let error = ledger.post(&rulebook, &rulebook, &events[0].member, &events, Source::Api, now).await.unwrap_err();
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
    let error = ledger.post(&rulebook, &rulebook, &events[0].member, &events, Source::Api, now).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable(_)) && error.is_retryable(), "{error}");
    // The SDK's tries of each of five of our own.
    assert!(next.left() >= plenty - 5 * 3, "{} left", next.left());
    assert_eq!(programme.account("m1").await.sequence, 0);
}
