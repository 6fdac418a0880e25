//! A line's file of events.

use super::memory::{TERMS, programme, wait};
use super::{cells, is_formula};
use interline_domain::entry::Command;
use interline_domain::id::LineId;
use interline_import::{Imported, Row, import, read};
use interline_lambda::App;
use interline_reports::sheet::neutral;
use std::collections::BTreeSet;

const NOW: &str = "2017-02-10T12:00:00+08:00";
const COLUMNS: [&str; 8] = ["event", "line", "reference", "occurred_at", "member", "amount", "points", "reverses"];
/// Bytes of a row that are sent back.
const RAW_MAX: usize = 1024;

pub fn check(bytes: &[u8]) {
    let gzip = bytes.starts_with(&[0x1F, 0x8B]);
    let rows = read(bytes, gzip);
    if let Ok(rows) = &rows {
        if !gzip {
            every_line_is_accounted_for(bytes, rows);
        }
        rows.iter().for_each(a_row_is_an_event_or_says_why_not);
        what_was_rejected_is_rejected_again(bytes, gzip, rows);
    }
    let name = if gzip { "events.csv.gz" } else { "events.csv" };
    let app = programme(TERMS, NOW);
    let first = imported(&app, "group", name, bytes);
    match &rows {
        Ok(rows) => counts_add_up(rows, &first),
        Err(error) => {
            assert_eq!(first.0.refused, Some(error.to_string()));
            assert_eq!((first.0.rows, first.0.accepted, first.0.rejected), (0, 0, 0));
            assert_eq!(rejected(&first)[0][..3], ["0", "file", "unreadable-file"]);
            assert!(error.to_string().len() < RAW_MAX, "{error}");
        }
    }
    let again = imported(&app, "group", name, bytes);
    assert_eq!(again.0.accepted, 0, "what is repeated is not recorded again");
    assert_eq!(again.0.replayed, first.0.accepted + first.0.replayed);
    assert_eq!((again.0.rejected, &again.1), (first.0.rejected, &first.1), "the same rows for the same reasons");
    let elsewhere = imported(&programme(TERMS, NOW), "group", name, bytes);
    assert_eq!(elsewhere, first);
    if let Ok(rows) = &rows {
        a_line_speaks_for_itself_only(name, bytes, rows);
    }
}

type Answered = (Imported, Option<Vec<u8>>);

fn imported(app: &App, sender: &str, name: &str, bytes: &[u8]) -> Answered {
    let sender = LineId::parse(sender).expect("a line");
    wait(import(app, &sender, name, bytes, &|_, _| {})).expect("an import on ports without faults")
}

/// The rows of the rejects file without its headings.
fn rejected((_, rejects): &Answered) -> Vec<Vec<String>> {
    let Some(bytes) = rejects else { return Vec::new() };
    let mut rows = cells(bytes);
    assert_eq!(rows.remove(0), ["line_number", "field", "code", "reason", "row"]);
    assert!(rows.iter().flatten().all(|cell| !is_formula(cell)), "{rows:?}");
    rows
}

/// Physical lines as anybody counts them: each that is not blank is the header or one row.
fn every_line_is_accounted_for(bytes: &[u8], rows: &[Row]) {
    let mark = b"\xEF\xBB\xBF";
    let lines = bytes.split(|byte| *byte == b'\n').enumerate().map(|(at, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (at as u64 + 1, if at == 0 { line.strip_prefix(mark).unwrap_or(line) } else { line })
    });
    let expected: Vec<(u64, String)> = lines
        .filter(|(_, line)| !line.is_empty())
        .skip(1)
        .map(|(number, line)| (number, String::from_utf8_lossy(line).into_owned()))
        .collect();
    assert_eq!(rows.len(), expected.len());
    for (row, (number, line)) in rows.iter().zip(&expected) {
        assert_eq!(row.number, *number);
        assert!(row.raw.len() <= RAW_MAX);
        assert!(if line.len() <= RAW_MAX { row.raw == *line } else { line.starts_with(&row.raw) }, "line {number}");
    }
}

fn a_row_is_an_event_or_says_why_not(row: &Row) {
    match &row.parsed {
        Ok(command) => {
            let read = read_one(&written(command));
            let again = read.as_ref().expect("what was read can be written and read");
            assert_eq!(again, command);
            assert_eq!(again.occurred_at.offset(), command.occurred_at.offset());
        }
        Err(error) => {
            assert!(error.field == "row" || COLUMNS.contains(&error.field), "{error:?}");
            let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(!error.code.is_empty() && error.code.bytes().all(is_word), "{error:?}");
            assert!(!error.rule.is_empty() && error.rule.len() < RAW_MAX, "{error:?}");
        }
    }
}

fn written(command: &Command) -> String {
    let amount = command.amount().map(|amount| amount.to_string()).unwrap_or_default();
    let points = command.points().map(|points| points.to_string()).unwrap_or_default();
    let Command { line, reference, occurred_at, member, .. } = command;
    let (kind, time, target) = (command.kind(), occurred_at.to_rfc3339(), command.reverses().unwrap_or_default());
    format!("{kind},{line},{reference},{time},{member},{amount},{points},{target}")
}

fn read_one(row: &str) -> Result<Command, interline_import::RowError> {
    let file = format!("{}\n{row}\n", COLUMNS.join(","));
    read(file.as_bytes(), false).expect("a file").remove(0).parsed
}

/// Rows that come back under the same headings meet the same rules.
fn what_was_rejected_is_rejected_again(bytes: &[u8], gzip: bool, rows: &[Row]) {
    if gzip {
        return;
    }
    let text = String::from_utf8_lossy(bytes);
    let header = text.trim_start_matches('\u{feff}').split('\n').find(|line| !matches!(*line, "" | "\r"));
    let header = header.expect("a file that was read has a header");
    let whole = |row: &&Row| row.raw.len() < RAW_MAX - 4 && !row.raw.contains('\u{fffd}');
    let rows: Vec<&Row> = rows.iter().filter(whole).collect();
    let lines: Vec<&str> = rows.iter().map(|row| row.raw.as_str()).collect();
    let file = format!("{header}\n{}\r\n", lines.join("\r\n"));
    let again = read(file.as_bytes(), false).expect("the same header");
    assert_eq!(again.len(), rows.len());
    for (row, again) in rows.iter().zip(&again) {
        match &row.parsed {
            // The only row that was not at fault itself.
            Err(error) if error.code == "cut-off" => {}
            _ => assert_eq!(again.parsed, row.parsed),
        }
    }
}

fn counts_add_up(rows: &[Row], answered: &Answered) {
    let (result, rejects) = answered;
    assert_eq!(result.refused, None);
    assert_eq!(result.rows, rows.len() as u64);
    assert_eq!(result.accepted + result.replayed + result.rejected, result.rows);
    assert_eq!(result.rejected_by_rule.values().sum::<u64>(), result.rejected);
    let rejected = rejected(answered);
    assert_eq!(rejected.len() as u64, result.rejected);
    assert_eq!(rejects.is_some(), result.rejected > 0);
    let mut numbers = BTreeSet::new();
    for row in &rejected {
        let [number, field, code, reason, raw] = row.as_slice() else { panic!("five columns: {row:?}") };
        let number: u64 = number.parse().expect("a line's number");
        assert!(numbers.last().is_none_or(|last| *last < number) && numbers.insert(number), "in the file's order");
        let of = rows.iter().find(|row| row.number == number).expect("a line of the file");
        assert_eq!(*raw, *neutral(&of.raw));
        assert!(result.rejected_by_rule.contains_key(code) && !reason.is_empty(), "{row:?}");
        if let Err(error) = &of.parsed {
            assert_eq!((field.as_str(), code.as_str(), reason.as_str()), (error.field, error.code, &*error.rule));
        }
    }
    let unread = rows.iter().filter(|row| row.parsed.is_err());
    assert!(unread.map(|row| row.number).all(|number| numbers.contains(&number)), "a row without an answer");
}

fn a_line_speaks_for_itself_only(name: &str, bytes: &[u8], rows: &[Row]) {
    let answered = imported(&programme(TERMS, NOW), "grocery", name, bytes);
    counts_add_up(rows, &answered);
    let foreign: Vec<u64> = rows
        .iter()
        .filter(|row| row.parsed.as_ref().is_ok_and(|command| command.line.as_str() != "grocery"))
        .map(|row| row.number)
        .collect();
    let refused: Vec<u64> = rejected(&answered)
        .iter()
        .filter(|row| row[2] == "not-your-line")
        .map(|row| row[0].parse().expect("a line's number"))
        .collect();
    assert_eq!(refused, foreign);
}
