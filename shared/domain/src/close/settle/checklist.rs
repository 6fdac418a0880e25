//! The checks that a final run has to pass.

use crate::actuarial::liability::RollForward;
use crate::claims::lot::Cohort;
use crate::close::books::{BooksEvent, Voucher, VoucherLine};
use crate::close::carry::{balances as carried_balances, due};
use crate::close::checks::{CheckId, Severity};
use crate::close::netting::{Nets, Payment, residual};
use crate::close::orders::{lacking, orders};
use crate::close::settlement::{Check, CohortState, Inputs, Reread, Settlement};
use crate::close::tally::Tally;
use crate::legs::{ControlKind, FlowKind};
use crate::terms::rulebook::Account;
use crate::units::currency::Currency;
use crate::units::id::LineId;
use crate::units::money::{Money, OutOfRange, Points};
use chrono::Datelike;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn checklist(inputs: &Inputs<'_>, settlement: &Settlement, nets: &Nets) -> Result<Vec<Check>, OutOfRange> {
    let tally = inputs.tally;
    let currency = inputs.rulebook.currency;
    let mut checks = Checks(Vec::new());
    let shards = usize::from(inputs.rulebook.shards(inputs.period).number());
    checks.equal(CheckId::ShardsRead, shards, inputs.shards.len());
    if let Some(sealed) = inputs.sealed {
        checks.equal(CheckId::ShardsSealed, shards, sealed);
    }
    if let Some(previous) = &inputs.previous {
        checks.equal(CheckId::PreviousPeriod, inputs.period.previous(), previous.state.period);
        let names = [CheckId::PreviousShards, CheckId::OlderShards];
        for (name, reread) in names.into_iter().zip(previous.reread(inputs.period)) {
            checks.unchanged(name, &reread);
        }
    }
    let entries = tally.controls.values().try_fold(0_u64, |sum, control| sum.checked_add(control.events));
    let entries = entries.ok_or(OutOfRange)?;
    checks.equal(CheckId::EntriesInControls, tally.entries, entries);

    let splits = || settlement.splits.iter();
    let between: Money = Money::sum(splits().filter(|row| row.payer != row.beneficiary).map(|row| row.amount))?;
    checks.amounts(
        CheckId::DetailsOwed,
        currency,
        tally.details.amount,
        Money::sum(tally.obligations.values().map(|obligation| obligation.amount))?,
    );
    checks.amounts(CheckId::SplitsOwed, currency, tally.details.amount, Money::sum(splits().map(|row| row.amount))?);
    checks.amounts(
        CheckId::BilateralSplits,
        currency,
        between,
        Money::sum(settlement.bilateral.iter().map(|row| row.amount))?,
    );
    let off = splits().filter(|row| row.rounding.abs() >= Decimal::new(1, u32::from(currency.decimals()))).count();
    checks.equal(CheckId::SharesOff, 0, off);
    checks.amounts(
        CheckId::NetsSumToZero,
        currency,
        Money::ZERO,
        Money::sum(settlement.positions.iter().map(|row| row.net))?,
    );
    payments(&mut checks, inputs, settlement, nets)?;

    points(&mut checks, tally, settlement)?;
    liability(&mut checks, inputs, settlement)?;
    books(&mut checks, inputs, settlement)?;
    Ok(checks.0)
}

fn carried_before<'a>(inputs: &Inputs<'a>) -> &'a [Payment] {
    inputs.previous.as_ref().map_or(&[], |previous| &previous.state.carried)
}

/// What is not paid is carried, and nothing else; what is, a bank can be told.
fn payments(checks: &mut Checks, inputs: &Inputs<'_>, settlement: &Settlement, nets: &Nets) -> Result<(), OutOfRange> {
    let left = residual(&due(nets, carried_before(inputs))?, &settlement.payments)?;
    let carried = carried_balances(&settlement.state.carried)?;
    checks.equal(CheckId::NetsLeft, 0, differing(&left, &carried));

    let rulebook = inputs.rulebook;
    let own = rulebook.own_payments(inputs.period);
    let severity = if own.is_some() { Severity::Failure } else { Severity::Warning };
    let lacks = lacking(&orders(rulebook, inputs.period, &settlement.payments));
    checks.equal_or(severity, CheckId::BankData, NONE_LACKING, lacks.as_deref().unwrap_or(NONE_LACKING));
    if let Some(terms) = own {
        let days = rulebook.payment_days(inputs.period);
        let years = BTreeSet::from([days.incoming.year(), days.outgoing.year()]);
        let listed = years.iter().filter(|year| terms.lists(**year)).count();
        checks.equal(CheckId::HolidaysListed, years.len(), listed);
    }
    Ok(())
}

/// What is said where nothing is missing.
const NONE_LACKING: &str = "complete";

/// Points are counted twice: from what entries say of themselves, and from their flows.
fn points(checks: &mut Checks, tally: &Tally, settlement: &Settlement) -> Result<(), OutOfRange> {
    let control = |kind: ControlKind| {
        Points::sum(tally.controls.iter().filter(|((_, of), _)| *of == kind).map(|(_, control)| control.points))
    };
    let flow = |kinds: &[FlowKind]| {
        Points::sum(tally.flows.iter().filter(|(key, _)| kinds.contains(&key.kind)).map(|(_, flow)| flow.points))
    };
    let rows = || settlement.roll_forward.iter();
    let issued = control(ControlKind::Accrual)?.plus(control(ControlKind::Adjustment)?)?;
    checks.equal(CheckId::PointsIssued, issued, Points::sum(rows().map(|row| row.issued))?);
    let redeemed = control(ControlKind::Redemption)?.plus(control(ControlKind::Return)?)?;
    let rolled =
        Points::sum(rows().map(|row| row.redeemed_own))?.plus(Points::sum(rows().map(|row| row.redeemed_other))?)?;
    checks.equal(CheckId::PointsRedeemed, redeemed.plus(flow(&[FlowKind::Repaid])?)?, rolled);
    checks.equal(
        CheckId::PointsWithdrawn,
        control(ControlKind::Withdrawal)?,
        flow(&[FlowKind::Taken, FlowKind::Revoked, FlowKind::Owed])?,
    );
    let opening = Points::sum(rows().map(|row| row.opening))?;
    let moved = issued.minus(rolled)?.minus(flow(&[FlowKind::Taken, FlowKind::Revoked])?)?;
    let expired = Points::sum(rows().map(|row| row.expired))?;
    let closing = Points::sum(rows().map(|row| row.closing))?;
    checks.equal(CheckId::PointsRolled, opening.plus(moved)?.minus(expired)?, closing);
    checks.equal(CheckId::CohortsBelowZero, 0, rows().filter(|row| row.closing.is_negative()).count());
    Ok(())
}

/// The liability's roll-forward ties with the previous close, with itself and
/// with the points.
fn liability(checks: &mut Checks, inputs: &Inputs<'_>, settlement: &Settlement) -> Result<(), OutOfRange> {
    let previous = inputs.previous.iter().flat_map(|previous| &previous.state.liability);
    let before: BTreeMap<&Cohort, &CohortState> = previous.map(|state| (&state.cohort, state)).collect();
    let after: BTreeMap<&Cohort, &CohortState> =
        settlement.state.liability.iter().map(|state| (&state.cohort, state)).collect();
    let currency = inputs.rulebook.currency;
    let total = settlement.liability_total()?;
    let carried = before.values().map(|state| state.liability.liability());
    let carried = Money::sum(carried.collect::<Result<Vec<_>, _>>()?)?;
    checks.amounts(CheckId::LiabilityCarried, currency, carried, total.opening);
    checks.amounts(CheckId::LiabilityRolled, currency, total.computed()?, total.closing);
    let cl0 = |state: Option<&&CohortState>| state.map(|state| state.liability.cl0).unwrap_or_default();
    let (mut untied, mut outside, mut moved_cl0, mut left) = (0, 0, 0, 0);
    for row in &settlement.liability {
        let old = before.get(&row.cohort);
        let opening = old.map_or(Ok(Money::ZERO), |state| state.liability.liability())?;
        untied += usize::from(row.row.check().is_err() || row.row.opening != opening);
        outside += usize::from(row.row.closing.is_negative() || row.row.closing > cl0(old).plus(row.row.added)?);
        left += usize::from(row.outstanding.is_zero() && !row.row.closing.is_zero());
    }
    // Cohorts without a row, too.
    let rows: BTreeMap<&Cohort, &RollForward> =
        settlement.liability.iter().map(|row| (&row.cohort, &row.row)).collect();
    for cohort in before.keys().chain(after.keys()).copied().collect::<BTreeSet<&Cohort>>() {
        let (added, reversed) = rows.get(cohort).map(|row| (row.added, row.reversed)).unwrap_or_default();
        let moved = cl0(before.get(cohort)).plus(added)?.minus(reversed)?;
        moved_cl0 += usize::from(cl0(after.get(cohort)) != moved);
    }
    checks.equal(CheckId::LiabilityUntied, 0, untied);
    checks.equal(CheckId::LiabilityOutside, 0, outside);
    checks.equal(CheckId::Cl0Moved, 0, moved_cl0);
    checks.equal(CheckId::LiabilityLeft, 0, left);

    // The movements in points, rebuilt from what the liability carries.
    let mut apart = 0;
    let mut redeemed = Points::ZERO;
    for row in &settlement.roll_forward {
        let state = |states: &BTreeMap<&Cohort, &CohortState>| {
            states.get(&row.cohort).map(|state| state.liability).unwrap_or_default()
        };
        let (old, new) = (state(&before), state(&after));
        let moved = new.redeemed.minus(old.redeemed)?;
        redeemed.add(moved)?;
        let same = moved == row.redeemed_own.plus(row.redeemed_other)?
            && new.issued.minus(old.issued)? == row.issued.minus(row.reversed)?
            && new.expired.minus(old.expired)? == row.expired
            && old.outstanding()? == row.opening
            && new.outstanding()? == row.closing;
        apart += usize::from(!same);
    }
    let rows = || settlement.roll_forward.iter();
    let rolled =
        Points::sum(rows().map(|row| row.redeemed_own))?.plus(Points::sum(rows().map(|row| row.redeemed_other))?)?;
    checks.equal(CheckId::LiabilityPoints, rolled, redeemed);
    checks.equal(CheckId::LiabilityApart, 0, apart);
    Ok(())
}

/// Vouchers balance, say what the other reports say, and leave nothing between
/// the entities of the group.
fn books(checks: &mut Checks, inputs: &Inputs<'_>, settlement: &Settlement) -> Result<(), OutOfRange> {
    let currency = inputs.rulebook.currency;
    let vouchers = &settlement.vouchers;
    let (mut unbalanced, mut crooked) = (0, 0);
    for voucher in vouchers {
        let debit = Money::sum(voucher.lines.iter().map(|line| line.debit))?;
        unbalanced += usize::from(debit != Money::sum(voucher.lines.iter().map(|line| line.credit))?);
        let one_side =
            |line: &&VoucherLine| line.debit.is_positive() != line.credit.is_positive() && !either_negative(line);
        crooked += voucher.lines.iter().filter(|line| !one_side(line)).count();
    }
    checks.equal(CheckId::VouchersUnbalanced, 0, unbalanced);
    checks.equal(CheckId::VoucherLines, 0, crooked);

    let of = |role: Account, events: &[BooksEvent]| balances(vouchers, &[role], events);
    let total = settlement.liability_total()?;
    let released = Money::sum(of(Account::ContractLiability, &BooksEvent::ALL)?.into_values())?;
    checks.amounts(CheckId::VouchersLiability, currency, total.closing.minus(total.opening)?, released.negated()?);

    let redemptions = [BooksEvent::OtherRedemption, BooksEvent::ReceivableFromFunder, BooksEvent::PlatformFee];
    let matrix: BTreeMap<(LineId, LineId), Money> = settlement
        .bilateral
        .iter()
        .filter(|row| !row.amount.is_zero())
        .map(|row| ((row.payer.clone(), row.payee.clone()), row.amount))
        .collect();
    let mut payables = of(Account::Payable, &redemptions)?;
    for amount in payables.values_mut() {
        *amount = amount.negated()?;
    }
    let receivables = of(Account::Receivable, &redemptions)?;
    let receivables: BTreeMap<(LineId, LineId), Money> =
        receivables.into_iter().map(|((payee, payer), amount)| ((payer, payee), amount)).collect();
    let between = Money::sum(matrix.values().copied())?;
    checks.amounts(CheckId::VouchersPayables, currency, between, Money::sum(payables.values().copied())?);
    checks.equal(CheckId::PairsPayable, 0, differing(&matrix, &payables));
    checks.equal(CheckId::PairsReceivable, 0, differing(&matrix, &receivables));

    eliminations(checks, currency, vouchers, &redemptions)?;
    positions_left(checks, inputs, settlement)
}

/// What consolidation eliminates: positions with each other, per step, and fees.
fn eliminations(
    checks: &mut Checks,
    currency: Currency,
    vouchers: &[Voucher],
    redemptions: &[BooksEvent],
) -> Result<(), OutOfRange> {
    let positions = [Account::Receivable, Account::Payable, Account::Clearing];
    let fees = [Account::SellingExpense, Account::InputVat, Account::OtherRevenue, Account::OutputVat];
    let mut left = Money::ZERO;
    let mut pairs = 0;
    for (roles, events) in [
        (&positions[..], redemptions),
        (&positions, &[BooksEvent::Netting]),
        (&positions, &[BooksEvent::Payment]),
        (&fees, &[BooksEvent::PlatformFee]),
    ] {
        let mut unordered: BTreeMap<BTreeSet<LineId>, Money> = BTreeMap::new();
        for ((entity, with), amount) in balances(vouchers, roles, events)? {
            unordered.entry(BTreeSet::from([entity, with])).or_default().add(amount)?;
            left.add(amount)?;
        }
        pairs += unordered.values().filter(|amount| !amount.is_zero()).count();
    }
    checks.amounts(CheckId::EliminationSum, currency, Money::ZERO, left);
    checks.equal(CheckId::EliminationPairs, 0, pairs);
    Ok(())
}

/// What entities still owe each other is what is carried on, less what was carried into the month.
fn positions_left(checks: &mut Checks, inputs: &Inputs<'_>, settlement: &Settlement) -> Result<(), OutOfRange> {
    let roles = [Account::Receivable, Account::Payable, Account::Clearing];
    let open = balances(&settlement.vouchers, &roles, &BooksEvent::ALL)?;
    let mut carried: BTreeMap<(LineId, LineId), Money> = BTreeMap::new();
    for (payments, sign) in [(&settlement.state.carried[..], 1), (carried_before(inputs), -1)] {
        for Payment { payer, payee, amount } in payments {
            let amount = if sign > 0 { *amount } else { amount.negated()? };
            carried.entry((payee.clone(), payer.clone())).or_default().add(amount)?;
            carried.entry((payer.clone(), payee.clone())).or_default().add(amount.negated()?)?;
        }
    }
    checks.equal(CheckId::PositionsLeft, 0, differing(&carried, &open));
    Ok(())
}

fn either_negative(line: &VoucherLine) -> bool {
    line.debit.is_negative() || line.credit.is_negative()
}

/// Debits less credits by entity and counterparty; lines without a counterparty
/// count with the entity itself.
fn balances(
    vouchers: &[Voucher],
    roles: &[Account],
    events: &[BooksEvent],
) -> Result<BTreeMap<(LineId, LineId), Money>, OutOfRange> {
    let mut balances: BTreeMap<(LineId, LineId), Money> = BTreeMap::new();
    for voucher in vouchers.iter().filter(|voucher| events.contains(&voucher.event)) {
        for line in voucher.lines.iter().filter(|line| roles.contains(&line.role)) {
            let with = line.counterparty.as_ref().unwrap_or(&voucher.entity);
            let balance = balances.entry((voucher.entity.clone(), with.clone())).or_default();
            balance.add(line.debit.minus(line.credit)?)?;
        }
    }
    Ok(balances)
}

/// How many keys have another amount in one map than in the other; none is zero.
fn differing<K: Ord>(one: &BTreeMap<K, Money>, other: &BTreeMap<K, Money>) -> usize {
    let keys: BTreeSet<&K> = one.keys().chain(other.keys()).collect();
    let of = |map: &BTreeMap<K, Money>, key| map.get(key).copied().unwrap_or_default();
    keys.into_iter().filter(|key| of(one, key) != of(other, key)).count()
}

pub(super) struct Checks(pub(super) Vec<Check>);

impl Checks {
    /// Names the month and, if it fails, the shards.
    fn unchanged(&mut self, check: CheckId, reread: &Reread<'_>) {
        let (shards, changed) = (reread.recorded.len().max(reread.found.len()), reread.changed());
        let text = |shards: usize| format!("{shards} of {}", reread.period);
        let actual = match changed.is_empty() {
            true => text(shards),
            false => format!("{}, not {changed:?}", text(shards - changed.len())),
        };
        self.equal(check, text(shards), actual);
    }

    fn amounts(&mut self, check: CheckId, currency: Currency, expected: Money, actual: Money) {
        self.equal(check, currency.show(expected), currency.show(actual));
    }

    pub(super) fn equal<T: PartialEq + ToString>(&mut self, check: CheckId, expected: T, actual: T) {
        self.equal_or(check.row().severity, check, expected, actual);
    }

    /// As [`equal`](Self::equal), where it depends on the terms what follows.
    pub(super) fn equal_or<T: PartialEq + ToString>(
        &mut self,
        severity: Severity,
        check: CheckId,
        expected: T,
        actual: T,
    ) {
        let pass = expected == actual;
        self.0.push(Check { check, expected: expected.to_string(), actual: actual.to_string(), pass, severity });
    }
}

#[cfg(test)]
mod tests;
