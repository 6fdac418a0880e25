//! A CSV report read back.

use crate::sheet::BOM;

pub struct Rows {
    headings: csv::StringRecord,
    records: Vec<csv::StringRecord>,
}

impl Rows {
    pub fn parse(bytes: &[u8]) -> Result<Self, csv::Error> {
        let mut reader = csv::Reader::from_reader(bytes.strip_prefix(BOM).unwrap_or(bytes));
        let headings = reader.headers()?.clone();
        let records = reader.records().collect::<Result<_, _>>()?;
        Ok(Self { headings, records })
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// A cell; empty where there is none.
    pub fn text(&self, row: usize, column: &str) -> &str {
        let at = self.headings.iter().position(|heading| heading == column);
        at.and_then(|at| self.records.get(row)?.get(at)).unwrap_or_default()
    }
}
