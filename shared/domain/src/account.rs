//! A member's account: lots, debts, and what caps and retries need to know.

use crate::calendar::Period;
use crate::entry::EntryKind;
use crate::id::{LineId, Reference};
use crate::limits::{EXPIRED_LOT_KEPT_MONTHS, RECENT_REFERENCES};
use crate::lot::{Cohort, Expiry, Slice};
use crate::money::{OutOfRange, Points};
use chrono::NaiveDate;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// Counts the writes; zero before the first.
    pub version: u64,
    /// In the order of spending. Every lot has points.
    pub lots: BTreeMap<Cohort, Points>,
    /// Points owed to funders, for reversed accruals that were already spent.
    pub debts: BTreeMap<LineId, Points>,
    /// Hashes of the latest references, oldest first.
    pub recent: VecDeque<u64>,
    /// Points redeemed per line and day, kept only where the rulebook caps them.
    pub redeemed: BTreeMap<(LineId, NaiveDate), Points>,
    /// The latest period that booked points given back. No event is booked in an
    /// earlier one any more: it could spend there what comes back only later.
    pub returned_in: Option<Period>,
}

/// A debt paid with points that were just credited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repayment {
    pub creditor: LineId,
    /// The lot whose points paid.
    pub paid: Slice,
}

impl Account {
    /// Points that can be spent on a day.
    pub fn balance(&self, day: NaiveDate) -> Result<Points, OutOfRange> {
        Points::sum(self.spendable(day).map(|(_, points)| points))
    }

    /// A lot issued in a later month than the event is not there for it: the
    /// event's period would redeem what only the next one issues.
    fn spendable(&self, day: NaiveDate) -> impl Iterator<Item = (&Cohort, Points)> {
        let period = Period::of_day(day);
        self.lots
            .iter()
            .filter(move |(cohort, _)| cohort.issued <= period && !cohort.expires.is_before(day))
            .map(|(cohort, points)| (cohort, *points))
    }

    /// The lots that pay for `points`, in the order of spending; `None` when the
    /// balance is too small.
    pub fn lots_for(&self, points: Points, day: NaiveDate) -> Result<Option<Vec<Slice>>, OutOfRange> {
        let mut left = points;
        let mut slices = Vec::new();
        for (cohort, available) in self.spendable(day) {
            if left.is_zero() {
                break;
            }
            let points = available.min(left);
            left = left.minus(points)?;
            slices.push(Slice { cohort: cohort.clone(), points });
        }
        Ok(left.is_zero().then_some(slices))
    }

    /// Takes up to `slice.points` from the slice's lot and says how many there were.
    pub fn take(&mut self, slice: &Slice) -> Result<Points, OutOfRange> {
        let Some(available) = self.lots.get_mut(&slice.cohort) else { return Ok(Points::ZERO) };
        let taken = slice.points.min(*available);
        *available = available.minus(taken)?;
        if available.is_zero() {
            self.lots.remove(&slice.cohort);
        }
        Ok(taken)
    }

    /// Adds points to a lot. Debts are paid first: the one to the lot's own
    /// funder, where no money moves, then the others by name. Points past their
    /// date pay nothing.
    pub fn credit(&mut self, slice: &Slice, day: NaiveDate) -> Result<Vec<Repayment>, OutOfRange> {
        let mut left = slice.points;
        let mut repayments = Vec::new();
        if slice.cohort.expires.is_before(day) {
            self.lots.entry(slice.cohort.clone()).or_default().add(left)?;
            return Ok(repayments);
        }
        let own = self.debts.keys().filter(|creditor| **creditor == slice.cohort.funder);
        let others = self.debts.keys().filter(|creditor| **creditor != slice.cohort.funder);
        let creditors: Vec<LineId> = own.chain(others).cloned().collect();
        for creditor in creditors {
            let Some(debt) = self.debts.get_mut(&creditor) else { continue };
            let points = left.min(*debt);
            if points.is_zero() {
                break;
            }
            left = left.minus(points)?;
            *debt = debt.minus(points)?;
            if debt.is_zero() {
                self.debts.remove(&creditor);
            }
            repayments.push(Repayment { creditor, paid: Slice { cohort: slice.cohort.clone(), points } });
        }
        if !left.is_zero() {
            self.lots.entry(slice.cohort.clone()).or_default().add(left)?;
        }
        Ok(repayments)
    }

    pub fn owe(&mut self, creditor: &LineId, points: Points) -> Result<(), OutOfRange> {
        if !points.is_zero() {
            self.debts.entry(creditor.clone()).or_default().add(points)?;
        }
        Ok(())
    }

    pub fn redeemed_on(&self, line: &LineId, day: NaiveDate) -> Points {
        self.redeemed.get(&(line.clone(), day)).copied().unwrap_or_default()
    }

    pub fn redeemed_in(&self, line: &LineId, period: Period) -> Result<Points, OutOfRange> {
        let days = self.redeemed.iter().filter(|((at, day), _)| at == line && Period::of_day(*day) == period);
        Points::sum(days.map(|(_, points)| *points))
    }

    /// Forgets what no event of `period` or a later one can need, except the
    /// lots that a late event may still spend.
    pub fn prune(&mut self, period: Period) {
        let kept_from = period.minus_months(EXPIRED_LOT_KEPT_MONTHS).first_day();
        self.lots.retain(|cohort, _| match cohort.expires {
            Expiry::On(last) => last >= kept_from,
            Expiry::Never => true,
        });
        self.redeemed.retain(|(_, day), _| *day >= kept_from);
    }

    pub fn remembers(&self, hash: u64) -> bool {
        self.recent.contains(&hash)
    }

    pub fn remember(&mut self, hash: u64) {
        self.recent.push_back(hash);
        while self.recent.len() > RECENT_REFERENCES {
            self.recent.pop_front();
        }
    }
}

/// A short name for an event of a line, whatever its time.
pub fn reference_hash(line: &LineId, kind: EntryKind, reference: &Reference) -> u64 {
    let digest = Sha256::digest(format!("{line}#{}#{reference}", kind.code()));
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// The shard of a member's entries.
pub fn shard(member: &crate::id::MemberId) -> u8 {
    Sha256::digest(member.as_str())[0] % crate::limits::SHARDS
}
