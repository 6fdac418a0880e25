//! What an entry means to everything behind the ledger: claims moved and money owed,
//! by the rulebook in force when the event happened. Tally, settlement and reports know
//! legs and their reasons, never kinds of events.

mod flow;
mod reason;

pub use flow::{ControlKind, FlowKind};
pub use reason::{REASONS, Reason, Row};

use crate::actuarial::liability::{SaleStanding, Withdrawn};
use crate::claims::account::Repayment;
use crate::claims::lot::{Cohort, Slice};
use crate::claims::slices::{parts_from_the_end, shared_out, values};
use crate::terms::rulebook::Rulebook;
use crate::units::allocate::{exact_value, largest_remainder};
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::id::{AwardId, LineId, SchemeId, TaxCode};
use crate::units::micro::Micro;
use crate::units::money::{Money, OutOfRange, Points, Rate};
use chrono::{DateTime, NaiveDate, Utc};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RatingError {
    #[error("the rulebook has no price for points of {scheme} redeemed at {redeemer} on {day}")]
    NoPrice { scheme: SchemeId, redeemer: LineId, day: NaiveDate },
    #[error("the rulebook has no tax code {code} in {month}")]
    NoTaxCode { code: TaxCode, month: Period },
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg<'a> {
    /// Claims moved, and nobody owes anything for it.
    Claims(ClaimsLeg<'a>),
    /// Claims redeemed, given back or paid with, and what their funders owe for them.
    Owed(OwedLeg<'a>),
    /// Points that paid a member's debt to a scheme.
    Repaid(&'a SchemeId, Points),
    /// Points that an award gave, which are among the claims issued.
    Awarded(AwardLeg<'a>),
    /// What a sale or gift is worth, or a reversal takes back of it.
    Issue(IssueLeg<'a>),
}

/// What takes in the legs of an entry, one by one.
pub type Legs<'s, 'a> = dyn FnMut(Leg<'a>) -> Result<(), OutOfRange> + 's;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimsLeg<'a> {
    pub cohort: &'a Cohort,
    /// The line where it happened.
    pub with: &'a LineId,
    pub flow: FlowKind,
    pub points: Points,
    /// Of the sale or refund, once in an entry.
    pub amount: Money,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwardLeg<'a> {
    pub award: &'a AwardId,
    pub scheme: &'a SchemeId,
    /// The line of the sale.
    pub line: &'a LineId,
    pub points: Points,
    /// Of the sale.
    pub amount: Money,
}

/// What stands of a sale or gift in a cohort before and after an entry. It is valued by the terms of the cohort's
/// month, whenever that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssueLeg<'a> {
    pub cohort: &'a Cohort,
    /// Whose sale issued them; none: they were given.
    pub seller: Option<&'a LineId>,
    pub before: SaleStanding,
    pub after: SaleStanding,
    pub withdrawn: Withdrawn,
}

/// One slice with what its funders owe for it. What the redeeming line bears itself has an
/// amount but creates no obligation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwedLeg<'a> {
    pub reason: Reason,
    pub cohort: &'a Cohort,
    /// The line that is owed the amount.
    pub redeemer: &'a LineId,
    /// The day whose terms apply.
    pub day: NaiveDate,
    /// How what points paid for is taxed, where the event says so.
    pub tax: Option<&'a TaxCode>,
    pub points: Points,
    /// What the member got for the points.
    pub value: Money,
    /// Currency units per point.
    pub price: Rate,
    pub amount: Money,
}

/// What points paid of a bill that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    /// What the member got for the points.
    pub value: Money,
    pub bill: Money,
}

/// Slices that moved; the amount stands with the first.
pub(crate) fn moved<'a>(
    legs: &mut Legs<'_, 'a>,
    flow: FlowKind,
    with: &'a LineId,
    slices: &'a [Slice],
    mut amount: Money,
) -> Result<(), OutOfRange> {
    slices.iter().try_for_each(|Slice { cohort, points }| {
        let amount = std::mem::take(&mut amount);
        legs(Leg::Claims(ClaimsLeg { cohort, with, flow, points: *points, amount }))
    })
}

/// An amount of a sale, and what it is net where it has tax codes.
pub(crate) type Sold = (Money, Option<Micro>);

/// Claims issued by a line's sale of an amount, with its net if it has tax codes; or given.
pub(crate) fn issued<'a>(
    legs: &mut Legs<'_, 'a>,
    sale: Option<(&'a LineId, Sold)>,
    slices: &'a [Slice],
) -> Result<(), OutOfRange> {
    slices.iter().try_for_each(|Slice { cohort, points }| {
        legs(Leg::Issue(IssueLeg {
            cohort,
            seller: sale.map(|(seller, _)| seller),
            before: SaleStanding::default(),
            after: SaleStanding {
                amount: sale.map_or(Money::ZERO, |(_, (amount, _))| amount),
                net: sale.and_then(|(_, (_, net))| net),
                points: *points,
            },
            withdrawn: Withdrawn::default(),
        }))
    })
}

/// Debts paid with points: their funders owe the creditor's for them.
pub(crate) fn repaid<'a>(
    legs: &mut Legs<'_, 'a>,
    rulebook: &'a Rulebook,
    happened: DateTime<Utc>,
    repaid: &'a [Repayment],
) -> Result<(), RatingError> {
    for Repayment { creditor, paid: Slice { cohort, points } } in repaid {
        legs(Leg::Repaid(creditor, *points))?;
        // Most entries repay nothing, and look up no day.
        let day = rulebook.day(happened);
        let reason = Reason::Repayment;
        let (tax, value) = (None, Money::ZERO);
        if rulebook.is_line(creditor) {
            let redeemer = creditor.as_line();
            let price = price(rulebook, &cohort.scheme, redeemer, day)?;
            let amount = rulebook.currency.round_value(exact_value(*points, price)?)?;
            legs(Leg::Owed(OwedLeg { reason, cohort, redeemer, day, tax, points: *points, value, price, amount }))?;
            continue;
        }
        if *creditor == cohort.scheme {
            // The same funders on both sides.
            let (with, flow, amount) = (creditor.as_line(), FlowKind::Repaid, Money::ZERO);
            legs(Leg::Claims(ClaimsLeg { cohort, with, flow, points: *points, amount }))?;
            continue;
        }
        let funders = rulebook.funders_of(creditor, Period::of_day(day));
        let weights: Vec<i128> = funders.iter().map(|(_, share)| share.scaled()).collect();
        let missing = |(redeemer, _): &(&LineId, Rate)| price(rulebook, &cohort.scheme, redeemer, day);
        let price = match (rulebook.repay_price(creditor, Period::of_day(day)), funders.first()) {
            (Some(price), _) => price,
            (None, Some(funder)) => missing(funder)?,
            (None, None) => continue,
        };
        for ((redeemer, _), part) in funders.iter().zip(largest_remainder(points.get(), &weights)?) {
            let points = Points::new(part);
            let amount = rulebook.currency.round_value(exact_value(points, price)?)?;
            legs(Leg::Owed(OwedLeg { reason, cohort, redeemer, day, tax, points, value, price, amount }))?;
        }
    }
    Ok(())
}

fn price(rulebook: &Rulebook, scheme: &SchemeId, redeemer: &LineId, day: NaiveDate) -> Result<Rate, RatingError> {
    let missing = || RatingError::NoPrice { scheme: scheme.clone(), redeemer: redeemer.clone(), day };
    rulebook.price(scheme, redeemer, day).ok_or_else(missing)
}

/// The rate of a tax code in a month.
pub(crate) fn tax_rate(rulebook: &Rulebook, code: &TaxCode, month: Period) -> Result<Rate, RatingError> {
    let missing = || RatingError::NoTaxCode { code: code.clone(), month };
    rulebook.tax_code(code, month).map(|terms| terms.rate).ok_or_else(missing)
}

/// The slices of a redemption.
pub(crate) fn redemption<'a>(
    rulebook: &Rulebook,
    redeemer: &'a LineId,
    (day, tax): (NaiveDate, Option<&'a TaxCode>),
    value: Money,
    slices: &'a [Slice],
) -> Result<Vec<OwedLeg<'a>>, RatingError> {
    let prices = slices.iter().map(|slice| price(rulebook, &slice.cohort.scheme, redeemer, day));
    let prices = prices.collect::<Result<Vec<Rate>, _>>()?;
    let amounts = settlement_amounts(rulebook.currency, slices, &prices)?;
    let values = values(value, slices)?;
    let owed = slices.iter().zip(prices).zip(amounts).zip(values).map(|(((slice, price), amount), value)| OwedLeg {
        reason: Reason::Redemption,
        cohort: &slice.cohort,
        redeemer,
        day,
        tax,
        points: slice.points,
        value,
        price,
        amount,
    });
    Ok(owed.collect())
}

/// The settlement amounts of one redemption: the exact sum of points x price is
/// rounded half up once, then shared out by largest remainder in proportion to
/// points x price; ties go by scheme, issue period and expiry.
pub fn settlement_amounts(currency: Currency, slices: &[Slice], prices: &[Rate]) -> Result<Vec<Money>, OutOfRange> {
    let mut weights = Vec::with_capacity(slices.len());
    let mut total = 0_i128;
    for (slice, price) in slices.iter().zip(prices) {
        let exact = exact_value(slice.points, *price)?;
        total = total.checked_add(exact).ok_or(OutOfRange)?;
        weights.push(exact);
    }
    shared_out(currency.round_value(total)?, slices, &weights)
}

/// The part of a redemption that a return takes back, last slice first.
/// Successive returns sum to the redemption, to the minor unit.
pub(crate) fn returned(
    whole: Vec<OwedLeg<'_>>,
    before: Points,
    points: Points,
) -> Result<Vec<OwedLeg<'_>>, OutOfRange> {
    let parts = parts_from_the_end(whole.iter().map(|slice| slice.points), before, points)?;
    let back = parts.into_iter().map(|part| {
        let slice = whole[part.at];
        Ok(OwedLeg {
            reason: Reason::Return,
            points: part.points()?.negated()?,
            value: part.of(slice.value, slice.points)?.negated()?,
            amount: part.of(slice.amount, slice.points)?.negated()?,
            ..slice
        })
    });
    back.collect()
}
