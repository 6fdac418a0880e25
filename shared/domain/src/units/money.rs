//! Money, points and rates. All are integers; overflow is an error, never a wrap.

use crate::units::limits::{POINTS_MAX, RATE_MAX, RATE_SCALE};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A result that does not fit its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the result is out of range")]
pub struct OutOfRange;

/// Why a number was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    #[error("must be a decimal number such as 12.50, without sign, exponent or separators")]
    NotADecimal,
    #[error("must not have more than {0} decimals")]
    TooManyDecimals(u32),
    #[error("must be a whole number such as 120, without sign, decimals or separators")]
    NotAnInteger,
    #[error("must be more than zero")]
    Zero,
    #[error("is larger than the limit of {0}")]
    TooLarge(i64),
}

/// An amount in minor units of the programme's currency (fen for CNY). Signed.
/// Its currency reads and shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(i64);

/// A number of points. Signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Points(i64);

/// What all amounts have, whatever integer they are of.
macro_rules! checked {
    ($name:ident) => {
        impl $name {
            pub const ZERO: Self = Self(0);

            pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
                self.0.checked_add(other.0).map(Self).ok_or(OutOfRange)
            }

            pub fn minus(self, other: Self) -> Result<Self, OutOfRange> {
                self.0.checked_sub(other.0).map(Self).ok_or(OutOfRange)
            }

            pub fn negated(self) -> Result<Self, OutOfRange> {
                self.0.checked_neg().map(Self).ok_or(OutOfRange)
            }

            pub fn add(&mut self, other: Self) -> Result<(), OutOfRange> {
                *self = self.plus(other)?;
                Ok(())
            }

            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }

            pub const fn is_positive(self) -> bool {
                self.0 > 0
            }

            pub const fn is_negative(self) -> bool {
                self.0 < 0
            }

            pub fn sum(items: impl IntoIterator<Item = Self>) -> Result<Self, OutOfRange> {
                items.into_iter().try_fold(Self::ZERO, Self::plus)
            }
        }
    };
}

pub(super) use checked;

checked!(Money);
checked!(Points);

impl Money {
    pub const fn from_minor(minor: i64) -> Self {
        Self(minor)
    }

    pub const fn minor(self) -> i64 {
        self.0
    }

    pub fn from_minor_wide(minor: i128) -> Result<Self, OutOfRange> {
        i64::try_from(minor).map(Self).map_err(|_| OutOfRange)
    }

    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }
}

impl Points {
    pub const fn new(points: i64) -> Self {
        Self(points)
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    /// A positive number of points as a caller writes it.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NumberError::NotAnInteger);
        }
        let too_large = NumberError::TooLarge(POINTS_MAX);
        match text.parse::<i64>().map_err(|_| too_large)? {
            0 => Err(NumberError::Zero),
            points if points > POINTS_MAX => Err(too_large),
            points => Ok(Self(points)),
        }
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

/// A non-negative rate or share with at most eight decimals, kept exactly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rate(i64);

impl Rate {
    pub const SCALE: i128 = 10_i128.pow(RATE_SCALE);
    pub const ZERO: Self = Self(0);
    pub const ONE: Self = Self(10_i64.pow(RATE_SCALE));
    pub const QUARTER: Self = Self(Self::ONE.0 / 4);
    pub const FIVE_PERCENT: Self = Self(Self::ONE.0 / 20);

    /// Of so many hundred-millionths; none is negative.
    pub fn from_scaled(scaled: i128) -> Result<Self, OutOfRange> {
        i64::try_from(scaled).ok().filter(|scaled| *scaled >= 0).map(Self).ok_or(OutOfRange)
    }

    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let digits = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        if text.starts_with('.') || text.ends_with('.') || !text.bytes().all(digits) {
            return Err(NumberError::NotADecimal);
        }
        let mut decimal = Decimal::from_str_exact(text).map_err(|_| NumberError::NotADecimal)?;
        if decimal > Decimal::from(RATE_MAX) {
            return Err(NumberError::TooLarge(RATE_MAX));
        }
        decimal.normalize_assign();
        if decimal.scale() > RATE_SCALE {
            return Err(NumberError::TooManyDecimals(RATE_SCALE));
        }
        decimal.rescale(RATE_SCALE);
        i64::try_from(decimal.mantissa()).map(Self).map_err(|_| NumberError::TooLarge(RATE_MAX))
    }

    /// The rate times 10^8.
    pub const fn scaled(self) -> i128 {
        self.0 as i128
    }

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub fn decimal(self) -> Decimal {
        Decimal::new(self.0, RATE_SCALE).normalize()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.decimal(), f)
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Rates are written as strings: a number would pass through a float.
impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|error| serde::de::Error::custom(format!("{text:?} {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_positive_whole_numbers() {
        assert_eq!(Points::parse("120"), Ok(Points::new(120)));
        assert_eq!(Points::parse("100000000000"), Ok(Points::new(POINTS_MAX)));
        for text in ["", "1.0", "-5", "1e2", "abc", "+3"] {
            assert_eq!(Points::parse(text), Err(NumberError::NotAnInteger), "{text}");
        }
        assert_eq!(Points::parse("0"), Err(NumberError::Zero));
        assert_eq!(Points::parse("100000000001"), Err(NumberError::TooLarge(POINTS_MAX)));
        assert_eq!(Points::parse("99999999999999999999"), Err(NumberError::TooLarge(POINTS_MAX)));
    }

    #[test]
    fn rates_keep_eight_decimals_exactly() {
        assert_eq!(Rate::parse("0.0090").unwrap().to_string(), "0.009");
        assert_eq!(format!("{:?}", Rate::parse("0.0090").unwrap()), "0.009");
        assert_eq!(Rate::parse("1").unwrap(), Rate::ONE);
        assert_eq!(Rate::parse("0.000000001"), Err(NumberError::TooManyDecimals(8)));
        assert_eq!(Rate::parse("10001"), Err(NumberError::TooLarge(RATE_MAX)));
        for text in ["", "-1", "1e2", ".5", "1.", "1_0"] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }
}
