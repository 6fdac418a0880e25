//! Who owes whom, pair by pair. An entry may be of several pairs, and of the net each pair has two
//! rows or one, so neither adds up to anything.

use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "bilateral",
    title: words("双边清算矩阵", "Bilateral"),
    scope: Scope::Programme,
    columns: &[
        column("payer", "付款方", "Payer"),
        column("payee", "收款方", "Payee"),
        column("events", "分录笔数", "Entries"),
        summed("points", "分片积分", "Points of slices"),
        summed("amount", "金额", "Amount"),
        summed("prior_period", "其中:前期", "Prior period"),
        column("net", "净额", "Net"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let rows = source.settlement.bilateral.iter().map(|row| {
        vec![
            Cell::text(&row.payer),
            Cell::text(&row.payee),
            Cell::Count(row.events),
            Cell::Points(row.points),
            Cell::Money(row.amount),
            Cell::Money(row.prior_period),
            Cell::Money(row.net),
        ]
    });
    Ok(rows.collect())
}
