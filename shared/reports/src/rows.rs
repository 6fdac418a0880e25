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

    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.headings.iter()
    }

    /// A cell by the place of its column; empty where there is none.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        self.records.get(row).and_then(|record| record.get(column)).unwrap_or_default()
    }

    /// A cell; empty where there is none.
    pub fn text(&self, row: usize, column: &str) -> &str {
        let at = self.headings.iter().position(|heading| heading == column);
        at.and_then(|at| self.records.get(row)?.get(at)).unwrap_or_default()
    }
}
