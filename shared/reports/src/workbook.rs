//! All sheets of a settlement in one workbook, for people: `settlement.xlsx`.
//!
//! An amount becomes a floating point number here and nowhere else, for a
//! workbook knows no other; the CSV files have it exactly.

use crate::about::About;
use crate::error::RenderError;
use crate::report::{Report, Source};
use crate::sheet::{Cell, Sheet};
use crate::words::Words;
use chrono::{Datelike, NaiveDate, Timelike};
use interline_domain::units::currency::Currency;
use interline_domain::units::money::Money;
use overview::overview;
use rust_decimal::prelude::ToPrimitive;
use rust_xlsxwriter::utility::column_number_to_name;
use rust_xlsxwriter::{
    Color, DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Formula, IgnoreError, Workbook, Worksheet,
    XlsxError,
};

mod overview;

pub const A4: u8 = 9;
const ACCENT: Color = Color::RGB(0x0B_4F_6C);
const WHOLE: &str = "#,##0";
const PERCENT: &str = "0.00%";
const WIDTH_MIN: usize = 9;
const WIDTH_MAX: usize = 46;

/// The same settlement gives the same bytes: the time of creation is the end of
/// the period.
pub fn workbook(source: &Source<'_>, sheets: &[(&Report, Sheet)]) -> Result<Vec<u8>, RenderError> {
    let about = source.about;
    let mut book = Workbook::new();
    book.set_properties(&properties(about, "结算报表 Settlement")?);
    let formats = Formats::new(about.rulebook.currency);
    let contents: Vec<(String, &Sheet)> = sheets.iter().map(|(report, sheet)| (tab_name(report), sheet)).collect();
    overview(book.add_worksheet(), source, &contents, &formats)?;
    for (name, sheet) in &contents {
        report(book.add_worksheet(), name, sheet, &formats)?;
    }
    Ok(book.save_to_buffer()?)
}

/// What a workbook says of itself; nothing of it comes from a clock.
pub fn properties(about: &About<'_>, title: &str) -> Result<DocProperties, XlsxError> {
    let at = about.created();
    let two_digits = |number: u32| u8::try_from(number).unwrap_or_default();
    let created = date(at.date_naive())?.and_hms(
        u16::try_from(at.hour()).unwrap_or_default(),
        two_digits(at.minute()),
        two_digits(at.second()),
    )?;
    Ok(DocProperties::new()
        .set_title(format!("{title} {}", about.period))
        .set_subject(&about.rulebook.name)
        .set_author("Interline")
        .set_comment(format!("{} {}", about.period, about.run.id))
        .set_creation_datetime(&created))
}

pub fn date(day: NaiveDate) -> Result<ExcelDateTime, XlsxError> {
    let small = |number: u32| u8::try_from(number).unwrap_or_default();
    ExcelDateTime::from_ymd(u16::try_from(day.year()).unwrap_or_default(), small(day.month()), small(day.day()))
}

/// An amount in currency units, as a workbook keeps it.
pub fn major(currency: Currency, amount: Money) -> f64 {
    amount.minor() as f64 / currency.minor_per_unit() as f64
}

/// How a workbook shows an amount: `#,##0.00`
pub fn number_format(currency: Currency) -> String {
    match usize::from(currency.decimals()) {
        0 => WHOLE.to_owned(),
        decimals => format!("{WHOLE}.{:0decimals$}", 0),
    }
}

struct Formats {
    heading: Format,
    text: Format,
    money: Format,
    whole: Format,
    rate: Format,
    percent: Format,
    /// Of text that is wider than a column gets.
    note: Format,
    total_text: Format,
    total_money: Format,
    total_whole: Format,
}

impl Formats {
    fn new(currency: Currency) -> Self {
        let total =
            || Format::new().set_bold().set_border_top(FormatBorder::Thin).set_align(FormatAlign::VerticalCenter);
        let (money, whole) = (number_format(currency), WHOLE);
        Self {
            heading: Format::new()
                .set_bold()
                .set_font_color(Color::White)
                .set_background_color(ACCENT)
                .set_align(FormatAlign::Center)
                .set_align(FormatAlign::VerticalCenter)
                .set_text_wrap(),
            text: Format::new().set_num_format("@").set_indent(1),
            money: Format::new().set_num_format(&money),
            whole: Format::new().set_num_format(whole),
            rate: Format::new().set_align(FormatAlign::Right),
            percent: Format::new().set_num_format(PERCENT),
            note: Format::new().set_num_format("@").set_text_wrap().set_align(FormatAlign::Top),
            total_text: total(),
            total_money: total().set_num_format(&money),
            total_whole: total().set_num_format(whole),
        }
    }
}

fn both(words: &Words, between: &str) -> String {
    if words.zh == words.en { words.en.to_string() } else { format!("{}{between}{}", words.zh, words.en) }
}

fn tab_name(report: &Report) -> String {
    both(&report.title, " ")
}

fn report(sheet: &mut Worksheet, name: &str, report: &Sheet, formats: &Formats) -> Result<(), XlsxError> {
    sheet.set_name(name)?;
    sheet.set_paper_size(A4).set_landscape().set_print_fit_to_pages(1, 0).set_repeat_rows(0, 0)?;
    sheet.set_footer("&L&A&R&P / &N");
    sheet.set_freeze_panes(1, 0)?;
    sheet.set_row_height(0, 32)?;
    let totals = report.totals();
    let rows = u32::try_from(report.rows.len()).map_err(|_| XlsxError::RowColumnLimitError)?;
    let adds_up = rows > 0 && report.columns.iter().any(|column| column.sum);
    for (number, column) in (0_u16..).zip(&report.columns) {
        sheet.write_with_format(0, number, both(&column.words, "\n"), &formats.heading)?;
        let cells = || report.rows.iter().filter_map(|row| row.get(usize::from(number)));
        let total = totals.sums.get(column.name.as_ref()).map(String::as_str);
        sheet.set_column_width(number, width(report.currency, &column.words, cells(), total) as f64)?;
        if let (Some(total), true) = (total, adds_up) {
            let letter = column_number_to_name(number);
            let sum = Formula::new(format!("=SUM({letter}2:{letter}{})", rows + 1)).set_result(total);
            let is_money = cells().any(|cell| matches!(cell, Cell::Money(_)));
            let format = if is_money { &formats.total_money } else { &formats.total_whole };
            sheet.write_formula_with_format(rows + 1, number, sum, format)?;
        } else if adds_up {
            let label = if number == 0 { "合计 Total" } else { "" };
            sheet.write_with_format(rows + 1, number, label, &formats.total_text)?;
        }
    }
    for (row, cells) in (1..).zip(&report.rows) {
        for (column, value) in (0..).zip(cells) {
            cell(sheet, (row, column), report.currency, value, formats)?;
        }
    }
    if adds_up {
        sheet.set_row_height(rows + 1, 20)?;
    }
    let last = u16::try_from(report.columns.len().saturating_sub(1)).map_err(|_| XlsxError::RowColumnLimitError)?;
    if rows > 0 {
        sheet.autofilter(0, 0, rows, last)?;
        sheet.ignore_error_range(1, 0, rows, last, IgnoreError::NumberStoredAsText)?;
    }
    Ok(())
}

fn cell(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    currency: Currency,
    value: &Cell,
    formats: &Formats,
) -> Result<(), XlsxError> {
    match value {
        Cell::Text(text) => {
            let format = if columns_of(text) > WIDTH_MAX { &formats.note } else { &formats.text };
            sheet.write_string_with_format(row, column, text, format)?
        }
        Cell::Money(amount) => sheet.write_number_with_format(row, column, major(currency, *amount), &formats.money)?,
        Cell::Points(points) => sheet.write_number_with_format(row, column, points.get() as f64, &formats.whole)?,
        Cell::Count(count) => sheet.write_number_with_format(row, column, *count as f64, &formats.whole)?,
        Cell::Rate(rate) => match rate.to_f64() {
            Some(number) => sheet.write_number_with_format(row, column, number, &formats.rate)?,
            None => sheet.write_string_with_format(row, column, rate.to_string(), &formats.rate)?,
        },
        Cell::Percent(rate) => match rate.to_f64() {
            Some(number) => sheet.write_number_with_format(row, column, number, &formats.percent)?,
            None => sheet.write_string_with_format(row, column, rate.to_string(), &formats.rate)?,
        },
        Cell::Word(_, words) => sheet.write_string_with_format(row, column, both(words, " "), &formats.text)?,
        Cell::Empty => return Ok(()),
    };
    Ok(())
}

/// What the widest cell needs, the heading's two lines and its filter button included.
fn width<'a>(currency: Currency, heading: &Words, cells: impl Iterator<Item = &'a Cell>, total: Option<&str>) -> usize {
    let grouped = |digits: usize| digits + digits / 3;
    let needed = cells.map(|cell| match cell {
        Cell::Text(text) => columns_of(text),
        Cell::Money(amount) => grouped(currency.show(*amount).to_string().len()),
        Cell::Points(points) => grouped(points.to_string().len()),
        Cell::Count(count) => grouped(count.to_string().len()),
        Cell::Rate(rate) => rate.to_string().len(),
        Cell::Percent(_) => PERCENT.len(),
        Cell::Word(_, words) => columns_of(&both(words, " ")),
        Cell::Empty => 0,
    });
    let total = total.map_or(0, |total| grouped(total.len()) + 1);
    let words = columns_of(&heading.zh).max(columns_of(&heading.en)) + 3;
    (needed.max().unwrap_or_default().max(total).max(words) + 2).clamp(WIDTH_MIN, WIDTH_MAX)
}

/// Chinese letters are two columns wide.
fn columns_of(text: &str) -> usize {
    text.chars().map(|letter| if letter.is_ascii() { 1 } else { 2 }).sum()
}
