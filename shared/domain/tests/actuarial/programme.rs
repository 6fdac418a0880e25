//! A programme that is run month by month in memory: plan, fold, settle.

use crate::reverse::reverse;
use crate::shown;
use interline_domain::claims::account::Account;
use interline_domain::claims::lot::Cohort;
use interline_domain::close::checks::CheckId;
use interline_domain::close::digest::EntryDigests;
use interline_domain::close::digest::ShardDigest;
use interline_domain::close::settle::settle;
use interline_domain::close::settlement::{Check, Inputs, Previous, SettleError, Settlement, State};
use interline_domain::close::tally::{Fold, Tally, TallyError};
use interline_domain::events::{
    Accrual, Action, Command, Entry, EntryKind, Grant, Head, Redemption, Reversed, Target, plan,
};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, MemberId, Reference};
use interline_domain::units::money::{Money, Points};
use interline_domain::units::shard::Shards;
use std::collections::BTreeMap;

pub struct Programme {
    pub rulebook: Rulebook,
    pub month: Period,
    accounts: BTreeMap<MemberId, Account>,
    entries: Vec<(Entry, Reversed)>,
    /// Of the last close.
    pub state: Option<State>,
    shards: Vec<ShardDigest>,
}

impl Programme {
    pub fn new(rulebook: &str) -> Self {
        let rulebook = Rulebook::parse(rulebook).unwrap_or_else(|errors| panic!("{errors}"));
        let month = rulebook.first_period;
        Self { rulebook, month, accounts: BTreeMap::new(), entries: Vec::new(), state: None, shards: Vec::new() }
    }

    /// Another rulebook from now on.
    pub fn change(&mut self, rulebook: &str) {
        self.rulebook = Rulebook::parse(rulebook).unwrap_or_else(|errors| panic!("{errors}"));
    }

    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    pub fn kind(&self, number: usize) -> EntryKind {
        self.entries[number].0.kind()
    }

    /// Line and member of an event.
    pub fn home(&self, number: usize) -> (String, String) {
        let head = &self.entries[number].0.head;
        (head.line.to_string(), head.member.to_string())
    }

    /// Records an event at noon of a day of the month, or `months_late` months
    /// before; a refused one changes nothing.
    pub fn record(&mut self, line: &str, member: &str, day: u32, months_late: u32, action: Action) -> bool {
        let home = self.month.minus_months(months_late);
        let target = action.origin().and_then(|origin| origin.reference.as_str().parse::<usize>().ok());
        let command = Command {
            head: Head {
                line: LineId::parse(line).unwrap(),
                reference: Reference::parse(&self.entries.len().to_string()).unwrap(),
                member: MemberId::parse(member).unwrap(),
                occurred_at: format!("{home}-{day:02}T12:00:00+08:00").parse().unwrap(),
            },
            action,
        };
        if home < self.rulebook.first_period {
            return false;
        }
        let account = self.accounts.entry(command.head.member.clone()).or_default();
        let found = target.and_then(|index| self.entries.get(index));
        let found = found.map(|(entry, reversed)| Target { entry, reversed, rulebook: &self.rulebook });
        let Ok(plan) = plan(&self.rulebook, account, &command, self.month, found) else { return false };
        *account = plan.account;
        if let (Some(index), Some(reversed)) = (target, plan.reversed) {
            self.entries[index].1 = reversed;
        }
        self.entries.push((plan.entry, Reversed::default()));
        true
    }

    pub fn sale(&mut self, line: &str, amount: &str) {
        assert!(self.record(line, "m1", 10, 0, Action::Accrual(Accrual::of(crate::money(amount)))));
    }

    pub fn grant(&mut self, line: &str, points: i64) {
        assert!(self.record(line, "m1", 10, 0, Action::Grant(Grant { points: Points::new(points) })));
    }

    pub fn spend(&mut self, line: &str, points: i64) {
        assert!(self.record(line, "m1", 20, 0, Action::Redemption(Redemption::of(Points::new(points), None))));
    }

    /// Takes back an event by its number, all that is left of it.
    pub fn take_back(&mut self, line: &str, kind: EntryKind, number: usize) {
        let reference = Reference::parse(&number.to_string()).unwrap();
        let action = reverse(kind, reference, None, None, None);
        assert!(self.record(line, "m1", 25, 0, action));
    }

    /// One tally per shard.
    pub fn tallies(&self) -> Vec<Tally> {
        let rates = self.state.as_ref().map(|state| state.urr.rates.clone()).unwrap_or_default();
        let mut folds: Vec<Fold<'_>> =
            Shards::DEFAULT.all().map(|of| Fold::new(&self.rulebook, &rates, self.month, of)).collect();
        for (entry, _) in self.entries.iter().filter(|(entry, _)| entry.booked == self.month) {
            let fold = &mut folds[usize::from(Shards::DEFAULT.of(&entry.head.member).number())];
            fold.add(entry, |_| Ok::<(), TallyError>(())).unwrap();
        }
        folds.into_iter().map(Fold::finish).collect()
    }

    pub fn settle_tally(&self, tally: &Tally, shards: &[ShardDigest]) -> Result<Settlement, SettleError> {
        settle(&Inputs {
            rulebook: &self.rulebook,
            period: self.month,
            tally,
            shards,
            sealed: Some(usize::from(Shards::DEFAULT.number())),
            previous: self.state.as_ref().map(|state| Previous {
                state,
                recorded: &self.shards,
                found: &self.shards,
                older: None,
            }),
        })
    }

    /// Settles the month without leaving it.
    pub fn settlement(&self) -> Result<(Settlement, Vec<ShardDigest>), SettleError> {
        let tallies = self.tallies();
        let shards = digests(&tallies);
        let settlement = self.settle_tally(&merged(&tallies), &shards)?;
        Ok((settlement, shards))
    }

    /// Closes the month: every check passes, and the state goes through JSON.
    #[track_caller]
    pub fn close(&mut self) -> Settlement {
        let (settlement, shards) = self.settlement().unwrap_or_else(|error| panic!("{}: {error}", self.month));
        let failed: Vec<_> = {
            // A month that teaches nothing is for a person to judge, and so is whether nothing is to come of small
            // sales with many points.
            let of_estimates = [CheckId::MonthIgnored, CheckId::PointsUnvalued];
            let fails = |check: &&Check| check.fails() && !of_estimates.contains(&check.check);
            settlement.checklist.iter().filter(fails).collect()
        };
        assert!(failed.is_empty(), "{}: {failed:#?}", self.month);
        let json = serde_json::to_string(&settlement.state).unwrap();
        self.state = Some(serde_json::from_str(&json).unwrap());
        self.shards = shards;
        self.month = self.month.next();
        settlement
    }
}

pub fn merged<'t>(tallies: impl IntoIterator<Item = &'t Tally>) -> Tally {
    let mut sum = Tally::default();
    tallies.into_iter().for_each(|tally| sum.merge(tally).unwrap());
    sum
}

pub fn digests(tallies: &[Tally]) -> Vec<ShardDigest> {
    let digest = |(shard, tally): (u16, &Tally)| ShardDigest {
        entries: tally.entries,
        ..EntryDigests::default().finish(shard).0
    };
    (0..Shards::DEFAULT.number()).zip(tallies).map(digest).collect()
}

/// Every voucher as `entity event: account amount (counterparty), ...`, debits
/// positive and credits negative.
pub fn books(settlement: &Settlement) -> Vec<String> {
    let voucher = |voucher: &interline_domain::close::books::Voucher| {
        let lines: Vec<String> = voucher
            .lines
            .iter()
            .map(|line| {
                let with = line.counterparty.as_ref().map(|with| format!(" ({with})")).unwrap_or_default();
                format!("{} {}{with}", line.role.word(), shown(line.debit.minus(line.credit).unwrap()))
            })
            .collect();
        format!("{} {}: {}", voucher.entity, voucher.event.word(), lines.join(", "))
    };
    settlement.vouchers.iter().map(voucher).collect()
}

/// The liability of a cohort (`funder|issued|expires`) at a close.
pub fn closing(settlement: &Settlement, cohort: &str) -> Money {
    let cohort = Cohort::parse(cohort).unwrap();
    let row = settlement.liability.iter().find(|row| row.cohort == cohort);
    row.map(|row| row.row.closing).unwrap_or_default()
}
