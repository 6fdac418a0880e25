//! A line and each of its counterparties; the net column adds up to the line's net position. An
//! entry may be of several counterparties, so entries do not add up.

use crate::own_part::{OwnPart, Pair};
use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "statement",
    title: words("往来对账单", "Statement"),
    scope: Scope::EachLine,
    columns: &[
        column("counterparty", "往来业务线", "Counterparty"),
        column("payable_events", "应付分录笔数", "Payable entries"),
        summed("payable_points", "应付积分", "Payable points"),
        summed("payable_amount", "应付金额", "Payable amount"),
        column("receivable_events", "应收分录笔数", "Receivable entries"),
        summed("receivable_points", "应收积分", "Receivable points"),
        summed("receivable_amount", "应收金额", "Receivable amount"),
        summed("prior_period", "其中:前期", "Prior period"),
        summed("net", "净额", "Net"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let Some(line) = source.line else { return Ok(Vec::new()) };
    let pairs = OwnPart::of(source.about, line, source.settlement).pairs;
    let rows = pairs.iter().map(|Pair { counterparty, payable, receivable }| {
        Ok(vec![
            Cell::text(counterparty),
            Cell::Count(payable.events),
            Cell::Points(payable.points),
            Cell::Money(payable.amount),
            Cell::Count(receivable.events),
            Cell::Points(receivable.points),
            Cell::Money(receivable.amount),
            Cell::Money(receivable.prior_period.minus(payable.prior_period)?),
            Cell::Money(receivable.amount.minus(payable.amount)?),
        ])
    });
    rows.collect()
}
