//! What the programme's own schemes gave, took back and cost.

use crate::actuarial::liability::stand_alone_value;
use crate::close::settlement::{
    CohortState, Inputs, RollForward, SchemeAward, SchemeRow, SchemeToDate, SettleError, SplitBase, State, cohorts_once,
};
use crate::legs::{FlowKind, Reason};
use crate::units::id::SchemeId;
use crate::units::micro::Micro;
use crate::units::money::{Money, OutOfRange, Points, Rate};
use std::collections::BTreeMap;

/// The rows of the month, and what they come to since each scheme began.
pub(super) fn schemes(
    inputs: &Inputs<'_>,
    previous: Option<&State>,
    roll_forward: &[RollForward],
    states: &[CohortState],
    bases: &[SplitBase],
) -> Result<(Vec<SchemeRow>, Vec<SchemeToDate>), SettleError> {
    let is_own = |scheme: &SchemeId| !inputs.rulebook.is_line(scheme);
    let mut rows: BTreeMap<SchemeId, SchemeRow> = BTreeMap::new();
    let of = |scheme: &SchemeId| SchemeRow::of(scheme.clone());
    for row in roll_forward.iter().filter(|row| is_own(&row.cohort.scheme)) {
        let scheme = &row.cohort.scheme;
        let of = rows.entry(scheme.clone()).or_insert_with(|| of(scheme));
        of.issued.add(row.issued)?;
        of.redeemed.add(row.redeemed_own.plus(row.redeemed_other)?)?;
        of.expired.add(row.expired)?;
        of.withdrawn.add(row.reversed)?;
        of.outstanding.add(row.closing)?;
    }
    for (key, flow) in &inputs.tally.flows {
        if is_own(&key.cohort.scheme) && key.kind == FlowKind::Owed {
            let scheme = &key.cohort.scheme;
            rows.entry(scheme.clone()).or_insert_with(|| of(scheme)).withdrawn.add(flow.points)?;
        }
    }
    let mut to_date: BTreeMap<SchemeId, SchemeToDate> = BTreeMap::new();
    for before in previous.into_iter().flat_map(|state| &state.schemes) {
        rows.entry(before.scheme.clone()).or_insert_with(|| of(&before.scheme));
        to_date.insert(before.scheme.clone(), before.clone());
    }
    for (scheme, row) in &mut rows {
        let sum = to_date.entry(scheme.clone()).or_insert_with(|| SchemeToDate::of(scheme.clone()));
        sum.issued.add(row.issued)?;
        sum.withdrawn.add(row.withdrawn)?;
        sum.redeemed.add(row.redeemed)?;
        sum.expired.add(row.expired)?;
        row.cost_to_date = Money::sum(bases.iter().filter(|base| base.scheme == *scheme).map(cost))?;
        let left = to_come(inputs, scheme, states, row.cost_to_date, sum.redeemed)?;
        row.cost_expected = row.cost_to_date.plus(left)?;
        row.awards = awards(inputs, scheme);
    }
    Ok((rows.into_values().collect(), to_date.into_values().collect()))
}

/// What redemptions cost; a member's debt that other claims of the programme pay is no cost of theirs alone.
fn cost(base: &SplitBase) -> Money {
    match base.unsplit {
        None | Some(Reason::Redemption | Reason::Return | Reason::Repayment) => base.base,
    }
}

fn awards(inputs: &Inputs<'_>, scheme: &SchemeId) -> Vec<SchemeAward> {
    let of = inputs.tally.awarded.iter().filter(|(key, _)| key.scheme == *scheme);
    let row = of.map(|(key, sum)| SchemeAward {
        award: key.award.clone(),
        line: key.line.clone(),
        events: sum.sales.events,
        members: sum.members,
        sales: sum.sales.amount,
        issued: sum.sales.points,
    });
    row.collect()
}

/// What is still expected to be redeemed, at what a point has cost so far; at its face value before any has.
fn to_come(
    inputs: &Inputs<'_>,
    scheme: &SchemeId,
    states: &[CohortState],
    cost: Money,
    redeemed: Points,
) -> Result<Money, OutOfRange> {
    let mut all = Micro::ZERO;
    let mut at_face = Micro::ZERO;
    for state in cohorts_once(states).filter(|state| state.cohort.scheme == *scheme && !state.liability.is_over) {
        let points = state.liability.to_come()?;
        all.add(points)?;
        if let Some(terms) = inputs.rulebook.liability(scheme, state.cohort.issued) {
            let points = points.points()?;
            at_face.add(stand_alone_value(inputs.rulebook.currency, points, terms.face_value, Rate::ONE)?)?;
        }
    }
    if redeemed.is_positive() {
        Micro::of_money(cost).share(all.get(), Micro::of_points(redeemed).get())?.money()
    } else {
        at_face.money()
    }
}
