//! Currencies with their minor units. How many decimals an amount has is said here only.

use crate::units::allocate::divide_half_up;
use crate::units::limits::AMOUNT_MAX_MINOR;
use crate::units::money::{Money, OutOfRange, Rate};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Most decimals of a currency: of the Kuwaiti dinar, for one.
const DECIMALS_MAX: u8 = 3;

/// A currency of ISO 4217 that people pay with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency {
    code: &'static str,
    decimals: u8,
    minor_per_unit: i64,
}

/// Why a currency was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CurrencyError {
    #[error("must be an ISO 4217 code such as CNY")]
    Unknown,
    #[error("must be an ISO 4217 code: that of the renminbi is CNY")]
    Renminbi,
    #[error("must be the code of a currency that is paid with, such as CNY")]
    NotPaidWith,
    #[error("must be a currency with at most {DECIMALS_MAX} decimals")]
    TooFine,
}

/// Why an amount was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("must be a {} such as {}, without sign, {} or separators", .0.form().0, .0.example(), .0.form().1)]
    NotADecimal(Currency),
    #[error("must have at most {} decimals: amounts in {} have {}", .0.decimals, .0, .0.how_many())]
    TooManyDecimals(Currency),
    #[error("must be more than zero")]
    Zero,
    #[error("is larger than the limit of {0}")]
    TooLarge(Shown),
}

/// An amount as it is written: with all decimals of its currency, without separators and
/// without the currency. `-12.50`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    minor: i128,
    currency: Currency,
}

impl Currency {
    /// ISO 4217 for no currency at all; [`parse`](Self::parse) accepts it from nobody.
    pub(crate) const NONE: Self = Self { code: "XXX", decimals: 0, minor_per_unit: 1 };

    pub fn parse(code: &str) -> Result<Self, CurrencyError> {
        let Some(currency) = iso_currency::Currency::from_code(code) else {
            return Err(if code == "RMB" { CurrencyError::Renminbi } else { CurrencyError::Unknown });
        };
        let decimals = currency.exponent().filter(|_| !currency.is_special() && !currency.is_fund());
        let decimals = u8::try_from(decimals.ok_or(CurrencyError::NotPaidWith)?);
        let decimals = decimals.ok().filter(|decimals| *decimals <= DECIMALS_MAX).ok_or(CurrencyError::TooFine)?;
        Ok(Self { code: currency.code(), decimals, minor_per_unit: 10_i64.pow(u32::from(decimals)) })
    }

    pub const fn code(self) -> &'static str {
        self.code
    }

    pub const fn decimals(self) -> u8 {
        self.decimals
    }

    /// 100 for CNY, whose minor unit is the fen.
    pub const fn minor_per_unit(self) -> i64 {
        self.minor_per_unit
    }

    /// A positive amount as a caller writes it: `12`, `12.5` or `12.50`.
    pub fn parse_money(self, text: &str) -> Result<Money, AmountError> {
        let (whole, fraction) = match text.split_once('.') {
            None => (text, ""),
            Some((_, "")) => return Err(AmountError::NotADecimal(self)),
            Some(parts) => parts,
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(AmountError::NotADecimal(self));
        }
        let decimals = usize::from(self.decimals);
        if fraction.len() > decimals {
            return Err(AmountError::TooManyDecimals(self));
        }
        let too_large = AmountError::TooLarge(self.show(Money::from_minor(AMOUNT_MAX_MINOR)));
        let minor: i64 = format!("{whole}{fraction:0<decimals$}").parse().map_err(|_| too_large)?;
        match minor {
            0 => Err(AmountError::Zero),
            AMOUNT_MAX_MINOR.. if minor > AMOUNT_MAX_MINOR => Err(too_large),
            _ => Ok(Money::from_minor(minor)),
        }
    }

    pub fn show(self, amount: Money) -> Shown {
        self.show_minor(i128::from(amount.minor()))
    }

    /// A sum of minor units that no amount holds.
    pub const fn show_minor(self, minor: i128) -> Shown {
        Shown { minor, currency: self }
    }

    /// An amount in currency units times [`Rate::SCALE`], as
    /// [`exact_value`](crate::units::allocate::exact_value) is.
    pub fn exact(self, amount: Money) -> Result<i128, OutOfRange> {
        i128::from(amount.minor()).checked_mul(self.exact_of_minor()).ok_or(OutOfRange)
    }

    /// A sum of [`exact_value`](crate::units::allocate::exact_value)s as money, rounded half up.
    pub fn round_value(self, exact: i128) -> Result<Money, OutOfRange> {
        Money::from_minor_wide(divide_half_up(exact, self.exact_of_minor())?)
    }

    /// Whole, as a rate has more decimals than any currency.
    const fn exact_of_minor(self) -> i128 {
        Rate::SCALE / self.minor_per_unit as i128
    }

    /// What an amount is, and what it is without.
    fn form(self) -> (&'static str, &'static str) {
        if self.decimals == 0 { ("whole number", "decimals") } else { ("decimal number", "exponent") }
    }

    fn example(self) -> Shown {
        self.show_minor(1250)
    }

    fn how_many(self) -> String {
        if self.decimals == 0 { "none".to_owned() } else { self.decimals.to_string() }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let (minor, per_unit) = (self.minor.unsigned_abs(), u128::from(self.currency.minor_per_unit.unsigned_abs()));
        let whole = minor / per_unit;
        match usize::from(self.currency.decimals) {
            0 => f.pad(&format!("{sign}{whole}")),
            decimals => f.pad(&format!("{sign}{whole}.{:0decimals$}", minor % per_unit)),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::parse(&code).map_err(|error| serde::de::Error::custom(format!("{code:?} {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::allocate::exact_value;
    use crate::units::money::Points;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    #[test]
    fn a_currency_has_the_decimals_of_iso_4217() {
        for (code, decimals, minor_per_unit) in [("JPY", 0, 1), ("CNY", 2, 100), ("KWD", 3, 1000)] {
            let currency = currency(code);
            assert_eq!((currency.decimals(), currency.minor_per_unit()), (decimals, minor_per_unit), "{code}");
            assert_eq!(serde_json::to_string(&currency).unwrap(), format!("{code:?}"));
            assert_eq!(serde_json::from_str::<Currency>(&format!("{code:?}")).unwrap(), currency);
        }
        for (code, error) in [
            ("RMB", CurrencyError::Renminbi),
            ("XYZ", CurrencyError::Unknown),
            ("cny", CurrencyError::Unknown),
            ("XTS", CurrencyError::NotPaidWith),
            ("CLF", CurrencyError::NotPaidWith),
        ] {
            assert_eq!(Currency::parse(code), Err(error), "{code}");
        }
        assert!(Currency::parse("UYW").is_err());
    }

    #[test]
    fn amounts_have_at_most_the_decimals_of_their_currency_and_are_positive() {
        let cny = currency("CNY");
        for (text, minor) in
            [("12", 1200), ("12.5", 1250), ("0.01", 1), ("007.10", 710), ("10000000000", 1_000_000_000_000)]
        {
            assert_eq!(cny.parse_money(text).map(Money::minor), Ok(minor), "{text}");
        }
        let not_a_decimal = AmountError::NotADecimal(cny);
        let too_large = AmountError::TooLarge(cny.show_minor(1_000_000_000_000));
        for text in ["", "-1", "+1", "1e3", "1,000", "1.", ".5", "1.2.3", " 1", "NaN", "１"] {
            assert_eq!(cny.parse_money(text), Err(not_a_decimal), "{text}");
        }
        for (text, error) in [
            ("1.234", AmountError::TooManyDecimals(cny)),
            ("0", AmountError::Zero),
            ("0.00", AmountError::Zero),
            ("10000000000.01", too_large),
            ("99999999999999999999", too_large),
        ] {
            assert_eq!(cny.parse_money(text), Err(error), "{text}");
        }
        let (jpy, kwd) = (currency("JPY"), currency("KWD"));
        for text in ["12.5", "12.0"] {
            assert_eq!(jpy.parse_money(text), Err(AmountError::TooManyDecimals(jpy)), "{text}");
        }
        assert_eq!(jpy.parse_money("1000000000000").map(Money::minor), Ok(1_000_000_000_000));
        assert_eq!(kwd.parse_money("12.5").map(Money::minor), Ok(12_500));
        assert_eq!(kwd.parse_money("0.001").map(Money::minor), Ok(1));
        assert!(kwd.parse_money("1000000000.001").is_err());
    }

    #[test]
    fn what_is_wrong_with_an_amount_is_said_in_its_currency() {
        for (code, text, rule) in [
            ("JPY", "12.5", "must have at most 0 decimals: amounts in JPY have none"),
            ("CNY", "1.234", "must have at most 2 decimals: amounts in CNY have 2"),
            ("KWD", "1.2345", "must have at most 3 decimals: amounts in KWD have 3"),
            ("JPY", "x", "must be a whole number such as 1250, without sign, decimals or separators"),
            ("CNY", "x", "must be a decimal number such as 12.50, without sign, exponent or separators"),
            ("KWD", "x", "must be a decimal number such as 1.250, without sign, exponent or separators"),
            ("JPY", "1000000000001", "is larger than the limit of 1000000000000"),
            ("KWD", "1000000001", "is larger than the limit of 1000000000.000"),
        ] {
            assert_eq!(currency(code).parse_money(text).unwrap_err().to_string(), rule, "{code} {text}");
        }
    }

    #[test]
    fn an_amount_is_shown_with_all_decimals_of_its_currency_and_its_sign() {
        for (code, minor, text) in [
            ("CNY", 0, "0.00"),
            ("CNY", 5, "0.05"),
            ("CNY", -5, "-0.05"),
            ("CNY", -12345, "-123.45"),
            ("JPY", 0, "0"),
            ("JPY", -12345, "-12345"),
            ("KWD", 5, "0.005"),
            ("KWD", -12345, "-12.345"),
        ] {
            assert_eq!(currency(code).show(Money::from_minor(minor)).to_string(), text);
        }
        assert_eq!(
            format!("{:>8}|{:<8}", currency("CNY").show_minor(-5), currency("JPY").show_minor(7)),
            "   -0.05|7       "
        );
    }

    #[test]
    fn points_at_a_rate_are_rounded_to_the_minor_unit_halves_away_from_zero() {
        let rate = Rate::parse("0.0125").unwrap();
        for (code, points, minor) in
            [("JPY", 40, 1), ("JPY", 39, 0), ("CNY", 39, 49), ("KWD", 39, 488), ("JPY", -40, -1), ("KWD", 4, 50)]
        {
            let exact = exact_value(Points::new(points), rate).unwrap();
            assert_eq!(currency(code).round_value(exact), Ok(Money::from_minor(minor)), "{code} {points}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_is_read_as_it_is_shown(minor in 1..=AMOUNT_MAX_MINOR, at in 0_usize..3) {
            let currency = currency(["JPY", "CNY", "KWD"][at]);
            let amount = Money::from_minor(minor);
            let text = currency.show(amount).to_string();
            prop_assert_eq!(currency.parse_money(&text), Ok(amount));
            prop_assert_eq!(text.split_once('.').map_or(0, |(_, decimals)| decimals.len()), usize::from(currency.decimals()));
            // Zeros at the end may be left out, and the point with them.
            let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
            prop_assert_eq!(currency.parse_money(short), Ok(amount));
            // A digit more than the currency has is refused, even a zero.
            let long = if currency.decimals() == 0 { format!("{text}.0") } else { format!("{text}0") };
            prop_assert_eq!(currency.parse_money(&long), Err(AmountError::TooManyDecimals(currency)));
            // What is exact of it is the amount again.
            prop_assert_eq!(currency.exact(amount).and_then(|exact| currency.round_value(exact)), Ok(amount));
        }

        #[test]
        fn any_text_is_refused_or_read_as_what_it_says(text in "[0-9]{0,14}(\\.[0-9]{0,5})?|\\PC{0,12}", at in 0_usize..3) {
            let currency = currency(["JPY", "CNY", "KWD"][at]);
            if let Ok(amount) = currency.parse_money(&text) {
                let read: rust_decimal::Decimal = text.parse().unwrap();
                let shown: rust_decimal::Decimal = currency.show(amount).to_string().parse().unwrap();
                prop_assert_eq!(read, shown);
            }
        }
    }
}
