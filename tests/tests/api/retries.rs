//! A retry changes nothing, whenever it comes and however many there are.

use crate::served::{Answer, Served, as_recorded, redemption, reversal, sale};
use futures::future::join_all;
use interline_domain::close::settlement::Settlement;
use interline_domain::units::id::MemberId;
use interline_reports::document::{Document, SETTLEMENT};
use interline_tests::faults::crowded_ledger;
use interline_tests::pack::Pack;
use interline_tests::shard;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOW: &str = "2017-01-28T12:00:00+08:00";
const AT_ONCE: usize = 64;

fn tally(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for answer in answers {
        *statuses.entry(answer.status).or_default() += 1;
    }
    statuses
}

#[tokio::test]
async fn a_retry_is_answered_as_the_first_call_was_whatever_happened_since() {
    let served = Served::sample(NOW).await;
    let events = [
        ("grocery", "accruals/S-1", sale("m1", "2017-01-05T12:00:00.250+08:00", "100.00")),
        ("dining", "redemptions/R-1", redemption("m1", "2017-01-06T12:00:00+08:00", 60)),
        ("dining", "reversals/V-1", reversal("m1", "2017-01-07T12:00:00+08:00", "redemption:R-1")),
        ("grocery", "reversals/V-1", reversal("m1", "2017-01-08T12:00:00+08:00", "accrual:S-1")),
    ];
    let mut first = Vec::new();
    for (line, event, body) in &events {
        let answer = served.put(line, &format!("/v1/lines/{line}/{event}"), body.clone()).await;
        assert_eq!((answer.status, answer.header("idempotent-replayed")), (201, None), "{}", answer.text());
        first.push(answer);
    }
    for number in 0..20 {
        let body = sale("m1", "2017-01-09T12:00:00+08:00", "7.00");
        served.record("bakery", &format!("accruals/S-{number}"), body).await;
    }
    let items = served.programme.items().await;
    served.set_now("2017-06-28T12:00:00+08:00");
    for ((line, event, body), first) in events.iter().zip(&first) {
        let again = served.put(line, &format!("/v1/lines/{line}/{event}"), body.clone()).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{}", again.text());
        assert_eq!(again.bytes, first.bytes);
        let one = served.get(line, &format!("/v1/lines/{line}/{event}")).await.ok();
        assert_eq!(as_recorded(one), first.json());
    }
    assert_eq!(served.programme.items().await, items);
}

#[tokio::test]
async fn the_same_event_may_be_written_in_another_way() {
    let served = Served::sample(NOW).await;
    let first = served.record("grocery", "accruals/S-1", sale("m1", "2017-01-05T12:00:00+08:00", "100.00")).await;
    let path = "/v1/lines/grocery/accruals/S-1";
    for body in [
        r#"{"amount":"100","occurred_at":"2017-01-05T04:00:00Z","member":"m1"}"#,
        "\n\t{ \"member\" : \"\\u006d1\", \"occurred_at\": \"2017-01-04T20:00:00.000-08:00\", \"amount\": \"100.0\" }\r\n",
        r#"{"amount":"0100.00","occurred_at":"2017-01-05t04:00:00z","member":"m1"}"#,
    ] {
        let answer = served.call("grocery", "PUT", path, &[], body).await;
        assert_eq!((answer.status, answer.json()), (200, first.clone()), "{body}");
    }
}

#[tokio::test]
async fn the_same_reference_is_another_event_at_another_line_or_of_another_kind() {
    let served = Served::sample(NOW).await;
    let at = "2017-01-05T12:00:00+08:00";
    served.record("grocery", "accruals/X-1", sale("m1", at, "100.00")).await;
    served.record("dining", "accruals/X-1", sale("m1", at, "100.00")).await;
    served.record("grocery", "redemptions/X-1", redemption("m1", at, 10)).await;
    served.record("dining", "redemptions/X-1", redemption("m1", at, 10)).await;
    served.record("grocery", "reversals/X-1", reversal("m1", at, "redemption:X-1")).await;
    assert_eq!(served.get("members", "/v1/members/m1").await.ok()["balance"], 390);
}

#[tokio::test]
async fn a_retry_with_a_fresh_time_is_a_conflict_within_the_month_and_across_its_end() {
    let served = Served::sample("2017-02-01T00:00:40+08:00").await;
    let before = "2017-01-31T23:59:50+08:00";
    served.record("grocery", "accruals/S-1", sale("m1", before, "100.00")).await;
    served.record("grocery", "redemptions/R-1", redemption("m1", before, 100)).await;
    let items = served.programme.items().await;
    for at in [
        "2017-01-31T23:59:59+08:00",
        "2017-01-01T00:00:00+08:00",
        "2017-02-01T00:00:00+08:00",
        "2017-02-01T00:00:30+08:00",
    ] {
        for (event, body) in
            [("accruals/S-1", sale("m1", at, "100.00")), ("redemptions/R-1", redemption("m1", at, 100))]
        {
            let answer = served.put("grocery", &format!("/v1/lines/grocery/{event}"), body).await;
            assert_eq!(answer.problem(), ("conflict".to_owned(), Some("occurred_at".to_owned())), "{event} {at}");
        }
    }
    assert_eq!(served.programme.items().await, items);
}

#[tokio::test]
async fn a_refused_reference_may_be_used_again() {
    let served = Served::sample(NOW).await;
    let body = redemption("m1", "2017-01-06T12:00:00+08:00", 60);
    let path = "/v1/lines/dining/redemptions/R-1";
    assert_eq!(served.put("dining", path, body.clone()).await.problem().0, "insufficient-points");
    served.record("grocery", "accruals/S-1", sale("m1", "2017-01-05T12:00:00+08:00", "60.00")).await;
    assert_eq!(served.put("dining", path, body.clone()).await.status, 201);
    assert_eq!(served.put("dining", path, body).await.status, 200);
}

#[tokio::test]
async fn a_storm_of_identical_calls_writes_once() {
    let served = Served::sample(NOW).await;
    let at = "2017-01-06T12:00:00+08:00";
    served.record("grocery", "accruals/S-0", sale("m1", at, "1000.00")).await;
    for (line, event, body, balance) in [
        ("grocery", "accruals/S-1", sale("m1", at, "10.00"), 1010),
        ("dining", "redemptions/R-1", redemption("m1", at, 30), 980),
        ("dining", "reversals/V-1", reversal("m1", at, "redemption:R-1"), 1010),
        // A member who had no account before.
        ("dining", "accruals/S-2", sale("m2", at, "10.00"), 30),
    ] {
        let sequence = served.programme.account(body["member"].as_str().unwrap()).await.sequence;
        let path = format!("/v1/lines/{line}/{event}");
        let calls = (0..AT_ONCE).map(|_| served.put(line, &path, body.clone()));
        let answers = join_all(calls).await;
        assert_eq!(tally(&answers), BTreeMap::from([(200, AT_ONCE - 1), (201, 1)]), "{event}");
        assert!(answers.iter().all(|answer| answer.bytes == answers[0].bytes), "{event}");
        assert!(answers.iter().all(|answer| answer.header("idempotent-replayed").is_some() == (answer.status == 200)));
        let member = body["member"].as_str().unwrap();
        assert_eq!(served.programme.account(member).await.sequence, sequence + 1, "{event}");
        assert_eq!(served.programme.balance(member, NOW).await, balance, "{event}");
    }
}

#[tokio::test]
async fn of_a_storm_of_different_contents_under_one_reference_one_is_written() {
    let served = Served::sample(NOW).await;
    let calls = (0..AT_ONCE).map(|number| {
        let body = sale("m1", "2017-01-06T12:00:00+08:00", &format!("{}.00", number + 1));
        served.put("grocery", "/v1/lines/grocery/accruals/S-1", body)
    });
    let answers = join_all(calls).await;
    assert_eq!(tally(&answers), BTreeMap::from([(201, 1), (409, AT_ONCE - 1)]));
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        assert_eq!(answer.problem(), ("conflict".to_owned(), Some("amount".to_owned())));
    }
    assert_eq!(served.programme.account("m1").await.sequence, 1);
}

/// Redemptions of one member, all at once, then all at once again; then the month
/// is closed. What is left is the same in the answers, the account's lots and the
/// cohorts of the close.
async fn redeemed_at_once(served: &Served) {
    let at = "2017-01-06T12:00:00+08:00";
    // Of two funders, so that the redemptions take from more than one lot.
    served.record("grocery", "accruals/S-1", sale("m1", at, "600.00")).await;
    served.record("bakery", "accruals/S-1", sale("m1", at, "205.00")).await;
    let lines = ["grocery", "dining", "fuel", "travel"];
    let all = async || {
        let calls = (0..AT_ONCE).map(|number| {
            let line = lines[number % lines.len()];
            let path = format!("/v1/lines/{line}/redemptions/R-{number}");
            async move { served.put(line, &path, redemption("m1", at, 25)).await }
        });
        join_all(calls).await
    };
    let answers = all().await;
    // 1,010 points are forty times 25, and ten are left.
    assert_eq!(tally(&answers), BTreeMap::from([(201, 40), (422, 24)]));
    for answer in answers.iter().filter(|answer| answer.status == 422) {
        assert_eq!(answer.problem(), ("insufficient-points".to_owned(), Some("points".to_owned())));
    }
    // Each saw the balance that the one before left.
    let mut balances: Vec<i64> = answers
        .iter()
        .filter(|answer| answer.status == 201)
        .map(|answer| answer.json()["balance"].as_i64().unwrap())
        .collect();
    balances.sort_unstable();
    assert_eq!(balances, (0..40).map(|number| 10 + 25 * number).collect::<Vec<i64>>());

    let items = served.programme.items().await;
    for (first, again) in answers.iter().zip(all().await) {
        let expected = if first.status == 201 { 200 } else { 422 };
        assert_eq!((again.status, &again.bytes), (expected, &first.bytes));
    }
    assert_eq!(served.programme.items().await, items);

    assert_eq!(served.get("members", "/v1/members/m1").await.ok()["balance"], 10);
    let redeemed = served.get("members", "/v1/members/m1/entries?kind=redemption&limit=200").await.ok();
    assert_eq!(redeemed["entries"].as_array().unwrap().len(), 40);
    let account = served.programme.account("m1").await;
    assert_eq!(account.sequence, 2 + 40);
    assert!(account.lots.values().all(|points| points.get() > 0), "{account:?}");
    assert_eq!(account.lots.values().map(|points| points.get()).sum::<i64>(), 10);
    served.set_now("2017-02-01T09:00:00+08:00");
    let closed = served.close("2017-01", "final").await;
    let pack = Pack::of(&served.programme, "2017-01", closed["final"]["run"].as_str().unwrap()).await;
    let document: Document<Settlement> = serde_json::from_slice(&pack.files[SETTLEMENT]).unwrap();
    let state = document.settlement.state;
    let cohorts: BTreeMap<_, _> = state.cohorts.iter().map(|cohort| (cohort.cohort.clone(), cohort.points)).collect();
    assert_eq!(cohorts, account.lots);
}

#[tokio::test]
async fn concurrent_redemptions_of_one_member_end_in_what_the_balance_allows() {
    redeemed_at_once(&Served::sample(NOW).await).await;
}

#[tokio::test]
async fn transactions_that_cancel_each_other_end_in_what_the_balance_allows_too() {
    let mut served = Served::sample(NOW).await;
    let (ledger, crowd) = crowded_ledger(&served.programme);
    served.use_ledger(ledger).await;
    redeemed_at_once(&served).await;
    assert!(crowd.cancelled() > AT_ONCE as u64, "{} were cancelled", crowd.cancelled());
}

#[tokio::test]
async fn concurrent_events_of_many_members_are_all_recorded() {
    let served = Served::sample(NOW).await;
    let calls = (0..AT_ONCE).map(|number| {
        let member = format!("m{number}");
        let path = format!("/v1/lines/grocery/accruals/S-{number}");
        let served = &served;
        async move { served.put("grocery", &path, sale(&member, "2017-01-06T12:00:00+08:00", "10.00")).await }
    });
    assert_eq!(tally(&join_all(calls).await), BTreeMap::from([(201, AT_ONCE)]));
    let shards: std::collections::BTreeSet<u16> =
        (0..AT_ONCE).map(|number| shard(&MemberId::parse(&format!("m{number}")).unwrap())).collect();
    let page = served.get("grocery", "/v1/lines/grocery/entries?period=2017-01&limit=200").await.ok();
    let members: Vec<&Value> = page["entries"].as_array().unwrap().iter().map(|entry| &entry["member"]).collect();
    assert_eq!(members.len(), AT_ONCE);
    assert!(shards.len() > 16, "the members lie in few shards");
    assert_eq!(page["next_cursor"], json!(null));
}
