//! One cohort from close to close, and its rows of the roll-forwards.

use super::LiabilityError;
use super::booking::{Book, Brought, Kept};
use super::release::{Month, Phase, Release, Standing, undone};
use super::sale::Valued;
use crate::units::allocate::largest_remainder;
use crate::units::id::LineId;
use crate::units::micro::Micro;
use crate::units::money::{Money, OutOfRange, Points};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a close leaves to the next, for one cohort (scheme, issue month, expiry). All of it is
/// cumulative since the issue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortLiability {
    /// N: less what was withdrawn.
    pub issued: Points,
    /// Of these, given without a sale of the funder's own.
    pub given: Points,
    /// Returns deducted, and what was spent of withdrawn points.
    pub redeemed_own: Points,
    pub redeemed_other: BTreeMap<LineId, Points>,
    /// X
    pub expired: Points,
    /// E, in micro-points.
    pub expected: Micro,
    /// H: what was expected when they were issued, in micro-points.
    pub at_issue: Micro,
    /// CL: what sales brought for the points, in millionths of minor units.
    pub allocated: Micro,
    /// What is not recognised of it.
    pub exact_closing: Micro,
    /// G: points given at their value, in millionths of minor units.
    pub given_value: Micro,
    /// Nothing is expected any more: expired, or redemption is remote.
    pub is_over: bool,
    pub contract: Columns,
    pub provision: ProvisionColumns,
    /// What the points cost so far at other lines, net of deductible VAT, less what was lost with withdrawn ones:
    /// those that were sold, and those that were given.
    pub cost: Money,
    pub cost_given: Money,
}

/// The contract liability's columns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    pub added: Kept,
    pub own: Kept,
    pub other: BTreeMap<LineId, Kept>,
    pub breakage: Kept,
    pub re_estimate: Kept,
    pub remeasured: Kept,
    pub expired: Kept,
    pub reversed: Kept,
    pub undone: Kept,
    pub closing: Money,
}

/// The provision's columns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisionColumns {
    pub granted: Kept,
    pub own: Kept,
    pub other: BTreeMap<LineId, Kept>,
    pub released: Kept,
    pub reversed: Kept,
    pub undone: Kept,
    pub exact_closing: Micro,
    pub closing: Money,
}

/// What happened to a cohort in a period.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Movement {
    /// Sales, gifts and their reversals.
    pub valued: Valued,
    /// k, less what was given back in the same period.
    pub redeemed_own: Points,
    pub redeemed_other: BTreeMap<LineId, Points>,
    /// rho, positive: given back of earlier periods' redemptions.
    pub returned_own: Points,
    pub returned_other: BTreeMap<LineId, Points>,
    /// What other lines are owed for all that, net of deductible VAT.
    pub cost: BTreeMap<LineId, Money>,
    /// Negative where late events had spent points that were taken for expired.
    pub expired: Points,
}

/// One row of the contract liability's roll-forward:
///
/// ```text
/// opening + added - own_line_revenue - to_payable - agent_revenue - breakage - re_estimate
///         - remeasured - expired - reversed = closing
/// ```
///
/// What is subtracted is positive when it lowers the liability. `undone` is no movement of it: what refunded
/// sales had released already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollForward {
    pub opening: Money,
    pub added: Money,
    pub own_line_revenue: Money,
    pub to_payable: Money,
    /// What is left of the release once the redeeming line is paid; negative where its price is higher.
    pub agent_revenue: Money,
    /// Earned with redemptions: what is expected never to be redeemed.
    pub breakage: Money,
    pub re_estimate: Money,
    pub remeasured: Money,
    pub expired: Money,
    pub reversed: Money,
    pub closing: Money,
    pub undone: Money,
}

/// One row of the provision's roll-forward:
/// `opening + granted - used_own - used_other - released - reversed = closing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisionRow {
    pub opening: Money,
    pub granted: Money,
    pub used_own: Money,
    pub used_other: Money,
    /// Of `used_other`, what other lines are owed.
    pub to_payable: Money,
    /// Expired, or measured anew.
    pub released: Money,
    pub reversed: Money,
    pub closing: Money,
    pub undone: Money,
}

macro_rules! sums {
    ($row:ident: $($field:ident),*) => {
        impl $row {
            /// The sum of two rows.
            pub fn plus(&self, other: &Self) -> Result<Self, OutOfRange> {
                Ok(Self { $($field: self.$field.plus(other.$field)?),* })
            }
        }
    };
}

sums!(RollForward: opening, added, own_line_revenue, to_payable, agent_revenue, breakage, re_estimate, remeasured,
      expired, reversed, closing, undone);
sums!(LineRelease: released, owed, used, owed_given);
sums!(ClawBack: loss, own, breakage, agent, given_loss);
sums!(ProvisionRow: opening, granted, used_own, used_other, to_payable, released, reversed, closing, undone);

impl RollForward {
    /// Everything that became revenue or a payable.
    pub fn released(&self) -> Result<Money, OutOfRange> {
        Money::sum([
            self.own_line_revenue,
            self.to_payable,
            self.agent_revenue,
            self.breakage,
            self.re_estimate,
            self.remeasured,
            self.expired,
        ])
    }

    /// Where the movements lead from the opening.
    pub fn computed(&self) -> Result<Money, OutOfRange> {
        self.opening.plus(self.added)?.minus(self.released()?)?.minus(self.reversed)
    }

    /// Whether the row ties.
    pub fn check(&self) -> Result<(), LiabilityError> {
        let computed = self.computed()?;
        if computed == self.closing { Ok(()) } else { Err(LiabilityError::Untied { found: self.closing, computed }) }
    }
}

impl ProvisionRow {
    pub fn computed(&self) -> Result<Money, OutOfRange> {
        let used = Money::sum([self.used_own, self.used_other, self.released, self.reversed])?;
        self.opening.plus(self.granted)?.minus(used)
    }
}

/// What a redemption at one other line released, and what of it the line is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineRelease {
    /// Of the contract liability.
    pub released: Money,
    pub owed: Money,
    /// Of the provision.
    pub used: Money,
    pub owed_given: Money,
}

impl LineRelease {
    /// Source: IFRS 15 B36, an agent's revenue is what it keeps after paying the other party;
    /// ASC 606-10-55-38; CAS 14 art. 34.
    pub fn agent_revenue(&self) -> Result<Money, OutOfRange> {
        self.released.minus(self.owed)
    }
}

/// What refunded sales had released: revenue taken back, and what other lines were paid, which is lost until members
/// pay their debts. They sum to `undone`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClawBack {
    pub loss: Money,
    pub own: Money,
    pub breakage: Money,
    pub agent: Money,
    /// Of points given: an expense that has become a loss.
    pub given_loss: Money,
}

/// What closing a period answers for one cohort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    pub state: CohortLiability,
    pub row: RollForward,
    pub provision: ProvisionRow,
    pub lines: BTreeMap<LineId, LineRelease>,
    pub claw_back: ClawBack,
}

impl Movement {
    /// In all, returns deducted.
    pub fn redeemed(&self) -> Result<Points, OutOfRange> {
        let redeemed = Points::sum(self.redeemed_other.values().copied())?.plus(self.redeemed_own)?;
        redeemed.minus(Points::sum(self.returned_other.values().copied())?.plus(self.returned_own)?)
    }
}

impl CohortLiability {
    /// R
    pub fn redeemed(&self) -> Result<Points, OutOfRange> {
        self.redeemed_own.plus(Points::sum(self.redeemed_other.values().copied())?)
    }

    /// Points that can still be redeemed.
    pub fn outstanding(&self) -> Result<Points, OutOfRange> {
        self.issued.minus(self.redeemed()?)?.minus(self.expired)
    }

    /// Micro-points that are still expected to be redeemed.
    pub fn to_come(&self) -> Result<Micro, OutOfRange> {
        self.expected.minus(Micro::of_points(self.redeemed()?))
    }

    fn standing(&self) -> Result<Standing, OutOfRange> {
        Ok(Standing {
            issued: self.issued,
            redeemed: self.redeemed()?,
            expected: self.expected,
            at_issue: self.at_issue,
            allocated: self.allocated,
            closing: self.exact_closing,
        })
    }

    /// Closes a period. `before`: none for a cohort that no close knows. `expected`: E of the
    /// cohort if it stays open, in micro-points.
    pub fn close(
        before: Option<&Self>,
        movement: &Movement,
        expected: Micro,
        phase: Phase,
    ) -> Result<Closing, OutOfRange> {
        let mut state = before.cloned().unwrap_or_default();
        let lines: BTreeSet<LineId> = [
            state.redeemed_other.keys().collect::<Vec<_>>(),
            movement.redeemed_other.keys().collect(),
            movement.returned_other.keys().collect(),
            movement.cost.keys().collect(),
            state.contract.other.keys().collect(),
            state.provision.other.keys().collect(),
        ]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
        let lines: Vec<LineId> = lines.into_iter().collect();
        let month = state.month(movement, &lines)?;
        let old = before.map(CohortLiability::standing).transpose()?;
        let (after, release) = Standing::release(old.as_ref(), &month, expected, phase)?;

        let grown = state.issued.plus(month.issued)?;
        let given = state.given.plus(movement.valued.given)?;
        let mut answers = BTreeMap::new();
        for line in &lines {
            let cost = movement.cost.get(line).copied().unwrap_or_default();
            let owed_given = match grown.is_positive() && given.is_positive() {
                true => cost.proportion(given.get(), grown.get())?,
                false => Money::ZERO,
            };
            answers
                .insert(line.clone(), LineRelease { owed: cost.minus(owed_given)?, owed_given, ..Default::default() });
        }

        let provision = state.provide(movement, &month, &after, phase, &lines, &mut answers)?;
        state.redeem(&month, &lines)?;
        for answer in answers.values() {
            state.cost.add(answer.owed)?;
            state.cost_given.add(answer.owed_given)?;
        }
        let row = state.book(&month, &release, &lines, &mut answers)?;
        let claw_back = state.claw_back(movement, &release, row.undone, provision.undone)?;

        state.issued = after.issued;
        state.given = given.minus(movement.valued.revoked.points)?;
        state.expired = state.expired.plus(movement.expired)?.minus(movement.valued.withdrawn()?.gone)?;
        state.expected = after.expected;
        state.at_issue = after.at_issue;
        state.allocated = after.allocated;
        state.exact_closing = after.closing;
        state.is_over = phase != Phase::Open;
        state.redeemed_other.retain(|_, points| !points.is_zero());
        Ok(Closing { state, row, provision, lines: answers, claw_back })
    }

    /// The period in columns: the own line first, then the others by code. What was given back of
    /// more than earlier periods redeemed there was redeemed in this one.
    fn month(&self, movement: &Movement, lines: &[LineId]) -> Result<Month, OutOfRange> {
        let (mut redeemed, mut returned) = (Vec::new(), Vec::new());
        let mut column = |before: Points, now: Points, back: Points| {
            let of_before = back.min(before.max(Points::ZERO));
            redeemed.push(now.minus(back.minus(of_before)?)?);
            returned.push(of_before);
            Ok::<(), OutOfRange>(())
        };
        column(self.redeemed_own, movement.redeemed_own, movement.returned_own)?;
        for line in lines {
            let of = |points: &BTreeMap<LineId, Points>| points.get(line).copied().unwrap_or_default();
            column(of(&self.redeemed_other), of(&movement.redeemed_other), of(&movement.returned_other))?;
        }
        let withdrawn = movement.valued.withdrawn()?;
        Ok(Month {
            issued: movement.valued.issued()?,
            at_issue: movement.valued.at_issue,
            allocated: movement.valued.allocated,
            redeemed,
            returned,
            withdrawn: withdrawn.points,
            owed: withdrawn.owed,
            withdrawn_at_issue: movement.valued.withdrawn_at_issue,
            back: movement.valued.back,
            withdrawn_sold: movement.valued.refunded.points,
            owed_sold: movement.valued.refunded.owed,
        })
    }

    fn redeem(&mut self, month: &Month, lines: &[LineId]) -> Result<(), OutOfRange> {
        for (at, (redeemed, returned)) in month.redeemed.iter().zip(&month.returned).enumerate() {
            let points = redeemed.minus(*returned)?;
            match at.checked_sub(1) {
                None => self.redeemed_own.add(points)?,
                Some(at) => self.redeemed_other.entry(lines[at].clone()).or_default().add(points)?,
            }
        }
        Ok(())
    }

    fn book(
        &mut self,
        month: &Month,
        release: &Release,
        lines: &[LineId],
        answers: &mut BTreeMap<LineId, LineRelease>,
    ) -> Result<RollForward, OutOfRange> {
        let columns = &mut self.contract;
        let book = Book {
            incoming: &mut columns.added,
            own: &mut columns.own,
            other: &mut columns.other,
            undone: &mut columns.undone,
            closing: &mut columns.closing,
        };
        let brought = Brought {
            incoming: month.allocated,
            redeemed: &release.redeemed,
            undone: release.undone,
            closing: release.closing,
        };
        let named = [
            (&mut columns.breakage, release.breakage),
            (&mut columns.re_estimate, release.re_estimate),
            (&mut columns.remeasured, release.remeasured),
            (&mut columns.expired, release.expired),
            (&mut columns.reversed, release.reversed),
        ];
        let booked = book.period(lines, &brought, named)?;
        let [breakage, re_estimate, remeasured, expired, reversed] = booked.named;
        let mut row = RollForward {
            opening: booked.opening,
            added: booked.incoming,
            own_line_revenue: booked.own,
            breakage,
            re_estimate,
            remeasured,
            expired,
            reversed,
            closing: booked.closing,
            undone: booked.undone,
            ..Default::default()
        };
        for (line, released) in lines.iter().zip(booked.other) {
            let answer = answers.entry(line.clone()).or_default();
            answer.released = released;
            row.to_payable.add(answer.owed)?;
            row.agent_revenue.add(answer.agent_revenue()?)?;
        }
        Ok(row)
    }

    /// The provision for points that nobody paid for: `G x (E - R) / N`, measured anew at each close. A
    /// redeemed point uses G / N.
    ///
    /// Source: IAS 37.36 and 59; CAS 13 art. 12.
    fn provide(
        &mut self,
        movement: &Movement,
        month: &Month,
        after: &Standing,
        phase: Phase,
        lines: &[LineId],
        answers: &mut BTreeMap<LineId, LineRelease>,
    ) -> Result<ProvisionRow, OutOfRange> {
        let (old, old_issued) = (self.given_value, self.issued);
        let value = old.plus(movement.valued.given_value)?;
        let grown = self.issued.plus(month.issued)?;
        self.given_value = value.minus(movement.valued.revoked_value)?;
        let revoked = movement.valued.revoked;
        let basis = match self.issued.is_positive() {
            true => (self.expected, self.issued),
            false => (self.at_issue.plus(month.at_issue)?, grown),
        };
        let undone = undone(phase, movement.valued.provided_back, (revoked.points, revoked.owed), basis)?;
        let columns = &mut self.provision;
        if value.is_zero() && columns.closing.is_zero() && columns.granted.is_nothing() {
            return Ok(ProvisionRow::default());
        }
        let mut used = Vec::new();
        for (redeemed, returned) in month.redeemed.iter().zip(&month.returned) {
            let of_returned = old.proportion(returned.get(), old_issued.get())?;
            used.push(value.proportion(redeemed.get(), grown.get())?.minus(of_returned)?);
        }
        let closing = match phase {
            Phase::Open if after.issued.is_positive() => {
                let to_come = after.expected.minus(Micro::of_points(after.redeemed))?;
                self.given_value.share(to_come.get(), Micro::of_points(after.issued).get())?
            }
            Phase::Open | Phase::Ends | Phase::Over => Micro::ZERO,
        };
        let reversed = movement.valued.provided_back.minus(undone)?;
        let named = Micro::sum(used.iter().copied().chain([reversed, closing]))?;
        let released = columns.exact_closing.plus(movement.valued.provided)?.minus(named)?;

        columns.exact_closing = closing;
        let book = Book {
            incoming: &mut columns.granted,
            own: &mut columns.own,
            other: &mut columns.other,
            undone: &mut columns.undone,
            closing: &mut columns.closing,
        };
        let brought = Brought { incoming: movement.valued.provided, redeemed: &used, undone, closing };
        let named = [(&mut columns.released, released), (&mut columns.reversed, reversed)];
        let booked = book.period(lines, &brought, named)?;
        let [released, reversed] = booked.named;
        let mut row = ProvisionRow {
            opening: booked.opening,
            granted: booked.incoming,
            used_own: booked.own,
            released,
            reversed,
            closing: booked.closing,
            undone: booked.undone,
            ..Default::default()
        };
        for (line, used) in lines.iter().zip(booked.other) {
            let answer = answers.entry(line.clone()).or_default();
            answer.used = used;
            row.used_other.add(used)?;
            row.to_payable.add(answer.owed_given)?;
        }
        Ok(row)
    }

    /// Tells apart what refunded sales had released: their spent points count at the cohort's mean, as lots do not
    /// know where a sale's points went.
    fn claw_back(
        &mut self,
        movement: &Movement,
        release: &Release,
        undone: Money,
        given_undone: Money,
    ) -> Result<ClawBack, OutOfRange> {
        let mut answer = ClawBack::default();
        let sold = self.owe(movement.valued.refunded.owed)?;
        answer.loss = sold.of(self.cost)?.max(Money::ZERO).min(undone);
        self.cost = self.cost.minus(answer.loss)?;
        let rest = undone.minus(answer.loss)?;
        answer.own = release.spent.of(sold.own)?.money()?.min(rest);
        let rest = rest.minus(answer.own)?;
        let breakage = release.spent.breakage(movement.valued.refunded.owed)?.money()?;
        answer.breakage = breakage.max(Money::ZERO).min(rest);
        answer.agent = rest.minus(answer.breakage)?;
        let given = self.owe(movement.valued.revoked.owed)?;
        answer.given_loss = given.of(self.cost_given)?.max(Money::ZERO).min(given_undone);
        self.cost_given = self.cost_given.minus(answer.given_loss)?;
        Ok(answer)
    }

    /// Takes spent points that are withdrawn out of what was redeemed, in proportion to where. Where more came back
    /// than stands there is nothing to take.
    fn owe(&mut self, owed: Points) -> Result<Spent, OutOfRange> {
        let at_others = Points::sum(self.redeemed_other.values().map(|points| (*points).max(Points::ZERO)))?;
        let redeemed = at_others.plus(self.redeemed_own.max(Points::ZERO))?;
        let other = owed.proportion(at_others, redeemed)?;
        let own = owed.minus(other)?;
        self.redeemed_own = self.redeemed_own.minus(own)?;
        let weights: Vec<i128> = self.redeemed_other.values().map(|points| i128::from(points.get().max(0))).collect();
        if !weights.is_empty() {
            for (redeemed, part) in self.redeemed_other.values_mut().zip(largest_remainder(other.get(), &weights)?) {
                *redeemed = redeemed.minus(Points::new(part))?;
            }
        }
        Ok(Spent { own, other, at_others })
    }
}

/// Where withdrawn points had been spent, and all that was redeemed at other lines.
struct Spent {
    own: Points,
    other: Points,
    at_others: Points,
}

impl Spent {
    /// Their part of what other lines were paid.
    fn of(&self, cost: Money) -> Result<Money, OutOfRange> {
        cost.proportion(self.other.get(), self.at_others.get())
    }
}
