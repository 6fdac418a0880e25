//! The one place that rounds and the one place that allocates.

use crate::units::money::{Money, OutOfRange, Points, Rate};

/// `numerator / denominator` to the nearest integer, halves away from zero
/// (commercial rounding). The denominator must be positive.
pub fn divide_half_up(numerator: i128, denominator: i128) -> Result<i128, OutOfRange> {
    if denominator <= 0 {
        return Err(OutOfRange);
    }
    let doubled = numerator.unsigned_abs().checked_mul(2).ok_or(OutOfRange)?;
    let magnitude = doubled.checked_add(denominator.unsigned_abs()).ok_or(OutOfRange)?
        / denominator.unsigned_abs().checked_mul(2).ok_or(OutOfRange)?;
    let magnitude = i128::try_from(magnitude).map_err(|_| OutOfRange)?;
    Ok(if numerator < 0 { -magnitude } else { magnitude })
}

/// `amount x some / all`, half up; nothing of a whole that is not positive.
pub fn proportion(amount: i128, some: impl Into<i128>, all: impl Into<i128>) -> Result<i128, OutOfRange> {
    let (some, all) = (some.into(), all.into());
    if all <= 0 {
        return Ok(0);
    }
    divide_half_up(amount.checked_mul(some).ok_or(OutOfRange)?, all)
}

/// The same of a whole of either sign: of what is negative, a negative part is a positive proportion.
pub fn signed_proportion(amount: i128, some: i64, all: i64) -> Result<i128, OutOfRange> {
    let (some, all) = (i128::from(some), i128::from(all));
    proportion(amount, some * all.signum(), all.abs())
}

impl Money {
    /// `self x some / all`, half up; nothing of a whole that is not positive.
    pub fn proportion(self, some: impl Into<i128>, all: impl Into<i128>) -> Result<Self, OutOfRange> {
        Self::from_minor_wide(proportion(i128::from(self.minor()), some, all)?)
    }

    /// The same of an amount of either sign.
    pub fn proportion_of(self, some: Self, all: Self) -> Result<Self, OutOfRange> {
        Self::from_minor_wide(signed_proportion(i128::from(self.minor()), some.minor(), all.minor())?)
    }
}

impl Points {
    /// `self x some / all`, half up; nothing of a whole that is not positive.
    pub fn proportion(self, some: Self, all: Self) -> Result<Self, OutOfRange> {
        let points = proportion(i128::from(self.get()), some.get(), all.get())?;
        i64::try_from(points).map(Self::new).map_err(|_| OutOfRange)
    }
}

/// `points x rate`, before rounding: in currency units, times [`Rate::SCALE`].
pub fn exact_value(points: Points, rate: Rate) -> Result<i128, OutOfRange> {
    i128::from(points.get()).checked_mul(rate.scaled()).ok_or(OutOfRange)
}

/// Shares `total` out in proportion to the weights by largest remainder
/// (Hamilton's method): every part is its exact share rounded down, and what is
/// left goes one by one to the largest remainders. Equal remainders are served
/// in the order of the slice, so the caller's order is the tie rule.
///
/// The parts sum to `total`, and none differs from its exact share by a whole
/// unit. Weights are not negative. Without any weight the first part takes all.
pub fn largest_remainder(total: i64, weights: &[i128]) -> Result<Vec<i64>, OutOfRange> {
    if weights.iter().any(|&weight| weight < 0) {
        return Err(OutOfRange);
    }
    let sum = weights.iter().try_fold(0_i128, |sum, &weight| sum.checked_add(weight)).ok_or(OutOfRange)?;
    if sum == 0 {
        let mut parts = vec![0; weights.len()];
        match parts.first_mut() {
            Some(first) => *first = total,
            None if total == 0 => {}
            None => return Err(OutOfRange),
        }
        return Ok(parts);
    }
    let magnitude = i128::from(total.unsigned_abs());
    let mut parts = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    let mut given = 0_i128;
    for (index, &weight) in weights.iter().enumerate() {
        let exact = magnitude.checked_mul(weight).ok_or(OutOfRange)?;
        let part = exact / sum;
        given += part;
        parts.push(part);
        remainders.push((std::cmp::Reverse(exact % sum), index));
    }
    // Fewer units are left than there are remainders above zero.
    let left = usize::try_from(magnitude - given).map_err(|_| OutOfRange)?;
    remainders.sort_unstable();
    for &(_, index) in remainders.iter().take(left) {
        parts[index] += 1;
    }
    let sign = i128::from(total.signum());
    parts.into_iter().map(|part| i64::try_from(part * sign).map_err(|_| OutOfRange)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_round_away_from_zero() {
        for (numerator, denominator, expected) in
            [(5, 10, 1), (4, 10, 0), (15, 10, 2), (-5, 10, -1), (-4, 10, 0), (7, 1, 7)]
        {
            assert_eq!(divide_half_up(numerator, denominator), Ok(expected), "{numerator}/{denominator}");
        }
        assert_eq!(divide_half_up(1, 0), Err(OutOfRange));
    }

    #[test]
    fn a_proportion_of_nothing_is_nothing_and_only_a_signed_one_knows_a_negative_whole() {
        for (some, all, of, signed) in
            [(1, 2, 3, 3), (-1, 2, -3, -3), (1, 0, 0, 0), (1, -2, 0, -3), (-1, -2, 0, 3), (2, 3, 3, 3)]
        {
            assert_eq!(proportion(5, some, all), Ok(of), "{some}/{all}");
            assert_eq!(signed_proportion(5, some, all), Ok(signed), "{some}/{all}");
        }
        assert_eq!(proportion(i128::MAX, 2, 3), Err(OutOfRange));
        assert_eq!(Money::from_minor(-5).proportion(1, 2), Ok(Money::from_minor(-3)));
        assert_eq!(Points::new(5).proportion(Points::new(1), Points::new(2)), Ok(Points::new(3)));
    }

    #[test]
    fn without_a_weight_the_first_part_takes_all_and_without_a_part_nothing_can_be_shared() {
        assert_eq!(largest_remainder(5, &[0, 0]), Ok(vec![5, 0]));
        assert_eq!(largest_remainder(0, &[]), Ok(vec![]));
        assert_eq!(largest_remainder(5, &[]), Err(OutOfRange));
        assert_eq!(largest_remainder(5, &[1, -1, 1]), Err(OutOfRange));
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_total_and_stay_within_one_unit_of_their_share(
            total in -1_000_000_000_000_i64..1_000_000_000_000,
            weights in prop::collection::vec(0_i128..1_000_000_000_000_000, 1..12),
        ) {
            let parts = largest_remainder(total, &weights).unwrap();
            prop_assert_eq!(parts.iter().sum::<i64>(), total);
            let sum: i128 = weights.iter().sum();
            if sum > 0 {
                for (part, weight) in parts.iter().zip(&weights) {
                    let distance = (i128::from(*part) * sum - i128::from(total) * weight).abs();
                    prop_assert!(distance < sum, "{} of {} by {}/{}", part, total, weight, sum);
                }
            }
        }
    }
}
