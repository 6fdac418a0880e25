//! One cohort from close to close, and its row of the roll-forward.

use super::formula::{agent_revenue, expected_redemptions, recognised};
use super::{LiabilityError, not_negative};
use crate::units::allocate::divide_half_up;
use crate::units::id::LineId;
use crate::units::money::{Money, OutOfRange, Points, Rate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a close leaves to the next, for one cohort (funder, issue month, expiry).
/// All of it is cumulative since the issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortLiability {
    /// What was allocated and granted, less what went back with refunded sales.
    pub cl0: Money,
    /// Less what was taken back.
    pub issued: Points,
    /// At any line, returns deducted.
    pub redeemed: Points,
    pub expired: Points,
    /// E, from `redeemed` to `issued - expired`.
    pub expected: Points,
    /// Released: `cl0 x redeemed / expected`.
    pub recognised: Money,
    /// The rate of the last close; `None` before the first.
    pub urr: Option<Rate>,
}

/// What happened to a cohort in a period.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Movement {
    /// The points' part of the sales' price, by [`super::allocate_price`].
    pub allocated: Money,
    /// The fair value of points given without a sale, by
    /// [`super::stand_alone_value`]: a marketing expense of the funder.
    pub granted: Money,
    /// With and without a sale.
    pub issued: Points,
    /// At the funder's own line. Negative when more came back.
    pub redeemed_own: Points,
    pub redeemed_other: BTreeMap<LineId, OtherLine>,
    /// Taken back with refunded sales. Their part of CL0 goes with them.
    pub reversed: Points,
    /// Negative when late events had spent points that were taken for expired.
    pub expired: Points,
}

/// What another line redeemed of the cohort, and what it is owed for that. Both
/// are negative when more came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OtherLine {
    pub points: Points,
    pub amount: Money,
}

impl Movement {
    fn redeemed(&self) -> Result<Points, OutOfRange> {
        self.redeemed_own.plus(Points::sum(self.redeemed_other.values().map(|line| line.points))?)
    }
}

/// One row of the contract liability's roll-forward:
///
/// ```text
/// opening + added - own_line_revenue - to_payable - agent_revenue
///         - expired - re_estimate - reversed = closing
/// ```
///
/// What is subtracted is positive when it lowers the liability. `expired` and
/// `re_estimate` are revenue like the redemptions; `re_estimate` and
/// `agent_revenue` may well be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RollForward {
    pub opening: Money,
    pub added: Money,
    /// Of what was added, the part granted without a sale.
    pub granted: Money,
    pub own_line_revenue: Money,
    pub to_payable: Money,
    pub agent_revenue: Money,
    pub expired: Money,
    pub re_estimate: Money,
    pub reversed: Money,
    pub closing: Money,
    /// Of the closing liability, the part due within twelve months.
    pub current: Money,
}

impl RollForward {
    /// Everything that became revenue or a payable.
    pub fn released(&self) -> Result<Money, OutOfRange> {
        Money::sum([self.own_line_revenue, self.to_payable, self.agent_revenue, self.expired, self.re_estimate])
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

    /// The sum of two cohorts' rows.
    pub fn plus(&self, other: &Self) -> Result<Self, OutOfRange> {
        Ok(Self {
            opening: self.opening.plus(other.opening)?,
            added: self.added.plus(other.added)?,
            granted: self.granted.plus(other.granted)?,
            own_line_revenue: self.own_line_revenue.plus(other.own_line_revenue)?,
            to_payable: self.to_payable.plus(other.to_payable)?,
            agent_revenue: self.agent_revenue.plus(other.agent_revenue)?,
            expired: self.expired.plus(other.expired)?,
            re_estimate: self.re_estimate.plus(other.re_estimate)?,
            reversed: self.reversed.plus(other.reversed)?,
            closing: self.closing.plus(other.closing)?,
            current: self.current.plus(other.current)?,
        })
    }
}

/// The release for one other line: `released = owed + agent_revenue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OtherLineRelease {
    pub released: Money,
    /// The payable to the line.
    pub owed: Money,
    pub agent_revenue: Money,
}

/// What closing a period answers for one cohort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    pub state: CohortLiability,
    pub row: RollForward,
    /// The vouchers need the payables line by line.
    pub other_lines: BTreeMap<LineId, OtherLineRelease>,
}

impl CohortLiability {
    /// The contract liability, CL: from zero to `cl0`.
    pub fn liability(&self) -> Result<Money, OutOfRange> {
        self.cl0.minus(self.recognised)
    }

    /// Points that can still be redeemed.
    pub fn outstanding(&self) -> Result<Points, OutOfRange> {
        self.issued.minus(self.redeemed)?.minus(self.expired)
    }

    /// Closes a period at a new rate. `current_share`: which part of the closing
    /// liability is due within twelve months (1 at most).
    ///
    /// In this order: sales and grants add to CL0; refunded sales take
    /// `CL0 x points / issued` back (the points' own allocation is not known any
    /// more, so it is the cohort's average); then the cumulative catch-up
    /// ([`recognised`]) releases revenue, and the release is told apart by cause:
    ///
    /// - a redemption of k points: `CL0 x k / E_t`;
    /// - re-estimate: `CL0 x R_(t-1) x (1/E_t - 1/E_(t-1))`, the past redemptions
    ///   measured anew. If points were added or taken back at another CL0 per
    ///   expected point, what that changes for past redemptions is in here too;
    /// - expiry: what the release rises because expired points cannot be
    ///   expected any more. Redemptions of such a period are measured by the
    ///   estimate before the expiry. When it leaves nothing outstanding, that is
    ///   the previous close's rate, and the rest of the release is expiry.
    ///
    /// The parts are whole minor units and sum to the release by largest
    /// remainder (ties: own line, other lines by code, expiry, re-estimate).
    ///
    /// Source: IFRS 15 B46 and Example 52; paragraph 88, no re-allocation, so
    /// CL0 does not change with the rate; ASC 606-10-55-48; CAS 14 art. 39.
    pub fn close(&self, movement: &Movement, urr: Rate, current_share: Rate) -> Result<Closing, LiabilityError> {
        self.check()?;
        not_negative(&[
            ("allocated", movement.allocated.minor()),
            ("granted", movement.granted.minor()),
            ("issued", movement.issued.get()),
            ("reversed", movement.reversed.get()),
        ])?;
        let added = movement.allocated.plus(movement.granted)?;
        let pool = self.cl0.plus(added)?;
        let reversed = part_of(pool, movement.reversed, self.issued.plus(movement.issued)?)?;
        let issued = self.issued.plus(movement.issued)?.minus(movement.reversed)?;
        let redeemed = self.redeemed.plus(movement.redeemed()?)?;
        let expired = self.expired.plus(movement.expired)?;
        let cl0 = pool.minus(reversed)?;
        let expected = expected_redemptions(urr, issued, redeemed, expired)?;
        let recognised = recognised(cl0, redeemed, expected)?;
        let state = Self { cl0, issued, redeemed, expired, expected, recognised, urr: Some(urr) };

        let parts = self.released(movement, &state)?;
        let row = RollForward {
            opening: self.liability()?,
            added,
            granted: movement.granted,
            own_line_revenue: parts.own_line,
            to_payable: Money::sum(parts.other_lines.values().map(|line| line.owed))?,
            agent_revenue: Money::sum(parts.other_lines.values().map(|line| line.agent_revenue))?,
            expired: parts.expired,
            re_estimate: parts.re_estimate,
            reversed,
            closing: state.liability()?,
            current: share_of(state.liability()?, current_share)?,
        };
        row.check()?;
        Ok(Closing { state, row, other_lines: parts.other_lines })
    }

    /// A state that was stored is what [`Self::close`] had answered.
    fn check(&self) -> Result<(), LiabilityError> {
        let computed = recognised(self.cl0, self.redeemed, self.expected)?;
        if computed == self.recognised {
            Ok(())
        } else {
            Err(LiabilityError::State { found: self.recognised, computed })
        }
    }

    /// The period's release by cause.
    fn released(&self, movement: &Movement, next: &Self) -> Result<Parts, LiabilityError> {
        let expiry = next.expired != self.expired;
        let ends = expiry && next.outstanding()?.is_zero();
        let rate_before_expiry = if ends { self.urr.or(next.urr) } else { next.urr }.unwrap_or(Rate::ONE);
        let expected_before_expiry =
            expected_redemptions(rate_before_expiry, next.issued, next.redeemed, next.expired.min(self.expired))?;

        let by_redemption = |points| match expected_before_expiry.is_zero() {
            true => Ok(0),
            false => exact(next.cl0, points, expected_before_expiry),
        };
        let mut causes = vec![by_redemption(movement.redeemed_own)?];
        for line in movement.redeemed_other.values() {
            causes.push(by_redemption(line.points)?);
        }
        let before = exact(self.cl0, self.redeemed, self.expected)?;
        let anew = exact(next.cl0, self.redeemed, expected_before_expiry)?;
        let re_estimate = anew.checked_sub(before).ok_or(OutOfRange)?;
        let by_expiry = exact(next.cl0, next.redeemed, next.expected)?
            .checked_sub(exact(next.cl0, next.redeemed, expected_before_expiry)?)
            .ok_or(OutOfRange)?;
        causes.extend(match ends {
            true => [by_expiry.checked_add(re_estimate).ok_or(OutOfRange)?, 0],
            false => [by_expiry, re_estimate],
        });

        let release = next.recognised.minus(self.recognised)?;
        let mut parts = signed_largest_remainder(release, &causes)?.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        let own_line = part();
        let mut other_lines = BTreeMap::new();
        for (line, redeemed) in &movement.redeemed_other {
            let released = part();
            let owed = redeemed.amount;
            let agent_revenue = agent_revenue(released, owed)?;
            other_lines.insert(line.clone(), OtherLineRelease { released, owed, agent_revenue });
        }
        Ok(Parts { own_line, other_lines, expired: part(), re_estimate: part() })
    }
}

struct Parts {
    own_line: Money,
    other_lines: BTreeMap<LineId, OtherLineRelease>,
    expired: Money,
    re_estimate: Money,
}

/// `amount x points / all`, rounded half up; nothing of nothing.
fn part_of(amount: Money, points: Points, all: Points) -> Result<Money, LiabilityError> {
    if points.is_zero() {
        return Ok(Money::ZERO);
    }
    if points > all {
        return Err(LiabilityError::TakenBack { issued: all, reversed: points });
    }
    let exact = i128::from(amount.minor()) * i128::from(points.get());
    Ok(Money::from_minor_wide(divide_half_up(exact, i128::from(all.get()))?)?)
}

fn share_of(amount: Money, share: Rate) -> Result<Money, OutOfRange> {
    let exact = i128::from(amount.minor()).checked_mul(share.min(Rate::ONE).scaled()).ok_or(OutOfRange)?;
    Money::from_minor_wide(divide_half_up(exact, Rate::SCALE)?)
}

/// Fine units of a minor unit. For up to 3 x 10^10 points two different fractions
/// are further apart than one of them.
const FINE: i128 = 10_i128.pow(21);

/// `cl0 x points / expected` in fine units, rounded down. All of CL0 when no
/// redemption is expected, as in [`recognised`].
fn exact(cl0: Money, points: Points, expected: Points) -> Result<i128, OutOfRange> {
    if expected.is_zero() {
        return i128::from(cl0.minor()).checked_mul(FINE).ok_or(OutOfRange);
    }
    let expected = i128::from(expected.get());
    let product = i128::from(cl0.minor()) * i128::from(points.get());
    let (whole, rest) = (product.div_euclid(expected), product.rem_euclid(expected));
    let fine = rest.checked_mul(FINE).ok_or(OutOfRange)? / expected;
    whole.checked_mul(FINE).and_then(|whole| whole.checked_add(fine)).ok_or(OutOfRange)
}

/// The largest remainder for exact parts of either sign: each is rounded down,
/// and the units that the total has more go to the largest remainders, the
/// first of equal ones. A part that is whole stays as it is.
///
/// The total is the difference of two rounded amounts, so it is less than one
/// unit away from the exact sum, and the units left over are at most as many as
/// there are parts with a remainder.
fn signed_largest_remainder(total: Money, exact: &[i128]) -> Result<Vec<Money>, LiabilityError> {
    let mut parts: Vec<i128> = exact.iter().map(|part| part.div_euclid(FINE)).collect();
    let rounded = parts.iter().try_fold(0_i128, |sum, part| sum.checked_add(*part)).ok_or(OutOfRange)?;
    let left = i128::from(total.minor()) - rounded;
    let mut remainders: Vec<_> =
        exact.iter().enumerate().map(|(index, part)| (std::cmp::Reverse(part.rem_euclid(FINE)), index)).collect();
    remainders.sort_unstable();
    let untied = || LiabilityError::Untied { found: total, computed: Money::from_minor_wide(rounded).unwrap_or(total) };
    let left = usize::try_from(left).ok().filter(|left| *left <= parts.len()).ok_or_else(untied)?;
    for &(_, index) in remainders.iter().take(left) {
        parts[index] += 1;
    }
    Ok(parts.into_iter().map(Money::from_minor_wide).collect::<Result<_, _>>()?)
}
