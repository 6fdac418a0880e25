//! What lines have to invoice each other: by product, tax and the month of what was supplied.

use super::shares::dues;
use super::taxes::Owed;
use crate::close::settlement::{Inputs, Invoice, InvoiceKind};
use crate::terms::rulebook::{Product, VatRule, VatTreatment};
use crate::terms::split::WHOLE;
use crate::terms::vat::contained;
use crate::units::allocate::divide_half_up;
use crate::units::calendar::Period;
use crate::units::id::{LineId, TaxCode};
use crate::units::micro::times;
use crate::units::money::{Money, OutOfRange, Rate};
use std::collections::BTreeMap;

/// One row for each seller, buyer, product, tax and month of the supply. Amounts of months before are their exact
/// shares to the minor unit, the period's own row has what is left; so has its tax, which is the key's.
///
/// Third parties' consideration is invoiced to the member: it is a receipt here, without tax.
pub(super) fn invoices(inputs: &Inputs<'_>, owed: &[Owed]) -> Result<Vec<Invoice>, OutOfRange> {
    let exact = origins(inputs)?;
    let mut rows = Vec::new();
    for owed in owed {
        let is_invoice = owed.rule.treatment == VatTreatment::MarketingService;
        let tax = if is_invoice { owed.output } else { Money::ZERO };
        let mut left = (owed.amount, tax);
        let mut of_supply = Vec::new();
        let origins = exact.get(&(&owed.payer, &owed.payee, owed.product, owed.code.as_ref(), owed.rule));
        for (origin, exact) in origins.into_iter().flatten().filter(|(origin, _)| **origin != inputs.period) {
            let gross = Money::from_minor_wide(divide_half_up(*exact, Rate::SCALE)?)?;
            let part = match owed.amount.is_zero() {
                true => contained(gross, owed.rule.rate)?.tax,
                false => tax.proportion_of(gross, owed.amount)?,
            };
            let tax = if is_invoice { part } else { Money::ZERO };
            left = (left.0.minus(gross)?, left.1.minus(tax)?);
            of_supply.push((*origin, gross, tax));
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
    rows.sort_by_cached_key(|row: &Invoice| {
        (row.issuer.clone(), row.buyer.clone(), row.product, row.code.clone(), row.original_period)
    });
    Ok(rows)
}

/// Payer, payee, product, tax code and tax.
type Supply<'a> = (&'a LineId, &'a LineId, Product, Option<&'a TaxCode>, VatRule);

/// The exact shares of what was supplied in each month, in 10^-8 of minor units.
fn origins<'a>(inputs: &'a Inputs<'_>) -> Result<BTreeMap<Supply<'a>, BTreeMap<Period, i128>>, OutOfRange> {
    let mut exact: BTreeMap<Supply<'a>, BTreeMap<Period, i128>> = BTreeMap::new();
    for (key, sum) in &inputs.tally.obligations {
        let shares = key.terms.as_ref().map_or(WHOLE, |terms| &terms.shares);
        for (funder, bears) in key.funding.shares.iter().filter(|(funder, _)| *funder != key.redeemer) {
            for due in dues(inputs.rulebook, shares, (funder, &key.redeemer), key.reason.supply())? {
                let (code, rule) = due.taxed(inputs.rulebook, key.vat_from, key.tax.as_ref());
                let amount = times(i128::from(sum.amount.minor()), due.share.scaled())?;
                let of_supply = exact.entry((due.payer, due.beneficiary, due.product, code, rule)).or_default();
                *of_supply.entry(key.origin).or_default() +=
                    divide_half_up(times(amount, bears.scaled())?, Rate::SCALE)?;
            }
        }
    }
    Ok(exact)
}
