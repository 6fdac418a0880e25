//! Points: issuance, roll-forward and debts.

use crate::claims::lot::{Cohort, Expiry};
use crate::close::settlement::{CohortBalance, Debt, Inputs, Issuance, RollForward, State};
use crate::close::tally::{Tally, count};
use crate::legs::FlowKind;
use crate::units::calendar::Period;
use crate::units::id::{LineId, SchemeId};
use crate::units::money::{Money, OutOfRange, Points};
use std::collections::BTreeMap;

pub(super) fn issuance(tally: &Tally) -> Result<Vec<Issuance>, OutOfRange> {
    let mut rows: BTreeMap<(SchemeId, Period, LineId, FlowKind), Issuance> = BTreeMap::new();
    for (key, flow) in &tally.flows {
        if !matches!(key.kind, FlowKind::Issued | FlowKind::Granted) {
            continue;
        }
        let group = (key.cohort.scheme.clone(), key.cohort.issued, key.counterparty.clone(), key.kind);
        let row = rows.entry(group).or_insert_with(|| Issuance {
            scheme: key.cohort.scheme.clone(),
            issue_month: key.cohort.issued,
            line: key.counterparty.clone(),
            kind: key.kind,
            events: 0,
            sales: Money::ZERO,
            points: Points::ZERO,
        });
        count(&mut row.events, flow.events)?;
        row.sales.add(flow.amount)?;
        row.points.add(flow.points)?;
    }
    Ok(rows.into_values().collect())
}

pub(super) fn roll_forward(
    inputs: &Inputs<'_>,
    previous: Option<&State>,
) -> Result<(Vec<RollForward>, Vec<CohortBalance>), OutOfRange> {
    let mut rows: BTreeMap<Cohort, RollForward> = BTreeMap::new();
    let new = |cohort: &Cohort| RollForward {
        cohort: cohort.clone(),
        opening: Points::ZERO,
        issued: Points::ZERO,
        redeemed_own: Points::ZERO,
        redeemed_other: Points::ZERO,
        expired: Points::ZERO,
        reversed: Points::ZERO,
        closing: Points::ZERO,
    };
    for balance in previous.into_iter().flat_map(|state| &state.cohorts) {
        rows.entry(balance.cohort.clone()).or_insert_with(|| new(&balance.cohort)).opening = balance.points;
    }
    for (key, flow) in &inputs.tally.flows {
        let row = rows.entry(key.cohort.clone()).or_insert_with(|| new(&key.cohort));
        match key.kind {
            FlowKind::Issued | FlowKind::Granted => row.issued.add(flow.points)?,
            FlowKind::Redeemed | FlowKind::Returned | FlowKind::Repaid => {
                if key.cohort.scheme == key.counterparty {
                    row.redeemed_own.add(flow.points)?;
                } else {
                    row.redeemed_other.add(flow.points)?;
                }
            }
            FlowKind::Taken | FlowKind::Revoked => row.reversed.add(flow.points)?,
            FlowKind::Owed => {}
        }
    }
    let last_day = inputs.period.last_day();
    let mut balances = Vec::new();
    for row in rows.values_mut() {
        let redeemed = row.redeemed_own.plus(row.redeemed_other)?;
        let outstanding = row.opening.plus(row.issued)?.minus(redeemed)?.minus(row.reversed)?;
        match row.cohort.expires {
            // What was given back to a cohort past its date expires again.
            Expiry::On(day) if day <= last_day => row.expired = outstanding,
            Expiry::On(_) | Expiry::Never => row.closing = outstanding,
        }
        if !row.closing.is_zero() {
            balances.push(CohortBalance { cohort: row.cohort.clone(), points: row.closing });
        }
    }
    let mut rows: Vec<RollForward> = rows.into_values().collect();
    rows.sort_by(|one, other| one.cohort.by_scheme().cmp(&other.cohort.by_scheme()));
    Ok((rows, balances))
}

pub(super) fn debts(tally: &Tally, previous: Option<&State>) -> Result<Vec<Debt>, OutOfRange> {
    let mut debts: BTreeMap<SchemeId, Points> = BTreeMap::new();
    for debt in previous.into_iter().flat_map(|state| &state.debts) {
        debts.entry(debt.creditor.clone()).or_default().add(debt.points)?;
    }
    for (key, flow) in &tally.flows {
        match key.kind {
            FlowKind::Owed => debts.entry(key.cohort.scheme.clone()).or_default().add(flow.points)?,
            FlowKind::Repaid
            | FlowKind::Issued
            | FlowKind::Granted
            | FlowKind::Redeemed
            | FlowKind::Returned
            | FlowKind::Taken
            | FlowKind::Revoked => {}
        }
    }
    for (creditor, points) in &tally.repaid {
        debts.entry(creditor.clone()).or_default().add(points.negated()?)?;
    }
    let open = debts.into_iter().filter(|(_, points)| !points.is_zero());
    Ok(open.map(|(creditor, points)| Debt { creditor, points }).collect())
}
