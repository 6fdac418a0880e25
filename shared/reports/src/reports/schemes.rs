//! The programme's own schemes: a row for what a scheme gave, took back and cost, and one for each of its awards at each
//! line, whose points are among the scheme's.

use crate::about::About;
use crate::report::{Report, Scope, Source, column};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::close::settlement::SchemeRow;
use interline_domain::units::id::LineId;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "schemes",
    title: words("方案执行表", "Schemes"),
    scope: Scope::OfSchemes,
    columns: &[
        column("scheme", "方案", "Scheme"),
        column("award", "奖励规则", "Award"),
        column("line", "业态", "Line"),
        column("events", "笔数", "Events"),
        column("members", "会员数", "Members"),
        column("sales", "销售额", "Sales"),
        column("issued", "本期发行", "Issued"),
        column("withdrawn", "本期收回", "Withdrawn"),
        column("redeemed", "本期兑换", "Redeemed"),
        column("expired", "本期过期", "Expired"),
        column("outstanding", "未兑积分", "Outstanding"),
        column("issued_to_date", "累计发行", "Issued to date"),
        column("withdrawn_to_date", "累计收回", "Withdrawn to date"),
        column("redeemed_to_date", "累计兑换", "Redeemed to date"),
        column("expired_to_date", "累计过期", "Expired to date"),
        column("cost_to_date", "累计成本", "Cost to date"),
        column("cost_expected", "预计总成本", "Cost expected"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let mut rows = Vec::new();
    let settlement = source.settlement;
    for row in &settlement.schemes {
        if source.line.is_some_and(|line| !concerns(source.about, row, line)) {
            continue;
        }
        let to_date = settlement.state.schemes.iter().find(|of| of.scheme == row.scheme);
        let points = |points: Option<_>| points.map_or(Cell::Empty, Cell::Points);
        let mut cells = vec![Cell::text(&row.scheme)];
        cells.extend([Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty]);
        let month = [row.issued, row.withdrawn, row.redeemed, row.expired, row.outstanding];
        cells.extend(month.map(Cell::Points));
        cells.extend([
            points(to_date.map(|of| of.issued)),
            points(to_date.map(|of| of.withdrawn)),
            points(to_date.map(|of| of.redeemed)),
            points(to_date.map(|of| of.expired)),
            Cell::Money(row.cost_to_date),
            Cell::Money(row.cost_expected),
        ]);
        rows.push(cells);
        for award in &row.awards {
            let mut cells = vec![
                Cell::text(&row.scheme),
                Cell::text(&award.award),
                Cell::text(&award.line),
                Cell::Count(award.events),
                Cell::Count(award.members),
                Cell::Money(award.sales),
                Cell::Points(award.issued),
            ];
            cells.resize(REPORT.columns.len(), Cell::Empty);
            rows.push(cells);
        }
    }
    Ok(rows)
}

/// A scheme concerns the lines that bear its cost, and those whose sales are given it.
pub fn concerns(about: &About<'_>, row: &SchemeRow, line: &LineId) -> bool {
    let funding = about.rulebook.funding(&row.scheme, about.period);
    funding.shares.iter().any(|(payer, _)| payer == line) || row.awards.iter().any(|award| award.line == *line)
}
