//! VAT on what lines owe each other, and on sales. Tax is of cumulative amounts by key, which the
//! original's day fixes: so what is taken back returns tax to zero at the rate it was charged with.

use super::shares::Share;
use crate::close::settlement::{State, TaxBase, TaxKey};
use crate::close::tally::{DeemedKey, SalesKey, Sum, Sums};
use crate::terms::rulebook::{Product, VatRule, VatTreatment};
use crate::terms::vat::{added, contained};
use crate::units::allocate::exact_value;
use crate::units::currency::Currency;
use crate::units::id::{LineId, TaxCode};
use crate::units::money::{Money, OutOfRange};
use std::collections::BTreeMap;

/// What a payer owes a payee for the period, for one product and tax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) payer: LineId,
    pub(super) payee: LineId,
    pub(super) product: Product,
    pub(super) code: Option<TaxCode>,
    pub(super) rule: VatRule,
    /// Negative when returns exceed redemptions.
    pub(super) amount: Money,
    /// What the payee owes the tax office of it.
    pub(super) output: Money,
    /// What the payer may deduct.
    pub(super) input: Money,
}

/// A line's sales, or its refunds, of the period that are taxed alike; refunds are negative.
pub(super) struct Sold {
    pub(super) line: LineId,
    pub(super) is_refund: bool,
    pub(super) gross: Money,
    pub(super) tax: Money,
}

/// The cumulative amounts by key.
pub(super) struct Taxes {
    currency: Currency,
    bases: BTreeMap<TaxKey, Money>,
}

/// The tax of all that a key has come to.
fn tax(key: &TaxKey, base: Money) -> Result<Money, OutOfRange> {
    Ok(if key.inclusive { contained(base, key.rate)? } else { added(base, key.rate)? }.tax)
}

/// What the taxes of all keys are, those of sales to members apart, which tills may have posted.
pub(super) fn all(bases: &[TaxBase]) -> Result<(Money, Money), OutOfRange> {
    let (mut lines, mut members) = (Money::ZERO, Money::ZERO);
    for TaxBase { key, base } in bases {
        let sum = if key.treatment.is_some() { &mut lines } else { &mut members };
        sum.add(tax(key, *base)?)?;
    }
    Ok((lines, members))
}

impl Taxes {
    pub(super) fn of(currency: Currency, previous: Option<&State>) -> Self {
        let bases = previous.into_iter().flat_map(|state| &state.taxes);
        Self { currency, bases: bases.map(|TaxBase { key, base }| (key.clone(), *base)).collect() }
    }

    pub(super) fn bases(self) -> Vec<TaxBase> {
        self.bases.into_iter().map(|(key, base)| TaxBase { key, base }).collect()
    }

    /// The tax that an amount adds to its key.
    fn add(&mut self, key: TaxKey, amount: Money) -> Result<Money, OutOfRange> {
        let tax = |base| tax(&key, base);
        let base = self.bases.get(&key).copied().unwrap_or_default();
        let after = base.plus(amount)?;
        let moved = tax(after)?.minus(tax(base)?)?;
        self.bases.insert(key, after);
        Ok(moved)
    }

    /// The bilateral amounts by product and tax: the redeeming line's own share, and shares of redemptions at
    /// other lines. By payer, payee and product.
    pub(super) fn owed(&mut self, shares: &[Share]) -> Result<Vec<Owed>, OutOfRange> {
        let mut sums: BTreeMap<(&LineId, &LineId, Product, Option<&TaxCode>, VatRule), Money> = BTreeMap::new();
        for Share { row, vat, code, .. } in shares.iter().filter(|share| share.row.payer != share.row.beneficiary) {
            sums.entry((&row.payer, &row.beneficiary, row.product, code.as_ref(), *vat))
                .or_default()
                .add(row.amount)?;
        }
        let mut owed = Vec::new();
        for ((payer, payee, product, code, rule), amount) in sums {
            let code = code.cloned();
            let tax = match rule.treatment {
                VatTreatment::None | VatTreatment::DeemedSale => Money::ZERO,
                VatTreatment::ThirdPartyConsideration | VatTreatment::MarketingService => {
                    let (seller, buyer) = (payee.clone(), Some(payer.clone()));
                    let (rate, treatment) = (rule.rate, Some(rule.treatment));
                    let (product, code) = (Some(product), code.clone());
                    let key = TaxKey { seller, buyer, product, treatment, rate, inclusive: true, code };
                    self.add(key, amount)?
                }
            };
            let input = match rule.treatment {
                VatTreatment::None | VatTreatment::ThirdPartyConsideration | VatTreatment::DeemedSale => Money::ZERO,
                VatTreatment::MarketingService => tax,
            };
            let (payer, payee) = (payer.clone(), payee.clone());
            owed.push(Owed { payer, payee, product, code, rule, amount, output: tax, input });
        }
        Ok(owed)
    }

    /// What lines owe on what they gave for their own points: on the points' face value, which contains it.
    pub(super) fn deemed(&mut self, deemed: &Sums<DeemedKey>) -> Result<BTreeMap<LineId, Money>, OutOfRange> {
        let mut taxes: BTreeMap<LineId, Money> = BTreeMap::new();
        for (DeemedKey { line, rate, face_value }, Sum { points, .. }) in deemed {
            let (seller, product) = (line.clone(), Some(Product::Redemption));
            let treatment = Some(VatTreatment::DeemedSale);
            let key = TaxKey { seller, buyer: None, product, treatment, rate: *rate, inclusive: true, code: None };
            let base = self.currency.round_value(exact_value(*points, *face_value)?)?;
            taxes.entry(line.clone()).or_default().add(self.add(key, base)?)?;
        }
        Ok(taxes)
    }

    pub(super) fn sales(&mut self, sales: &Sums<SalesKey>) -> Result<Vec<Sold>, OutOfRange> {
        let mut sold = Vec::new();
        for (SalesKey { line, kind, rate, inclusive, tax }, Sum { amount, .. }) in sales {
            let is_refund = *kind == crate::legs::ControlKind::Withdrawal;
            let amount = if is_refund { amount.negated()? } else { *amount };
            let (rate, inclusive) = (*rate, *inclusive);
            let (seller, code) = (line.clone(), tax.clone());
            let key = TaxKey { seller, buyer: None, product: None, treatment: None, rate, inclusive, code };
            let tax = self.add(key, amount)?;
            let gross = if inclusive { amount } else { amount.plus(tax)? };
            sold.push(Sold { line: line.clone(), is_refund, gross, tax });
        }
        Ok(sold)
    }
}
