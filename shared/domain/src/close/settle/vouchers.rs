//! The vouchers of a period, for every legal entity: which amounts are posted where.

use super::liability::Closed;
use super::shares::Owed;
use crate::close::books::{Books, BooksError, BooksEvent, Paid, Posting, Voucher, cash_vouchers};
use crate::close::netting::{Nets, Payment, residual};
use crate::close::settlement::{Inputs, SettleError};
use crate::legs::ControlKind;
use crate::terms::rulebook::{Account, Cash, Netting, Product, Sales};
use crate::terms::vat::Amount;
use crate::units::id::{LineId, SchemeId};
use crate::units::money::{Money, OutOfRange};
use std::collections::BTreeMap;

/// Records every event of the period once in the books of each party. What stands where is the
/// table of [`BooksEvent`].
///
/// Netting leaves each line one position, to be received or paid, with whom it clears: the hub, or
/// the lines that it pays directly. Payments are no part of it.
///
/// Source: CAS 14 (2017) articles 34, 35 and 39; IFRS 15 B36 and B39-B47. Two
/// entities' lines with each other bear the other as counterparty, so that
/// consolidation can eliminate them.
pub(super) fn vouchers(
    inputs: &Inputs<'_>,
    closed: &[Closed],
    owed: &[Owed],
    nets: &Nets,
    payments: &[Payment],
) -> Result<Vec<Voucher>, SettleError> {
    let mut books = Books::new(inputs.rulebook, inputs.period);
    if books.terms().sales == Sales::Full {
        sales(&mut books, inputs)?;
    }
    deferral(&mut books, inputs, closed)?;
    liability(&mut books, closed)?;
    other_lines(&mut books, inputs, closed, owed)?;
    fees(&mut books, inputs, owed)?;
    netting(&mut books, inputs, owed, (nets, payments))?;
    Ok(books.numbered())
}

/// Those of the payments, where they are made at the close.
pub(super) fn planned(
    inputs: &Inputs<'_>,
    accruals: &[Voucher],
    payments: &[Payment],
) -> Result<Vec<Voucher>, BooksError> {
    match inputs.rulebook.books(inputs.period).cash {
        Cash::Confirmed => Ok(Vec::new()),
        Cash::Planned => {
            let day = inputs.rulebook.payment_day(inputs.period);
            let paid: Vec<Paid<'_>> = payments.iter().map(|payment| Paid { payment, day }).collect();
            cash_vouchers(inputs.rulebook, inputs.period, accruals, &paid)
        }
    }
}

fn control(inputs: &Inputs<'_>, line: &LineId, kind: ControlKind) -> Result<Amount, SettleError> {
    let control = inputs.tally.controls.get(&(line.clone(), kind)).copied().unwrap_or_default();
    if control.amount.is_zero() {
        return Ok(Amount { gross: Money::ZERO, net: Money::ZERO, tax: Money::ZERO });
    }
    let scheme = SchemeId::of(line);
    let terms = inputs.rulebook.liability(&scheme, inputs.period);
    let missing = || SettleError::NoTerms { scheme: scheme.clone(), month: inputs.period };
    Ok(terms.ok_or_else(missing)?.sales(control.amount)?)
}

/// All sales and refunds that a line reported, whether they earned points or
/// not, with the VAT of the period that books them.
fn sales(books: &mut Books<'_>, inputs: &Inputs<'_>) -> Result<(), SettleError> {
    for line in inputs.rulebook.lines.iter().map(|line| &line.id) {
        let sold = control(inputs, line, ControlKind::Accrual)?;
        let refunded = control(inputs, line, ControlKind::Withdrawal)?;
        let (gross, net, tax) = (refunded.gross.negated()?, refunded.net.negated()?, refunded.tax.negated()?);
        let back = Amount { gross, net, tax };
        for (event, Amount { gross, net, tax }) in [(BooksEvent::Sale, sold), (BooksEvent::SaleRefund, back)] {
            let lines = [
                Posting::debit(Account::Bank, gross),
                Posting::credit(Account::Revenue, net),
                Posting::credit(Account::OutputVat, tax),
            ];
            books.post(line, event, &lines)?;
        }
    }
    Ok(())
}

/// What of the sales and refunds is for their points.
fn deferral(books: &mut Books<'_>, inputs: &Inputs<'_>, closed: &[Closed]) -> Result<(), BooksError> {
    for line in inputs.rulebook.lines.iter().map(|line| &line.id) {
        let own = || closed.iter().filter(|closed| closed.cohort.scheme == *line);
        let added = Money::sum(own().map(|closed| closed.allocated))?;
        let reversed = Money::sum(own().map(|closed| closed.closing.row.reversed))?;
        let grants = Money::sum(own().map(|closed| closed.reversed_grants))?;
        let back = grants.minus(reversed)?;
        for (event, amount) in [(BooksEvent::Deferral, added), (BooksEvent::DeferralBack, back)] {
            let lines = [
                Posting::credit(Account::Revenue, amount.negated()?),
                Posting::credit(Account::ContractLiability, amount),
            ];
            books.post(line, event, &lines)?;
        }
        granted(books, line, BooksEvent::GrantedBack, grants.negated()?)?;
    }
    Ok(())
}

fn granted(books: &mut Books<'_>, funder: &LineId, event: BooksEvent, amount: Money) -> Result<(), BooksError> {
    let lines =
        [Posting::debit(Account::MarketingExpense, amount), Posting::credit(Account::ContractLiability, amount)];
    books.post(funder, event, &lines)
}

fn liability(books: &mut Books<'_>, closed: &[Closed]) -> Result<(), BooksError> {
    let mut funders: BTreeMap<LineId, [Money; 4]> = BTreeMap::new();
    for Closed { cohort, closing, .. } in closed {
        let row = &closing.row;
        let amounts = [row.granted, row.own_line_revenue, row.expired, row.re_estimate];
        for (sum, amount) in funders.entry(cohort.scheme.line()).or_default().iter_mut().zip(amounts) {
            sum.add(amount)?;
        }
    }
    for (funder, [given, own, expired, re_estimate]) in funders {
        granted(books, &funder, BooksEvent::Granted, given)?;
        for (event, role, amount) in [
            (BooksEvent::OwnRedemption, Account::PointsRevenue, own),
            (BooksEvent::Expiry, Account::BreakageRevenue, expired),
            (BooksEvent::ReEstimate, Account::BreakageRevenue, re_estimate),
        ] {
            let lines = [Posting::debit(Account::ContractLiability, amount), Posting::credit(role, amount)];
            books.post(&funder, event, &lines)?;
        }
    }
    Ok(())
}

fn other_lines(books: &mut Books<'_>, inputs: &Inputs<'_>, closed: &[Closed], owed: &[Owed]) -> Result<(), BooksError> {
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
        let gross = amounts.get(&(&funder, line)).copied().unwrap_or_default();
        let vat = inputs.rulebook.vat(&funder, line, Product::Redemption, inputs.period);
        let lines = [
            Posting::debit(Account::ContractLiability, released),
            Posting::debit(books.input_vat(), vat.deductible(gross)?),
            Posting::credit(Account::Payable, gross),
            Posting::credit(Account::AgentRevenue, kept),
        ];
        books.post(&funder, BooksEvent::OtherRedemption, &lines.map(|posting| posting.with(line)))?;
        let tax = vat.output(gross)?;
        let lines = [
            Posting::debit(Account::Receivable, gross),
            Posting::credit(Account::SettlementRevenue, gross.minus(tax)?),
            Posting::credit(Account::OutputVat, tax),
        ];
        books.post(line, BooksEvent::Receivable, &lines.map(|posting| posting.with(&funder)))?;
    }
    Ok(())
}

fn fees(books: &mut Books<'_>, inputs: &Inputs<'_>, owed: &[Owed]) -> Result<(), BooksError> {
    for Owed { payer, payee, product, amount } in owed.iter().filter(|owed| owed.product == Product::PlatformFee) {
        let vat = inputs.rulebook.vat(payer, payee, *product, inputs.period);
        let deducted = vat.deductible(*amount)?;
        let lines = [
            Posting::debit(Account::FeeExpense, amount.minus(deducted)?),
            Posting::debit(books.input_vat(), deducted),
            Posting::credit(Account::Payable, *amount),
        ];
        books.post(payer, BooksEvent::Fee, &lines.map(|posting| posting.with(payee)))?;
        let tax = vat.output(*amount)?;
        let lines = [
            Posting::debit(Account::Receivable, *amount),
            Posting::credit(Account::OtherRevenue, amount.minus(tax)?),
            Posting::credit(Account::OutputVat, tax),
        ];
        books.post(payee, BooksEvent::Fee, &lines.map(|posting| posting.with(payer)))?;
    }
    Ok(())
}

fn netting(
    books: &mut Books<'_>,
    inputs: &Inputs<'_>,
    owed: &[Owed],
    (nets, payments): (&Nets, &[Payment]),
) -> Result<(), BooksError> {
    let mut pairs: BTreeMap<(&LineId, &LineId), Money> = BTreeMap::new();
    for owed in owed {
        pairs.entry((&owed.payer, &owed.payee)).or_default().add(owed.amount)?;
    }
    let positions = positions(inputs, nets, payments)?;
    let mut entities: BTreeMap<&LineId, Vec<Posting<'_>>> = BTreeMap::new();
    for ((payer, payee), amount) in &pairs {
        entities.entry(payer).or_default().push(Posting::debit(Account::Payable, *amount).with(payee));
    }
    for ((payer, payee), amount) in &pairs {
        entities.entry(payee).or_default().push(Posting::credit(Account::Receivable, *amount).with(payer));
    }
    for Payment { payer, payee, amount } in &positions {
        entities.entry(payer).or_default().push(Posting::credit(Account::ClearingPayable, *amount).with(payee));
        entities.entry(payee).or_default().push(Posting::debit(Account::ClearingReceivable, *amount).with(payer));
    }
    entities.into_iter().try_for_each(|(entity, lines)| books.post(entity, BooksEvent::Netting, &lines))
}

/// With whom each line clears its net: with the hub; or, where lines pay each other, as they pay,
/// and what is not paid with the platform. A line's net is on one side, so a part may be negative.
fn positions(inputs: &Inputs<'_>, nets: &Nets, payments: &[Payment]) -> Result<Vec<Payment>, OutOfRange> {
    let platform = &inputs.rulebook.platform;
    let mut positions = match inputs.rulebook.netting {
        Netting::Hub => Vec::new(),
        Netting::Direct => payments.to_vec(),
    };
    for (line, left) in residual(nets, &positions)?.iter().filter(|(line, _)| *line != platform) {
        let is_due = nets.get(line).is_some_and(|net| net.is_positive());
        let (payer, payee, amount) = if is_due { (platform, line, *left) } else { (line, platform, left.negated()?) };
        positions.push(Payment { payer: payer.clone(), payee: payee.clone(), amount });
    }
    positions.retain(|position| !position.amount.is_zero());
    Ok(positions)
}
