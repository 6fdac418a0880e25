//! What must tie before a run is final, and whether it does.

use crate::report::{Report, Scope, Source, column};
use crate::sheet::Cell;
use crate::words::{check_words, words};
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "close-checklist",
    title: words("关账检查表", "Close checklist"),
    scope: Scope::Programme,
    columns: &[
        column("check", "检查项", "Check"),
        column("expected", "预期", "Expected"),
        column("actual", "实际", "Actual"),
        column("pass", "通过", "Pass"),
        column("severity", "级别", "Severity"),
        column("accepted", "认可原因", "Accepted because"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let rows = source.settlement.checklist.iter().map(|row| {
        vec![
            Cell::Word(row.check.name(), check_words(row.check)),
            Cell::text(&row.expected),
            Cell::text(&row.actual),
            Cell::word(if row.pass { "yes" } else { "no" }),
            Cell::word(row.severity.word()),
            Cell::text(row.accepted.as_deref().unwrap_or_default()),
        ]
    });
    Ok(rows.collect())
}
