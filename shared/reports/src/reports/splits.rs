//! How what is owed is shared, with the rounding carried. A base stands with each of its
//! beneficiaries, so bases do not add up; nor does what has accumulated, of which only this month's is here.

use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "splits",
    title: words("分成表", "Splits"),
    scope: Scope::Programme,
    columns: &[
        column("redeemer", "兑换方", "Redeemer"),
        column("payer", "付款方", "Payer"),
        column("beneficiary", "受益方", "Beneficiary"),
        column("rule", "规则", "Rule"),
        column("base", "基数", "Base"),
        column("share", "比例", "Share"),
        summed("amount", "金额", "Amount"),
        column("cumulative_base", "累计基数", "Cumulative base"),
        column("cumulative_amount", "累计金额", "Cumulative amount"),
        column("rounding", "尾差", "Rounding"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let rows = source.settlement.splits.iter().map(|row| {
        vec![
            Cell::text(&row.redeemer),
            Cell::text(&row.payer),
            Cell::text(&row.beneficiary),
            Cell::text(&row.rule),
            Cell::Money(row.base),
            Cell::part(row.share),
            Cell::Money(row.amount),
            Cell::Money(row.cumulative_base),
            Cell::Money(row.cumulative_amount),
            Cell::Rate(row.rounding),
        ]
    });
    Ok(rows.collect())
}
