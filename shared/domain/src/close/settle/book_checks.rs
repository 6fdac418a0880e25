//! The checks of the vouchers: each by itself, and all of them against what other reports say.

use super::found::Checks;
use super::taxes::all;
use crate::close::books::{BooksEvent, TrialBalance, Voucher, VoucherLine, consolidation, dimension_of};
use crate::close::checks::CheckId;
use crate::close::netting::{Nets, residual};
use crate::close::settlement::{Inputs, Invoice, InvoiceKind, Settlement, TaxBase};
use crate::terms::rulebook::{Account, Cash, Rulebook, Sales, Side, VatTreatment};
use crate::units::currency::Currency;
use crate::units::id::LineId;
use crate::units::money::{Money, OutOfRange};
use std::collections::{BTreeMap, BTreeSet};

/// Codes that are missing are named up to so many.
const NAMED_MAX: usize = 20;

/// By what lines come to owe each other.
const ARISING: [BooksEvent; 7] = [
    BooksEvent::OtherRedemption,
    BooksEvent::Receivable,
    BooksEvent::GrantedUsed,
    BooksEvent::DebtRecovered,
    BooksEvent::DebtRepaid,
    BooksEvent::Fee,
    BooksEvent::Share,
];
const POSITIONS: [Account; 4] =
    [Account::Receivable, Account::Payable, Account::ClearingReceivable, Account::ClearingPayable];
const FEES: [Account; 7] = [
    Account::FeeExpense,
    Account::ShareExpense,
    Account::InputVat,
    Account::InputVatPending,
    Account::OtherRevenue,
    Account::ShareRevenue,
    Account::OutputVat,
];

type Pairs = BTreeMap<(LineId, LineId), Money>;

/// Vouchers balance, say what the other reports say, and leave between the entities of the group
/// what is unpaid and nothing else.
pub(super) fn books(
    checks: &mut Checks,
    inputs: &Inputs<'_>,
    settlement: &Settlement,
    nets: &Nets,
) -> Result<(), OutOfRange> {
    let currency = inputs.rulebook.currency;
    let vouchers = &settlement.vouchers;
    each(checks, inputs, settlement)?;
    let of = |events: &[BooksEvent]| TrialBalance::of(vouchers, events);
    liability(checks, currency, settlement, &of(BooksEvent::ALL)?)?;

    let matrix: Pairs = settlement
        .bilateral
        .iter()
        .filter(|row| !row.amount.is_zero())
        .map(|row| ((row.payer.clone(), row.payee.clone()), row.amount))
        .collect();
    let arisen = of(&ARISING)?;
    let mut payables = arisen.by_pair(&[Account::Payable])?;
    for amount in payables.values_mut() {
        *amount = amount.negated()?;
    }
    let receivables = arisen.by_pair(&[Account::Receivable])?;
    let receivables: Pairs = receivables.into_iter().map(|((payee, payer), amount)| ((payer, payee), amount)).collect();
    let between = Money::sum(matrix.values().copied())?;
    checks.amounts(CheckId::VouchersPayables, currency, between, Money::sum(payables.values().copied())?);
    checks.equal(CheckId::PairsPayable, 0, differing(&matrix, &payables));
    checks.equal(CheckId::PairsReceivable, 0, differing(&matrix, &receivables));

    taxes(checks, inputs, settlement)?;
    eliminations(checks, currency, settlement)?;
    left(checks, inputs, settlement, nets)
}

fn each(checks: &mut Checks, inputs: &Inputs<'_>, settlement: &Settlement) -> Result<(), OutOfRange> {
    let red = inputs.rulebook.books(inputs.period).red;
    let (mut unbalanced, mut crooked, mut astray) = (0, 0, 0);
    let mut missing: BTreeSet<String> = BTreeSet::new();
    for voucher in settlement.vouchers.iter().chain(&settlement.cash_vouchers) {
        unbalanced += usize::from(!voucher.balance()?.is_zero());
        for line in &voucher.lines {
            crooked += usize::from(line.debit.is_zero() == line.credit.is_zero());
            astray += usize::from(is_astray(line, red));
            missing.extend(codes_missing(inputs.rulebook, voucher, line));
        }
    }
    checks.equal(CheckId::VouchersUnbalanced, 0, unbalanced);
    checks.equal(CheckId::VoucherLines, 0, crooked);
    checks.equal(CheckId::VoucherSides, 0, astray);
    let more = missing.len().saturating_sub(NAMED_MAX);
    let mut named: Vec<String> = missing.into_iter().take(NAMED_MAX).collect();
    named.extend((more > 0).then(|| format!("{more} more")));
    let named = if named.is_empty() { "none".to_owned() } else { named.join("; ") };
    checks.equal(CheckId::VoucherAux, "none".to_owned(), named);
    Ok(())
}

/// A red figure where there is none, or profit, loss or tax off its own side.
fn is_astray(line: &VoucherLine, red: bool) -> bool {
    match line.role.natural_side() {
        _ if !red => line.is_red(),
        Some(Side::Debit) => !line.credit.is_zero(),
        Some(Side::Credit) => !line.debit.is_zero(),
        None => false,
    }
}

fn codes_missing(rulebook: &Rulebook, voucher: &Voucher, line: &VoucherLine) -> Vec<String> {
    let account = rulebook.accounts.of(line.role);
    let asked = account.aux.iter().filter(|dimension| !line.aux.contains_key(dimension));
    let named = asked.map(|dimension| {
        let of = dimension_of(*dimension, &voucher.entity, line.counterparty.as_ref());
        let of = of.map_or("no other line".to_owned(), |of| format!("line {of}"));
        format!("{} of {of} for {} {}", dimension.word(), line.role.word(), account.code)
    });
    named.collect()
}

/// The trial balance says what the roll-forward does.
fn liability(
    checks: &mut Checks,
    currency: Currency,
    settlement: &Settlement,
    books: &TrialBalance,
) -> Result<(), OutOfRange> {
    let mut moved = BTreeMap::new();
    for (funder, row) in settlement.liability_by_funder()? {
        let owed = row.opening.minus(row.closing)?;
        if !owed.is_zero() {
            moved.insert(funder, owed);
        }
    }
    let posted = books.by_entity(&[Account::ContractLiability])?;
    let total = settlement.liability_total()?;
    let sum = Money::sum(posted.values().copied())?;
    checks.amounts(CheckId::VouchersLiability, currency, total.closing.minus(total.opening)?, sum.negated()?);
    checks.equal(CheckId::LiabilityEntities, 0, differing(&moved, &posted));
    let mut provided = BTreeMap::new();
    for (funder, row) in settlement.provision_by_funder()? {
        let used = row.opening.minus(row.closing)?;
        if !used.is_zero() {
            provided.insert(funder, used);
        }
    }
    checks.equal(CheckId::ProvisionEntities, 0, differing(&provided, &books.by_entity(&[Account::Provision])?));
    Ok(())
}

/// Output VAT of the period is what the tax keys moved by.
fn taxes(checks: &mut Checks, inputs: &Inputs<'_>, settlement: &Settlement) -> Result<(), OutOfRange> {
    let before = inputs.previous.as_ref().map(|previous| previous.state.taxes.as_slice()).unwrap_or_default();
    let ((lines_before, members_before), (lines, members)) = (all(before)?, all(&settlement.state.taxes)?);
    let mut moved = lines.minus(lines_before)?;
    if inputs.rulebook.books(inputs.period).sales == Sales::Full {
        moved = moved.plus(members.minus(members_before)?)?;
    }
    let currency = inputs.rulebook.currency;
    let invoiced = Money::sum(settlement.invoices.iter().map(|invoice| invoice.gross))?;
    let between = Money::sum(settlement.bilateral.iter().map(|row| row.amount))?;
    checks.amounts(CheckId::InvoicesBilateral, currency, between, invoiced);
    // Of what third parties pay for, members have the invoice.
    let is_invoiced = |base: &&TaxBase| base.key.treatment == Some(VatTreatment::MarketingService);
    let of = |bases: &[TaxBase]| all(&bases.iter().filter(is_invoiced).cloned().collect::<Vec<_>>());
    let supplied = of(&settlement.state.taxes)?.0.minus(of(before)?.0)?;
    let tax = Money::sum(settlement.invoices.iter().map(|invoice| invoice.tax))?;
    checks.amounts(CheckId::InvoicesTax, currency, supplied, tax);
    checks.none(CheckId::InvoicesTaxIds, without_tax_id(inputs.rulebook, &settlement.invoices));
    let books = TrialBalance::of(&settlement.vouchers, BooksEvent::ALL)?;
    let posted = Money::sum(books.by_entity(&[Account::OutputVat])?.into_values())?;
    checks.amounts(CheckId::VouchersTax, inputs.rulebook.currency, moved, posted.negated()?);
    Ok(())
}

/// Who issues or gets an invoice and has no tax id in the rulebook. A receipt needs none.
fn without_tax_id(rulebook: &Rulebook, invoices: &[Invoice]) -> Vec<String> {
    let issued = invoices.iter().filter(|invoice| invoice.kind != InvoiceKind::Receipt);
    let sides: BTreeSet<&LineId> = issued.flat_map(|invoice| [&invoice.issuer, &invoice.buyer]).collect();
    let lacks = |line: &LineId| rulebook.line(line).is_none_or(|line| line.tax_id.is_empty());
    sides.into_iter().filter(|line| lacks(line)).map(LineId::to_string).collect()
}

/// What consolidation eliminates: positions with each other, per step, and fees.
fn eliminations(checks: &mut Checks, currency: Currency, settlement: &Settlement) -> Result<(), OutOfRange> {
    let mut left = Money::ZERO;
    let mut pairs = 0;
    let of = |vouchers: &Vec<Voucher>, events: &[BooksEvent]| TrialBalance::of(vouchers, events);
    for (roles, books) in [
        (&POSITIONS[..], of(&settlement.vouchers, &ARISING)?),
        (&POSITIONS, of(&settlement.vouchers, &[BooksEvent::Netting])?),
        (&POSITIONS, of(&settlement.cash_vouchers, &[BooksEvent::Payment])?),
        (&FEES, of(&settlement.vouchers, &[BooksEvent::Fee, BooksEvent::Share])?),
    ] {
        let mut unordered: BTreeMap<BTreeSet<LineId>, Money> = BTreeMap::new();
        for ((entity, with), amount) in books.by_pair(roles)? {
            unordered.entry(BTreeSet::from([entity, with])).or_default().add(amount)?;
            left.add(amount)?;
        }
        pairs += unordered.values().filter(|amount| !amount.is_zero()).count();
    }
    checks.amounts(CheckId::EliminationSum, currency, Money::ZERO, left);
    checks.equal(CheckId::EliminationPairs, 0, pairs);
    let mut open = 0;
    let sponsored = settlement.sponsored_sales()?;
    for row in consolidation(&settlement.vouchers, &settlement.cash_vouchers, &sponsored)? {
        open += usize::from(!row.sum()?.is_zero());
    }
    checks.equal(CheckId::Consolidation, 0, open);
    Ok(())
}

/// What the month leaves of payables and receivables is nothing, and of clearing what is unpaid.
fn left(checks: &mut Checks, inputs: &Inputs<'_>, settlement: &Settlement, nets: &Nets) -> Result<(), OutOfRange> {
    let all = settlement.vouchers.iter().chain(&settlement.cash_vouchers);
    let books = TrialBalance::of(all, BooksEvent::ALL)?;
    let open = |role| books.by_pair(&[role]).map(|pairs| pairs.len());
    checks.equal(CheckId::NettingLeft, 0, open(Account::Receivable)? + open(Account::Payable)?);
    let paid = match inputs.rulebook.books(inputs.period).cash {
        Cash::Confirmed => &[][..],
        Cash::Planned => &settlement.payments,
    };
    let unpaid: BTreeMap<LineId, Money> = residual(nets, paid)?.into_iter().filter(|(_, net)| !net.is_zero()).collect();
    let clearing = books.by_entity(&[Account::ClearingReceivable, Account::ClearingPayable])?;
    checks.equal(CheckId::PositionsLeft, 0, differing(&unpaid, &clearing));
    Ok(())
}

/// How many keys have another amount in one map than in the other; none is zero.
pub(super) fn differing<K: Ord>(one: &BTreeMap<K, Money>, other: &BTreeMap<K, Money>) -> usize {
    let keys: BTreeSet<&K> = one.keys().chain(other.keys()).collect();
    let of = |map: &BTreeMap<K, Money>, key| map.get(key).copied().unwrap_or_default();
    keys.into_iter().filter(|key| of(one, key) != of(other, key)).count()
}
