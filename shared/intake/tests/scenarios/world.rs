//! A programme in memory that goes through the months of a scenario.

use interline_domain::claims::account::Account;
use interline_domain::close::digest::{EntryDigests, ShardDigest};
use interline_domain::close::settle::settle;
use interline_domain::close::settlement::{Inputs, Previous, Settlement, State};
use interline_domain::close::tally::{Fold, Tally, TallyError};
use interline_domain::events::{Command, Entry, Origin, Reversed, Target, plan};
use interline_domain::legs::{ClaimsLeg, Leg, OwedLeg};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::MemberId;
use interline_intake::read;
use interline_reports::about::About;
use interline_reports::document::Comparison;
use interline_reports::manifest::{RunKind, RunName};
use interline_reports::report::Source;
use interline_reports::reports::REPORTS;
use interline_reports::rows::Rows;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What is shown.
    says: String,
    /// The text of a rulebook.
    rulebook: String,
    month: Vec<Month>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Month {
    period: String,
    /// In force from here on.
    rulebook: Option<String>,
    /// A line's file. What happened in an earlier month comes late.
    #[serde(default)]
    events: String,
    /// What came of single events, by their reference.
    #[serde(default)]
    after: Vec<After>,
    /// `line: field: code` of rows that are no events.
    #[serde(default)]
    rejected: Vec<String>,
    /// What is still wrong at the close: names of checks that fail, and not those that only warn.
    #[serde(default)]
    failing: Vec<String>,
    /// Some columns of reports, with all rows; or with those that have some value in a column:
    /// `report where column is value, value`.
    #[serde(default)]
    reports: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    event: String,
    /// The code of its refusal.
    refused: Option<String>,
    /// The member's points on the day of the event, less debts.
    balance: Option<i64>,
    debts: Option<BTreeMap<String, i64>>,
    /// `flow scheme points at line`, and `reason scheme>line points price amount`.
    legs: Option<Vec<String>>,
}

struct Recorded {
    entry: Entry,
    reversed: Reversed,
    rulebook: Rc<Rulebook>,
}

/// What is compared of an event.
struct Seen {
    refused: Option<String>,
    balance: Option<i64>,
    debts: BTreeMap<String, i64>,
    legs: Vec<String>,
}

pub struct World {
    rulebook: Rc<Rulebook>,
    accounts: BTreeMap<MemberId, Account>,
    recorded: Vec<Recorded>,
    seen: BTreeMap<String, Seen>,
    /// What is otherwise than the scenario says.
    differences: Vec<String>,
    /// Of the last close.
    before: Option<(State, Vec<ShardDigest>)>,
}

impl Scenario {
    /// What is otherwise than it says.
    pub fn run(&self, name: &str) -> Vec<String> {
        let says = format!("{name}, {}", self.says);
        let mut world = World::new(parsed(&self.rulebook, &says));
        for month in &self.month {
            let says = format!("{says}: {}", month.period);
            if let Some(text) = &month.rulebook {
                world.rulebook = Rc::new(parsed(text, &says));
            }
            world.month(month, &says);
        }
        world.differences
    }
}

fn parsed(text: &str, says: &str) -> Rulebook {
    Rulebook::parse(text).unwrap_or_else(|errors| panic!("{says}:\n{errors}"))
}

impl World {
    pub fn new(rulebook: Rulebook) -> Self {
        World {
            rulebook: Rc::new(rulebook),
            accounts: BTreeMap::new(),
            recorded: Vec::new(),
            seen: BTreeMap::new(),
            differences: Vec::new(),
            before: None,
        }
    }

    pub fn rulebook(&self) -> Rc<Rulebook> {
        self.rulebook.clone()
    }

    /// Records the events of a file, and says which rows are none.
    pub fn read(&mut self, events: &str, month: Period) -> Vec<String> {
        let mut rejected = Vec::new();
        for row in read(events.as_bytes(), false, self.rulebook.currency).unwrap().rows {
            match row.parsed {
                Ok(command) => self.record(&command, month),
                Err(error) => rejected.push(format!("{}: {}: {}", row.number, error.field, error.code)),
            }
        }
        rejected
    }

    /// Events so far that were refused.
    pub fn refused(&self) -> Vec<&str> {
        self.seen.iter().filter(|(_, seen)| seen.refused.is_some()).map(|(reference, _)| reference.as_str()).collect()
    }

    fn month(&mut self, month: &Month, says: &str) {
        let period = Period::parse(&month.period).unwrap();
        let rejected = if month.events.is_empty() { Vec::new() } else { self.read(&month.events, period) };
        self.compare(&format!("{says}: rejected"), &rejected, &month.rejected);
        for after in &month.after {
            let says = format!("{says}: {}", after.event);
            let Some(seen) = self.seen.remove(&after.event) else { panic!("{says} is no event") };
            self.compare(&format!("{says}: refused"), &seen.refused, &after.refused);
            if after.balance.is_some() {
                self.compare(&format!("{says}: balance"), &seen.balance, &after.balance);
            }
            if let Some(debts) = &after.debts {
                self.compare(&format!("{says}: debts"), &seen.debts, debts);
            }
            if let Some(legs) = &after.legs {
                self.compare(&format!("{says}: legs"), &seen.legs, legs);
            }
        }
        let settlement = self.close(period);
        let failing = settlement.checklist.iter().filter(|check| check.fails()).map(|check| check.check.to_string());
        self.compare(&format!("{says}: checks that fail"), &failing.collect(), &month.failing);
        for (report, expected) in &month.reports {
            let found = self.report(period, &settlement, report, expected);
            if found != expected.trim() {
                self.differences.push(format!("{says}: {report} is\n{found}"));
            }
        }
    }

    fn compare<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: &T, expected: &T) {
        if found != expected {
            self.differences.push(format!("{what}: {found:?} and not {expected:?}"));
        }
    }

    fn record(&mut self, command: &Command, month: Period) {
        let rulebook = self.rulebook.clone();
        let account = self.accounts.entry(command.head.member.clone()).or_default();
        let meant = |Origin { kind, reference, .. }: &Origin| {
            self.recorded.iter().position(|recorded| {
                let head = &recorded.entry.head;
                head.line == command.head.line && head.reference == *reference && recorded.entry.kind() == *kind
            })
        };
        let at = command.action.origin().and_then(meant);
        let target = at.map(|at| {
            let Recorded { entry, reversed, rulebook } = &self.recorded[at];
            Target { entry, reversed, rulebook }
        });
        let booked = rulebook.period(command.occurred()).max(month);
        let planned = plan(&rulebook, account, command, booked, target);
        let mut seen = Seen { refused: None, balance: None, debts: BTreeMap::new(), legs: Vec::new() };
        match planned {
            Err(refusal) => seen.refused = Some(refusal.code().to_owned()),
            Ok(plan) => {
                *account = plan.account;
                seen.legs = plan.entry.legs(&rulebook).unwrap().iter().filter_map(|leg| told(&rulebook, leg)).collect();
                if let (Some(at), Some(reversed)) = (at, plan.reversed) {
                    self.recorded[at].reversed = reversed;
                }
                self.recorded.push(Recorded {
                    entry: plan.entry,
                    reversed: Reversed::default(),
                    rulebook: rulebook.clone(),
                });
            }
        }
        let day = rulebook.day(command.occurred());
        seen.balance = Some(account.balance(day).unwrap().get());
        seen.debts = account.debts.iter().map(|(to, points)| (to.to_string(), points.get())).collect();
        self.seen.insert(command.head.reference.to_string(), seen);
    }

    pub fn close(&mut self, period: Period) -> Settlement {
        let rulebook = &self.rulebook;
        let rates = self.before.as_ref().map(|(state, _)| state.urr.rates.clone()).unwrap_or_default();
        let mut tally = Tally::default();
        let mut shards = Vec::new();
        for shard in rulebook.shards(period).all() {
            let (mut fold, mut digests) = (Fold::new(rulebook, &rates, period, shard), EntryDigests::default());
            let here = |entry: &&Entry| entry.booked == period && shard.has(&entry.head.member);
            for entry in self.recorded.iter().map(|recorded| &recorded.entry).filter(here) {
                fold.add(entry, |_| Ok::<(), TallyError>(())).unwrap();
                digests.add(entry);
            }
            tally.merge(&fold.finish()).unwrap();
            shards.push(digests.finish(shard.number()).0);
        }
        let previous =
            self.before.as_ref().map(|(state, recorded)| Previous { state, recorded, found: recorded, older: None });
        let sealed = Some(shards.len());
        let settlement =
            settle(&Inputs { rulebook, period, tally: &tally, shards: &shards, sealed, previous }).unwrap();
        self.before = Some((settlement.state.clone(), shards));
        settlement
    }

    /// A report in the columns that are asked for.
    fn report(&self, period: Period, settlement: &Settlement, name: &str, asked: &str) -> String {
        let run = RunName { kind: RunKind::Final, id: "v1-scenario".to_owned() };
        let about = About { rulebook: &self.rulebook, period, run: &run };
        let (name, only) = name.split_once(" where ").map_or((name, None), |(name, only)| (name, Some(only)));
        let only = only.map(|only| only.split_once(" is ").unwrap_or_else(|| panic!("{only:?} says no values")));
        let report = REPORTS.iter().find(|report| report.name == name).unwrap_or_else(|| panic!("no report {name}"));
        let comparison = Comparison::of(&self.rulebook, &run, settlement, None, None).unwrap();
        let source = Source { about: &about, settlement, comparison: &comparison, line: None };
        let rows = Rows::parse(&report.sheet(&source).unwrap().csv()).unwrap();
        let columns: Vec<&str> = asked.trim().lines().next().unwrap().split(',').collect();
        for column in &columns {
            assert!(rows.columns().any(|known| known == *column), "{name} has no column {column}");
        }
        let row = |at| columns.iter().map(|column| rows.text(at, column)).collect::<Vec<_>>().join(",");
        let is_asked = |at: &usize| {
            only.is_none_or(|(column, values)| values.split(", ").any(|value| value == rows.text(*at, column)))
        };
        std::iter::once(columns.join(","))
            .chain((0..rows.len()).filter(is_asked).map(row))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn told(rulebook: &Rulebook, leg: &Leg<'_>) -> Option<String> {
    Some(match leg {
        // Its value is in the roll-forwards.
        Leg::Issue(_) | Leg::Repaid(..) | Leg::Awarded(_) => return None,
        Leg::Claims(ClaimsLeg { cohort, with, flow, points, .. }) => {
            format!("{} {} {points} at {with}", format!("{flow:?}").to_lowercase(), cohort.scheme)
        }
        Leg::Owed(OwedLeg { reason, cohort, redeemer, points, price, amount, .. }) => {
            let amount = rulebook.currency.show(*amount);
            format!("{} {}>{redeemer} {points} {price} {amount}", reason.word(), cohort.scheme)
        }
    })
}
