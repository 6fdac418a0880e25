//! How far the chain ladder may be off.

use super::exact::{Checked, decimal, root, sum};
use super::{Triangle, UrrError};
use crate::units::money::OutOfRange;
use rust_decimal::Decimal;

/// The chain ladder's ultimates with their standard errors, in points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mack {
    pub factors: Vec<Decimal>,
    /// sigma_k^2, the spread of the factors per point redeemed.
    pub variances: Vec<Decimal>,
    pub ultimates: Vec<Decimal>,
    /// Of each cohort, cut off after four decimals.
    pub standard_errors: Vec<Decimal>,
    /// Of the sum: more than the cohorts' own together if they were independent,
    /// since all are projected with the same factors.
    pub total_standard_error: Decimal,
}

impl Triangle {
    /// The distribution-free standard error of the chain ladder.
    ///
    /// ```text
    /// sigma_k^2 = 1/(n-1) x sum R_k x (R_(k+1)/R_k - f_k)^2        n cohorts that know both ages
    /// mse(i)    = U_i^2 x sum_(k >= age) sigma_k^2/f_k^2 x (1/R_(i,k) + 1/S_k)
    /// mse(all)  = sum_i { mse(i) + U_i x (sum of younger U) x sum_(k >= age) 2 sigma_k^2/f_k^2/S_k }
    /// ```
    ///
    /// with R projected where it is not known and `S_k = sum R_k`. Where only
    /// one cohort knows an age, sigma^2 is carried on from the two ages before:
    /// `min(b^2/a, a, b)`, or b when there is only one.
    ///
    /// Source: Mack 1993, Distribution-free calculation of the standard error of
    /// chain ladder reserve estimates, ASTIN Bulletin 23/2, theorem 3 and its
    /// corollary.
    ///
    /// [`UrrError::NoDevelopment`] where a factor is undefined or zero,
    /// [`UrrError::FromNothing`] where a single cohort's is, and
    /// [`UrrError::NoSpread`] when even the first age is known to one cohort only.
    pub fn mack(&self) -> Result<Mack, UrrError> {
        let mut factors = Vec::with_capacity(self.last_age);
        for (age, factor) in self.factors()?.into_iter().enumerate() {
            factors.push(factor.filter(|factor| !factor.is_zero()).ok_or(UrrError::NoDevelopment { age })?);
        }
        let variances = self.variances(&factors)?;
        let to_ultimate = to_ultimate(&factors)?;
        let mut rows: Vec<Row> = Vec::with_capacity(self.rows.len());
        for (index, row) in self.rows.iter().enumerate() {
            let ultimate = decimal(row.latest()).times(to_ultimate[row.age()])?;
            rows.push(Row { index, age: row.age(), ultimate });
        }
        let ultimates = rows.iter().map(|row| row.ultimate).collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.age), row.index));

        let mut younger = sum(rows.iter().map(|row| row.ultimate))?;
        let mut total = Decimal::ZERO;
        let mut standard_errors = vec![Decimal::ZERO; rows.len()];
        for row in &rows {
            younger = younger.minus(row.ultimate)?;
            let (mut own, mut shared) = (Decimal::ZERO, Decimal::ZERO);
            for age in row.age..self.last_age {
                let relative = variances[age].over(factors[age].times(factors[age])?)?;
                let known = decimal(self.development(age)?.0);
                // U^2 / R_k is U x CDF_k, which needs no division by R_k.
                let process = row.ultimate.times(to_ultimate[age])?;
                let parameter = row.ultimate.times(row.ultimate)?.over(known)?;
                own = own.plus(process.plus(parameter)?.times(relative)?)?;
                let doubled = row.ultimate.times(younger)?.over(known)?.times(Decimal::TWO)?;
                shared = shared.plus(doubled.times(relative)?)?;
            }
            standard_errors[row.index] = root(own)?;
            total = total.plus(own)?.plus(shared)?;
        }
        let total_standard_error = root(total)?;
        Ok(Mack { factors, variances, ultimates, standard_errors, total_standard_error })
    }

    fn variances(&self, factors: &[Decimal]) -> Result<Vec<Decimal>, UrrError> {
        let mut variances: Vec<Decimal> = Vec::with_capacity(factors.len());
        for (age, factor) in factors.iter().enumerate() {
            let mut cohorts = 0_u32;
            let mut squares = Decimal::ZERO;
            for row in &self.rows {
                let [earlier, later] = row.redeemed.get(age..=age + 1).unwrap_or_default() else { continue };
                cohorts += 1;
                if earlier.is_zero() && later.is_zero() {
                    continue;
                }
                if earlier.is_zero() {
                    return Err(UrrError::FromNothing { cohort: row.cohort.clone(), age });
                }
                let earlier = decimal(*earlier);
                let distance = decimal(*later).over(earlier)?.minus(*factor)?;
                squares = squares.plus(distance.times(distance)?.times(earlier)?)?;
            }
            variances.push(match (cohorts, variances.as_slice()) {
                (2.., _) => squares.over(Decimal::from(cohorts - 1))?,
                (_, [.., a, b]) if a.is_zero() => *a.min(b),
                (_, [.., a, b]) => b.times(*b)?.over(*a)?.min(*a).min(*b),
                (_, [b]) => *b,
                (_, []) => return Err(UrrError::NoSpread),
            });
        }
        Ok(variances)
    }
}

struct Row {
    index: usize,
    age: usize,
    ultimate: Decimal,
}

/// CDF_k: the product of the factors from age k on.
fn to_ultimate(factors: &[Decimal]) -> Result<Vec<Decimal>, OutOfRange> {
    let mut products = vec![Decimal::ONE; factors.len() + 1];
    for (age, factor) in factors.iter().enumerate().rev() {
        products[age] = products[age + 1].times(*factor)?;
    }
    Ok(products)
}
