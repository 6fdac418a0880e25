//! Writes the rows that were not accepted, with the reason, as a file that their line can correct and send again.

use csv::{Terminator, WriterBuilder};
use interline_reports::sheet::{BOM, neutral};
use std::borrow::Cow;

/// The columns that such a file has beside its own.
pub const COLUMNS: [&str; 5] =
    ["rejected_line", "rejected_field", "rejected_code", "rejected_reason", COLUMN_OF_WHOLE_ROWS];
/// The place of the column for rows that have no columns of their own.
pub const REJECTED_ROW: usize = COLUMNS.len() - 1;
const COLUMN_OF_WHOLE_ROWS: &str = "rejected_row";

/// A row that was not accepted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject<'a> {
    /// The physical line in the file; the first is 1.
    pub number: u64,
    pub field: &'a str,
    pub code: &'a str,
    pub rule: Cow<'a, str>,
    pub row: Content<'a>,
}

/// What a row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a> {
    /// The values of the file's own columns.
    Values(Vec<Cow<'a, str>>),
    /// The row as it came, as its values cannot be told apart.
    Whole(Cow<'a, str>),
}

/// A CSV file after RFC 4180 with CRLF, in UTF-8 with the byte order mark that
/// spreadsheets need. `own` are the columns of the file that the rows are from.
pub fn write_rejects<'a>(own: &[&str], rejects: impl IntoIterator<Item = Reject<'a>>) -> Result<Vec<u8>, csv::Error> {
    let mut bytes = BOM.to_vec();
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(&mut bytes);
    writer.write_record(own.iter().chain(&COLUMNS))?;
    for Reject { number, field, code, rule, row } in rejects {
        let (values, whole) = match &row {
            Content::Values(values) => (values.as_slice(), ""),
            Content::Whole(whole) => (&[][..], whole.as_ref()),
        };
        for place in 0..own.len() {
            writer.write_field(&*kept(values.get(place).map_or("", AsRef::as_ref)))?;
        }
        let number = number.to_string();
        writer.write_record([&number, &*neutral(field), &*neutral(code), &*neutral(&rule), &*neutral(whole)])?;
    }
    writer.flush()?;
    drop(writer);
    Ok(bytes)
}

/// A value that no spreadsheet takes for a formula, and that [`restored`] gives
/// back: one more apostrophe before a formula, however many there are.
fn kept(value: &str) -> Cow<'_, str> {
    match is_formula_after_apostrophes(value) {
        true => Cow::Owned(format!("'{value}")),
        false => Cow::Borrowed(value),
    }
}

/// A value as it was before it was written to a file of rejected rows. A
/// spreadsheet may have taken the apostrophe away already.
pub fn restored(value: Cow<'_, str>) -> Cow<'_, str> {
    if !value.starts_with('\'') || !is_formula_after_apostrophes(&value) {
        return value;
    }
    match value {
        Cow::Borrowed(value) => Cow::Borrowed(&value[1..]),
        Cow::Owned(value) => Cow::Owned(value[1..].to_owned()),
    }
}

fn is_formula_after_apostrophes(value: &str) -> bool {
    matches!(neutral(value.trim_start_matches('\'')), Cow::Owned(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWN: [&str; 2] = ["points", "member"];

    fn written(rows: &[(u64, &str, Content<'_>)]) -> String {
        let rejects = rows.iter().map(|(number, rule, row)| Reject {
            number: *number,
            field: "points",
            code: "zero",
            rule: (*rule).into(),
            row: row.clone(),
        });
        String::from_utf8(write_rejects(&OWN, rejects).unwrap()).unwrap()
    }

    fn values<'a>(values: [&'a str; 2]) -> Content<'a> {
        Content::Values(values.map(Cow::Borrowed).to_vec())
    }

    const HEADINGS: &str =
        "\u{feff}points,member,rejected_line,rejected_field,rejected_code,rejected_reason,rejected_row\r\n";

    #[test]
    fn a_file_without_rejects_is_its_header() {
        assert_eq!(written(&[]), HEADINGS);
    }

    #[test]
    fn a_row_stands_in_its_own_columns_and_one_without_columns_stands_whole() {
        assert_eq!(
            written(&[
                (7, "must be more than zero", values(["0", "m,\"1\""])),
                (8, "has 2 columns", Content::Whole("redemption,\"mall\"".into())),
            ]),
            format!(
                "{HEADINGS}0,\"m,\"\"1\"\"\",7,points,zero,must be more than zero,\r\n\
                 ,,8,points,zero,has 2 columns,\"redemption,\"\"mall\"\"\"\r\n"
            )
        );
    }

    #[test]
    fn a_text_that_looks_like_a_formula_is_neutralised() {
        for (raw, value, whole) in [
            ("=1+1", "'=1+1", "'=1+1"),
            ("+1", "'+1", "'+1"),
            ("-1", "'-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\"", "\"'\r=1\""),
            ("＝1", "'＝1", "'＝1"),
            ("accrual-1", "accrual-1", "accrual-1"),
            ("'=1", "''=1", "'=1"),
            ("'", "'", "'"),
            ("'a", "'a", "'a"),
            ("积分", "积分", "积分"),
        ] {
            let text = written(&[(2, "", values([raw, ""]))]);
            assert_eq!(text, format!("{HEADINGS}{value},,2,points,zero,,\r\n"), "{raw:?}");
            let text = written(&[(2, "", Content::Whole(raw.into()))]);
            assert_eq!(text, format!("{HEADINGS},,2,points,zero,,{whole}\r\n"), "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn a_value_comes_back_as_it_was(value in "['=+a1\\-@\t\r＝]{0,6}") {
            prop_assert_eq!(restored(kept(&value)), value.as_str());
            let on_the_way = kept(&value);
            prop_assert!(matches!(neutral(&on_the_way), Cow::Borrowed(_)), "a formula: {on_the_way:?}");
        }
    }
}
