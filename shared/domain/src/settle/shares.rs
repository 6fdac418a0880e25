//! The split of the obligations, and what lines owe each other by it.

use super::{Bilateral, Position, SplitBase, SplitRow, State};
use crate::id::LineId;
use crate::money::{Money, OutOfRange, Points, Rate};
use crate::netting::Nets;
use crate::rulebook::{Beneficiary, Product, Rulebook};
use crate::tally::{Obligation, ObligationKey, count};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// A row of the split report with what the bilateral matrix needs of it.
pub(super) struct Share {
    pub(super) row: SplitRow,
    prior_period: Money,
    /// Slices and points, on the redeeming line's own share.
    events: u64,
    points: Points,
}

pub(super) fn shares(
    obligations: &BTreeMap<ObligationKey, Obligation>,
    previous: Option<&State>,
) -> Result<(Vec<Share>, Vec<SplitBase>), OutOfRange> {
    let mut bases: BTreeMap<ObligationKey, (Money, Obligation)> = BTreeMap::new();
    for carried in previous.into_iter().flat_map(|state| &state.splits) {
        let key = ObligationKey {
            payer: carried.payer.clone(),
            redeemer: carried.redeemer.clone(),
            terms: carried.terms.clone(),
        };
        bases.entry(key).or_default().0 = carried.base;
    }
    for (key, obligation) in obligations {
        bases.entry(key.clone()).or_default().1 = *obligation;
    }
    let mut shares = Vec::new();
    let mut carried = Vec::new();
    for (ObligationKey { payer, redeemer, terms }, (before, obligation)) in bases {
        let after = before.plus(obligation.amount)?;
        if obligation.events > 0 {
            // What came late is shared out last, so that its part can be told apart.
            let in_time = after.minus(obligation.prior_period)?;
            let parts = terms.parts(before)?.into_iter().zip(terms.parts(in_time)?).zip(terms.parts(after)?);
            for (((paid, in_time), cumulative), (to, share)) in parts.zip(&terms.shares) {
                let (beneficiary, of_redeemer) = match to {
                    Beneficiary::Redeemer => (redeemer.clone(), true),
                    Beneficiary::Line(line) => (line.clone(), false),
                };
                let exact = i128::from(after.minor()).checked_mul(share.scaled()).ok_or(OutOfRange)?;
                let above = i128::from(cumulative.minor()).checked_mul(Rate::SCALE).ok_or(OutOfRange)? - exact;
                shares.push(Share {
                    row: SplitRow {
                        payer: payer.clone(),
                        redeemer: redeemer.clone(),
                        beneficiary,
                        rule: terms.rule.clone(),
                        share: *share,
                        base: obligation.amount,
                        amount: cumulative.minus(paid)?,
                        cumulative_base: after,
                        cumulative_amount: cumulative,
                        rounding: Decimal::try_from_i128_with_scale(above, crate::limits::RATE_SCALE + 2)
                            .map_err(|_| OutOfRange)?
                            .normalize(),
                    },
                    prior_period: cumulative.minus(in_time)?,
                    events: if of_redeemer { obligation.events } else { 0 },
                    points: if of_redeemer { obligation.points } else { Points::ZERO },
                });
            }
        }
        carried.push(SplitBase { payer, redeemer, terms, base: after });
    }
    Ok((shares, carried))
}

pub(super) fn bilateral(shares: &[Share]) -> Result<Vec<Bilateral>, OutOfRange> {
    let mut pairs: BTreeMap<(&LineId, &LineId), Bilateral> = BTreeMap::new();
    // A line that has a share of what it pays itself owes itself nothing.
    for share in shares.iter().filter(|share| share.row.payer != share.row.beneficiary) {
        let pair = pairs.entry((&share.row.payer, &share.row.beneficiary)).or_insert_with(|| Bilateral {
            payer: share.row.payer.clone(),
            payee: share.row.beneficiary.clone(),
            events: 0,
            points: Points::ZERO,
            amount: Money::ZERO,
            prior_period: Money::ZERO,
            net: Money::ZERO,
        });
        count(&mut pair.events, share.events)?;
        pair.points.add(share.points)?;
        pair.amount.add(share.row.amount)?;
        pair.prior_period.add(share.prior_period)?;
    }
    let amounts: BTreeMap<(LineId, LineId), Money> =
        pairs.values().map(|pair| ((pair.payer.clone(), pair.payee.clone()), pair.amount)).collect();
    let mut rows: Vec<Bilateral> = pairs.into_values().collect();
    for row in &mut rows {
        let back = amounts.get(&(row.payee.clone(), row.payer.clone())).copied().unwrap_or_default();
        row.net = row.amount.minus(back)?;
    }
    Ok(rows)
}

pub(super) fn positions(
    rulebook: &Rulebook,
    bilateral: &[Bilateral],
    shares: &[Share],
    nets: &Nets,
) -> Result<Vec<Position>, OutOfRange> {
    let mut positions = Vec::new();
    for line in &rulebook.lines {
        let line = &line.id;
        let pays = || bilateral.iter().filter(|row| row.payer == *line);
        let receives = || bilateral.iter().filter(|row| row.payee == *line);
        let fees = shares.iter().map(|share| &share.row).filter(|row| {
            row.payer == *line
                && row.beneficiary == rulebook.platform
                && row.redeemer != rulebook.platform
                && row.payer != rulebook.platform
        });
        let prior = Money::sum(receives().map(|row| row.prior_period))?;
        positions.push(Position {
            line: line.clone(),
            gross_payable: Money::sum(pays().map(|row| row.amount))?,
            gross_receivable: Money::sum(receives().map(|row| row.amount))?,
            platform_fee: Money::sum(fees.map(|row| row.amount))?,
            prior_period: prior.minus(Money::sum(pays().map(|row| row.prior_period))?)?,
            net: nets.get(line).copied().unwrap_or_default(),
        });
    }
    Ok(positions)
}

/// What a payer owes a payee for the period, for one product.
pub(super) struct Owed {
    pub(super) payer: LineId,
    pub(super) payee: LineId,
    pub(super) product: Product,
    /// Negative when returns exceed redemptions.
    pub(super) amount: Money,
}

/// The bilateral amounts by product: the redeeming line's own share, and shares
/// of redemptions at other lines. By payer, payee and product.
pub(super) fn owed(shares: &[Share]) -> Result<Vec<Owed>, OutOfRange> {
    let mut sums: BTreeMap<(&LineId, &LineId, Product), Money> = BTreeMap::new();
    for row in shares.iter().map(|share| &share.row).filter(|row| row.payer != row.beneficiary) {
        let product = if row.beneficiary == row.redeemer { Product::Redemption } else { Product::PlatformFee };
        sums.entry((&row.payer, &row.beneficiary, product)).or_default().add(row.amount)?;
    }
    let owed = sums.into_iter().map(|((payer, payee, product), amount)| Owed {
        payer: payer.clone(),
        payee: payee.clone(),
        product,
        amount,
    });
    Ok(owed.collect())
}
