//! Payments as they are ordered from banks.

use crate::close::netting::Payment;
use crate::terms::rulebook::{Line, Netting, Rulebook};
use crate::units::bank::restricted_to_sepa;
use crate::units::calendar::Period;
use crate::units::id::LineId;
use chrono::NaiveDate;
use std::collections::BTreeMap;
use std::fmt;

/// On which side of the hub a payment is; between lines there is but one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    In,
    Out,
}

impl Leg {
    pub const fn word(self) -> &'static str {
        match self {
            Leg::In => "in",
            Leg::Out => "out",
        }
    }
}

/// Whether a bank can be told to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing<'a> {
    Ordered,
    /// Payer and payee share an account: nothing moves.
    SameAccount,
    Lacking(Vec<Lack<'a>>),
}

impl Standing<'_> {
    pub const fn word(&self) -> &'static str {
        match self {
            Standing::Ordered => "ordered",
            Standing::SameAccount => "same-account",
            Standing::Lacking(_) => "lacking",
        }
    }
}

/// What an order cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lack<'a> {
    pub line: &'a LineId,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Name,
    Account,
    Bank,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            What::Name => "legal name",
            What::Account => "account",
            What::Bank => "bank",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order<'a> {
    pub payment: &'a Payment,
    pub leg: Leg,
    pub date: NaiveDate,
    /// At most 35 letters that every bank takes, unique for the programme's life.
    pub end_to_end_id: String,
    pub standing: Standing<'a>,
}

/// Every payment of a period, in their order.
pub fn orders<'a>(rulebook: &'a Rulebook, period: Period, payments: &'a [Payment]) -> Vec<Order<'a>> {
    let days = rulebook.payment_days(period);
    let mut numbers = Numbers::default();
    let order = |payment: &'a Payment| {
        let leg = match rulebook.netting {
            Netting::Hub if payment.payer == rulebook.platform => Leg::Out,
            Netting::Hub | Netting::Direct => Leg::In,
        };
        Order {
            payment,
            leg,
            date: match leg {
                Leg::In => days.incoming,
                Leg::Out => days.outgoing,
            },
            end_to_end_id: numbers.next(period, &payment.payer),
            standing: standing(rulebook, payment),
        }
    };
    payments.iter().map(order).collect()
}

/// Numbers by line. Two lines whose codes banks can only write alike are counted together.
#[derive(Debug, Default)]
pub struct Numbers(BTreeMap<String, u32>);

impl Numbers {
    /// Such as `IL-201702-mall-01`.
    pub fn next(&mut self, period: Period, line: &LineId) -> String {
        let line = restricted_to_sepa(line.as_str());
        let month = period.to_string().replace('-', "");
        let number = self.0.entry(line.clone()).or_default();
        *number += 1;
        format!("IL-{month}-{line}-{number:02}")
    }
}

fn standing<'a>(rulebook: &'a Rulebook, Payment { payer, payee, .. }: &'a Payment) -> Standing<'a> {
    let accounts = [payer, payee].map(|line| rulebook.line(line).and_then(Line::account));
    if let [Some(one), Some(other)] = &accounts
        && one.same(other)
    {
        return Standing::SameAccount;
    }
    let within_sepa = rulebook.is_within_sepa(&accounts);
    let mut lacks = Vec::new();
    for (line, account) in [payer, payee].into_iter().zip(&accounts) {
        let known = rulebook.line(line);
        let holder = known.and_then(|line| line.holder(rulebook.currency));
        let has_bank = within_sepa || known.is_some_and(Line::has_bank);
        let missing = [(What::Name, holder.is_none()), (What::Account, account.is_none()), (What::Bank, !has_bank)];
        lacks.extend(missing.into_iter().filter(|(_, missing)| *missing).map(|(what, _)| Lack { line, what }));
    }
    if lacks.is_empty() { Standing::Ordered } else { Standing::Lacking(lacks) }
}

/// What the lines of payments lack, each with all of it: `inn: account, bank; spa: bank`. `None`
/// where nothing is.
pub fn lacking(orders: &[Order<'_>]) -> Option<String> {
    let mut lines: BTreeMap<&LineId, Vec<What>> = BTreeMap::new();
    for order in orders {
        if let Standing::Lacking(lacks) = &order.standing {
            for Lack { line, what } in lacks {
                lines.entry(line).or_default().push(*what);
            }
        }
    }
    let told = lines.into_iter().map(|(line, mut whats)| {
        whats.sort();
        whats.dedup();
        format!("{line}: {}", whats.iter().map(What::to_string).collect::<Vec<_>>().join(", "))
    });
    Some(told.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
