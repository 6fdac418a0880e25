//! Who bore what of the programme's own schemes, with the rounding carried. A base stands with each of its funders,
//! so bases do not add up.

use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "funding",
    title: words("活动分摊表", "Funding of schemes"),
    scope: Scope::OfSchemes,
    columns: &[
        column("scheme", "方案", "Scheme"),
        column("rule", "规则", "Rule"),
        column("payer", "承担方", "Payer"),
        column("redeemer", "兑换方", "Redeemer"),
        column("share", "比例", "Share"),
        column("base", "基数", "Base"),
        summed("amount", "金额", "Amount"),
        column("cumulative_base", "累计基数", "Cumulative base"),
        column("cumulative_amount", "累计金额", "Cumulative amount"),
        column("rounding", "尾差", "Rounding"),
        column("cap_left", "剩余上限", "Cap left"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let own = source.settlement.funding.iter().filter(|row| source.concerns(&row.payer));
    let rows = own.map(|row| {
        vec![
            Cell::text(&row.scheme),
            Cell::text(&row.rule),
            Cell::text(&row.payer),
            Cell::text(&row.redeemer),
            Cell::part(row.share),
            Cell::Money(row.base),
            Cell::Money(row.amount),
            Cell::Money(row.cumulative_base),
            Cell::Money(row.cumulative_amount),
            Cell::Rate(row.rounding),
            row.cap_left.map_or(Cell::Empty, Cell::Money),
        ]
    });
    Ok(rows.collect())
}
