//! A line's file of events.

use super::memory::{TERMS, programme, wait};
use super::{cells, is_formula};
use crate::events::cny;
use interline_domain::events::{Command, Head};
use interline_domain::units::id::LineId;
use interline_import::{Imported, finish, import};
use interline_intake::{Row, read};
use interline_lambda::App;
use interline_reports::sheet::neutral;
use std::collections::{BTreeMap, BTreeSet};

const NOW: &str = "2017-02-10T12:00:00+08:00";
const COLUMNS: [&str; 8] = ["event", "line", "reference", "occurred_at", "member", "amount", "points", "reverses"];
/// Bytes of a row that are sent back.
const RAW_MAX: usize = 1024;
/// Bytes of a line that is read.
const LINE_MAX: usize = 64 * 1024;
const REJECTED: [&str; 5] = ["rejected_line", "rejected_field", "rejected_code", "rejected_reason", "rejected_row"];

pub fn check(bytes: &[u8]) {
    let gzip = bytes.starts_with(&[0x1F, 0x8B]);
    let rows = read(bytes, gzip, cny()).map(|events| events.rows);
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
            let rejected = &rejected(&first)[0];
            assert_eq!(REJECTED[..3].iter().map(|name| &*rejected[*name]).collect::<Vec<_>>(), WHOLE_FILE);
            assert!(error.to_string().len() < RAW_MAX, "{error}");
        }
    }
    let again = imported(&app, "group", name, bytes);
    assert_eq!(again.0.accepted, 0, "what is repeated is not recorded again");
    assert_eq!(again.0.replayed, first.0.accepted + first.0.replayed);
    assert_eq!(again.0.rejected_by_rule, first.0.rejected_by_rule);
    the_same_rows_are_rejected_again(&first, &again);
    what_was_rejected_comes_back(&app, &first);
    let elsewhere = imported(&programme(TERMS, NOW), "group", name, bytes);
    assert_eq!(elsewhere, first);
    if let Ok(rows) = &rows {
        a_line_speaks_for_itself_only(name, bytes, rows);
    }
}

const WHOLE_FILE: [&str; 3] = ["0", "file", "unreadable-file"];

type Answered = (Imported, Option<Vec<u8>>);

fn imported(app: &App, sender: &str, name: &str, bytes: &[u8]) -> Answered {
    let sender = LineId::parse(sender).expect("a line");
    wait(async {
        let (mut imported, rejects) = import(app, &sender, name, bytes, &|_, _| {}).await?;
        finish(app, &sender, &mut imported).await?;
        Ok::<_, interline_lambda::Failure>((imported, rejects))
    })
    .expect("an import on ports without faults")
}

type Cells = BTreeMap<String, String>;

/// The rows of the rejects file by its headings.
fn rejected((_, rejects): &Answered) -> Vec<Cells> {
    let Some(bytes) = rejects else { return Vec::new() };
    let mut rows = cells(bytes);
    let headings = rows.remove(0);
    let (own, of_rejects) = headings.split_at(headings.len() - REJECTED.len());
    assert!(of_rejects == REJECTED && own.iter().all(|name| COLUMNS.contains(&name.as_str())), "{headings:?}");
    assert!(rows.iter().flatten().all(|cell| !is_formula(cell)), "{rows:?}");
    rows.into_iter().map(|row| headings.iter().cloned().zip(row).collect()).collect()
}

/// For the same reasons, or for those of the first time.
fn the_same_rows_are_rejected_again(first: &Answered, again: &Answered) {
    let (first, again) = (rejected(first), rejected(again));
    assert_eq!(first.len(), again.len());
    for (first, again) in first.into_iter().zip(again) {
        let (reason, words) = (&first["rejected_reason"], &again["rejected_reason"]);
        let remembered = format!("refused when this file was first read ({reason}); send the row in a new file");
        assert!(words == reason || *words == remembered, "{reason} then {words}");
        let again: Cells = again.into_iter().chain(reason_of(&first)).collect();
        assert_eq!(first, again);
    }
}

fn reason_of(row: &Cells) -> Option<(String, String)> {
    row.get_key_value("rejected_reason").map(|(name, reason)| (name.clone(), reason.clone()))
}

/// The file of rejected rows is one that can be sent: every row of it is an event, or is rejected with a reason.
fn what_was_rejected_comes_back(app: &App, first: &Answered) {
    let Some(bytes) = &first.1 else { return };
    let back = imported(app, "group", "back.csv", bytes);
    assert_eq!(back.0.refused, None, "a file of rejects is a file");
    assert_eq!(back.0.rows, rejected(first).len() as u64);
    for row in rejected(&back) {
        let at = row["rejected_line"].parse::<usize>().expect("a line's number") - 2;
        let before = &rejected(first)[at];
        let own = |row: &Cells| {
            row.iter()
                .filter(|(name, _)| COLUMNS.contains(&name.as_str()))
                .map(|(_, value)| value.clone())
                .collect::<Vec<_>>()
        };
        match own(before).iter().all(String::is_empty) {
            true => {
                assert_eq!((&*row["rejected_code"], &row["rejected_row"]), ("not-corrected", &before["rejected_row"]))
            }
            false => assert_eq!(own(&row), own(before), "the values come back as they were"),
        }
    }
}

/// Physical lines as anybody counts them: each that is not blank is the header or one row.
fn every_line_is_accounted_for(bytes: &[u8], rows: &[Row]) {
    let mark = b"\xEF\xBB\xBF";
    let lines = bytes.split(|byte| *byte == b'\n').enumerate().map(|(at, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (at as u64 + 1, if at == 0 { line.strip_prefix(mark).unwrap_or(line) } else { line })
    });
    let expected: Vec<(u64, String)> = lines
        .filter(|(_, line)| !is_blank(line))
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

/// Nothing but commas, white space and quotes around it.
fn is_blank(line: &[u8]) -> bool {
    let is_empty = |field: &str| {
        let bare = field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field);
        bare.trim().is_empty()
    };
    line.len() <= LINE_MAX && str::from_utf8(line).is_ok_and(|line| line.split(',').all(is_empty))
}

fn a_row_is_an_event_or_says_why_not(row: &Row) {
    match &row.parsed {
        Ok(command) => {
            let read = read_one(&written(command));
            let again = read.as_ref().expect("what was read can be written and read");
            assert_eq!(again, command);
            assert_eq!(again.head.occurred_at.offset(), command.head.occurred_at.offset());
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
    let fields = command.fields();
    let amount = fields.amount.map(|amount| cny().show(amount).to_string()).unwrap_or_default();
    let points = fields.points.map(|points| points.to_string()).unwrap_or_default();
    let target = fields.reverses.map(|origin| origin.to_string()).unwrap_or_default();
    let Head { line, reference, occurred_at, member } = &command.head;
    let (kind, time) = (command.kind(), occurred_at.to_rfc3339());
    format!("{kind},{line},{reference},{time},{member},{amount},{points},{target}")
}

fn read_one(row: &str) -> Result<Command, interline_intake::RowError> {
    let file = format!("{}\n{row}\n", COLUMNS.join(","));
    read(file.as_bytes(), false, cny()).expect("a file").rows.remove(0).parsed
}

/// Rows that come back under the same headings meet the same rules.
fn what_was_rejected_is_rejected_again(bytes: &[u8], gzip: bool, rows: &[Row]) {
    if gzip {
        return;
    }
    let text = String::from_utf8_lossy(bytes);
    let header = text.strip_prefix('\u{feff}').unwrap_or(&text).split('\n').find(|line| !is_blank(line.as_bytes()));
    let header = header.expect("a file that was read has a header");
    let whole = |row: &&Row| row.raw.len() < RAW_MAX - 4 && !row.raw.contains('\u{fffd}');
    let rows: Vec<&Row> = rows.iter().filter(whole).collect();
    let lines: Vec<&str> = rows.iter().map(|row| row.raw.as_str()).collect();
    let file = format!("{header}\n{}\r\n", lines.join("\r\n"));
    let again = read(file.as_bytes(), false, cny()).expect("the same header").rows;
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
        let [number, field, code, reason, raw] = REJECTED.map(|name| row[name].as_str());
        let number: u64 = number.parse().expect("a line's number");
        assert!(numbers.last().is_none_or(|last| *last < number) && numbers.insert(number), "in the file's order");
        let of = rows.iter().find(|row| row.number == number).expect("a line of the file");
        let has_own = row.iter().any(|(name, value)| COLUMNS.contains(&name.as_str()) && !value.is_empty());
        assert!(has_own != (*raw == *neutral(&of.raw)) || code == "not-corrected" || raw.is_empty(), "{row:?}");
        assert!(result.rejected_by_rule.contains_key(code) && !reason.is_empty(), "{row:?}");
        if let Err(error) = &of.parsed {
            assert_eq!((field, code, reason), (error.field, error.code, &*error.rule));
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
        .filter(|row| row.parsed.as_ref().is_ok_and(|command| command.head.line.as_str() != "grocery"))
        .map(|row| row.number)
        .collect();
    let refused: Vec<u64> = rejected(&answered)
        .iter()
        .filter(|row| row["rejected_code"] == "not-your-line")
        .map(|row| row["rejected_line"].parse().expect("a line's number"))
        .collect();
    assert_eq!(refused, foreign);
}
