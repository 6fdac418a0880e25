//! A member's account: lots, debts, and what caps and refunds need to know.

use crate::claims::lot::{Cohort, Expiry, Slice};
use crate::units::calendar::Period;
use crate::units::id::{LineId, SchemeId};
use crate::units::limits::EXPIRED_LOT_KEPT_MONTHS;
use crate::units::money::{OutOfRange, Points};
use chrono::NaiveDate;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The number of the member's entries, so also that of the latest; zero before the first.
    pub sequence: u64,
    /// In the order of spending. Every lot has points. Those past their date are
    /// what was never spent of them.
    pub lots: BTreeMap<Cohort, Points>,
    /// Points owed to schemes, for reversed accruals that were already spent.
    pub debts: BTreeMap<SchemeId, Points>,
    /// Points redeemed per line and day, kept only where the rulebook caps them.
    pub redeemed: BTreeMap<(LineId, NaiveDate), Points>,
    /// The latest period that booked points given back. No event is booked in an
    /// earlier one any more: it could spend there what comes back only later.
    pub returned_in: Option<Period>,
    /// Lots whose last day lies before this one are forgotten, spent or not.
    pub forgotten_before: Option<NaiveDate>,
}

/// A debt paid with points of the member's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repayment {
    pub creditor: SchemeId,
    /// The lot whose points paid.
    pub paid: Slice,
}

impl Account {
    /// Points that can be spent on a day: those of the lots less all debts, and
    /// never less than none.
    pub fn balance(&self, day: NaiveDate) -> Result<Points, OutOfRange> {
        self.balance_of(day, |_| true)
    }

    /// As [`balance`](Self::balance), of the schemes that a line honours.
    pub fn balance_of(&self, day: NaiveDate, honours: impl Fn(&SchemeId) -> bool) -> Result<Points, OutOfRange> {
        let lots = self.spendable(day).filter(|(cohort, _)| honours(&cohort.scheme));
        let held = Points::sum(lots.map(|(_, points)| points))?;
        let owed = Points::sum(self.debts.values().copied())?;
        Ok(held.minus(owed)?.max(Points::ZERO))
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

    /// The lots that pay for `points` where these schemes are honoured, in the order of spending; `None` when
    /// the balance of them is too small.
    pub fn lots_for(
        &self,
        points: Points,
        day: NaiveDate,
        honours: impl Fn(&SchemeId) -> bool,
    ) -> Result<Option<Vec<Slice>>, OutOfRange> {
        if points > self.balance_of(day, &honours)? {
            return Ok(None);
        }
        let mut left = points;
        let mut slices = Vec::new();
        for (cohort, available) in self.spendable(day).filter(|(cohort, _)| honours(&cohort.scheme)) {
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
    /// scheme, where no money moves, then the others by name. Points past their
    /// date pay nothing.
    pub fn credit(&mut self, slice: &Slice, day: NaiveDate) -> Result<Vec<Repayment>, OutOfRange> {
        let mut left = slice.points;
        let mut repayments = Vec::new();
        if slice.cohort.expires.is_before(day) {
            self.lots.entry(slice.cohort.clone()).or_default().add(left)?;
            return Ok(repayments);
        }
        let own = self.debts.keys().filter(|creditor| slice.cohort.scheme == **creditor);
        let others = self.debts.keys().filter(|creditor| slice.cohort.scheme != **creditor);
        let creditors: Vec<SchemeId> = own.chain(others).cloned().collect();
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

    pub fn owe(&mut self, creditor: &SchemeId, points: Points) -> Result<(), OutOfRange> {
        if !points.is_zero() {
            self.debts.entry(creditor.clone()).or_default().add(points)?;
        }
        Ok(())
    }

    /// Pays up to `points` of what is owed to a creditor with points that can be
    /// spent on a day: those of the refunded sale's cohorts first, then the
    /// creditor's own, where no money moves, then in the order of spending.
    pub fn repay(
        &mut self,
        creditor: &SchemeId,
        points: Points,
        sale: &[Slice],
        day: NaiveDate,
    ) -> Result<Vec<Repayment>, OutOfRange> {
        let of_sale = |cohort: &Cohort| sale.iter().any(|slice| slice.cohort == *cohort);
        let mut lots: Vec<(Cohort, Points)> =
            self.spendable(day).map(|(cohort, points)| (cohort.clone(), points)).collect();
        lots.sort_by_key(|(cohort, _)| (!of_sale(cohort), cohort.scheme != *creditor));
        let mut left = points;
        let mut repaid = Vec::new();
        for (cohort, available) in lots {
            let points = available.min(left);
            if points.is_zero() {
                break;
            }
            left = left.minus(points)?;
            let paid = Slice { cohort, points };
            self.take(&paid)?;
            repaid.push(Repayment { creditor: creditor.clone(), paid });
        }
        Ok(repaid)
    }

    pub fn redeemed_on(&self, line: &LineId, day: NaiveDate) -> Points {
        self.redeemed.get(&(line.clone(), day)).copied().unwrap_or_default()
    }

    pub fn redeemed_in(&self, line: &LineId, period: Period) -> Result<Points, OutOfRange> {
        let days = self.redeemed.iter().filter(|((at, day), _)| at == line && Period::of_day(*day) == period);
        Points::sum(days.map(|(_, points)| *points))
    }

    /// Forgets what no event of `period` or a later one can need: lots so long
    /// past their date that no refund asks for what is left of them, and counts of
    /// days that no event can come late for.
    pub fn prune(&mut self, period: Period, refund_months: u32) {
        let counted_from = period.minus_months(EXPIRED_LOT_KEPT_MONTHS).first_day();
        self.redeemed.retain(|(_, day), _| *day >= counted_from);
        let kept_from = kept_from(period, refund_months);
        let kept_from = self.forgotten_before.map_or(kept_from, |before| before.max(kept_from));
        self.forgotten_before = Some(kept_from);
        self.lots.retain(|cohort, _| match cohort.expires {
            Expiry::On(last) => last >= kept_from,
            Expiry::Never => true,
        });
    }

    /// Whether a refund on a day can tell what is left of a cohort's points: they
    /// can still be spent, or their date is no more than `refund_months` ago.
    pub fn can_tell(&self, cohort: &Cohort, day: NaiveDate, refund_months: u32) -> bool {
        match cohort.expires {
            Expiry::Never => true,
            Expiry::On(last) => {
                let asked_from = Period::of_day(day).minus_months(refund_months).first_day();
                last >= asked_from && self.forgotten_before.is_none_or(|before| last >= before)
            }
        }
    }
}

/// Lots whose last day lies before this one are forgotten with an event of `period`.
pub fn kept_from(period: Period, refund_months: u32) -> NaiveDate {
    period.minus_months(refund_months + EXPIRED_LOT_KEPT_MONTHS).first_day()
}
