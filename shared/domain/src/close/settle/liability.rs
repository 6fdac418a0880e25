//! The contract liability of a period: rates, roll-forward and forecast.

use super::shares::Owed;
use crate::actuarial::liability::{
    Closing, CohortLiability, LiabilityError, Movement, OtherLine, RollForward, allocate_price, remote_rate,
    stand_alone_value,
};
use crate::actuarial::urr::{
    ActualToExpected, Basis, CohortRate, Estimate, Experience, ManualRate, Triangle, actual_to_expected,
};
use crate::claims::lot::{Cohort, Expiry};
use crate::close::settlement::{
    CohortState, ExpiryForecast, Inputs, LiabilityRow, RedemptionRateRow, RollForward as PointsRow, SettleError, State,
};
use crate::close::tally::Tally;
use crate::legs::FlowKind;
use crate::terms::rulebook::{LiabilityTerms, Method, Product, Rulebook};
use crate::terms::vat::{Amount, contained};
use crate::units::allocate::largest_remainder;
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::id::{LineId, SchemeId};
use crate::units::money::{Money, OutOfRange, Points, Rate};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// One cohort's close, with what the vouchers need of it.
pub(super) struct Closed {
    pub(super) cohort: Cohort,
    pub(super) closing: Closing,
    pub(super) allocated: Money,
    /// The part of what was reversed that had been granted, not sold.
    pub(super) reversed_grants: Money,
}

#[derive(Default)]
pub(super) struct Liability {
    pub(super) rows: Vec<LiabilityRow>,
    pub(super) rates: Vec<RedemptionRateRow>,
    pub(super) forecast: Vec<ExpiryForecast>,
    pub(super) states: Vec<CohortState>,
    pub(super) closed: Vec<Closed>,
}

/// Closes every cohort. Its steps: what moved, by cohort ([`movements`]); the
/// triangle with the new age and the rates by the policy, a person's, or the
/// rulebook's initial one ([`effective`]); the allocation of the month's sales at
/// that rate, and the cumulative catch-up ([`CohortLiability::close`]).
pub(super) fn liability(
    inputs: &Inputs<'_>,
    previous: Option<&State>,
    points: &[PointsRow],
    owed: &[Owed],
) -> Result<Liability, SettleError> {
    let before: BTreeMap<&Cohort, &CohortState> =
        previous.into_iter().flat_map(|state| &state.liability).map(|state| (&state.cohort, state)).collect();
    let moved = movements(inputs, points, owed)?;
    let mut cohorts: Vec<&Cohort> = before.keys().copied().chain(moved.keys()).collect();
    cohorts.sort_by(|one, other| one.by_scheme().cmp(&other.by_scheme()));
    cohorts.dedup();

    let mut experience = Vec::with_capacity(cohorts.len());
    for cohort in &cohorts {
        experience.push(observed(inputs.period, cohort, before.get(cohort).copied(), moved.get(cohort))?);
    }
    let estimates = inputs.rulebook.urr(inputs.period).estimate(&experience)?;
    let horizon = inputs.period.plus_months(inputs.rulebook.forecast_months(inputs.period));
    let standard_errors = standard_errors(&experience);
    let last: Vec<CohortRate> = before.values().map(|state| state.rate.clone()).collect();
    let compared = actual_to_expected(&last, &experience)?;

    let currency = inputs.rulebook.currency;
    let nothing = Moved::default();
    let mut answer = Liability::default();
    let mut forecast: BTreeMap<(SchemeId, Period), ExpiryForecast> = BTreeMap::new();
    for row in experience {
        let cohort = row.cohort.clone();
        let terms = terms(inputs.rulebook, &cohort)?;
        let (estimate, factors) = estimated(&estimates, &cohort)?;
        let rate = effective(inputs.rulebook, terms, estimate)?;
        let used = used(inputs.rulebook, terms, &rate)?;
        let moved = moved.get(&cohort).unwrap_or(&nothing);
        let failed = |source: LiabilityError| SettleError::Liability { cohort: cohort.clone(), source };
        let movement = moved.valued(currency, terms, used.at_issue).map_err(failed)?;
        let state = before.get(&cohort).map_or_else(CohortLiability::default, |state| state.liability);
        let closing = state.close(&movement, used.rate, used.current_share).map_err(failed)?;
        let outstanding = closing.state.outstanding()?;
        let value = stand_alone_value(currency, outstanding, terms.face_value, Rate::ONE).map_err(failed)?;
        expiring(&mut forecast, horizon, &cohort, outstanding, value, closing.row.closing)?;
        if closing.row != RollForward::default() || !outstanding.is_zero() || !moved.is_empty() {
            answer.rows.push(LiabilityRow {
                cohort: cohort.clone(),
                row: closing.row,
                rate: used.rate,
                previous_rate: state.urr,
                basis: used.basis.clone(),
                method: terms.method,
                outstanding,
            });
        }
        let told = Told { compared: compared.get(&cohort), standard_error: standard_errors.get(&cohort).copied() };
        answer.rates.push(told.row(&row, estimate, factors, used, closing.state.expected));
        answer.states.push(CohortState {
            cohort: cohort.clone(),
            liability: closing.state,
            redeemed: row.redeemed,
            rate,
        });
        answer.closed.push(Closed {
            reversed_grants: moved.reversed_grants(closing.row.reversed)?,
            allocated: movement.allocated,
            cohort,
            closing,
        });
    }
    answer.forecast = forecast.into_values().collect();
    Ok(answer)
}

/// What the triangle tells of a cohort beside its rate.
struct Told<'a> {
    compared: Option<&'a ActualToExpected>,
    standard_error: Option<Decimal>,
}

impl Told<'_> {
    fn row(
        self,
        row: &Experience,
        estimate: &CohortRate,
        factors: &[Option<Decimal>],
        used: Used,
        expected: Points,
    ) -> RedemptionRateRow {
        RedemptionRateRow {
            cohort: row.cohort.clone(),
            age: estimate.age,
            issued: row.issued,
            redeemed_by_age: row.redeemed.clone(),
            factors: factors.to_vec(),
            basis: used.basis,
            expected,
            rate: used.rate,
            standard_error: self.standard_error,
            actual: self.compared.map(|compared| compared.actual),
            expected_of_previous_close: self.compared.map(|compared| compared.expected),
        }
    }
}

/// What happened to a cohort in the period, before it is valued.
#[derive(Default)]
struct Moved {
    /// Earned with sales of the funder's own.
    sold: Points,
    /// The sales, as reported.
    sales: Money,
    /// Given without a sale, or sponsored on another line's sale.
    given: Points,
    redeemed_own: Points,
    /// The amount is what the line is owed, net of deductible VAT.
    redeemed_other: BTreeMap<LineId, OtherLine>,
    taken_of_sold: Points,
    taken_of_given: Points,
    expired: Points,
}

/// The movements of every cohort. What another line is owed is known by pair
/// only, after the split and its VAT; it is shared out over the pair's cohorts.
fn movements(inputs: &Inputs<'_>, points: &[PointsRow], owed: &[Owed]) -> Result<BTreeMap<Cohort, Moved>, SettleError> {
    let mut moved = flows(inputs.tally)?;
    for row in points.iter().filter(|row| !row.expired.is_zero()) {
        moved.entry(row.cohort.clone()).or_default().expired = row.expired;
    }
    for pair in owed.iter().filter(|pair| pair.product == Product::Redemption) {
        let vat = inputs.rulebook.vat(&pair.payer, &pair.payee, pair.product, inputs.period);
        let cost = pair.amount.minus(vat.deductible(pair.amount)?)?;
        let mut parts: Vec<(&Cohort, &mut OtherLine)> = moved
            .iter_mut()
            .filter(|(cohort, _)| cohort.scheme == pair.payer)
            .filter_map(|(cohort, moved)| Some((cohort, moved.redeemed_other.get_mut(&pair.payee)?)))
            .collect();
        parts.sort_by(|(one, _), (other, _)| one.by_scheme().cmp(&other.by_scheme()));
        let before = Money::sum(parts.iter().map(|(_, line)| line.amount))?;
        let weights: Vec<i128> = parts.iter().map(|(_, line)| i128::from(line.amount.abs().minor())).collect();
        // The difference is shared out, not the cost: where redemptions and
        // returns meet, the amounts may sum to nothing and the cost not.
        let differences = largest_remainder(cost.minus(before)?.minor(), &weights)?;
        for ((_, line), difference) in parts.into_iter().zip(differences) {
            line.amount.add(Money::from_minor(difference))?;
        }
    }
    Ok(moved)
}

fn flows(tally: &Tally) -> Result<BTreeMap<Cohort, Moved>, OutOfRange> {
    let mut cohorts: BTreeMap<Cohort, Moved> = BTreeMap::new();
    for (key, flow) in &tally.flows {
        let moved = cohorts.entry(key.cohort.clone()).or_default();
        let own = key.cohort.scheme == key.counterparty;
        match key.kind {
            FlowKind::Issued if own => {
                moved.sold.add(flow.points)?;
                moved.sales.add(flow.amount)?;
            }
            FlowKind::Issued | FlowKind::Granted => moved.given.add(flow.points)?,
            FlowKind::Redeemed | FlowKind::Returned | FlowKind::Repaid if own => {
                moved.redeemed_own.add(flow.points)?;
            }
            FlowKind::Redeemed | FlowKind::Returned | FlowKind::Repaid => {
                let line = moved.redeemed_other.entry(key.counterparty.clone()).or_default();
                line.points.add(flow.points)?;
                line.amount.add(flow.amount)?;
            }
            FlowKind::Taken if own => moved.taken_of_sold.add(flow.points)?,
            FlowKind::Taken | FlowKind::Revoked => moved.taken_of_given.add(flow.points)?,
            FlowKind::Owed => {}
        }
    }
    Ok(cohorts)
}

impl Moved {
    fn is_empty(&self) -> bool {
        let points = [self.sold, self.given, self.redeemed_own, self.taken_of_sold, self.taken_of_given, self.expired];
        points.iter().all(|points| points.is_zero()) && self.redeemed_other.is_empty()
    }

    fn issued(&self) -> Result<Points, OutOfRange> {
        self.sold.plus(self.given)
    }

    fn reversed(&self) -> Result<Points, OutOfRange> {
        self.taken_of_sold.plus(self.taken_of_given)
    }

    fn redeemed(&self) -> Result<Points, OutOfRange> {
        self.redeemed_own.plus(Points::sum(self.redeemed_other.values().map(|line| line.points))?)
    }

    /// Values what came in: the month's sales of the cohort are allocated as one
    /// price (CAS 14 art. 35, IFRS 15 B40; paragraph 4 allows a portfolio), what
    /// was given at its fair value.
    fn valued(&self, currency: Currency, terms: &LiabilityTerms, rate: Rate) -> Result<Movement, LiabilityError> {
        let sales = terms.sales(self.sales)?.net;
        let allocated = allocate_price(currency, sales, sales, self.sold, terms.face_value, rate)?.points;
        Ok(Movement {
            allocated,
            granted: stand_alone_value(currency, self.given, terms.face_value, rate)?,
            issued: self.issued()?,
            redeemed_own: self.redeemed_own,
            redeemed_other: self.redeemed_other.clone(),
            reversed: self.reversed()?,
            expired: self.expired,
        })
    }

    /// What was reversed of the liability went back in proportion to the points.
    fn reversed_grants(&self, reversed: Money) -> Result<Money, OutOfRange> {
        let weights = [self.taken_of_sold, self.taken_of_given].map(|points| i128::from(points.get()));
        let parts = largest_remainder(reversed.minor(), &weights)?;
        Ok(Money::from_minor(parts.last().copied().unwrap_or_default()))
    }
}

impl LiabilityTerms {
    /// Reported sales, with and without their VAT.
    pub(crate) fn sales(&self, reported: Money) -> Result<Amount, OutOfRange> {
        if self.tax_inclusive {
            return contained(reported, self.vat_rate);
        }
        crate::terms::vat::added(reported, self.vat_rate)
    }
}

fn terms<'r>(rulebook: &'r Rulebook, cohort: &Cohort) -> Result<&'r LiabilityTerms, SettleError> {
    let missing = || SettleError::NoTerms { scheme: cohort.scheme.clone(), month: cohort.issued };
    rulebook.liability(&cohort.scheme, cohort.issued).ok_or_else(missing)
}

/// The cohort's row of the triangle, with this period's age at its end. Ages in
/// which nothing was booked repeat the age before; what is booked after the
/// expiry counts at the last age.
fn observed(
    period: Period,
    cohort: &Cohort,
    before: Option<&CohortState>,
    moved: Option<&Moved>,
) -> Result<Experience, SettleError> {
    let nothing = Moved::default();
    let moved = moved.unwrap_or(&nothing);
    let issued = before.map_or(Points::ZERO, |state| state.liability.issued);
    let issued = issued.plus(moved.issued()?)?.minus(moved.reversed()?)?;
    let mut row = Experience {
        cohort: cohort.clone(),
        issued,
        redeemed: before.map(|state| state.redeemed.clone()).unwrap_or_default(),
    };
    let age = usize::try_from(period.months_since(cohort.issued))
        .map_err(|_| SettleError::FromTheFuture { cohort: cohort.clone(), period })?;
    let last = row.expiry_age().map_or(age, |expiry| age.min(expiry));
    let redeemed = row.latest();
    row.redeemed.resize((last + 1).max(row.redeemed.len()), redeemed);
    if let Some(latest) = row.redeemed.last_mut() {
        latest.add(moved.redeemed()?)?;
    }
    Ok(row)
}

/// A cohort's estimate and the age-to-age factors it shares.
fn estimated<'e>(
    estimates: &'e [Estimate],
    cohort: &Cohort,
) -> Result<(&'e CohortRate, &'e [Option<Decimal>]), SettleError> {
    estimates
        .iter()
        .find_map(|estimate| {
            let rate = estimate.cohorts.iter().find(|rate| rate.cohort == *cohort)?;
            Some((rate, estimate.factors.as_slice()))
        })
        .ok_or_else(|| SettleError::NoRate { cohort: cohort.clone() })
}

/// A person's rate goes before the estimate; without experience the rulebook's
/// initial rate holds.
fn effective(rulebook: &Rulebook, terms: &LiabilityTerms, estimate: &CohortRate) -> Result<CohortRate, SettleError> {
    if let Some(manual) = rulebook.urr_override(&estimate.cohort.scheme, estimate.cohort.issued) {
        return Ok(estimate.overridden(manual)?);
    }
    match estimate.basis {
        Basis::NoExperience => Ok(estimate.at(terms.initial_urr)?),
        Basis::Expired
        | Basis::Additive
        | Basis::BornhuetterFerguson
        | Basis::ChainLadder
        | Basis::CapeCod
        | Basis::Survival
        | Basis::Remote
        | Basis::Manual { .. } => Ok(estimate.clone()),
    }
}

/// What the liability is closed with.
struct Used {
    rate: Rate,
    /// For the stand-alone selling price of new points: the estimate before what
    /// became of them in the same month raised or capped it.
    at_issue: Rate,
    current_share: Rate,
    basis: Basis,
}

/// The remote method has its own rate; facts and a person's rate go before it.
fn used(rulebook: &Rulebook, terms: &LiabilityTerms, rate: &CohortRate) -> Result<Used, OutOfRange> {
    // Nothing issued: nothing is released by any rate.
    let estimate = rate.rate.unwrap_or(Rate::ONE);
    let estimated =
        |at_issue| Used { rate: estimate, at_issue, current_share: rate.current_share, basis: rate.basis.clone() };
    Ok(match (&rate.basis, terms.method) {
        (Basis::Expired, _) => estimated(estimate),
        (Basis::Manual { .. }, _) => {
            let manual = rulebook.urr_override(&rate.cohort.scheme, rate.cohort.issued);
            estimated(manual.map_or(estimate, ManualRate::rate))
        }
        (_, Method::Remote { after_months }) => {
            let age = u32::try_from(rate.age).map_err(|_| OutOfRange)?;
            let remote = after_months.is_some_and(|months| age >= months);
            Used {
                rate: remote_rate(remote),
                at_issue: remote_rate(false),
                current_share: Rate::ONE,
                basis: Basis::Remote,
            }
        }
        (Basis::NoExperience, Method::CatchUp) => estimated(terms.initial_urr),
        (
            Basis::Additive
            | Basis::BornhuetterFerguson
            | Basis::ChainLadder
            | Basis::CapeCod
            | Basis::Survival
            | Basis::Remote,
            Method::CatchUp,
        ) => estimated(estimate),
    })
}

/// Mack's standard errors by cohort. Information beside the rate, so a triangle
/// too young for it is no reason to stop a close.
fn standard_errors(experience: &[Experience]) -> BTreeMap<Cohort, Decimal> {
    let terms: BTreeSet<(&SchemeId, Option<usize>)> =
        experience.iter().map(|row| (&row.cohort.scheme, row.expiry_age())).collect();
    let mut errors = BTreeMap::new();
    for (scheme, expiry_age) in terms {
        let rows = experience.iter().filter(|row| row.cohort.scheme == *scheme && row.expiry_age() == expiry_age);
        let Ok(triangle) = Triangle::new(rows.cloned().collect(), expiry_age) else { continue };
        let Ok(mack) = triangle.mack() else { continue };
        let cohorts = triangle.rows().iter().map(|row| row.cohort.clone());
        errors.extend(cohorts.zip(mack.standard_errors));
    }
    errors
}

fn expiring(
    forecast: &mut BTreeMap<(SchemeId, Period), ExpiryForecast>,
    horizon: Period,
    cohort: &Cohort,
    outstanding: Points,
    value: Money,
    liability: Money,
) -> Result<(), OutOfRange> {
    let month = match cohort.expires {
        Expiry::On(day) => Period::of_day(day),
        Expiry::Never => return Ok(()),
    };
    if outstanding.is_zero() || month > horizon {
        return Ok(());
    }
    let scheme = cohort.scheme.clone();
    let row = forecast.entry((scheme.clone(), month)).or_insert_with(|| ExpiryForecast {
        scheme,
        month,
        points: Points::ZERO,
        value: Money::ZERO,
        liability: Money::ZERO,
    });
    row.points.add(outstanding)?;
    row.value.add(value)?;
    row.liability.add(liability)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_errors_of_a_funder_and_a_term_are_what_they_are_without_the_others() {
        let steady = [vec![200, 300, 585, 600], vec![200, 300, 615], vec![200, 360], vec![200]];
        let falling = [vec![100, 110, 112, 113], vec![90, 120, 121], vec![95, 99], vec![100]];
        let rows = |scheme: &str, months: u32, redeemed: &[Vec<i64>; 4]| -> Vec<Experience> {
            let scheme = SchemeId::parse(scheme).unwrap();
            let issued = (0..).map(|month| Period::parse("2025-01").unwrap().plus_months(month));
            let row = |(issued, redeemed): (Period, &Vec<i64>)| Experience {
                cohort: Cohort {
                    expires: Expiry::On(issued.plus_months(months).last_day()),
                    issued,
                    scheme: scheme.clone(),
                },
                issued: Points::new(1_000),
                redeemed: redeemed.iter().copied().map(Points::new).collect(),
            };
            issued.zip(redeemed).map(row).collect()
        };
        let apart = [rows("shop", 3, &steady), rows("inn", 3, &falling), rows("shop", 2, &falling)];
        let alone = apart.iter().flat_map(|rows| standard_errors(rows)).collect::<BTreeMap<_, _>>();
        assert_eq!(standard_errors(&apart.concat()), alone);
        assert_eq!(alone.len(), 12);
        assert!(alone.values().any(|error| !error.is_zero()));
    }
}
