//! A rulebook, and what is recorded and settled by one that was accepted.

use super::cells;
use super::memory::wait;
use crate::sim::memory::Memory;
use chrono::{NaiveDate, NaiveTime, TimeDelta};
use interline_domain::close::digest::EntryDigests;
use interline_domain::close::digest::ShardDigest;
use interline_domain::close::settle::settle;
use interline_domain::close::settlement::{Inputs, Settlement};
use interline_domain::close::tally::{Fold, SaleRates, TallyError};
use interline_domain::events::quote::{Wish, quote};
use interline_domain::events::{
    Accrual, Action, Command, Entry, EntryKind, GiveBack, Grant, Head, Origin, Redemption, Refund,
};
use interline_domain::terms::rulebook::{Rulebook, RulebookErrors};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, MemberId, Reference};
use interline_domain::units::limits::AMOUNT_MAX_MINOR;
use interline_domain::units::money::{Money, Points};
use interline_domain::units::shard::Shard;
use interline_ledger::{Answer, Ledger, Source};
use interline_reports::document::{Comparison, Document, SETTLEMENT};
use interline_reports::manifest::{RunKind, RunName, sha256};
use interline_reports::pack::render;
use std::sync::Arc;

/// Lines that the month is played with, and the amounts of their sales.
const LINES_PLAYED: usize = 4;
const SALES_MINOR: [i64; 4] = [1, 100, 1_234_567, AMOUNT_MAX_MINOR];
/// Workbooks take their time: of so many rulebooks that are accepted one is settled into files.
const RENDERED_OF: usize = 16;

pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let parsed = Rulebook::parse(text);
    a_comment_changes_nothing_but_the_place(text, &parsed);
    match parsed {
        Err(errors) => everything_wrong_has_a_place_and_a_rule(text, &errors),
        Ok(rulebook) => {
            assert_eq!(rulebook.hash, sha256(bytes));
            assert_eq!(rulebook.check_follows(&rulebook), Ok(()));
            let settlement = a_month_is_recorded_and_settled(&rulebook);
            if bytes.len().is_multiple_of(RENDERED_OF) {
                its_files_are_written(text, &rulebook, &settlement);
            }
        }
    }
}

fn everything_wrong_has_a_place_and_a_rule(text: &str, errors: &RulebookErrors) {
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    assert!(!errors.0.is_empty());
    for error in &errors.0 {
        assert!(error.line <= lines && !error.field.is_empty() && !error.rule.is_empty(), "{error:?}");
    }
}

/// Without its hash, which is that of the text, and without the lines of what is found in it.
fn terms(rulebook: &Rulebook) -> String {
    let mut terms = rulebook.clone();
    terms.hash.clear();
    terms.warnings.iter_mut().chain(&mut terms.outdated).for_each(|finding| finding.line = 0);
    format!("{terms:?}")
}

fn a_comment_changes_nothing_but_the_place(text: &str, parsed: &Result<Rulebook, RulebookErrors>) {
    if text.starts_with('\u{feff}') {
        return;
    }
    match (parsed, Rulebook::parse(&format!("# A comment.\n{text}"))) {
        (Ok(one), Ok(other)) => {
            assert_eq!(terms(one), terms(&other));
            assert_ne!(one.hash, other.hash);
        }
        (Err(one), Err(other)) => {
            assert_eq!(one.0.len(), other.0.len());
            for (one, other) in one.0.iter().zip(&other.0) {
                // What concerns the whole file stands at its start, or nowhere.
                let moved = other.line == one.line + 1 || one.line <= 1 && other.line == one.line;
                assert!(moved && (&one.field, &one.rule) == (&other.field, &other.rule), "{one:?} {other:?}");
            }
        }
        (one, other) => panic!("{one:?}\n{other:?}"),
    }
}

/// Sales of all sizes, what the member may redeem, and all of it given back.
fn a_month_is_recorded_and_settled(rulebook: &Rulebook) -> Settlement {
    let period = rulebook.first_period;
    let now = rulebook.seal_not_before(period);
    assert!(now > period.end(rulebook.zone));
    let ledger = Ledger::on(Arc::new(Memory::default()));
    let member = MemberId::parse("m1").expect("a member");
    let mut entries: Vec<Entry> = Vec::new();
    let mut record = |command: Command| {
        let answer = wait(ledger.post(rulebook, rulebook, &member, &[command], Source::Api(None), &move || now))
            .expect("a store without faults");
        match answer.into_iter().next() {
            Some(Answer::Accepted(recorded)) => {
                assert!(!recorded.balance.is_negative());
                entries.push(recorded.entry.clone());
                Ok(recorded.entry)
            }
            Some(Answer::Rejected(rejection)) => Err(rejection),
            other => panic!("neither accepted nor refused: {other:?}"),
        }
    };
    let days = [period.first_day(), period.last_day()];
    for (nth, day) in days.into_iter().enumerate() {
        let command = |line: &LineId, reference: String, action| Command {
            head: Head {
                line: line.clone(),
                reference: Reference::parse(&reference).expect("a reference"),
                member: member.clone(),
                occurred_at: noon(rulebook, day),
            },
            action,
        };
        for line in rulebook.lines.iter().take(LINES_PLAYED).map(|line| &line.id) {
            for (size, minor) in SALES_MINOR.into_iter().enumerate() {
                let amount = Money::from_minor(minor);
                let _ = record(command(line, format!("S-{nth}-{size}"), Action::Accrual(Accrual::of(amount))));
            }
            let _ = record(command(line, format!("G-{nth}"), Action::Grant(Grant { points: Points::new(777) })));
        }
        for line in rulebook.lines.iter().take(LINES_PLAYED).map(|line| &line.id) {
            let account = wait(ledger.account(&member)).expect("a store without faults");
            let bill = Some(Money::from_minor(1_000));
            let Ok(quoted) = quote(rulebook, &account, line, bill, Wish::Most, day) else { continue };
            if quoted.reason.is_some() || !quoted.points.is_positive() {
                continue;
            }
            let action = Action::Redemption(Redemption::of(quoted.points, bill));
            let redeemed = record(command(line, format!("R-{nth}"), action)).expect("what was quoted");
            assert_eq!(redeemed.event.points(), Ok(quoted.points));
            for (part, points) in [(0, Some(Points::new(1))), (1, None)] {
                let reference = Reference::parse(&format!("R-{nth}")).expect("a reference");
                let origin = Origin { kind: EntryKind::Redemption, reference, on: None };
                let action = Action::GiveBack(GiveBack { origin, points });
                let _ = record(command(line, format!("V-{nth}-{part}"), action));
            }
        }
        let refunded = rulebook.lines.iter().take(LINES_PLAYED).step_by(2).map(|line| &line.id);
        for (line, size) in refunded.flat_map(|line| [(line, 2), (line, 3)]) {
            let reference = Reference::parse(&format!("S-{nth}-{size}")).expect("a reference");
            let origin = Origin { kind: EntryKind::Accrual, reference, on: None };
            let action = Action::Refund(Refund::of(origin, None));
            let _ = record(command(line, format!("W-{nth}-{size}"), action));
        }
    }
    settled(rulebook, period, &member, &entries)
}

/// A moment of the day by the programme's clocks.
fn noon(rulebook: &Rulebook, day: NaiveDate) -> chrono::DateTime<chrono::FixedOffset> {
    let noon = day.and_time(NaiveTime::MIN) + TimeDelta::hours(12);
    noon.and_local_timezone(rulebook.zone).earliest().expect("no clock skips noon").fixed_offset()
}

fn settled(rulebook: &Rulebook, period: Period, member: &MemberId, entries: &[Entry]) -> Settlement {
    let shards = rulebook.shards(period);
    let own = shards.of(member);
    let rates = SaleRates::default();
    let mut fold = Fold::new(rulebook, &rates, period, own);
    for entry in entries {
        fold.add(entry, |_| Ok::<(), TallyError>(())).expect("what was accepted is rated");
    }
    let tally = fold.finish();
    let digest = |shard: Shard| match shard == own {
        true => ShardDigest { entries: tally.entries, ..EntryDigests::default().finish(shard.number()).0 },
        false => EntryDigests::default().finish(shard.number()).0,
    };
    let sealed = Some(usize::from(shards.number()));
    let shards: Vec<ShardDigest> = shards.all().map(digest).collect();
    let inputs = Inputs { rulebook, period, tally: &tally, shards: &shards, sealed, previous: None };
    let settlement = settle(&inputs).expect("what was accepted is settled");
    let failed: Vec<_> = settlement.checklist.iter().filter(|check| check.fails()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let total: i128 = settlement.positions.iter().map(|position| i128::from(position.net.minor())).sum();
    assert_eq!(total, 0);
    settlement
}

fn its_files_are_written(text: &str, rulebook: &Rulebook, settlement: &Settlement) {
    let run = RunName { kind: RunKind::Final, id: "v1-00000000".to_owned() };
    let comparison = Comparison::of(rulebook, &run, settlement, None, None).expect("sums of one month");
    for file in render(&run, rulebook, text, &[], settlement, &comparison).expect("what was settled is written") {
        let path = &file.entry.path;
        let plain = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_alphanumeric())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        assert!(path.split('/').all(plain), "{path}");
        if path.ends_with(".csv") {
            cells(&file.bytes);
        }
        if path == SETTLEMENT {
            let document: Document<Settlement> = serde_json::from_slice(&file.bytes).expect("a settlement");
            assert_eq!(document.settlement, *settlement);
        }
    }
}
