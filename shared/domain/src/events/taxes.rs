//! How an event is taxed: the parts of an amount by their codes.

use crate::actuarial::liability::Sale;
use crate::legs::{RatingError, tax_rate};
use crate::terms::rulebook::Rulebook;
use crate::units::allocate::largest_remainder;
use crate::units::calendar::Period;
use crate::units::id::{LineId, SchemeId, TaxCode};
use crate::units::limits::TAX_PARTS_MAX;
use crate::units::micro::Micro;
use crate::units::money::{Money, OutOfRange};
use std::collections::BTreeMap;
use std::fmt;

/// The parts of an amount by tax code, each code once and in the codes' order. None at all: all of it has its
/// line's own rate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taxes(Vec<(TaxCode, Money)>);

/// What is wrong with parts that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TaxesError {
    #[error("has more than {TAX_PARTS_MAX} parts")]
    TooMany,
    #[error("must say the amount of each part, unless it is of the whole amount")]
    NoAmount,
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Taxes {
    /// Those that a caller sent of an amount; parts of one code are one. The amount of the only one may be left out;
    /// whether the parts sum to the amount is a matter of the event.
    pub fn sent(parts: Vec<(TaxCode, Option<Money>)>, amount: Option<Money>) -> Result<Self, TaxesError> {
        if parts.len() > TAX_PARTS_MAX {
            return Err(TaxesError::TooMany);
        }
        let whole = amount.filter(|_| parts.len() == 1);
        let mut taxes: BTreeMap<TaxCode, Money> = BTreeMap::new();
        for (code, amount) in parts {
            taxes.entry(code).or_default().add(amount.or(whole).ok_or(TaxesError::NoAmount)?)?;
        }
        Ok(Self(taxes.into_iter().collect()))
    }

    /// What [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        let part = |text: &str| {
            let (code, minor) = text.split_once(':')?;
            Some((TaxCode::parse(code).ok()?, Money::from_minor(minor.parse().ok()?)))
        };
        text.split_terminator(';').map(part).collect::<Option<_>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&TaxCode, Money)> {
        self.0.iter().map(|(code, amount)| (code, *amount))
    }

    pub fn sum(&self) -> Result<Money, OutOfRange> {
        Money::sum(self.0.iter().map(|(_, amount)| *amount))
    }

    fn of(&self, code: &TaxCode) -> Money {
        self.0.iter().find(|(of, _)| of == code).map_or(Money::ZERO, |(_, amount)| *amount)
    }

    /// The codes of these, with what is left of each.
    pub fn minus(&self, other: &Self) -> Result<Self, OutOfRange> {
        let left = self.0.iter().map(|(code, amount)| Ok((code.clone(), amount.minus(other.of(code))?)));
        left.collect::<Result<_, OutOfRange>>().map(Self)
    }

    /// The same, of amounts in the codes' order; those that are missing are nothing.
    pub fn minus_each(&self, amounts: &[Money]) -> Result<Self, OutOfRange> {
        let amounts = amounts.iter().copied().chain(std::iter::repeat(Money::ZERO));
        let left = self.0.iter().zip(amounts).map(|((code, amount), less)| Ok((code.clone(), amount.minus(less)?)));
        left.collect::<Result<_, OutOfRange>>().map(Self)
    }

    /// A code of `other` of which there is less here, or none.
    pub fn exceeded_by<'a>(&self, other: &'a Self) -> Option<&'a TaxCode> {
        other.0.iter().find(|(code, amount)| *amount > self.of(code)).map(|(code, _)| code)
    }

    /// An amount shared over these by largest remainder.
    pub fn shared(&self, amount: Money) -> Result<Self, OutOfRange> {
        let weights: Vec<i128> = self.0.iter().map(|(_, left)| i128::from(left.minor())).collect();
        let parts = largest_remainder(amount.minor(), &weights)?.into_iter().map(Money::from_minor);
        Ok(Self(self.0.iter().map(|(code, _)| code.clone()).zip(parts).collect()))
    }

    /// A sale's amount net of the VAT of its parts; nothing if it has the line's own rate.
    pub fn net(&self, rulebook: &Rulebook, seller: &LineId, month: Period) -> Result<Option<Micro>, RatingError> {
        if self.is_empty() {
            return Ok(None);
        }
        let inclusive = rulebook.liability(&SchemeId::of(seller), month).is_none_or(|terms| terms.tax_inclusive);
        let mut net = Micro::ZERO;
        for (code, amount) in self.iter() {
            let rate = tax_rate(rulebook, code, month)?;
            net.add(Sale { rate, inclusive }.net(Micro::of_money(amount))?)?;
        }
        Ok(Some(net))
    }
}

/// `13:8000;9:2000`, in minor units.
impl fmt::Display for Taxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (code, amount)) in self.0.iter().enumerate() {
            let separator = if at > 0 { ";" } else { "" };
            write!(f, "{separator}{code}:{}", amount.minor())?;
        }
        Ok(())
    }
}
