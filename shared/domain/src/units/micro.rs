//! Millionths of a point or of a minor unit: what is estimated or shared per sale is kept
//! so fine, and rounded once where it is said.

use crate::units::allocate::{divide_half_up, proportion};
use crate::units::money::{Money, OutOfRange, Points, Rate, checked};
use serde::{Deserialize, Serialize};

/// Signed. Products of two of them still fit the integers they are calculated with.
/// Written as text: it is wider than the numbers of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micro(#[serde(with = "text")] i128);

/// A wide integer as text.
pub mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    pub fn serialize<S: Serializer>(number: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format!("{text:?} is no whole number")))
    }
}

checked!(Micro);

impl Micro {
    pub const SCALE: i128 = 1_000_000;

    pub const fn new(millionths: i128) -> Self {
        Self(millionths)
    }

    pub const fn get(self) -> i128 {
        self.0
    }

    pub fn of_points(points: Points) -> Self {
        Self(i128::from(points.get()) * Self::SCALE)
    }

    pub fn of_money(money: Money) -> Self {
        Self(i128::from(money.minor()) * Self::SCALE)
    }

    /// `self x numerator / denominator`, half up. The denominator is positive.
    pub fn share(self, numerator: i128, denominator: i128) -> Result<Self, OutOfRange> {
        Ok(Self(divide_half_up(times(self.0, numerator)?, denominator)?))
    }

    /// `self x some / all`, half up; nothing of a whole that is not positive.
    pub fn proportion(self, some: impl Into<i128>, all: impl Into<i128>) -> Result<Self, OutOfRange> {
        proportion(self.0, some, all).map(Self)
    }

    /// The part of it that a rate says, half up.
    pub fn part(self, rate: Rate) -> Result<Self, OutOfRange> {
        self.share(rate.scaled(), Rate::SCALE)
    }

    /// To the minor unit, half up.
    pub fn money(self) -> Result<Money, OutOfRange> {
        Money::from_minor_wide(divide_half_up(self.0, Self::SCALE)?)
    }

    /// To the point, half up.
    pub fn points(self) -> Result<Points, OutOfRange> {
        i64::try_from(divide_half_up(self.0, Self::SCALE)?).map(Points::new).map_err(|_| OutOfRange)
    }
}

/// A product that answers an overflow.
pub fn times(one: i128, other: i128) -> Result<i128, OutOfRange> {
    one.checked_mul(other).ok_or(OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millionths_are_rounded_half_away_from_zero_once() {
        for (micro, money) in [(499_999, 0), (500_000, 1), (-500_000, -1), (-1_499_999, -1), (7_407_407_407, 7_407)] {
            assert_eq!(Micro::new(micro).money(), Ok(Money::from_minor(money)), "{micro}");
        }
        let third = Micro::of_money(Money::from_minor(1)).share(1, 3).unwrap();
        assert_eq!(third.get(), 333_333);
        assert_eq!(
            Micro::of_points(Points::new(3)).part(Rate::parse("0.5").unwrap()).unwrap().points(),
            Ok(Points::new(2))
        );
        assert_eq!(Micro::new(i128::MAX).share(2, 1), Err(OutOfRange));
    }
}
