//! The vouchers of payments: made at the close where they are planned, or once the bank has carried
//! them out.

use super::events::BooksEvent;
use super::posting::{Books, BooksError, Posting};
use super::voucher::Voucher;
use crate::close::netting::Payment;
use crate::terms::rulebook::{Account, Rulebook};
use crate::units::calendar::Period;
use crate::units::id::LineId;
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// A payment on its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid<'a> {
    pub payment: &'a Payment,
    pub day: NaiveDate,
}

/// Both parties' vouchers of what was paid for a period. By entity, in the order of the payments;
/// those of each month of payment are numbered from the rulebook's number for them on, or else go on
/// after the period's other vouchers.
pub fn cash_vouchers(
    rulebook: &Rulebook,
    period: Period,
    accruals: &[Voucher],
    paid: &[Paid<'_>],
) -> Result<Vec<Voucher>, BooksError> {
    let mut order: Vec<&Paid<'_>> = paid.iter().collect();
    // So that numbers follow the days.
    order.sort_by_key(|paid| paid.day);
    let mut books = Books::new(rulebook, period);
    for (at, Paid { payment, .. }) in order.iter().enumerate() {
        let Payment { payer, payee, amount } = payment;
        let from = [Posting::debit(Account::ClearingPayable, *amount), Posting::credit(Account::Bank, *amount)];
        books.post_apart(payer, BooksEvent::Payment, at, &from.map(|line| line.with(payee)))?;
        let to = [Posting::debit(Account::Bank, *amount), Posting::credit(Account::ClearingReceivable, *amount)];
        books.post_apart(payee, BooksEvent::Payment, at, &to.map(|line| line.with(payer)))?;
    }
    let mut last: BTreeMap<&LineId, u32> = BTreeMap::new();
    for voucher in accruals {
        let last = last.entry(&voucher.entity).or_default();
        *last = voucher.number.max(*last);
    }
    let terms = books.terms().clone();
    let after = |entity: &LineId| last.get(entity).map_or(terms.first_number, |last| last.saturating_add(1));
    let first = |entity: &LineId, _: Period| terms.cash_first_number.unwrap_or_else(|| after(entity));
    let days: Vec<NaiveDate> = order.iter().map(|paid| paid.day).collect();
    Ok(books.numbered_by(|at| days.get(at).copied().unwrap_or_default(), first))
}
