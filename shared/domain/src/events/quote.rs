//! What a member could redeem at a line: points to value and back.

use crate::claims::account::Account;
use crate::events::{Bill, Refusal, redemption_cap};
use crate::terms::rulebook::Rulebook;
use crate::units::allocate::exact_value;
use crate::units::id::LineId;
use crate::units::money::{Money, OutOfRange, Points, Rate};
use chrono::NaiveDate;

/// What is asked: a number of points, a value to cover, or as much as possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Points(Points),
    /// As many points as this value takes, and none more.
    Value(Money),
    Most,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    pub balance: Points,
    /// What would be redeemed; zero if nothing can be.
    pub points: Points,
    pub value: Money,
    /// The most that could be redeemed.
    pub most: Points,
    pub minimum: Points,
    pub step: Points,
    /// The narrowest cap, if the line has one.
    pub cap: Option<Points>,
    /// Currency units per point.
    pub rate: Rate,
    /// Why nothing, or not what was asked for, can be redeemed.
    pub reason: Option<Refusal>,
}

/// Caps, then down to the step, then the minimum. A redemption of the quoted
/// points is accepted as long as the account stays as it is.
pub fn quote(
    rulebook: &Rulebook,
    account: &Account,
    line: &LineId,
    bill: Option<Money>,
    wish: Wish,
    day: NaiveDate,
) -> Result<Quote, Refusal> {
    if rulebook.line(line).is_none() {
        return Err(Refusal::UnknownLine(line.clone()));
    }
    let no_rule = || Refusal::NoBurnRule { line: line.clone(), day };
    if rulebook.line(line).is_some_and(|line| !line.takes_part(day)) {
        return Err(Refusal::LineNotActive { line: line.clone(), day });
    }
    let rule = rulebook.burn(line, day).ok_or_else(no_rule)?;
    let balance = account.balance_of(day, |scheme| rulebook.is_usable(scheme, line))?;
    let bill = bill.map(|amount| Bill { amount, currency: rulebook.currency });
    let cap = redemption_cap(rule, account, line, bill, day)?;
    let stepped = |points: Points| points.minus(Points::new(points.get() % rule.step.get()));
    // The fewest points that a redemption may have.
    let least = rule.minimum.max(Points::new(1));
    let least = least.plus(rule.step)?.minus(Points::new(1))?;
    let least = stepped(least)?;
    let most = stepped(cap.as_ref().map_or(balance, |(cap, _)| balance.min(*cap)))?;
    let most = if most < least { Points::ZERO } else { most };
    let wished = match wish {
        Wish::Points(points) => points,
        Wish::Value(value) => stepped(points_for(rulebook.currency.exact(value)?, rule.value)?)?,
        Wish::Most => most,
    };
    // In the order in which a redemption is checked.
    let reason = match &cap {
        Some((cap, refusal)) if wished > *cap => Some(refusal.clone()),
        _ if wished.get() % rule.step.get() != 0 => Some(Refusal::OffStep(rule.step)),
        // Nothing at all is possible: say which limit stands in the way.
        Some((cap, refusal)) if wish == Wish::Most && *cap < least => Some(refusal.clone()),
        _ if wish == Wish::Most && most < least => {
            Some(Refusal::InsufficientPoints { available: balance, requested: least })
        }
        _ if wished < least => Some(Refusal::BelowMinimum(least)),
        _ if wished > balance => Some(Refusal::InsufficientPoints { available: balance, requested: wished }),
        _ => None,
    };
    let points = if reason.is_none() { wished } else { Points::ZERO };
    Ok(Quote {
        balance,
        points,
        value: rulebook.currency.round_value(exact_value(points, rule.value)?)?,
        most,
        minimum: rule.minimum,
        step: rule.step,
        cap: cap.map(|(cap, _)| cap),
        rate: rule.value,
        reason,
    })
}

/// The points whose value does not exceed an exact one.
fn points_for(exact: i128, rate: Rate) -> Result<Points, OutOfRange> {
    let points = exact.checked_div(rate.scaled()).ok_or(OutOfRange)?;
    i64::try_from(points).map(Points::new).map_err(|_| OutOfRange)
}
