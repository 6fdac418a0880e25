//! What a sale would earn, and who would pay for it: for those who write the rules.

use super::accrual::{by_scheme, points_of_sale};
use super::refusal::Refusal;
use crate::claims::lot::Expiry;
use crate::terms::rulebook::{Awarded, Rulebook};
use crate::units::allocate::exact_value;
use crate::units::calendar::Period;
use crate::units::id::{LineId, SchemeId};
use crate::units::money::{Money, Points, Rate};
use chrono::{DateTime, Utc};

/// What a sale would earn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earned {
    pub claims: Vec<EarnedClaims>,
    /// What awards give of them.
    pub awards: Vec<Awarded>,
}

/// Its points of one scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarnedClaims {
    pub scheme: SchemeId,
    pub points: Points,
    pub expires: Expiry,
    /// Who bears their cost.
    pub funders: Vec<(LineId, Rate)>,
    pub redeemed: Vec<RedeemedAt>,
}

/// What the points cost if all of them are redeemed at a line on the day of the sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedeemedAt {
    pub line: LineId,
    /// What the member gets for them.
    pub value: Money,
    /// What the line is owed, before splits.
    pub amount: Money,
    /// Each funder's part; the line's own is owed to nobody.
    pub payers: Vec<(LineId, Money)>,
}

/// What a sale of an amount would earn at a line.
pub fn earned(rulebook: &Rulebook, line: &LineId, at: DateTime<Utc>, amount: Money) -> Result<Earned, Refusal> {
    let day = rulebook.day(at);
    let of = rulebook.line(line).ok_or_else(|| Refusal::UnknownLine(line.clone()))?;
    if !of.takes_part(day) {
        return Err(Refusal::LineNotActive { line: line.clone(), day });
    }
    let rule = rulebook.earn(line, day).ok_or_else(|| Refusal::NoEarnRule { line: line.clone(), day })?;
    let base = points_of_sale(rule, line, rulebook.currency, amount)?;
    let awards = rulebook.awards(line, at, amount)?;
    let mut claims = Vec::new();
    for (scheme, points) in by_scheme(base, &awards)? {
        let funding = rulebook.funding(&scheme, Period::of_day(day));
        let mut redeemed = Vec::new();
        for redeemer in &rulebook.lines {
            let Some(burn) = rulebook.burn(&redeemer.id, day).filter(|_| redeemer.takes_part(day)) else { continue };
            let Some(price) = rulebook.price(&scheme, &redeemer.id, day) else { continue };
            if !rulebook.is_usable(&scheme, &redeemer.id) {
                continue;
            }
            let of = |rate: Rate| rulebook.currency.round_value(exact_value(points, rate)?);
            let amount = of(price)?;
            let payers = funding.shared(amount)?.into_iter().map(|(payer, part)| (payer.clone(), part)).collect();
            redeemed.push(RedeemedAt { line: redeemer.id.clone(), value: of(burn.value)?, amount, payers });
        }
        let expires = rulebook.expiry(&scheme, day);
        claims.push(EarnedClaims { scheme, points, expires, funders: funding.shares, redeemed });
    }
    Ok(Earned { claims, awards })
}
