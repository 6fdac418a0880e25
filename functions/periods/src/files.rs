//! Reads a report of a run back.

use interline_domain::calendar::Period;
use interline_lambda::problem::Problem;
use interline_lambda::{App, Failure};
use interline_ledger::Run;
use interline_reports::manifest::{Manifest, sha256};
use interline_reports::pack::key;
use interline_reports::sheet::BOM;

/// A CSV file with its headings.
pub struct Rows {
    headings: csv::StringRecord,
    records: Vec<csv::StringRecord>,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// A cell; empty where there is none.
    pub fn text(&self, row: usize, column: &str) -> &str {
        let at = self.headings.iter().position(|heading| heading == column);
        at.and_then(|at| self.records.get(row)?.get(at)).unwrap_or_default()
    }
}

/// A file of a run, checked against its manifest.
pub async fn rows(app: &App, period: Period, run: &Run, manifest: &Manifest, path: &str) -> Result<Rows, Problem> {
    let key = key(period, &run.id, path);
    let bytes = app.reports.get(&key).await?;
    let recorded = manifest.files.iter().find(|file| file.path == path);
    if recorded.is_none_or(|file| file.sha256 != sha256(&bytes)) {
        return Err(Failure::Corrupt(format!("object {key} is not what its manifest says")).into());
    }
    let text = bytes.strip_prefix(BOM).unwrap_or(&bytes);
    let broken = |error: csv::Error| Failure::Corrupt(format!("object {key}: {error}"));
    let mut reader = csv::Reader::from_reader(text);
    let headings = reader.headers().map_err(broken)?.clone();
    let records = reader.records().collect::<Result<_, _>>().map_err(broken)?;
    Ok(Rows { headings, records })
}
