//! Slices of one entry: values shared over them, and parts of them given up, the last
//! slice first.

use crate::claims::lot::Slice;
use crate::units::allocate::largest_remainder;
use crate::units::money::{Money, OutOfRange, Points};

/// What the next part of a slice is, counted from the end of all slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// The place of the slice.
    pub(crate) at: usize,
    /// Gone of it before.
    pub(crate) before: Points,
    /// Gone of it afterwards.
    pub(crate) until: Points,
}

impl Part {
    pub(crate) fn points(&self) -> Result<Points, OutOfRange> {
        self.until.minus(self.before)
    }

    /// Of an amount that belongs to `total` points: successive parts sum to the whole.
    pub(crate) fn of(&self, amount: Money, total: Points) -> Result<Money, OutOfRange> {
        let first = |points: Points| amount.proportion(points.get(), total.get());
        first(self.until)?.minus(first(self.before)?)
    }
}

/// The next `points` of slices of so many points each, that are given up last first;
/// `before` of them are gone.
pub(crate) fn parts_from_the_end(
    slices: impl DoubleEndedIterator<Item = Points> + ExactSizeIterator,
    before: Points,
    points: Points,
) -> Result<Vec<Part>, OutOfRange> {
    let (mut skip, mut left) = (before, points);
    let mut parts = Vec::new();
    for (at, slice) in slices.enumerate().rev() {
        let before = skip.min(slice);
        skip = skip.minus(before)?;
        let now = slice.minus(before)?.min(left);
        left = left.minus(now)?;
        if now.is_positive() {
            parts.push(Part { at, before, until: before.plus(now)? });
        }
    }
    Ok(parts)
}

/// The next `points` of slices that are given up last first, `before` of them gone.
pub fn from_the_end(slices: &[Slice], before: Points, points: Points) -> Result<Vec<Slice>, OutOfRange> {
    let parts = parts_from_the_end(slices.iter().map(|slice| slice.points), before, points)?;
    parts.into_iter().map(|part| Ok(Slice { cohort: slices[part.at].cohort.clone(), points: part.points()? })).collect()
}

/// What the member got for each slice: the value in proportion to the points.
pub fn values(value: Money, slices: &[Slice]) -> Result<Vec<Money>, OutOfRange> {
    let weights: Vec<i128> = slices.iter().map(|slice| i128::from(slice.points.get())).collect();
    shared_out(value, slices, &weights)
}

/// What goes back of a redemption's value with `points` of it, `before` of them
/// gone already: the sum of what goes back of each slice.
pub fn value_returned(value: Money, slices: &[Slice], before: Points, points: Points) -> Result<Money, OutOfRange> {
    let values = values(value, slices)?;
    let parts = parts_from_the_end(slices.iter().map(|slice| slice.points), before, points)?;
    let mut sum = Money::ZERO;
    for part in parts {
        sum.add(part.of(values[part.at], slices[part.at].points)?)?;
    }
    Ok(sum)
}

/// Shares an amount over slices by largest remainder in proportion to weights; ties
/// go by scheme, issue period and expiry.
pub(crate) fn shared_out(total: Money, slices: &[Slice], weights: &[i128]) -> Result<Vec<Money>, OutOfRange> {
    if let [_] = slices {
        return Ok(vec![total]);
    }
    let mut order: Vec<usize> = (0..slices.len()).collect();
    order.sort_by(|one, other| slices[*one].cohort.by_scheme().cmp(&slices[*other].cohort.by_scheme()));
    let ordered: Vec<i128> = order.iter().map(|at| weights[*at]).collect();
    let mut parts = vec![Money::ZERO; slices.len()];
    for (at, part) in order.into_iter().zip(largest_remainder(total.minor(), &ordered)?) {
        parts[at] = Money::from_minor(part);
    }
    Ok(parts)
}
