//! Which method a close uses, and what it answers per cohort.

use super::exact::{Checked, decimal, ratio, sum, whole_points};
use super::methods::{additive_to_come, bornhuetter_ferguson_to_come, chain_ladder_to_come, survival_to_come};
use super::{Experience, Triangle, UrrError};
use crate::claims::lot::Cohort;
use crate::units::allocate::divide_half_up;
use crate::units::id::SchemeId;
use crate::units::money::{OutOfRange, Points, Rate};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Ages within which redemptions count as current: months of a year.
const CURRENT_AGES: usize = 12;

/// By which method a close estimates. Until expired cohorts with enough points exist,
/// every point is expected to be redeemed, whatever the method: no early redemption tells
/// how a cohort ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UrrMethod {
    /// The additive method, and Bornhuetter-Ferguson with the fully expired cohorts as
    /// prior for cohorts that are still young.
    Credibility,
    ChainLadder,
    CapeCod,
    Additive,
    Survival,
}

impl UrrMethod {
    /// The word in rulebooks.
    pub const fn word(self) -> &'static str {
        match self {
            UrrMethod::Credibility => "credibility",
            UrrMethod::ChainLadder => "chain-ladder",
            UrrMethod::CapeCod => "cape-cod",
            UrrMethod::Additive => "additive",
            UrrMethod::Survival => "survival",
        }
    }
}

/// How a close estimates redemption rates. Cohorts that live equally long
/// are judged together, others apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub method: UrrMethod,
    /// A cohort of a smaller age (in months since its issue) is young.
    pub young_below_age: usize,
    /// A cohort with fewer points issued is thin: it becomes experience only
    /// together with its neighbours, once all of them have expired.
    pub thin_below: Points,
}

impl Default for Policy {
    fn default() -> Self {
        Self { method: UrrMethod::Credibility, young_below_age: 12, thin_below: Points::new(10_000) }
    }
}

/// The cohorts of one scheme that live equally long, and what they show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    pub scheme: SchemeId,
    pub expiry_age: Option<usize>,
    /// Redeemed over issued of the expired cohorts; `None` while there are none.
    pub prior: Option<Decimal>,
    /// The chain ladder's f_k, the additive q_k.
    pub factors: Vec<Option<Decimal>>,
    pub increments: Vec<Option<Decimal>>,
    /// By issue, then expiry.
    pub cohorts: Vec<CohortRate>,
}

/// What a cohort's rate rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// No fully expired cohort yet: 100 %.
    NoExperience,
    /// Nothing is outstanding: the rate is a fact.
    Expired,
    Additive,
    BornhuetterFerguson,
    ChainLadder,
    CapeCod,
    Survival,
    /// The remote method: all points until redemption is remote, then none.
    Remote,
    Manual {
        reason: String,
    },
}

impl Basis {
    /// The word in files.
    pub const fn word(&self) -> &'static str {
        match self {
            Basis::NoExperience => "no-experience",
            Basis::Expired => "expired",
            Basis::Additive => "additive",
            Basis::BornhuetterFerguson => "bornhuetter-ferguson",
            Basis::ChainLadder => "chain-ladder",
            Basis::CapeCod => "cape-cod",
            Basis::Survival => "survival",
            Basis::Remote => "remote",
            Basis::Manual { .. } => "manual",
        }
    }

    /// Why a person set the rate; empty otherwise.
    pub fn reason(&self) -> &str {
        match self {
            Basis::Manual { reason } => reason,
            Basis::NoExperience
            | Basis::Expired
            | Basis::Additive
            | Basis::BornhuetterFerguson
            | Basis::ChainLadder
            | Basis::CapeCod
            | Basis::Survival
            | Basis::Remote => "",
        }
    }
}

/// The rate of one cohort at one close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CohortRate {
    pub cohort: Cohort,
    /// The age at this close.
    pub age: usize,
    pub issued: Points,
    pub redeemed: Points,
    pub basis: Basis,
    /// Points redeemed in the end: from `redeemed` (floor) to `issued` (cap).
    pub expected: Points,
    /// `expected / issued`, rounded to eight decimals; `None`: nothing was issued.
    pub rate: Option<Rate>,
    /// Points expected to be redeemed by the next age, to six decimals; `None`
    /// where no method says.
    pub next: Option<Decimal>,
    /// Which part of the redemptions to come is due in the next twelve months.
    /// All of it where no method says: members may redeem at any time.
    pub current_share: Rate,
}

/// A rate that a person sets, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualRate {
    rate: Rate,
    reason: String,
    approved_by: String,
}

impl ManualRate {
    /// From 0 to 100 %, with a reason.
    pub fn new(rate: Rate, reason: &str) -> Result<Self, UrrError> {
        if rate > Rate::ONE {
            return Err(UrrError::RateAboveOne { rate });
        }
        match reason.trim() {
            "" => Err(UrrError::NoReason),
            reason => Ok(Self { rate, reason: reason.to_owned(), approved_by: String::new() }),
        }
    }

    /// Who agreed; empty: it is not said.
    #[must_use]
    pub fn approved_by(self, approved_by: &str) -> Self {
        Self { approved_by: approved_by.trim().to_owned(), ..self }
    }

    /// Why, and who agreed.
    pub fn words(&self) -> String {
        match self.approved_by.as_str() {
            "" => self.reason.clone(),
            who => format!("{} ({who})", self.reason),
        }
    }

    pub fn rate(&self) -> Rate {
        self.rate
    }

    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl Policy {
    /// The rates of all cohorts, one estimate per scheme and term. Ages are months. The
    /// order of the cohorts does not matter.
    pub fn estimate(&self, cohorts: &[Experience]) -> Result<Vec<Estimate>, UrrError> {
        let mut terms: BTreeMap<(SchemeId, Option<usize>), Vec<Experience>> = BTreeMap::new();
        for row in cohorts {
            terms.entry((row.cohort.scheme.clone(), row.expiry_age())).or_default().push(row.clone());
        }
        terms
            .into_iter()
            .map(|((scheme, expiry_age), rows)| self.estimate_term(scheme, &Triangle::new(rows, expiry_age)?))
            .collect()
    }

    fn estimate_term(&self, scheme: SchemeId, triangle: &Triangle) -> Result<Estimate, UrrError> {
        let factors = triangle.factors()?;
        let increments = triangle.increments()?;
        let prior = self.prior(triangle)?;
        let method = Learned {
            policy: self,
            factors: &factors,
            increments: &increments,
            developed: triangle.developed()?,
            hazards: triangle.hazards()?,
            own_prior: triangle.own_prior()?,
        };
        let mut cohorts = Vec::with_capacity(triangle.rows().len());
        for row in triangle.rows() {
            let (basis, to_come) = match prior {
                _ if triangle.is_expired(row) => (Basis::Expired, Some(Vec::new())),
                None => (Basis::NoExperience, None),
                Some(prior) => method.to_come(prior, row)?,
            };
            cohorts.push(match to_come {
                Some(to_come) => CohortRate::projected(row, basis, &to_come)?,
                None => CohortRate::of(row, Basis::NoExperience, row.issued)?,
            });
        }
        Ok(Estimate { scheme, expiry_age: triangle.expiry_age, prior, factors, increments, cohorts })
    }

    /// What the expired cohorts redeemed of their issue.
    fn prior(&self, triangle: &Triangle) -> Result<Option<Decimal>, UrrError> {
        let (mut redeemed, mut issued) = (Points::ZERO, Points::ZERO);
        for group in triangle.grouped(self.thin_below)? {
            let sum = &group.experience;
            if triangle.is_expired(sum) && sum.issued >= self.thin_below {
                redeemed.add(sum.latest())?;
                issued.add(sum.issued)?;
            }
        }
        Ok(ratio(decimal(redeemed), decimal(issued))?)
    }
}

/// What a triangle tells each method.
struct Learned<'a> {
    policy: &'a Policy,
    factors: &'a [Option<Decimal>],
    increments: &'a [Option<Decimal>],
    developed: Vec<Option<Decimal>>,
    hazards: Vec<Option<Decimal>>,
    own_prior: Option<Decimal>,
}

impl Learned<'_> {
    /// Points that a cohort will redeem at each age to come; `None` where the method
    /// cannot tell.
    fn to_come(&self, prior: Decimal, row: &Experience) -> Result<(Basis, Option<Vec<Decimal>>), UrrError> {
        let developed = &self.developed;
        Ok(match self.policy.method {
            UrrMethod::Credibility if row.age() < self.policy.young_below_age => {
                (Basis::BornhuetterFerguson, bornhuetter_ferguson_to_come(developed, prior, row)?)
            }
            UrrMethod::Credibility | UrrMethod::Additive => (Basis::Additive, additive_to_come(self.increments, row)?),
            UrrMethod::ChainLadder => (Basis::ChainLadder, chain_ladder_to_come(self.factors, row)?),
            UrrMethod::CapeCod => match self.own_prior {
                Some(prior) => (Basis::CapeCod, bornhuetter_ferguson_to_come(developed, prior, row)?),
                None => (Basis::NoExperience, None),
            },
            UrrMethod::Survival => (Basis::Survival, survival_to_come(&self.hazards, row)?),
        })
    }
}

impl CohortRate {
    /// Caps and floors: no more can be redeemed than was issued, no less than
    /// was redeemed already.
    fn of(row: &Experience, basis: Basis, expected: Points) -> Result<Self, OutOfRange> {
        let expected = expected.clamp(row.latest(), row.issued);
        Ok(Self {
            cohort: row.cohort.clone(),
            age: row.age(),
            issued: row.issued,
            redeemed: row.latest(),
            basis,
            expected,
            rate: rate(expected, row.issued)?,
            next: None,
            current_share: Rate::ONE,
        })
    }

    fn projected(row: &Experience, basis: Basis, to_come: &[Decimal]) -> Result<Self, OutOfRange> {
        let all = sum(to_come.iter().copied())?;
        let mut this = Self::of(row, basis, whole_points(decimal(row.latest()).plus(all)?)?)?;
        let Some(first) = to_come.first() else { return Ok(Self { next: Some(Decimal::ZERO), ..this }) };
        let remaining = decimal(this.expected.minus(this.redeemed)?);
        this.next = Some(match part(*first, all)? {
            Some(part) => remaining.times(part)?.round_dp(6),
            None => Decimal::ZERO,
        });
        if let Some(share) = part(sum(to_come.iter().take(CURRENT_AGES).copied())?, all)? {
            this.current_share = Rate::parse(&share.round_dp(8).to_string()).map_err(|_| OutOfRange)?;
        }
        Ok(this)
    }

    /// The same cohort at a rate that a person sets; cap and floor hold as
    /// before, and the timing stays. What has expired is a fact and stays too.
    pub fn overridden(&self, manual: &ManualRate) -> Result<Self, UrrError> {
        if self.basis == Basis::Expired {
            return Ok(self.clone());
        }
        let basis = Basis::Manual { reason: manual.reason.clone() };
        Ok(Self { basis, ..self.at(manual.rate)? })
    }

    /// The same cohort at another rate, within cap and floor, with the same
    /// timing. Where neither binds, the rate stays as it was given.
    pub fn at(&self, urr: Rate) -> Result<Self, OutOfRange> {
        let exact = i128::from(self.issued.get()).checked_mul(urr.scaled()).ok_or(OutOfRange)?;
        let expected = i64::try_from(divide_half_up(exact, Rate::SCALE)?).map_err(|_| OutOfRange)?;
        let asked = Points::new(expected);
        let expected = asked.clamp(self.redeemed, self.issued);
        let rate = match rate(expected, self.issued)? {
            Some(_) if expected == asked => Some(urr),
            rate => rate,
        };
        let before = decimal(self.expected.minus(self.redeemed)?);
        let now = decimal(expected.minus(self.redeemed)?);
        let next = match (self.next, ratio(now, before)?) {
            (Some(next), Some(change)) => Some(next.times(change)?.round_dp(6)),
            (Some(_), None) | (None, _) => None,
        };
        Ok(Self { expected, rate, next, ..self.clone() })
    }
}

/// What the previous close expected of the age that has passed since, and what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActualToExpected {
    pub actual: Points,
    /// Points, to six decimals.
    pub expected: Decimal,
}

impl ActualToExpected {
    /// Actual over expected; `None` when nothing was expected.
    pub fn ratio(&self) -> Result<Option<Decimal>, OutOfRange> {
        ratio(decimal(self.actual), self.expected)
    }

    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        Ok(Self { actual: self.actual.plus(other.actual)?, expected: self.expected.plus(other.expected)? })
    }
}

/// Compares a close with the one before, cohort by cohort. Left out are cohorts
/// of which the previous close expected nothing definite, cohorts that had
/// expired by then, and cohorts that are not exactly one age older now.
pub fn actual_to_expected(
    previous: &[CohortRate],
    now: &[Experience],
) -> Result<BTreeMap<Cohort, ActualToExpected>, OutOfRange> {
    let now: BTreeMap<&Cohort, &Experience> = now.iter().map(|row| (&row.cohort, row)).collect();
    let mut compared = BTreeMap::new();
    for before in previous.iter().filter(|before| before.basis != Basis::Expired) {
        let (Some(expected), Some(row)) = (before.next, now.get(&before.cohort)) else { continue };
        if row.age() == before.age + 1 {
            let actual = row.latest().minus(before.redeemed)?;
            compared.insert(before.cohort.clone(), ActualToExpected { actual, expected });
        }
    }
    Ok(compared)
}

/// A part of the redemptions to come, from nothing to all. Returns may make
/// single ages negative; `None` when there is nothing to come in all.
fn part(some: Decimal, all: Decimal) -> Result<Option<Decimal>, OutOfRange> {
    if all <= Decimal::ZERO {
        return Ok(None);
    }
    Ok(ratio(some, all)?.map(|part| part.clamp(Decimal::ZERO, Decimal::ONE)))
}

fn rate(expected: Points, issued: Points) -> Result<Option<Rate>, OutOfRange> {
    if issued.is_zero() {
        return Ok(None);
    }
    let scaled = i128::from(expected.get()).checked_mul(Rate::SCALE).ok_or(OutOfRange)?;
    let scaled = divide_half_up(scaled, i128::from(issued.get()))?;
    let decimal = Decimal::try_from_i128_with_scale(scaled, 8).map_err(|_| OutOfRange)?;
    Rate::parse(&decimal.to_string()).map(Some).map_err(|_| OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_stays_as_it_was_given_unless_cap_or_floor_bind() {
        let of = |redeemed: i64, asked: &str| {
            let cohort = CohortRate {
                cohort: Cohort::parse("shop|2025-01|never").unwrap(),
                age: 0,
                issued: Points::new(3),
                redeemed: Points::new(redeemed),
                basis: Basis::Additive,
                expected: Points::new(3),
                rate: Some(Rate::ONE),
                next: None,
                current_share: Rate::ONE,
            };
            let at = cohort.at(Rate::parse(asked).unwrap()).unwrap();
            (at.expected.get(), at.rate.unwrap().to_string())
        };
        // 1.5 points are 2, which are two thirds.
        assert_eq!(of(0, "0.5"), (2, "0.5".to_owned()));
        assert_eq!(of(3, "0.5"), (3, "1".to_owned()));
        assert_eq!(of(2, "0"), (2, "0.66666667".to_owned()));
    }
}
