//! The liability's roll-forward ties with the previous close, with itself and
//! with the points.

use super::found::Checks;
use crate::actuarial::liability::{CohortLiability, RollForward};
use crate::claims::lot::Borne;
use crate::close::checks::CheckId;
use crate::close::settlement::{CohortState, Inputs, Settlement};
use crate::units::money::{Money, OutOfRange, Points};
use std::collections::{BTreeMap, BTreeSet};

/// What each payer's part of a cohort carries, in and out of the month.
struct Carried<'a> {
    before: BTreeMap<Borne, &'a CohortLiability>,
    after: BTreeMap<Borne, &'a CohortLiability>,
}

fn closing(of: Option<&&CohortLiability>) -> Money {
    of.map(|of| of.contract.closing).unwrap_or_default()
}

fn provided(of: Option<&&CohortLiability>) -> Money {
    of.map(|of| of.provision.closing).unwrap_or_default()
}

pub(super) fn liability(checks: &mut Checks, inputs: &Inputs<'_>, settlement: &Settlement) -> Result<(), OutOfRange> {
    fn by_payer(states: &[CohortState]) -> BTreeMap<Borne, &CohortLiability> {
        states.iter().map(|state| (state.borne(), &state.liability)).collect()
    }
    let carried = Carried {
        before: inputs.previous.as_ref().map_or_else(BTreeMap::new, |previous| by_payer(&previous.state.liability)),
        after: by_payer(&settlement.state.liability),
    };
    let currency = inputs.rulebook.currency;
    let total = settlement.liability_total()?;
    let brought = Money::sum(carried.before.values().map(|of| of.contract.closing))?;
    checks.amounts(CheckId::LiabilityCarried, currency, brought, total.opening);
    checks.amounts(CheckId::LiabilityRolled, currency, total.computed()?, total.closing);
    rows(checks, settlement, &carried)?;
    checks.equal(CheckId::Cl0Moved, 0, allocated_apart(inputs, settlement, &carried)?);
    points(checks, inputs, settlement, &carried)
}

/// Each row ties with itself, with what was carried in and with what is
/// carried on, and lies within what its cohort was allocated.
fn rows(checks: &mut Checks, settlement: &Settlement, carried: &Carried<'_>) -> Result<(), OutOfRange> {
    let (mut untied, mut outside, mut left) = (0, 0, 0);
    // What is booked of each is its exact closing, to the minor unit.
    for of in carried.before.values().chain(carried.after.values()) {
        let (contract, provision) = (of.exact_closing.money()?, of.provision.exact_closing.money()?);
        untied += usize::from(contract != of.contract.closing || provision != of.provision.closing);
    }
    for row in &settlement.liability {
        let (before, after) = (carried.before.get(&row.borne()), carried.after.get(&row.borne()));
        untied += usize::from(row.row.check().is_err() || row.row.opening != closing(before));
        untied += usize::from(
            row.provision.computed()? != row.provision.closing
                || row.provision.opening != provided(before)
                || row.provision.closing != provided(after),
        );
        let allocated = after.map(|of| of.allocated.money()).transpose()?.unwrap_or_default();
        outside += usize::from(row.row.closing.is_negative() || row.row.closing > allocated);
        outside += usize::from(row.provision.closing.is_negative());
        let is_left = !row.row.closing.is_zero() || !row.provision.closing.is_zero();
        // A payer's share of the cohort's points may be none, but not all of them.
        let outstanding = match &row.payer {
            None => row.outstanding,
            Some(_) => after.map(|of| of.outstanding()).transpose()?.unwrap_or_default(),
        };
        left += usize::from(outstanding.is_zero() && is_left);
    }
    checks.equal(CheckId::LiabilityUntied, 0, untied);
    checks.equal(CheckId::LiabilityOutside, 0, outside);
    checks.equal(CheckId::LiabilityLeft, 0, left);
    Ok(())
}

/// Cohorts, with a row or without, whose allocated amount or closing is not
/// what it was and what moved.
fn allocated_apart(inputs: &Inputs<'_>, settlement: &Settlement, carried: &Carried<'_>) -> Result<usize, OutOfRange> {
    let rows: BTreeMap<Borne, &RollForward> = settlement.liability.iter().map(|row| (row.borne(), &row.row)).collect();
    let exact = |of: Option<&&CohortLiability>| of.map(|of| of.allocated).unwrap_or_default();
    let mut apart = 0;
    for of in carried.before.keys().chain(carried.after.keys()).collect::<BTreeSet<&Borne>>() {
        let (before, after) = (carried.before.get(of), carried.after.get(of));
        let valued = inputs.tally.valued.get(of).copied().unwrap_or_default();
        let moved = exact(before).plus(valued.allocated)?.minus(valued.back)?;
        let closes = rows.get(of).map_or(closing(before), |row| row.closing);
        apart += usize::from(exact(after) != moved || closing(after) != closes);
    }
    Ok(apart)
}

/// The movements in points, rebuilt from what the liability carries.
fn points(
    checks: &mut Checks,
    inputs: &Inputs<'_>,
    settlement: &Settlement,
    carried: &Carried<'_>,
) -> Result<(), OutOfRange> {
    let none = CohortLiability::default();
    let mut apart = 0;
    let mut redeemed = Points::ZERO;
    for row in &settlement.roll_forward {
        let funding = inputs.rulebook.funding(&row.cohort.scheme, row.cohort.issued);
        let mut of_cohort = Points::ZERO;
        for (payer, _) in funding.shares {
            let of = Borne { cohort: row.cohort.clone(), payer };
            let old = carried.before.get(&of).copied().unwrap_or(&none);
            let new = carried.after.get(&of).copied().unwrap_or(&none);
            // What is withdrawn of spent and of expired points leaves what was issued, redeemed and expired.
            let withdrawn = inputs.tally.valued.get(&of).map(|valued| valued.withdrawn());
            let withdrawn = withdrawn.transpose()?.unwrap_or_default();
            let taken = withdrawn.points.minus(withdrawn.owed)?.minus(withdrawn.gone)?;
            of_cohort = new.redeemed()?.minus(old.redeemed()?)?.plus(withdrawn.owed)?;
            let same = of_cohort == row.redeemed_own.plus(row.redeemed_other)?
                && taken == row.reversed
                && new.issued.minus(old.issued)? == row.issued.minus(withdrawn.points)?
                && new.expired.minus(old.expired)?.plus(withdrawn.gone)? == row.expired
                && old.outstanding()? == row.opening
                && new.outstanding()? == row.closing;
            apart += usize::from(!same);
        }
        redeemed.add(of_cohort)?;
    }
    let rows = || settlement.roll_forward.iter();
    let rolled =
        Points::sum(rows().map(|row| row.redeemed_own))?.plus(Points::sum(rows().map(|row| row.redeemed_other))?)?;
    checks.equal(CheckId::LiabilityPoints, rolled, redeemed);
    checks.equal(CheckId::LiabilityApart, 0, apart);
    Ok(())
}
