//! Points outstanding and what moved them, cohort by cohort.

use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::units::money::{OutOfRange, Points};

pub const REPORT: Report = Report {
    name: "points-roll-forward",
    title: words("积分变动表", "Points roll-forward"),
    scope: Scope::Programme,
    columns: &[
        column("funder", "承担方", "Funder"),
        column("issue_month", "发行月", "Issue month"),
        column("expires", "到期日", "Expires"),
        summed("opening", "期初余额", "Opening"),
        summed("issued", "发行", "Issued"),
        summed("redeemed_own", "本线兑换", "Redeemed own"),
        summed("redeemed_other", "他线兑换", "Redeemed other"),
        summed("expired", "过期", "Expired"),
        summed("reversed", "退货收回", "Reversed"),
        summed("transferred", "转移", "Transferred"),
        summed("closing", "期末余额", "Closing"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let rows = source.settlement.roll_forward.iter().map(|row| {
        vec![
            Cell::text(&row.cohort.scheme),
            Cell::text(row.cohort.issued),
            Cell::text(row.cohort.expires),
            Cell::Points(row.opening),
            Cell::Points(row.issued),
            Cell::Points(row.redeemed_own),
            Cell::Points(row.redeemed_other),
            Cell::Points(row.expired),
            Cell::Points(row.reversed),
            // No event moves points between members yet.
            Cell::Points(Points::ZERO),
            Cell::Points(row.closing),
        ]
    });
    Ok(rows.collect())
}
