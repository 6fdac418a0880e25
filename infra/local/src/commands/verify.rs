use crate::CliError;
use crate::output::Output;
use crate::world::World;
use interline_domain::calendar::Period;
use interline_domain::limits::SHARDS;
use interline_domain::pseudonym::Pseudonyms;
use interline_lambda::finished::FinishedRun;
use interline_lambda::{App, Failure};
use interline_ledger::Run;
use interline_reports::bucket::StoreError;
use interline_reports::details::with_members_of;
use interline_reports::manifest::{FileEntry, RunKind};
use interline_reports::pack::{MANIFEST, PackFile, TallyFile, key, tally_path};
use interline_reports::sheet::Totals;
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
    let (pseudonyms, unnamed) = match app.pseudonyms_of_before(&published.rulebook).await {
        Ok(pseudonyms) => (pseudonyms, None),
        Err(failure @ Failure::Key { .. }) => (Pseudonyms::unknown(), Some(failure.to_string())),
        Err(failure) => return Err(failure.into()),
    };
    let bar = output.progress(&format!("verify {period}"), u64::from(SHARDS));
    let mut computed: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut tallies = Vec::new();
    for shard in 0..SHARDS {
        let (mut file, mut details) =
            interline_tally::tally(&app.ledger, &published.rulebook, &pseudonyms, period, shard).await?;
        if unnamed.is_some() {
            take_names(app, &run, period, &mut file, &mut details).await?;
        }
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
    if let Some(reason) = &unnamed {
        output.line(format!("the pseudonyms in details/ are taken as they stand: {reason}"));
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
        "identical": differences.is_empty(), "differences": differences, "pseudonyms_not_compared": unnamed,
    }));
    Ok(differences.is_empty())
}

/// Without the key a detail part is compared but for its pseudonyms: those that
/// are stored are put in place of the computed ones. The tally holds its digest.
async fn take_names(
    app: &App,
    run: &Run,
    period: Period,
    file: &mut TallyFile,
    details: &mut PackFile,
) -> Result<(), CliError> {
    let stored = match app.reports.get(&key(period, &run.id, &details.entry.path)).await {
        Ok(stored) => stored,
        Err(StoreError::Missing(_) | StoreError::Damaged(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if let Some(bytes) = with_members_of(&stored, &details.bytes) {
        let FileEntry { path, rows, totals, .. } = details.entry.clone();
        *details = PackFile::new(path, bytes, rows.map(|rows| Totals { rows, sums: totals }));
        file.details = details.entry.clone();
    }
    Ok(())
}
