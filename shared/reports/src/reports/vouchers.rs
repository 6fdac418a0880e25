//! What every legal entity posts, line by line.

use crate::about::About;
use crate::report::{Column, Report, Scope, Source, column, summed};
use crate::sheet::{Cell, Sheet};
use crate::words::{role_words, words};
use interline_domain::close::books::{Voucher, VoucherLine};
use interline_domain::terms::rulebook::Dimension;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "vouchers",
    title: words("会计凭证", "Vouchers"),
    scope: Scope::Programme,
    columns: COLUMNS,
    rows: |source: &Source<'_>| Ok::<_, OutOfRange>(rows(source.about, &source.settlement.vouchers)),
};

/// The name of the file that has those of payments.
const CASH: &str = "cash-vouchers";

const COLUMNS: &[Column] = &[
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
    column("customer", "客户", "Customer"),
    column("supplier", "供应商", "Supplier"),
    column("department", "部门", "Department"),
    column("project", "项目", "Project"),
    column("number", "凭证字号", "Voucher with its word"),
    column("red", "红字", "Red"),
    column("full_name", "科目全称", "Full account name"),
];

/// Vouchers of payments, of a close or of a run of payments.
pub fn cash(about: &About<'_>, vouchers: &[Voucher]) -> Sheet {
    let columns = COLUMNS.iter().map(Column::heading).collect();
    Sheet { name: CASH, currency: about.rulebook.currency, columns, rows: rows(about, vouchers) }
}

fn rows(about: &About<'_>, vouchers: &[Voucher]) -> Vec<Vec<Cell>> {
    let lines = vouchers.iter().flat_map(|voucher| {
        let numbered = voucher.lines.iter().zip(1_u64..);
        numbered.map(move |(line, number)| row(about, voucher, line, number))
    });
    lines.collect()
}

fn row(about: &About<'_>, voucher: &Voucher, line: &VoucherLine, number: u64) -> Vec<Cell> {
    let event = voucher.event;
    let code = |dimension: &Dimension| line.aux.get(dimension).map_or(Cell::Empty, Cell::text);
    let mut row = vec![
        Cell::text(&voucher.entity),
        Cell::text(voucher.date),
        Cell::text(voucher.number),
        Cell::Word(event.word(), words(event.word_zh(), event.word_en())),
        Cell::text(number),
        Cell::text(&line.summary),
        Cell::text(&line.account),
        Cell::text(&line.account_name),
        Cell::Word(line.role.word(), role_words(about, line.role)),
        Cell::Money(line.debit),
        Cell::Money(line.credit),
        line.counterparty.as_ref().map_or(Cell::Empty, Cell::text),
    ];
    row.extend(Dimension::ALL.iter().map(code));
    row.extend([
        Cell::text(voucher.title()),
        Cell::word(if line.is_red() { "yes" } else { "no" }),
        Cell::text(&line.full_name),
    ]);
    row
}
