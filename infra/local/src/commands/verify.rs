use crate::CliError;
use crate::output::Output;
use crate::world::World;
use interline_domain::calendar::Period;
use interline_domain::limits::SHARDS;
use interline_lambda::Failure;
use interline_lambda::finished::FinishedRun;
use interline_reports::bucket::StoreError;
use interline_reports::manifest::RunKind;
use interline_reports::pack::{MANIFEST, PackFile, key, tally_path};
use interline_settle::{Task, settle_pack};
use serde_json::json;
use std::collections::BTreeMap;

/// Recomputes a final run from the ledger, the rulebook and the run before, and
/// compares every file with the one that lies in S3.
pub async fn verify(world: &World, period: Period, output: &Output) -> Result<bool, CliError> {
    let app = &world.app;
    let run = app.ledger.period(period).await?.final_run;
    let run = run.ok_or_else(|| CliError::Usage(format!("period {period} has no final run to verify")))?;
    let published = app.rulebook_by_hash(&run.rulebook).await?;
    let bar = output.progress(&format!("verify {period}"), u64::from(SHARDS));
    let mut computed: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut tallies = Vec::new();
    for shard in 0..SHARDS {
        let (file, details) = interline_tally::tally(&app.ledger, &published.rulebook, period, shard).await?;
        let tally = PackFile::new(tally_path(shard), file.json().map_err(Failure::from)?, None);
        tallies.push((file, tally.entry.clone()));
        computed.extend([tally, details].map(|file| (file.entry.path, file.bytes)));
        bar.inc(1);
    }
    let task = Task { period, kind: RunKind::Final, run: run.id.clone(), rulebook: run.rulebook.clone() };
    let pack = settle_pack(app, &task, tallies).await?;
    computed.extend(pack.files.into_iter().map(|file| (file.entry.path, file.bytes)));
    computed.insert(MANIFEST.to_owned(), pack.manifest.json().map_err(Failure::from)?);
    bar.finish_and_clear();

    let recorded = FinishedRun::read(app, period, &run).await?.manifest;
    let mut differences = Vec::new();
    for (path, bytes) in &computed {
        match app.reports.get(&key(period, &run.id, path)).await {
            Ok(stored) if stored == *bytes => {}
            Ok(_) | Err(StoreError::Damaged(_)) => differences.push(format!("{path}: differs")),
            Err(StoreError::Missing(_)) => differences.push(format!("{path}: missing")),
            Err(error) => return Err(error.into()),
        }
    }
    let unknown = recorded.files.iter().filter(|file| !computed.contains_key(&file.path));
    differences.extend(unknown.map(|file| format!("{}: was not computed again", file.path)));
    for difference in &differences {
        output.line(difference);
    }
    let verdict = if differences.is_empty() { "identical" } else { "NOT IDENTICAL" };
    output.line(format!(
        "{period} run {}: {} files recomputed from {} entries, {verdict}",
        run.id,
        computed.len(),
        recorded.entries
    ));
    output.document(&json!({
        "period": period, "run": run.id, "files": computed.len(), "entries": recorded.entries,
        "identical": differences.is_empty(), "differences": differences,
    }));
    Ok(differences.is_empty())
}
