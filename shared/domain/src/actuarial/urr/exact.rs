//! Decimal arithmetic that answers an overflow instead of panicking on it.

use crate::units::money::{OutOfRange, Points};
use rust_decimal::{Decimal, RoundingStrategy};

pub(super) trait Checked: Sized {
    fn plus(self, other: Self) -> Result<Self, OutOfRange>;
    fn minus(self, other: Self) -> Result<Self, OutOfRange>;
    fn times(self, other: Self) -> Result<Self, OutOfRange>;
    /// The divisor is not zero; where it may be, [`ratio`] is meant.
    fn over(self, other: Self) -> Result<Self, OutOfRange>;
}

impl Checked for Decimal {
    fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        self.checked_add(other).ok_or(OutOfRange)
    }

    fn minus(self, other: Self) -> Result<Self, OutOfRange> {
        self.checked_sub(other).ok_or(OutOfRange)
    }

    fn times(self, other: Self) -> Result<Self, OutOfRange> {
        self.checked_mul(other).ok_or(OutOfRange)
    }

    fn over(self, other: Self) -> Result<Self, OutOfRange> {
        self.checked_div(other).ok_or(OutOfRange)
    }
}

/// `None` when the denominator is zero: there is nothing to compare with.
pub(super) fn ratio(numerator: Decimal, denominator: Decimal) -> Result<Option<Decimal>, OutOfRange> {
    if denominator.is_zero() { Ok(None) } else { numerator.over(denominator).map(Some) }
}

pub(super) fn sum(items: impl IntoIterator<Item = Decimal>) -> Result<Decimal, OutOfRange> {
    items.into_iter().try_fold(Decimal::ZERO, Checked::plus)
}

pub(super) fn decimal(points: Points) -> Decimal {
    Decimal::from(points.get())
}

/// To the nearest whole point, halves away from zero.
pub(super) fn whole_points(exact: Decimal) -> Result<Points, OutOfRange> {
    let whole = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    i64::try_from(whole).map(Points::new).map_err(|_| OutOfRange)
}

/// The square root of a number that is not negative, cut off after four
/// decimals. `Decimal`'s own root iterates with operators that may panic.
pub(super) fn root(square: Decimal) -> Result<Decimal, OutOfRange> {
    const DECIMALS: u32 = 4;
    let hundred_millions = square.fract().times(Decimal::from(10_u64.pow(2 * DECIMALS)))?.trunc();
    let fraction = u128::try_from(hundred_millions).map_err(|_| OutOfRange)?;
    let whole = u128::try_from(square.trunc()).map_err(|_| OutOfRange)?;
    let scaled = whole.checked_mul(10_u128.pow(2 * DECIMALS)).and_then(|whole| whole.checked_add(fraction));
    let root = i128::try_from(scaled.ok_or(OutOfRange)?.isqrt()).map_err(|_| OutOfRange)?;
    Decimal::try_from_i128_with_scale(root, DECIMALS).map_err(|_| OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_cut_off_after_four_decimals_whatever_the_size() {
        for (square, expected) in [
            ("0", "0"),
            ("2", "1.4142"),
            ("0.00000001", "0.0001"),
            ("0.000000009999", "0"),
            ("79228162514264337593543950335", "281474976710655.9999"),
        ] {
            let root = root(square.parse().unwrap());
            assert_eq!(root.map(|root| root.normalize().to_string()), Ok(expected.to_owned()), "{square}");
        }
        assert_eq!(root(Decimal::NEGATIVE_ONE), Err(OutOfRange));
    }
}
