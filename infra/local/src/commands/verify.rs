use crate::CliError;
use crate::output::Output;
use crate::signing::PublicKey;
use crate::verification::{Verification, verification};
use crate::world::World;
use interline_domain::CALCULATION_EDITION;
use interline_domain::units::calendar::Period;
use interline_domain::units::limits::SHARDS;
use serde_json::json;
use std::path::Path;

/// Computes a final run again from the ledger, the rulebook and the run before,
/// and compares it with what lies in S3.
pub async fn verify(
    world: &World,
    period: Period,
    public_key: Option<&Path>,
    output: &Output,
) -> Result<bool, CliError> {
    let public_key = public_key.map(PublicKey::read).transpose()?;
    let run = world.app.ledger.period(period).await?.into_final_run();
    let run = run.ok_or_else(|| CliError::Usage(format!("period {period} has no final run to verify")))?;
    let bar = output.progress(&format!("verify {period}"), u64::from(SHARDS));
    let found = verification(&world.app, period, &run, public_key.as_ref(), &|_| bar.inc(1)).await;
    bar.finish_and_clear();
    let found = found?;
    print(period, &found, output);
    output.document(&json!({
        "period": period, "run": found.run, "files": found.files, "entries": found.entries,
        "verdict": found.verdict(), "identical": found.recomputed.then_some(found.is_good()),
        "differences": found.differences, "signature_right": found.signature,
        "engine": found.engine, "edition": found.edition,
        "this_engine": found.this_engine, "this_edition": CALCULATION_EDITION,
        "rendered": found.rendered, "rendered_otherwise": found.rendered_otherwise,
        "pseudonyms_not_compared": found.pseudonyms_not_compared,
    }));
    Ok(found.is_good())
}

fn print(period: Period, found: &Verification, output: &Output) {
    for difference in &found.differences {
        output.line(difference);
    }
    let Verification { run, engine, this_engine, files, entries, .. } = found;
    for path in &found.rendered_otherwise {
        output.line(format!("{path}: rendered by {engine}, otherwise than by {this_engine}; its hash is right"));
    }
    if let Some(reason) = &found.pseudonyms_not_compared {
        output.line(format!("the pseudonyms in details/ are taken as they stand: {reason}"));
    }
    if found.signature == Some(true) {
        output.line("the signature of the manifest is right");
    }
    let verdict = found.verdict();
    match found.recomputed {
        true => output.line(format!("{period} run {run}: {files} files recomputed from {entries} entries, {verdict}")),
        false => output.line(format!("{period} run {run}: {files} files, {entries} entries, {verdict}")),
    }
}
