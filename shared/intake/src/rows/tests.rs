use super::*;
use chrono::NaiveDate;
use flate2::Compression;
use flate2::write::GzEncoder;
use interline_domain::events::{Accrual, GiveBack, Grant, Redemption, Refund, Revocation};
use proptest::prelude::*;
use std::io::{Cursor, Write};

const HEADER: &str = "event,line,reference,occurred_at,member,amount,points,reverses";
const SALE: &str = "accrual,mall,A-1,2017-01-31T18:05:09+08:00,m1,12.50,,";

fn file(rows: &[&str]) -> Vec<u8> {
    std::iter::once(&HEADER).chain(rows).flat_map(|row| [row.as_bytes(), b"\n"]).flatten().copied().collect()
}

fn cny() -> Currency {
    Currency::parse("CNY").unwrap()
}

fn read(reader: impl Read, gzip: bool) -> Result<Events, FileError> {
    super::read(reader, gzip, cny())
}

fn read_all(bytes: impl AsRef<[u8]>) -> Vec<Row> {
    read(bytes.as_ref(), false).unwrap().rows
}

fn refused(bytes: impl AsRef<[u8]>) -> String {
    read(bytes.as_ref(), false).expect_err("a whole file is refused").to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The only row of a file.
fn one(row: &str) -> Result<Command, RowError> {
    let mut rows = read_all(file(&[row]));
    assert_eq!(rows.len(), 1, "{row}");
    rows.remove(0).parsed
}

/// Each row is refused for this reason, and the rows around it are read.
fn check(cases: &[(&str, &str, &str)]) {
    for (row, field, code) in cases {
        let rows = read_all(file(&[SALE, row, SALE]));
        assert!(rows[0].parsed.is_ok() && rows[2].parsed.is_ok(), "{row}");
        let error = rows[1].parsed.as_ref().expect_err(row);
        assert_eq!((error.field, error.code), (*field, *code), "{row}: {error}");
        assert_eq!((rows[1].number, rows[1].raw.as_str()), (3, *row));
    }
}

#[test]
fn each_kind_of_event_is_read() {
    let taking_back = |kind, on| Origin { kind, reference: Reference::parse("X-9").unwrap(), on };
    let refund = |on, amount| Action::Refund(Refund::of(taking_back(EntryKind::Accrual, on), amount));
    let (amount, points) = (Money::from_minor(1250), Points::new(120));
    for (event, values, action) in [
        ("accrual", "12.50,,", Action::Accrual(Accrual::of(amount))),
        ("redemption", ",120,", Action::Redemption(Redemption::of(points, None))),
        ("redemption", "12.5,120,", Action::Redemption(Redemption::of(points, Some(amount)))),
        ("adjustment", ",120,", Action::Grant(Grant { points })),
        ("reversal", ",,accrual:X-9", refund(None, None)),
        ("reversal", "12.50,,accrual:X-9", refund(None, Some(amount))),
        (
            "reversal",
            ",120,redemption:X-9",
            Action::GiveBack(GiveBack { origin: taking_back(EntryKind::Redemption, None), points: Some(points) }),
        ),
        (
            "reversal",
            ",,adjustment:X-9",
            Action::Revocation(Revocation { origin: taking_back(EntryKind::Adjustment, None), points: None }),
        ),
        ("reversal", ",,accrual:X-9@2017-01-30", refund(NaiveDate::from_ymd_opt(2017, 1, 30), None)),
    ] {
        let command = one(&format!("{event},mall,A-1,2017-01-31T18:05:09+08:00,m1,{values}")).unwrap();
        assert_eq!(command.kind().word(), event);
        assert_eq!(command.action, action, "{event} {values}");
        assert_eq!(command.head.line.as_str(), "mall");
        assert_eq!(command.head.reference.as_str(), "A-1");
        assert_eq!(command.head.member.as_str(), "m1");
        assert_eq!(command.head.occurred_at.to_rfc3339(), "2017-01-31T18:05:09+08:00");
    }
}

#[test]
fn columns_may_come_in_any_order_and_reverses_may_be_left_out() {
    let expected = one(SALE).unwrap();
    for text in [
        "points,amount,member,occurred_at,reference,line,event\n,12.50,m1,2017-01-31T18:05:09+08:00,A-1,mall,accrual\n",
        "reverses,line,event,reference,member,amount,occurred_at,points\n\
         ,mall,accrual,A-1,m1,12.50,2017-01-31T18:05:09+08:00,\n",
        "\"event\",line,reference,occurred_at,member,amount,\"points\"\n\
         \"accrual\",mall,A-1,2017-01-31T18:05:09+08:00,\"m1\",12.50,\"\"\n",
    ] {
        assert_eq!(read_all(text)[0].parsed, Ok(expected.clone()), "{text}");
    }
}

#[test]
fn a_reversal_needs_the_column_reverses() {
    let text = "event,line,reference,occurred_at,member,amount,points\nreversal,mall,V-1,2017-01-31T18:05:09Z,m1,,\n";
    let error = read_all(text)[0].parsed.clone().unwrap_err();
    assert_eq!((error.field, error.code), ("reverses", "missing-field"));
}

#[test]
fn a_field_that_its_event_needs_or_forbids_is_checked() {
    let row = |event: &str, values: &str| format!("{event},mall,A-1,2017-01-31T18:05:09Z,m1,{values}");
    for (event, values, field, code) in [
        ("accrual", ",,", "amount", "missing-field"),
        ("accrual", "1,1,", "points", "superfluous-field"),
        ("accrual", "1,,accrual:B", "reverses", "superfluous-field"),
        ("redemption", "1,,", "points", "missing-field"),
        ("redemption", ",1,accrual:B", "reverses", "superfluous-field"),
        ("adjustment", ",,", "points", "missing-field"),
        ("adjustment", "1,1,", "amount", "superfluous-field"),
        ("adjustment", ",1,accrual:B", "reverses", "superfluous-field"),
        ("reversal", "1,,", "reverses", "missing-field"),
        ("reversal", ",,B", "reverses", "not-a-target"),
        ("reversal", ",,sale:B", "reverses", "not-a-target"),
        ("reversal", ",,Accrual:B", "reverses", "not-a-target"),
        ("reversal", ",,accrual", "reverses", "not-a-target"),
        ("reversal", ",,accrual:", "reverses", "missing-field"),
        ("reversal", ",,accrual:@2017-01-30", "reverses", "missing-field"),
        ("reversal", ",,accrual:B@", "reverses", "not-a-day"),
        ("reversal", ",,accrual:B@2017-01", "reverses", "not-a-day"),
        ("reversal", ",,accrual:B@2017-02-29", "reverses", "not-a-day"),
        ("reversal", ",,accrual:B@2017-01-30@2017-01-30", "reverses", "not-a-day"),
        ("reversal", ",,accrual: B", "reverses", "bad-character"),
        ("reversal", ",,accrual:B:C", "reverses", "bad-character"),
        ("reversal", ",,reversal:B", "reverses", "not-reversible"),
        ("accrual", "-1,,", "amount", "negative-amount"),
        ("accrual", "1e3,,", "amount", "not-a-decimal"),
        ("accrual", "1.001,,", "amount", "too-many-decimals"),
        ("accrual", "0.00,,", "amount", "zero-amount"),
        ("accrual", "99999999999,,", "amount", "too-large"),
        ("redemption", "x,1,", "amount", "not-a-decimal"),
        ("redemption", ",1.0,", "points", "not-an-integer"),
        ("redemption", ",0,", "points", "zero"),
        ("redemption", ",999999999999,", "points", "too-large"),
        ("reversal", "0,,accrual:B", "amount", "zero"),
        ("reversal", ",-1,redemption:B", "points", "negative-points"),
    ] {
        check(&[(&row(event, values), field, code)]);
    }
}

#[test]
fn names_and_events_are_strict() {
    let time = "2017-01-31T18:05:09Z";
    for (row, field, code) in [
        (format!(",mall,A,{time},m1,1,,"), "event", "missing-field"),
        (format!("sale,mall,A,{time},m1,1,,"), "event", "unknown-event"),
        (format!("Accrual,mall,A,{time},m1,1,,"), "event", "unknown-event"),
        (format!("\u{feff}accrual,mall,A,{time},m1,1,,"), "event", "unknown-event"),
        (format!("accrual,,A,{time},m1,1,,"), "line", "missing-field"),
        (format!("accrual,m/l,A,{time},m1,1,,"), "line", "bad-character"),
        (format!("accrual,{},A,{time},m1,1,,", "m".repeat(17)), "line", "too-long"),
        (format!("accrual,mall,,{time},m1,1,,"), "reference", "missing-field"),
        (format!("accrual,mall,A#1,{time},m1,1,,"), "reference", "bad-character"),
        (format!("accrual,mall,{},{time},m1,1,,", "A".repeat(65)), "reference", "too-long"),
        (format!("accrual,mall,A,{time},,1,,"), "member", "missing-field"),
        (format!("accrual,mall,A,{time},张三,1,,"), "member", "bad-character"),
        ("accrual,mall,A,,m1,1,,".to_owned(), "occurred_at", "missing-field"),
    ] {
        check(&[(&row, field, code)]);
    }
}

#[test]
fn white_space_around_a_value_is_refused_and_not_trimmed() {
    let fields = ["accrual", "mall", "A-1", "2017-01-31T18:05:09Z", "m1", "12.50", "", ""];
    let names = HEADER.split(',').collect::<Vec<_>>();
    for place in 0..fields.len() {
        for space in [" ", "\t", "\u{a0}", "\u{3000}", "\r"] {
            for text in [format!("{space}{}", fields[place]), format!("{}{space}", fields[place])] {
                let mut row = fields.map(str::to_owned);
                row[place] = text;
                // A CR before the line break would be part of the line break.
                if !row[7].ends_with('\r') {
                    check(&[(&row.join(","), names[place], "surrounding-space")]);
                }
            }
        }
    }
}

#[test]
fn times_carry_an_offset_and_exist() {
    for (text, same) in [
        ("2017-01-31T18:05:09+08:00", "2017-01-31T18:05:09+08:00"),
        ("2017-01-31t18:05:09z", "2017-01-31T18:05:09+00:00"),
        ("2017-01-31T18:05:09-00:00", "2017-01-31T18:05:09+00:00"),
        ("2016-02-29T00:00:00.5-03:30", "2016-02-29T00:00:00.500-03:30"),
        ("2017-01-31T18:05:09.123456789Z", "2017-01-31T18:05:09.123456789+00:00"),
        ("1970-01-01T00:00:00+14:00", "1970-01-01T00:00:00+14:00"),
        ("2199-12-31T23:59:59-12:00", "2199-12-31T23:59:59-12:00"),
    ] {
        assert_eq!(occurred_at(text).map(|time| time.to_rfc3339()), Ok(same.to_owned()), "{text}");
    }
    for (text, code) in [
        ("2017-01-31T18:05:09", "no-offset"),
        ("2017-01-31T18:05:09.5", "no-offset"),
        ("2017-01-31T18:05:09+0800", "bad-offset"),
        ("2017-01-31T18:05:09+08", "bad-offset"),
        ("2017-01-31T18:05:09+24:00", "bad-offset"),
        ("2017-01-31T18:05:09+08:60", "bad-offset"),
        ("2017-01-31T18:05:09\u{2212}08:00", "bad-offset"),
        ("2017-01-31T18:05:09 +08:00", "bad-offset"),
        ("2017-01-31T18:05:09Z+08:00", "bad-offset"),
        ("2017-01-31T18:05:09CST", "bad-offset"),
        ("2017-02-29T18:05:09Z", "no-such-day"),
        ("2017-04-31T18:05:09Z", "no-such-day"),
        ("2017-13-01T18:05:09Z", "no-such-day"),
        ("2017-00-01T18:05:09Z", "no-such-day"),
        ("2017-01-00T18:05:09Z", "no-such-day"),
        ("2017-01-31T24:00:00Z", "no-such-time"),
        ("2017-01-31T23:60:00Z", "no-such-time"),
        ("2017-01-31T23:59:61Z", "no-such-time"),
        ("2016-12-31T23:59:60Z", "leap-second"),
        ("2016-12-31T23:59:60.5+00:00", "leap-second"),
        ("1969-12-31T23:59:59Z", "year-out-of-range"),
        ("2200-01-01T00:00:00Z", "year-out-of-range"),
        ("0000-01-01T00:00:00Z", "year-out-of-range"),
        ("2017-01-31T18:05:09.1234567890Z", "too-precise"),
        ("2017-01-31T18:05:09.Z", "not-a-time"),
        ("2017-01-31 18:05:09Z", "not-a-time"),
        ("2017-01-31T18:05+08:00", "not-a-time"),
        ("2017-01-31", "not-a-time"),
        ("20170131T180509Z", "not-a-time"),
        ("+2017-01-31T18:05:09Z", "not-a-time"),
        ("-017-01-31T18:05:09Z", "not-a-time"),
        ("31.01.2017 18:05:09", "not-a-time"),
        ("２０１７-01-31T18:05:09Z", "not-a-time"),
        ("1485857109", "not-a-time"),
        ("yesterday", "not-a-time"),
    ] {
        check(&[(&format!("accrual,mall,A-1,{text},m1,1,,"), "occurred_at", code)]);
    }
}

#[test]
fn quotes_are_closed_and_stand_around_whole_fields() {
    assert_eq!(one("\"accrual\",\"mall\",\"A-1\",\"2017-01-31T18:05:09+08:00\",\"m1\",\"12.50\",\"\",\"\""), one(SALE));
    check(&[
        ("accrual,\"mall,A-1,2017-01-31T18:05:09Z,m1,12.50,,", "row", "unclosed-quote"),
        ("accrual,mall,A-1,2017-01-31T18:05:09Z,m1,12.50,,\"", "row", "unclosed-quote"),
        ("accrual,mall,A-1,2017-01-31T18:05:09Z,m1,12.50,,\"\"\"", "row", "unclosed-quote"),
        ("accrual,\"mall\"x,A-1,2017-01-31T18:05:09Z,m1,12.50,,", "row", "text-after-quote"),
        ("accrual,\"mall\" ,A-1,2017-01-31T18:05:09Z,m1,12.50,,", "row", "text-after-quote"),
        ("accrual,ma\"ll,A-1,2017-01-31T18:05:09Z,m1,12.50,,", "row", "quote-in-field"),
        ("accrual, \"mall\",A-1,2017-01-31T18:05:09Z,m1,12.50,,", "row", "quote-in-field"),
        ("accrual,\"ma\"\"ll\",A-1,2017-01-31T18:05:09Z,m1,12.50,,", "line", "bad-character"),
        ("accrual,\"mall,hotel\",A-1,2017-01-31T18:05:09Z,m1,12.50,,", "line", "bad-character"),
    ]);
}

#[test]
fn a_row_has_as_many_columns_as_the_header() {
    for (row, rule) in [
        ("accrual", "has 1 columns where the header has 8"),
        ("accrual,mall,A-1,2017-01-31T18:05:09Z,m1,12.50,", "has 7 columns where the header has 8"),
        (
            "accrual,mall,A-1,2017-01-31T18:05:09Z,m1,12.50,,,",
            "has 9 columns where the header has 8: a comma too many at the end of the line",
        ),
        ("accrual,mall,A-1,2017-01-31T18:05:09Z,m1,12.50,,,x", "has 9 columns where the header has 8"),
        ("accrual,mall,A-1,2017-01-31T18:05:09Z,m1,1,000.00,,", "has 9 columns where the header has 8"),
        ("accrual;mall;A-1", "has 1 columns where the header has 8"),
    ] {
        check(&[(row, "row", "column-count")]);
        assert_eq!(one(row).unwrap_err().rule, rule);
    }
}

#[test]
fn line_numbers_count_blank_lines_and_the_header() {
    for end in ["\n", "\r\n"] {
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}{end}{HEADER}{end}{SALE}{end}{end}{end}{SALE}{end}{end}");
            let rows = read_all(&text);
            assert!(rows.iter().all(|row| row.parsed.is_ok() && row.raw == SALE), "{rows:?}");
            assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [3, 6]);
        }
    }
}

#[test]
fn a_last_row_without_a_line_break_is_refused() {
    for end in ["", "\r"] {
        let rows = read_all(format!("{HEADER}\n{SALE}\n{SALE}{end}"));
        assert!(rows[0].parsed.is_ok());
        let error = rows[1].parsed.as_ref().unwrap_err();
        assert_eq!((error.field, error.code), ("row", "cut-off"));
        assert_eq!(error.rule, "the file ends inside this row: end it with a line break");
        assert_eq!(rows[1].raw, SALE);
    }
}

#[test]
fn bytes_that_are_not_utf8_spoil_only_their_row() {
    let bytes =
        [HEADER.as_bytes(), b"\n", SALE.as_bytes(), b"\naccrual,\xff\xfemall\n", SALE.as_bytes(), b"\n"].concat();
    let rows = read_all(bytes);
    assert!(rows[0].parsed.is_ok() && rows[2].parsed.is_ok());
    let error = rows[1].parsed.as_ref().unwrap_err();
    assert_eq!((error.field, error.code), ("row", "not-utf8"));
    assert_eq!(rows[1].raw, "accrual,\u{fffd}\u{fffd}mall");
}

#[test]
fn a_raw_row_is_cut_between_characters_at_its_limit() {
    for (text, kept) in [
        ("x".repeat(RAW_MAX_BYTES), RAW_MAX_BYTES),
        ("x".repeat(RAW_MAX_BYTES + 1), RAW_MAX_BYTES),
        ("分".repeat(400), RAW_MAX_BYTES - 1),
        (format!("x{}", "𝄞".repeat(400)), RAW_MAX_BYTES - 3),
    ] {
        let (row, is_cut) = raw(text.as_bytes());
        assert_eq!((row.as_str(), is_cut), (&text[..kept], kept < text.len()));
    }
    assert_eq!(raw(&[0xff; 5000]), ("\u{fffd}".repeat(RAW_MAX_BYTES / 3), true));
}

#[test]
fn a_line_is_refused_above_its_limit_and_not_at_it() {
    for end in ["\n", "\r\n"] {
        for (length, code) in [
            (LINE_MAX_BYTES, "column-count"),
            (LINE_MAX_BYTES + 1, "line-too-long"),
            (LINE_MAX_BYTES + 2, "line-too-long"),
            (LINE_MAX_BYTES + 3, "line-too-long"),
            (3 * LINE_MAX_BYTES, "line-too-long"),
        ] {
            let long = "x".repeat(length);
            let rows = read_all(format!("{HEADER}{end}{long}{end}{SALE}{end}"));
            assert_eq!(rows.len(), 2);
            assert_eq!(rows[0].parsed.as_ref().unwrap_err().code, code, "{length}");
            assert_eq!((rows[1].number, rows[1].parsed.is_ok()), (3, true));
        }
    }
}

#[test]
fn a_line_of_ten_megabytes_is_one_row_and_never_held() {
    let long = io::repeat(b'"').take(10_000_000);
    let tail = format!("\n{SALE}\n");
    let mut reader = Cursor::new(format!("{HEADER}\n")).chain(long).chain(tail.as_bytes());
    let mut lines = Lines::new(&mut reader, BYTES_MAX);
    let mut ends = Vec::new();
    while let Some(line) = lines.next_line().unwrap() {
        ends.push((line.number, line.bytes.len()));
    }
    assert_eq!(ends, [(1, HEADER.len()), (2, LINE_MAX_BYTES + 2), (3, SALE.len())]);
    assert!(lines.buffer.capacity() <= 4 * LINE_MAX_BYTES, "{}", lines.buffer.capacity());

    let long = io::repeat(b'x').take(10_000_000);
    let rows = read(Cursor::new(format!("{HEADER}\n")).chain(long).chain(tail.as_bytes()), false).unwrap().rows;
    assert_eq!(rows[0].parsed.as_ref().unwrap_err().code, "line-too-long");
    assert_eq!(rows[0].raw.len(), RAW_MAX_BYTES);
    assert!(rows[1].parsed.is_ok());
}

#[test]
fn the_header_decides_over_the_whole_file() {
    let rest = "line,reference,occurred_at,member,amount,points";
    for (text, message) in [
        (String::new(), "the file is empty: it must start with a line of column names"),
        ("\u{feff}".to_owned(), "the file is empty: it must start with a line of column names"),
        ("\r\n\n".to_owned(), "the file is empty: it must start with a line of column names"),
        (format!("{rest}\n"), "column event is missing"),
        (format!("event,{},points\n", &rest[..38]), "column \"amou\" is unknown"),
        (format!("event,{rest},line\n"), "column line is there twice"),
        (format!("event,{rest},store\n"), "column \"store\" is unknown; the columns are event,line,"),
        (format!("event,{rest},\n"), "there is a comma too many at the end of the line of column names"),
        (format!("event,,{rest}\n"), "column \"\" is unknown; the columns are event,line,"),
        (format!("Event,{rest}\n"), "column \"Event\" must be written event, in small letters"),
        (format!(" event,{rest}\n"), "column \" event\" must be written event"),
        (format!("event\u{a0},{rest}\n"), "must be written event, in small letters and without white space"),
        (format!("\u{feff}\u{feff}event,{rest}\n"), "must be written event"),
        (format!("event,{rest}\rreversal,\n"), "the lines end with CR only: save as CSV UTF-8"),
        (HEADER.replace(',', ";") + "\n", "the columns are separated by semicolons: separate them by commas"),
        (HEADER.replace(',', "\t") + "\n", "the columns are separated by tabs: separate them by commas"),
        (HEADER.replace(',', "，") + "\n", "the columns are separated by full-width commas"),
        (HEADER.to_uppercase().replace(',', ";") + "\n", "the columns are separated by semicolons"),
        (format!("\"event;line\",{rest}\n"), "the columns are separated by semicolons"),
        (format!("\"event,{rest}\n"), "cannot be read: has a quote that is not closed"),
        (format!("event,{rest}"), "cannot be read: the file ends inside this row"),
        ("x".repeat(LINE_MAX_BYTES + 1) + "\n", "cannot be read: is longer than 65536 bytes"),
    ] {
        let error = refused(text.as_bytes());
        assert!(error.contains(message), "{text:?}: {error}");
    }
    assert_eq!(read_all(format!("event,{rest}\n")), []);
}

#[test]
fn a_file_that_is_no_csv_file_is_named_as_what_it_is() {
    for (bytes, message) in [
        (
            &b"PK\x03\x04\x14\0\0\0xl/workbook.xml\n"[..],
            "the file is a workbook (or a zip): save the sheet as CSV UTF-8",
        ),
        (b"PK\x05\x06\0\0", "the file is a workbook (or a zip)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "the file is a workbook (or a zip)"),
        (b"<html><table><tr>\n", "the file is a web page or XML"),
        (b"\xef\xbb\xbf<?xml version=\"1.0\"?>\r\n", "the file is a web page or XML"),
        (b"7z\xbc\xaf\x27\x1c\0\x04\n", "the file is an archive"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", "is not UTF-8 (GBK?)"),
        (b"event\0line\0reference\n", "the file is not text"),
        (b"event,line\revent,line\r", "the lines end with CR only: save as CSV UTF-8"),
    ] {
        let error = refused(bytes);
        assert!(error.contains(message), "{bytes:?}: {error}");
    }
}

#[test]
fn rows_that_were_emptied_are_blank_lines() {
    let blank = [",,,,,,,", ", ,\t,,,,,", " ", "\"\",\"\",\"\"", ",\u{a0},\u{3000}", ",,,"];
    let rows = read_all(format!(",,,\n{HEADER}\n{}\n{SALE}\n{}", blank.join("\n"), blank.join("\r\n")));
    assert_eq!(rows.iter().map(|row| (row.number, row.parsed.is_ok())).collect::<Vec<_>>(), [(9, true)]);
}

#[test]
fn what_a_spreadsheet_or_a_till_has_done_to_a_value_is_said() {
    let row = |amount: &str| format!("accrual,mall,A-1,2017-01-31T18:05:09Z,m1,{amount},,");
    let refund = "must not be negative: a refund is an event of its own: reversal";
    for (amount, code, words) in [
        ("-10.00", "negative-amount", refund),
        ("(10.00)", "negative-amount", refund),
        ("\u{2212}10", "negative-amount", refund),
        ("0", "zero-amount", "earns nothing: leave the row out"),
        ("0.00", "zero-amount", "earns nothing: leave the row out"),
        ("-0.00", "zero-amount", "earns nothing: leave the row out"),
        ("\"1,000.00\"", "not-a-decimal", "thousands separators"),
        ("\"12,50\"", "not-a-decimal", "write a point before the decimals"),
        ("¥12.50", "not-a-decimal", "leave the currency out"),
        ("12.50元", "not-a-decimal", "leave the currency out"),
        ("CNY 12.50", "not-a-decimal", "leave the currency out"),
        ("1.2E+05", "not-a-decimal", "a spreadsheet has shortened it"),
        ("１２", "not-a-decimal", "full-width"),
        ("12.50\u{a0}", "surrounding-space", "no-break space"),
        ("12\u{200b}", "not-a-decimal", "U+200B"),
        ("abc", "not-a-decimal", "must be a decimal number"),
    ] {
        let error = one(&row(amount)).unwrap_err();
        assert_eq!((error.field, error.code), ("amount", code), "{amount}: {error}");
        assert!(error.rule.contains(words), "{amount}: {error}");
    }
    for (points, event, words) in [
        ("-5", "redemption", "points are taken back by an event of their own: reversal"),
        ("-5", "adjustment", "points are taken back by an event of their own: reversal"),
    ] {
        let error = one(&format!("{event},mall,A-1,2017-01-31T18:05:09Z,m1,,{points},")).unwrap_err();
        assert_eq!((error.field, error.code), ("points", "negative-points"));
        assert!(error.rule.ends_with(words), "{error}");
    }
    for (time, words) in [
        ("2017/1/5", "a spreadsheet has changed it"),
        ("2017/1/5 18:05", "a spreadsheet has changed it"),
        ("5.1.2017", "a spreadsheet has changed it"),
        ("42740.75", "a spreadsheet has changed it"),
        ("42740", "a spreadsheet has changed it"),
        ("2017-1-5 18:05:00", "T stands before the time"),
        ("2017-01-05 18:05:00", "T stands before the time"),
        ("２０１７-01-05T18:05:00Z", "full-width"),
    ] {
        let error = one(&format!("accrual,mall,A-1,{time},m1,1,,")).unwrap_err();
        assert_eq!((error.field, error.code), ("occurred_at", "not-a-time"), "{time}");
        assert!(error.rule.contains(words), "{time}: {error}");
    }
    let error = one("accrual,mall,A\u{200b}1,2017-01-31T18:05:09Z,m1,1,,").unwrap_err();
    assert!(error.code == "bad-character" && error.rule.ends_with("U+200B"), "{error}");
}

#[test]
fn a_file_of_rejected_rows_that_comes_back_is_read_as_far_as_it_was_corrected() {
    let columns = REJECT_COLUMNS.join(",");
    let file = format!(
        "{HEADER},{columns}\n{SALE},7,amount,zero,must be more than zero,\n\
         ,,,,,,,,8,row,unclosed-quote,has a quote,\"accrual,\"\"mall\"\n\
         {SALE},9,row,unclosed-quote,has a quote,\"accrual,\"\"mall\"\n\
         accrual,mall,'=1,2017-01-31T18:05:09Z,''=2,1,,,10,,,,\n\
         ,,,,,,,,0,file,unreadable-file,the file is empty,\n\
         ,,,,,,,,,,,,\n{SALE},,,,,\n"
    );
    let events = read(file.as_bytes(), false).unwrap();
    assert_eq!(events.columns(), usual_columns());
    let sale = one(SALE).unwrap();
    let codes: Vec<_> = events.rows.iter().map(|row| row.parsed.as_ref().map_err(|error| error.code)).collect();
    let (good, bad) = (Ok(&sale), Err("not-corrected"));
    assert_eq!(codes, [good, bad, good, Err("bad-character"), bad, good]);
    assert_eq!(events.values(&events.rows[1]), None);
    assert_eq!(events.unread(&events.rows[1]), "accrual,\"mall");
    assert_eq!(events.unread(&events.rows[4]), "");
    let values = events.values(&events.rows[3]).unwrap();
    assert_eq!((values[2].as_ref(), values[4].as_ref()), ("=1", "'=2"));
    // A part of those columns, in any place.
    let some = read_all(format!("rejected_code,{HEADER},rejected_line\nzero,{SALE},7\n"));
    assert_eq!(some[0].parsed, Ok(sale));
    assert!(refused(format!("{HEADER},rejected_code,rejected_code\n")).contains("column rejected_code is there twice"));
    // Elsewhere an apostrophe is what it is.
    assert_eq!(read_all(file_of_one("'=1"))[0].parsed.as_ref().unwrap_err().code, "bad-character");
}

fn file_of_one(reference: &str) -> Vec<u8> {
    file(&[&SALE.replace("A-1", reference)])
}

#[test]
fn a_header_in_another_encoding_is_refused_by_name() {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
    let text = format!("{HEADER}\n{SALE}\n");
    let marked = format!("\u{feff}{text}");
    for bytes in [
        utf16(&marked, u16::to_le_bytes),
        utf16(&marked, u16::to_be_bytes),
        utf16(&text, u16::to_le_bytes),
        utf16(&text, u16::to_be_bytes),
    ] {
        assert_eq!(refused(bytes), "the file is UTF-16: save it as UTF-8");
    }
    assert_eq!(
        refused(b"event,\xbb\xfd\xb7\xd6\n"),
        "the line of column names cannot be read: is not UTF-8 (GBK?): save as CSV UTF-8"
    );
    assert!(matches!(read(gzip(text.as_bytes()).as_slice(), false), Err(FileError::Compressed)));
}

#[test]
fn a_file_may_have_as_many_rows_and_bytes_as_its_limits() {
    let bytes = file(&[SALE, "", "nonsense", SALE]);
    let size = bytes.len() as u64;
    let within = |rows, bytes_max, gz| {
        let packed = if gz { gzip(&bytes) } else { bytes.clone() };
        read_within(Limits { rows, bytes: bytes_max }, packed.as_slice(), gz, cny()).map(|events| events.rows.len())
    };
    for gz in [false, true] {
        assert!(matches!(within(3, size, gz), Ok(3)));
        assert!(matches!(within(2, size, gz), Err(FileError::TooManyRows(2))));
        for less in 1..=size {
            let limit = size - less;
            assert!(matches!(within(3, limit, gz), Err(FileError::TooLarge(max)) if max == limit), "{limit}");
        }
    }
}

#[test]
fn a_gzip_bomb_stops_at_the_limit_of_bytes() {
    for byte in *b"\nx\0" {
        let header = if byte == 0 { String::new() } else { format!("{HEADER}\n") };
        let member = gzip(&[byte; 1 << 20]);
        let members = member.repeat(10);
        let packed = [gzip(header.as_bytes()), members].concat();
        let limits = Limits { rows: ROWS_MAX, bytes: 5 << 20 };
        assert!(matches!(read_within(limits, packed.as_slice(), true, cny()), Err(FileError::TooLarge(_))), "{byte}");
    }
}

#[test]
fn a_gzip_file_cut_anywhere_is_refused_and_never_read_in_part() {
    let whole = file(&[SALE, "accrual,mall,A-2,2017-01-31T18:05:10+08:00,m2,0.99,,", SALE]);
    let packed = gzip(&whole);
    assert_eq!(read(packed.as_slice(), true).unwrap().rows, read_all(&whole));
    for length in 0..packed.len() {
        let result = read(&packed[..length], true);
        assert!(matches!(result, Err(FileError::CutOff)), "{length} of {}: {result:?}", packed.len());
    }
}

#[test]
fn a_gzip_file_with_a_changed_byte_never_gives_other_rows() {
    let whole = file(&[SALE, "accrual,mall,A-2,2017-01-31T18:05:10+08:00,m2,0.99,,"]);
    let packed = gzip(&whole);
    let rows = read_all(&whole);
    for place in 0..packed.len() {
        let mut damaged = packed.clone();
        damaged[place] ^= 0x55;
        // The header of a gzip file has bytes without meaning, such as the time.
        if let Ok(read) = read(damaged.as_slice(), true) {
            assert_eq!(read.rows, rows, "byte {place}");
        }
    }
}

#[test]
fn gzip_members_one_after_the_other_are_one_file() {
    let whole = file(&[SALE, SALE]);
    let first = gzip(&whole[..90]);
    let packed = [first.clone(), gzip(&whole[90..])].concat();
    assert_eq!(read(packed.as_slice(), true).unwrap().rows, read_all(&whole));
    // A file that ends with a member is a whole gzip file; its last row tells.
    for length in (0..packed.len()).filter(|length| *length != first.len()) {
        assert!(matches!(read(&packed[..length], true), Err(FileError::CutOff)), "{length}");
    }
    let rows = read(first.as_slice(), true).unwrap().rows;
    assert_eq!(rows.last().unwrap().parsed.as_ref().unwrap_err().code, "cut-off");
}

#[test]
fn what_is_not_gzip_or_followed_by_something_else_is_damaged() {
    let packed = gzip(&file(&[SALE]));
    let followed = [packed.as_slice(), b"something else"].concat();
    for bytes in [file(&[SALE]), followed] {
        assert!(matches!(read(bytes.as_slice(), true), Err(FileError::Gzip(_))));
    }
}

/// A reader that breaks, after an interruption that means nothing.
struct Breaks<'a> {
    bytes: &'a [u8],
    kind: io::ErrorKind,
    interrupted: bool,
}

impl Read for Breaks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        match self.bytes.read(buffer)? {
            _ if self.interrupted => Err(io::ErrorKind::Interrupted.into()),
            0 => Err(self.kind.into()),
            read => Ok(read),
        }
    }
}

#[test]
fn a_broken_connection_is_not_taken_for_a_cut_file() {
    let plain = file(&[SALE]);
    let packed = gzip(&plain);
    for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidInput, io::ErrorKind::ConnectionReset] {
        for (bytes, gz) in [(&plain, false), (&packed, true)] {
            for length in 0..=bytes.len() {
                let reader = Breaks { bytes: &bytes[..length], kind, interrupted: false };
                let result = read(reader, gz);
                assert!(matches!(&result, Err(FileError::Io(error)) if error.kind() == kind), "{length}: {result:?}");
            }
        }
    }
}

#[test]
fn a_line_id_is_held_once() {
    let rows = read_all(file(&[SALE, SALE]));
    let [first, second] = [0, 1].map(|row| rows[row].parsed.as_ref().unwrap().head.line.as_str().as_ptr());
    assert_eq!(first, second);

    let mut known = KnownLines::default();
    for number in 0..2 * LINES_MAX {
        assert_eq!(known.parse(&format!("line-{number}")).unwrap().as_str(), format!("line-{number}"));
    }
    assert_eq!(known.0.len(), LINES_MAX);
    assert!(known.0.is_sorted());
}

fn name(max: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(b"azAZ09._-".to_vec()), 1..=max)
        .prop_map(|bytes| bytes.into_iter().map(char::from).collect())
}

fn action() -> impl Strategy<Value = Action> {
    let money = || (1..=300_000_000_000_i64).prop_map(Money::from_minor);
    let points = || (1..=100_000_000_000_i64).prop_map(Points::new);
    let kinds = vec![EntryKind::Accrual, EntryKind::Redemption, EntryKind::Adjustment];
    let target = (proptest::sample::select(kinds), name(64).prop_map(|text| Reference::parse(&text).unwrap()));
    prop_oneof![
        money().prop_map(|amount| Action::Accrual(Accrual::of(amount))),
        (money(), proptest::sample::subsequence(vec!["13", "6", "goods-9"], 1..=3)).prop_map(|(amount, codes)| {
            let each = Money::from_minor(amount.minor());
            let parts = codes.iter().map(|code| (TaxCode::parse(code).unwrap(), Some(each))).collect();
            let amount = Money::from_minor(each.minor() * codes.len() as i64);
            Action::Accrual(Accrual { amount, taxes: Taxes::sent(parts, Some(amount)).unwrap() })
        }),
        (points(), proptest::option::of(money()), proptest::option::of(name(16))).prop_map(|(points, bill, tax)| {
            let tax = tax.map(|code| TaxCode::parse(&code).unwrap());
            Action::Redemption(Redemption { points, bill, tax })
        }),
        points().prop_map(|points| Action::Grant(Grant { points })),
        (target, proptest::option::of(0..80_000_i32), proptest::option::of(money()), proptest::option::of(points()))
            .prop_map(|((kind, reference), on, amount, points)| {
                let origin = Origin { kind, reference, on: on.and_then(NaiveDate::from_epoch_days) };
                match kind {
                    EntryKind::Redemption => Action::GiveBack(GiveBack { origin, points }),
                    EntryKind::Adjustment => Action::Revocation(Revocation { origin, points }),
                    EntryKind::Accrual | EntryKind::Reversal => Action::Refund(Refund::of(origin, amount)),
                }
            }),
    ]
}

fn time() -> impl Strategy<Value = DateTime<FixedOffset>> {
    // From 1970-01-02 to 2199-12-30, so that no offset leaves the years.
    let nanosecond = prop_oneof![Just(0), 0..1_000_000_000_u32];
    (86_400..7_258_032_000_i64, nanosecond, -1439..=1439).prop_map(|(second, nanosecond, minutes)| {
        let offset = FixedOffset::east_opt(minutes * 60).unwrap();
        DateTime::from_timestamp(second, nanosecond).unwrap().with_timezone(&offset)
    })
}

fn command() -> impl Strategy<Value = Command> {
    (name(16), name(64), name(64), time(), action()).prop_map(|(line, reference, member, occurred_at, action)| {
        let (line, reference) = (LineId::parse(&line).unwrap(), Reference::parse(&reference).unwrap());
        Command { head: Head { line, reference, member: MemberId::parse(&member).unwrap(), occurred_at }, action }
    })
}

fn value(command: &Command, column: Column) -> String {
    match column {
        Column::Event => command.kind().to_string(),
        Column::Line => command.head.line.to_string(),
        Column::Reference => command.head.reference.to_string(),
        Column::OccurredAt => command.head.occurred_at.to_rfc3339(),
        Column::Member => command.head.member.to_string(),
        Column::Amount => command.fields().amount.map(|amount| cny().show(amount).to_string()).unwrap_or_default(),
        Column::Points => command.fields().points.map(|points| points.to_string()).unwrap_or_default(),
        Column::Reverses => command.fields().reverses.map(|origin| origin.to_string()).unwrap_or_default(),
        Column::Tax => {
            let fields = command.fields();
            let part = |(code, amount): (&TaxCode, Money)| format!("{code}:{}", cny().show(amount));
            let parts: Vec<String> = fields.taxes.iter().flat_map(Taxes::iter).map(part).collect();
            fields.tax.map_or_else(|| parts.join(";"), |code| code.to_string())
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        commands in proptest::collection::vec(command(), 0..8),
        columns in Just(Column::ALL.to_vec()).prop_shuffle(),
        mark in any::<bool>(),
        crlf in any::<bool>(),
        quoted in any::<bool>(),
        gz in any::<bool>(),
    ) {
        let mut bytes = if mark { Vec::from("\u{feff}") } else { Vec::new() };
        let mut writer = csv::WriterBuilder::new()
            .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .quote_style(if quoted { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary })
            .from_writer(&mut bytes);
        writer.write_record(columns.iter().map(|column| column.name())).unwrap();
        for command in &commands {
            writer.write_record(columns.iter().map(|column| value(command, *column))).unwrap();
        }
        drop(writer);
        let rows = if gz { read(gzip(&bytes).as_slice(), true) } else { read(bytes.as_slice(), false) };
        let rows = rows.unwrap().rows;
        prop_assert_eq!(rows.len(), commands.len());
        for (place, (row, command)) in rows.iter().zip(&commands).enumerate() {
            prop_assert_eq!(row.number, place as u64 + 2);
            prop_assert_eq!(row.parsed.as_ref(), Ok(command));
            let offset = row.parsed.as_ref().map(|parsed| *parsed.head.occurred_at.offset());
            prop_assert_eq!(offset, Ok(*command.head.occurred_at.offset()));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), gz in any::<bool>()) {
        let _ = read(bytes.as_slice(), gz);
        let body = [HEADER.as_bytes(), b"\n", &bytes].concat();
        for row in read(body.as_slice(), false).unwrap().rows {
            prop_assert!(row.raw.len() <= RAW_MAX_BYTES);
        }
        let packed = gzip(&body);
        prop_assert!(read(packed.as_slice(), true).is_ok());
    }

    /// Text made of the pieces that matter, so that more of it comes close to a row.
    #[test]
    fn no_text_makes_it_panic_and_every_line_is_accounted_for(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "accrual", "redemption", "reversal", "adjustment", "mall", "A-1", "2017-01-31T18:05:09+08:00", "T", ":60",
            "12.50", "120", "accrual:A-1", ",", ",,", "\"", "\"\"", "\n", "\r\n", "\r", " ", "\u{feff}", "分", "\0",
        ]), 0..60),
    ) {
        let body = pieces.concat();
        let rows = read_all(format!("{HEADER}\n{body}"));
        let is_blank = |line: &str| line.split(',').all(|field| {
            let field = field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field);
            field.trim().is_empty()
        });
        let lines: Vec<(u64, &str)> = (2..).zip(body.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)))
            .filter(|(_, line)| !is_blank(line)).collect();
        let read: Vec<(u64, &str)> = rows.iter().map(|row| (row.number, row.raw.as_str())).collect();
        prop_assert_eq!(read, lines);
    }

    /// Where the fields of a line are accepted, the csv crate finds the same.
    #[test]
    fn fields_are_those_of_the_csv_crate(line in "[a,\" ]{1,24}") {
        if let Ok(fields) = Fields::of(&line).collect::<Result<Vec<_>, _>>() {
            let text = format!("{line}\n");
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            prop_assert_eq!(record.iter().collect::<Vec<_>>(), fields);
        }
    }

    #[test]
    fn fields_that_the_csv_crate_writes_are_read(fields in proptest::collection::vec("[a,\" ]{0,6}", 2..8)) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&fields).unwrap();
        let line = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        let read: Vec<_> = Fields::of(line.trim_end_matches('\n')).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read, fields);
    }

    /// Where a time is accepted, chrono finds the same.
    #[test]
    fn times_are_those_of_chrono(
        text in "(19[67]|20[0-9]|2[12]9)[0-9]-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,10})?(Z|z|[+-][0-2][0-9]:[0-6][0-9])?",
    ) {
        if let Ok(time) = occurred_at(&text) {
            let expected = DateTime::parse_from_rfc3339(&text).unwrap();
            prop_assert_eq!(time, expected);
            prop_assert_eq!(time.offset(), expected.offset());
        }
    }
}

#[test]
fn an_amount_is_read_in_the_currency_of_the_programme() {
    let read_in = |code: &str, amount: &str| {
        let file = format!("{HEADER}\naccrual,mall,A-1,2017-01-31T18:05:09+08:00,m1,{amount},,\n");
        super::read(file.as_bytes(), false, Currency::parse(code).unwrap()).unwrap().rows.remove(0).parsed
    };
    for (code, amount, minor) in [("JPY", "1250", 1250), ("CNY", "12.5", 1250), ("KWD", "12.505", 12_505)] {
        let read = read_in(code, amount).unwrap();
        assert_eq!(read.fields().amount, Some(Money::from_minor(minor)), "{code} {amount}");
    }
    for (code, amount, error, rule) in [
        ("JPY", "12.50", "too-many-decimals", "must have at most 0 decimals: amounts in JPY have none"),
        ("CNY", "12.505", "too-many-decimals", "must have at most 2 decimals: amounts in CNY have 2"),
        ("KWD", "12.5055", "too-many-decimals", "must have at most 3 decimals: amounts in KWD have 3"),
        ("JPY", "-1250", "negative-amount", "must not be negative: a refund is an event of its own: reversal"),
        ("JPY", "1000000000001", "too-large", "is larger than the limit of 1000000000000"),
    ] {
        let refused = read_in(code, amount).unwrap_err();
        assert_eq!((refused.field, refused.code, &*refused.rule), ("amount", error, rule), "{code} {amount}");
    }
}
