//! What each line owes and is owed.

use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "positions",
    title: words("清算总表", "Positions"),
    scope: Scope::Programme,
    columns: &[
        column("line", "业务线", "Line"),
        summed("gross_payable", "应付总额", "Gross payable"),
        summed("gross_receivable", "应收总额", "Gross receivable"),
        summed("platform_fee", "平台服务费", "Platform fee"),
        summed("prior_period", "其中:前期", "Prior period"),
        summed("net", "净额", "Net"),
        column("direction", "方向", "Direction"),
        summed("carried_before", "上期结转", "Carried before"),
        summed("carried_after", "结转下期", "Carried after"),
        summed("to_pay", "本期收付", "To pay"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let rows = source.settlement.positions.iter().map(|row| {
        let direction = match row.net.minor() {
            0 => "none",
            net if net < 0 => "pays",
            _ => "receives",
        };
        vec![
            Cell::text(&row.line),
            Cell::Money(row.gross_payable),
            Cell::Money(row.gross_receivable),
            Cell::Money(row.platform_fee),
            Cell::Money(row.prior_period),
            Cell::Money(row.net),
            Cell::word(direction),
            Cell::Money(row.carried_before),
            Cell::Money(row.carried_after),
            Cell::Money(row.to_pay),
        ]
    });
    Ok(rows.collect())
}
