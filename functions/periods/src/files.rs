//! Reads a report of a run back.

use interline_domain::calendar::Period;
use interline_lambda::problem::Problem;
use interline_lambda::{App, Failure};
use interline_ledger::Run;
use interline_reports::manifest::{Manifest, sha256};
use interline_reports::pack::key;
use interline_reports::rows::Rows;

/// A file of a run, checked against its manifest.
pub async fn rows(app: &App, period: Period, run: &Run, manifest: &Manifest, path: &str) -> Result<Rows, Problem> {
    let key = key(period, &run.id, path);
    let bytes = app.reports.get(&key).await?;
    let recorded = manifest.files.iter().find(|file| file.path == path);
    if recorded.is_none_or(|file| file.sha256 != sha256(&bytes)) {
        return Err(Failure::Corrupt(format!("object {key} is not what its manifest says")).into());
    }
    let broken = |error| Failure::Corrupt(format!("object {key}: {error}"));
    Ok(Rows::parse(&bytes).map_err(broken)?)
}
