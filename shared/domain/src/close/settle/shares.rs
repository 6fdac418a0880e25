//! The split of the obligations, and what lines owe each other by it.

use crate::close::netting::Nets;
use crate::close::settlement::{Bilateral, Position, SplitBase, SplitRow, State};
use crate::close::tally::{Obligation, ObligationKey};
use crate::legs::Reason;
use crate::terms::rulebook::{Beneficiary, Product, Rulebook};
use crate::terms::split::{SplitTerms, WHOLE, parts};
use crate::units::currency::Currency;
use crate::units::id::LineId;
use crate::units::limits::RATE_SCALE;
use crate::units::money::{Money, OutOfRange, Points, Rate};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// A row of the split report with what the bilateral matrix needs of it.
pub(super) struct Share {
    pub(super) row: SplitRow,
    prior_period: Money,
    /// On the redeeming line's own share.
    points: Points,
}

/// What is shared out together, over all months: the reasons that are split, or one
/// that is not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Base {
    payer: LineId,
    redeemer: LineId,
    /// As reports call it; they are in this order.
    rule: String,
    unsplit: Option<Reason>,
    terms: Option<SplitTerms>,
}

impl Base {
    fn of(payer: &LineId, redeemer: &LineId, reason: Reason, terms: Option<&SplitTerms>) -> Self {
        Self {
            payer: payer.clone(),
            redeemer: redeemer.clone(),
            rule: reason.rule_word(terms).to_owned(),
            unsplit: (!reason.row().is_split).then_some(reason),
            terms: terms.cloned(),
        }
    }

    fn shares(&self) -> &[(Beneficiary, Rate)] {
        self.terms.as_ref().map_or(WHOLE, |terms| &terms.shares)
    }
}

pub(super) fn shares(
    currency: Currency,
    obligations: &BTreeMap<ObligationKey, Obligation>,
    previous: Option<&State>,
) -> Result<(Vec<Share>, Vec<SplitBase>), OutOfRange> {
    let mut bases: BTreeMap<Base, (Money, Obligation)> = BTreeMap::new();
    for SplitBase { payer, redeemer, unsplit, terms, base } in previous.into_iter().flat_map(|state| &state.splits) {
        let (payer, redeemer, terms) = (payer.clone(), redeemer.clone(), terms.clone());
        // By any of the reasons that are split.
        let rule = unsplit.unwrap_or(Reason::Redemption).rule_word(terms.as_ref()).to_owned();
        bases.entry(Base { payer, redeemer, rule, unsplit: *unsplit, terms }).or_default().0 = *base;
    }
    for (ObligationKey { payer, redeemer, reason, terms }, obligation) in obligations {
        let of = Base::of(payer, redeemer, *reason, terms.as_ref());
        bases.entry(of).or_default().1.merge(obligation)?;
    }
    let mut shares = Vec::new();
    let mut carried = Vec::new();
    for (of, (before, obligation)) in bases {
        let after = before.plus(obligation.amount)?;
        if obligation.slices > 0 {
            shared_out(&of, currency, before, &obligation, &mut shares)?;
        }
        let Base { payer, redeemer, unsplit, terms, .. } = of;
        carried.push(SplitBase { payer, redeemer, unsplit, terms, base: after });
    }
    Ok((shares, carried))
}

/// Shares out what a base has grown by. What came late comes last, so that its part can
/// be told apart.
fn shared_out(
    of: &Base,
    currency: Currency,
    before: Money,
    obligation: &Obligation,
    shares: &mut Vec<Share>,
) -> Result<(), OutOfRange> {
    let after = before.plus(obligation.amount)?;
    let in_time = after.minus(obligation.prior_period)?;
    let mut points = obligation.points;
    let [paid, in_time, cumulative] = [before, in_time, after].map(|base| parts(of.shares(), base));
    for (((paid, in_time), cumulative), (to, share)) in
        paid?.into_iter().zip(in_time?).zip(cumulative?).zip(of.shares())
    {
        let beneficiary = match to {
            Beneficiary::Redeemer => of.redeemer.clone(),
            Beneficiary::Line(line) => line.clone(),
        };
        let product = if beneficiary == of.redeemer { Product::Redemption } else { Product::PlatformFee };
        let exact = i128::from(after.minor()).checked_mul(share.scaled()).ok_or(OutOfRange)?;
        let above = i128::from(cumulative.minor()).checked_mul(Rate::SCALE).ok_or(OutOfRange)? - exact;
        let rounding = Decimal::try_from_i128_with_scale(above, RATE_SCALE + u32::from(currency.decimals()));
        shares.push(Share {
            row: SplitRow {
                payer: of.payer.clone(),
                redeemer: of.redeemer.clone(),
                product,
                beneficiary,
                rule: of.rule.clone(),
                share: *share,
                base: obligation.amount,
                amount: cumulative.minus(paid)?,
                cumulative_base: after,
                cumulative_amount: cumulative,
                rounding: rounding.map_err(|_| OutOfRange)?.normalize(),
            },
            prior_period: cumulative.minus(in_time)?,
            points: if product == Product::Redemption { std::mem::take(&mut points) } else { Points::ZERO },
        });
    }
    Ok(())
}

pub(super) fn bilateral(
    shares: &[Share],
    entries: &BTreeMap<(LineId, LineId), u64>,
) -> Result<Vec<Bilateral>, OutOfRange> {
    let mut pairs: BTreeMap<(LineId, LineId), Bilateral> = BTreeMap::new();
    // A line that has a share of what it pays itself owes itself nothing.
    for share in shares.iter().filter(|share| share.row.payer != share.row.beneficiary) {
        let pair = (share.row.payer.clone(), share.row.beneficiary.clone());
        let row = pairs.entry(pair.clone()).or_insert_with(|| Bilateral {
            events: entries.get(&pair).copied().unwrap_or_default(),
            payer: pair.0,
            payee: pair.1,
            points: Points::ZERO,
            amount: Money::ZERO,
            prior_period: Money::ZERO,
            net: Money::ZERO,
        });
        row.points.add(share.points)?;
        row.amount.add(share.row.amount)?;
        row.prior_period.add(share.prior_period)?;
    }
    let amounts: BTreeMap<(LineId, LineId), Money> =
        pairs.iter().map(|(pair, row)| (pair.clone(), row.amount)).collect();
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
            row.product == Product::PlatformFee
                && row.beneficiary == rulebook.platform
                && row.payer == *line
                && row.payer != row.beneficiary
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
        sums.entry((&row.payer, &row.beneficiary, row.product)).or_default().add(row.amount)?;
    }
    let owed = sums.into_iter().map(|((payer, payee, product), amount)| Owed {
        payer: payer.clone(),
        payee: payee.clone(),
        product,
        amount,
    });
    Ok(owed.collect())
}
