//! Rating: what an entry makes lines owe each other, by the rulebook in force
//! when the event happened.

use crate::allocate::{exact_value, largest_remainder, round_value};
use crate::entry::{Entry, Outcome};
use crate::id::LineId;
use crate::lot::{Cohort, Slice};
use crate::money::{Money, OutOfRange, Points, Rate};
use crate::plan::cumulative;
use crate::rulebook::Rulebook;
use chrono::NaiveDate;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RatingError {
    #[error("the rulebook has no price for points of {funder} redeemed at {redeemer} on {day}")]
    NoPrice { funder: LineId, redeemer: LineId, day: NaiveDate },
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

/// Why points moved between lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    Redemption,
    /// A redemption given back: points and amounts are negative.
    Return,
    /// Points of one line paid a member's debt to another.
    Repayment,
}

impl Reason {
    pub const fn word(self) -> &'static str {
        match self {
            Reason::Redemption => "redemption",
            Reason::Return => "return",
            Reason::Repayment => "repayment",
        }
    }
}

/// One slice with what its funder owes for it. A slice of the redeeming line's
/// own points has an amount but creates no obligation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatedSlice {
    pub reason: Reason,
    pub cohort: Cohort,
    /// The line that is owed the amount.
    pub redeemer: LineId,
    /// The day whose terms apply.
    pub day: NaiveDate,
    pub points: Points,
    /// What the member got for the points.
    pub value: Money,
    /// Currency units per point.
    pub price: Rate,
    pub amount: Money,
}

impl RatedSlice {
    pub fn crosses_lines(&self) -> bool {
        self.cohort.funder != self.redeemer
    }
}

/// The rated slices of an entry; none for a sale or a refund that paid no debt.
pub fn rate(rulebook: &Rulebook, entry: &Entry) -> Result<Vec<RatedSlice>, RatingError> {
    let line = &entry.command.line;
    // Most entries are sales, for which no day is looked up.
    let occurred = || rulebook.day(entry.command.occurred());
    let mut rated = Vec::new();
    let repaid = match &entry.outcome {
        Outcome::Redeemed { value, slices } => {
            rated = redemption(rulebook, line, occurred(), *value, slices)?;
            None
        }
        Outcome::Returned { original, before, points, repaid, .. } => {
            let whole = redemption(rulebook, line, rulebook.day(original.at), original.value, &original.slices)?;
            rated = returned(whole, *before, *points)?;
            Some(repaid)
        }
        Outcome::Issued { repaid, .. } | Outcome::Withdrawn { repaid, .. } => Some(repaid),
    };
    for repayment in repaid.into_iter().flatten() {
        let Slice { cohort, points } = repayment.paid.clone();
        let day = occurred();
        let price = price(rulebook, &cohort.funder, &repayment.creditor, day)?;
        rated.push(RatedSlice {
            reason: Reason::Repayment,
            redeemer: repayment.creditor.clone(),
            day,
            points,
            value: Money::ZERO,
            price,
            amount: round_value(exact_value(points, price)?)?,
            cohort,
        });
    }
    Ok(rated)
}

fn price(rulebook: &Rulebook, funder: &LineId, redeemer: &LineId, day: NaiveDate) -> Result<Rate, RatingError> {
    let missing = || RatingError::NoPrice { funder: funder.clone(), redeemer: redeemer.clone(), day };
    rulebook.price(funder, redeemer, day).ok_or_else(missing)
}

fn redemption(
    rulebook: &Rulebook,
    redeemer: &LineId,
    day: NaiveDate,
    value: Money,
    slices: &[Slice],
) -> Result<Vec<RatedSlice>, RatingError> {
    let mut priced = Vec::with_capacity(slices.len());
    for slice in slices {
        priced.push((slice.clone(), price(rulebook, &slice.cohort.funder, redeemer, day)?));
    }
    let amounts = settlement_amounts(&priced)?;
    let values = values(value, slices)?;
    let rated = priced.into_iter().zip(amounts).zip(values).map(|(((slice, price), amount), value)| RatedSlice {
        reason: Reason::Redemption,
        cohort: slice.cohort,
        redeemer: redeemer.clone(),
        day,
        points: slice.points,
        value,
        price,
        amount,
    });
    Ok(rated.collect())
}

/// The settlement amounts of one redemption: the exact sum of points x price is
/// rounded half up once, then shared out by largest remainder in proportion to
/// points x price; ties go by funder, issue period and expiry.
pub fn settlement_amounts(priced: &[(Slice, Rate)]) -> Result<Vec<Money>, OutOfRange> {
    let mut weights = Vec::with_capacity(priced.len());
    let mut total = 0_i128;
    for (slice, price) in priced {
        let exact = exact_value(slice.points, *price)?;
        total = total.checked_add(exact).ok_or(OutOfRange)?;
        weights.push((slice.clone(), exact));
    }
    shared_out(round_value(total)?, &weights)
}

/// What the member got for each slice: the value in proportion to the points.
fn values(value: Money, slices: &[Slice]) -> Result<Vec<Money>, OutOfRange> {
    let weights: Vec<(Slice, i128)> =
        slices.iter().map(|slice| (slice.clone(), i128::from(slice.points.get()))).collect();
    shared_out(value, &weights)
}

/// What goes back of a redemption's value with `points` of it, `before` of them
/// gone already: the sum of what goes back of each slice.
pub fn value_returned(value: Money, slices: &[Slice], before: Points, points: Points) -> Result<Money, OutOfRange> {
    let mut skip = before;
    let mut left = points;
    let mut sum = Money::ZERO;
    for (slice, value) in slices.iter().zip(values(value, slices)?).rev() {
        let skipped = skip.min(slice.points);
        skip = skip.minus(skipped)?;
        let taken = slice.points.minus(skipped)?.min(left);
        left = left.minus(taken)?;
        let until = cumulative(value, skipped.plus(taken)?, slice.points)?;
        sum.add(until.minus(cumulative(value, skipped, slice.points)?)?)?;
    }
    Ok(sum)
}

fn shared_out(total: Money, weights: &[(Slice, i128)]) -> Result<Vec<Money>, OutOfRange> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|one, other| weights[*one].0.cohort.by_funder().cmp(&weights[*other].0.cohort.by_funder()));
    let ordered: Vec<i128> = order.iter().map(|index| weights[*index].1).collect();
    let mut parts = vec![Money::ZERO; weights.len()];
    for (index, part) in order.into_iter().zip(largest_remainder(total.minor(), &ordered)?) {
        parts[index] = Money::from_minor(part);
    }
    Ok(parts)
}

/// The part of a rated redemption that a return takes back, last slice first.
/// Successive returns sum to the redemption, to the minor unit.
fn returned(whole: Vec<RatedSlice>, before: Points, points: Points) -> Result<Vec<RatedSlice>, RatingError> {
    let mut skip = before;
    let mut left = points;
    let mut parts = Vec::new();
    for slice in whole.into_iter().rev() {
        let skipped = skip.min(slice.points);
        skip = skip.minus(skipped)?;
        let taken = slice.points.minus(skipped)?.min(left);
        if !taken.is_positive() {
            continue;
        }
        left = left.minus(taken)?;
        let until = skipped.plus(taken)?;
        let part = |amount: Money| -> Result<Money, OutOfRange> {
            cumulative(amount, until, slice.points)?.minus(cumulative(amount, skipped, slice.points)?)?.negated()
        };
        parts.push(RatedSlice {
            reason: Reason::Return,
            points: taken.negated()?,
            value: part(slice.value)?,
            amount: part(slice.amount)?,
            ..slice
        });
    }
    Ok(parts)
}
