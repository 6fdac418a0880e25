//! The ledger's rules one by one, over the store in memory.

use crate::hooks::Hooked;
use chrono::{DateTime, TimeDelta, Utc};
use interline_domain::close::period::{ATTEMPT_STALE, Attempt, CloseRefusal, PeriodState, Run, Status};
use interline_domain::events::{Command, EntryKind, Reversed};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, MemberId, Reference};
use interline_domain::units::money::Points;
use interline_domain::units::scope::Scope;
use interline_domain::units::shard::Shards;
use interline_ledger::{
    Answer, Between, Ledger, LedgerError, LineFilter, LinePosition, Recorded, Source, StatementFilter,
    StatementPosition,
};
use interline_tests::events::{cny, member_of_shard, redemption, reversal, sale};
use interline_tests::programme::{RULEBOOK, accepted, moment};
use interline_tests::sim::memory::Memory;
use interline_tests::{SHARDS, the_shard};
use serde_json::json;
use std::sync::{Arc, Once};

const JANUARY: &str = "2017-01-05T12:00:00+08:00";
const FEBRUARY: &str = "2017-02-05T12:00:00+08:00";
const MARCH: &str = "2017-03-05T12:00:00+08:00";

struct Books {
    ledger: Ledger,
    rulebook: Rulebook,
}

impl Books {
    fn new() -> Self {
        let ledger = Ledger::on(Arc::new(Memory::default()));
        Self { ledger, rulebook: Rulebook::parse(RULEBOOK).unwrap() }
    }

    /// At the event's own time.
    async fn post(&self, command: &Command) -> Answer {
        let now = command.occurred();
        let Self { ledger, rulebook } = self;
        let commands = std::slice::from_ref(command);
        let clock = move || now;
        let posted = ledger.post(rulebook, rulebook, &command.head.member, commands, Source::Api(None), &clock);
        posted.await.unwrap().pop().unwrap()
    }

    async fn seal(&self, period: Period, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.ledger.seal(&self.rulebook, period, now).await
    }
}

fn period(text: &str) -> Period {
    Period::parse(text).unwrap()
}

fn line(code: &str) -> LineId {
    LineId::parse(code).unwrap()
}

/// All of a line's events.
fn of_line(code: &str) -> LineFilter {
    LineFilter { line: line(code), kind: None, between: Between::default() }
}

fn run(id: &str, manifest: &str) -> Run {
    Run {
        id: id.to_owned(),
        rulebook: "r".to_owned(),
        manifest: manifest.to_owned(),
        finished_at: moment("2017-02-02T00:00:00+08:00"),
        by: None,
        engine: None,
        edition: None,
        program: None,
    }
}

#[tokio::test]
async fn an_event_is_found_by_its_name_whoever_asks_and_tells_what_is_reversed_of_it() {
    let books = Books::new();
    let name = Reference::parse("S-1").unwrap();
    let find = async |kind, reference: &Reference| {
        books.ledger.entry(&line("dining"), kind, reference, Scope::Line).await.unwrap()
    };
    let sold = accepted(books.post(&sale("dining", "S-1", JANUARY, "m1", "10.00")).await);
    assert_eq!(find(EntryKind::Accrual, &name).await, Some((sold.clone(), Reversed::default())));
    let taken = accepted(books.post(&reversal("dining", "T-1", MARCH, "m1", "accrual:S-1", "4.00")).await);
    let (found, reversed) = find(EntryKind::Accrual, &name).await.unwrap();
    // Three points a yuan.
    assert_eq!(found, sold);
    assert_eq!((reversed.points, reversed.amount), (Points::new(12), cny().parse_money("4.00").unwrap()));
    assert_eq!(reversed.by_slice, [Points::new(12)]);
    let reversal = find(EntryKind::Reversal, &Reference::parse("T-1").unwrap()).await;
    assert_eq!(reversal, Some((taken, Reversed::default())));
    assert_eq!(find(EntryKind::Redemption, &name).await, None);
    assert_eq!(find(EntryKind::Accrual, &Reference::parse("S-2").unwrap()).await, None);
}

#[tokio::test]
async fn accounts_of_any_number_of_members_are_read_at_once() {
    let books = Books::new();
    let members: Vec<MemberId> = (0..230).map(|at| MemberId::parse(&format!("m{at}")).unwrap()).collect();
    for (at, member) in members.iter().enumerate().filter(|(at, _)| at % 2 == 0) {
        accepted(books.post(&sale("dining", &format!("S-{at}"), JANUARY, member.as_str(), "10.00")).await);
    }
    // A member who is asked for twice is answered once.
    let asked = [&members[..], &members[..1]].concat();
    let accounts = books.ledger.accounts(&asked).await.unwrap();
    assert_eq!(accounts.len(), 115);
    for (member, account) in &accounts {
        assert_eq!(*account, books.ledger.account(member).await.unwrap(), "{member}");
    }
    assert!(books.ledger.accounts(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_members_entries_are_numbered_without_a_gap_in_the_shards_too() {
    let books = Books::new();
    let member = member_of_shard(7, 0);
    for number in 0..5 {
        let at = format!("2017-01-05T12:00:0{number}+08:00");
        let recorded = accepted(books.post(&sale("dining", &format!("S-{}", 9 - number), &at, &member, "40.00")).await);
        assert_eq!(recorded.sequence, number + 1);
    }
    accepted(books.post(&redemption("dining", "R-1", FEBRUARY, &member, 50)).await);
    let mut numbered = Vec::new();
    for month in ["2017-01", "2017-02"] {
        let mut records = books.ledger.shard_records(period(month), the_shard(7));
        while let Some(page) = records.next_page().await {
            numbered.extend(page.unwrap().into_iter().map(|(entry, at)| (entry.head.reference.to_string(), at)));
        }
    }
    let of = |number: u64| (format!("S-{}", 10 - number), number);
    assert_eq!(numbered, [of(5), of(4), of(3), of(2), of(1), ("R-1".to_owned(), 6)]);
    let account = books.ledger.account(&MemberId::parse(&member).unwrap()).await.unwrap();
    assert_eq!(account.sequence, 6);
}

#[tokio::test]
async fn a_statement_is_read_page_by_page_to_its_end_under_every_filter() {
    let books = Books::new();
    for number in 0..5 {
        let at = format!("2017-01-05T12:00:0{number}+08:00");
        accepted(books.post(&sale("dining", &format!("S-{number}"), &at, "m1", "40.00")).await);
    }
    accepted(books.post(&redemption("dining", "R-1", "2017-01-06T12:00:00+08:00", "m1", 50)).await);
    accepted(books.post(&sale("grocery", "S-9", "2017-01-07T12:00:00+08:00", "m1", "40.00")).await);
    let member = MemberId::parse("m1").unwrap();
    let all = ["grocery S-9", "dining R-1", "dining S-4", "dining S-3", "dining S-2", "dining S-1", "dining S-0"];
    let of = |words: &[&str]| -> Vec<&str> {
        all.into_iter().filter(|event| words.iter().all(|word| event.contains(word))).collect()
    };
    let cases = [
        (None, None, of(&[])),
        (Some("dining"), None, of(&["dining"])),
        (None, Some(EntryKind::Accrual), of(&["S-"])),
        (Some("dining"), Some(EntryKind::Accrual), of(&["dining", "S-"])),
        (Some("grocery"), Some(EntryKind::Redemption), Vec::new()),
    ];
    for (of_line, kind, expected) in cases {
        for limit in 1..=8 {
            let filter = StatementFilter { line: of_line.map(line), kind, between: Between::default() };
            let (mut shown, mut position, mut pages) = (Vec::new(), None, 0);
            loop {
                let page = books.ledger.member_entries(&member, &filter, position, limit).await.unwrap();
                assert!(page.0.len() <= limit);
                let names = page.0.iter().map(|recorded| {
                    let head = &recorded.entry.head;
                    format!("{} {}", head.line, head.reference)
                });
                shown.extend(names);
                (position, pages) = (page.1, pages + 1);
                if position.is_none() {
                    break;
                }
            }
            assert_eq!(shown, expected, "{of_line:?} {kind:?} by {limit}");
            if of_line.is_none() && kind.is_none() {
                assert_eq!(pages, expected.len().div_ceil(limit), "by {limit}");
            }
        }
    }
}

#[tokio::test]
async fn a_lines_events_are_read_page_by_page_through_all_shards() {
    let books = Books::new();
    let mut expected = Vec::new();
    for (shard, nth) in [(0, 0), (0, 1), (0, 2), (7, 0), (SHARDS - 1, 0), (SHARDS - 1, 1)] {
        let member = member_of_shard(shard, nth);
        for line in ["dining", "grocery"] {
            accepted(books.post(&sale(line, &format!("S-{shard}-{nth}"), JANUARY, &member, "40.00")).await);
        }
        expected.push((shard, format!("S-{shard}-{nth}")));
    }
    for limit in 1..=7 {
        let (mut shown, mut position) = (Vec::new(), None);
        loop {
            let page = books
                .ledger
                .line_entries(&of_line("dining"), period("2017-01"), Shards::DEFAULT, position, limit)
                .await
                .unwrap();
            assert!(page.0.len() <= limit, "{} by {limit}", page.0.len());
            assert!(page.0.len() == limit || page.1.is_none(), "an unfinished page by {limit}");
            shown.extend(page.0.iter().map(|recorded| {
                let head = &recorded.entry.head;
                (interline_tests::shard(&head.member), head.reference.to_string())
            }));
            position = page.1;
            match &position {
                Some(position) => {
                    assert!(
                        position.is_of(&of_line("dining"), Shards::DEFAULT)
                            && !position.is_of(&of_line("grocery"), Shards::DEFAULT)
                    )
                }
                None => break,
            }
        }
        assert_eq!(shown, expected, "by {limit}");
    }
}

#[tokio::test]
async fn lists_show_what_happened_from_a_moment_on_and_before_another() {
    let books = Books::new();
    for day in 1..=9 {
        let at = format!("2017-01-0{day}T12:00:00+08:00");
        accepted(books.post(&sale("dining", &format!("S-{day}"), &at, "m1", "40.00")).await);
        let at = format!("2017-01-0{day}T12:30:00+08:00");
        accepted(books.post(&redemption("dining", &format!("R-{day}"), &at, "m1", 10)).await);
    }
    let noon = |day: u32| Some(moment(&format!("2017-01-0{day}T12:00:00+08:00")));
    let member = MemberId::parse("m1").unwrap();
    let sales = |days: std::ops::RangeInclusive<u32>| days.map(|day| format!("S-{day}")).collect::<Vec<_>>();
    for (from, to, expected) in [
        (None, None, sales(1..=9)),
        (noon(3), None, sales(3..=9)),
        (None, noon(3), sales(1..=2)),
        (noon(4), noon(7), sales(4..=6)),
        (noon(9), noon(9), Vec::new()),
    ] {
        let (between, kind) = (Between { from, to }, Some(EntryKind::Accrual));
        for limit in [1, 2, 50] {
            let (mut of_line, mut of_member) = (Vec::new(), Vec::new());
            let name = |recorded: &Recorded| recorded.entry.head.reference.to_string();
            let filter = LineFilter { line: line("dining"), kind, between };
            let mut position = None;
            loop {
                let page = books
                    .ledger
                    .line_entries(&filter, period("2017-01"), Shards::DEFAULT, position, limit)
                    .await
                    .unwrap();
                of_line.extend(page.0.iter().map(name));
                position = page.1;
                if position.is_none() {
                    break;
                }
            }
            let filter = StatementFilter { line: None, kind, between };
            let mut position = None;
            loop {
                let page = books.ledger.member_entries(&member, &filter, position, limit).await.unwrap();
                of_member.extend(page.0.iter().map(name));
                position = page.1;
                if position.is_none() {
                    break;
                }
            }
            of_member.reverse();
            assert_eq!((&of_line, &of_member), (&expected, &expected), "{from:?} {to:?} by {limit}");
        }
    }
}

#[test]
fn a_position_that_no_page_ended_at_is_told() {
    let line_position = |shard: u16, after: &str| -> LinePosition {
        serde_json::from_value(json!({ "shard": shard, "after": after })).unwrap()
    };
    assert!(line_position(SHARDS - 1, "dining#a#S-1").is_of(&of_line("dining"), Shards::DEFAULT));
    for (shard, after) in [(SHARDS, "dining#a#S-1"), (0, "dining"), (0, "diningroom#a#S-1"), (0, "grocery#a#S-1")] {
        assert!(!line_position(shard, after).is_of(&of_line("dining"), Shards::DEFAULT), "{shard} {after}");
    }
    let spent = LineFilter { kind: Some(EntryKind::Redemption), ..of_line("dining") };
    assert!(
        line_position(0, "dining#r#R-1").is_of(&spent, Shards::DEFAULT)
            && !line_position(0, "dining#a#S-1").is_of(&spent, Shards::DEFAULT)
    );
    let statement_position = |parts: [&str; 3]| -> StatementPosition {
        serde_json::from_value(json!({ "pk": parts[0], "sk": parts[1], "occurred": parts[2] })).unwrap()
    };
    assert!(statement_position(["p", "s", "o"]).is_key());
    for parts in [["", "s", "o"], ["p", "", "o"], ["p", "s", ""]] {
        assert!(!statement_position(parts).is_key(), "{parts:?}");
    }
}

#[tokio::test]
async fn a_month_is_sealed_from_its_moment_on_and_stays_as_it_was_sealed() {
    let books = Books::new();
    let (january, february) = (period("2017-01"), period("2017-02"));
    let moment = books.rulebook.seal_not_before(january);
    let early = books.seal(january, moment - TimeDelta::milliseconds(1)).await;
    assert!(matches!(early, Err(LedgerError::Close(CloseRefusal::TooEarly { .. }))), "{early:?}");
    assert!(!books.ledger.is_sealed(january, the_shard(0)).await.unwrap());

    for later in [0, 1] {
        books.seal(january, moment + TimeDelta::hours(later)).await.unwrap();
        let state = books.ledger.period(january).await.unwrap();
        assert_eq!(state.status, Status::Sealed { sealed_at: moment });
    }
    for shard in 0..SHARDS {
        assert!(books.ledger.is_sealed(january, the_shard(shard)).await.unwrap(), "{shard}");
        assert!(!books.ledger.is_sealed(february, the_shard(shard)).await.unwrap(), "{shard}");
    }
    let next = books.rulebook.seal_not_before(february);
    let unordered = books.seal(february, next).await;
    assert!(matches!(unordered, Err(LedgerError::Close(CloseRefusal::PredecessorOpen { .. }))), "{unordered:?}");
    let before = books.seal(period("2016-12"), next).await;
    assert!(matches!(before, Err(LedgerError::Close(CloseRefusal::BeforeProgramme { .. }))), "{before:?}");

    books.ledger.finish_final(january, run("a", "1")).await.unwrap();
    books.seal(february, next).await.unwrap();
    let states = books.ledger.periods().await.unwrap();
    let states: Vec<_> = states.iter().map(|state| (state.period, state.status.word())).collect();
    assert_eq!(states, [(january, "final"), (february, "sealed")]);
}

#[tokio::test]
async fn a_seal_that_another_write_overtakes_is_told_unless_that_was_the_seal() {
    let (january, rulebook) = (period("2017-01"), Rulebook::parse(RULEBOOK).unwrap());
    let now = rulebook.seal_not_before(january);
    let sealed_while = async |other: fn(Ledger, Rulebook, DateTime<Utc>)| {
        let memory = Arc::new(Memory::default());
        let (others, once, of_others) = (memory.clone(), Once::new(), rulebook.clone());
        // Its gates are put; the period is written next.
        let store = Hooked::on(memory).before_puts(move |item| {
            if item["pk"].as_s().unwrap() == "P" {
                once.call_once(|| other(Ledger::on(others.clone()), of_others.clone(), now));
            }
        });
        let ledger = Ledger::on(Arc::new(store));
        (ledger.seal(&rulebook, january, now).await, ledger.period(january).await.unwrap())
    };
    let (answer, state) = sealed_while(|ledger, _, now| {
        futures::executor::block_on(ledger.start_run(period("2017-01"), "a", None, now)).unwrap();
    })
    .await;
    assert!(matches!(answer, Err(LedgerError::PeriodChanged(_))), "{answer:?}");
    assert!(state.is_open());

    let (answer, state) = sealed_while(|ledger, rulebook, now| {
        futures::executor::block_on(ledger.seal(&rulebook, period("2017-01"), now)).unwrap();
    })
    .await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(state.status, Status::Sealed { sealed_at: now });
}

#[tokio::test]
async fn a_run_under_way_is_not_started_again_until_it_failed_or_is_old() {
    let books = Books::new();
    let (ledger, month) = (&books.ledger, period("2017-01"));
    let started = moment("2017-02-02T00:00:00+08:00");
    let claim = async |run: &str, now: DateTime<Utc>| ledger.claim_run(month, run, None, now).await;
    let attempt = async || ledger.period(month).await.unwrap().attempt;
    let of = |run: &str, started_at: DateTime<Utc>, failed: Option<&str>| {
        Some(Attempt { run: run.to_owned(), started_at, by: None, failed: failed.map(str::to_owned) })
    };
    claim("a", started).await.unwrap();
    let busy = claim("b", started + ATTEMPT_STALE - TimeDelta::milliseconds(1)).await.unwrap_err();
    assert!(matches!(&busy, LedgerError::Close(CloseRefusal::UnderWay { run, .. }) if run == "a"), "{busy}");
    assert_eq!(attempt().await, of("a", started, None));
    // As old as it may be.
    let later = started + ATTEMPT_STALE;
    claim("b", later).await.unwrap();
    assert_eq!(attempt().await, of("b", later, None));

    ledger.fail_run(month, "a", "not this one").await.unwrap();
    assert_eq!(attempt().await, of("b", later, None));
    ledger.fail_run(month, "b", "it broke").await.unwrap();
    assert_eq!(attempt().await, of("b", later, Some("it broke")));
    claim("c", later).await.unwrap();
    assert_eq!(attempt().await, of("c", later, None));

    // Another run's result does not end it; its own does.
    ledger.finish_trial(month, run("b", "1")).await.unwrap();
    assert_eq!(attempt().await, of("c", later, None));
    ledger.finish_trial(month, run("c", "2")).await.unwrap();
    let state = ledger.period(month).await.unwrap();
    assert_eq!(state, PeriodState { trial: Some(run("c", "2")), ..PeriodState::open(month) });
}

#[tokio::test]
async fn a_final_run_stays_the_final_one() {
    let books = Books::new();
    let (ledger, month) = (&books.ledger, period("2017-01"));
    let refused = ledger.finish_final(month, run("a", "1")).await;
    assert!(matches!(refused, Err(LedgerError::Close(CloseRefusal::NotSealed(_)))), "{refused:?}");
    books.seal(month, moment(FEBRUARY)).await.unwrap();
    ledger.start_run(month, "a", None, moment(FEBRUARY)).await.unwrap();
    ledger.finish_final(month, run("a", "1")).await.unwrap();
    let state = ledger.period(month).await.unwrap();
    assert_eq!((&state.attempt, state.final_run()), (&None, Some(&run("a", "1"))));
    for other in [run("b", "1"), run("a", "2"), run("b", "2")] {
        let refused = ledger.finish_final(month, other).await;
        assert!(matches!(refused, Err(LedgerError::Close(CloseRefusal::AlreadyFinal { .. }))), "{refused:?}");
    }
    let later = Run { finished_at: moment(MARCH), ..run("a", "1") };
    ledger.finish_final(month, later.clone()).await.unwrap();
    assert_eq!(ledger.period(month).await.unwrap(), state);

    // Repeated as an execution of its own, it is under way until it ends.
    ledger.start_run(month, "a", None, moment(MARCH)).await.unwrap();
    ledger.finish_final(month, later).await.unwrap();
    assert_eq!(ledger.period(month).await.unwrap(), state);
}
