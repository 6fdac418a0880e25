//! Whether the estimate and what is booked by it look as usual: a person looks where they do not.

use super::found::Checks;
use crate::actuarial::experience::{Memory, UrrTerms, compared_sum};
use crate::actuarial::liability::{RollForward, stand_alone_value};
use crate::claims::lot::{Borne, Cohort, Expiry};
use crate::close::checks::CheckId;
use crate::close::settlement::{CohortState, Inputs, LiabilityRow, RateBasis, Settlement, cohorts_once};
use crate::legs::FlowKind;
use crate::terms::rulebook::Tolerances;
use crate::units::allocate::signed_proportion;
use crate::units::calendar::Period;
use crate::units::id::{LineId, SchemeId};
use crate::units::micro::{Micro, times};
use crate::units::money::{Money, OutOfRange, Points, Rate};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// Closes in which experience is young once it counts in full.
const YOUNG_CLOSES: i32 = 10;
const QUARTER: u32 = 3;
const YEAR: u32 = 12;

pub(super) fn estimates(checks: &mut Checks, inputs: &Inputs<'_>, settlement: &Settlement) -> Result<(), OutOfRange> {
    let tolerances = inputs.rulebook.tolerances(inputs.period);
    let at = At { inputs, settlement, tolerances };
    if let Some(indicators) = settlement.state.urr.indicators {
        at.redemptions(checks)?;
        checks.equal(CheckId::MonthIgnored, false, indicators.is_ignored);
        checks.within(CheckId::InitialRate, "1".to_owned(), shown(indicators.z), indicators.z == Rate::SCALE);
        at.demand(checks)?;
    }
    at.rates(checks)?;
    at.movements(checks)?;
    at.cohorts(checks)?;
    at.prices(checks)?;
    at.overrides(checks)?;
    at.given(checks)?;
    let below = settlement.state.taxes.iter().filter(|tax| tax.base.is_negative());
    let words = below.map(|tax| {
        let buyer = tax.key.buyer.as_ref().map_or("members", LineId::as_str);
        format!("{} to {buyer} at {}", tax.key.seller, tax.key.rate)
    });
    checks.none(CheckId::TaxBelowZero, words.collect());
    Ok(())
}

struct At<'a> {
    inputs: &'a Inputs<'a>,
    settlement: &'a Settlement,
    tolerances: Tolerances,
}

fn shown(scaled: i128) -> String {
    Decimal::try_from_i128_with_scale(scaled, 8)
        .map_or_else(|_| scaled.to_string(), |of| of.round_dp(4).normalize().to_string())
}

fn bounds((low, high): (Rate, Rate)) -> String {
    format!("{low} to {high}")
}

fn is_within(ratio: i128, (low, high): (Rate, Rate)) -> bool {
    low.scaled() <= ratio && ratio <= high.scaled()
}

impl At<'_> {
    fn memory(&self) -> &Memory {
        &self.settlement.state.urr.memory
    }

    /// Actual to expected, of the programme and by funder.
    fn redemptions(&self, checks: &mut Checks) -> Result<(), OutOfRange> {
        let (period, tolerances) = (self.inputs.period, &self.tolerances);
        let months = self.memory().months();
        let Some(first) = months.first() else { return Ok(()) };
        if let Some(ratio) = self.memory().ratio(period, 1, None)? {
            let of = tolerances.month;
            checks.within(CheckId::ExpectedMonth, bounds(of), shown(ratio), is_within(ratio, of));
        }
        let is_young =
            months.len() < usize::try_from(YEAR).unwrap_or_default() && period.months_since(*first) < YOUNG_CLOSES;
        let of = if is_young { (tolerances.young_quarter, tolerances.quarter.1) } else { tolerances.quarter };
        if let Some(ratio) = self.memory().ratio(period, QUARTER, None)? {
            checks.within(CheckId::ExpectedQuarter, bounds(of), shown(ratio), is_within(ratio, of));
        }
        let schemes: BTreeSet<&SchemeId> = self.memory().compared.iter().map(|row| &row.scheme).collect();
        let mut far = Vec::new();
        for scheme in schemes {
            let (_, expected) = compared_sum(self.memory().recent(period, QUARTER, Some(scheme)))?;
            if expected < Micro::of_points(tolerances.funder_points) {
                continue;
            }
            if let Some(ratio) = self.memory().ratio(period, QUARTER, Some(scheme))?
                && !is_within(ratio, tolerances.funder)
            {
                far.push(format!("{scheme} {}", shown(ratio)));
            }
        }
        checks.none(CheckId::ExpectedFunders, far);
        Ok(())
    }

    /// Points expected against a queue of the mean demand of a year: oldest points first, as members spend.
    fn demand(&self, checks: &mut Checks) -> Result<(), OutOfRange> {
        if self.settlement.state.urr.indicators.is_none_or(|of| of.z != Rate::SCALE) {
            return Ok(());
        }
        let period = self.inputs.period;
        let mut redeemed = Points::ZERO;
        let mut open: Vec<(&Cohort, Points)> = Vec::new();
        let mut expected = Micro::ZERO;
        let months =
            YEAR.min(u32::try_from(period.months_since(self.inputs.rulebook.first_period)).unwrap_or_default() + 1);
        let in_year = period.last_months(months);
        for state in cohorts_once(&self.settlement.state.liability) {
            let mut before = Points::ZERO;
            for (age, of) in (0_u32..).zip(&state.redeemed) {
                if in_year(state.cohort.issued.plus_months(age)) {
                    redeemed.add(of.minus(before)?)?;
                }
                before = *of;
            }
            let outstanding = state.liability.outstanding()?;
            if !state.liability.is_over && outstanding.is_positive() {
                open.push((&state.cohort, outstanding));
                expected.add(state.liability.to_come()?)?;
            }
        }
        open.sort_by_key(|(cohort, _)| *cohort);
        let monthly = Micro::of_points(redeemed.max(Points::ZERO)).share(1, i128::from(months.max(1)))?;
        let mut bound = Micro::ZERO;
        for (cohort, points) in open {
            let points = Micro::of_points(points);
            let taken = match cohort.expires {
                Expiry::On(day) => {
                    let left = i128::from(Period::of_day(day).months_since(period).max(0));
                    let can = monthly.share(left, 1)?.minus(bound)?.max(Micro::ZERO);
                    points.min(can)
                }
                Expiry::Never => points,
            };
            bound.add(taken)?;
        }
        let (expected, bound) = (expected.points()?, bound.points()?);
        checks.within(CheckId::AboveDemand, format!("at most {bound}"), expected.to_string(), expected <= bound);
        Ok(())
    }

    /// The rate of new points against that of the close before.
    fn rates(&self, checks: &mut Checks) -> Result<(), OutOfRange> {
        let Some(previous) = &self.inputs.previous else { return Ok(()) };
        let period = self.inputs.period;
        let before: BTreeMap<_, _> = previous
            .state
            .urr
            .rates
            .in_month(period)
            .map(|(scheme, life, rate)| ((scheme.clone(), life), rate))
            .collect();
        let mut far = Vec::new();
        for (scheme, life, rate) in self.settlement.state.urr.rates.in_month(period.next()) {
            let Some(before) = before.get(&(scheme.clone(), life)) else { continue };
            if (rate.scaled() - before.scaled()).abs() > self.tolerances.rate.scaled() {
                far.push(format!("{scheme} {before} to {rate}"));
            }
        }
        checks.none(CheckId::NewRateMoved, far);
        Ok(())
    }

    fn movements(&self, checks: &mut Checks) -> Result<(), OutOfRange> {
        let currency = self.inputs.rulebook.currency;
        let tolerances = &self.tolerances;
        let least = currency.round_value(times(tolerances.liability_amount.scaled(), 1)?)?;
        let mut points: BTreeMap<LineId, (Points, Points)> = BTreeMap::new();
        for row in &self.settlement.roll_forward {
            for (payer, _) in self.inputs.rulebook.funding(&row.cohort.scheme, row.cohort.issued).shares {
                let (opening, closing) = points.entry(payer).or_default();
                opening.add(row.opening)?;
                closing.add(row.closing)?;
            }
        }
        let mut far = Vec::new();
        for (funder, row) in self.settlement.liability_by_funder()? {
            let moved = row.closing.minus(row.opening)?;
            let (opening, closing) = points.get(&funder).copied().unwrap_or_default();
            let of_amount = ratio(moved.minor(), row.opening.minor())?;
            let of_points = ratio(closing.minus(opening)?.get(), opening.get())?;
            let is_far = of_amount.abs() > tolerances.liability.scaled() && moved.abs() > least;
            if row.opening.is_positive() && is_far && of_points.abs() * 2 < of_amount.abs() {
                far.push(format!("{funder} {}", currency.show(moved)));
            }
        }
        checks.none(CheckId::LiabilityMoved, far);
        let total = self.settlement.liability_total()?;
        if total.opening.is_positive() {
            let share = ratio(total.re_estimate.minor(), total.opening.minor())?;
            let most = tolerances.re_estimate;
            checks.within(
                CheckId::ReEstimateLarge,
                format!("at most {most}"),
                shown(share.abs()),
                share.abs() <= most.scaled(),
            );
        }
        let year = &self.settlement.state.urr.year;
        if year.opening.is_positive() {
            let back = ratio(year.re_estimate.negated()?.minor().max(0), year.opening.minor())?;
            let most = tolerances.re_estimate;
            checks.within(
                CheckId::ReEstimatesBack,
                format!("at most {most} of the opening"),
                shown(back),
                back <= most.scaled(),
            );
        }
        Ok(())
    }

    /// What each cohort's figures cannot be.
    fn cohorts(&self, checks: &mut Checks) -> Result<(), OutOfRange> {
        let rulebook = self.inputs.rulebook;
        let (mut late, mut back): (BTreeSet<&Cohort>, BTreeSet<&Cohort>) = Default::default();
        for (key, flow) in &self.inputs.tally.flows {
            if flow.late > 0 {
                late.insert(&key.cohort);
            }
            if matches!(key.kind, FlowKind::Returned | FlowKind::Taken | FlowKind::Revoked | FlowKind::Owed) {
                back.insert(&key.cohort);
            }
        }
        let withdrawn = |of: &Borne| {
            let valued = self.inputs.tally.valued.get(of);
            valued.is_some_and(|of| !of.back.is_zero() || !of.withdrawn_at_issue.is_zero())
        };
        let (mut unvalued, mut above_face, mut signs, mut above) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let states: BTreeMap<Borne, &CohortState> =
            self.settlement.state.liability.iter().map(|state| (state.borne(), state)).collect();
        let floor = match rulebook.urr(self.inputs.period) {
            UrrTerms::Experience(terms) => terms.floor,
            UrrTerms::Initial => Rate::ZERO,
        };
        for line in &self.settlement.liability {
            let LiabilityRow { cohort, payer, row, provision, basis, .. } = line;
            let Some(terms) = rulebook.liability(&cohort.scheme, cohort.issued) else { continue };
            let of = line.borne();
            let Some(state) = states.get(&of) else { continue };
            let outstanding = match payer {
                None => line.outstanding,
                Some(_) => state.liability.outstanding()?,
            };
            let face = stand_alone_value(rulebook.currency, outstanding, terms.face_value, Rate::ONE)?;
            let face = face.part(rulebook.borne(&of))?.money()?;
            let floored = Micro::of_money(face).part(floor)?;
            let nothing = row.closing.is_zero() && provision.closing.is_zero();
            // A person, or redemption that is remote, may say that nothing comes.
            let is_estimated = matches!(basis, RateBasis::Experience);
            if is_estimated && nothing && floored >= Micro::of_money(Money::from_minor(1)) {
                unvalued.push(cohort.to_string());
            }
            if row.closing > face.plus(Money::from_minor(1))? {
                above_face.push(cohort.to_string());
            }
            let RollForward { own_line_revenue, breakage, expired, .. } = row;
            let is_below = own_line_revenue.is_negative() || breakage.is_negative() || expired.is_negative();
            if is_below && !late.contains(cohort) && !back.contains(cohort) && !withdrawn(&of) {
                signs.push(cohort.to_string());
            }
            let granted = state.liability.provision.granted.booked;
            if provision.closing > granted.max(Money::ZERO) {
                above.push(cohort.to_string());
            }
        }
        let expired = self.settlement.roll_forward.iter().filter(|row| row.expired.is_negative());
        let expired = expired.filter(|row| !late.contains(&row.cohort) && !back.contains(&row.cohort));
        checks.none(CheckId::PointsUnvalued, unvalued);
        checks.none(CheckId::AboveFace, above_face);
        checks.none(CheckId::ExpiredBelowZero, expired.map(|row| row.cohort.to_string()).collect());
        checks.none(CheckId::ColumnSigns, signs);
        checks.none(CheckId::ProvisionAboveGranted, above);
        Ok(())
    }

    /// What a point of the month's sales is worth when it is redeemed, against what it costs.
    fn prices(&self, checks: &mut Checks) -> Result<(), OutOfRange> {
        let mut values: BTreeMap<&SchemeId, (Micro, Micro)> = BTreeMap::new();
        // What several pay for is worth to each his share; only a line's own points have a price for the whole.
        let sold = self.inputs.tally.valued.iter().filter(|(_, valued)| valued.sold.is_positive());
        for (of, valued) in sold.filter(|(of, _)| of.other().is_none()) {
            let (allocated, expected) = values.entry(&of.cohort.scheme).or_default();
            allocated.add(valued.allocated)?;
            expected.add(valued.at_issue)?;
        }
        let mut prices: BTreeMap<(&SchemeId, &LineId), (Points, Money)> = BTreeMap::new();
        for (key, flow) in self.inputs.tally.flows.iter().filter(|(key, _)| key.kind == FlowKind::Redeemed) {
            if key.cohort.scheme != key.counterparty {
                let (points, amount) = prices.entry((&key.cohort.scheme, &key.counterparty)).or_default();
                points.add(flow.points)?;
                amount.add(flow.amount)?;
            }
        }
        let mut above = Vec::new();
        for ((scheme, line), (points, amount)) in prices {
            let Some((allocated, expected)) = values.get(scheme).filter(|(_, expected)| expected.is_positive()) else {
                continue;
            };
            let value = allocated.share(Micro::of_points(points).get(), expected.get())?;
            if Micro::of_money(amount) > value {
                above.push(format!("{scheme} at {line}"));
            }
        }
        checks.none(CheckId::PriceAboveValue, above);
        Ok(())
    }

    fn overrides(&self, checks: &mut Checks) -> Result<(), OutOfRange> {
        let mut found = Vec::new();
        for row in &self.settlement.redemption_rates {
            let RateBasis::Manual { .. } = &row.basis else { continue };
            let Cohort { scheme, issued, .. } = &row.cohort;
            let manual = self.inputs.rulebook.urr_override(scheme, *issued, self.inputs.period);
            let age = self.inputs.period.months_since(*issued);
            let asked = manual.map(|manual| Micro::of_points(row.issued).part(manual.rate())).transpose()?;
            let is_bound = asked.map(|asked| asked.points()).transpose()?.is_some_and(|asked| asked != row.expected);
            if is_bound {
                found.push(format!("{} is bound by what is redeemed or open", row.cohort));
            } else if i64::from(age) > i64::from(self.tolerances.override_closes) {
                found.push(format!("{} is {age} closes old", row.cohort));
            }
        }
        checks.none(CheckId::OverridesOld, found);
        Ok(())
    }

    fn given(&self, checks: &mut Checks) -> Result<(), OutOfRange> {
        let (mut given, mut issued) = (Micro::ZERO, Micro::ZERO);
        for (of, valued) in &self.inputs.tally.valued {
            let share = self.inputs.rulebook.borne(of);
            given.add(Micro::of_points(valued.given).part(share)?)?;
            issued.add(Micro::of_points(valued.issued()?).part(share)?)?;
        }
        let (given, issued) = (given.points()?, issued.points()?);
        if issued.is_positive() {
            let share = ratio(given.get(), issued.get())?;
            let most = self.tolerances.given;
            checks.within(CheckId::GivenPoints, format!("at most {most}"), shown(share), share <= most.scaled());
        }
        Ok(())
    }
}

/// In 10^-8; of nothing nothing.
fn ratio(some: i64, all: i64) -> Result<i128, OutOfRange> {
    signed_proportion(Rate::SCALE, some, all)
}
