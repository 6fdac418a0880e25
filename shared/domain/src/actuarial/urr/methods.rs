//! The methods. Row i has `N` points issued and `R_k` redeemed up to age k.

use super::exact::{Checked, decimal, ratio, sum};
use super::{Experience, Triangle, UrrError};
use crate::units::money::{OutOfRange, Points};
use rust_decimal::Decimal;

/// What a method says of a triangle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// What the method learned for each age; `None` where no cohort tells.
    pub pattern: Vec<Option<Decimal>>,
    /// The rate that the method starts from, if it does.
    pub prior: Option<Decimal>,
    /// Points that each cohort will have redeemed in the end, neither capped at
    /// its issue nor floored; `None` where the pattern it needs is unknown.
    pub ultimates: Vec<Option<Decimal>>,
}

impl Projection {
    /// `None` when a cohort's ultimate is unknown.
    pub fn total(&self) -> Result<Option<Decimal>, OutOfRange> {
        let known: Option<Vec<Decimal>> = self.ultimates.iter().copied().collect();
        known.map(sum).transpose()
    }
}

/// `redeemed + expected x (1 - developed)`: what was expected of the part that
/// has not had its time, whatever the part that had its time brought.
/// `expected`: points to be redeemed in all, as believed beforehand;
/// `developed`: 1 / CDF, the part of all redemptions that has had its time.
///
/// Source: Bornhuetter and Ferguson, The actuary and IBNR, PCAS LIX, 1972.
pub fn bornhuetter_ferguson(redeemed: Decimal, expected: Decimal, developed: Decimal) -> Result<Decimal, UrrError> {
    Ok(redeemed.plus(expected.times(Decimal::ONE.minus(developed)?)?)?)
}

impl Triangle {
    /// Chain ladder: redemptions grow from an age to the next as they did for
    /// the cohorts that passed it. `f_k = sum R_(k+1) / sum R_k` over the cohorts
    /// that know both, and `ultimate = R x f x f x ...`. The pattern is f.
    ///
    /// A cohort without any redemption so far is projected to none at all: for
    /// young cohorts another method is meant.
    ///
    /// Source: Mack 1993 (see [`Triangle::mack`]), which shows on which
    /// assumptions the method rests.
    pub fn chain_ladder(&self) -> Result<Projection, UrrError> {
        let pattern = self.factors()?;
        let ultimates = self.each(|row| chain_ladder_to_come(&pattern, row))?;
        Ok(Projection { pattern, prior: None, ultimates })
    }

    /// Bornhuetter-Ferguson with a prior rate and the chain ladder's timing.
    /// The pattern is the developed part 1 / CDF. See [`bornhuetter_ferguson`].
    pub fn bornhuetter_ferguson(&self, prior: Decimal) -> Result<Projection, UrrError> {
        let pattern = self.developed()?;
        let mut ultimates = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let expected = decimal(row.issued).times(prior)?;
            let developed = pattern.get(row.age()).copied().flatten();
            ultimates.push(match developed {
                Some(developed) => Some(bornhuetter_ferguson(decimal(row.latest()), expected, developed)?),
                None => None,
            });
        }
        Ok(Projection { pattern, prior: Some(prior), ultimates })
    }

    /// Cape Cod: Bornhuetter-Ferguson with the prior that the triangle itself
    /// holds, redemptions so far over the developed part of the points issued:
    /// `sum R / sum (N / CDF)`. Cohorts without a known CDF have no say in it.
    ///
    /// Source: Stanard 1985, A simulation test of prediction errors of loss
    /// reserve estimation techniques, PCAS LXXII; Bühlmann's Cape Cod method.
    ///
    /// [`UrrError::NothingDeveloped`] when no points issued had their time.
    pub fn cape_cod(&self) -> Result<Projection, UrrError> {
        self.bornhuetter_ferguson(self.own_prior()?.ok_or(UrrError::NothingDeveloped)?)
    }

    /// The rate that the triangle itself holds, by Cape Cod; `None` when no points issued
    /// had their time.
    pub(super) fn own_prior(&self) -> Result<Option<Decimal>, OutOfRange> {
        let developed = self.developed()?;
        let mut redeemed = Points::ZERO;
        let mut used = Decimal::ZERO;
        for row in &self.rows {
            if let Some(developed) = developed.get(row.age()).copied().flatten() {
                redeemed.add(row.latest())?;
                used = used.plus(decimal(row.issued).times(developed)?)?;
            }
        }
        ratio(decimal(redeemed), used)
    }

    /// Additive (incremental loss ratio) method: at each age a cohort redeems
    /// the same part of its issue. `q_k = sum (R_k - R_(k-1)) / sum N` over the
    /// cohorts that know age k, and `ultimate = R + N x (q + q + ...)`. The
    /// pattern is q.
    ///
    /// Source: Schmidt and Zocher, The Bornhuetter-Ferguson principle, Variance
    /// 2/1, 2008, among the methods it orders.
    pub fn additive(&self) -> Result<Projection, UrrError> {
        let pattern = self.increments()?;
        let ultimates = self.each(|row| additive_to_come(&pattern, row))?;
        Ok(Projection { pattern, prior: None, ultimates })
    }

    /// Survival: at each age the same part of the points still outstanding is
    /// redeemed. `h_k = sum (R_k - R_(k-1)) / sum (N - R_(k-1))`, and
    /// `ultimate = R + (N - R) x (1 - (1 - h) x (1 - h) x ...)`. The pattern is h.
    ///
    /// Source: the life table (actuarial) estimator, with a redemption in the
    /// place of a death; Cutler and Ederer 1958.
    pub fn survival(&self) -> Result<Projection, UrrError> {
        let pattern = self.hazards()?;
        let ultimates = self.each(|row| survival_to_come(&pattern, row))?;
        Ok(Projection { pattern, prior: None, ultimates })
    }

    /// h_k; `None` where no points were outstanding.
    pub(super) fn hazards(&self) -> Result<Vec<Option<Decimal>>, OutOfRange> {
        let part = |age| {
            let (redeemed, issued, before) = self.increment(age)?;
            ratio(decimal(redeemed), decimal(issued.minus(before)?))
        };
        (0..=self.last_age).map(part).collect()
    }

    /// What each cohort redeemed, and what it will.
    fn each(
        &self,
        to_come: impl Fn(&Experience) -> Result<Option<Vec<Decimal>>, OutOfRange>,
    ) -> Result<Vec<Option<Decimal>>, OutOfRange> {
        let ultimate = |row| match to_come(row)? {
            Some(to_come) => decimal(row.latest()).plus(sum(to_come)?).map(Some),
            None => Ok(None),
        };
        self.rows.iter().map(ultimate).collect()
    }

    /// `sum R_k` and `sum R_(k+1)` over the cohorts that know both.
    pub(super) fn development(&self, age: usize) -> Result<(Points, Points), OutOfRange> {
        let (mut from, mut to) = (Points::ZERO, Points::ZERO);
        for row in &self.rows {
            if let [earlier, later] = row.redeemed.get(age..=age + 1).unwrap_or_default() {
                from.add(*earlier)?;
                to.add(*later)?;
            }
        }
        Ok((from, to))
    }

    /// f_k; `None` without redemptions at age k.
    pub(super) fn factors(&self) -> Result<Vec<Option<Decimal>>, OutOfRange> {
        let factor = |age| self.development(age).and_then(|(from, to)| ratio(decimal(to), decimal(from)));
        (0..self.last_age).map(factor).collect()
    }

    /// 1 / CDF_k, the part of all redemptions that is made by the end of age k.
    ///
    /// Zero where cohorts had nothing at age k and something later: there f_k is
    /// infinite, but its reciprocal is not. `None` where neither age had any.
    pub(super) fn developed(&self) -> Result<Vec<Option<Decimal>>, OutOfRange> {
        let mut developed = vec![Some(Decimal::ONE); self.last_age + 1];
        for age in (0..self.last_age).rev() {
            let (from, to) = self.development(age)?;
            let part = ratio(decimal(from), decimal(to))?;
            developed[age] = match (part, developed[age + 1]) {
                (Some(part), _) if part.is_zero() => Some(Decimal::ZERO),
                (_, Some(later)) if later.is_zero() => Some(Decimal::ZERO),
                (Some(part), Some(later)) => Some(part.times(later)?),
                (None, _) | (_, None) => None,
            };
        }
        Ok(developed)
    }

    /// q_k; `None` where no points were issued.
    pub(super) fn increments(&self) -> Result<Vec<Option<Decimal>>, OutOfRange> {
        let part =
            |age| self.increment(age).and_then(|(redeemed, issued, _)| ratio(decimal(redeemed), decimal(issued)));
        (0..=self.last_age).map(part).collect()
    }

    /// Over the cohorts that know an age: redeemed at it, issued, and redeemed before it.
    fn increment(&self, age: usize) -> Result<(Points, Points, Points), OutOfRange> {
        let (mut redeemed, mut issued, mut before) = (Points::ZERO, Points::ZERO, Points::ZERO);
        for row in self.rows.iter().filter(|row| row.age() >= age) {
            let earlier = age.checked_sub(1).map_or(Points::ZERO, |earlier| row.redeemed[earlier]);
            redeemed.add(row.redeemed[age].minus(earlier)?)?;
            issued.add(row.issued)?;
            before.add(earlier)?;
        }
        Ok((redeemed, issued, before))
    }
}

/// What a cohort will redeem at each age to come, by chain ladder.
pub(super) fn chain_ladder_to_come(
    factors: &[Option<Decimal>],
    row: &Experience,
) -> Result<Option<Vec<Decimal>>, OutOfRange> {
    let Some(later) = known(factors.get(row.age()..)) else { return Ok(None) };
    let mut redeemed = decimal(row.latest());
    let mut to_come = Vec::with_capacity(later.len());
    for factor in later {
        let next = redeemed.times(factor)?;
        to_come.push(next.minus(redeemed)?);
        redeemed = next;
    }
    Ok(Some(to_come))
}

/// What a cohort will redeem at each age to come, by survival.
pub(super) fn survival_to_come(
    hazards: &[Option<Decimal>],
    row: &Experience,
) -> Result<Option<Vec<Decimal>>, OutOfRange> {
    let mut outstanding = decimal(row.issued).minus(decimal(row.latest()))?;
    if outstanding.is_zero() {
        return Ok(Some(Vec::new()));
    }
    let Some(later) = known(hazards.get(row.age() + 1..)) else { return Ok(None) };
    let mut to_come = Vec::with_capacity(later.len());
    for part in later {
        let next = outstanding.times(part)?;
        to_come.push(next);
        outstanding = outstanding.minus(next)?;
    }
    Ok(Some(to_come))
}

/// What a cohort will redeem at each age to come, by the additive method.
pub(super) fn additive_to_come(
    increments: &[Option<Decimal>],
    row: &Experience,
) -> Result<Option<Vec<Decimal>>, OutOfRange> {
    let Some(later) = known(increments.get(row.age() + 1..)) else { return Ok(None) };
    later.into_iter().map(|part| decimal(row.issued).times(part)).collect::<Result<_, _>>().map(Some)
}

/// What a cohort will redeem at each age to come, by Bornhuetter-Ferguson.
pub(super) fn bornhuetter_ferguson_to_come(
    developed: &[Option<Decimal>],
    prior: Decimal,
    row: &Experience,
) -> Result<Option<Vec<Decimal>>, OutOfRange> {
    let Some(developed) = known(developed.get(row.age()..)) else { return Ok(None) };
    let expected = decimal(row.issued).times(prior)?;
    let part = |pair: &[Decimal]| expected.times(pair[1].minus(pair[0])?);
    developed.windows(2).map(part).collect::<Result<_, _>>().map(Some)
}

/// All of a stretch of a pattern, or nothing.
fn known(pattern: Option<&[Option<Decimal>]>) -> Option<Vec<Decimal>> {
    pattern.unwrap_or_default().iter().copied().collect()
}
