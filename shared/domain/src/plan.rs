//! Decides what an event does to a member's account, or why it is refused.

use crate::account::Account;
use crate::allocate::{divide_half_up, exact_value, largest_remainder, round_value};
use crate::calendar::Period;
pub use crate::entry::Reversed;
use crate::entry::{Action, Command, Entry, EntryKind, Original, Outcome};
use crate::id::LineId;
use crate::limits::FUTURE_TOLERANCE_MINUTES;
use crate::lot::{Cohort, Slice};
use crate::money::{Money, OutOfRange, Points, Rate};
use crate::rate::value_returned;
use crate::rulebook::{BurnRule, EarnRule, Rulebook};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// The event that a reversal takes back, as the ledger found it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub entry: &'a Entry,
    /// How much of it has been reversed so far.
    pub reversed: &'a Reversed,
    /// By which it was decided.
    pub rulebook: &'a Rulebook,
}

/// What is to be written, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub entry: Entry,
    /// The account after the entry.
    pub account: Account,
    /// For a reversal: the new total of what is reversed of its target.
    pub reversed: Option<Reversed>,
}

/// Why an event is refused. The text names the rule; [`Refusal::field`] the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("line {0} is not among the programme's lines")]
    UnknownLine(LineId),
    #[error("looks like a phone number: send an id of the programme's own, which names nobody")]
    PhoneLikeMember,
    #[error("lies more than {FUTURE_TOLERANCE_MINUTES} minutes in the future")]
    InTheFuture,
    #[error("lies before the programme's first period {0}")]
    BeforeProgramme(Period),
    #[error("line {line} does not take part on {day}")]
    LineNotActive { line: LineId, day: NaiveDate },
    #[error("line {line} issues no points on {day}")]
    NoEarnRule { line: LineId, day: NaiveDate },
    #[error("line {line} redeems no points on {day}")]
    NoBurnRule { line: LineId, day: NaiveDate },
    #[error("the member has {available} points, {requested} were asked for")]
    InsufficientPoints { available: Points, requested: Points },
    #[error("is below the minimum of {0} points")]
    BelowMinimum(Points),
    #[error("is not a multiple of {0} points")]
    OffStep(Points),
    #[error("is above the limit of {0} points an order")]
    AboveOrderCap(Points),
    #[error("is above the {cap} points that may pay for a bill of {bill}")]
    AboveBillCap { cap: Points, bill: Money },
    #[error("is required: line {0} limits points to a share of the bill")]
    BillMissing(LineId),
    #[error("is above the {left} points left of the member's limit for the day")]
    AboveDayCap { left: Points },
    #[error("is above the {left} points left of the member's limit for the month")]
    AboveMonthCap { left: Points },
    #[error("no {kind} {reference} of this line and member was found")]
    TargetNotFound { kind: EntryKind, reference: crate::id::Reference },
    #[error("a {0} cannot be reversed")]
    NotReversible(EntryKind),
    #[error("lies before the event that it reverses ({0})")]
    BeforeTarget(DateTime<Utc>),
    #[error("is already reversed in full")]
    AlreadyReversed,
    #[error("is more than the {0} points left to reverse")]
    MorePointsThanLeft(Points),
    #[error("is more than the {0} left to reverse")]
    MoreAmountThanLeft(Money),
    #[error("must be empty: {1}")]
    Superfluous(&'static str, &'static str),
    #[error("makes a number that is out of range")]
    OutOfRange,
}

impl From<OutOfRange> for Refusal {
    fn from(_: OutOfRange) -> Self {
        Refusal::OutOfRange
    }
}

impl Refusal {
    /// A stable word for the rule.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::UnknownLine(_) => "unknown-line",
            Refusal::PhoneLikeMember => "phone-like-member",
            Refusal::InTheFuture => "in-the-future",
            Refusal::BeforeProgramme(_) => "before-programme",
            Refusal::LineNotActive { .. } => "line-not-active",
            Refusal::NoEarnRule { .. } => "no-earn-rule",
            Refusal::NoBurnRule { .. } => "no-burn-rule",
            Refusal::InsufficientPoints { .. } => "insufficient-points",
            Refusal::BelowMinimum(_) => "below-minimum",
            Refusal::OffStep(_) => "off-step",
            Refusal::AboveOrderCap(_) => "above-order-cap",
            Refusal::AboveBillCap { .. } => "above-bill-cap",
            Refusal::BillMissing(_) => "bill-missing",
            Refusal::AboveDayCap { .. } => "above-day-cap",
            Refusal::AboveMonthCap { .. } => "above-month-cap",
            Refusal::TargetNotFound { .. } => "target-not-found",
            Refusal::NotReversible(_) => "not-reversible",
            Refusal::BeforeTarget(_) => "before-target",
            Refusal::AlreadyReversed => "already-reversed",
            Refusal::MorePointsThanLeft(_) | Refusal::MoreAmountThanLeft(_) => "more-than-left",
            Refusal::Superfluous(..) => "superfluous-field",
            Refusal::OutOfRange => "out-of-range",
        }
    }

    pub fn field(&self) -> &'static str {
        match self {
            Refusal::UnknownLine(_) => "line",
            Refusal::PhoneLikeMember => "member",
            Refusal::InTheFuture | Refusal::BeforeProgramme(_) | Refusal::BeforeTarget(_) => "occurred_at",
            Refusal::LineNotActive { .. } | Refusal::NoEarnRule { .. } | Refusal::NoBurnRule { .. } => "line",
            Refusal::InsufficientPoints { .. }
            | Refusal::BelowMinimum(_)
            | Refusal::OffStep(_)
            | Refusal::AboveOrderCap(_)
            | Refusal::AboveBillCap { .. }
            | Refusal::AboveDayCap { .. }
            | Refusal::AboveMonthCap { .. }
            | Refusal::MorePointsThanLeft(_) => "points",
            Refusal::BillMissing(_) | Refusal::MoreAmountThanLeft(_) => "amount",
            Refusal::TargetNotFound { .. } | Refusal::NotReversible(_) | Refusal::AlreadyReversed => "reverses",
            Refusal::Superfluous(field, _) => field,
            Refusal::OutOfRange => "points",
        }
    }

    /// Whether the same event may be accepted later because other events changed
    /// the account. Such a refusal is remembered with the file it stood in.
    pub fn depends_on_state(&self) -> bool {
        match self {
            Refusal::InsufficientPoints { .. }
            | Refusal::AboveDayCap { .. }
            | Refusal::AboveMonthCap { .. }
            | Refusal::TargetNotFound { .. }
            | Refusal::AlreadyReversed
            | Refusal::MorePointsThanLeft(_)
            | Refusal::MoreAmountThanLeft(_) => true,
            Refusal::UnknownLine(_)
            | Refusal::PhoneLikeMember
            | Refusal::InTheFuture
            | Refusal::BeforeProgramme(_)
            | Refusal::LineNotActive { .. }
            | Refusal::NoEarnRule { .. }
            | Refusal::NoBurnRule { .. }
            | Refusal::BelowMinimum(_)
            | Refusal::OffStep(_)
            | Refusal::AboveOrderCap(_)
            | Refusal::AboveBillCap { .. }
            | Refusal::BillMissing(_)
            | Refusal::NotReversible(_)
            | Refusal::BeforeTarget(_)
            | Refusal::Superfluous(..)
            | Refusal::OutOfRange => false,
        }
    }
}

/// Refuses an event whose line or time cannot be, before anything is read.
pub fn check(rulebook: &Rulebook, command: &Command, now: DateTime<Utc>) -> Result<(), Refusal> {
    let Some(line) = rulebook.line(&command.line) else {
        return Err(Refusal::UnknownLine(command.line.clone()));
    };
    if command.member.looks_like_a_phone_number() && !rulebook.allow_phone_members {
        return Err(Refusal::PhoneLikeMember);
    }
    if command.occurred() > now + TimeDelta::minutes(FUTURE_TOLERANCE_MINUTES) {
        return Err(Refusal::InTheFuture);
    }
    if rulebook.period(command.occurred()) < rulebook.first_period {
        return Err(Refusal::BeforeProgramme(rulebook.first_period));
    }
    let day = rulebook.day(command.occurred());
    if !line.takes_part(day) {
        return Err(Refusal::LineNotActive { line: line.id.clone(), day });
    }
    if let Action::Reverse { kind, amount, points, .. } = &command.action {
        match kind {
            EntryKind::Accrual if points.is_some() => {
                return Err(Refusal::Superfluous("points", "a sale is reversed by its amount"));
            }
            EntryKind::Redemption | EntryKind::Adjustment if amount.is_some() => {
                return Err(Refusal::Superfluous("amount", "points are reversed by their number"));
            }
            EntryKind::Reversal => return Err(Refusal::NotReversible(*kind)),
            EntryKind::Accrual | EntryKind::Redemption | EntryKind::Adjustment => {}
        }
    }
    Ok(())
}

/// Plans an event on the account as it was read. `booked` is the period that
/// will clear it, `target` what a reversal takes back.
pub fn plan(
    rulebook: &Rulebook,
    account: &Account,
    command: &Command,
    booked: Period,
    target: Option<Target<'_>>,
) -> Result<Plan, Refusal> {
    let mut account = account.clone();
    let day = rulebook.day(command.occurred());
    let home = rulebook.period(command.occurred());
    account.prune(home, rulebook.refund_months);
    let (outcome, reversed) = match &command.action {
        Action::Accrue { amount } => {
            let rule = rulebook.earn(&command.line, day).ok_or_else(|| no_earn_rule(command, day))?;
            let issued = points_of_sale(rule, &command.line, *amount)?;
            (issue(rulebook, &mut account, issued, day)?, None)
        }
        Action::Grant { points } => {
            rulebook.earn(&command.line, day).ok_or_else(|| no_earn_rule(command, day))?;
            (issue(rulebook, &mut account, vec![(command.line.clone(), *points)], day)?, None)
        }
        Action::Redeem { points, bill } => {
            let no_rule = || Refusal::NoBurnRule { line: command.line.clone(), day };
            let rule = rulebook.burn(&command.line, day).ok_or_else(no_rule)?;
            check_redemption(rule, &account, &command.line, *points, *bill, day)?;
            (redeem(rule, &mut account, &command.line, *points, day)?, None)
        }
        Action::Reverse { kind, reference, amount, points, .. } => {
            let not_found = || Refusal::TargetNotFound { kind: *kind, reference: reference.clone() };
            let whose = |entry: &Entry| entry.command.line == command.line && entry.command.member == command.member;
            let target = target.filter(|target| whose(target.entry)).ok_or_else(not_found)?;
            if command.occurred() < target.entry.command.occurred() {
                return Err(Refusal::BeforeTarget(target.entry.command.occurred()));
            }
            let (outcome, reversed) = reverse(rulebook, &mut account, target, *amount, *points, day)?;
            if matches!(outcome, Outcome::Returned { .. }) {
                account.returned_in = account.returned_in.max(Some(booked));
            }
            (outcome, Some(reversed))
        }
    };
    account.sequence = account.sequence.checked_add(1).ok_or(OutOfRange)?;
    let scope = rulebook.scope(&command.line, day);
    let entry = Entry { command: command.clone(), scope, home, booked, outcome };
    Ok(Plan { entry, account, reversed })
}

fn no_earn_rule(command: &Command, day: NaiveDate) -> Refusal {
    Refusal::NoEarnRule { line: command.line.clone(), day }
}

/// Points of a sale by funder: the line's own first, then its sponsors'.
/// Base and total are each rounded down; the difference is the sponsors', shared
/// by largest remainder.
pub fn points_of_sale(rule: &EarnRule, line: &LineId, amount: Money) -> Result<Vec<(LineId, Points)>, OutOfRange> {
    if amount < rule.minimum_amount {
        return Ok(Vec::new());
    }
    let exact = i128::from(amount.minor()).checked_mul(rule.points_per_unit.scaled()).ok_or(OutOfRange)?;
    let base = exact / (Rate::SCALE * 100);
    let total = exact.checked_mul(rule.multiplier.scaled()).ok_or(OutOfRange)? / (Rate::SCALE * Rate::SCALE * 100);
    let points = |points: i128| i64::try_from(points).map(Points::new).map_err(|_| OutOfRange);
    if rule.sponsors.is_empty() {
        let all = points(total)?;
        return Ok(if all.is_zero() { Vec::new() } else { vec![(line.clone(), all)] });
    }
    let mut issued = vec![(line.clone(), points(base)?)];
    let weights: Vec<i128> = rule.sponsors.iter().map(|(_, share)| share.scaled()).collect();
    let extra = largest_remainder(points(total - base)?.get(), &weights)?;
    for ((sponsor, _), points) in rule.sponsors.iter().zip(extra) {
        issued.push((sponsor.clone(), Points::new(points)));
    }
    issued.retain(|(_, points)| !points.is_zero());
    Ok(issued)
}

fn issue(
    rulebook: &Rulebook,
    account: &mut Account,
    issued: Vec<(LineId, Points)>,
    day: NaiveDate,
) -> Result<Outcome, Refusal> {
    let mut slices = Vec::new();
    let mut repaid = Vec::new();
    for (funder, points) in issued {
        let cohort = Cohort { expires: rulebook.expiry(&funder, day), issued: Period::of_day(day), funder };
        let slice = Slice { cohort, points };
        repaid.extend(account.credit(&slice, day)?);
        slices.push(slice);
    }
    Ok(Outcome::Issued { slices, repaid })
}

/// The most that a rule lets a member redeem for a bill on a day, apart from the
/// balance, with the refusal that names the narrowest cap.
pub fn redemption_cap(
    rule: &BurnRule,
    account: &Account,
    line: &LineId,
    bill: Option<Money>,
    day: NaiveDate,
) -> Result<Option<(Points, Refusal)>, Refusal> {
    let mut caps: Vec<(Points, Refusal)> = Vec::new();
    if let Some(cap) = rule.max_per_order {
        caps.push((cap, Refusal::AboveOrderCap(cap)));
    }
    if let Some(share) = rule.max_bill_share {
        let bill = bill.ok_or_else(|| Refusal::BillMissing(line.clone()))?;
        // bill x share / value, all of it exact, rounded down.
        let exact = i128::from(bill.minor()).checked_mul(share.scaled()).ok_or(OutOfRange)?;
        let cap = i64::try_from(exact / (rule.value.scaled() * 100)).map_err(|_| OutOfRange)?;
        let cap = Points::new(cap);
        caps.push((cap, Refusal::AboveBillCap { cap, bill }));
    }
    if let Some(cap) = rule.max_per_day {
        let left = cap.minus(account.redeemed_on(line, day).min(cap))?;
        caps.push((left, Refusal::AboveDayCap { left }));
    }
    if let Some(cap) = rule.max_per_month {
        let left = cap.minus(account.redeemed_in(line, Period::of_day(day))?.min(cap))?;
        caps.push((left, Refusal::AboveMonthCap { left }));
    }
    Ok(caps.into_iter().min_by_key(|(cap, _)| *cap))
}

/// Caps, then step, then minimum; the balance is checked when lots are taken.
fn check_redemption(
    rule: &BurnRule,
    account: &Account,
    line: &LineId,
    points: Points,
    bill: Option<Money>,
    day: NaiveDate,
) -> Result<(), Refusal> {
    if let Some((cap, refusal)) = redemption_cap(rule, account, line, bill, day)?
        && points > cap
    {
        return Err(refusal);
    }
    if points.get() % rule.step.get() != 0 {
        return Err(Refusal::OffStep(rule.step));
    }
    if points < rule.minimum {
        return Err(Refusal::BelowMinimum(rule.minimum));
    }
    Ok(())
}

fn redeem(
    rule: &BurnRule,
    account: &mut Account,
    line: &LineId,
    points: Points,
    day: NaiveDate,
) -> Result<Outcome, Refusal> {
    let Some(slices) = account.lots_for(points, day)? else {
        return Err(Refusal::InsufficientPoints { available: account.balance(day)?, requested: points });
    };
    for slice in &slices {
        account.take(slice)?;
    }
    if rule.max_per_day.is_some() || rule.max_per_month.is_some() {
        account.redeemed.entry((line.clone(), day)).or_default().add(points)?;
    }
    let value = round_value(exact_value(points, rule.value)?)?;
    Ok(Outcome::Redeemed { value, slices })
}

fn reverse(
    rulebook: &Rulebook,
    account: &mut Account,
    target: Target<'_>,
    amount: Option<Money>,
    points: Option<Points>,
    day: NaiveDate,
) -> Result<(Outcome, Reversed), Refusal> {
    let original = target.entry;
    match &original.outcome {
        Outcome::Redeemed { value, slices } => {
            let total = original.points()?;
            let points = part_of_points(total, target.reversed.points, points)?;
            let reversed = Reversed { points: target.reversed.points.plus(points)?, ..target.reversed.clone() };
            let mut repaid = Vec::new();
            for slice in from_the_end(slices, target.reversed.points, points)? {
                repaid.extend(account.credit(&slice, day)?);
            }
            let occurred = rulebook.day(original.command.occurred());
            if let Some(redeemed) = account.redeemed.get_mut(&(original.command.line.clone(), occurred)) {
                *redeemed = redeemed.minus(points.min(*redeemed))?;
            }
            let value_now = value_returned(*value, slices, target.reversed.points, points)?;
            let original = Original { at: original.command.occurred(), value: *value, slices: slices.clone() };
            let before = target.reversed.points;
            Ok((Outcome::Returned { original, before, points, value: value_now, repaid }, reversed))
        }
        Outcome::Issued { slices, .. } => withdraw(rulebook, account, target, slices, (amount, points), day),
        Outcome::Returned { .. } | Outcome::Withdrawn { .. } => Err(Refusal::NotReversible(original.command.kind())),
    }
}

fn part_of_points(total: Points, before: Points, asked: Option<Points>) -> Result<Points, Refusal> {
    let left = total.minus(before)?;
    match asked {
        _ if !left.is_positive() => Err(Refusal::AlreadyReversed),
        Some(points) if points > left => Err(Refusal::MorePointsThanLeft(left)),
        Some(points) => Ok(points),
        None => Ok(left),
    }
}

fn part_of_amount(total: Money, before: Money, asked: Option<Money>) -> Result<Money, Refusal> {
    let left = total.minus(before)?;
    match asked {
        _ if !left.is_positive() => Err(Refusal::AlreadyReversed),
        Some(amount) if amount > left => Err(Refusal::MoreAmountThanLeft(left)),
        Some(amount) => Ok(amount),
        None => Ok(left),
    }
}

/// Takes back what a sale or a gift issued, funder by funder: from its lots what
/// is unspent of it, and as a debt what was spent. Other points of the member's
/// pay that debt at once as far as they go.
fn withdraw(
    rulebook: &Rulebook,
    account: &mut Account,
    target: Target<'_>,
    slices: &[Slice],
    (amount, points): (Option<Money>, Option<Points>),
    day: NaiveDate,
) -> Result<(Outcome, Reversed), Refusal> {
    let Target { entry, reversed: before, .. } = target;
    let (value, amount, points) = match entry.command.action {
        Action::Accrue { amount: sale } => {
            let amount = part_of_amount(sale, before.amount, amount)?;
            let remaining = sale.minus(before.amount.plus(amount)?)?;
            (sale, amount, points_of_refund(rulebook, target, slices, remaining)?)
        }
        Action::Grant { .. } => {
            let points = part_of_points(entry.points()?, before.points, points)?;
            (Money::ZERO, Money::ZERO, points_of_gift(slices, before, points)?)
        }
        Action::Redeem { .. } | Action::Reverse { .. } => {
            return Err(Refusal::NotReversible(entry.command.kind()));
        }
    };
    let (mut taken, mut gone, mut owed) = (Vec::new(), Vec::new(), Vec::new());
    for (slice, points) in slices.iter().zip(&points) {
        let slice = Slice { points: *points, ..slice.clone() };
        let of = |points: Points| Slice { points, ..slice.clone() };
        let found = account.take(&slice)?;
        // Points past their date are gone already, in the books too.
        let unspent = if slice.cohort.expires.is_before(day) { &mut gone } else { &mut taken };
        unspent.push(of(found));
        if account.can_tell(&slice.cohort, day, rulebook.refund_months) {
            owed.push(of(slice.points.minus(found)?));
        }
    }
    for slices in [&mut taken, &mut gone, &mut owed] {
        slices.retain(|slice| !slice.points.is_zero());
    }
    let mut repaid = Vec::new();
    for slice in &owed {
        let funder = &slice.cohort.funder;
        let paid = account.repay(funder, slice.points, slices, day)?;
        let now = Points::sum(paid.iter().map(|repayment| repayment.paid.points))?;
        account.owe(funder, slice.points.minus(now)?)?;
        repaid.extend(paid);
    }
    let mut reversed = Reversed { amount: before.amount.plus(amount)?, ..Reversed::default() };
    for (at, points) in points.iter().enumerate() {
        let points = before.of_slice(at).plus(*points)?;
        reversed.points.add(points)?;
        reversed.by_slice.push(points);
    }
    let original = Original { at: entry.command.occurred(), value, slices: slices.to_vec() };
    let before = before.clone();
    Ok((Outcome::Withdrawn { original, before, amount, points, taken, gone, owed, repaid }, reversed))
}

/// What a refund takes of each slice of a sale: what was issued less what the
/// remaining sale would earn by the terms that decided it, less what was taken
/// before. The largest remainder is not monotone, so a smaller sale may earn a
/// funder more: then nothing is taken of it, and nothing goes back.
fn points_of_refund(
    rulebook: &Rulebook,
    target: Target<'_>,
    slices: &[Slice],
    remaining: Money,
) -> Result<Vec<Points>, Refusal> {
    let Command { line, .. } = &target.entry.command;
    let day = rulebook.day(target.entry.command.occurred());
    let kept = match target.rulebook.earn(line, day) {
        Some(rule) => points_of_sale(rule, line, remaining)?,
        None => Vec::new(),
    };
    let mut points = Vec::with_capacity(slices.len());
    for (at, slice) in slices.iter().enumerate() {
        let kept = kept.iter().find(|(funder, _)| *funder == slice.cohort.funder).map_or(Points::ZERO, |kept| kept.1);
        let left = slice.points.minus(target.reversed.of_slice(at))?;
        points.push(left.minus(kept)?.max(Points::ZERO));
    }
    Ok(points)
}

/// What taking back a number of points given takes of each slice, the last first.
fn points_of_gift(slices: &[Slice], before: &Reversed, points: Points) -> Result<Vec<Points>, OutOfRange> {
    let mut left = points;
    let mut parts = vec![Points::ZERO; slices.len()];
    for (at, slice) in slices.iter().enumerate().rev() {
        parts[at] = slice.points.minus(before.of_slice(at))?.min(left);
        left = left.minus(parts[at])?;
    }
    Ok(parts)
}

/// The next `points` of slices that are given up last first, `before` of them gone.
pub fn from_the_end(slices: &[Slice], before: Points, points: Points) -> Result<Vec<Slice>, OutOfRange> {
    let mut skip = before;
    let mut left = points;
    let mut parts = Vec::new();
    for slice in slices.iter().rev() {
        let skipped = skip.min(slice.points);
        skip = skip.minus(skipped)?;
        let points = slice.points.minus(skipped)?.min(left);
        if points.is_positive() {
            left = left.minus(points)?;
            parts.push(Slice { cohort: slice.cohort.clone(), points });
        }
    }
    Ok(parts)
}

/// The part of an amount that belongs to the first `points` of `total`, so that
/// successive parts sum to the whole.
pub fn cumulative(amount: Money, points: Points, total: Points) -> Result<Money, OutOfRange> {
    let exact = i128::from(amount.minor()).checked_mul(i128::from(points.get())).ok_or(OutOfRange)?;
    Money::from_minor_wide(divide_half_up(exact, i128::from(total.get()))?)
}
