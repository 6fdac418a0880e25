//! What lines have to invoice each other: by product, tax and the month of what was supplied.

use super::shares::{Due, dues};
use super::taxes::Owed;
use crate::close::settlement::{Inputs, Invoice, InvoiceKind};
use crate::terms::rulebook::{Product, VatTreatment};
use crate::terms::split::WHOLE;
use crate::units::allocate::divide_half_up;
use crate::units::calendar::Period;
use crate::units::micro::times;
use crate::units::money::{Money, OutOfRange, Rate};
use std::collections::BTreeMap;

/// One row for each seller, buyer, product, tax and month of the supply. Amounts of months before are their exact
/// shares to the minor unit, the period's own row has what is left; so has its tax, which is the key's.
///
/// Third parties' consideration is invoiced to the member: it is a receipt here, without tax.
pub(super) fn invoices(inputs: &Inputs<'_>, owed: &[Owed]) -> Result<Vec<Invoice>, OutOfRange> {
    let mut rows = Vec::new();
    for owed in owed {
        let is_invoice = owed.rule.treatment == VatTreatment::MarketingService;
        let tax = if is_invoice { owed.output } else { Money::ZERO };
        let mut left = (owed.amount, tax);
        let mut of_supply = Vec::new();
        for (origin, gross) in origins(inputs, owed)?.into_iter().filter(|(origin, _)| *origin != inputs.period) {
            let part = match owed.amount.is_zero() {
                true => crate::terms::vat::contained(gross, owed.rule.rate)?.tax,
                false => part(tax, gross, owed.amount)?,
            };
            let tax = if is_invoice { part } else { Money::ZERO };
            left = (left.0.minus(gross)?, left.1.minus(tax)?);
            of_supply.push((origin, gross, tax));
        }
        of_supply.push((inputs.period, left.0, left.1));
        for (original_period, gross, tax) in
            of_supply.into_iter().filter(|(_, gross, tax)| !gross.is_zero() || !tax.is_zero())
        {
            let kind = match (is_invoice, gross.is_negative()) {
                (false, _) => InvoiceKind::Receipt,
                (true, false) => InvoiceKind::Blue,
                (true, true) => InvoiceKind::Red,
            };
            rows.push(Invoice {
                issuer: owed.payee.clone(),
                buyer: owed.payer.clone(),
                product: owed.product,
                code: owed.code.clone(),
                treatment: owed.rule.treatment,
                rate: if is_invoice { owed.rule.rate } else { Rate::ZERO },
                kind,
                original_period,
                gross,
                tax,
            });
        }
    }
    rows.sort_by(|one, other| {
        let key = |row: &Invoice| (row.issuer.clone(), row.buyer.clone(), row.product, row.code.clone());
        (key(one), one.original_period).cmp(&(key(other), other.original_period))
    });
    Ok(rows)
}

/// The exact shares of what was supplied in each month, to the minor unit.
fn origins(inputs: &Inputs<'_>, owed: &Owed) -> Result<BTreeMap<Period, Money>, OutOfRange> {
    let mut exact: BTreeMap<Period, i128> = BTreeMap::new();
    for (key, sum) in &inputs.tally.obligations {
        let supply = key.reason.row().supply.unwrap_or(Product::Repayment);
        let shares = key.terms.as_ref().map_or(WHOLE, |terms| &terms.shares);
        for (funder, bears) in key.funding.shares.iter().filter(|(funder, _)| *funder != key.redeemer) {
            let dues = dues(inputs.rulebook, shares, (funder, &key.redeemer), supply)?;
            let is_it = |due: &&Due<'_>| {
                let code = key.tax.as_ref().filter(|_| due.product == Product::Redemption);
                (due.payer, due.beneficiary, due.product, code)
                    == (&owed.payer, &owed.payee, owed.product, owed.code.as_ref())
                    && inputs.rulebook.vat_of(due.payer, due.beneficiary, due.product, key.vat_from, code) == owed.rule
            };
            for due in dues.iter().filter(is_it) {
                let amount = times(i128::from(sum.amount.minor()), due.share.scaled())?;
                *exact.entry(key.origin).or_default() += divide_half_up(times(amount, bears.scaled())?, Rate::SCALE)?;
            }
        }
    }
    let rounded = exact
        .into_iter()
        .map(|(origin, exact)| Ok((origin, Money::from_minor_wide(divide_half_up(exact, Rate::SCALE)?)?)));
    rounded.collect()
}

fn part(amount: Money, some: Money, all: Money) -> Result<Money, OutOfRange> {
    let exact = times(i128::from(amount.minor()), i128::from(some.minor()))? * i128::from(all.minor().signum());
    Money::from_minor_wide(divide_half_up(exact, i128::from(all.minor()).abs())?)
}
