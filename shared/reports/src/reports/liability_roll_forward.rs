//! The contract liability for outstanding points, cohort by cohort.

use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::close::settlement::LiabilityRow;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "liability-roll-forward",
    title: words("合同负债变动表", "Liability roll-forward"),
    scope: Scope::ProgrammeAndLines,
    columns: &[
        column("funder", "承担方", "Funder"),
        column("issue_month", "发行月", "Issue month"),
        column("expires", "到期日", "Expires"),
        column("scheme", "方案", "Scheme"),
        summed("opening", "期初余额", "Opening"),
        summed("added", "本期增加", "Added"),
        summed("own_line_revenue", "本线兑换收入", "Own line revenue"),
        summed("to_payable", "转应付", "To payable"),
        summed("agent_revenue", "代理收入", "Agent revenue"),
        summed("breakage", "失效", "Breakage"),
        summed("re_estimate", "重估", "Re-estimate"),
        summed("remeasured", "重新计量", "Remeasured"),
        summed("expired", "过期", "Expired"),
        summed("reversed", "退货收回", "Reversed"),
        summed("closing", "期末余额", "Closing"),
        summed("undone", "已用部分退回", "Undone"),
        summed("current_part", "流动部分", "Current part"),
        summed("non_current_part", "非流动部分", "Non current part"),
        summed("outstanding_points", "未兑积分", "Outstanding points"),
        column("urr", "最终兑换率", "URR"),
        column("previous_urr", "上期最终兑换率", "Previous URR"),
        column("basis", "测算依据", "Basis"),
        column("method", "确认方法", "Method"),
        column("reason", "原因", "Reason"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let own = source.settlement.liability.iter().filter(|row| source.concerns(&row.funder()));
    let rows = own.map(|line| {
        let LiabilityRow { cohort, row, rate, previous_rate, basis, method, outstanding, .. } = line;
        let current = line.current()?;
        Ok(vec![
            Cell::text(line.funder()),
            Cell::text(cohort.issued),
            Cell::text(cohort.expires),
            Cell::text(&cohort.scheme),
            Cell::Money(row.opening),
            Cell::Money(row.added),
            Cell::Money(row.own_line_revenue),
            Cell::Money(row.to_payable),
            Cell::Money(row.agent_revenue),
            Cell::Money(row.breakage),
            Cell::Money(row.re_estimate),
            Cell::Money(row.remeasured),
            Cell::Money(row.expired),
            Cell::Money(row.reversed),
            Cell::Money(row.closing),
            Cell::Money(row.undone),
            Cell::Money(current),
            Cell::Money(row.closing.minus(current)?),
            Cell::Points(*outstanding),
            Cell::part(*rate),
            previous_rate.map_or(Cell::Empty, Cell::part),
            Cell::word(basis.word()),
            Cell::word(method.word()),
            Cell::text(basis.reason()),
        ])
    });
    rows.collect()
}
