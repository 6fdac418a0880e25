//! The vouchers of a period, for every legal entity.

use super::liability::Closed;
use super::shares::Owed;
use crate::close::books::{BooksEvent, Voucher, VoucherLine};
use crate::close::netting::Payment;
use crate::close::settlement::{Inputs, SettleError};
use crate::legs::ControlKind;
use crate::terms::rulebook::{Account, Product};
use crate::terms::vat::Amount;
use crate::units::id::{LineId, SchemeId};
use crate::units::limits::SUMMARY_MAX;
use crate::units::money::{Money, OutOfRange};
use std::collections::BTreeMap;

/// Records every event of the period once in the books of each party:
///
/// | event | debit | credit |
/// |---|---|---|
/// | sales with points | bank | revenue, contract liability, output VAT |
/// | points given | marketing expense | contract liability |
/// | redeemed at the own line, expiry, re-estimate | contract liability | revenue |
/// | redeemed at another line | contract liability, input VAT | payable, agent revenue |
/// | the same at the redeeming line | receivable | revenue, output VAT |
/// | refunds; points given taken back | revenue, contract liability, output VAT | bank; marketing expense |
/// | platform fee, payer | selling expense, input VAT | payable |
/// | platform fee, payee | receivable | other revenue, output VAT |
/// | netting | payables; clearing if net receivable | receivables; clearing if net payable |
/// | payment, payer | clearing | bank |
/// | payment, payee | bank | clearing |
///
/// Netting leaves each line one position on the clearing account for every
/// payment it makes or receives: with the hub, or with the line it pays directly. What is
/// carried to the next month stays there.
///
/// Source: CAS 14 (2017) articles 34, 35 and 39; IFRS 15 B36 and B39-B47. Two
/// entities' lines with each other bear the other as counterparty, so that
/// consolidation can eliminate them.
pub(super) fn vouchers(
    inputs: &Inputs<'_>,
    closed: &[Closed],
    owed: &[Owed],
    moved: &[Payment],
    payments: &[Payment],
) -> Result<Vec<Voucher>, SettleError> {
    let mut books = Books { inputs, vouchers: BTreeMap::new() };
    books.sales(closed)?;
    books.liability(closed)?;
    books.other_lines(closed, owed)?;
    books.fees(owed)?;
    books.netting(owed, moved)?;
    books.payments(payments)?;
    Ok(books.numbered())
}

struct Books<'a> {
    inputs: &'a Inputs<'a>,
    /// By entity, event and, for payments, their number.
    vouchers: BTreeMap<(LineId, BooksEvent, usize), Vec<VoucherLine>>,
}

/// The voucher that lines are posted to.
#[derive(Clone, Copy)]
struct Place<'a> {
    entity: &'a LineId,
    event: BooksEvent,
    number: usize,
}

impl<'a> Place<'a> {
    fn new(entity: &'a LineId, event: BooksEvent) -> Self {
        Self { entity, event, number: 0 }
    }
}

impl Books<'_> {
    fn debit(&mut self, at: Place<'_>, role: Account, with: Option<&LineId>, amount: Money) -> Result<(), OutOfRange> {
        if amount.is_zero() {
            return Ok(());
        }
        let (account, account_name) = self.inputs.rulebook.accounts.of(role);
        let (account, account_name) = (account.to_owned(), account_name.to_owned());
        // What would be negative stands on the other side.
        let (debit, credit) =
            if amount.is_negative() { (Money::ZERO, amount.negated()?) } else { (amount, Money::ZERO) };
        let summary = self.summary(at.event, with);
        let line = VoucherLine { summary, role, account, account_name, debit, credit, counterparty: with.cloned() };
        self.vouchers.entry((at.entity.clone(), at.event, at.number)).or_default().push(line);
        Ok(())
    }

    fn credit(&mut self, at: Place<'_>, role: Account, with: Option<&LineId>, amount: Money) -> Result<(), OutOfRange> {
        self.debit(at, role, with, amount.negated()?)
    }

    fn summary(&self, event: BooksEvent, with: Option<&LineId>) -> String {
        let mut text = format!("{} {}", self.inputs.period, event.word_zh());
        if let Some(line) = with.and_then(|line| self.inputs.rulebook.line(line)) {
            text.push(' ');
            text.push_str(&line.name_zh);
        }
        text.chars().take(SUMMARY_MAX).collect()
    }

    fn control(&self, line: &LineId, kind: ControlKind) -> Result<Amount, SettleError> {
        let control = self.inputs.tally.controls.get(&(line.clone(), kind)).copied().unwrap_or_default();
        if control.amount.is_zero() {
            return Ok(Amount { gross: Money::ZERO, net: Money::ZERO, tax: Money::ZERO });
        }
        let scheme = SchemeId::of(line);
        let terms = self.inputs.rulebook.liability(&scheme, self.inputs.period);
        let missing = || SettleError::NoTerms { scheme: scheme.clone(), month: self.inputs.period };
        Ok(terms.ok_or_else(missing)?.sales(control.amount)?)
    }

    /// All sales and refunds that a line reported, whether they earned points or
    /// not, with the VAT of the period that books them.
    fn sales(&mut self, closed: &[Closed]) -> Result<(), SettleError> {
        for line in &self.inputs.rulebook.lines {
            let line = &line.id;
            let own = || closed.iter().filter(|closed| closed.cohort.scheme == *line);
            let sale = self.control(line, ControlKind::Accrual)?;
            let allocated = Money::sum(own().map(|closed| closed.allocated))?;
            let at = Place::new(line, BooksEvent::Issue);
            self.debit(at, Account::Bank, None, sale.gross)?;
            self.credit(at, Account::Revenue, None, sale.net.minus(allocated)?)?;
            self.credit(at, Account::ContractLiability, None, allocated)?;
            self.credit(at, Account::OutputVat, None, sale.tax)?;

            let refund = self.control(line, ControlKind::Withdrawal)?;
            let reversed = Money::sum(own().map(|closed| closed.closing.row.reversed))?;
            let grants = Money::sum(own().map(|closed| closed.reversed_grants))?;
            let at = Place::new(line, BooksEvent::Reversal);
            self.debit(at, Account::Revenue, None, refund.net.minus(reversed.minus(grants)?)?)?;
            self.debit(at, Account::ContractLiability, None, reversed)?;
            self.debit(at, Account::OutputVat, None, refund.tax)?;
            self.credit(at, Account::Bank, None, refund.gross)?;
            self.credit(at, Account::MarketingExpense, None, grants)?;
        }
        Ok(())
    }

    fn liability(&mut self, closed: &[Closed]) -> Result<(), OutOfRange> {
        let mut funders: BTreeMap<LineId, [Money; 4]> = BTreeMap::new();
        for Closed { cohort, closing, .. } in closed {
            let row = &closing.row;
            let amounts = [row.granted, row.own_line_revenue, row.expired, row.re_estimate];
            for (sum, amount) in funders.entry(cohort.scheme.line()).or_default().iter_mut().zip(amounts) {
                sum.add(amount)?;
            }
        }
        for (funder, [granted, own, expired, re_estimate]) in funders {
            let funder = &funder;
            let at = Place::new(funder, BooksEvent::Grant);
            self.debit(at, Account::MarketingExpense, None, granted)?;
            self.credit(at, Account::ContractLiability, None, granted)?;
            for (event, amount) in
                [(BooksEvent::OwnRedemption, own), (BooksEvent::Expiry, expired), (BooksEvent::ReEstimate, re_estimate)]
            {
                let at = Place::new(funder, event);
                self.debit(at, Account::ContractLiability, None, amount)?;
                self.credit(at, Account::Revenue, None, amount)?;
            }
        }
        Ok(())
    }

    fn other_lines(&mut self, closed: &[Closed], owed: &[Owed]) -> Result<(), OutOfRange> {
        // Released and kept, by funder and redeeming line.
        let mut released: BTreeMap<(LineId, &LineId), (Money, Money)> = BTreeMap::new();
        for Closed { cohort, closing, .. } in closed {
            for (line, release) in &closing.other_lines {
                let sum = released.entry((cohort.scheme.line(), line)).or_default();
                sum.0.add(release.released)?;
                sum.1.add(release.agent_revenue)?;
            }
        }
        let amounts: BTreeMap<(&LineId, &LineId), Money> = owed
            .iter()
            .filter(|owed| owed.product == Product::Redemption)
            .map(|owed| ((&owed.payer, &owed.payee), owed.amount))
            .collect();
        for ((funder, line), (released, kept)) in released {
            let funder = &funder;
            let gross = amounts.get(&(funder, line)).copied().unwrap_or_default();
            let vat = self.inputs.rulebook.vat(funder, line, Product::Redemption, self.inputs.period);
            let at = Place::new(funder, BooksEvent::OtherRedemption);
            self.debit(at, Account::ContractLiability, Some(line), released)?;
            self.debit(at, Account::InputVat, Some(line), vat.deductible(gross)?)?;
            self.credit(at, Account::Payable, Some(line), gross)?;
            self.credit(at, Account::AgentRevenue, Some(line), kept)?;

            let tax = vat.output(gross)?;
            let at = Place::new(line, BooksEvent::ReceivableFromFunder);
            self.debit(at, Account::Receivable, Some(funder), gross)?;
            self.credit(at, Account::Revenue, Some(funder), gross.minus(tax)?)?;
            self.credit(at, Account::OutputVat, Some(funder), tax)?;
        }
        Ok(())
    }

    fn fees(&mut self, owed: &[Owed]) -> Result<(), OutOfRange> {
        for Owed { payer, payee, product, amount } in owed.iter().filter(|owed| owed.product == Product::PlatformFee) {
            let vat = self.inputs.rulebook.vat(payer, payee, *product, self.inputs.period);
            let deducted = vat.deductible(*amount)?;
            let at = Place::new(payer, BooksEvent::PlatformFee);
            self.debit(at, Account::SellingExpense, Some(payee), amount.minus(deducted)?)?;
            self.debit(at, Account::InputVat, Some(payee), deducted)?;
            self.credit(at, Account::Payable, Some(payee), *amount)?;

            let tax = vat.output(*amount)?;
            let at = Place::new(payee, BooksEvent::PlatformFee);
            self.debit(at, Account::Receivable, Some(payer), *amount)?;
            self.credit(at, Account::OtherRevenue, Some(payer), amount.minus(tax)?)?;
            self.credit(at, Account::OutputVat, Some(payer), tax)?;
        }
        Ok(())
    }

    fn netting(&mut self, owed: &[Owed], moved: &[Payment]) -> Result<(), OutOfRange> {
        let mut pairs: BTreeMap<(&LineId, &LineId), Money> = BTreeMap::new();
        for owed in owed {
            pairs.entry((&owed.payer, &owed.payee)).or_default().add(owed.amount)?;
        }
        for ((payer, payee), amount) in &pairs {
            self.debit(Place::new(payer, BooksEvent::Netting), Account::Payable, Some(payee), *amount)?;
        }
        for ((payer, payee), amount) in &pairs {
            self.credit(Place::new(payee, BooksEvent::Netting), Account::Receivable, Some(payer), *amount)?;
        }
        for Payment { payer, payee, amount } in moved {
            self.credit(Place::new(payer, BooksEvent::Netting), Account::Clearing, Some(payee), *amount)?;
            self.debit(Place::new(payee, BooksEvent::Netting), Account::Clearing, Some(payer), *amount)?;
        }
        Ok(())
    }

    fn payments(&mut self, payments: &[Payment]) -> Result<(), OutOfRange> {
        for (number, Payment { payer, payee, amount }) in payments.iter().enumerate() {
            let at = Place { entity: payer, event: BooksEvent::Payment, number };
            self.debit(at, Account::Clearing, Some(payee), *amount)?;
            self.credit(at, Account::Bank, Some(payee), *amount)?;
            let at = Place { entity: payee, ..at };
            self.debit(at, Account::Bank, Some(payer), *amount)?;
            self.credit(at, Account::Clearing, Some(payer), *amount)?;
        }
        Ok(())
    }

    fn numbered(self) -> Vec<Voucher> {
        let date = self.inputs.period.last_day();
        let mut numbers: BTreeMap<LineId, u32> = BTreeMap::new();
        let numbered = self.vouchers.into_iter().map(|((entity, event, _), lines)| {
            let number = numbers.entry(entity.clone()).or_default();
            *number += 1;
            Voucher { number: *number, entity, date, event, lines }
        });
        numbered.collect()
    }
}
