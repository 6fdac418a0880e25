//! Vouchers as Kingdee KIS imports them: one workbook per legal entity, one row
//! per voucher line.

use crate::about::About;
use crate::error::RenderError;
use crate::workbook::{A4, date, major, number_format, properties};
use interline_domain::close::books::{Voucher, VoucherLine, dimension_of};
use interline_domain::units::currency::Currency;
use interline_domain::units::money::Money;
use rust_xlsxwriter::{Format, FormatAlign, IgnoreError, Workbook, Worksheet, XlsxError};

pub const COLUMNS: [&str; 17] = [
    "日期",
    "凭证字",
    "凭证号",
    "附单据数",
    "摘要",
    "科目代码",
    "科目名称",
    "借方金额",
    "贷方金额",
    "币别",
    "汇率",
    "数量",
    "单价",
    "制单人",
    "审核人",
    "过账人",
    "核算项目",
];
const WIDTHS: [f64; 17] =
    [12.0, 8.0, 8.0, 10.0, 44.0, 14.0, 32.0, 16.0, 16.0, 8.0, 8.0, 8.0, 8.0, 12.0, 10.0, 10.0, 40.0];

/// The vouchers of one entity. Of quantity and price there is nothing to say,
/// and approval and posting are left to people.
pub fn workbook(about: &About<'_>, vouchers: &[&Voucher]) -> Result<Vec<u8>, RenderError> {
    let mut book = Workbook::new();
    book.set_properties(&properties(about, "记账凭证")?);
    let sheet = book.add_worksheet();
    sheet.set_name("凭证")?;
    header(sheet)?;
    let currency = about.rulebook.currency;
    let day = Format::new().set_num_format("yyyy-mm-dd");
    let amount = Format::new().set_num_format(number_format(currency));
    let text = Format::new().set_num_format("@").set_indent(1);
    let currency_word = if currency.code() == "CNY" { "RMB" } else { currency.code() };
    let prepared_by = about.rulebook.books(about.period).prepared_by;
    let lines = vouchers.iter().flat_map(|voucher| voucher.lines.iter().map(move |line| (*voucher, line)));
    let mut row = 0;
    for (voucher, line) in lines {
        row += 1;
        sheet.write_with_format(row, 0, &date(voucher.date)?, &day)?;
        sheet.write_with_format(row, 1, &voucher.word, &text)?;
        sheet.write(row, 2, voucher.number)?;
        sheet.write(row, 3, 0)?;
        sheet.write_with_format(row, 4, &line.summary, &text)?;
        sheet.write_with_format(row, 5, &line.account, &text)?;
        sheet.write_with_format(row, 6, &line.account_name, &text)?;
        one_side(sheet, (row, 7), currency, line.debit, &amount)?;
        one_side(sheet, (row, 8), currency, line.credit, &amount)?;
        sheet.write_with_format(row, 9, currency_word, &text)?;
        sheet.write(row, 10, 1)?;
        sheet.write_with_format(row, 13, &prepared_by, &text)?;
        if !line.aux.is_empty() {
            sheet.write_with_format(row, 16, items(about, voucher, line), &text)?;
        }
    }
    if row > 0 {
        sheet.ignore_error_range(1, 5, row, 5, IgnoreError::NumberStoredAsText)?;
    }
    Ok(book.save_to_buffer()?)
}

/// What the line is of, as `kind---code---name`.
fn items(about: &About<'_>, voucher: &Voucher, line: &VoucherLine) -> String {
    let items = line.aux.iter().map(|(dimension, code)| {
        let of = dimension_of(*dimension, &voucher.entity, line.counterparty.as_ref());
        format!("{}---{code}---{}", dimension.word_zh(), of.map_or("", |of| about.name_zh(of)))
    });
    items.collect::<Vec<_>>().join(";")
}

fn header(sheet: &mut Worksheet) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold().set_align(FormatAlign::Center);
    for ((column, name), width) in (0..).zip(COLUMNS).zip(WIDTHS) {
        sheet.write_with_format(0, column, name, &bold)?;
        sheet.set_column_width(column, width)?;
    }
    sheet.set_freeze_panes(1, 0)?;
    sheet.set_paper_size(A4).set_landscape().set_print_fit_to_pages(1, 0).set_repeat_rows(0, 0)?;
    Ok(())
}

/// The empty side of a voucher line stays an empty cell.
fn one_side(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    currency: Currency,
    amount: Money,
    format: &Format,
) -> Result<(), XlsxError> {
    if !amount.is_zero() {
        sheet.write_with_format(row, column, major(currency, amount), format)?;
    }
    Ok(())
}
