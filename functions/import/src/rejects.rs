//! Writes the rows that were not accepted, with the reason, for their line to correct and send again.

use csv::{Terminator, WriterBuilder};
use interline_reports::sheet::{BOM, neutral};

/// A row that was not accepted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject<'a> {
    /// The physical line in the file; the first is 1.
    pub number: u64,
    pub field: &'a str,
    pub code: &'a str,
    pub rule: String,
    pub raw: &'a str,
}

/// A CSV file after RFC 4180 with CRLF, in UTF-8 with the byte order mark that
/// spreadsheets need.
pub fn write_rejects<'a>(rejects: impl IntoIterator<Item = Reject<'a>>) -> Result<Vec<u8>, csv::Error> {
    let mut bytes = BOM.to_vec();
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(&mut bytes);
    writer.write_record(["line_number", "field", "code", "reason", "row"])?;
    for Reject { number, field, code, rule, raw } in rejects {
        let number = number.to_string();
        writer.write_record([&number, &*neutral(field), &*neutral(code), &*neutral(&rule), &*neutral(raw)])?;
    }
    writer.flush()?;
    drop(writer);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(rows: &[(u64, &str, &str)]) -> String {
        let rejects = rows.iter().map(|(number, rule, raw)| Reject {
            number: *number,
            field: "points",
            code: "zero",
            rule: (*rule).to_owned(),
            raw,
        });
        String::from_utf8(write_rejects(rejects).unwrap()).unwrap()
    }

    #[test]
    fn a_file_without_rejects_is_its_header() {
        assert_eq!(written(&[]), "\u{feff}line_number,field,code,reason,row\r\n");
    }

    #[test]
    fn commas_and_quotes_are_quoted() {
        assert_eq!(
            written(&[(7, "must be more than zero", "redemption,\"mall\",0")]),
            "\u{feff}line_number,field,code,reason,row\r\n\
             7,points,zero,must be more than zero,\"redemption,\"\"mall\"\",0\"\r\n"
        );
    }

    #[test]
    fn a_text_that_looks_like_a_formula_is_neutralised() {
        for (raw, cell) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("accrual-1", "accrual-1"),
            ("'=1", "'=1"),
            ("积分", "积分"),
        ] {
            let text = written(&[(2, "", raw)]);
            assert!(text.ends_with(&format!("2,points,zero,,{cell}\r\n")), "{raw:?}: {text:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = written(&[(2, "a, \"b\"", "x\ny"), (3, "积分", "\"=1\"")]);
        let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let records: Vec<Vec<String>> =
            reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(records, [["2", "points", "zero", "a, \"b\"", "x\ny"], ["3", "points", "zero", "积分", "\"=1\""]]);
    }
}
