//! The roll-forwards of the month and of the year so far, beside those of the year before, and what of the balance on
//! the year's first day was earned.

use super::{Item, Row, Value, item};
use crate::document::{Figures, LineFigures};
use crate::report::Source;
use interline_domain::actuarial::liability::{ProvisionRow, RollForward};
use interline_domain::units::money::{Money, OutOfRange};

type Told = Vec<(Item, Money)>;

pub(super) fn rows(source: &Source<'_>) -> Result<Vec<Row>, OutOfRange> {
    let of = source.comparison;
    let spans = [
        ("month", Some(&of.this)),
        ("year-to-date", Some(&of.year_to_date)),
        ("month-year-before", of.year_before.as_ref()),
        ("year-to-date-before", of.year_to_date_before.as_ref()),
    ];
    let known = || spans.into_iter().filter_map(|(span, figures)| Some((span, figures?)));
    let mut rows = Vec::new();
    for (span, figures) in known() {
        table(&mut rows, ("roll-forward", "contract-liability", span), figures, |of| {
            Ok(if of.contract == RollForward::default() { Told::new() } else { contract(&of.contract) })
        })?;
        table(&mut rows, ("roll-forward", "provision", span), figures, |of| {
            Ok(if of.provision == ProvisionRow::default() { Told::new() } else { provision(&of.provision) })
        })?;
    }
    for (span, figures) in known().filter(|(span, _)| span.starts_with("year-to-date")) {
        table(&mut rows, ("revenue-from-opening", "contract-liability", span), figures, |of| earned(&of.of_opening))?;
    }
    Ok(rows)
}

/// Line by line, and of all.
fn table(
    rows: &mut Vec<Row>,
    (table, book, span): (&'static str, &'static str, &'static str),
    figures: &Figures,
    told: impl Fn(&LineFigures) -> Result<Told, OutOfRange>,
) -> Result<(), OutOfRange> {
    let total = figures.total()?;
    let lines = figures.lines.iter().map(|(line, of)| (Some(line), of));
    for (funder, of) in lines.chain([(None, &total)]) {
        rows.extend(told(of)?.into_iter().map(|(item, amount)| Row {
            table,
            book,
            funder: funder.cloned(),
            item,
            span,
            from: figures.from,
            to: figures.to,
            value: Value::Amount(amount),
            note: String::new(),
        }));
    }
    Ok(())
}

/// In the signs of the roll-forward's own report: what is subtracted is positive.
fn contract(row: &RollForward) -> Told {
    vec![
        (item("opening", "期初余额", "Opening"), row.opening),
        (item("added", "本期增加", "Added"), row.added),
        (item("own", "本线兑换收入", "Own-line revenue"), row.own_line_revenue),
        (item("payable", "转应付", "To payable"), row.to_payable),
        (item("agent", "代理收入", "Agent revenue"), row.agent_revenue),
        (item("breakage", "失效", "Breakage"), row.breakage),
        (item("re-estimate", "重估", "Re-estimate"), row.re_estimate),
        (item("remeasured", "重新计量", "Remeasured"), row.remeasured),
        (item("expired", "过期", "Expired"), row.expired),
        (item("reversed", "退货收回", "Reversed"), row.reversed),
        (item("closing", "期末余额", "Closing"), row.closing),
        (item("undone", "已用部分退回", "Undone"), row.undone),
    ]
}

fn provision(row: &ProvisionRow) -> Told {
    vec![
        (item("opening", "期初余额", "Opening"), row.opening),
        (item("granted", "本期赠送", "Granted"), row.granted),
        (item("used-own", "本线使用", "Used at the own line"), row.used_own),
        (item("used-other", "他线使用", "Used at other lines"), row.used_other),
        (item("released", "失效及重估", "Released"), row.released),
        (item("reversed", "收回", "Taken back"), row.reversed),
        (item("closing", "期末余额", "Closing"), row.closing),
        (item("undone", "已用部分退回", "Undone"), row.undone),
    ]
}

/// IFRS 15.116(b). What other lines are paid is no revenue of the funder's, and stands beside it.
fn earned(row: &RollForward) -> Result<Told, OutOfRange> {
    if *row == RollForward::default() {
        return Ok(Told::new());
    }
    let revenue = row.released()?.minus(row.to_payable)?;
    Ok(vec![
        (item("opening", "年初余额", "Opening of the year"), row.opening),
        (item("own", "本线兑换收入", "Own-line revenue"), row.own_line_revenue),
        (item("agent", "代理收入", "Agent revenue"), row.agent_revenue),
        (item("breakage", "失效", "Breakage"), row.breakage),
        (item("re-estimate", "重估", "Re-estimate"), row.re_estimate),
        (item("expired", "过期", "Expired"), row.expired),
        (item("remeasured", "重新计量", "Remeasured"), row.remeasured),
        (item("revenue", "年初余额确认的收入", "Revenue from the opening balance"), revenue),
        (item("payable", "转应付（非收入）", "To payable, no revenue"), row.to_payable),
    ])
}
