//! When the closing balances are expected to be used, and what they would be if members redeemed more or less.

use super::{Item, Row, Value, item};
use crate::report::Source;
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, OutOfRange, Rate};
use std::collections::BTreeMap;

/// As it is, and at a higher and at a lower rate.
type Closings = (Money, [Money; 2]);
type ByFunder<T> = BTreeMap<Option<LineId>, T>;

const STEPS: [Item; 4] = [
    item("months-1-3", "1–3 个月", "Months 1 to 3"),
    item("months-4-6", "4–6 个月", "Months 4 to 6"),
    item("months-7-12", "7–12 个月", "Months 7 to 12"),
    item("later", "12 个月以后", "Later"),
];

/// The estimate moved by so much of what was issued.
const STEP: Rate = Rate::FIVE_PERCENT;
const MOVED: [[Item; 3]; 2] = [
    [
        item("closing-at-more", "兑换率 +5 个百分点：期末余额", "Rate 5 points higher: closing"),
        item("difference-at-more", "兑换率 +5 个百分点：差额", "Rate 5 points higher: difference"),
        item("profit-at-more", "兑换率 +5 个百分点：对损益影响", "Rate 5 points higher: effect on profit"),
    ],
    [
        item("closing-at-less", "兑换率 −5 个百分点：期末余额", "Rate 5 points lower: closing"),
        item("difference-at-less", "兑换率 −5 个百分点：差额", "Rate 5 points lower: difference"),
        item("profit-at-less", "兑换率 −5 个百分点：对损益影响", "Rate 5 points lower: effect on profit"),
    ],
];

pub(super) fn rows(source: &Source<'_>) -> Result<Vec<Row>, OutOfRange> {
    let period = source.about.period;
    let mut rows = Vec::new();
    let mut tell = |table, book, funder: &Option<LineId>, item, amount| {
        let value = Value::Amount(amount);
        let (funder, note) = (funder.clone(), String::new());
        rows.push(Row { table, book, funder, item, span: "month", from: period, to: period, value, note });
    };
    for (book, maturity) in ["contract-liability", "provision"].into_iter().zip(maturities(source)?) {
        for (funder, steps) in &maturity {
            let current = Money::sum(steps[..3].iter().copied())?;
            for (step, amount) in STEPS.into_iter().zip(steps) {
                tell("maturity", book, funder, step, *amount);
            }
            tell("maturity", book, funder, item("current", "其中流动部分", "Of which current"), current);
        }
    }
    for (book, moved) in ["contract-liability", "provision"].into_iter().zip(moved(source)?) {
        for (funder, (closing, at)) in &moved {
            for (items, at) in MOVED.into_iter().zip(at) {
                let difference = at.minus(*closing)?;
                for (item, amount) in items.into_iter().zip([*at, difference, difference.negated()?]) {
                    tell("sensitivity", book, funder, item, amount);
                }
            }
        }
    }
    Ok(rows)
}

/// Of both books; those that have nothing left are not told of.
fn maturities(source: &Source<'_>) -> Result<[ByFunder<[Money; 4]>; 2], OutOfRange> {
    let mut books = [ByFunder::new(), ByFunder::new()];
    for row in &source.settlement.liability {
        for (book, steps) in books.iter_mut().zip([row.maturity, row.provision_maturity]) {
            for funder in [Some(row.funder()), None] {
                let sums: &mut [Money; 4] = book.entry(funder).or_default();
                sums.iter_mut().zip(steps).try_for_each(|(sum, step)| sum.add(step))?;
            }
        }
    }
    for book in &mut books {
        book.retain(|_, steps| steps.iter().any(|step| !step.is_zero()));
    }
    Ok(books)
}

/// The closing of both books, and what it would be at a higher and at a lower rate: each open cohort by its own
/// formula, to the minor unit, as it is booked.
fn moved(source: &Source<'_>) -> Result<[ByFunder<Closings>; 2], OutOfRange> {
    let mut books = [ByFunder::new(), ByFunder::new()];
    for state in &source.settlement.state.liability {
        let (Some(more), Some(less)) =
            (state.liability.expecting(false, STEP)?, state.liability.expecting(true, STEP)?)
        else {
            continue;
        };
        let of = &state.liability;
        let contract = [of.closing_at(more)?.money()?, of.closing_at(less)?.money()?];
        let provision = [of.provision_at(more)?.money()?, of.provision_at(less)?.money()?];
        let closings = [of.contract.closing, of.provision.closing];
        for ((book, at), closing) in books.iter_mut().zip([contract, provision]).zip(closings) {
            for funder in [Some(state.funder()), None] {
                let sums: &mut Closings = book.entry(funder).or_default();
                sums.0.add(closing)?;
                sums.1.iter_mut().zip(at).try_for_each(|(sum, at)| sum.add(at))?;
            }
        }
    }
    for book in &mut books {
        book.retain(|_, (closing, at)| !closing.is_zero() || at.iter().any(|at| !at.is_zero()));
    }
    Ok(books)
}
