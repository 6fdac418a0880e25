//! Sharing with a carried base: of what is owed among funders, then among those who are paid.
//!
//! Sharing every small slice would lose the small party its share to rounding.
//! So shares are taken of the cumulative base by largest remainder, less what
//! earlier periods paid: what a beneficiary has received never differs from its
//! exact share by a whole minor unit.

use crate::claims::lot::Borne;
use crate::terms::rulebook::{Beneficiary, Rulebook, SplitRule};
use crate::units::allocate::largest_remainder;
use crate::units::id::LineId;
use crate::units::money::{Money, OutOfRange, Rate};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who may have a share.
pub trait Party: Sized + fmt::Display {
    fn parse(text: &str) -> Option<Self>;
}

impl Party for LineId {
    fn parse(text: &str) -> Option<Self> {
        LineId::parse(text).ok()
    }
}

impl Party for Beneficiary {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "redeemer" => Some(Beneficiary::Redeemer),
            text => match text.strip_prefix("redeemer>") {
                Some(line) => Party::parse(line).map(Beneficiary::Charged),
                None => Party::parse(text).map(Beneficiary::Line),
            },
        }
    }
}

/// A rule's name and shares. New shares under an old name are other terms: they
/// start their own cumulative base.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedTerms<P> {
    pub rule: String,
    pub shares: Vec<(P, Rate)>,
    /// The most that a party bears of all the rule's bases together, since the first of them.
    pub caps: Vec<(P, Money)>,
    /// The party that bears what is above them.
    pub over: Option<P>,
}

/// How what is owed for claims is shared among those who bear their cost.
pub type FundingTerms = SharedTerms<LineId>;

/// How what a funder owes is shared among those who are paid.
pub type SplitTerms = SharedTerms<Beneficiary>;

impl<P> SharedTerms<P> {
    /// Without caps.
    pub fn new(rule: impl Into<String>, shares: Vec<(P, Rate)>) -> Self {
        Self { rule: rule.into(), shares, caps: Vec::new(), over: None }
    }
}

impl<P: Party> SharedTerms<P> {
    pub fn parse(text: &str) -> Option<Self> {
        let (rule, parts) = text.split_once(' ')?;
        let mut terms = Self::new(rule, Vec::new());
        for part in parts.split(' ') {
            if let Some((to, share)) = part.split_once('=') {
                terms.shares.push((P::parse(to)?, Rate::parse(share).ok()?));
            } else if let Some((to, cap)) = part.split_once('<') {
                terms.caps.push((P::parse(to)?, Money::from_minor(cap.parse().ok()?)));
            } else {
                terms.over = Some(P::parse(part.strip_prefix("over>")?)?);
            }
        }
        Some(terms)
    }
}

impl Rulebook {
    /// What a payer bears of a cohort's cost.
    pub fn borne(&self, of: &Borne) -> Rate {
        let funding = self.funding(&of.cohort.scheme, of.cohort.issued);
        funding.shares.iter().find(|(payer, _)| *payer == of.payer).map_or(Rate::ZERO, |(_, share)| *share)
    }
}

impl FundingTerms {
    /// Whether somebody else than `redeemer` pays.
    pub fn crosses_lines(&self, redeemer: &LineId) -> bool {
        self.payers(redeemer).next().is_some()
    }

    /// Each funder's part of an amount.
    pub fn shared(&self, amount: Money) -> Result<Vec<(&LineId, Money)>, OutOfRange> {
        Ok(self.shares.iter().map(|(line, _)| line).zip(parts(&self.shares, amount)?).collect())
    }

    /// Who owes `redeemer`: a funder that redeems owes itself nothing.
    pub fn payers(&self, redeemer: &LineId) -> impl Iterator<Item = &LineId> {
        self.shares.iter().map(|(line, _)| line).filter(move |line| *line != redeemer)
    }
}

/// Each party's part of a cumulative base.
pub(crate) fn parts<P>(shares: &[(P, Rate)], base: Money) -> Result<Vec<Money>, OutOfRange> {
    let weights: Vec<i128> = shares.iter().map(|(_, share)| share.scaled()).collect();
    Ok(largest_remainder(base.minor(), &weights)?.into_iter().map(Money::from_minor).collect())
}

/// What is above a funder's cap of several cumulative bases together, base by base: `before` and `now` are its parts of each
/// without the cap, `taken` what was above it before. More is taken where its parts grew, and given back where they
/// shrank, as far as it was taken there.
pub(crate) fn above(cap: Money, taken: &[Money], before: &[Money], now: &[Money]) -> Result<Vec<Money>, OutOfRange> {
    let all = Money::sum(now.iter().copied())?.minus(cap)?.max(Money::ZERO);
    let more = all.minus(Money::sum(taken.iter().copied())?)?;
    let wide = |amount: Money| i128::from(amount.minor().max(0));
    let grown = before.iter().zip(now).map(|(before, now)| now.minus(*before));
    let grown: Vec<Money> = grown.collect::<Result<_, OutOfRange>>()?;
    let mut weights: Vec<i128> = grown.iter().map(|grown| wide(*grown)).collect();
    if more.is_negative() {
        let shrunk = grown.iter().zip(taken).map(|(grown, taken)| Ok(wide(grown.negated()?).min(wide(*taken))));
        weights = shrunk.collect::<Result<_, OutOfRange>>()?;
        if weights.iter().sum::<i128>() < i128::from(more.minor()).abs() {
            weights = taken.iter().map(|taken| wide(*taken)).collect();
        }
    }
    if weights.iter().all(|weight| *weight == 0) {
        return Ok(taken.to_vec());
    }
    let moved = largest_remainder(more.minor(), &weights)?;
    taken.iter().zip(moved).map(|(taken, more)| taken.plus(Money::from_minor(more))).collect()
}

/// The shares without a rule: the redeemer takes all.
pub(crate) const WHOLE: &[(Beneficiary, Rate)] = &[(Beneficiary::Redeemer, Rate::ONE)];

impl From<&SplitRule> for SplitTerms {
    fn from(rule: &SplitRule) -> Self {
        Self::new(&rule.rule, rule.shares.clone())
    }
}

/// `standard redeemer=0.97 group=0.03`, with caps in minor units `c-618 ml=0.5 hq=0.5 ml<500000 over>hq`
impl<P: fmt::Display> fmt::Display for SharedTerms<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)?;
        self.shares.iter().try_for_each(|(to, share)| write!(f, " {to}={share}"))?;
        self.caps.iter().try_for_each(|(to, cap)| write!(f, " {to}<{}", cap.minor()))?;
        self.over.iter().try_for_each(|to| write!(f, " over>{to}"))
    }
}

impl<P: fmt::Display> Serialize for SharedTerms<P> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, P: Party> Deserialize<'de> for SharedTerms<P> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} are no terms of sharing")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms() -> SplitTerms {
        SplitTerms::parse("standard redeemer=0.97 group=0.03").unwrap()
    }

    #[test]
    fn terms_are_written_as_they_are_read() {
        assert_eq!(terms().to_string(), "standard redeemer=0.97 group=0.03");
        assert_eq!(SplitTerms::parse("standard"), None);
        let charged = "standard redeemer=0.97 redeemer>group=0.03";
        assert_eq!(SplitTerms::parse(charged).unwrap().to_string(), charged);
    }

    proptest! {
        #[test]
        fn received_never_differs_from_the_exact_share_by_a_minor_unit(
            bases in prop::collection::vec(-500_i64..5_000, 1..200),
        ) {
            let terms = terms();
            let mut base = Money::ZERO;
            let mut received = vec![Money::ZERO; 2];
            for amount in bases {
                let before = parts(&terms.shares, base).unwrap();
                base.add(Money::from_minor(amount)).unwrap();
                let after = parts(&terms.shares, base).unwrap();
                for ((received, after), before) in received.iter_mut().zip(after).zip(before) {
                    received.add(after.minus(before).unwrap()).unwrap();
                }
                for (received, (_, share)) in received.iter().zip(&terms.shares) {
                    let exact = i128::from(base.minor()) * share.scaled();
                    let distance = (i128::from(received.minor()) * Rate::SCALE - exact).abs();
                    prop_assert!(distance < Rate::SCALE);
                }
                prop_assert_eq!(Money::sum(received.clone()).unwrap(), base);
            }
        }
    }
}
