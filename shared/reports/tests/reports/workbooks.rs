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

/// The values of a sheet as text, empty cells within a row included.
/// Where a report's sheet is: behind the overview, in the order of the reports.
pub fn place(name: &str) -> usize {
    let sheets = REPORTS.iter().filter(|report| report.is_of_programme());
    2 + sheets.into_iter().position(|report| report.name == name).unwrap()
}

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
