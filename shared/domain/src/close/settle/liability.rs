//! The contract liability and the provision of a period: rates, roll-forwards and forecast.

use super::evidence::evidence;
use super::taxes::Owed;
use super::why::overridden;
use crate::actuarial::experience::{Before, Learned, Life, Observed, UrrTerms};
use crate::actuarial::liability::{
    ClawBack, Closing, CohortLiability, LineRelease, Movement, Phase, ProvisionRow, RollForward, Sponsored,
    stand_alone_value,
};
use crate::actuarial::urr::Experience;
use crate::claims::lot::{Borne, Cohort, Expiry};
use crate::close::settlement::{
    CohortState, Evidence, ExpiryForecast, FundingRow, Inputs, LiabilityRow, PastClose, RateBasis, RedemptionRateRow,
    RollForward as PointsRow, SettleError, State, UrrState, YearOfEstimates, cohorts_once,
};
use crate::close::tally::{CostKey, SaleRates};
use crate::legs::FlowKind;
use crate::terms::rulebook::{LiabilityTerms, Method, Rulebook};
use crate::units::allocate::largest_remainder;
use crate::units::calendar::Period;
use crate::units::id::{LineId, SchemeId};
use crate::units::micro::Micro;
use crate::units::money::{Money, OutOfRange, Points, Rate};
use std::collections::{BTreeMap, BTreeSet};

/// Months of the maturity's steps; what is later is the last step.
pub const MATURITY_MONTHS: [u32; 3] = [3, 6, 12];
/// Past closes that the back-test tells of.
const PAST_CLOSES: usize = 60;

/// One cohort's close in one payer's books, with what the vouchers need of it.
pub(super) struct Closed {
    pub(super) cohort: Cohort,
    pub(super) payer: LineId,
    pub(super) row: RollForward,
    pub(super) provision: ProvisionRow,
    pub(super) lines: BTreeMap<LineId, LineRelease>,
    pub(super) claw_back: ClawBack,
}

#[derive(Default)]
pub(super) struct Liability {
    pub(super) rows: Vec<LiabilityRow>,
    pub(super) rates: Vec<RedemptionRateRow>,
    pub(super) forecast: Vec<ExpiryForecast>,
    pub(super) states: Vec<CohortState>,
    pub(super) urr: UrrState,
    pub(super) closed: Vec<Closed>,
}

/// A cohort on its way through the close.
struct Closes<'a> {
    cohort: &'a Cohort,
    /// In the books of each who bears a share of its cost; their points are the same.
    payers: Vec<Payer<'a>>,
    terms: &'a LiabilityTerms,
    /// N' and R by age up to now.
    experience: Experience,
    phase: Phase,
}

struct Payer<'a> {
    line: LineId,
    share: Rate,
    before: Option<&'a CohortState>,
    movement: Movement,
}

/// Closes every cohort. Its steps: what moved, by cohort ([`movements`]); what the programme has
/// learned with the month, or a person, or the rulebook's initial rate say of it
/// ([`expected`]); the release by cause ([`CohortLiability::close`]).
pub(super) fn liability(
    inputs: &Inputs<'_>,
    previous: Option<&State>,
    points: &[PointsRow],
    (owed, funding): (&[Owed], &[FundingRow]),
) -> Result<Liability, SettleError> {
    let mut before: BTreeMap<&Cohort, Vec<&CohortState>> = BTreeMap::new();
    for state in previous.into_iter().flat_map(|state| &state.liability) {
        before.entry(&state.cohort).or_default().push(state);
    }
    let mut moved = movements(inputs, points, (owed, funding), &before)?;
    let names: BTreeSet<Cohort> = before.keys().copied().chain(moved.keys().map(|of| &of.cohort)).cloned().collect();
    let mut names: Vec<Cohort> = names.into_iter().collect();
    names.sort_by(|one, other| one.by_scheme().cmp(&other.by_scheme()));
    let mut cohorts = Vec::with_capacity(names.len());
    for cohort in &names {
        cohorts.push(Closes::of(inputs, cohort, before.get(cohort).map_or(&[], Vec::as_slice), &mut moved)?);
    }

    let (mut urr, learned) = learned(inputs, previous, &cohorts)?;
    let evidence = evidence(&cohorts.iter().map(|cohort| cohort.experience.clone()).collect::<Vec<_>>());
    let horizon = inputs.period.plus_months(inputs.rulebook.forecast_months(inputs.period));
    let mut answer = Liability::default();
    let mut forecast: BTreeMap<(SchemeId, Period), ExpiryForecast> = BTreeMap::new();
    for cohort in cohorts {
        let Rows { payers, rate } = cohort.close(inputs, learned.as_ref(), &evidence)?;
        expiring(inputs, &mut forecast, horizon, cohort.terms.face_value, &payers)?;
        answer.rates.push(rate);
        for row in payers {
            answer.states.push(row.state);
            answer.rows.extend(row.liability);
            answer.closed.push(row.closed);
        }
    }
    urr.past = past(inputs.period, previous, &answer.states)?;
    urr.year = year(inputs.period, previous, &answer.rows)?;
    urr.overridden = overridden(inputs, &answer.rates);
    answer.urr = urr;
    answer.forecast = forecast.into_values().collect();
    Ok(answer)
}

impl<'a> Closes<'a> {
    fn of(
        inputs: &Inputs<'a>,
        cohort: &'a Cohort,
        states: &[&'a CohortState],
        moved: &mut BTreeMap<Borne, Movement>,
    ) -> Result<Self, SettleError> {
        let missing = || SettleError::NoTerms { scheme: cohort.scheme.clone(), month: cohort.issued };
        let terms = inputs.rulebook.liability(&cohort.scheme, cohort.issued).ok_or_else(missing)?;
        let payers = inputs.rulebook.funding(&cohort.scheme, cohort.issued).shares.into_iter().map(|(line, share)| {
            let before = states.iter().copied().find(|state| state.funder() == line);
            let of = Borne { cohort: cohort.clone(), payer: line };
            let movement = moved.remove(&of).unwrap_or_default();
            Payer { line: of.payer, share, before, movement }
        });
        let payers: Vec<Payer<'a>> = payers.collect();
        let first = payers.first().ok_or_else(missing)?;
        let experience = observed(inputs.period, cohort, first.before, &first.movement)?;
        let is_over = first.before.is_some_and(|state| state.liability.is_over);
        let ends = match (cohort.expires, terms.method) {
            (Expiry::On(day), _) if day <= inputs.period.last_day() => true,
            (_, Method::Remote { after_months: Some(months) }) => {
                usize::try_from(months).is_ok_and(|months| experience.age() >= months)
            }
            (_, Method::Remote { after_months: None } | Method::CatchUp) => false,
        };
        let phase = match (is_over, ends) {
            (true, _) => Phase::Over,
            (false, true) => Phase::Ends,
            (false, false) => Phase::Open,
        };
        Ok(Self { cohort, payers, terms, experience, phase })
    }

    /// What the close before left of the cohort, in any payer's books.
    fn before(&self) -> Option<&'a CohortState> {
        self.payers.first().and_then(|payer| payer.before)
    }

    fn observed(&self) -> Observed<'_> {
        let before = self.before().and_then(|state| {
            let next = state.next?;
            Some(Before { redeemed: state.redeemed.last().copied().unwrap_or_default(), next })
        });
        Observed {
            cohort: self.cohort,
            issued: self.experience.issued,
            redeemed: &self.experience.redeemed,
            initial: self.terms.initial_urr,
            before,
        }
    }

    /// E of a cohort that stays open, and what it rests on; with what is expected of the next month.
    fn expected(
        &self,
        inputs: &Inputs<'_>,
        learned: Option<&Learned>,
    ) -> Result<(Micro, RateBasis, Option<Micro>), OutOfRange> {
        let (issued, redeemed) = (self.experience.issued, self.experience.latest());
        let possible = Micro::of_points(issued);
        let at = |rate: Rate| Ok::<_, OutOfRange>(possible.part(rate)?.min(possible).max(Micro::of_points(redeemed)));
        let estimate = learned.map(|learned| learned.expected(&self.observed())).transpose()?;
        let next = estimate.and_then(|estimate| estimate.next).filter(|_| self.phase == Phase::Open);
        let Cohort { scheme, issued: month, .. } = self.cohort;
        if self.phase != Phase::Open {
            let basis = match self.cohort.expires {
                Expiry::On(day) if day <= inputs.period.last_day() => RateBasis::Expired,
                Expiry::On(_) | Expiry::Never => RateBasis::Remote,
            };
            return Ok((Micro::of_points(redeemed), basis, None));
        }
        if let Some(manual) = inputs.rulebook.urr_override(scheme, *month, inputs.period) {
            let reason = manual.words();
            return Ok((at(manual.rate())?, RateBasis::Manual { reason }, next));
        }
        Ok(match (self.terms.method, estimate) {
            (Method::Remote { .. }, _) => (possible, RateBasis::Remote, next),
            (Method::CatchUp, Some(estimate)) => {
                (Micro::of_points(redeemed).plus(estimate.to_come)?, RateBasis::Experience, next)
            }
            (Method::CatchUp, None) => (at(self.terms.initial_urr)?, RateBasis::Initial, None),
        })
    }

    fn close(
        &self,
        inputs: &Inputs<'_>,
        learned: Option<&Learned>,
        evidence: &BTreeMap<Cohort, Evidence>,
    ) -> Result<Rows, SettleError> {
        let (expected, basis, next) = self.expected(inputs, learned)?;
        let mut payers = Vec::with_capacity(self.payers.len());
        for payer in &self.payers {
            let before = payer.before.map(|state| &state.liability);
            let closing = CohortLiability::close(before, &payer.movement, expected, self.phase)?;
            payers.push(self.row(inputs, payer, closing, (learned, next, &basis))?);
        }
        self.share_points(&mut payers)?;
        let expected = payers.first().map_or(Micro::ZERO, |row| row.state.liability.expected);
        let compared = self.observed().before;
        let actual = match compared {
            Some(before) => Some(self.experience.latest().minus(before.redeemed)?),
            None => None,
        };
        let rate = RedemptionRateRow {
            cohort: self.cohort.clone(),
            age: self.experience.age(),
            issued: self.experience.issued,
            redeemed_by_age: self.experience.redeemed.clone(),
            basis,
            expected: expected.points()?,
            rate: rate(expected, self.experience.issued)?.unwrap_or(Rate::ONE),
            evidence: evidence.get(self.cohort).cloned().unwrap_or_default(),
            actual,
            expected_of_previous_close: compared.map(|before| before.next),
        };
        Ok(Rows { payers, rate })
    }

    /// One payer's books.
    fn row(
        &self,
        inputs: &Inputs<'_>,
        payer: &Payer<'_>,
        closing: Closing,
        (learned, next, basis): (Option<&Learned>, Option<Micro>, &RateBasis),
    ) -> Result<Row, SettleError> {
        let Closing { state, row, provision, lines, claw_back } = closing;
        let outstanding = state.outstanding()?;
        let urr = rate(state.expected, self.experience.issued)?;
        let of = Borne { cohort: self.cohort.clone(), payer: payer.line.clone() };
        let other = of.other();
        let is_still = row == RollForward::default() && provision == ProvisionRow::default();
        let liability = if is_still && outstanding.is_zero() && payer.movement == Movement::default() {
            None
        } else {
            Some(LiabilityRow {
                cohort: self.cohort.clone(),
                payer: other.clone(),
                row,
                provision,
                rate: urr.unwrap_or(Rate::ONE),
                previous_rate: payer.before.and_then(|state| state.urr),
                basis: basis.clone(),
                method: self.terms.method,
                outstanding,
                given: state.given,
                expected: state.expected,
                maturity: maturity(learned, &self.observed(), row.closing)?,
                provision_maturity: maturity(learned, &self.observed(), provision.closing)?,
            })
        };
        let state = CohortState {
            cohort: self.cohort.clone(),
            payer: other,
            liability: state,
            redeemed: self.experience.redeemed.clone(),
            next,
            urr,
            sponsored: sponsored(inputs, payer.before, &of)?,
        };
        let closed = Closed { cohort: of.cohort, payer: of.payer, row, provision, lines, claw_back };
        Ok(Row { liability, state, closed, outstanding })
    }

    /// Points belong to the cohort: the rows of several payers show their shares of them.
    fn share_points(&self, rows: &mut [Row]) -> Result<(), OutOfRange> {
        let [first, _, ..] = rows else { return Ok(()) };
        let weights: Vec<i128> = self.payers.iter().map(|payer| payer.share.scaled()).collect();
        let outstanding = largest_remainder(first.outstanding.get(), &weights)?;
        for ((row, payer), outstanding) in rows.iter_mut().zip(&self.payers).zip(outstanding) {
            if let Some(row) = &mut row.liability {
                row.outstanding = Points::new(outstanding);
                row.given = Micro::of_points(row.given).part(payer.share)?.points()?;
                row.expected = row.expected.part(payer.share)?;
            }
        }
        Ok(())
    }
}

/// What other lines' sales issued of a cohort, by seller.
fn sponsored(
    inputs: &Inputs<'_>,
    before: Option<&CohortState>,
    of: &Borne,
) -> Result<BTreeMap<LineId, Sponsored>, OutOfRange> {
    let mut sellers = before.map(|state| state.sponsored.clone()).unwrap_or_default();
    for (seller, moved) in inputs.tally.sponsored.get(of).into_iter().flatten() {
        sellers.entry(seller.clone()).or_default().merge(moved)?;
    }
    sellers.retain(|_, of| !of.is_nothing());
    Ok(sellers)
}

/// What closing one cohort adds to the reports.
struct Rows {
    payers: Vec<Row>,
    rate: RedemptionRateRow,
}

/// In the books of one of its payers.
struct Row {
    liability: Option<LiabilityRow>,
    state: CohortState,
    closed: Closed,
    /// The cohort's points.
    outstanding: Points,
}

/// What is expected of what was issued, in 10^-8; none of nothing.
fn rate(expected: Micro, issued: Points) -> Result<Option<Rate>, OutOfRange> {
    if !issued.is_positive() {
        return Ok(None);
    }
    Rate::from_scaled(expected.share(Rate::SCALE, Micro::of_points(issued).get())?.get()).map(Some)
}

/// When the closing liability is expected to be used: cumulative, so that the steps add up. Without anything
/// learned all of it may be at once.
fn maturity(learned: Option<&Learned>, row: &Observed<'_>, closing: Money) -> Result<[Money; 4], OutOfRange> {
    let mut steps = [Money::ZERO; 4];
    let all = learned.map(|learned| learned.within(row, u32::MAX)).transpose()?.unwrap_or_default();
    let mut before = Money::ZERO;
    for (step, months) in steps.iter_mut().zip(MATURITY_MONTHS) {
        let until = match learned {
            Some(learned) if all > 0 => closing.proportion(learned.within(row, months)?, all)?,
            Some(_) | None => closing,
        };
        *step = until.minus(before)?;
        before = until;
    }
    steps[3] = closing.minus(before)?;
    Ok(steps)
}

/// Brings what the programme knows up to the close, and says what is expected of the next month's sales.
fn learned(
    inputs: &Inputs<'_>,
    previous: Option<&State>,
    cohorts: &[Closes<'_>],
) -> Result<(UrrState, Option<Learned>), OutOfRange> {
    let (rulebook, period) = (inputs.rulebook, inputs.period);
    let mut memory = previous.map(|state| state.urr.memory.clone()).unwrap_or_default();
    if memory.first_redemption.is_none() {
        let redeemed = |kind: FlowKind| matches!(kind, FlowKind::Redeemed | FlowKind::Repaid);
        let began = inputs.tally.flows.iter().any(|(key, flow)| redeemed(key.kind) && flow.points.is_positive());
        memory.first_redemption = began.then_some(period);
    }
    let mut rates = previous.map(|state| state.urr.rates.clone()).unwrap_or_default();
    let at_issue = rates.clone();
    for Borne { cohort, .. } in inputs.tally.valued.keys() {
        if let Some(terms) = rulebook.liability(&cohort.scheme, cohort.issued) {
            let rate = at_issue.of(rulebook, cohort, period, terms);
            rates.set(&cohort.scheme, Life::of(cohort), cohort.issued, rate);
        }
    }
    let observed: Vec<Observed<'_>> = cohorts.iter().map(Closes::observed).collect();
    let learned = match rulebook.urr(period) {
        UrrTerms::Experience(terms) => Some(Learned::of(terms, &observed, period, rulebook.first_period, &mut memory)?),
        UrrTerms::Initial => None,
    };
    of_next_month(rulebook, period, cohorts, learned.as_ref(), &mut rates)?;
    let indicators = learned.as_ref().map(|learned| learned.indicators);
    Ok((UrrState { rates, memory, indicators, ..UrrState::default() }, learned))
}

/// Every scheme, with every life that its points have had or will have.
fn of_next_month(
    rulebook: &Rulebook,
    period: Period,
    cohorts: &[Closes<'_>],
    learned: Option<&Learned>,
    rates: &mut SaleRates,
) -> Result<(), OutOfRange> {
    let next = period.next();
    let mut lives: BTreeSet<(SchemeId, Life)> =
        cohorts.iter().map(|cohort| (cohort.cohort.scheme.clone(), Life::of(cohort.cohort))).collect();
    for line in &rulebook.lines {
        let scheme = SchemeId::of(&line.id);
        lives.extend(rulebook.lives(&scheme, next).into_iter().map(|life| (scheme.clone(), life)));
    }
    for scheme in rulebook.schemes_issued(next) {
        lives.extend(rulebook.lives(&scheme, next).into_iter().map(|life| (scheme.clone(), life)));
    }
    for (scheme, life) in lives {
        let Some(terms) = rulebook.liability(&scheme, next) else { continue };
        let rate = match learned {
            Some(learned) => learned.of_new(&scheme, life, terms.initial_urr)?,
            None => terms.initial_urr,
        };
        rates.set(&scheme, life, next, rate);
    }
    Ok(())
}

/// What each past close expected to come, beside what came since and is still expected.
fn past(period: Period, previous: Option<&State>, states: &[CohortState]) -> Result<Vec<PastClose>, OutOfRange> {
    let states: Vec<&CohortState> = cohorts_once(states).collect();
    let open = states.iter().map(|state| state.liability.outstanding()).collect::<Result<Vec<_>, _>>()?;
    let open = Points::sum(open)?;
    let (redeemed, to_come) = came(states.iter().copied())?;
    let now = PastClose { close: period, open, to_come, redeemed, since: Points::ZERO, still: to_come };
    let mut past: Vec<PastClose> = previous.map(|state| state.urr.past.clone()).unwrap_or_default();
    for close in &mut past {
        let (redeemed, still) = came(states.iter().copied().filter(|state| state.cohort.issued <= close.close))?;
        close.since = redeemed.minus(close.redeemed)?;
        close.still = still;
    }
    past.push(now);
    let first = past.len().saturating_sub(PAST_CLOSES);
    Ok(past.split_off(first))
}

/// What came of some cohorts, and what is still to come.
fn came<'a>(states: impl Iterator<Item = &'a CohortState>) -> Result<(Points, Micro), OutOfRange> {
    let (mut redeemed, mut to_come) = (Points::ZERO, Micro::ZERO);
    for CohortState { liability, .. } in states {
        redeemed.add(liability.redeemed()?)?;
        to_come.add(liability.to_come()?)?;
    }
    Ok((redeemed, to_come))
}

fn year(period: Period, previous: Option<&State>, rows: &[LiabilityRow]) -> Result<YearOfEstimates, OutOfRange> {
    let carried = previous.filter(|state| state.period.year() == period.year()).map(|state| state.urr.year);
    let opening = match carried {
        Some(year) => year.opening,
        None => Money::sum(rows.iter().map(|row| row.row.opening))?,
    };
    let before = carried.map_or(Money::ZERO, |year| year.re_estimate);
    let re_estimate = before.plus(Money::sum(rows.iter().map(|row| row.row.re_estimate))?)?;
    Ok(YearOfEstimates { opening, re_estimate })
}

/// The movements of every cohort in the books of its payers. What another line is owed is known by pair only, after
/// the split and its VAT; it is shared out over the pair's cohorts.
fn movements(
    inputs: &Inputs<'_>,
    points: &[PointsRow],
    (owed, funding): (&[Owed], &[FundingRow]),
    before: &BTreeMap<&Cohort, Vec<&CohortState>>,
) -> Result<BTreeMap<Borne, Movement>, SettleError> {
    let mut moved = flows(inputs)?;
    for row in points.iter().filter(|row| !row.expired.is_zero()) {
        for of in payers(inputs, &row.cohort) {
            moved.entry(of).or_default().expired = row.expired;
        }
    }
    let mut costs: BTreeMap<(&LineId, &LineId), Money> = BTreeMap::new();
    for pair in owed.iter().filter(|pair| !pair.product.is_split_off()) {
        costs.entry((&pair.payer, &pair.payee)).or_default().add(pair.amount.minus(pair.input)?)?;
    }
    let mut exact = exact_costs(inputs, funding)?;
    let known = || before.keys().copied().chain(moved.keys().map(|of| &of.cohort));
    for ((payer, payee), _) in costs.iter().filter(|(_, cost)| !cost.is_zero()) {
        // What comes back under a cap may be owed to a line that honoured nothing of it this month.
        let capped = known().filter(|cohort| {
            let funding = inputs.rulebook.funding(&cohort.scheme, cohort.issued);
            funding.over.is_some() && funding.shares.iter().any(|(of, _)| of == *payer)
        });
        let key = ((*payer).clone(), (*payee).clone());
        if !exact.contains_key(&key)
            && let Some(newest) = capped.max_by_key(|cohort| cohort.issued)
        {
            exact.insert(key, BTreeMap::from([(newest.clone(), Micro::ZERO)]));
        }
    }
    for ((payer, payee), cohorts) in exact {
        let cost = costs.get(&(&payer, &payee)).copied().unwrap_or_default();
        let cohorts = cohorts.iter().map(|(cohort, exact)| (cohort, *exact)).collect();
        for (cohort, part) in by_cohort(cost, cohorts)? {
            let of = Borne { cohort: cohort.clone(), payer: payer.clone() };
            moved.entry(of).or_default().cost.insert(payee.clone(), part);
        }
    }
    Ok(moved)
}

/// By payer and payee, what each cohort costs.
type ExactCosts = BTreeMap<(LineId, LineId), BTreeMap<Cohort, Micro>>;

/// A payer's share of what a cohort's claims cost at other lines; where it has a cap, of what it bears in the end.
fn exact_costs(inputs: &Inputs<'_>, funding: &[FundingRow]) -> Result<ExactCosts, OutOfRange> {
    let mut nominal: BTreeMap<(&SchemeId, &LineId, &LineId), Micro> = BTreeMap::new();
    for (CostKey { of, line, .. }, sum) in &inputs.tally.costs {
        let part = Micro::of_money(sum.amount).part(inputs.rulebook.borne(of))?;
        nominal.entry((&of.cohort.scheme, &of.payer, line)).or_default().add(part)?;
    }
    let mut borne: BTreeMap<(&SchemeId, &LineId, &LineId), Micro> = BTreeMap::new();
    for row in funding {
        borne.entry((&row.scheme, &row.payer, &row.redeemer)).or_default().add(Micro::of_money(row.amount))?;
    }
    let mut exact = ExactCosts::new();
    for (CostKey { of, line, share, deductible }, sum) in &inputs.tally.costs {
        let cost = Micro::of_money(sum.amount).share(share.scaled(), Rate::SCALE + deductible.scaled())?;
        let mut cost = cost.part(inputs.rulebook.borne(of))?;
        let key = (&of.cohort.scheme, &of.payer, line);
        if inputs.rulebook.funding(&of.cohort.scheme, of.cohort.issued).over.is_some()
            && let (Some(borne), Some(nominal)) = (borne.get(&key), nominal.get(&key))
            && nominal.is_positive()
        {
            cost = cost.share(borne.get(), nominal.get())?;
        }
        let cohorts = exact.entry((of.payer.clone(), line.clone())).or_default();
        cohorts.entry(of.cohort.clone()).or_default().add(cost)?;
    }
    Ok(exact)
}

/// A cohort in the part of each who bears its cost.
fn payers(inputs: &Inputs<'_>, cohort: &Cohort) -> impl Iterator<Item = Borne> {
    let funding = inputs.rulebook.funding(&cohort.scheme, cohort.issued);
    let cohort = cohort.clone();
    funding.shares.into_iter().map(move |(payer, _)| Borne { cohort: cohort.clone(), payer })
}

/// A pair's cost by cohort: exact parts rounded down, the rest one by one to the largest remainders, ties by issue.
/// Parts may be negative, and all of them zero where the cost is not.
fn by_cohort(cost: Money, exact: BTreeMap<&Cohort, Micro>) -> Result<Vec<(&Cohort, Money)>, OutOfRange> {
    let mut parts: Vec<(&Cohort, Micro)> = exact.into_iter().collect();
    parts.sort_by(|(one, _), (other, _)| one.by_scheme().cmp(&other.by_scheme()));
    parts.sort_by_key(|(_, exact)| std::cmp::Reverse(exact.get().rem_euclid(Micro::SCALE)));
    let floor = |exact: Micro| Money::from_minor_wide(exact.get().div_euclid(Micro::SCALE));
    let mut left = cost.minor();
    for (_, exact) in &parts {
        left = left.checked_sub(floor(*exact)?.minor()).ok_or(OutOfRange)?;
    }
    let count = i64::try_from(parts.len()).map_err(|_| OutOfRange)?;
    let shares = (0_i64..).zip(parts).map(|(at, (cohort, exact))| {
        let more = left.div_euclid(count) + i64::from(at < left.rem_euclid(count));
        Ok((cohort, floor(exact)?.plus(Money::from_minor(more))?))
    });
    shares.collect()
}

fn flows(inputs: &Inputs<'_>) -> Result<BTreeMap<Borne, Movement>, OutOfRange> {
    let mut moved: BTreeMap<Borne, Movement> = BTreeMap::new();
    for (of, valued) in &inputs.tally.valued {
        moved.entry(of.clone()).or_default().valued = *valued;
    }
    for (key, flow) in &inputs.tally.flows {
        let (points, is_return) = match key.kind {
            FlowKind::Redeemed | FlowKind::Repaid => (flow.points, false),
            FlowKind::Returned => (flow.points.negated()?, true),
            FlowKind::Issued | FlowKind::Granted | FlowKind::Taken | FlowKind::Revoked | FlowKind::Owed => {
                (Points::ZERO, false)
            }
        };
        for of in payers(inputs, &key.cohort) {
            // What paid a debt to the scheme itself is no other line's.
            let is_own = of.payer == key.counterparty || key.cohort.scheme == key.counterparty;
            let moved = moved.entry(of).or_default();
            if points.is_zero() {
                continue;
            }
            let of_others = if is_return { &mut moved.returned_other } else { &mut moved.redeemed_other };
            let own = if is_return { &mut moved.returned_own } else { &mut moved.redeemed_own };
            if is_own {
                own.add(points)?;
            } else {
                of_others.entry(key.counterparty.clone()).or_default().add(points)?;
            }
        }
    }
    Ok(moved)
}

/// The cohort's row of the triangle, with this period's age at its end. Ages in which nothing was booked repeat the
/// age before; what is booked after the expiry is of no age.
fn observed(
    period: Period,
    cohort: &Cohort,
    before: Option<&CohortState>,
    movement: &Movement,
) -> Result<Experience, SettleError> {
    let withdrawn = movement.valued.withdrawn()?;
    let issued = before.map_or(Points::ZERO, |state| state.liability.issued);
    let issued = issued.plus(movement.valued.issued()?)?.minus(withdrawn.points)?;
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
    if let Some(latest) = row.redeemed.last_mut().filter(|_| age <= last) {
        latest.add(movement.redeemed()?.minus(withdrawn.owed)?)?;
    }
    Ok(row)
}

fn expiring(
    inputs: &Inputs<'_>,
    forecast: &mut BTreeMap<(SchemeId, Period), ExpiryForecast>,
    horizon: Period,
    face_value: Rate,
    payers: &[Row],
) -> Result<(), OutOfRange> {
    let Some(Row { outstanding, closed, .. }) = payers.first() else { return Ok(()) };
    let month = match closed.cohort.expires {
        Expiry::On(day) => Period::of_day(day),
        Expiry::Never => return Ok(()),
    };
    if outstanding.is_zero() || month > horizon {
        return Ok(());
    }
    let currency = inputs.rulebook.currency;
    let value = stand_alone_value(currency, *outstanding, face_value, Rate::ONE)?;
    let scheme = closed.cohort.scheme.clone();
    let sum = forecast.entry((scheme.clone(), month)).or_insert_with(|| ExpiryForecast {
        scheme,
        month,
        points: Points::ZERO,
        value: Money::ZERO,
        liability: Money::ZERO,
    });
    sum.points.add(*outstanding)?;
    sum.value.add(value.money()?)?;
    for Row { closed, .. } in payers {
        sum.liability.add(closed.row.closing.plus(closed.provision.closing)?)?;
    }
    Ok(())
}
