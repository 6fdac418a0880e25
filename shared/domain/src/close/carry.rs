//! Payments that are too small to be made, and stay owed.

use crate::close::netting::{Nets, Payment, payments};
use crate::terms::rulebook::Rulebook;
use crate::units::calendar::Period;
use crate::units::id::LineId;
use crate::units::money::{Money, OutOfRange};

/// What is paid of the nets of a month, and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    pub payments: Vec<Payment>,
    /// Left for the next month; in place of what was left before.
    pub carried: Vec<Payment>,
}

/// What a month's nets and what was carried into it lead to. A payment below the smallest is
/// carried, but not out of a year, nor to or from a line that has left.
pub fn paid(rulebook: &Rulebook, period: Period, nets: &Nets, before: &[Payment]) -> Result<Paid, OutOfRange> {
    let due = due(nets, before)?;
    let minimum = rulebook.payments(period).minimum;
    let ends_the_year = period.next().year() != period.year();
    let has_left = |line: &LineId| {
        rulebook.line(line).and_then(|line| line.last_day).is_some_and(|last| last <= period.last_day())
    };
    let is_made = |payment: &Payment| {
        payment.amount >= minimum || ends_the_year || has_left(&payment.payer) || has_left(&payment.payee)
    };
    let all = payments(&due, rulebook.netting, &rulebook.platform)?;
    let (payments, mut carried): (Vec<Payment>, Vec<Payment>) = all.into_iter().partition(is_made);
    carried.sort();
    Ok(Paid { payments, carried })
}

/// The nets of a month with what was carried into it.
pub fn due(nets: &Nets, before: &[Payment]) -> Result<Nets, OutOfRange> {
    let mut due = nets.clone();
    for (line, amount) in balances(before)? {
        due.entry(line).or_default().add(amount)?;
    }
    Ok(due)
}

/// What is carried for each line: negative for one that owes it. None is zero, and they sum to it.
pub fn balances(carried: &[Payment]) -> Result<Nets, OutOfRange> {
    let mut balances = Nets::new();
    for Payment { payer, payee, amount } in carried {
        balances.entry(payer.clone()).or_default().add(amount.negated()?)?;
        balances.entry(payee.clone()).or_default().add(*amount)?;
    }
    balances.retain(|_, amount| !amount.is_zero());
    Ok(balances)
}

/// By how much a month changes what lines have to pay each other: what is paid and carried out
/// of it, less what was carried in. Amounts may be negative; none is zero. In the order of the
/// payments.
pub fn moved(before: &[Payment], paid: &Paid) -> Result<Vec<Payment>, OutOfRange> {
    let mut moved: Vec<Payment> = Vec::new();
    let mut add = |payer: &LineId, payee: &LineId, amount: Money| {
        match moved.iter_mut().find(|pair| pair.payer == *payer && pair.payee == *payee) {
            Some(pair) => pair.amount.add(amount)?,
            None => moved.push(Payment { payer: payer.clone(), payee: payee.clone(), amount }),
        }
        Ok(())
    };
    for Payment { payer, payee, amount } in paid.payments.iter().chain(&paid.carried) {
        add(payer, payee, *amount)?;
    }
    for Payment { payer, payee, amount } in before {
        add(payer, payee, amount.negated()?)?;
    }
    moved.retain(|pair| !pair.amount.is_zero());
    Ok(moved)
}

#[cfg(test)]
mod tests;
