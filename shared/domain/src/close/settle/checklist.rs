//! The checks that a final run has to pass.

use super::book_checks::{books, differing};
use super::estimate_checks::estimates;
use super::found::Checks;
use super::liability_checks::liability;
use super::sale_checks::sales;
use crate::close::carry::{balances as carried_balances, due};
use crate::close::checks::{CheckId, Severity};
use crate::close::netting::{Nets, Payment, residual};
use crate::close::orders::{lacking, orders};
use crate::close::settlement::{Check, Inputs, Settlement};
use crate::close::tally::Tally;
use crate::legs::{ControlKind, FlowKind};
use crate::units::money::{Money, OutOfRange, Points};
use chrono::Datelike;
use rust_decimal::Decimal;
use std::collections::BTreeSet;

pub(super) fn checklist(inputs: &Inputs<'_>, settlement: &Settlement, nets: &Nets) -> Result<Vec<Check>, OutOfRange> {
    let tally = inputs.tally;
    let currency = inputs.rulebook.currency;
    let mut checks = Checks(Vec::new());
    let shards = usize::from(inputs.rulebook.shards(inputs.period).number());
    checks.equal(CheckId::ShardsRead, shards, inputs.shards.len());
    if let Some(sealed) = inputs.sealed {
        checks.equal(CheckId::ShardsSealed, shards, sealed);
    }
    if let Some(previous) = &inputs.previous {
        checks.equal(CheckId::PreviousPeriod, inputs.period.previous(), previous.state.period);
        let names = [CheckId::PreviousShards, CheckId::OlderShards];
        for (name, reread) in names.into_iter().zip(previous.reread(inputs.period)) {
            checks.unchanged(name, &reread);
        }
    }
    let entries = tally.controls.values().try_fold(0_u64, |sum, control| sum.checked_add(control.events));
    let entries = entries.ok_or(OutOfRange)?;
    checks.equal(CheckId::EntriesInControls, tally.entries, entries);
    sales(&mut checks, inputs);

    let splits = || settlement.splits.iter();
    let between: Money = Money::sum(splits().filter(|row| row.payer != row.beneficiary).map(|row| row.amount))?;
    checks.amounts(
        CheckId::DetailsOwed,
        currency,
        tally.details.amount,
        Money::sum(tally.obligations.values().map(|obligation| obligation.amount))?,
    );
    // What the redeeming line pays on is not owed twice.
    let owed = splits().filter(|row| row.payer != row.redeemer).map(|row| row.amount);
    // Nor is what a funder among several bears at its own line.
    let own = settlement.funding.iter().filter(|row| row.payer == row.redeemer).map(|row| row.amount);
    checks.amounts(CheckId::SplitsOwed, currency, tally.details.amount, Money::sum(owed.chain(own))?);
    checks.amounts(
        CheckId::BilateralSplits,
        currency,
        between,
        Money::sum(settlement.bilateral.iter().map(|row| row.amount))?,
    );
    let roundings = splits().map(|row| row.rounding).chain(settlement.funding.iter().map(|row| row.rounding));
    let off = roundings.filter(|rounding| rounding.abs() >= Decimal::new(1, u32::from(currency.decimals()))).count();
    checks.equal(CheckId::SharesOff, 0, off);
    checks.amounts(
        CheckId::NetsSumToZero,
        currency,
        Money::ZERO,
        Money::sum(settlement.positions.iter().map(|row| row.net))?,
    );
    payments(&mut checks, inputs, settlement, nets)?;

    points(&mut checks, tally, settlement)?;
    liability(&mut checks, inputs, settlement)?;
    estimates(&mut checks, inputs, settlement)?;
    books(&mut checks, inputs, settlement, nets)?;
    Ok(checks.0)
}

fn carried_before<'a>(inputs: &Inputs<'a>) -> &'a [Payment] {
    inputs.previous.as_ref().map_or(&[], |previous| &previous.state.carried)
}

/// What is not paid is carried, and nothing else; what is, a bank can be told.
fn payments(checks: &mut Checks, inputs: &Inputs<'_>, settlement: &Settlement, nets: &Nets) -> Result<(), OutOfRange> {
    let left = residual(&due(nets, carried_before(inputs))?, &settlement.payments)?;
    let carried = carried_balances(&settlement.state.carried)?;
    checks.equal(CheckId::NetsLeft, 0, differing(&left, &carried));

    let rulebook = inputs.rulebook;
    let own = rulebook.own_payments(inputs.period);
    let severity = if own.is_some() { Severity::Failure } else { Severity::Warning };
    let lacks = lacking(&orders(rulebook, inputs.period, &settlement.payments));
    checks.equal_or(severity, CheckId::BankData, NONE_LACKING, lacks.as_deref().unwrap_or(NONE_LACKING));
    if let Some(terms) = own {
        let days = rulebook.payment_days(inputs.period);
        let years = BTreeSet::from([days.incoming.year(), days.outgoing.year()]);
        let listed = years.iter().filter(|year| terms.lists(**year)).count();
        checks.equal(CheckId::HolidaysListed, years.len(), listed);
    }
    Ok(())
}

/// What is said where nothing is missing.
const NONE_LACKING: &str = "complete";

/// Points are counted twice: from what entries say of themselves, and from their flows.
fn points(checks: &mut Checks, tally: &Tally, settlement: &Settlement) -> Result<(), OutOfRange> {
    let control = |kind: ControlKind| {
        Points::sum(tally.controls.iter().filter(|((_, of), _)| *of == kind).map(|(_, control)| control.points))
    };
    let flow = |kinds: &[FlowKind]| {
        Points::sum(tally.flows.iter().filter(|(key, _)| kinds.contains(&key.kind)).map(|(_, flow)| flow.points))
    };
    let rows = || settlement.roll_forward.iter();
    let issued = control(ControlKind::Accrual)?.plus(control(ControlKind::Adjustment)?)?;
    checks.equal(CheckId::PointsIssued, issued, Points::sum(rows().map(|row| row.issued))?);
    let redeemed = control(ControlKind::Redemption)?.plus(control(ControlKind::Return)?)?;
    let rolled =
        Points::sum(rows().map(|row| row.redeemed_own))?.plus(Points::sum(rows().map(|row| row.redeemed_other))?)?;
    checks.equal(CheckId::PointsRedeemed, redeemed.plus(flow(&[FlowKind::Repaid])?)?, rolled);
    checks.equal(
        CheckId::PointsWithdrawn,
        control(ControlKind::Withdrawal)?,
        flow(&[FlowKind::Taken, FlowKind::Revoked, FlowKind::Owed])?,
    );
    let opening = Points::sum(rows().map(|row| row.opening))?;
    let moved = issued.minus(rolled)?.minus(flow(&[FlowKind::Taken, FlowKind::Revoked])?)?;
    let expired = Points::sum(rows().map(|row| row.expired))?;
    let closing = Points::sum(rows().map(|row| row.closing))?;
    checks.equal(CheckId::PointsRolled, opening.plus(moved)?.minus(expired)?, closing);
    checks.equal(CheckId::CohortsBelowZero, 0, rows().filter(|row| row.closing.is_negative()).count());
    Ok(())
}

#[cfg(test)]
mod tests;
