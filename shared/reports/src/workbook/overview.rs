//! The first sheet: what the run is, its headline figures beside other months', and where the rest is.

use super::{A4, ACCENT, Formats, both, cell};
use crate::about::About;
use crate::document::{Figures, LineFigures};
use crate::error::RenderError;
use crate::manifest::RunKind;
use crate::report::Source;
use crate::sheet::{Cell, Sheet};
use crate::words::{Words, words};
use interline_domain::close::settlement::{Check, Settlement};
use interline_domain::units::money::{Money, OutOfRange};
use rust_decimal::Decimal;
use rust_xlsxwriter::{Color, Format, Url, Worksheet, XlsxError};

/// A headline figure: of the month, of the month before, of the year so far or of its first day, and of the same month
/// of the year before.
struct Figure {
    name: Words,
    values: [Cell; 4],
}

const HEADS: [Words; 5] = [
    words("主要数据", "Headline figures"),
    words("本月", "This month"),
    words("上月", "Month before"),
    words("本年累计 / 年初", "Year to date / year's opening"),
    words("上年同月", "Month of the year before"),
];

pub(super) fn overview(
    sheet: &mut Worksheet,
    source: &Source<'_>,
    contents: &[(String, &Sheet)],
    formats: &Formats,
) -> Result<(), RenderError> {
    let currency = source.about.rulebook.currency;
    sheet.set_name(both(&words("概览", "Overview"), " "))?;
    sheet.set_screen_gridlines(false);
    sheet.set_paper_size(A4).set_landscape().set_print_fit_to_pages(1, 0);
    sheet.set_row_height(0, 30)?;
    sheet.set_column_width(0, 46)?.set_column_width(1, 30)?;
    for column in 2..=4 {
        sheet.set_column_width(column, 32)?;
    }
    let title = Format::new().set_bold().set_font_size(18).set_font_color(ACCENT);
    let label = Format::new().set_font_color(Color::Gray);
    sheet.write_with_format(0, 0, "积分结算报表 Points settlement", &title)?;
    let mut row = facts(sheet, source.about, &label)? + 1;
    for (column, words) in (0..).zip(&HEADS) {
        sheet.write_with_format(row, column, both(words, "\n"), &formats.heading)?;
    }
    sheet.set_row_height(row, 32)?;
    for figure in figures(source)? {
        row += 1;
        sheet.write_with_format(row, 0, both(&figure.name, " "), &label)?;
        for (column, value) in (1..).zip(&figure.values) {
            cell(sheet, (row, column), currency, value, formats)?;
        }
    }
    row += 2;
    for (name, report) in contents {
        sheet.write_url(row, 0, Url::new(format!("internal:'{name}'!A1")).set_text(name))?;
        sheet.write_with_format(row, 1, format!("{}.csv", report.name), &label)?;
        row += 1;
    }
    Ok(())
}

/// What the run is; the row behind it.
fn facts(sheet: &mut Worksheet, about: &About<'_>, label: &Format) -> Result<u32, XlsxError> {
    let text = Format::new().set_num_format("@");
    let kind = match about.run.kind {
        RunKind::Trial => "试算 Trial",
        RunKind::Final => "终版 Final",
    };
    let facts = [
        ("计划 Programme", about.rulebook.name.as_str()),
        ("期间 Period", &about.period.to_string()),
        ("批次 Run", &about.run.id),
        ("状态 Status", kind),
        ("币别 Currency", about.rulebook.currency.code()),
        ("规则书 Rulebook", &about.rulebook.hash),
    ];
    let mut row = 2;
    for (name, fact) in facts {
        sheet.write_with_format(row, 0, name, label)?;
        sheet.write_with_format(row, 1, fact, &text)?;
        row += 1;
    }
    Ok(row)
}

fn figures(source: &Source<'_>) -> Result<Vec<Figure>, OutOfRange> {
    let (settlement, comparison) = (source.settlement, source.comparison);
    let year = &comparison.year_to_date;
    let [before, year_before] = [comparison.month_before.as_ref(), comparison.year_before.as_ref()];
    let (of_this, of_year) = (comparison.this.total()?, year.total()?);
    let of_before = before.map(Figures::total).transpose()?;
    let of_year_before = year_before.map(Figures::total).transpose()?;
    let money = |amount: Option<Money>| amount.map_or(Cell::Empty, Cell::Money);
    let saved = |of: Option<&Figures>| of.map_or(Cell::Empty, |of| efficiency(of.gross, of.settled));
    let points = |of: Option<LineFigures>| of.map_or(Cell::Empty, |of| Cell::Points(of.outstanding));
    let moved = |of: fn(&Figures) -> Money| {
        [Some(&comparison.this), before, Some(year), year_before].map(|figures| money(figures.map(of)))
    };
    let stood = |of: fn(&LineFigures) -> Money, opening: Money| {
        let [this, before, then] = [Some(&of_this), of_before.as_ref(), of_year_before.as_ref()];
        [money(this.map(of)), money(before.map(of)), Cell::Money(opening), money(then.map(of))]
    };
    let of_month = |value: Cell| [value, Cell::Empty, Cell::Empty, Cell::Empty];
    let figures = [
        (words("业务线间应付总额", "Owed between lines"), moved(|of| of.gross)),
        (words("轧差后结算额", "Settled net"), moved(|of| of.settled)),
        (words("轧差率", "Netting efficiency"), [Some(&comparison.this), before, Some(year), year_before].map(saved)),
        (words("期末合同负债", "Contract liability"), stood(|of| of.contract.closing, of_year.contract.opening)),
        (
            words("期末预计负债（赠送积分）", "Provision for points given"),
            stood(|of| of.provision.closing, of_year.provision.opening),
        ),
        (
            words("未兑积分", "Points outstanding"),
            [
                points(Some(of_this)),
                points(of_before),
                Cell::Points(of_year.outstanding_before()?),
                points(of_year_before),
            ],
        ),
        (words("应付款项笔数", "Payments due"), of_month(Cell::Count(settlement.payments.len() as u64))),
        (words("应付款项金额", "Payments due, amount"), of_month(Cell::Money(settlement.cash_moved()?))),
        (words("未通过的检查项", "Checks that fail"), of_month(counted(settlement, Check::fails))),
        (words("提示项", "Warnings"), of_month(counted(settlement, Check::warns))),
    ];
    Ok(figures.into_iter().map(|(name, values)| Figure { name, values }).collect())
}

fn counted(settlement: &Settlement, of: fn(&Check) -> bool) -> Cell {
    Cell::Count(settlement.checklist.iter().filter(|check| of(check)).count() as u64)
}

/// The part of the gross that need not be paid.
fn efficiency(gross: Money, settled: Money) -> Cell {
    let (gross, settled) = (Decimal::from(gross.minor()), Decimal::from(settled.minor()));
    let saved = gross.checked_sub(settled).and_then(|saved| saved.checked_div(gross));
    saved.map_or(Cell::Empty, |saved| Cell::Percent(saved.round_dp(4)))
}
