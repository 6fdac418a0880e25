//! What the ledger promises to those who record events in it.

use aws_sdk_dynamodb::types::AttributeValue;
use interline_domain::claims::account::shard;
use interline_domain::close::period::CloseRefusal;
use interline_domain::close::settlement::Settlement;
use interline_domain::events::{Command, Event};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::MemberId;
use interline_domain::units::limits::SHARDS;
use interline_lambda::Failure;
use interline_ledger::{Answer, ENTRIES_PER_BATCH, LedgerError, Rejection, Source};
use interline_reports::document::{Document, SETTLEMENT};
use interline_reports::manifest::{RunKind, sha256};
use interline_tests::events::{grant, member_of_shard, redemption, reversal, sale};
use interline_tests::pack::Pack;
use interline_tests::programme::{Programme, RULEBOOK, accepted, edited, rejected, rejection, replayed};
use std::collections::HashMap;
use std::sync::Arc;

const JANUARY: &str = "2017-01-20T12:00:00+08:00";
const FEBRUARY: &str = "2017-02-10T12:00:00+08:00";
const MARCH: &str = "2017-03-10T12:00:00+08:00";
/// Sealed from here on.
const AFTER_JANUARY: &str = "2017-02-01T01:00:00+08:00";
const AFTER_FEBRUARY: &str = "2017-03-01T01:00:00+08:00";

const DIGESTS: [&str; 2] = [
    "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90",
    "81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9",
];
const FILE: Source<'static> = Source::File { digest: DIGESTS[0] };
const OTHER_FILE: Source<'static> = Source::File { digest: DIGESTS[1] };

#[tokio::test]
async fn an_event_is_accepted_once_and_its_retry_gets_the_first_answer_and_changes_nothing() {
    let programme = Programme::sample(JANUARY).await;
    let events = [
        sale("dining", "S-1", "2017-01-05T12:00:00+08:00", "m1", "100.00"),
        redemption("grocery", "R-1", "2017-01-06T12:00:00+08:00", "m1", 100),
        reversal("grocery", "V-1", "2017-01-07T12:00:00+08:00", "m1", "redemption:R-1", "40"),
        grant("spirits", "G-1", "2017-01-08T12:00:00+08:00", "m1", 7),
    ];
    let first = programme.accept(&events).await;
    assert_eq!(programme.balance("m1", JANUARY).await, 300 - 100 + 40 + 7);
    let items = programme.items().await;
    programme.set_now("2017-01-21T12:00:00+08:00");
    for (event, first) in events.iter().zip(&first) {
        assert_eq!(replayed(programme.post_one(event).await), *first);
        // The same moment may be written with another offset.
        let mut elsewhere = event.clone();
        elsewhere.head.occurred_at = event.head.occurred_at.to_utc().fixed_offset();
        assert_eq!(replayed(programme.post_one(&elsewhere).await), *first);
    }
    assert_eq!(programme.items().await, items);
}

#[tokio::test]
async fn a_retry_is_recognised_by_a_process_whose_clock_is_behind() {
    let programme = Programme::sample(JANUARY).await;
    // As far ahead as a caller's clock may be.
    let at = "2017-01-20T12:10:00+08:00";
    let event = sale("dining", "S-1", at, "m1", "100.00");
    let first = accepted(programme.post_one(&event).await);
    let items = programme.items().await;
    programme.set_now("2017-01-20T11:59:59+08:00");
    for source in [Source::Api(None), FILE] {
        let again = programme.post_from(std::slice::from_ref(&event), source).await.remove(0);
        assert_eq!(replayed(again), first);
        let other = programme.post_from(&[sale("dining", "S-1", at, "m1", "100.01")], source).await;
        assert_eq!(rejected(&other[0]), ("conflict", "amount"));
        let new = programme.post_from(&[sale("dining", "S-2", at, "m1", "100.00")], source).await;
        assert_eq!(rejected(&new[0]), ("in-the-future", "occurred_at"));
    }
    assert_eq!(programme.items().await, items);
}

#[tokio::test]
async fn a_retry_is_recognised_however_much_happened_since() {
    let programme = Programme::sample(JANUARY).await;
    let events = [
        sale("dining", "S-1", "2017-01-05T12:00:00+08:00", "m1", "100.00"),
        redemption("grocery", "R-1", "2017-01-06T12:00:00+08:00", "m1", 300),
        reversal("grocery", "V-1", "2017-01-07T12:00:00+08:00", "m1", "redemption:R-1", ""),
        redemption("grocery", "R-2", "2017-01-08T12:00:00+08:00", "m1", 300),
        reversal("dining", "V-2", "2017-01-09T12:00:00+08:00", "m1", "accrual:S-1", ""),
    ];
    let first = programme.accept(&events).await;
    // More than an account remembers; none of them earns a point.
    let sales: Vec<Command> =
        (0..40).map(|at| sale("services", &format!("N-{at}"), "2017-01-10T12:00:00+08:00", "m1", "1.00")).collect();
    programme.accept(&sales).await;
    let items = programme.items().await;
    for source in [Source::Api(None), FILE] {
        for (event, first) in events.iter().zip(&first) {
            let answer = programme.post_from(std::slice::from_ref(event), source).await.remove(0);
            assert_eq!(replayed(answer), *first, "{source:?}");
        }
        let answers = programme.post_from(&events, source).await;
        for (answer, first) in answers.into_iter().zip(&first) {
            assert_eq!(replayed(answer), *first, "{source:?}");
        }
    }
    assert_eq!(programme.items().await, items);
}

#[tokio::test]
async fn the_same_identity_with_other_content_is_refused_and_the_field_is_named() {
    let programme = Programme::sample(JANUARY).await;
    let [one, other] = [0, 1].map(|nth| member_of_shard(9, nth));
    let at = "2017-01-05T12:00:00+08:00";
    let later = "2017-01-05T12:00:01+08:00";
    // Over a month's end, though not into a month before the programme.
    let before = "2017-01-01T00:00:00+08:00";
    programme
        .accept(&[
            sale("dining", "S-1", at, &one, "100.00"),
            sale("dining", "S-2", at, &one, "50.00"),
            redemption("grocery", "R-1", at, &one, 100),
            grant("dining", "G-1", at, &one, 10),
            reversal("dining", "V-1", at, &one, "accrual:S-1", "10.00"),
        ])
        .await;
    let items = programme.items().await;
    for (event, field) in [
        (sale("dining", "S-1", at, "m1", "100.00"), "member"),
        (sale("dining", "S-1", at, &other, "100.00"), "member"),
        (sale("dining", "S-1", before, &one, "100.00"), "occurred_at"),
        (sale("dining", "S-1", later, &one, "100.00"), "occurred_at"),
        (sale("dining", "S-1", at, &one, "100.01"), "amount"),
        (redemption("grocery", "R-1", at, &other, 100), "member"),
        (redemption("grocery", "R-1", later, &one, 100), "occurred_at"),
        (redemption("grocery", "R-1", at, &one, 99), "points"),
        // One that the balance would not allow either.
        (redemption("grocery", "R-1", at, &one, 100_000), "points"),
        (grant("dining", "G-1", at, &one, 11), "points"),
        (reversal("dining", "V-1", at, &one, "accrual:S-2", "10.00"), "reverses"),
        (reversal("dining", "V-1", at, &one, "accrual:S-1", "10.01"), "amount"),
        (reversal("dining", "V-1", at, &one, "adjustment:G-1", "10"), "reverses"),
    ] {
        for source in [Source::Api(None), FILE] {
            let answer = programme.post_from(std::slice::from_ref(&event), source).await.remove(0);
            assert_eq!(rejected(&answer), ("conflict", field), "{event:?}");
        }
    }
    assert_eq!(programme.items().await, items);
    // Another kind or line is another identity.
    programme.accept(&[redemption("grocery", "S-1", at, &one, 1), sale("grocery", "S-1", at, &one, "1.00")]).await;
}

/// After more events than anybody remembers, by the API and in a file.
#[tokio::test]
async fn the_same_reference_over_a_months_end_or_for_another_member_is_never_recorded_twice() {
    let programme = Programme::sample(FEBRUARY).await;
    let january = "2017-01-31T23:59:50+08:00";
    programme
        .accept(&[
            sale("dining", "S-1", january, "m1", "100.00"),
            redemption("grocery", "R-1", january, "m1", 100),
            reversal("grocery", "V-1", january, "m1", "redemption:R-1", "10"),
            grant("dining", "G-1", january, "m1", 7),
        ])
        .await;
    let others: Vec<Command> =
        (0..40).map(|at| sale("services", &format!("N-{at}"), "2017-02-01T00:00:00+08:00", "m1", "1.00")).collect();
    programme.accept(&others).await;
    let again = |at: &str, member: &str| {
        [
            sale("dining", "S-1", at, member, "100.00"),
            redemption("grocery", "R-1", at, member, 100),
            reversal("grocery", "V-1", at, member, "redemption:R-1", "10"),
            grant("dining", "G-1", at, member, 7),
        ]
    };
    let items = programme.items().await;
    for source in [Source::Api(None), FILE] {
        for at in ["2017-02-01T00:00:05+08:00", FEBRUARY, "2017-01-31T23:59:51+08:00"] {
            for event in again(at, "m1") {
                let answer = programme.post_from(&[event], source).await.remove(0);
                assert_eq!(rejected(&answer), ("conflict", "occurred_at"), "{at}");
            }
        }
        // Of every shard.
        for shard in 0..SHARDS {
            for event in again(january, &member_of_shard(shard, 3)) {
                let answer = programme.post_from(&[event], source).await.remove(0);
                assert_eq!(rejected(&answer), ("conflict", "member"), "{shard}");
            }
        }
    }
    assert_eq!(programme.items().await, items);
}

fn gate(period: &str, shard: u8) -> HashMap<String, AttributeValue> {
    let text = |text: String| AttributeValue::S(text);
    HashMap::from([
        ("pk".to_owned(), text(format!("G#{period}#{shard:02}"))),
        ("sk".to_owned(), text("G".to_owned())),
        ("at".to_owned(), text("2017-02-01T00:00:00Z".to_owned())),
    ])
}

#[tokio::test]
async fn a_write_into_the_current_period_looks_at_no_gate_and_one_into_a_past_period_does() {
    let programme = Programme::sample(FEBRUARY).await;
    let member = member_of_shard(3, 0);
    let january = "2017-01-31T12:00:00+08:00";
    let [event] = &programme.accept(&[sale("dining", "S-1", january, &member, "10.00")]).await[..] else { panic!() };
    assert_eq!((event.entry.booked, event.entry.is_late()), (period("2017-01"), false));

    programme.put_item(gate("2017-01", 3)).await;
    programme.put_item(gate("2017-02", 3)).await;
    let current = programme.accept(&[sale("dining", "S-2", FEBRUARY, &member, "10.00")]).await;
    assert_eq!(current[0].entry.booked, period("2017-02"));
    let late = programme.accept(&[sale("dining", "S-3", january, &member, "10.00")]).await;
    assert_eq!((late[0].entry.home, late[0].entry.booked), (period("2017-01"), period("2017-02")));
    // Only the shard's own gate counts.
    let other = member_of_shard(4, 0);
    let past = programme.accept(&[sale("dining", "S-4", january, &other, "10.00")]).await;
    assert_eq!(past[0].entry.booked, period("2017-01"));
    // A past period that is sealed is passed over for the first that is open.
    programme.set_now(MARCH);
    let later = programme.accept(&[sale("dining", "S-5", january, &member, "10.00")]).await;
    assert_eq!(later[0].entry.booked, period("2017-03"));
    let between = programme.accept(&[sale("dining", "S-6", january, &other, "10.00")]).await;
    assert_eq!(between[0].entry.booked, period("2017-01"));
    programme.put_item(gate("2017-01", 4)).await;
    let between = programme.accept(&[sale("dining", "S-7", january, &other, "10.00")]).await;
    assert_eq!(between[0].entry.booked, period("2017-02"));
}

#[tokio::test]
async fn an_event_after_the_cut_off_is_cleared_once_in_the_next_period_and_its_retry_is_a_replay() {
    let programme = Programme::sample(JANUARY).await;
    let in_time = [
        sale("dining", "S-1", "2017-01-05T12:00:00+08:00", "m1", "100.00"),
        redemption("grocery", "R-1", "2017-01-06T12:00:00+08:00", "m1", 100),
    ];
    programme.accept(&in_time).await;
    programme.set_now(AFTER_JANUARY);
    let january = programme.closed("2017-01").await;
    let late = [
        sale("fuel", "S-1", "2017-01-30T12:00:00+08:00", "m1", "30.00"),
        redemption("grocery", "R-2", "2017-01-31T23:59:59+08:00", "m1", 150),
    ];
    programme.set_now(FEBRUARY);
    let first = programme.accept(&late).await;
    for recorded in &first {
        assert_eq!((recorded.entry.home, recorded.entry.booked), (period("2017-01"), period("2017-02")));
    }
    let shard = shard(&MemberId::parse("m1").unwrap());
    let items = programme.items().await;
    let place = AttributeValue::S(format!("2017-02#{shard:02}#2017-01"));
    assert_eq!(items[&("U#grocery#r#R-2".to_owned(), "U".to_owned())]["k"], place);
    assert!(items.contains_key(&(format!("E#2017-02#{shard:02}"), "grocery#r#R-2#2017-01".to_owned())));
    assert!(!items.contains_key(&(format!("E#2017-01#{shard:02}"), "grocery#r#R-2".to_owned())));
    for (event, first) in late.iter().zip(&first) {
        assert_eq!(replayed(programme.post_one(event).await), *first);
    }
    let changed = redemption("grocery", "R-2", "2017-01-31T23:59:59+08:00", "m1", 151);
    assert_eq!(rejected(&programme.post_one(&changed).await), ("conflict", "points"));
    let namesake = redemption("grocery", "R-1", "2017-02-09T12:00:00+08:00", "m1", 10);
    assert_eq!(rejected(&programme.post_one(&namesake).await), ("conflict", "occurred_at"));
    assert_eq!(programme.items().await, items);

    programme.set_now(AFTER_FEBRUARY);
    let february = programme.closed("2017-02").await;
    assert_eq!((january.manifest().entries, february.manifest().entries), (2, 2));
    let cleared = |pack: &Pack| pack.sheet("bilateral").total("points");
    assert_eq!((cleared(&january), cleared(&february)), (100, 150));
    let origins: Vec<String> = february.details().rows.iter().map(|row| row["origin_period"].clone()).collect();
    assert_eq!(origins, ["2017-01"]);
    // 150 points at 0.0090, all of it prior period: 1.31 + 0.04.
    let positions = february.sheet("positions");
    for (line, net) in [("dining", "-1.35"), ("grocery", "1.31"), ("group", "0.04")] {
        let row = positions.row(&[("line", line)]);
        assert_eq!((row["net"].as_str(), row["prior_period"].as_str()), (net, net), "{line}");
    }
    // Closed for good: a retry after both closes is still a replay.
    programme.set_now(MARCH);
    assert_eq!(replayed(programme.post_one(&late[1]).await), first[1]);
}

#[tokio::test]
async fn points_given_back_in_a_month_are_not_redeemed_in_the_books_of_the_month_before() {
    let programme = Programme::sample(JANUARY).await;
    let spent = [
        sale("dining", "S-1", "2017-01-05T12:00:00+08:00", "m1", "100.00"),
        redemption("grocery", "R-1", "2017-01-06T12:00:00+08:00", "m1", 300),
    ];
    programme.accept(&spent).await;
    // January is over and not sealed yet.
    programme.set_now("2017-02-01T00:30:00+08:00");
    programme.accept(&[reversal("grocery", "V-1", "2017-02-01T00:10:00+08:00", "m1", "redemption:R-1", "")]).await;
    let again = redemption("grocery", "R-2", "2017-01-31T23:00:00+08:00", "m1", 300);
    let recorded = programme.accept(std::slice::from_ref(&again)).await.remove(0);
    assert_eq!((recorded.entry.home, recorded.entry.booked), (period("2017-01"), period("2017-02")));
    assert_eq!(replayed(programme.post_one(&again).await), recorded);
    programme.set_now(AFTER_FEBRUARY);
    let (january, february) = (programme.closed("2017-01").await, programme.closed("2017-02").await);
    assert_eq!((january.manifest().entries, february.manifest().entries), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_race_with_the_cut_off_are_cleared_in_one_period_each() {
    let programme = Arc::new(Programme::sample(AFTER_JANUARY).await);
    let mut tasks = Vec::new();
    for at in 0..4 * u32::from(SHARDS) {
        let programme = programme.clone();
        tasks.push(tokio::spawn(async move {
            // The close begins with the first of them and seals shard by shard.
            if at == u32::from(SHARDS) {
                programme.close("2017-01").await.unwrap();
            }
            let member = format!("m{at}");
            let time = format!("2017-01-31T23:{:02}:00+08:00", at % 60);
            programme.accept(&[sale("dining", &format!("S-{at}"), &time, &member, "10.00")]).await.remove(0).entry
        }));
    }
    let mut late = 0;
    for task in tasks {
        late += u64::from(task.await.unwrap().is_late());
    }
    let total = 4 * u64::from(SHARDS);
    let january = programme.close("2017-01").await.unwrap();
    assert_eq!(january.entries, total - late);
    programme.set_now(AFTER_FEBRUARY);
    // Stops if a sealed shard of January is not what its close has read.
    let february = programme.close("2017-02").await.unwrap();
    assert_eq!(february.entries, late);
}

#[tokio::test]
async fn the_programmes_clock_decides_the_period_whatever_the_offset() {
    let programme = Programme::sample("2017-02-01T00:40:00+08:00").await;
    for (reference, at, home) in [
        ("S-1", "2017-01-31T23:59:59.999999999+08:00", "2017-01"),
        ("S-2", "2017-02-01T00:00:00+08:00", "2017-02"),
        ("S-3", "2017-01-31T15:59:59Z", "2017-01"),
        ("S-4", "2017-01-31T16:00:00Z", "2017-02"),
        ("S-5", "2017-02-01T00:30:00+09:00", "2017-01"),
        ("S-6", "2017-01-31T11:30:00-05:00", "2017-02"),
        ("S-7", "2016-12-31T16:00:00Z", "2017-01"),
        ("S-8", "2017-02-01T05:59:59+14:00", "2017-01"),
    ] {
        let recorded = programme.accept(&[sale("dining", reference, at, "m1", "10.00")]).await;
        assert_eq!(recorded[0].entry.home, period(home), "{at}");
        assert_eq!(recorded[0].entry.head.occurred_at.to_rfc3339(), at.replace('Z', "+00:00"));
        let Event::Accrual(did) = &recorded[0].entry.event else { panic!() };
        assert_eq!(did.fact.slices[0].cohort.issued, period(home), "{at}");
    }
}

#[tokio::test]
async fn events_before_the_programme_and_in_the_future_are_refused() {
    let programme = Programme::sample("2017-01-31T23:55:00+08:00").await;
    let items = programme.items().await;
    for (at, code) in [
        ("2016-12-31T23:59:59+08:00", "before-programme"),
        ("2016-12-31T15:59:59Z", "before-programme"),
        ("1970-01-01T00:00:00Z", "before-programme"),
        ("2017-02-01T00:05:00.000000001+08:00", "in-the-future"),
        ("2018-01-01T00:00:00+08:00", "in-the-future"),
    ] {
        for source in [Source::Api(None), FILE] {
            let event = sale("dining", "S-1", at, "m1", "10.00");
            let answer = programme.post_from(&[event], source).await.remove(0);
            assert_eq!(rejected(&answer), (code, "occurred_at"), "{at}");
        }
    }
    let unknown = sale("cinema", "S-1", "2017-01-31T12:00:00+08:00", "m1", "10.00");
    assert_eq!(rejected(&programme.post_one(&unknown).await), ("unknown-line", "line"));
    assert_eq!(programme.items().await, items);
    // A clock that is ten minutes ahead is forgiven, over the end of a month too.
    let ahead = programme.accept(&[sale("dining", "S-1", "2017-02-01T00:05:00+08:00", "m1", "10.00")]).await;
    assert_eq!(ahead[0].entry.booked, period("2017-02"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_redemptions_of_one_member_end_in_just_what_the_balance_allows() {
    let programme = Arc::new(Programme::sample(JANUARY).await);
    programme.accept(&[sale("dining", "S-1", "2017-01-05T12:00:00+08:00", "m1", "100.00")]).await;
    let mut tasks = Vec::new();
    for at in 0..64 {
        let programme = programme.clone();
        tasks.push(tokio::spawn(async move {
            let event = redemption("grocery", &format!("R-{at}"), "2017-01-06T12:00:00+08:00", "m1", 7);
            programme.post_one(&event).await
        }));
    }
    let (mut taken, mut refused) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Answer::Accepted(_) => taken += 1,
            answer => {
                assert_eq!(rejected(&answer), ("insufficient-points", "points"));
                refused += 1;
            }
        }
    }
    assert_eq!((taken, refused), (300 / 7, 64 - 300 / 7));
    assert_eq!(programme.balance("m1", JANUARY).await, 300 % 7);
    assert_eq!(programme.account("m1").await.sequence, 1 + taken);
    let entries = programme.items().await.into_keys().filter(|(_, sk)| sk.starts_with("grocery#r#")).count();
    assert_eq!(entries as u64, taken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_retries_writes_once() {
    let programme = Arc::new(Programme::sample(JANUARY).await);
    programme.accept(&[sale("dining", "S-1", "2017-01-05T12:00:00+08:00", "m1", "100.00")]).await;
    let event = redemption("grocery", "R-1", "2017-01-06T12:00:00+08:00", "m1", 100);
    let mut tasks = Vec::new();
    for _ in 0..32 {
        let (programme, event) = (programme.clone(), event.clone());
        tasks.push(tokio::spawn(async move { programme.post_one(&event).await }));
    }
    let mut recorded = Vec::new();
    let mut written = 0;
    for task in tasks {
        recorded.push(match task.await.unwrap() {
            Answer::Accepted(first) => {
                written += 1;
                *first
            }
            answer => replayed(answer),
        });
    }
    assert_eq!(written, 1);
    assert!(recorded.iter().all(|answer| *answer == recorded[0]));
    assert_eq!((programme.balance("m1", JANUARY).await, programme.account("m1").await.sequence), (200, 2));
}

/// A member with a lot of each of ten lines in each of two months.
async fn typical_member(programme: &Programme, member: &str) {
    let lines = programme.rulebook().await.lines;
    let lines = lines.iter().filter(|line| line.id.as_str() != "group");
    let grants: Vec<Command> = ["2017-01-10", "2017-02-05"]
        .iter()
        .flat_map(|day| lines.clone().map(move |line| (day, line.id.as_str())))
        .map(|(day, line)| grant(line, &format!("G-{day}"), &format!("{day}T12:00:00+08:00"), member, 1_234))
        .collect();
    programme.accept(&grants).await;
    assert_eq!(programme.account(member).await.lots.len(), 20);
}

/// A member with as many lots, of ten lines over the months until March.
async fn mature_member(programme: &Programme, member: &str, lots: usize) {
    let lines = programme.rulebook().await.lines;
    let lines: Vec<_> = lines.iter().map(|line| line.id.as_str()).filter(|line| *line != "group").collect();
    for month in 0..lots.div_ceil(lines.len()) {
        let day = format!("2017-{:02}-10T12:00:00+08:00", month + 1);
        let of_month = lines.iter().take(lots - month * lines.len());
        let grants: Vec<Command> =
            of_month.map(|line| grant(line, &format!("G-{month}-{line}"), &day, member, 1_234)).collect();
        programme.accept(&grants).await;
    }
    assert_eq!(programme.account(member).await.lots.len(), lots);
}

#[tokio::test]
async fn a_redemption_costs_seven_write_units_and_one_read_unit_with_twenty_lots_and_with_sixty() {
    for lots in [20, 60] {
        let programme = Programme::sample("2017-06-20T12:00:00+08:00").await;
        let member = "member-000001";
        mature_member(&programme, member, lots).await;
        let consumed = || programme.app().ledger.consumed().units();
        for (number, points) in [(1, 2_000), (2, 22_000)] {
            let (reads, writes) = consumed();
            let reference = format!("ORDER-2017-00000{number}");
            let event = redemption("drugstore", &reference, "2017-06-19T11:59:00+08:00", member, points);
            programme.accept(std::slice::from_ref(&event)).await;
            let (reads_after, writes_after) = consumed();
            assert_eq!((writes_after - writes, reads_after - reads), (7.0, 1.0), "{lots} lots, {points} points");
        }
    }
}

#[tokio::test]
async fn an_account_of_sixty_lots_is_smaller_than_a_kilobyte() {
    let programme = Programme::sample("2017-06-20T12:00:00+08:00").await;
    mature_member(&programme, "member-000001", 60).await;
    let items = programme.items().await;
    let account = &items[&("M#member-000001".to_owned(), "A".to_owned())];
    assert!(item_size(account) < 1024, "{} bytes", item_size(account));
}

/// A rulebook by which dining's references name one event of a month or a day.
fn scoped(scope: &str) -> String {
    edited(RULEBOOK, &[("id = \"dining\"", &format!("id = \"dining\"\nreference_scope = \"{scope}\""))])
}

#[tokio::test]
async fn a_reference_that_recurs_names_one_event_of_its_month_or_day_and_a_reversal_says_which() {
    for (scope, first, same, other) in [
        ("month", "2017-01-05T12:00:00+08:00", "2017-01-06T12:00:00+08:00", "2017-02-05T12:00:00+08:00"),
        ("day", "2017-01-05T12:00:00+08:00", "2017-01-05T13:00:00+08:00", "2017-01-06T12:00:00+08:00"),
    ] {
        let programme = Programme::with_rulebook(&scoped(scope), FEBRUARY).await;
        let one = programme.accept(&[sale("dining", "S-1", first, "m1", "10.00")]).await.remove(0);
        let again = programme.post_one(&sale("dining", "S-1", same, "m1", "10.00")).await;
        assert_eq!(rejected(&again), ("conflict", "occurred_at"), "{scope}");
        programme.accept(&[sale("dining", "S-1", other, "m2", "20.00")]).await;
        assert_eq!(replayed(programme.post_one(&sale("dining", "S-1", first, "m1", "10.00")).await), one);
        // Its own month or day has none.
        let unnamed = reversal("dining", "V-1", FEBRUARY, "m1", "accrual:S-1", "");
        assert_eq!(rejected(&programme.post_one(&unnamed).await), ("target-not-found", "reverses"), "{scope}");
        let of_another = reversal("dining", "V-1", FEBRUARY, "m1", &format!("accrual:S-1@{}", &other[..10]), "");
        assert_eq!(rejected(&programme.post_one(&of_another).await), ("target-not-found", "reverses"), "{scope}");
        let named = reversal("dining", "V-1", FEBRUARY, "m1", "accrual:S-1@2017-01-05", "");
        let taken = programme.accept(std::slice::from_ref(&named)).await.remove(0);
        assert_eq!(replayed(programme.post_one(&named).await), taken);
        assert_eq!((programme.balance("m1", FEBRUARY).await, programme.balance("m2", FEBRUARY).await), (0, 60));
    }
}

#[tokio::test]
async fn a_replay_is_the_first_answer_after_the_close_by_another_rulebook_and_with_the_points_spent() {
    let programme = Programme::sample(JANUARY).await;
    let sold = sale("dining", "S-1", "2017-01-05T12:00:00+08:00", "m1", "100.00");
    let spent = redemption("grocery", "R-1", "2017-01-06T12:00:00+08:00", "m1", 300);
    let first = programme.accept(&[sold.clone(), spent.clone()]).await;
    programme.set_now(AFTER_JANUARY);
    programme.close("2017-01").await.unwrap();
    let changed = edited(RULEBOOK, &[("netting = \"hub\"", "netting = \"direct\"")]);
    programme.app().publish(&changed).await.unwrap();
    programme.set_now(MARCH);
    let items = programme.items().await;
    for source in [Source::Api(None), FILE] {
        for (event, first) in [&sold, &spent].into_iter().zip(&first) {
            let answer = programme.post_from(std::slice::from_ref(event), source).await.remove(0);
            assert_eq!(replayed(answer), *first, "{source:?}");
        }
    }
    assert_eq!(programme.items().await, items);
}

#[tokio::test]
async fn two_files_that_were_refused_are_both_remembered() {
    let programme = Programme::sample(JANUARY).await;
    let event = redemption("grocery", "R-1", "2017-01-05T12:00:00+08:00", "m1", 30);
    for source in [FILE, OTHER_FILE] {
        let answer = programme.post_from(std::slice::from_ref(&event), source).await.remove(0);
        assert_eq!(rejected(&answer), ("insufficient-points", "points"));
    }
    programme.accept(&[sale("dining", "S-1", "2017-01-05T12:00:00+08:00", "m1", "10.00")]).await;
    let items = programme.items().await;
    for source in [FILE, OTHER_FILE] {
        let answer = programme.post_from(std::slice::from_ref(&event), source).await.remove(0);
        assert!(matches!(rejection(answer), Rejection::RefusedBefore(_)), "{source:?}");
    }
    assert_eq!(programme.items().await, items);
    accepted(programme.post_one(&event).await);
}

#[tokio::test]
async fn an_entry_that_is_not_what_its_reference_was_put_for_is_told_as_broken() {
    let programme = Programme::sample(JANUARY).await;
    let event = sale("dining", "S-1", "2017-01-05T12:00:00+08:00", "m1", "10.00");
    programme.accept(std::slice::from_ref(&event)).await;
    let items = programme.items().await;
    let mut entry = items.into_iter().find(|((pk, _), _)| pk.starts_with("E#")).unwrap().1;
    entry.insert("a".to_owned(), AttributeValue::N("1001".to_owned()));
    programme.put_item(entry).await;
    let (app, rulebook) = (programme.app(), programme.rulebook().await);
    let posted = app.ledger.post(
        &rulebook,
        app,
        &event.head.member,
        std::slice::from_ref(&event),
        Source::Api(None),
        app.clock(),
    );
    let broken = posted.await.unwrap_err();
    assert!(matches!(&broken, LedgerError::Broken { attribute, .. } if attribute == "f"), "{broken}");
}

#[tokio::test]
async fn a_gate_that_is_always_checked_keeps_a_clock_set_by_hand_out_of_a_sealed_period() {
    let programme = Programme::sample(JANUARY).await;
    let member = member_of_shard(3, 0);
    programme.put_item(gate("2017-01", 3)).await;
    programme.put_item(gate("2017-02", 3)).await;
    let (app, rulebook) = (programme.app(), programme.rulebook().await);
    let event = sale("dining", "S-1", "2017-01-05T12:00:00+08:00", &member, "10.00");
    let ledger = app.ledger.clone().with_gate_always_checked(true);
    let posted =
        ledger.post(&rulebook, app, &event.head.member, std::slice::from_ref(&event), Source::Api(None), app.clock());
    let recorded = accepted(posted.await.unwrap().remove(0));
    assert_eq!((recorded.entry.home, recorded.entry.booked), (period("2017-01"), period("2017-03")));
}

/// The size by which DynamoDB counts capacity.
fn item_size(item: &HashMap<String, AttributeValue>) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        // Two digits a byte, leading and trailing zeros aside, one more for the sign and one for the rest.
        AttributeValue::N(number) => {
            let digits = number.trim_start_matches('-').trim_matches('0').len();
            digits.div_ceil(2) + 1 + usize::from(number.starts_with('-'))
        }
        AttributeValue::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>(),
        other => panic!("no item has {other:?}"),
    }
}

#[tokio::test]
async fn every_item_of_a_member_with_twenty_lots_is_smaller_than_a_kilobyte() {
    let programme = Programme::sample(FEBRUARY).await;
    let member = "member-000001";
    typical_member(&programme, member).await;
    let all = 20 * 1_234;
    programme
        .accept(&[
            redemption("drugstore", "ORDER-2017-000001", "2017-02-10T11:59:00+08:00", member, all),
            reversal(
                "drugstore",
                "RETURN-2017-000001",
                "2017-02-10T11:59:30+08:00",
                member,
                "redemption:ORDER-2017-000001",
                "",
            ),
        ])
        .await;
    assert_eq!(programme.balance(member, FEBRUARY).await, all);
    for ((pk, sk), item) in programme.items().await {
        let size = item_size(&item);
        if pk.starts_with("M#") || pk.starts_with("E#") || pk.starts_with("U#") {
            assert!(size < 1024, "{pk} {sk} has {size} bytes");
        }
    }
}

#[tokio::test]
async fn more_events_than_a_transaction_holds_are_recorded_all_and_in_order() {
    let programme = Programme::sample(FEBRUARY).await;
    let mut events = Vec::new();
    for at in 0..3 * ENTRIES_PER_BATCH {
        let time = format!("2017-01-15T12:{:02}:{:02}+08:00", at / 60, at % 60);
        events.push(sale("dining", &format!("S-{at}"), &time, "m1", "1.00"));
        // Spends just what was earned until here.
        events.push(redemption("grocery", &format!("R-{at}"), &time, "m1", 3));
    }
    let answers = programme.post_from(&events, FILE).await;
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Accepted(_))));
    let numbers: Vec<u64> = answers.into_iter().map(|answer| accepted(answer).sequence).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<u64>>());
    assert_eq!(programme.account("m1").await.sequence as usize, events.len());
    assert_eq!(programme.balance("m1", FEBRUARY).await, 0);
    let items = programme.items().await;
    assert_eq!(items.keys().filter(|(pk, _)| pk.starts_with("E#2017-01#")).count(), events.len());
    let again = programme.post_from(&events, FILE).await;
    assert!(again.iter().all(|answer| matches!(answer, Answer::Replayed(_))));
    assert_eq!(programme.items().await, items);
    // Late ones, too.
    programme.set_now(AFTER_JANUARY);
    programme.close("2017-01").await.unwrap();
    programme.set_now(FEBRUARY);
    let late: Vec<Command> = (0..ENTRIES_PER_BATCH + 1)
        .map(|at| sale("dining", &format!("L-{at}"), "2017-01-15T13:00:00+08:00", "m1", "1.00"))
        .collect();
    let answers = programme.post_from(&late, FILE).await;
    assert!(answers.into_iter().all(|answer| accepted(answer).entry.is_late()));
}

#[tokio::test]
async fn reversals_give_back_and_take_back_just_what_is_left() {
    let programme = Programme::sample(JANUARY).await;
    let at = |minute: u32| format!("2017-01-05T12:{minute:02}:00+08:00");
    let back = |reference: &str, minute: u32, of: &str, part: &str| {
        let line = if of.starts_with("redemption") { "grocery" } else { "dining" };
        reversal(line, reference, &at(minute), "m1", of, part)
    };
    programme
        .accept(&[
            sale("dining", "S-1", &at(0), "m1", "100.00"),
            sale("fuel", "S-1", &at(1), "m1", "100.00"),
            redemption("grocery", "R-1", &at(2), "m1", 320),
        ])
        .await;
    // 50 fuel points are left of 350, dining's are spent first by name.
    assert_eq!(programme.balance("m1", JANUARY).await, 30);
    for (event, answer) in [
        (back("V-1", 1, "redemption:R-1", ""), Err(("before-target", "occurred_at"))),
        (back("V-1", 3, "redemption:R-9", ""), Err(("target-not-found", "reverses"))),
        (back("V-1", 3, "redemption:R-1", "321"), Err(("more-than-left", "points"))),
        (back("V-1", 3, "redemption:R-1", "20"), Ok(50)),
        (back("V-2", 4, "redemption:R-1", "301"), Err(("more-than-left", "points"))),
        (back("V-2", 4, "redemption:R-1", "100"), Ok(150)),
        (back("V-3", 5, "redemption:R-1", ""), Ok(350)),
        (back("V-4", 6, "redemption:R-1", ""), Err(("already-reversed", "reverses"))),
        (back("V-4", 6, "redemption:R-1", "1"), Err(("already-reversed", "reverses"))),
        (back("V-5", 7, "accrual:S-1", "100.01"), Err(("more-than-left", "amount"))),
        // 300 points for 100.00; 200 for what remains of 33.34 less.
        (back("V-5", 7, "accrual:S-1", "33.34"), Ok(350 - (300 - 199))),
        (back("V-6", 8, "accrual:S-1", "66.67"), Err(("more-than-left", "amount"))),
        (back("V-6", 8, "accrual:S-1", "66.66"), Ok(50)),
        (back("V-7", 9, "accrual:S-1", ""), Err(("already-reversed", "reverses"))),
    ] {
        let posted = programme.post_one(&event).await;
        match answer {
            Err(refusal) => assert_eq!(rejected(&posted), refusal, "{event:?}"),
            Ok(balance) => {
                accepted(posted);
                assert_eq!(programme.balance("m1", JANUARY).await, balance, "{event:?}");
            }
        }
    }
    // Another line's or member's event of that name is not found.
    let [one, other] = [0, 1].map(|nth| member_of_shard(7, nth));
    programme.accept(&[sale("dining", "S-9", &at(0), &one, "10.00")]).await;
    for event in [
        reversal("fuel", "V-1", &at(1), &one, "accrual:S-9", ""),
        reversal("dining", "V-1", &at(1), &other, "accrual:S-9", ""),
    ] {
        assert_eq!(rejected(&programme.post_one(&event).await), ("target-not-found", "reverses"));
    }
}

#[tokio::test]
async fn a_reversal_finds_its_target_in_the_same_file_in_an_earlier_month_and_among_late_events() {
    let programme = Programme::sample(JANUARY).await;
    let january = "2017-01-05T12:00:00+08:00";
    let answers = programme
        .post_from(
            &[
                sale("dining", "S-1", january, "m1", "100.00"),
                redemption("grocery", "R-1", january, "m1", 100),
                reversal("grocery", "V-1", january, "m1", "redemption:R-1", "30"),
                reversal("grocery", "V-2", january, "m1", "redemption:R-1", "71"),
                reversal("grocery", "V-3", january, "m1", "redemption:R-1", "70"),
                redemption("grocery", "R-2", january, "m1", 50),
            ],
            FILE,
        )
        .await;
    assert_eq!(rejected(&answers[3]), ("more-than-left", "points"));
    assert_eq!(answers.into_iter().filter(|answer| matches!(answer, Answer::Accepted(_))).count(), 5);
    programme.set_now(AFTER_JANUARY);
    programme.close("2017-01").await.unwrap();
    programme.set_now(FEBRUARY);
    let late = programme.accept(&[redemption("bakery", "R-1", january, "m1", 80)]).await;
    assert!(late[0].entry.is_late());
    let back = programme
        .accept(&[
            reversal("bakery", "V-1", FEBRUARY, "m1", "redemption:R-1", "30"),
            reversal("bakery", "V-2", january, "m1", "redemption:R-1", ""),
            reversal("grocery", "V-4", FEBRUARY, "m1", "redemption:R-2", ""),
        ])
        .await;
    assert_eq!(back.iter().map(|recorded| recorded.entry.is_late()).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(programme.balance("m1", FEBRUARY).await, 300);
    programme.set_now(AFTER_FEBRUARY);
    let february = programme.closed("2017-02").await;
    // R-1 and its reversals cancel out; of R-2 the reversal alone is February's: 50 x 0.0090.
    let bilateral = february.sheet("bilateral");
    assert_eq!(bilateral.row(&[("payer", "dining"), ("payee", "bakery")])["amount"], "0.00");
    let grocery = bilateral.row(&[("payer", "dining"), ("payee", "grocery")]);
    assert_eq!((grocery["points"].as_str(), grocery["amount"].as_str()), ("-50", "-0.44"));
}

#[tokio::test]
async fn a_redemption_refused_in_a_file_stays_refused_there_and_may_be_tried_elsewhere() {
    let programme = Programme::sample(JANUARY).await;
    let at = "2017-01-05T12:00:00+08:00";
    let file = |amount: &str| {
        vec![
            sale("dining", "S-1", at, "m1", "10.00"),
            redemption("grocery", "R-1", at, "m1", 31),
            sale("dining", "S-2", at, "m1", amount),
        ]
    };
    let first = programme.post_from(&file("10.00"), FILE).await;
    assert_eq!(rejected(&first[1]), ("insufficient-points", "points"));
    let reason = rejection(first[1].clone()).to_string();
    let items = programme.items().await;
    // Repeated, and resumed after any number of its rows.
    for skip in 0..3 {
        let again = programme.post_from(&file("10.00")[skip..], FILE).await;
        for (at, answer) in (skip..).zip(&again) {
            match at {
                1 => {
                    assert_eq!(rejected(answer), ("insufficient-points", "points"));
                    assert_eq!(rejection(answer.clone()).to_string(), reason);
                }
                _ => assert!(matches!(answer, Answer::Replayed(_)), "{answer:?}"),
            }
        }
    }
    assert_eq!(programme.items().await, items);
    // Another file may try again, and then every file gets that answer.
    let other = programme.post_from(&file("10.00")[1..2], OTHER_FILE).await.remove(0);
    let recorded = accepted(other);
    for source in [FILE, OTHER_FILE, Source::Api(None)] {
        let answer = programme.post_from(&file("10.00")[1..2], source).await.remove(0);
        assert_eq!(replayed(answer), recorded);
    }
    assert_eq!(programme.balance("m1", JANUARY).await, 60 - 31);
    // So may the API, which leaves no trace of a refusal.
    let event = redemption("grocery", "R-2", at, "m1", 30);
    assert_eq!(rejected(&programme.post_from(std::slice::from_ref(&event), FILE).await[0]).0, "insufficient-points");
    let items = programme.items().await;
    assert_eq!(rejected(&programme.post_one(&event).await).0, "insufficient-points");
    assert_eq!(programme.items().await, items);
    programme.accept(&[sale("dining", "S-3", at, "m1", "10.00")]).await;
    assert_eq!(rejected(&programme.post_from(std::slice::from_ref(&event), FILE).await[0]).0, "insufficient-points");
    accepted(programme.post_one(&event).await);
}

#[tokio::test]
async fn a_reference_that_stands_twice_in_a_file_is_answered_twice_and_the_rest_goes_on() {
    let programme = Programme::sample(JANUARY).await;
    let at = "2017-01-05T12:00:00+08:00";
    let events = [
        redemption("grocery", "R-1", at, "m1", 30),
        sale("dining", "S-1", at, "m1", "10.00"),
        // The first was refused, so this file's answer to the reference is known.
        redemption("grocery", "R-1", at, "m1", 30),
        redemption("grocery", "R-1", at, "m1", 20),
        sale("dining", "S-1", at, "m1", "10.00"),
        sale("dining", "S-1", at, "m1", "11.00"),
        redemption("grocery", "R-2", at, "m1", 5),
    ];
    for _ in 0..2 {
        let answers = programme.post_from(&events, FILE).await;
        for refused in [0, 2, 3] {
            assert_eq!(rejected(&answers[refused]), ("insufficient-points", "points"), "{refused}");
        }
        assert!(matches!(answers[4], Answer::Replayed(_)));
        assert_eq!(rejected(&answers[5]), ("conflict", "amount"));
        assert_eq!(programme.balance("m1", JANUARY).await, 25);
    }
    // Through the API each is tried for itself.
    let events = [
        redemption("grocery", "R-3", at, "m1", 26),
        sale("dining", "S-3", at, "m1", "1.00"),
        redemption("grocery", "R-3", at, "m1", 26),
    ];
    let answers = programme.post(&events).await;
    assert_eq!(rejected(&answers[0]), ("insufficient-points", "points"));
    assert!(matches!(answers[2], Answer::Accepted(_)));
}

#[tokio::test]
async fn points_that_are_spent_and_taken_back_become_a_debt_that_the_next_points_repay() {
    let programme = Programme::sample(JANUARY).await;
    let at = |minute: u32| format!("2017-01-05T12:{minute:02}:00+08:00");
    let debts = |account: interline_domain::claims::account::Account| -> Vec<(String, i64)> {
        account.debts.iter().map(|(line, points)| (line.to_string(), points.get())).collect()
    };
    programme
        .accept(&[
            sale("dining", "S-1", &at(0), "m1", "100.00"),
            redemption("grocery", "R-1", &at(1), "m1", 200),
            reversal("dining", "V-1", &at(2), "m1", "accrual:S-1", ""),
        ])
        .await;
    assert_eq!(debts(programme.account("m1").await), [("dining".to_owned(), 200)]);
    assert_eq!(programme.balance("m1", JANUARY).await, 0);
    let none_left = programme.post_one(&redemption("grocery", "R-2", &at(3), "m1", 1)).await;
    assert_eq!(rejected(&none_left), ("insufficient-points", "points"));
    programme.accept(&[sale("fuel", "S-2", &at(4), "m1", "300.00")]).await;
    assert_eq!(debts(programme.account("m1").await), [("dining".to_owned(), 50)]);
    programme.accept(&[sale("bakery", "S-3", &at(5), "m1", "100.00")]).await;
    assert_eq!(debts(programme.account("m1").await), []);
    assert_eq!(programme.balance("m1", JANUARY).await, 150);
    programme.set_now(AFTER_JANUARY);
    let january = programme.closed("2017-01").await;
    // Dining pays grocery 200 x 0.0090; for its points fuel pays it 150 x 0.0070
    // and bakery 50 x 0.0070, which nobody else has a share of.
    let bilateral = january.sheet("bilateral");
    for (payer, payee, amount) in [
        ("dining", "grocery", "1.75"),
        ("dining", "group", "0.05"),
        ("fuel", "dining", "1.05"),
        ("bakery", "dining", "0.35"),
    ] {
        assert_eq!(bilateral.row(&[("payer", payer), ("payee", payee)])["amount"], amount, "{payer} {payee}");
    }
    let roll_forward = january.sheet("points-roll-forward");
    let dining = roll_forward.row(&[("funder", "dining")]);
    let columns = ["issued", "redeemed_own", "redeemed_other", "reversed", "closing"];
    assert_eq!(columns.map(|column| dining[column].as_str()), ["300", "0", "200", "100", "0"]);
}

#[tokio::test]
async fn points_past_their_date_cannot_be_spent_and_those_that_expire_first_are_spent_first() {
    let rulebook = edited(
        RULEBOOK,
        &[(
            "[[expiry]]\nfrom = \"2017-01-01\"\nmonths = 12",
            "[[expiry]]\nfrom = \"2017-01-01\"\nmonths = 12\n\n[[expiry]]\nfunder = \"fuel\"\nfrom = \"2017-01-01\"\nmonths = 1",
        )],
    );
    let programme = Programme::with_rulebook(&rulebook, JANUARY).await;
    programme
        .accept(&[
            sale("dining", "S-1", "2017-01-05T12:00:00+08:00", "m1", "10.00"),
            sale("fuel", "S-1", "2017-01-06T12:00:00+08:00", "m1", "100.00"),
        ])
        .await;
    programme.set_now(AFTER_JANUARY);
    programme.close("2017-01").await.unwrap();
    // Fuel's 50 points can be spent until the last day of February.
    programme.set_now("2017-02-28T23:59:59+08:00");
    let spent = programme.accept(&[redemption("grocery", "R-1", "2017-02-28T23:59:58+08:00", "m1", 20)]).await;
    let Event::Redemption(did) = &spent[0].entry.event else { panic!() };
    assert_eq!(did.fact.slices.iter().map(|slice| slice.cohort.scheme.as_str()).collect::<Vec<_>>(), ["fuel"]);
    programme.set_now("2017-03-01T00:30:00+08:00");
    let past = programme.post_one(&redemption("grocery", "R-2", "2017-03-01T00:00:00+08:00", "m1", 31)).await;
    assert_eq!(rejected(&past), ("insufficient-points", "points"));
    assert_eq!(rejection(past).to_string(), "the member has 30 points, 31 were asked for");
    // An event of February that is told in March may still spend them.
    programme.accept(&[redemption("grocery", "R-3", "2017-02-28T23:00:00+08:00", "m1", 10)]).await;
    programme.set_now(AFTER_FEBRUARY);
    let february = programme.closed("2017-02").await;
    let roll_forward = february.sheet("points-roll-forward");
    let fuel = roll_forward.row(&[("funder", "fuel")]);
    let columns = ["opening", "redeemed_other", "expired", "closing"];
    assert_eq!(columns.map(|column| fuel[column].as_str()), ["50", "30", "20", "0"]);
    // After the close too: it expired in February's books and is taken out of March's.
    programme.set_now(MARCH);
    let late = programme.accept(&[redemption("grocery", "R-4", "2017-02-28T23:00:00+08:00", "m1", 5)]).await;
    assert!(late[0].entry.is_late());
    programme.set_now("2017-04-01T01:00:00+08:00");
    let march = programme.closed("2017-03").await;
    let fuel_in_march = march.sheet("points-roll-forward");
    let fuel = fuel_in_march.row(&[("funder", "fuel")]);
    assert_eq!(columns.map(|column| fuel[column].as_str()), ["0", "5", "-5", "0"]);
}

#[tokio::test]
async fn caps_minimum_and_step_hold_and_a_return_gives_the_day_back() {
    let burn = "[[burn]]\nline = \"grocery\"\nfrom = \"2017-01-01\"\nvalue = \"0.01\"";
    let capped =
        format!("{burn}\nminimum = 20\nstep = 10\nmax_per_order = 300\nmax_per_day = 500\nmax_per_month = 800");
    let programme = Programme::with_rulebook(&edited(RULEBOOK, &[(burn, &capped)]), FEBRUARY).await;
    programme.accept(&[sale("travel", "S-1", "2017-01-02T12:00:00+08:00", "m1", "1000.00")]).await;
    let at = |day: &str, hour: u32| format!("{day}T{hour:02}:00:00+08:00");
    let redeem = |reference: &str, day: &str, hour: u32, points: i64| {
        redemption("grocery", reference, &at(day, hour), "m1", points)
    };
    let give_back = |reference: &str, of: &str, hour: u32, points: &str| {
        reversal("grocery", reference, &at("2017-01-03", hour), "m1", &format!("redemption:{of}"), points)
    };
    for (event, refusal) in [
        (redeem("R-1", "2017-01-03", 8, 10), Some("below-minimum")),
        (redeem("R-1", "2017-01-03", 8, 25), Some("off-step")),
        (redeem("R-1", "2017-01-03", 8, 310), Some("above-order-cap")),
        (redeem("R-1", "2017-01-03", 8, 300), None),
        (redeem("R-2", "2017-01-03", 9, 210), Some("above-day-cap")),
        (redeem("R-2", "2017-01-03", 9, 200), None),
        (redeem("R-3", "2017-01-03", 23, 20), Some("above-day-cap")),
        (give_back("V-1", "R-2", 23, "50"), None),
        (redeem("R-3", "2017-01-03", 23, 60), Some("above-day-cap")),
        (redeem("R-3", "2017-01-03", 23, 50), None),
        (redeem("R-4", "2017-01-04", 0, 300), None),
        (redeem("R-5", "2017-01-31", 23, 20), Some("above-month-cap")),
        // Another line and another month have limits of their own.
        (redemption("bakery", "R-1", &at("2017-01-03", 9), "m1", 5), None),
        (redeem("R-6", "2017-02-01", 0, 300), None),
    ] {
        let answer = programme.post_one(&event).await;
        match refusal {
            None => {
                accepted(answer);
            }
            Some(code) => assert_eq!(rejected(&answer), (code, "points"), "{event:?}"),
        }
    }
}

#[tokio::test]
async fn a_trial_before_the_cut_off_seals_nothing_and_may_be_repeated() {
    let programme = Programme::sample(JANUARY).await;
    programme.accept(&[sale("dining", "S-1", "2017-01-05T12:00:00+08:00", "m1", "100.00")]).await;
    let trial = programme.close_as("2017-01", RunKind::Trial, None).await.unwrap();
    assert_eq!(trial.entries, 1);
    // Apart from final runs, so that they can expire.
    let manifest = format!("trials/2017-01/{}/manifest.json", trial.run);
    assert_eq!(sha256(&programme.app().reports.get(&manifest).await.unwrap()), trial.manifest);
    let state = programme.app().ledger.period(period("2017-01")).await.unwrap();
    assert!(state.is_open());
    assert!(programme.items().await.keys().all(|(pk, _)| !pk.starts_with("G#")));
    programme.set_now("2017-01-25T12:00:00+08:00");
    programme.accept(&[redemption("grocery", "R-1", "2017-01-24T12:00:00+08:00", "m1", 100)]).await;
    let again = programme.close_as("2017-01", RunKind::Trial, None).await.unwrap();
    assert_ne!(again.run, trial.run);
    assert_eq!(again.entries, 2);
    // The final run has the same figures.
    programme.set_now(AFTER_JANUARY);
    let done = programme.close("2017-01").await.unwrap();
    assert_eq!((&done.positions, &done.payments), (&again.positions, &again.payments));
    let trial = Pack::of(&programme, "2017-01", &again.run).await;
    let last = Pack::of(&programme, "2017-01", &done.run).await;
    for report in ["positions.csv", "bilateral.csv", "splits.csv", "details/part-00.csv.gz"] {
        assert_eq!(trial.files[report], last.files[report], "{report}");
    }
    let settlement = |pack: &Pack| {
        let document: Document<Settlement> = serde_json::from_slice(&pack.files[SETTLEMENT]).unwrap();
        document.settlement
    };
    assert_eq!(settlement(&trial), Settlement { checklist: settlement(&trial).checklist, ..settlement(&last) });
}

#[tokio::test]
async fn a_close_out_of_order_too_early_or_with_other_terms_is_refused_with_the_reason() {
    let programme = Programme::sample(JANUARY).await;
    let close = |period: &'static str| programme.close(period);
    let reason = |failure: Failure| match failure {
        Failure::Close(refusal) => refusal.to_string(),
        other => panic!("{other}"),
    };
    for (text, expected) in [
        ("2016-12", "period 2016-12 lies before the programme's first period 2017-01"),
        ("2017-02", "period 2017-02 cannot be closed before 2017-01 is final"),
        ("2017-03", "period 2017-03 cannot be closed before 2017-02 is final"),
    ] {
        for kind in [RunKind::Trial, RunKind::Final] {
            assert_eq!(reason(programme.close_as(text, kind, None).await.unwrap_err()), expected);
        }
    }
    for now in [JANUARY, "2017-02-01T00:00:00+08:00", "2017-02-01T00:59:59.999+08:00"] {
        programme.set_now(now);
        let failure = close("2017-01").await.unwrap_err();
        assert!(matches!(failure, Failure::Close(CloseRefusal::TooEarly { .. })), "{failure}");
    }
    assert!(programme.items().await.keys().all(|(pk, _)| !pk.starts_with("G#")), "nothing is sealed");
    programme.set_now(AFTER_JANUARY);
    let first = close("2017-01").await.unwrap();
    assert_eq!(reason(close("2017-03").await.unwrap_err()), "period 2017-03 cannot be closed before 2017-02 is final");

    let changed = edited(RULEBOOK, &[("netting = \"hub\"", "netting = \"direct\"")]);
    let changed = programme.app().publish(&changed).await.unwrap().rulebook.hash.clone();
    let failure = programme.close_as("2017-01", RunKind::Final, Some(changed.clone())).await.unwrap_err();
    assert_eq!(reason(failure), format!("period 2017-01 is final with run {}; a final run is immutable", first.run));
    // Without a word about terms it is repeated with its own; a trial may try the new ones.
    assert_eq!(close("2017-01").await.unwrap(), first);
    let trial = programme.close_as("2017-01", RunKind::Trial, Some(changed)).await.unwrap();
    assert_eq!(trial.entries, 0);
    let state = programme.app().ledger.period(period("2017-01")).await.unwrap();
    assert_eq!(state.into_final_run().unwrap().id, first.run);
}

#[tokio::test]
async fn a_seal_puts_a_gate_on_every_shard() {
    let programme = Programme::sample(AFTER_JANUARY).await;
    programme.close("2017-01").await.unwrap();
    let items = programme.items().await;
    for shard in 0..SHARDS {
        assert!(items.contains_key(&(format!("G#2017-01#{shard:02}"), "G".to_owned())), "{shard}");
    }
}

fn period(text: &str) -> Period {
    Period::parse(text).unwrap()
}
