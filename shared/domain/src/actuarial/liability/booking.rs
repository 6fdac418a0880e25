//! From exact amounts to minor units, so that columns add up and never drift.

use crate::units::id::LineId;
use crate::units::micro::Micro;
use crate::units::money::{Money, OutOfRange};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What rounding to millionths may leave of a sum that is whole.
pub(super) const NOISE: i128 = 32;

/// A column of a roll-forward over all periods: its exact amount, and what was booked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub exact: Micro,
    pub booked: Money,
}

impl Kept {
    pub fn is_nothing(&self) -> bool {
        self.exact.is_zero() && self.booked.is_zero()
    }

    /// Books the difference of rounded cumulative amounts.
    pub(super) fn rounded(&mut self, moved: Micro) -> Result<Money, OutOfRange> {
        self.exact.add(moved)?;
        let now = self.exact.money()?.minus(self.booked)?;
        self.booked.add(now)?;
        Ok(now)
    }
}

/// Shares what has to be booked over the columns that moved by largest remainder: the exact amount of the
/// period rounded down, and what is left one by one to the largest remainders, ties in their order. A column that has
/// come to whole minor units in all is booked to exactly that. What no column can take is answered.
pub(super) fn share_out(total: Money, columns: &mut [(&mut Kept, Micro)]) -> Result<(Vec<Money>, Money), OutOfRange> {
    let mut parts = vec![Money::ZERO; columns.len()];
    let mut remainders = Vec::new();
    for (at, (kept, moved)) in columns.iter_mut().enumerate() {
        kept.exact.add(*moved)?;
        let whole = Micro::of_money(kept.exact.money()?);
        if kept.exact.minus(whole)?.get().abs() <= NOISE {
            kept.exact = whole;
            parts[at] = kept.exact.money()?.minus(kept.booked)?;
        } else if !moved.is_zero() {
            parts[at] = Money::from_minor_wide(moved.get().div_euclid(Micro::SCALE))?;
            remainders.push((std::cmp::Reverse(moved.get().rem_euclid(Micro::SCALE)), at));
        }
    }
    let left = total.minus(Money::sum(parts.iter().copied())?)?.minor();
    let taken = usize::try_from(left).unwrap_or_default().min(remainders.len());
    remainders.sort_unstable();
    for (_, at) in &remainders[..taken] {
        parts[*at].add(Money::from_minor(1))?;
    }
    for ((kept, _), part) in columns.iter_mut().zip(&parts) {
        kept.booked.add(*part)?;
    }
    let rest = total.minus(Money::sum(parts.iter().copied())?)?;
    Ok((parts, rest))
}

/// What both roll-forwards have beside the columns of their own.
pub(super) struct Book<'a> {
    pub(super) incoming: &'a mut Kept,
    pub(super) own: &'a mut Kept,
    pub(super) other: &'a mut BTreeMap<LineId, Kept>,
    pub(super) undone: &'a mut Kept,
    pub(super) closing: &'a mut Money,
}

/// What a period brings to them.
pub(super) struct Brought<'a> {
    pub(super) incoming: Micro,
    /// The own line first, then the others.
    pub(super) redeemed: &'a [Micro],
    pub(super) undone: Micro,
    pub(super) closing: Micro,
}

/// What is booked of it.
pub(super) struct Booked<const N: usize> {
    pub(super) opening: Money,
    pub(super) incoming: Money,
    pub(super) own: Money,
    pub(super) other: Vec<Money>,
    /// The columns of its own.
    pub(super) named: [Money; N],
    pub(super) undone: Money,
    pub(super) closing: Money,
}

impl Book<'_> {
    /// Books a period: what no column can take was not brought in.
    pub(super) fn period<const N: usize>(
        self,
        lines: &[LineId],
        brought: &Brought<'_>,
        named: [(&mut Kept, Micro); N],
    ) -> Result<Booked<N>, OutOfRange> {
        for line in lines {
            self.other.entry(line.clone()).or_default();
        }
        let (opening, closing) = (*self.closing, brought.closing.money()?);
        let incoming = self.incoming.rounded(brought.incoming)?;
        let undone = self.undone.rounded(brought.undone)?;
        let [own, others @ ..] = brought.redeemed else { return Err(OutOfRange) };
        let mut columns = vec![(self.own, *own)];
        columns.extend(self.other.values_mut().zip(others.iter().copied()));
        columns.extend(named);
        let (parts, rest) = share_out(opening.plus(incoming)?.minus(closing)?, &mut columns)?;
        self.incoming.booked = self.incoming.booked.minus(rest)?;
        self.other.retain(|_, kept| !kept.is_nothing());
        *self.closing = closing;
        let mut parts = parts.into_iter();
        let own = parts.next().unwrap_or_default();
        let other: Vec<Money> = parts.by_ref().take(lines.len()).collect();
        let named = std::array::from_fn(|_| parts.next().unwrap_or_default());
        Ok(Booked { opening, incoming: incoming.minus(rest)?, own, other, named, undone, closing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(total: i64, columns: &[(i128, i64, i128)]) -> (Vec<i64>, i64) {
        let mut kept: Vec<Kept> = columns
            .iter()
            .map(|(exact, booked, _)| Kept { exact: Micro::new(*exact), booked: Money::from_minor(*booked) })
            .collect();
        let moved = columns.iter().map(|(_, _, moved)| Micro::new(*moved));
        let mut columns: Vec<(&mut Kept, Micro)> = kept.iter_mut().zip(moved).collect();
        let (parts, rest) = share_out(Money::from_minor(total), &mut columns).unwrap();
        (parts.into_iter().map(Money::minor).collect(), rest.minor())
    }

    #[test]
    fn columns_share_what_is_booked_by_largest_remainder() {
        assert_eq!(shared(10, &[(0, 0, 3_300_000), (0, 0, 3_300_000), (0, 0, 3_400_000)]), (vec![3, 3, 4], 0));
        assert_eq!(shared(-2, &[(0, 0, -1_200_000), (0, 0, -800_000)]), (vec![-1, -1], 0));
    }

    #[test]
    fn a_column_that_is_back_at_whole_minor_units_is_booked_to_exactly_that() {
        assert_eq!(shared(-4, &[(3_600_000, 4, -3_600_000), (400_000, 0, -400_000)]), (vec![-4, 0], 0));
        assert_eq!(shared(-3, &[(3_600_000, 4, -1_600_000), (400_000, 0, -700_000)]), (vec![-2, -1], 0));
    }

    #[test]
    fn what_did_not_move_takes_nothing_and_what_nobody_can_take_is_told() {
        assert_eq!(shared(1, &[(400_000, 0, 0), (0, 0, 0)]), (vec![0, 0], 1));
        assert_eq!(shared(7, &[(0, 0, 5_000_000)]), (vec![5], 2));
    }
}
