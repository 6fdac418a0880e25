use crate::files;
use crate::pack;
use interline_reports::manifest::RunKind;
use interline_reports::reports::REPORTS;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use std::io::{Cursor, Read};
use zip::ZipArchive;

pub fn part(workbook: &[u8], name: &str) -> String {
    let mut archive = ZipArchive::new(Cursor::new(workbook)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[derive(Debug, Default, Clone)]
pub struct Cell {
    pub place: String,
    pub kind: String,
    pub formula: String,
    pub value: String,
}

fn attribute(start: &BytesStart<'_>, name: &str) -> String {
    let found = start.try_get_attribute(name).unwrap();
    found.map(|attribute| String::from_utf8(attribute.value.to_vec()).unwrap()).unwrap_or_default()
}

/// The cells of the n-th sheet, counted from one, row by row.
pub fn cells(workbook: &[u8], sheet: usize) -> Vec<Vec<Cell>> {
    let shared = strings(&part(workbook, "xl/sharedStrings.xml"));
    let xml = part(workbook, &format!("xl/worksheets/sheet{sheet}.xml"));
    let mut reader = Reader::from_str(&xml);
    let mut rows = Vec::new();
    let (mut cell, mut within) = (Cell::default(), "");
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) | Event::Empty(start) => match start.name().as_ref() {
                b"row" => rows.push(Vec::new()),
                b"c" => cell = Cell { place: attribute(&start, "r"), kind: attribute(&start, "t"), ..Cell::default() },
                b"f" => within = "f",
                b"v" => within = "v",
                _ => within = "",
            },
            Event::Text(text) => {
                let text = std::str::from_utf8(&text).unwrap();
                match within {
                    "f" => cell.formula.push_str(text),
                    "v" => cell.value.push_str(text),
                    _ => {}
                }
            }
            Event::End(end) => match end.name().as_ref() {
                b"c" => {
                    if cell.kind == "s" {
                        cell.value = shared[cell.value.parse::<usize>().unwrap()].clone();
                    }
                    rows.last_mut().unwrap().push(cell.clone());
                }
                b"f" | b"v" => within = "",
                _ => {}
            },
            Event::Eof => return rows,
            _ => {}
        }
    }
}

fn strings(xml: &str) -> Vec<String> {
    let items = xml.split("<si>").skip(1);
    items
        .map(|item| {
            let texts = item.split("<t").skip(1).filter_map(|text| text.split_once('>')?.1.split_once("</t>"));
            texts.map(|(text, _)| unescape(text).unwrap().into_owned()).collect()
        })
        .collect()
}

/// Where a report's sheet is: behind the overview, in the order of the reports.
pub fn place(name: &str) -> usize {
    let sheets = REPORTS.iter().filter(|report| report.is_of_programme());
    2 + sheets.into_iter().position(|report| report.name == name).unwrap()
}

/// The values of a sheet as text, empty cells within a row included.
pub fn rows(workbook: &[u8], sheet: usize) -> Vec<Vec<String>> {
    let column = |place: &str| {
        let letters = place.bytes().take_while(u8::is_ascii_uppercase);
        letters.fold(0, |number, letter| number * 26 + usize::from(letter - b'A') + 1) - 1
    };
    let texts = cells(workbook, sheet).into_iter().map(|cells| {
        let mut row = Vec::new();
        for cell in cells {
            row.resize(column(&cell.place), String::new());
            row.push(cell.value);
        }
        row
    });
    texts.collect()
}

#[test]
fn the_workbook_has_a_sheet_per_report_with_totals_that_are_formulas_and_agree() {
    let files = files(RunKind::Final);
    let workbook = &files.iter().find(|file| file.entry.path == "settlement.xlsx").unwrap().bytes;
    let index = part(workbook, "xl/workbook.xml");
    for (sheet, report) in (2..).zip(REPORTS.iter().filter(|report| report.is_of_programme())) {
        let (name, title) = (report.name, format!("{} {}", report.title.zh, report.title.en));
        assert!(index.contains(&format!("<sheet name=\"{title}\" sheetId=\"{sheet}\"")), "{title}");
        let entry = &files.iter().find(|file| file.entry.path == format!("{name}.csv")).unwrap().entry;
        let csv = &files.iter().find(|file| file.entry.path == format!("{name}.csv")).unwrap().bytes;
        let header = String::from_utf8(csv[3..].to_vec()).unwrap();
        let columns: Vec<&str> = header.lines().next().unwrap().split(',').collect();
        let rows = cells(workbook, sheet);
        let formulas: Vec<&Cell> = rows.last().unwrap().iter().filter(|cell| !cell.formula.is_empty()).collect();
        assert_eq!(formulas.len(), entry.totals.len(), "{name}");
        for cell in formulas {
            let letter = cell.place.trim_end_matches(|letter: char| letter.is_ascii_digit());
            let at = letter.bytes().fold(0, |number, letter| number * 26 + usize::from(letter - b'A') + 1) - 1;
            let last = entry.rows.unwrap() + 1;
            assert_eq!(cell.formula, format!("SUM({letter}2:{letter}{last})"));
            assert_eq!(cell.value, entry.totals[columns[at]], "{name}: {}", columns[at]);
        }
        let pane = part(workbook, &format!("xl/worksheets/sheet{sheet}.xml"));
        assert!(pane.contains("<pane ySplit=\"1\" topLeftCell=\"A2\""), "{name} has no frozen header");
    }
}

#[test]
fn codes_stay_text_and_headings_are_in_both_languages() {
    let workbook = &pack(RunKind::Final)["settlement.xlsx"];
    let vouchers = cells(workbook, place("vouchers"));
    assert_eq!(vouchers[0][6].value, "科目代码\nAccount");
    let account = &vouchers[1][6];
    assert_eq!((account.kind.as_str(), account.value.as_str()), ("s", "220501"));
    let payments = cells(workbook, place("payments"));
    for (column, value) in [(3, "6217001234567890123"), (11, "308290003020")] {
        let cell = &payments[2][column];
        assert_eq!((cell.kind.as_str(), cell.value.as_str()), ("s", value), "text, so nothing to neutralise");
        assert!(cell.formula.is_empty());
    }
}

#[test]
fn a_workbook_was_created_at_the_end_of_the_period() {
    let properties = part(&pack(RunKind::Final)["settlement.xlsx"], "docProps/core.xml");
    assert_eq!(properties.matches("2017-02-28T16:00:00Z").count(), 2, "created and modified: {properties}");
}

#[test]
fn words_are_read_in_both_languages_and_parts_in_percent() {
    let pack = pack(RunKind::Final);
    let workbook = &pack["settlement.xlsx"];
    let shown = |name: &str, row: usize, column: usize| rows(workbook, place(name))[row][column].clone();
    assert_eq!(shown("issuance", 1, 3), "销售发放 Sale");
    assert_eq!(shown("positions", 1, 6), "付款 Pays");
    assert_eq!(shown("vouchers", 1, 3), "他业态兑换 Redeemed at other lines");
    assert_eq!(shown("vouchers", 1, 8), "合同负债-积分 Contract liability");
    let csv = String::from_utf8(pack["issuance.csv"].clone()).unwrap();
    assert!(csv.contains(",dining,sale,321,"), "files have the word itself: {csv}");

    let part_of = |name: &str, column: &str| {
        let xml = part(workbook, &format!("xl/worksheets/sheet{}.xml", place(name)));
        let style = xml.split(&format!("<c r=\"{column}\" s=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
        style.parse::<usize>().unwrap()
    };
    let styles = part(workbook, "xl/styles.xml");
    let cells = styles.split("<cellXfs").nth(1).unwrap().split("</cellXfs>").next().unwrap();
    let formats: Vec<&str> = cells.split("<xf ").skip(1).collect();
    let percent = styles.split("formatCode=\"0.00%\"").next().unwrap().rsplit("numFmtId=\"").next().unwrap();
    let percent = format!("numFmtId=\"{}\"", percent.split('"').next().unwrap());
    for (name, column) in [("splits", "F2"), ("liability-roll-forward", "T2"), ("redemption-rates", "L2")] {
        let format = formats[part_of(name, column)];
        assert!(format.starts_with(&percent), "{name}: {format}, not {percent}");
    }
}

#[test]
fn the_overview_has_the_headline_figures_beside_those_of_other_months() {
    let workbook = &pack(RunKind::Final)["settlement.xlsx"];
    let overview = rows(workbook, 1);
    let of = |name: &str| overview.iter().find(|row| row.first().is_some_and(|cell| cell.starts_with(name))).unwrap();
    assert_eq!(
        of("主要数据")[1..],
        [
            "本月\nThis month",
            "上月\nMonth before",
            "本年累计 / 年初\nYear to date / year's opening",
            "上年同月\nMonth of the year before"
        ]
    );
    assert_eq!(of("业务线间应付总额")[1], "13408.09");
    assert_eq!(of("业务线间应付总额")[3], "13408.09", "the only month of its year");
    // 1 - 13,329.09 / 13,408.09
    assert_eq!(of("轧差率")[1], "0.0059");
    assert_eq!(of("期末合同负债")[1], "74949.68", "36,549.33 + 38,400.35 + 0.00");
    assert_eq!(of("期末合同负债")[3], "57777", "on the year's first day");
    assert_eq!(of("未兑积分")[1], "882492");
    assert_eq!(of("应付款项笔数")[1], "3");
    assert_eq!((of("未通过的检查项")[1].as_str(), of("提示项")[1].as_str()), ("1", "1"));
}
