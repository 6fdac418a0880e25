//! The last step of a close: merges the tallies, settles, writes the proof pack
//! and marks the period.

use futures::stream::{self, StreamExt, TryStreamExt};
use interline_domain::calendar::Period;
use interline_domain::limits::SHARDS;
use interline_domain::money::Money;
use interline_domain::netting::Payment;
use interline_domain::settle::{Inputs, Position, Previous, Settlement, ShardDigest, State, settle};
use interline_domain::tally::Tally;
use interline_lambda::finished::FinishedRun;
use interline_lambda::{App, Class, Failure};
use interline_ledger::{LedgerError, Run};
use interline_reports::manifest::{FileEntry, Manifest, PreviousRun, RunKind, RunName, SCHEMA, sha256};
use interline_reports::pack::{MANIFEST, PackFile, STATE, TallyFile, key, render, tally_path};
use serde::{Deserialize, Serialize};

/// Objects read or written at once.
const OBJECTS_AT_ONCE: usize = 16;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    pub period: Period,
    pub kind: RunKind,
    pub run: String,
    pub rulebook: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub period: Period,
    pub run: String,
    /// SHA-256 of the manifest.
    pub manifest: String,
    pub entries: u64,
    pub checks_passed: bool,
    pub gross: Money,
    pub settled: Money,
    pub positions: Vec<Position>,
    pub payments: Vec<Payment>,
}

pub async fn handle(app: &App, task: Task) -> Result<Done, Failure> {
    let read = |shard: u8| {
        let key = key(task.period, &task.run, &tally_path(shard));
        async move {
            let bytes = app.reports.get(&key).await?;
            let file: TallyFile = serde_json::from_slice(&bytes)
                .map_err(|error| Failure::Corrupt(format!("object {key} is no tally: {error}")))?;
            if file.shard != shard {
                return Err(Failure::Corrupt(format!("object {key} is the tally of shard {}", file.shard)));
            }
            Ok::<_, Failure>((file, PackFile::new(tally_path(shard), bytes, None).entry))
        }
    };
    let tallies: Vec<(TallyFile, FileEntry)> =
        stream::iter(0..SHARDS).map(read).buffered(OBJECTS_AT_ONCE).try_collect().await?;
    let pack = settle_pack(app, &task, tallies).await;
    let fails = match &pack {
        Ok(pack) => !pack.settlement.passes(),
        Err(failure) => failure.class() == Class::ChecksFailed,
    };
    if fails {
        app.count("ChecklistFailed", 1);
    }
    let pack = pack?;
    if task.kind == RunKind::Final && !pack.settlement.passes() {
        let failed = pack.settlement.checklist.iter().filter(|check| !check.pass);
        let failed: Vec<String> = failed
            .map(|check| format!("{}: expected {}, found {}", check.check, check.expected, check.actual))
            .collect();
        return Err(Failure::ChecksFailed(failed.join("; ")));
    }
    stream::iter(pack.files)
        .map(|file| {
            let key = key(task.period, &task.run, &file.entry.path);
            async move { app.reports.put_once(&key, file.bytes).await }
        })
        .buffer_unordered(OBJECTS_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    // The manifest after everything it names, the period after the manifest.
    let bytes = pack.manifest.json()?;
    let manifest = sha256(&bytes);
    app.reports.put_once(&key(task.period, &task.run, MANIFEST), bytes).await?;
    let run = Run {
        id: task.run.clone(),
        rulebook: task.rulebook.clone(),
        manifest: manifest.clone(),
        finished_at: app.now(),
    };
    match task.kind {
        RunKind::Trial => app.ledger.finish_trial(task.period, run).await?,
        RunKind::Final => app.ledger.finish_final(task.period, run).await?,
    }
    Ok(Done {
        period: task.period,
        run: task.run,
        manifest,
        entries: pack.manifest.entries,
        checks_passed: pack.manifest.checks_passed,
        gross: pack.settlement.gross,
        settled: pack.settlement.settled,
        positions: pack.settlement.positions,
        payments: pack.settlement.payments,
    })
}

/// A run computed in full, before anything of it is written.
#[derive(Debug)]
pub struct Pack {
    pub settlement: Settlement,
    /// What settling adds; tallies and details are written already.
    pub files: Vec<PackFile>,
    pub manifest: Manifest,
}

/// Settles tallies that lie in the order of their shards.
pub async fn settle_pack(app: &App, task: &Task, tallies: Vec<(TallyFile, FileEntry)>) -> Result<Pack, Failure> {
    let published = app.rulebook_by_hash(&task.rulebook).await?;
    let rulebook = &published.rulebook;
    let mut tally = Tally::default();
    let mut shards = Vec::new();
    let mut found = Vec::new();
    let mut entries = Vec::new();
    for (file, entry) in tallies {
        if file.rulebook != task.rulebook {
            let text = format!("the tally of shard {} was made with rulebook {}", file.shard, file.rulebook);
            return Err(Failure::Corrupt(text));
        }
        shards.push(ShardDigest { shard: file.shard, entries: file.tally.entries, digest: file.tally.digest });
        found.extend(file.previous);
        entries.push(entry);
        entries.push(file.details);
        tally.merge(&file.tally)?;
    }
    let previous = previous(app, rulebook.first_period, task.period).await?;
    let sealed = match task.kind {
        RunKind::Trial => None,
        RunKind::Final => Some(sealed(app, task.period).await?),
    };
    let settlement = settle(&Inputs {
        rulebook,
        period: task.period,
        tally: &tally,
        shards: &shards,
        sealed,
        previous: previous.as_ref().map(|previous| Previous {
            state: &previous.state,
            recorded: &previous.manifest.shards,
            found: &found,
        }),
    });
    // What slipped into a sealed month may not even add up: then it is the cause.
    let settlement = settlement.map_err(|error| {
        let recorded = previous.iter().flat_map(|previous| &previous.manifest.shards);
        let changed: Vec<_> = recorded.filter(|shard| !found.contains(shard)).map(|shard| shard.shard).collect();
        match changed.is_empty() {
            true => Failure::Settle(error),
            false => Failure::ChecksFailed(format!(
                "shards {changed:?} of {} changed after it was closed; {error}",
                task.period.previous()
            )),
        }
    })?;
    let run = RunName { kind: task.kind, id: task.run.clone() };
    let changes = app.changes_of(&task.rulebook, task.period).await?;
    let files = render(&run, rulebook, &published.text, &changes, &settlement)
        .map_err(|error| Failure::Corrupt(format!("the reports were not rendered: {error}")))?;
    entries.extend(files.iter().map(|file| file.entry.clone()));
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        programme: rulebook.name.clone(),
        currency: rulebook.currency.clone(),
        period: task.period,
        run,
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        rulebook: task.rulebook.clone(),
        previous: previous.map(|previous| PreviousRun {
            period: task.period.previous(),
            run: previous.run.id,
            manifest: previous.run.manifest,
        }),
        entries: tally.entries,
        shards,
        gross: settlement.gross.to_string(),
        settled: settlement.settled.to_string(),
        netting_efficiency_percent: settlement.netting_efficiency().to_string(),
        checks_passed: settlement.passes(),
        files: entries,
    };
    Ok(Pack { settlement, files, manifest })
}

async fn sealed(app: &App, period: Period) -> Result<usize, Failure> {
    let sealed: Vec<bool> = stream::iter(0..SHARDS)
        .map(|shard| app.ledger.is_sealed(period, shard))
        .buffered(OBJECTS_AT_ONCE)
        .try_collect()
        .await?;
    Ok(sealed.into_iter().filter(|sealed| *sealed).count())
}

struct PreviousFinal {
    run: Run,
    manifest: Manifest,
    state: State,
}

/// The final run before, followed through its hashes.
async fn previous(app: &App, first: Period, period: Period) -> Result<Option<PreviousFinal>, Failure> {
    if period <= first {
        return Ok(None);
    }
    let predecessor = period.previous();
    let Some(run) = app.ledger.period(predecessor).await?.final_run else {
        return Err(LedgerError::PredecessorOpen { period, predecessor }.into());
    };
    let finished = FinishedRun::read(app, predecessor, &run).await?;
    let state = finished.json(STATE).await?;
    Ok(Some(PreviousFinal { run, manifest: finished.manifest, state }))
}
