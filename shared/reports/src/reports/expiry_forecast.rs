//! What expires in the coming months if nothing more is redeemed.

use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "expiry-forecast",
    title: words("过期预告", "Expiry forecast"),
    scope: Scope::Programme,
    columns: &[
        column("funder", "承担方", "Funder"),
        column("month", "月份", "Month"),
        summed("points", "积分", "Points"),
        summed("value", "面值", "Value"),
        summed("liability", "合同负债", "Liability"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let rows = source.settlement.expiry_forecast.iter().map(|row| {
        vec![
            Cell::text(&row.scheme),
            Cell::text(row.month),
            Cell::Points(row.points),
            Cell::Money(row.value),
            Cell::Money(row.liability),
        ]
    });
    Ok(rows.collect())
}
