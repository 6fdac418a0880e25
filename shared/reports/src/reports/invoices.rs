//! What each line has to invoice the others for, and what they only get a receipt for.

use crate::about::About;
use crate::report::{Report, Scope, Source, column, summed};
use crate::sheet::Cell;
use crate::words::words;
use interline_domain::close::settlement::Invoice;
use interline_domain::terms::rulebook::TaxCodeTerms;
use interline_domain::units::id::LineId;
use interline_domain::units::money::OutOfRange;

pub const REPORT: Report = Report {
    name: "invoices",
    title: words("开票需求表", "Invoices"),
    scope: Scope::ProgrammeAndLines,
    columns: &[
        column("issuer", "开票方", "Issuer"),
        column("issuer_name", "开票方名称", "Issuer name"),
        column("issuer_tax_id", "开票方税号", "Issuer tax id"),
        column("buyer", "购买方", "Buyer"),
        column("buyer_name", "购买方名称", "Buyer name"),
        column("buyer_tax_id", "购买方税号", "Buyer tax id"),
        column("item", "项目", "Item"),
        column("code", "税码", "Tax code"),
        column("code_name", "项目名称", "Item name"),
        column("goods_code", "税收分类编码", "Goods code"),
        column("kind", "票种", "Kind"),
        column("original_period", "原业务月", "Original period"),
        summed("net", "不含税金额", "Net"),
        column("rate", "税率", "Rate"),
        summed("tax", "税额", "Tax"),
        summed("gross", "价税合计", "Gross"),
        column("treatment", "税务处理", "Treatment"),
        column("note", "备注", "Note"),
    ],
    rows,
};

fn rows(source: &Source<'_>) -> Result<Vec<Vec<Cell>>, OutOfRange> {
    let about = source.about;
    let all = source.settlement.invoices.iter();
    let own = all.filter(|row| source.concerns(&row.issuer) || source.concerns(&row.buyer));
    let rows = own.map(|row| {
        let party = |line: &LineId| {
            [
                Cell::text(line),
                Cell::text(legal_name(about, line)),
                Cell::text(about.of_line(line, |line| &line.tax_id)),
            ]
        };
        let mut cells: Vec<Cell> = [party(&row.issuer), party(&row.buyer)].into_iter().flatten().collect();
        cells.extend([
            Cell::word(row.product.word()),
            row.code.as_ref().map_or(Cell::Empty, Cell::text),
            of_code(about, row, |terms| &terms.name_zh),
            of_code(about, row, |terms| &terms.goods_code),
            Cell::word(row.kind.word()),
            Cell::text(row.original_period),
            Cell::Money(row.gross.minus(row.tax)?),
            Cell::part(row.rate),
            Cell::Money(row.tax),
            Cell::Money(row.gross),
            Cell::word(row.treatment.word()),
            Cell::text(format!("{} {} → {}", about.period, row.issuer, row.buyer)),
        ]);
        Ok(cells)
    });
    rows.collect()
}

/// What is said of the code, in the month of the supply.
fn of_code(about: &About<'_>, row: &Invoice, what: fn(&TaxCodeTerms) -> &str) -> Cell {
    let terms = row.code.as_ref().and_then(|code| about.rulebook.tax_code(code, row.original_period));
    terms.map_or(Cell::Empty, |terms| Cell::text(what(terms)))
}

fn legal_name<'a>(about: &About<'a>, line: &LineId) -> &'a str {
    match about.of_line(line, |line| &line.legal_name) {
        "" => about.of_line(line, |line| &line.entity),
        name => name,
    }
}
