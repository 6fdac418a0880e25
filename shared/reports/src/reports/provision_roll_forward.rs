//! The provision for points that nobody paid for, cohort by cohort.

use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::actuarial::liability::ProvisionRow;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "provision-roll-forward",
    title: words("预计负债变动表", "Provision"),
    scope: Scope::ProgrammeAndLines,
    columns: &[
        column("funder", "承担方", "Funder"),
        column("issue_month", "发行月", "Issue month"),
        column("expires", "到期日", "Expires"),
        column("scheme", "方案", "Scheme"),
        summed("opening", "期初余额", "Opening"),
        summed("granted", "本期赠送", "Granted"),
        summed("used_own", "本线使用", "Used at the own line"),
        summed("used_other", "他线使用", "Used at other lines"),
        summed("released", "失效及重估", "Released"),
        summed("reversed", "收回", "Taken back"),
        summed("closing", "期末余额", "Closing"),
        summed("to_payable", "其中:转应付", "Of which to payable"),
        summed("undone", "已用部分退回", "Undone"),
        summed("current_part", "流动部分", "Current part"),
        summed("non_current_part", "非流动部分", "Non current part"),
        summed("given_points", "赠送积分", "Given points"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let own = source.settlement.liability.iter().filter(|row| source.concerns(&row.funder()));
    let with = own.filter(|row| row.provision != ProvisionRow::default() || row.given.is_positive());
    let rows = with.map(|line| {
        let (cohort, row, current) = (&line.cohort, &line.provision, line.provision_current()?);
        Ok(vec![
            Cell::text(line.funder()),
            Cell::text(cohort.issued),
            Cell::text(cohort.expires),
            Cell::text(&cohort.scheme),
            Cell::Money(row.opening),
            Cell::Money(row.granted),
            Cell::Money(row.used_own),
            Cell::Money(row.used_other),
            Cell::Money(row.released),
            Cell::Money(row.reversed),
            Cell::Money(row.closing),
            Cell::Money(row.to_payable),
            Cell::Money(row.undone),
            Cell::Money(current),
            Cell::Money(row.closing.minus(current)?),
            Cell::Points(line.given),
        ])
    });
    rows.collect()
}
