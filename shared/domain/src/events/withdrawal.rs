//! Points taken back that a sale or a gift issued.

use super::canonical::Canonical;
use super::field::{AMOUNT, Field, Fields, Origin, POINTS, REVERSES, Said, TAXES};
use super::kind::{At, Balances, Reversed, Show};
use super::refusal::Refusal;
use super::stored::{
    BEFORE, BEFORE_BY_SLICE, Broken, GONE, Load, Loaded, ORIGINAL_AT, OWED, REPAID, SLICES, Store, TAKEN, WITHDRAWN,
};
use crate::actuarial::liability::{SaleStanding, Withdrawn};
use crate::claims::account::{Account, Repayment};
use crate::claims::lot::{Cohort, Slice};
use crate::legs::{self, FlowKind, IssueLeg, Leg, Legs, Sold};
use crate::units::id::LineId;
use crate::units::moment::rfc3339_utc;
use crate::units::money::{Money, OutOfRange, Points};
use chrono::{DateTime, Utc};
use std::fmt::Write;

/// What valuing a reversal needs of the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    pub at: DateTime<Utc>,
    pub slices: Vec<Slice>,
}

/// Points of a reversed sale or gift, by the slices that it issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    pub original: Original,
    /// Points reversed before, in all and by slice.
    pub before: Points,
    pub before_by_slice: Vec<Points>,
    /// Withdrawn now of each slice of the original: the sum of `taken`, `gone` and
    /// `owed`, and of what is too old to tell whether it was spent.
    pub points: Vec<Points>,
    /// Taken from their lot.
    pub taken: Vec<Slice>,
    /// Left in their lot, and past their date: they expired with their cohort.
    pub gone: Vec<Slice>,
    /// Spent already: owed to the funder.
    pub owed: Vec<Slice>,
    /// What of it was paid at once with other points of the member's.
    pub repaid: Vec<Repayment>,
}

impl Withdrawal {
    pub(super) const STORED: &'static [&'static str] =
        &[SLICES, ORIGINAL_AT, BEFORE, BEFORE_BY_SLICE, WITHDRAWN, TAKEN, GONE, OWED, REPAID];

    /// Takes so many points of each slice, funder by funder: from its lots what
    /// is unspent of it, and as a debt what was spent. Other points of the member's
    /// pay that debt at once as far as they go.
    pub(super) fn of(
        at: &At<'_>,
        account: &mut Account,
        original: Original,
        before: &Reversed,
        points: Vec<Points>,
    ) -> Result<Self, Refusal> {
        let slices = &original.slices;
        let (mut taken, mut gone, mut owed) = (Vec::new(), Vec::new(), Vec::new());
        for (slice, points) in slices.iter().zip(&points) {
            let slice = Slice { points: *points, ..slice.clone() };
            let of = |points: Points| Slice { points, ..slice.clone() };
            let found = account.take(&slice)?;
            // Points past their date are gone already, in the books too.
            let unspent = if slice.cohort.expires.is_before(at.day) { &mut gone } else { &mut taken };
            unspent.push(of(found));
            if account.can_tell(&slice.cohort, at.day, at.rulebook.refund_months) {
                owed.push(of(slice.points.minus(found)?));
            }
        }
        for slices in [&mut taken, &mut gone, &mut owed] {
            slices.retain(|slice| !slice.points.is_zero());
        }
        let mut repaid = Vec::new();
        for slice in &owed {
            let creditor = &slice.cohort.scheme;
            let paid = account.repay(creditor, slice.points, slices, at.day)?;
            let now = Points::sum(paid.iter().map(|repayment| repayment.paid.points))?;
            account.owe(creditor, slice.points.minus(now)?)?;
            repaid.extend(paid);
        }
        let (before, before_by_slice) = (before.points, before.by_slice.clone());
        Ok(Self { original, before, before_by_slice, points, taken, gone, owed, repaid })
    }

    fn before_of(&self, at: usize) -> Points {
        self.before_by_slice.get(at).copied().unwrap_or_default()
    }

    /// What is reversed of the original from now on.
    pub(super) fn reversed(&self, amount: Money) -> Result<Reversed, OutOfRange> {
        let mut reversed = Reversed { amount, ..Reversed::default() };
        for (at, points) in self.points.iter().enumerate() {
            let points = self.before_of(at).plus(*points)?;
            reversed.points.add(points)?;
            reversed.by_slice.push(points);
        }
        Ok(reversed)
    }

    /// What was taken or is owed; what was gone already is not.
    pub(super) fn points(&self) -> Result<Points, OutOfRange> {
        Points::sum(self.taken.iter().chain(&self.owed).map(|slice| slice.points))
    }

    pub(super) fn store(&self, to: &mut dyn Store) {
        to.slices(SLICES, &self.original.slices);
        to.moment(ORIGINAL_AT, self.original.at);
        to.points(BEFORE, self.before);
        to.by_slice(BEFORE_BY_SLICE, &self.before_by_slice);
        to.by_slice(WITHDRAWN, &self.points);
        for (name, slices) in [(TAKEN, &self.taken), (GONE, &self.gone), (OWED, &self.owed)] {
            to.slices(name, slices);
        }
        to.repaid(&self.repaid);
    }

    pub(super) fn load<L: Load>(from: &L) -> Result<Self, Broken> {
        let from = Loaded(from);
        Ok(Self {
            original: Original { at: from.moment(ORIGINAL_AT)?, slices: from.slices(SLICES)? },
            before: from.points(BEFORE)?,
            before_by_slice: from.by_slice(BEFORE_BY_SLICE)?,
            points: from.by_slice(WITHDRAWN)?,
            taken: from.slices(TAKEN)?,
            gone: from.slices(GONE)?,
            owed: from.slices(OWED)?,
            repaid: from.repaid()?,
        })
    }

    /// `amounts`: of the original, refunded before, and now.
    pub(super) fn write_canonical(&self, amounts: [Money; 3], text: &mut Canonical) {
        text.slices("issued", &self.original.slices);
        let [sale, before, now] = amounts.map(Money::minor);
        let at = rfc3339_utc(self.original.at);
        // Writing to a String cannot fail.
        let _ = write!(text, "|{at}|{sale}|{before}|{now}");
        for (at, now) in self.points.iter().enumerate() {
            let _ = write!(text, ";{}:{now}", self.before_of(at));
        }
        for (name, slices) in [("taken", &self.taken), ("gone", &self.gone), ("owed", &self.owed)] {
            text.slices(name, slices);
        }
        text.repaid(&self.repaid);
    }

    /// The amount stands with the first leg.
    pub(super) fn legs<'a>(
        &'a self,
        legs: &mut Legs<'_, 'a>,
        taken: FlowKind,
        line: &'a LineId,
        amount: Money,
    ) -> Result<(), OutOfRange> {
        let mut amount = amount;
        for (flow, slices) in [(taken, &self.taken), (FlowKind::Owed, &self.owed)] {
            legs::moved(legs, flow, line, slices, amount)?;
            if !slices.is_empty() {
                amount = Money::ZERO;
            }
        }
        Ok(())
    }

    /// What it takes back, slice by slice. `sale`: the seller, and what stood and stands of the amount, with its net if
    /// it has tax codes; nothing of a gift. What can no longer be told counts as expired.
    pub(super) fn valued<'a>(
        &'a self,
        legs: &mut Legs<'_, 'a>,
        sale: Option<(&'a LineId, [Sold; 2])>,
    ) -> Result<(), OutOfRange> {
        let of = |slices: &[Slice], cohort: &Cohort| {
            Points::sum(slices.iter().filter(|slice| slice.cohort == *cohort).map(|slice| slice.points))
        };
        for (at, slice) in self.original.slices.iter().enumerate() {
            let points = self.points.get(at).copied().unwrap_or_default();
            let before = slice.points.minus(self.before_of(at))?;
            let owed = of(&self.owed, &slice.cohort)?;
            let gone = points.minus(of(&self.taken, &slice.cohort)?)?.minus(owed)?;
            let [(amount, net), (left, net_left)] = sale.map_or([(Money::ZERO, None); 2], |(_, stand)| stand);
            legs(Leg::Issue(IssueLeg {
                cohort: &slice.cohort,
                seller: sale.map(|(seller, _)| seller),
                before: SaleStanding { amount, net, points: before },
                after: SaleStanding { amount: left, net: net_left, points: before.minus(points)? },
                withdrawn: Withdrawn { points, owed, gone },
            }))?;
        }
        Ok(())
    }

    pub(super) fn moves(&self, balances: &mut dyn Balances) -> Result<(), OutOfRange> {
        balances.lose(&self.taken)?;
        balances.lose(&self.gone)?;
        for slice in &self.owed {
            balances.debt(&slice.cohort.scheme, slice.points)?;
        }
        balances.pay(&self.repaid)
    }

    pub(super) fn show(&self, to: &mut dyn Show) {
        to.slices("slices", &self.taken);
        to.slices("expired", &self.gone);
        to.slices("debts_incurred", &self.owed);
        to.repaid("debts_repaid", &self.repaid);
    }

    #[cfg(test)]
    pub(super) fn none(at: DateTime<Utc>) -> Self {
        Self {
            original: Original { at, slices: Vec::new() },
            before: Points::ZERO,
            before_by_slice: Vec::new(),
            points: Vec::new(),
            taken: Vec::new(),
            gone: Vec::new(),
            owed: Vec::new(),
            repaid: Vec::new(),
        }
    }
}

/// What takes points back: of which event, and how many.
pub(super) fn read_by_points<F: Fields>(from: &F) -> Result<(Origin, Option<Points>), F::Error> {
    let (origin, points) = (from.required(&REVERSES, F::origin)?, from.points(&POINTS)?);
    let taxes = |from: &F, field: &Field| from.taxes(field, Some(Money::ZERO));
    // What is wrongly written is told before what has no place.
    taxes(from, &TAXES)?;
    from.none(&AMOUNT, F::amount, "points are reversed by their number")?;
    from.none(&TAXES, taxes, "points are given back as they were taxed")?;
    Ok((origin, points))
}

pub(super) fn say_by_points(said: &mut dyn Said, origin: &Origin, points: Option<Points>) {
    said.origin(&REVERSES, origin);
    if let Some(points) = points {
        said.points(&POINTS, points);
    }
}

pub(super) fn part_of_points(total: Points, before: Points, asked: Option<Points>) -> Result<Points, Refusal> {
    let left = total.minus(before)?;
    match asked {
        _ if !left.is_positive() => Err(Refusal::AlreadyReversed),
        Some(points) if points > left => Err(Refusal::MorePointsThanLeft(left)),
        Some(points) => Ok(points),
        None => Ok(left),
    }
}
