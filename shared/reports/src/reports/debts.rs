//! What members owe for points that were taken back after they were spent. No asset: listed, not booked.

use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "debts",
    title: words("会员欠分", "Members' debts"),
    scope: Scope::ProgrammeAndLines,
    columns: &[
        column("funder", "承担方", "Funder"),
        column("members", "会员数", "Members"),
        summed("points", "会员欠分", "Points owed by members"),
        column("price", "自有积分结算价", "Own price of a point"),
        summed("value", "价值", "Value"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let rulebook = source.about.rulebook;
    let own = source.settlement.state.debts.iter().filter(|debt| source.concerns(debt.creditor.as_line()));
    let rows = own.map(|debt| {
        let price = rulebook
            .repay_price(&debt.creditor, source.about.period)
            .or_else(|| rulebook.price(&debt.creditor, debt.creditor.as_line(), source.about.period.last_day()));
        let value = match price {
            Some(price) => {
                let exact = i128::from(debt.points.get()).checked_mul(price.scaled()).ok_or(OutOfRange)?;
                Cell::Money(rulebook.currency.round_value(exact)?)
            }
            None => Cell::Empty,
        };
        Ok(vec![
            Cell::text(&debt.creditor),
            source.settlement.indebted.get(&debt.creditor).map_or(Cell::Empty, |members| Cell::Count(*members)),
            Cell::Points(debt.points),
            price.map_or(Cell::Empty, |price| Cell::Rate(price.decimal())),
            value,
        ])
    });
    rows.collect()
}
