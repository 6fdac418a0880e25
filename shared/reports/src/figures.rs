//! Figures of a file that was recorded, compared with those of the same file
//! computed by another version of the program. Only what was recorded counts: a
//! version may add columns, fields and checks.

use crate::details::unpacked;
use crate::rows::Rows;
use serde_json::Value;
use std::collections::BTreeMap;

/// Differences that are told of one file.
const TOLD_AT_MOST: usize = 20;
/// A check that was added stands between those that were recorded.
const CHECKLIST: &str = "close-checklist.csv";

/// Where figures differ, and how; none for a document made of figures that stand
/// in other files, such as a workbook.
pub fn differences(path: &str, recorded: &[u8], computed: &[u8]) -> Option<Vec<String>> {
    let mut found = Differences::default();
    match path.rsplit('.').next() {
        Some("csv") => found.rows(path, recorded, computed),
        Some("gz") => match (unpacked(recorded), unpacked(computed)) {
            (Ok(recorded), Ok(computed)) => found.rows(path, &recorded, &computed),
            _ => found.unreadable(path),
        },
        Some("json") => match (serde_json::from_slice(recorded), serde_json::from_slice(computed)) {
            (Ok(recorded), Ok(computed)) => found.values(path, &recorded, &computed),
            _ => found.unreadable(path),
        },
        Some("xlsx" | "html" | "xml" | "txt") => return None,
        _ if recorded == computed => {}
        _ => found.add(format!("{path}: differs")),
    }
    Some(found.told())
}

/// As [`differences`], of two documents in JSON.
pub fn values(path: &str, recorded: &Value, computed: &Value) -> Vec<String> {
    let mut found = Differences::default();
    found.values(path, recorded, computed);
    found.told()
}

#[derive(Default)]
struct Differences {
    told: Vec<String>,
    untold: usize,
}

impl Differences {
    fn add(&mut self, text: String) {
        match self.told.len() < TOLD_AT_MOST {
            true => self.told.push(text),
            false => self.untold += 1,
        }
    }

    fn unreadable(&mut self, path: &str) {
        self.add(format!("{path}: cannot be read"));
    }

    fn told(mut self) -> Vec<String> {
        if self.untold > 0 {
            self.told.push(format!("and {} more", self.untold));
        }
        self.told
    }

    fn rows(&mut self, path: &str, recorded: &[u8], computed: &[u8]) {
        let (Ok(recorded), Ok(computed)) = (Rows::parse(recorded), Rows::parse(computed)) else {
            return self.unreadable(path);
        };
        if path == CHECKLIST {
            return self.checks(path, &recorded, &computed);
        }
        if recorded.len() != computed.len() {
            self.add(format!("{path}: recorded {} rows, computed {}", recorded.len(), computed.len()));
        }
        for row in 0..recorded.len().min(computed.len()) {
            self.row(path, (&recorded, row), (&computed, row));
        }
    }

    fn checks(&mut self, path: &str, recorded: &Rows, computed: &Rows) {
        let places: BTreeMap<&str, usize> = (0..computed.len()).map(|row| (computed.text(row, "check"), row)).collect();
        for row in 0..recorded.len() {
            let check = recorded.text(row, "check");
            match places.get(check) {
                Some(place) => self.row(path, (recorded, row), (computed, *place)),
                None => self.add(format!("{path}: row {} ({check}) is not computed any more", row + 1)),
            }
        }
    }

    fn row(&mut self, path: &str, (recorded, row): (&Rows, usize), (computed, place): (&Rows, usize)) {
        for (at, column) in recorded.columns().enumerate() {
            if !computed.columns().any(|other| other == column) {
                // Said once, by the first row.
                if row == 0 {
                    self.add(format!("{path}: column {column} is not computed any more"));
                }
                continue;
            }
            let (was, is) = (recorded.cell(row, at), computed.text(place, column));
            if was != is {
                let name = recorded.cell(row, 0);
                self.add(format!("{path}: row {} ({name}), column {column}: recorded {was}, computed {is}", row + 1));
            }
        }
    }

    fn values(&mut self, place: &str, recorded: &Value, computed: &Value) {
        match (recorded, computed) {
            (Value::Object(recorded), Value::Object(computed)) => {
                // How a file is packed is no figure; what is in it is compared by itself.
                let is_file = recorded.contains_key("path") && recorded.contains_key("sha256");
                let is_range = recorded.contains_key("offset") && recorded.contains_key("bytes");
                for (name, recorded) in recorded {
                    let is_packing = match name.as_str() {
                        "bytes" => is_file || is_range,
                        "sha256" => is_file,
                        "offset" => is_range,
                        // Nor is which version of the program wrote it.
                        "engine" => true,
                        _ => false,
                    };
                    if is_packing {
                        continue;
                    }
                    self.values(&format!("{place}: {name}"), recorded, computed.get(name).unwrap_or(&Value::Null));
                }
            }
            (Value::Array(recorded), Value::Array(computed)) => {
                if recorded.len() != computed.len() {
                    self.add(format!("{place}: recorded {} rows, computed {}", recorded.len(), computed.len()));
                }
                for (at, (recorded, computed)) in recorded.iter().zip(computed).enumerate() {
                    self.values(&format!("{place}: row {}", at + 1), recorded, computed);
                }
            }
            _ if recorded == computed => {}
            _ => self.add(format!("{place}: recorded {recorded}, computed {computed}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sheet(path: &str, recorded: &str, computed: &str) -> Vec<String> {
        differences(path, recorded.as_bytes(), computed.as_bytes()).unwrap()
    }

    #[test]
    fn a_cell_is_named_by_file_row_and_column_with_both_figures() {
        let recorded = "line,net\r\ndining,1.00\r\nfuel,-1.00\r\n";
        let computed = "line,net\r\ndining,1.00\r\nfuel,-1.01\r\n";
        let expected = "positions.csv: row 2 (fuel), column net: recorded -1.00, computed -1.01";
        assert_eq!(sheet("positions.csv", recorded, computed), [expected]);
    }

    #[test]
    fn columns_may_be_added_and_moved_and_none_may_go() {
        let recorded = "line,net\r\ndining,1.00\r\n";
        assert_eq!(sheet("lines/dining/positions.csv", recorded, "net,new,line\r\n1.00,7,dining\r\n"), [""; 0]);
        let gone = ["positions.csv: column net is not computed any more"];
        assert_eq!(sheet("positions.csv", recorded, "line,paid\r\ndining,1.00\r\n"), gone);
    }

    #[test]
    fn a_row_more_is_a_difference_except_for_a_check() {
        let (recorded, computed) = ("a,b\r\n1,2\r\n", "a,b\r\n1,2\r\n3,4\r\n");
        assert_eq!(sheet("payments.csv", recorded, computed), ["payments.csv: recorded 1 rows, computed 2"]);
        let recorded = "check,pass\r\nfirst,yes\r\nthird,yes\r\n";
        let computed = "check,pass\r\nfirst,yes\r\nsecond,yes\r\nthird,no\r\n";
        let expected = "close-checklist.csv: row 2 (third), column pass: recorded yes, computed no";
        assert_eq!(sheet(CHECKLIST, recorded, computed), [expected]);
    }

    #[test]
    fn fields_may_be_added_and_how_a_file_is_packed_is_no_figure() {
        let recorded =
            json!({ "engine": "1", "splits": [{ "base": 7 }], "file": { "path": "a", "sha256": "1", "rows": 3 } });
        let computed = json!({ "splits": [{ "base": 7, "new": 1 }], "file": { "path": "a", "sha256": "2", "rows": 3 }, "more": 1 });
        assert_eq!(values("settlement.json", &recorded, &computed), [""; 0]);
        let other = json!({ "splits": [{ "base": 8 }], "file": { "path": "a", "sha256": "1", "rows": 3 } });
        let expected = ["settlement.json: splits: row 1: base: recorded 7, computed 8"];
        assert_eq!(values("settlement.json", &recorded, &other), expected);
    }

    #[test]
    fn a_document_has_no_figures_of_its_own() {
        assert_eq!(differences("settlement.xlsx", b"one", b"other"), None);
        assert_eq!(sheet("rulebook.toml", "one", "other"), ["rulebook.toml: differs"]);
    }
}
