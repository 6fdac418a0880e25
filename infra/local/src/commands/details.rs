use crate::CliError;
use crate::commands::reports::newest_run;
use crate::files::write;
use crate::output::Output;
use crate::world::World;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, SchemeId};
use interline_lambda::Failure;
use interline_reports::details::under_header;
use interline_reports::rows::Rows;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The detail rows of a month for the points of one line that another honoured, as CSV:
/// what explains a pair's amount, slice by slice.
pub async fn details(
    world: &World,
    period: Period,
    (funder, redeemer): (&SchemeId, &LineId),
    out: Option<&Path>,
    output: &Output,
) -> Result<bool, CliError> {
    let published = world.app.rulebook().await?;
    let rulebook = &published.rulebook;
    if rulebook.line(redeemer).is_none() {
        return Err(CliError::Usage(format!("the programme has no line {redeemer}")));
    }
    if rulebook.line(funder.as_line()).is_none() && rulebook.scheme(funder).is_none() {
        return Err(CliError::Usage(format!("the programme has no line or scheme {funder}")));
    }
    let (kind, finished) = newest_run(world, period).await?;
    let rows = finished.details_of(funder, redeemer).await?;
    let broken = |error: String| Failure::Corrupt(format!("the details of {period}: {error}"));
    let file = under_header(&rows).map_err(|error| broken(error.to_string()))?;
    let rows = Rows::parse(&file).map_err(|error| broken(error.to_string()))?;
    match out {
        Some(path) => {
            write(path, &file)?;
            output.line(format!("{period} {kind} run {}: {} rows in {}", finished.run.id, rows.len(), path.display()));
        }
        None if output.is_json() => {}
        None => output.write(&file),
    }
    let row = |row: usize| -> Map<String, Value> {
        rows.columns().map(|column| (column.to_owned(), json!(rows.text(row, column)))).collect()
    };
    output.document(&json!({
        "period": period, "kind": kind, "run": finished.run.id, "funder": funder, "redeemer": redeemer,
        "rows": (0..rows.len()).map(row).collect::<Vec<_>>(), "out": out.map(|out| out.display().to_string()),
    }));
    Ok(true)
}
