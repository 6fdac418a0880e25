//! Points issued, by what. A sponsored sale is an entry of several rows, so entries do not add up.

use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::legs::FlowKind;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "issuance",
    title: words("积分发行台账", "Issuance"),
    scope: Scope::Programme,
    columns: &[
        column("funder", "承担方", "Funder"),
        column("issue_month", "发行月", "Issue month"),
        column("line", "业务线", "Line"),
        column("kind", "类型", "Kind"),
        column("events", "分录笔数", "Entries"),
        summed("sales", "销售额", "Sales"),
        summed("points", "积分", "Points issued"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let rows = source.settlement.issuance.iter().map(|row| {
        let kind = match row.kind {
            FlowKind::Granted => "grant",
            _ if row.scheme == row.line => "sale",
            _ => "sponsored",
        };
        vec![
            Cell::text(&row.scheme),
            Cell::text(row.issue_month),
            Cell::text(&row.line),
            Cell::word(kind),
            Cell::Count(row.events),
            Cell::Money(row.sales),
            Cell::Points(row.points),
        ]
    });
    Ok(rows.collect())
}
