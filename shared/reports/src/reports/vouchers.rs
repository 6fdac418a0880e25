//! What every legal entity posts, line by line.

use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "vouchers",
    title: words("会计凭证", "Vouchers"),
    scope: Scope::Programme,
    columns: &[
        column("entity", "记账主体", "Entity"),
        column("date", "日期", "Date"),
        column("voucher", "凭证号", "Voucher"),
        column("event", "业务类型", "Event"),
        column("line_number", "分录号", "Line number"),
        column("summary", "摘要", "Summary"),
        column("account", "科目代码", "Account"),
        column("account_name", "科目名称", "Account name"),
        column("role", "科目用途", "Role"),
        summed("debit", "借方金额", "Debit"),
        summed("credit", "贷方金额", "Credit"),
        column("counterparty", "往来业务线", "Counterparty"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let lines = source.settlement.vouchers.iter().flat_map(|voucher| {
        let numbered = voucher.lines.iter().zip(1_u64..);
        numbered.map(move |(line, number)| {
            vec![
                Cell::text(&voucher.entity),
                Cell::text(voucher.date),
                Cell::text(voucher.number),
                Cell::text(voucher.event.word()),
                Cell::text(number),
                Cell::text(&line.summary),
                Cell::text(&line.account),
                Cell::text(&line.account_name),
                Cell::text(line.role.word()),
                Cell::Money(line.debit),
                Cell::Money(line.credit),
                line.counterparty.as_ref().map_or(Cell::Empty, Cell::text),
            ]
        })
    });
    Ok(lines.collect())
}
