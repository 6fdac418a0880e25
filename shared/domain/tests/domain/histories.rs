//! What must hold for every history of a few members over a few lines and months.

use crate::reverse::reverse;
use crate::support::*;
use chrono::{DateTime, FixedOffset, TimeDelta};
use interline_domain::claims::account::{Account, Repayment};
use interline_domain::claims::lot::{Cohort, Expiry, Slice};
use interline_domain::close::digest::EntryDigests;
use interline_domain::close::netting::{direct, residual, through_hub};
use interline_domain::close::snapshot::{Claims, Snapshot};
use interline_domain::close::tally::Tally;
use interline_domain::events::{
    Accrual, Action, Balances, Command, Did, Entry, EntryKind, Event, GiveBack, Grant, Head, Issue, Kind, Redemption,
    Refund, Refusal, Returned, Reversed, Revocation, Spent, Store, Target, Withdrawal, check, plan, points_of_sale,
};
use interline_domain::legs::FlowKind;
use interline_domain::legs::{Leg, OwedLeg, Reason};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::allocate::divide_half_up;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, SchemeId};
use interline_domain::units::money::{Money, OutOfRange, Points, Rate};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{BTreeMap, BTreeSet};

/// Odd rates, so that everything has to be rounded; sponsors; a price that
/// changes; a day cap; and dining points that are gone after two months.
const RULEBOOK: &str = r#"
programme = { name = "Histories", currency = "CNY", time_zone = "Asia/Shanghai", first_period = "2025-01", platform = "hq", netting = "direct", refund_months = 1, pseudonym_salt = "histories" }
lines = [{ id = "hq", name = "Group" }, { id = "mall", name = "Mall" }, { id = "hotel", name = "Hotel" }, { id = "dining", name = "Dining" }]
earn = [
  { line = "hq", from = "2025-01-01", points_per_unit = "0" },
  { line = "mall", from = "2025-01-01", points_per_unit = "1" },
  { line = "hotel", from = "2025-01-01", points_per_unit = "0.7", multiplier = "1.9", sponsors = [{ to = "hq", share = "0.55" }, { to = "dining", share = "0.45" }] },
  { line = "dining", from = "2025-01-01", points_per_unit = "2", minimum_amount = "20" },
]
burn = [
  { line = "mall", from = "2025-01-01", value = "0.0055" },
  { line = "hotel", from = "2025-01-01", value = "0.225", max_per_day = 400 },
  { line = "dining", from = "2025-01-01", value = "0.333" },
]
prices = [
  { redeemer = "hq", from = "2025-01-01", price = "0.1" },
  { redeemer = "mall", from = "2025-01-01", to = "2025-02-28", price = "0.0045" },
  { redeemer = "mall", from = "2025-03-01", price = "0.0035" },
  { redeemer = "hotel", from = "2025-01-01", price = "0.225" },
  { redeemer = "hotel", funder = "mall", from = "2025-01-01", price = "0.2125" },
  { redeemer = "dining", from = "2025-01-01", price = "0.333" },
]
splits = [
  { rule = "standard", from = "2025-01-01", shares = [{ to = "redeemer", share = "0.97" }, { to = "hq", share = "0.03" }] },
  { rule = "hotel-share", payer = "mall", redeemer = "hotel", from = "2025-01-01", to = "2025-02-28", shares = [{ to = "redeemer", share = "1" }] },
]
expiry = [{ from = "2025-01-01", months = 12 }, { funder = "dining", from = "2025-01-01", months = 1 }, { funder = "hq", from = "2025-01-01", never = true }]
liability = [{ from = "2025-01-01", face_value = "0.3" }]
"#;

const MEMBERS: [&str; 3] = ["m1", "m2", "m3"];
const LINES: [&str; 4] = ["mall", "hotel", "dining", "hq"];

#[derive(Debug, Clone)]
struct Step {
    member: usize,
    line: usize,
    /// Hours since the step before.
    hours: i64,
    /// Days by which the event comes late, if it does.
    late: Option<i64>,
    deed: Deed,
}

#[derive(Debug, Clone)]
enum Deed {
    Sale {
        minor: i64,
    },
    Spend {
        points: i64,
    },
    Gift {
        points: i64,
    },
    /// Part of an earlier event, in percent of what is left, or all that is left.
    TakeBack {
        kind: Option<EntryKind>,
        which: Index,
        percent: Option<i64>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    // `None`: any event, so that what cannot be reversed is tried too.
    let taken_back = prop_oneof![
        3 => Just(Some(EntryKind::Redemption)),
        2 => Just(Some(EntryKind::Accrual)),
        1 => Just(None),
    ];
    let deed = prop_oneof![
        4 => (1_i64..60_000).prop_map(|minor| Deed::Sale { minor }),
        4 => (1_i64..500).prop_map(|points| Deed::Spend { points }),
        1 => (1_i64..300).prop_map(|points| Deed::Gift { points }),
        6 => (taken_back, any::<Index>(), prop_oneof![1 => Just(None), 3 => (1_i64..100).prop_map(Some)])
            .prop_map(|(kind, which, percent)| Deed::TakeBack { kind, which, percent }),
    ];
    let late = prop_oneof![5 => Just(None), 1 => (1_i64..45).prop_map(Some)];
    (0..MEMBERS.len(), 0..LINES.len(), 0_i64..120, late, deed).prop_map(|(member, line, hours, late, deed)| Step {
        member,
        line,
        hours,
        late,
        deed,
    })
}

fn history() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..60)
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() }
}

/// A ledger in memory.
struct World {
    rulebook: Rulebook,
    clock: DateTime<FixedOffset>,
    accounts: BTreeMap<&'static str, Account>,
    entries: Vec<Entry>,
    /// By the index of the entry that was reversed, in part or in full.
    reversed: BTreeMap<usize, Reversed>,
    /// Points pruned from accounts after their date.
    expired: BTreeMap<Cohort, Points>,
    refusals: Vec<Refusal>,
}

impl World {
    fn new() -> Self {
        let accounts = MEMBERS.iter().map(|name| (*name, Account::default())).collect();
        Self {
            rulebook: rulebook(RULEBOOK),
            clock: at("2025-01-01T00:00:00+08:00"),
            accounts,
            entries: Vec::new(),
            reversed: BTreeMap::new(),
            expired: BTreeMap::new(),
            refusals: Vec::new(),
        }
    }

    fn after(steps: &[Step]) -> Self {
        let mut world = Self::new();
        for (number, step) in steps.iter().enumerate() {
            world.step(number, step);
        }
        world
    }

    fn step(&mut self, number: usize, step: &Step) {
        self.clock += TimeDelta::hours(step.hours);
        let first = at("2025-01-01T00:00:00+08:00");
        let occurred_at = (self.clock - TimeDelta::days(step.late.unwrap_or(0))).max(first);
        let name = format!("r{number}");
        let new = |action| Command {
            head: Head {
                line: line(LINES[step.line]),
                reference: reference(&name),
                member: member(MEMBERS[step.member]),
                occurred_at,
            },
            action,
        };
        let (command, target) = match &step.deed {
            Deed::Sale { minor } => (new(Action::Accrual(Accrual::of(Money::from_minor(*minor)))), None),
            Deed::Spend { points } => (new(Action::Redemption(Redemption::of(Points::new(*points), None))), None),
            Deed::Gift { points } => (new(Action::Grant(Grant { points: Points::new(*points) })), None),
            Deed::TakeBack { kind, which, percent } => {
                let of_kind = |index: &usize| kind.is_none_or(|kind| self.entries[*index].kind() == kind);
                let found: Vec<usize> = (0..self.entries.len()).filter(of_kind).collect();
                if found.is_empty() {
                    return;
                }
                let target = *which.get(&found);
                (self.take_back(target, &name, occurred_at, *percent), Some(target))
            }
        };
        // A late event is booked in the period in which it arrives.
        let booked = self.rulebook.period(self.clock.to_utc());
        self.apply(command, target, booked);
    }

    fn take_back(&self, target: usize, name: &str, at: DateTime<FixedOffset>, percent: Option<i64>) -> Command {
        let entry = &self.entries[target];
        let so_far = self.reversed.get(&target).cloned().unwrap_or_default();
        let part = |left: i64| percent.map(|percent| (left * percent / 100).max(1));
        let left_points = entry.event.points().unwrap().minus(so_far.points).unwrap().get();
        let left_amount = entry.fields().amount.unwrap_or_default().minus(so_far.amount).unwrap().minor();
        let (amount, points) = (part(left_amount).map(Money::from_minor), part(left_points).map(Points::new));
        // One reversal too many is refused as what it would be of a sale.
        let kind = if entry.kind() == EntryKind::Reversal { EntryKind::Accrual } else { entry.kind() };
        let head =
            Head { reference: reference(name), occurred_at: at.max(entry.head.occurred_at), ..entry.head.clone() };
        Command { head, action: reverse(kind, entry.head.reference.clone(), None, amount, points) }
    }

    /// Decides and commits, and checks what must hold for the one event.
    fn apply(&mut self, command: Command, target: Option<usize>, booked: Period) -> Option<usize> {
        let name = MEMBERS.into_iter().find(|name| *name == command.head.member.as_str()).unwrap();
        let so_far = target.map(|target| self.reversed.get(&target).cloned().unwrap_or_default()).unwrap_or_default();
        let decided = check(&self.rulebook, &command, self.clock.to_utc()).and_then(|()| {
            let rulebook = &self.rulebook;
            let target = target.map(|index| Target { entry: &self.entries[index], reversed: &so_far, rulebook });
            plan(&self.rulebook, &self.accounts[name], &command, booked, target)
        });
        let plan = match decided {
            Ok(plan) => plan,
            Err(refusal) => {
                self.refusals.push(refusal);
                return None;
            }
        };
        let before = &self.accounts[name];
        assert_eq!(plan.account.sequence, before.sequence + 1, "every entry counts");
        let mut kept = before.clone();
        kept.prune(plan.entry.home, self.rulebook.refund_months);
        // An account forgets by the latest month that it has seen; a late event's is an earlier one.
        let seen = self.entries.iter().chain([&plan.entry]).filter(|entry| entry.head.member.as_str() == name);
        let latest = seen.map(|entry| entry.home).max().unwrap();
        for (cohort, points) in &before.lots {
            if !kept.lots.contains_key(cohort) {
                assert!(cohort.expires.is_before(latest.first_day()));
                self.expired.entry(cohort.clone()).or_default().add(*points).unwrap();
            }
        }
        if let Some(Withdrawal { gone, .. }) = withdrawal(&plan.entry) {
            let day = self.rulebook.day(plan.entry.head.occurred());
            for Slice { cohort, points } in gone {
                assert!(cohort.expires.is_before(day));
                self.expired.entry(cohort.clone()).or_default().add(*points).unwrap();
            }
        }
        slices_sum_to_the_event(&self.rulebook, &plan.entry, &plan.account);
        assert!(plan.account.lots.values().chain(plan.account.debts.values()).all(|points| points.is_positive()));
        if let (Some(target), Some(reversed)) = (target, plan.reversed) {
            self.reversed.insert(target, reversed);
        }
        self.accounts.insert(name, plan.account);
        self.entries.push(plan.entry);
        Some(self.entries.len() - 1)
    }

    fn today(&self) -> chrono::NaiveDate {
        self.rulebook.day(self.clock.to_utc())
    }

    fn tally(&self) -> Tally {
        tally(&self.rulebook, &self.entries)
    }
}

fn total(slices: &[Slice]) -> Points {
    Points::sum(slices.iter().map(|slice| slice.points)).unwrap()
}

fn repaid_points(repaid: &[Repayment]) -> Points {
    Points::sum(repaid.iter().map(|repayment| repayment.paid.points)).unwrap()
}

/// Points and settlement amounts of the slices against the event, computed the long way.
fn slices_sum_to_the_event(rulebook: &Rulebook, entry: &Entry, account: &Account) {
    let rated = entry.owed(rulebook).unwrap();
    let of = |reason: Reason| -> Vec<&OwedLeg> { rated.iter().filter(|slice| slice.reason == reason).collect() };
    let points_of = |slices: &[&OwedLeg]| Points::sum(slices.iter().map(|slice| slice.points)).unwrap();
    let amount_of = |slices: &[&OwedLeg]| Money::sum(slices.iter().map(|slice| slice.amount)).unwrap();
    let value_of = |slices: &[&OwedLeg]| Money::sum(slices.iter().map(|slice| slice.value)).unwrap();
    let line = &entry.head.line;
    let day = rulebook.day(entry.head.occurred());
    let (redeemed, returned, repayments) = (of(Reason::Redemption), of(Reason::Return), of(Reason::Repayment));
    if let Some(Issue { slices, repaid, .. }) = issue(entry) {
        let issued = match &entry.event {
            Event::Grant(Did { asked, .. }) => vec![(line.clone(), asked.points)],
            _ => {
                let amount = entry.fields().amount.unwrap();
                points_of_sale(rulebook.earn(line, day).unwrap(), line, rulebook.currency, amount).unwrap()
            }
        };
        let found: Vec<(LineId, Points)> = slices.iter().map(|s| (s.cohort.scheme.line(), s.points)).collect();
        assert_eq!(found, issued);
        assert_eq!(points_of(&repayments), repaid_points(repaid));
        assert!(repaid_points(repaid) <= total(slices));
    }
    if let Event::Redemption(Did { fact: Spent { value, slices }, .. }) = &entry.event {
        let asked = entry.fields().points.unwrap();
        assert_eq!((total(slices), points_of(&redeemed)), (asked, asked));
        let price = |slice: &Slice| rulebook.price(&slice.cohort.scheme, line, day).unwrap().scaled();
        let exact: i128 = slices.iter().map(|slice| i128::from(slice.points.get()) * price(slice)).sum();
        assert_eq!(amount_of(&redeemed), rulebook.currency.round_value(exact).unwrap());
        assert_eq!(value_of(&redeemed), *value);
        let burn = rulebook.burn(line, day).unwrap().value.scaled();
        assert_eq!(*value, rulebook.currency.round_value(i128::from(asked.get()) * burn).unwrap());
        for slice in &redeemed {
            // No slice is off its exact share by a fen or more.
            let share = i128::from(slice.points.get()) * slice.price.scaled();
            let distance = i128::from(slice.amount.minor()) * exact - i128::from(amount_of(&redeemed).minor()) * share;
            assert!(distance.abs() < exact, "{slice:?}");
        }
    }
    if let Event::GiveBack(Did { fact: Returned { points, repaid, .. }, .. }) = &entry.event {
        assert_eq!(points_of(&returned), points.negated().unwrap());
        assert_eq!(points_of(&repayments), repaid_points(repaid));
        assert!(repaid_points(repaid) <= *points);
    }
    if let Some(Withdrawal { original, before_by_slice, points, taken, gone, owed, repaid, .. }) = withdrawal(entry) {
        assert_eq!(points_of(&repayments), repaid_points(repaid));
        assert!(repaid_points(repaid) <= total(owed));
        let funders: BTreeSet<&SchemeId> = owed.iter().map(|slice| &slice.cohort.scheme).collect();
        assert!(repaid.iter().all(|repayment| funders.iter().any(|scheme| **scheme == repayment.creditor)));
        let parts = [taken, gone, owed].into_iter().flatten();
        for (at, slice) in original.slices.iter().enumerate() {
            let of_slice = parts.clone().filter(|part| part.cohort == slice.cohort);
            let told = Points::sum(of_slice.map(|part| part.points)).unwrap();
            assert!(told <= points[at]);
            // A forgotten lot tells nothing, spent or not; and to an event that comes late it may have been in date.
            let is_forgotten = account.forgotten_before.is_some_and(|before| slice.cohort.expires.is_before(before));
            if is_forgotten {
                assert!(told.is_zero());
            } else {
                assert!(told == points[at] || slice.cohort.expires.is_before(day));
            }
            assert!(before_by_slice.get(at).copied().unwrap_or_default().plus(points[at]).unwrap() <= slice.points);
            assert!(!points[at].is_negative());
        }
    }
    conserves_claims(rulebook, entry);
    keeps_under_its_names(entry);
    for slice in &repayments {
        let exact = i128::from(slice.points.get()) * slice.price.scaled();
        assert_eq!(i128::from(slice.amount.minor()), divide_half_up(exact, Rate::SCALE / 100).unwrap());
    }
}

/// How an entry moves lots and debts, by cohort and creditor.
#[derive(Default)]
struct Moved {
    lots: BTreeMap<Cohort, Points>,
    debts: BTreeMap<SchemeId, Points>,
}

impl Balances for Moved {
    fn lot(&mut self, cohort: &Cohort, points: Points) -> Result<(), OutOfRange> {
        self.lots.entry(cohort.clone()).or_default().add(points)
    }

    fn debt(&mut self, creditor: &SchemeId, points: Points) -> Result<(), OutOfRange> {
        self.debts.entry(creditor.clone()).or_default().add(points)
    }
}

/// What is kept of a fact stands under the names that its kind lists: of others a close
/// would not ask.
fn keeps_under_its_names(entry: &Entry) {
    struct Names(Vec<&'static str>);

    impl Store for Names {
        fn number(&mut self, name: &'static str, _number: i64) {
            self.0.push(name);
        }

        fn text(&mut self, name: &'static str, _text: String) {
            self.0.push(name);
        }
    }

    let mut names = Names(Vec::new());
    entry.event.store(&mut names);
    let listed = match &entry.event {
        Event::Accrual(_) => Accrual::STORED,
        Event::Redemption(_) => Redemption::STORED,
        Event::Refund(_) => Refund::STORED,
        Event::GiveBack(_) => GiveBack::STORED,
        Event::Revocation(_) => Revocation::STORED,
        Event::Grant(_) => Grant::STORED,
    };
    assert!(names.0.iter().all(|name| listed.contains(name)), "{:?} {listed:?}", names.0);
}

/// The law of every kind: what legs say of claims is what happens to the account,
/// but for what had expired.
fn conserves_claims(rulebook: &Rulebook, entry: &Entry) {
    let (mut moved, mut told) = (Moved::default(), Moved::default());
    entry.event.moves(&mut moved).unwrap();
    for leg in entry.legs(rulebook).unwrap() {
        let (cohort, flow, points, with) = match leg {
            Leg::Claims(leg) => (leg.cohort, leg.flow, leg.points, leg.with),
            Leg::Owed(leg) => (leg.cohort, leg.reason.row().flow, leg.points, leg.redeemer),
            // Tells what the claims are worth, and moves none.
            Leg::Issue(_) | Leg::Repaid(..) | Leg::Awarded(_) => continue,
        };
        match flow {
            FlowKind::Issued | FlowKind::Granted => told.lot(cohort, points).unwrap(),
            FlowKind::Redeemed | FlowKind::Returned | FlowKind::Taken | FlowKind::Revoked => {
                told.lot(cohort, points.negated().unwrap()).unwrap();
            }
            FlowKind::Owed => told.debt(&cohort.scheme, points).unwrap(),
            FlowKind::Repaid => {
                told.lot(cohort, points.negated().unwrap()).unwrap();
                told.debt(&SchemeId::of(with), points.negated().unwrap()).unwrap();
            }
        }
    }
    for slice in withdrawal(entry).into_iter().flat_map(|withdrawal| &withdrawal.gone) {
        told.lot(&slice.cohort, slice.points.negated().unwrap()).unwrap();
    }
    let present = |mut moved: Moved| {
        moved.lots.retain(|_, points| !points.is_zero());
        moved.debts.retain(|_, points| !points.is_zero());
        (moved.lots, moved.debts)
    };
    assert_eq!(present(moved), present(told), "{entry:?}");
}

fn flows(tally: &Tally, wanted: impl Fn(&Cohort, &LineId, FlowKind) -> bool) -> Points {
    let flows = tally.flows.iter().filter(|(key, _)| wanted(&key.cohort, &key.counterparty, key.kind));
    Points::sum(flows.map(|(_, flow)| flow.points)).unwrap()
}

fn merged<'t>(parts: impl IntoIterator<Item = &'t Tally>) -> Tally {
    let mut sum = Tally::default();
    for part in parts {
        sum.merge(part).unwrap();
    }
    sum
}

fn bytes(tally: &Tally) -> String {
    serde_json::to_string(tally).unwrap()
}

/// Accounts that somebody changed, and where that must show.
fn forged(account: &Account, newest: Period) -> Vec<(&'static str, Account)> {
    let mut forged = Vec::new();
    let mut change = |what, change: &dyn Fn(&mut Account)| {
        let mut changed = account.clone();
        change(&mut changed);
        forged.push((what, changed));
    };
    change("entries", &|account| account.sequence += 1);
    change("debt", &|account| {
        account.debts.entry(SchemeId::of(&line("mall"))).or_default().add(Points::new(1)).unwrap()
    });
    let cohort = |expires| Cohort { expires, issued: newest, scheme: scheme("mall") };
    let lots = [cohort(Expiry::Never), cohort(Expiry::On(newest.last_day()))];
    for lot in &lots {
        change("lot", &|account| account.lots.entry(lot.clone()).or_default().add(Points::new(1)).unwrap());
        change("lot", &|account| {
            account.lots.entry(lot.clone()).or_default().add(Points::new(1)).unwrap();
            account.forgotten_before = Some(newest.plus_months(24).first_day());
        });
    }
    for lot in account.lots.keys().filter(|lot| !lot.expires.is_before(newest.first_day())) {
        change("lot", &|account| account.lots.retain(|held, _| held != lot));
    }
    forged
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_account_is_the_snapshot_of_any_month_and_the_later_entries_up_to_its_sequence(
        steps in history(),
        month in 0_u32..6,
        refund_months in 0_u32..3,
        cut in any::<Index>(),
    ) {
        let mut world = World::new();
        world.rulebook.refund_months = refund_months;
        let mut history: Vec<Vec<(Entry, u64, Account)>> = vec![Vec::new(); MEMBERS.len()];
        for (number, step) in steps.iter().enumerate() {
            let before = world.entries.len();
            world.step(number, step);
            for entry in &world.entries[before..] {
                let at = MEMBERS.iter().position(|name| *name == entry.head.member.as_str()).unwrap();
                let sequence = history[at].len() as u64 + 1;
                history[at].push((entry.clone(), sequence, world.accounts[MEMBERS[at]].clone()));
            }
        }
        let first = Period::parse("2025-01").unwrap();
        let closed = first.plus_months(month);
        let newest = world.rulebook.period(world.clock.to_utc()).max(closed);
        let mut snapshot = Snapshot::default();
        let mut period = first;
        while period <= closed {
            for (entry, sequence, _) in history.iter().flatten().rev() {
                if entry.booked == period {
                    snapshot.add(entry, *sequence).unwrap();
                }
            }
            snapshot.prune(period, refund_months);
            period = period.next();
        }
        for (name, entries) in MEMBERS.iter().zip(&history) {
            // An account as it was read any time after the month was sealed.
            let known = entries.iter().rposition(|(entry, ..)| entry.booked <= closed).map_or(0, |at| at + 1);
            let until = known + cut.index(entries.len() - known + 1);
            let account = until.checked_sub(1).map(|at| entries[at].2.clone()).unwrap_or_default();
            let mut later = Claims::default();
            for (entry, sequence, _) in entries[..until].iter().rev().filter(|(entry, ..)| entry.booked > closed) {
                later.add(entry, *sequence).unwrap();
            }
            let member = member(name);
            let differences = |account: &Account| snapshot.differences(&member, account, Some(&later), newest).unwrap();
            prop_assert_eq!(differences(&account), vec![]);
            forged(&account, newest).into_iter().for_each(|(what, forged)| {
                let found = differences(&forged);
                assert!(found.iter().any(|difference| difference.what.starts_with(what)), "{what}: {found:?}");
            });
            let rebuilt = snapshot.rebuilt(&world.rulebook, &member, &account, Some(&later), &[], newest).unwrap();
            prop_assert_eq!(rebuilt.sequence, account.sequence);
            prop_assert_eq!(differences(&rebuilt), vec![]);
        }
    }

    #[test]
    fn every_point_of_a_cohort_is_redeemed_or_repaid_or_taken_or_expired_or_on_an_account(steps in history()) {
        let world = World::after(&steps);
        let tally = world.tally();
        let mut cohorts: Vec<&Cohort> = tally.flows.keys().map(|key| &key.cohort).collect();
        cohorts.dedup();
        for cohort in cohorts {
            let sum = |kind: FlowKind| flows(&tally, |of, _, found| of == cohort && found == kind).get();
            let issued = sum(FlowKind::Issued) + sum(FlowKind::Granted);
            let outstanding: i64 = world.accounts.values().filter_map(|a| a.lots.get(cohort)).map(|p| p.get()).sum();
            let expired = world.expired.get(cohort).map_or(0, |points| points.get());
            // Returned points are negative in the flows.
            let taken = sum(FlowKind::Taken) + sum(FlowKind::Revoked);
            let used = sum(FlowKind::Redeemed) + sum(FlowKind::Returned) + sum(FlowKind::Repaid) + taken;
            prop_assert_eq!(issued, used + expired + outstanding, "{}", cohort);
        }
        let known = |cohort: &Cohort| tally.flows.keys().any(|key| key.cohort == *cohort);
        prop_assert!(world.accounts.values().flat_map(|account| account.lots.keys()).all(known));
    }

    #[test]
    fn balances_are_the_lots_in_date_and_debts_are_what_was_owed_less_what_was_repaid(steps in history()) {
        let world = World::after(&steps);
        let tally = world.tally();
        for account in world.accounts.values() {
            let in_date = account.lots.iter().filter(|(cohort, _)| !cohort.expires.is_before(world.today()));
            let held = Points::sum(in_date.map(|(_, points)| *points)).unwrap();
            let owed = Points::sum(account.debts.values().copied()).unwrap();
            prop_assert_eq!(account.balance(world.today()).unwrap(), held.minus(owed).unwrap().max(Points::ZERO));
        }
        for creditor in LINES.map(line) {
            let owed = flows(&tally, |cohort, _, kind| cohort.scheme == creditor && kind == FlowKind::Owed);
            let repaid = flows(&tally, |_, to, kind| *to == creditor && kind == FlowKind::Repaid);
            let debts = world.accounts.values().filter_map(|account| account.debts.get(&SchemeId::of(&creditor)).copied());
            prop_assert_eq!(Points::sum(debts).unwrap(), owed.minus(repaid).unwrap(), "{}", creditor);
        }
    }

    #[test]
    fn what_one_line_owes_is_what_the_other_is_due_and_payments_settle_it(steps in history()) {
        let world = World::after(&steps);
        let (tally, details) = fold(&world.rulebook, &world.entries);
        let mut pairs: BTreeMap<(LineId, LineId), Money> = BTreeMap::new();
        for row in details.iter().filter(|row| row.crosses_lines) {
            let pair = (row.scheme.line(), row.redeemer.clone());
            pairs.entry(pair).or_default().add(row.amount).unwrap();
        }
        let mut owed: BTreeMap<(LineId, LineId), Money> = BTreeMap::new();
        for (key, obligation) in &tally.obligations {
            prop_assert_ne!(&key.scheme, &key.redeemer);
            owed.entry((key.scheme.line(), key.redeemer.clone())).or_default().add(obligation.amount).unwrap();
        }
        prop_assert_eq!(pairs, owed);
        prop_assert_eq!(tally.details.events as usize, details.len());
        let nets = nets_of(&tally);
        prop_assert!(Money::sum(nets.values().copied()).unwrap().is_zero());
        for payments in [direct(&nets).unwrap(), through_hub(&nets, &world.rulebook.platform).unwrap()] {
            prop_assert!(residual(&nets, &payments).unwrap().values().all(|net| net.is_zero()));
        }
    }

    #[test]
    fn tallies_merge_to_the_same_bytes_in_any_order_and_however_the_entries_are_split(
        steps in history(),
        order in any::<prop::sample::Selector>(),
        cuts in prop::collection::vec(any::<Index>(), 3),
    ) {
        let world = World::after(&steps);
        let whole = bytes(&world.tally());
        let mut shuffled: Vec<&Entry> = Vec::new();
        let mut rest: Vec<&Entry> = world.entries.iter().collect();
        while !rest.is_empty() {
            let next = *order.select(&rest);
            rest.retain(|entry| !std::ptr::eq(*entry, next));
            shuffled.push(next);
        }
        prop_assert_eq!(&bytes(&tally(&world.rulebook, shuffled.iter().copied())), &whole);

        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(shuffled.len() + 1)).collect();
        ends.extend([0, shuffled.len()]);
        ends.sort_unstable();
        let parts: Vec<Tally> =
            ends.windows(2).map(|ends| tally(&world.rulebook, shuffled[ends[0]..ends[1]].iter().copied())).collect();
        let [a, b, c, d] = parts.as_slice() else { panic!("four parts") };
        let pairs = [merged([a, b]), merged([c, d])];
        for sum in [merged([a, b, c, d]), merged([d, c, b, a]), merged(&pairs), merged([&pairs[1], &pairs[0]])] {
            prop_assert_eq!(&bytes(&sum), &whole);
        }
    }

    #[test]
    fn a_tally_is_read_as_it_was_written(steps in history()) {
        let tally = World::after(&steps).tally();
        let read: Tally = serde_json::from_str(&bytes(&tally)).unwrap();
        prop_assert_eq!(bytes(&read), bytes(&tally));
        prop_assert_eq!(read, tally);
    }

    #[test]
    fn replaying_a_history_gives_the_same_entries_accounts_and_refusals(steps in history()) {
        let (once, again) = (World::after(&steps), World::after(&steps));
        prop_assert_eq!(once.entries, again.entries);
        prop_assert_eq!(once.accounts, again.accounts);
        prop_assert_eq!(once.refusals, again.refusals);
    }

    #[test]
    fn the_digest_of_a_history_changes_when_any_one_entry_does(steps in history(), which in any::<Index>()) {
        let mut entries = World::after(&steps).entries;
        prop_assume!(!entries.is_empty());
        let digest = |entries: &[Entry]| {
            let mut digests = EntryDigests::default();
            entries.iter().for_each(|entry| digests.add(entry));
            digests.finish(0).0.digest
        };
        let whole = digest(&entries);
        let index = which.index(entries.len());
        entries[index].head.occurred_at += TimeDelta::milliseconds(1);
        prop_assert_ne!(digest(&entries), whole);
        entries.remove(index);
        prop_assert_ne!(digest(&entries), whole);
    }

    #[test]
    fn a_sale_refunded_in_any_parts_before_anything_is_spent_leaves_nothing(
        steps in history(),
        at_line in 0..3_usize,
        minor in 1_i64..60_000,
        parts in prop::collection::vec(1_i64..100, 0..6),
    ) {
        let mut world = World::after(&steps);
        // A debt would be repaid by the sale: then something was spent before.
        let account = world.accounts.get_mut(MEMBERS[0]).unwrap();
        account.debts.clear();
        account.prune(world.rulebook.period(world.clock.to_utc()), world.rulebook.refund_months);
        let before = account.clone();
        let start = world.entries.len();
        let step = |deed| Step { member: 0, line: at_line, hours: 0, late: None, deed };
        world.step(1_000, &step(Deed::Sale { minor }));
        let sale = world.entries.len() - 1;
        let booked = world.rulebook.period(world.clock.to_utc());
        for (number, percent) in parts.into_iter().map(Some).chain([None]).enumerate() {
            let command = world.take_back(sale, &format!("back{number}"), world.clock, percent);
            if world.apply(command, Some(sale), booked).is_none() {
                prop_assert_eq!(world.refusals.last(), Some(&Refusal::AlreadyReversed));
            }
        }
        let after = &world.accounts[MEMBERS[0]];
        prop_assert_eq!((&after.lots, &after.debts), (&before.lots, &before.debts));
        let tally = tally(&world.rulebook, &world.entries[start..]);
        prop_assert!(tally.obligations.is_empty());
        let issued = flows(&tally, |_, _, kind| kind == FlowKind::Issued);
        let taken = flows(&tally, |_, _, kind| kind == FlowKind::Taken);
        let owed = flows(&tally, |_, _, kind| kind == FlowKind::Owed);
        prop_assert_eq!((issued, owed), (taken, Points::ZERO));
    }

    #[test]
    fn a_redemption_returned_in_any_parts_at_any_time_cancels_its_obligations_exactly(
        steps in history(),
        at_line in 0..3_usize,
        share in 1_i64..=100,
        parts in prop::collection::vec((1_i64..100, 0_i64..600), 0..6),
    ) {
        let mut world = World::after(&steps);
        let today = world.today();
        let account = world.accounts.get_mut(MEMBERS[0]).unwrap();
        account.debts.clear();
        let spendable = account.balance(today).unwrap().get();
        let before = account.clone();
        let start = world.entries.len();
        let spend = Deed::Spend { points: (spendable * share / 100).clamp(1, 400) };
        world.step(1_000, &Step { member: 0, line: at_line, hours: 0, late: None, deed: spend });
        prop_assume!(world.entries.len() > start);
        let redeemed = world.entries[start].clone();
        for (number, (percent, hours)) in
            parts.into_iter().map(|(percent, hours)| (Some(percent), hours)).chain([(None, 0)]).enumerate()
        {
            world.clock += TimeDelta::hours(hours);
            let booked = world.rulebook.period(world.clock.to_utc());
            let command = world.take_back(start, &format!("back{number}"), world.clock, percent);
            if world.apply(command, Some(start), booked).is_none() {
                prop_assert_eq!(world.refusals.last(), Some(&Refusal::AlreadyReversed));
            }
        }
        let tally = tally(&world.rulebook, &world.entries[start..]);
        let mut sums: BTreeMap<_, (Money, Points)> = BTreeMap::new();
        for (key, obligation) in &tally.obligations {
            let of = (&key.scheme, &key.redeemer, key.reason.row().is_split, &key.terms);
            let (amount, points) = sums.entry(of).or_default();
            amount.add(obligation.amount).unwrap();
            points.add(obligation.points).unwrap();
        }
        for (of, sum) in sums {
            prop_assert_eq!(sum, (Money::ZERO, Points::ZERO), "{:?}", of);
        }
        for cohort in tally.flows.keys().map(|key| &key.cohort) {
            prop_assert!(flows(&tally, |of, _, _| of == cohort).is_zero(), "{}", cohort);
        }
        let returned = world.entries[start + 1..].iter().map(|entry| given_back(entry).unwrap().value);
        prop_assert_eq!(Money::sum(returned).unwrap(), spent(&redeemed).unwrap().value);
        // Lots that expired meanwhile may or may not be pruned yet.
        let pruned = |account: &Account| {
            let mut account = account.clone();
            account.prune(world.rulebook.period(world.clock.to_utc()), world.rulebook.refund_months);
            account
        };
        let (after, before) = (pruned(&world.accounts[MEMBERS[0]]), pruned(&before));
        prop_assert_eq!((after.lots, after.debts), (before.lots, before.debts));
    }

    #[test]
    fn the_value_of_a_partial_return_is_the_sum_of_its_slices(steps in history()) {
        let world = World::after(&steps);
        for entry in &world.entries {
            if let Some(Returned { value, .. }) = given_back(entry) {
                let rated = entry.owed(&world.rulebook).unwrap();
                let returned = rated.iter().filter(|slice| slice.reason == Reason::Return);
                prop_assert_eq!(Money::sum(returned.map(|slice| slice.value)).unwrap(), value.negated().unwrap());
            }
        }
    }
}

#[test]
fn of_a_lot_that_is_forgotten_a_late_refund_tells_nothing_even_if_its_points_were_in_date() {
    let mut world = World::new();
    world.rulebook.refund_months = 0;
    let sale = |hours| Step { member: 0, line: 2, hours, late: None, deed: Deed::Sale { minor: 10_000 } };
    world.step(0, &sale(0));
    // The sale of 14 April forgets what could be spent until the end of February.
    world.step(1, &sale(24 * 103));
    let late = at("2025-02-28T12:00:00+08:00");
    let refund = world.take_back(0, "back", late, None);
    let booked = world.rulebook.period(world.clock.to_utc());
    let entry = world.apply(refund, Some(0), booked).unwrap();
    let Withdrawal { original, points: withdrawn, taken, gone, owed, .. } = withdrawal(&world.entries[entry]).unwrap();
    assert_eq!(original.slices[0].cohort.expires, Expiry::On(world.rulebook.day(late.to_utc())));
    assert_eq!(withdrawn, &[points(200)]);
    assert_eq!([taken, gone, owed], [&vec![]; 3]);
}

#[test]
fn what_a_late_return_gives_back_to_a_forgotten_lot_goes_with_the_next_event() {
    let mut world = World::new();
    world.rulebook.refund_months = 0;
    let step = |hours, deed| Step { member: 0, line: 2, hours, late: None, deed };
    world.step(0, &step(0, Deed::Sale { minor: 10_000 }));
    world.step(1, &step(0, Deed::Spend { points: 50 }));
    world.step(2, &step(24 * 103, Deed::Sale { minor: 10_000 }));
    let late = at("2025-02-28T12:00:00+08:00");
    let booked = world.rulebook.period(world.clock.to_utc());
    let back = world.take_back(1, "back", late, None);
    world.apply(back, Some(1), booked).unwrap();
    world.step(3, &Step { late: Some(45), ..step(0, Deed::Sale { minor: 10_000 }) });
    assert_eq!(world.entries.len(), 5);
    assert_eq!(Points::sum(world.expired.values().copied()), Ok(points(200)));
}

/// A generator that never reaches a case proves nothing about it.
#[test]
fn histories_reach_every_outcome_and_the_refusals_that_depend_on_the_account() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..60 {
        let world = World::after(&history().new_tree(&mut runner).unwrap().current());
        let mut count = |what: &'static str, times: usize| *seen.entry(what).or_default() += times as u32;
        for entry in &world.entries {
            if let Some(Withdrawal { repaid, gone, .. }) = withdrawal(entry) {
                count("repaid at once", repaid.len());
                count("gone", gone.len());
            }
            let (what, repaid) = match &entry.event {
                Event::Accrual(Did { fact: Issue { repaid, .. }, .. })
                | Event::Grant(Did { fact: Issue { repaid, .. }, .. }) => ("issued", repaid.len()),
                Event::Redemption(did) if did.fact.slices.len() > 1 => ("redeemed from lots", 0),
                Event::Redemption(_) => ("redeemed", 0),
                Event::GiveBack(did) if did.fact.before.is_zero() => ("returned", did.fact.repaid.len()),
                Event::GiveBack(did) => ("returned again", did.fact.repaid.len()),
                Event::Refund(_) | Event::Revocation(_) => {
                    let owed = !withdrawal(entry).unwrap().owed.is_empty();
                    (if owed { "withdrawn and owed" } else { "withdrawn" }, 0)
                }
            };
            count(what, 1);
            count("repaid", repaid);
            count("late", usize::from(entry.is_late()));
        }
        count("expired", world.expired.len());
        for refusal in &world.refusals {
            count(refusal.code(), 1);
        }
    }
    for what in [
        "issued",
        "redeemed",
        "redeemed from lots",
        "returned",
        "returned again",
        "withdrawn",
        "withdrawn and owed",
        "repaid",
        "repaid at once",
        "gone",
        "late",
        "expired",
        "insufficient-points",
        "above-day-cap",
        "already-reversed",
        "not-reversible",
        "no-burn-rule",
    ] {
        assert!(seen.get(what).is_some_and(|times| *times >= 5), "{what}: {seen:?}");
    }
}
