//! The settlement of one period: from the merged tally and the state of the
//! previous final run to positions, payments, the roll-forwards of points and
//! contract liability, and the vouchers.

mod book_checks;
mod checklist;
mod claims;
mod estimate_checks;
mod evidence;
mod found;
mod invoices;
mod liability;
mod liability_checks;
mod points;
mod sale_checks;
mod schemes;
mod shares;
mod taxes;
mod vouchers;
mod why;

use crate::close::carry::{moved, paid};
use crate::close::judgement::Judgement;
use crate::close::netting::{Payment, nets, settled};
use crate::close::settlement::{Inputs, SettleError, Settlement, State};
use crate::units::money::Money;
use checklist::checklist;
pub use claims::MembersClaims;
use invoices::invoices;
pub use liability::MATURITY_MONTHS;
use liability::liability;
use points::{debts, issuance, roll_forward};
use sale_checks::days_sold;
use schemes::schemes;
use shares::{Shared, bilateral, positions, shares};
use std::collections::BTreeMap;
use taxes::Taxes;
use vouchers::{Taxed, planned, vouchers};
use why::why;

/// Settles a period: obligations and their split, netting, points, contract
/// liability, vouchers, and the checks over all of it.
pub fn settle(inputs: &Inputs<'_>) -> Result<Settlement, SettleError> {
    let tally = inputs.tally;
    let previous = inputs.previous.as_ref().map(|previous| previous.state);
    let Shared { shares, funding, carried } = shares(inputs.rulebook, &tally.obligations, previous)?;
    let bilateral = bilateral(&shares, &tally.pairs)?;
    let mut taxes = Taxes::of(inputs.rulebook.currency, previous);
    let owed = taxes.owed(&shares)?;
    let sold = taxes.sales(&tally.sales)?;
    let deemed = taxes.deemed(&tally.deemed)?;
    let nets = nets(bilateral.iter().map(|row| (&row.payer, &row.payee, row.amount)))?;
    let before: &[Payment] = previous.map_or(&[], |state| &state.carried);
    let paid = paid(inputs.rulebook, inputs.period, &nets, before)?;
    let positions = positions(inputs.rulebook, &bilateral, &shares, &nets, [before, &paid.carried])?;
    let (roll_forward, cohorts) = roll_forward(inputs, previous)?;
    let liability = liability(inputs, previous, &roll_forward, (&owed, &funding))?;
    let vouchers = vouchers(
        inputs,
        &liability.closed,
        Taxed { owed: &owed, sold: &sold, deemed: &deemed },
        &nets,
        &moved(before, &paid)?,
    )?;
    let cash_vouchers = planned(inputs, &vouchers, &paid.payments)?;
    let debts = debts(tally, previous)?;
    let (schemes, schemes_to_date) = schemes(inputs, previous, &roll_forward, &liability.states, &carried)?;
    let why = why(inputs, previous, &liability.urr, &liability.rates)?;
    let mut settlement = Settlement {
        gross: Money::sum(bilateral.iter().map(|row| row.amount.abs()))?,
        settled: settled(&nets)?,
        positions,
        splits: shares.into_iter().map(|share| share.row).collect(),
        funding,
        schemes,
        bilateral,
        payments: paid.payments,
        issuance: issuance(tally)?,
        roll_forward,
        liability: liability.rows,
        redemption_rates: liability.rates,
        why,
        expiry_forecast: liability.forecast,
        invoices: invoices(inputs, &owed)?,
        vouchers,
        cash_vouchers,
        indebted: BTreeMap::new(),
        checklist: Vec::new(),
        judgement: Judgement::default(),
        state: State {
            period: inputs.period,
            cohorts,
            splits: carried,
            taxes: taxes.bases(),
            debts,
            liability: liability.states,
            urr: liability.urr,
            carried: paid.carried,
            schemes: schemes_to_date,
            sale_days: days_sold(inputs, previous).carried(),
        },
    };
    settlement.checklist = checklist(inputs, &settlement, &nets)?;
    Ok(settlement)
}
