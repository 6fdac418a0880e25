//! The vouchers of a period, for every legal entity: which amounts are posted where.

use super::liability::Closed;
use super::taxes::{Owed, Sold};
use crate::actuarial::liability::{ClawBack, LineRelease, ProvisionRow, RollForward};
use crate::close::books::{Books, BooksError, BooksEvent, Paid, Posting, Voucher, cash_vouchers};
use crate::close::netting::{Nets, Payment, residual};
use crate::close::orders::orders;
use crate::close::settlement::Inputs;
use crate::terms::rulebook::{Account, Cash, Netting, Product, Sales};
use crate::units::id::LineId;
use crate::units::money::{Money, OutOfRange};
use std::collections::BTreeMap;

/// What bears tax, with it.
#[derive(Clone, Copy)]
pub(super) struct Taxed<'a> {
    pub(super) owed: &'a [Owed],
    pub(super) sold: &'a [Sold],
    /// What lines owe for honouring their own points.
    pub(super) deemed: &'a BTreeMap<LineId, Money>,
}

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
    taxed: Taxed<'_>,
    nets: &Nets,
    moved: &[Payment],
) -> Result<Vec<Voucher>, BooksError> {
    let Taxed { owed, sold, deemed } = taxed;
    let mut books = Books::new(inputs.rulebook, inputs.period);
    if books.terms().sales == Sales::Full {
        sales(&mut books, sold)?;
    }
    let mut funders: BTreeMap<LineId, Funder> = BTreeMap::new();
    for Closed { payer, row, provision, lines, claw_back, .. } in closed {
        let funder = funders.entry(payer.clone()).or_default();
        funder.row = funder.row.plus(row)?;
        funder.provision = funder.provision.plus(provision)?;
        funder.claw_back = funder.claw_back.plus(claw_back)?;
        for (line, release) in lines {
            let sum = funder.lines.entry(line.clone()).or_default();
            *sum = sum.plus(release)?;
        }
    }
    for (line, funder) in &funders {
        funder.contract(&mut books, line)?;
        funder.given(&mut books, line)?;
        funder.other_lines(&mut books, line, owed)?;
    }
    for (line, tax) in deemed {
        let lines = [Posting::debit(Account::MarketingExpense, *tax), Posting::credit(Account::OutputVat, *tax)];
        books.post(line, BooksEvent::DeemedSale, &lines)?;
    }
    receivables(&mut books, owed)?;
    fees(&mut books, owed)?;
    netting(&mut books, inputs, owed, (nets, moved))?;
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
            let orders = orders(inputs.rulebook, inputs.period, payments);
            let paid: Vec<Paid<'_>> =
                orders.iter().map(|order| Paid { payment: order.payment, day: order.date }).collect();
            cash_vouchers(inputs.rulebook, inputs.period, accruals, &paid)
        }
    }
}

/// All sales and refunds that a line reported, whether they earned points or not, with the VAT of the sale.
fn sales(books: &mut Books<'_>, sold: &[Sold]) -> Result<(), BooksError> {
    for Sold { line, is_refund, gross, tax } in sold {
        let event = if *is_refund { BooksEvent::SaleRefund } else { BooksEvent::Sale };
        let lines = [
            Posting::debit(Account::Bank, *gross),
            Posting::credit(Account::Revenue, gross.minus(*tax)?),
            Posting::credit(Account::OutputVat, *tax),
        ];
        books.post(line, event, &lines)?;
    }
    Ok(())
}

/// What a funder's cohorts come to.
#[derive(Default)]
struct Funder {
    row: RollForward,
    provision: ProvisionRow,
    claw_back: ClawBack,
    lines: BTreeMap<LineId, LineRelease>,
}

impl Funder {
    /// What sales bring and what becomes revenue.
    fn contract(&self, books: &mut Books<'_>, funder: &LineId) -> Result<(), BooksError> {
        let row = &self.row;
        for (event, amount) in [(BooksEvent::Deferral, row.added), (BooksEvent::DeferralBack, row.reversed.negated()?)]
        {
            let lines = [
                Posting::credit(Account::Revenue, amount.negated()?),
                Posting::credit(Account::ContractLiability, amount),
            ];
            books.post(funder, event, &lines)?;
        }
        let ClawBack { loss, own, breakage, agent, given_loss } = self.claw_back;
        let lines = [
            Posting::debit(Account::ClawbackLoss, loss.plus(given_loss)?),
            Posting::debit(Account::PointsRevenue, own),
            Posting::debit(Account::BreakageRevenue, breakage),
            Posting::debit(Account::AgentRevenue, agent),
            Posting::credit(Account::Revenue, row.undone),
            Posting::credit(Account::MarketingExpense, given_loss),
        ];
        books.post(funder, BooksEvent::ClawBack, &lines)?;
        for (event, role, amount) in [
            (BooksEvent::OwnRedemption, Account::PointsRevenue, row.own_line_revenue),
            (BooksEvent::Breakage, Account::BreakageRevenue, row.breakage),
            (BooksEvent::ReEstimate, Account::BreakageRevenue, row.re_estimate),
            (BooksEvent::Expiry, Account::BreakageRevenue, row.expired),
            (BooksEvent::Remeasure, Account::BreakageRevenue, row.remeasured),
        ] {
            let lines = [Posting::debit(Account::ContractLiability, amount), Posting::credit(role, amount)];
            books.post(funder, event, &lines)?;
        }
        Ok(())
    }

    /// Points that nobody paid for: an expense when they are given, never revenue.
    fn given(&self, books: &mut Books<'_>, funder: &LineId) -> Result<(), BooksError> {
        let row = &self.provision;
        for (event, amount) in [(BooksEvent::Granted, row.granted), (BooksEvent::GrantedBack, row.reversed.negated()?)]
        {
            let lines =
                [Posting::debit(Account::MarketingExpense, amount), Posting::credit(Account::Provision, amount)];
            books.post(funder, event, &lines)?;
        }
        for (event, amount) in [(BooksEvent::GrantedUsed, row.used_own), (BooksEvent::GrantedReleased, row.released)] {
            let lines =
                [Posting::debit(Account::Provision, amount), Posting::credit(Account::MarketingExpense, amount)];
            books.post(funder, event, &lines)?;
        }
        Ok(())
    }

    /// Points honoured by other lines, and debts paid to them: what is left of the release is the funder's own.
    fn other_lines(&self, books: &mut Books<'_>, funder: &LineId, owed: &[Owed]) -> Result<(), BooksError> {
        for (line, release) in &self.lines {
            let of = owed.iter().filter(|owed| owed.payer == *funder && owed.payee == *line);
            let of: Vec<&Owed> = of.filter(|owed| !owed.product.is_split_off()).collect();
            let input = Money::sum(of.iter().map(|owed| owed.input))?;
            let cost = release.owed.plus(release.owed_given)?;
            let input_given = input.proportion_of(release.owed_given, cost)?;
            let input_sold = input.minus(input_given)?;
            let is_debt = of.iter().all(|owed| owed.product == Product::Repayment) && !of.is_empty();
            let event = if is_debt { BooksEvent::DebtRepaid } else { BooksEvent::OtherRedemption };
            let input_vat = books.input_vat();
            let mut lines = vec![
                Posting::debit(Account::ContractLiability, release.released),
                Posting::credit(Account::Payable, release.owed.plus(input_sold)?),
                Posting::credit(Account::AgentRevenue, release.agent_revenue()?),
            ];
            lines.extend((!input_sold.is_zero()).then(|| Posting::debit(input_vat, input_sold)));
            let lines: Vec<Posting<'_>> = lines.into_iter().map(|posting| posting.with(line)).collect();
            books.post(funder, event, &lines)?;
            let lines = [
                Posting::debit(Account::Provision, release.used),
                Posting::debit(input_vat, input_given),
                Posting::credit(Account::Payable, release.owed_given.plus(input_given)?),
                Posting::credit(Account::MarketingExpense, release.used.minus(release.owed_given)?),
            ];
            books.post(funder, BooksEvent::GrantedUsed, &lines.map(|posting| posting.with(line)))?;
        }
        Ok(())
    }
}

/// What other lines' points pay for a member's purchase, in the books of who delivered; and debts that
/// they pay: a loss made good, and no supply.
fn receivables(books: &mut Books<'_>, owed: &[Owed]) -> Result<(), BooksError> {
    for Owed { payer, payee, product, amount, output, .. } in owed {
        match product {
            Product::Redemption => {
                let lines = [
                    Posting::debit(Account::Receivable, *amount),
                    Posting::credit(Account::SettlementRevenue, amount.minus(*output)?),
                    Posting::credit(Account::OutputVat, *output),
                ];
                books.post(payee, BooksEvent::Receivable, &lines.map(|posting| posting.with(payer)))?;
            }
            Product::Repayment => {
                let lines =
                    [Posting::debit(Account::Receivable, *amount), Posting::credit(Account::ClawbackLoss, *amount)];
                books.post(payee, BooksEvent::DebtRecovered, &lines.map(|posting| posting.with(payer)))?;
            }
            Product::PlatformFee | Product::Share => {}
        }
    }
    Ok(())
}

/// Shares that are not the redeeming line's, in the books of who pays and of who is paid.
fn fees(books: &mut Books<'_>, owed: &[Owed]) -> Result<(), BooksError> {
    for Owed { payer, payee, product, amount, output, input, .. } in owed {
        let (event, expense, revenue) = match product {
            Product::PlatformFee => (BooksEvent::Fee, Account::FeeExpense, Account::OtherRevenue),
            Product::Share => (BooksEvent::Share, Account::ShareExpense, Account::ShareRevenue),
            Product::Redemption | Product::Repayment => continue,
        };
        let lines = [
            Posting::debit(expense, amount.minus(*input)?),
            Posting::debit(books.input_vat(), *input),
            Posting::credit(Account::Payable, *amount),
        ];
        books.post(payer, event, &lines.map(|posting| posting.with(payee)))?;
        let lines = [
            Posting::debit(Account::Receivable, *amount),
            Posting::credit(revenue, amount.minus(*output)?),
            Posting::credit(Account::OutputVat, *output),
        ];
        books.post(payee, event, &lines.map(|posting| posting.with(payer)))?;
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
