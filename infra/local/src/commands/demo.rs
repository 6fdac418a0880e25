use super::{close, import, liability};
use crate::CliError;
use crate::output::Output;
use crate::sample;
use crate::world::World;
use interline_cutoff::Close;
use interline_domain::units::calendar::Period;
use interline_reports::manifest::RunKind;
use interline_reports::pack::key;
use serde_json::json;

/// Records the sample's months and closes them in order.
pub async fn demo(world: &World, output: &Output) -> Result<bool, CliError> {
    let mut all_well = true;
    let mut documents = Vec::new();
    let mut period = world.app.rulebook().await?.rulebook.first_period;
    let mut last = period;
    for (name, bytes) in sample::FILES {
        output.line("");
        let imported = import::one(world, name, bytes, &world.data_dir, output).await?;
        let asked = Close { by: world.app.person().map(str::to_owned), ..Close::new(period, RunKind::Final) };
        let done = close::run(world, asked, output).await?;
        close::print(world, &done, RunKind::Final, output);
        all_well &= done.checks_passed && imported.refused.is_none() && imported.fault.is_none();
        documents.push(json!({ "import": imported, "close": close::document(world, &done, RunKind::Final) }));
        last = period;
        period = period.next();
    }
    output.line("");
    liability::liability(world, last, &output.text_only()).await?;
    output.line("");
    if let Some(folder) = &world.folder {
        let run = app_run(world, last).await?;
        let statement = folder.join(world.app.reports.name()).join(key(last, &run, "statement.html"));
        output.line(format!("Statement to read and forward: {}", statement.display()));
    }
    output.line("Next: cargo interline verify 2017-01, cargo interline member hh0014 --on 2017-02-28,");
    output.line("      cargo interline reports 2017-02 --out reports");
    output.document(&json!({ "months": documents }));
    Ok(all_well)
}

async fn app_run(world: &World, period: Period) -> Result<String, CliError> {
    Ok(world.app.ledger.period(period).await?.into_final_run().map(|run| run.id).unwrap_or_default())
}
