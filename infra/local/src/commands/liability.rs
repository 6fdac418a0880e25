use crate::CliError;
use crate::commands::reports::newest_run;
use crate::output::Output;
use crate::world::World;
use interline_domain::actuarial::liability::RollForward;
use interline_domain::units::calendar::Period;
use interline_domain::units::money::Money;
use interline_lambda::Failure;
use interline_lambda::finished::FinishedRun;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const COLUMNS: [&str; 11] = [
    "opening",
    "added",
    "own_line_revenue",
    "to_payable",
    "agent_revenue",
    "breakage",
    "re_estimate",
    "remeasured",
    "expired",
    "reversed",
    "closing",
];

/// In the order of [`COLUMNS`].
fn columns(row: &RollForward) -> [Money; 11] {
    [
        row.opening,
        row.added,
        row.own_line_revenue,
        row.to_payable,
        row.agent_revenue,
        row.breakage,
        row.re_estimate,
        row.remeasured,
        row.expired,
        row.reversed,
        row.closing,
    ]
}

/// Prints the contract liability of a month's newest run, by funder and in total.
pub async fn liability(world: &World, period: Period, output: &Output) -> Result<bool, CliError> {
    let (kind, finished) = newest_run(world, period).await?;
    let settlement = finished.settlement().await?;
    let FinishedRun { run, manifest, .. } = &finished;
    let funders = settlement.liability_by_funder().map_err(Failure::from)?;
    let funders: BTreeMap<String, [Money; 11]> =
        funders.iter().map(|(funder, row)| (funder.to_string(), columns(row))).collect();
    let total = columns(&settlement.liability_total().map_err(Failure::from)?);
    let shown = |amount: Money| manifest.currency.show(amount).to_string();
    let row = |name: &str, sums: &[Money; 11]| -> Vec<String> {
        std::iter::once(name.to_owned()).chain(sums.iter().map(|sum| shown(*sum))).collect()
    };
    let mut rows: Vec<Vec<String>> = funders.iter().map(|(funder, sums)| row(funder, sums)).collect();
    rows.push(row("total", &total));
    output.line(format!("{period} {kind} run {}: contract liability in {}", run.id, manifest.currency));
    output.table(
        &[
            "funder",
            ">opening",
            ">added",
            ">own line",
            ">payable",
            ">agent",
            ">breakage",
            ">re-estimate",
            ">remeasured",
            ">expired",
            ">reversed",
            ">closing",
        ],
        &rows,
    );
    let object = |sums: &[Money; 11]| -> Value {
        COLUMNS.iter().zip(sums).map(|(column, sum)| ((*column).to_owned(), json!(shown(*sum)))).collect()
    };
    let funders: Value = funders.iter().map(|(funder, sums)| (funder.clone(), object(sums))).collect();
    output.document(&json!({
        "period": period, "kind": kind, "run": run.id, "currency": manifest.currency, "funders": funders,
        "total": object(&total),
    }));
    Ok(true)
}
