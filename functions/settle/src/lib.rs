//! The last step of a close: merges the tallies, settles, writes the proof pack
//! and marks the period.

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use interline_domain::CALCULATION_EDITION;
use interline_domain::close::digest::ShardDigest;
use interline_domain::close::digest::older_month;
use interline_domain::close::judgement::Judgement;
use interline_domain::close::netting::Payment;
use interline_domain::close::period::{Run, predecessor};
use interline_domain::close::settle::{MembersClaims, settle};
use interline_domain::close::settlement::{Inputs, Position, Previous, Reread, Settlement, State};
use interline_domain::close::tally::Tally;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::currency::Currency;
use interline_domain::units::id::LineId;
use interline_domain::units::money::Money;
use interline_domain::units::shard::{Shard, Shards};
use interline_lambda::finished::FinishedRun;
use interline_lambda::{App, Class, Failure, Published};
use interline_reports::accounts::{
    Differing, ProofFile, account_differences, differences_key, proof_key, snapshot_key,
};
use interline_reports::document::Comparison;
use interline_reports::manifest::{FileEntry, Manifest, PreviousRun, Provenance, RunKind, RunName, SCHEMA, sha256};
use interline_reports::pack::{MANIFEST, PROVENANCE, PackFile, TallyFile, key, render, tally_path};
use interline_reports::reports;
use interline_reports::sentences::Sentence;
use serde::{Deserialize, Serialize};

/// Objects read or written at once.
const OBJECTS_AT_ONCE: usize = 16;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    pub period: Period,
    pub kind: RunKind,
    pub run: String,
    pub rulebook: String,
    /// What a person says of it.
    #[serde(default)]
    pub judgement: Judgement,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub period: Period,
    pub run: String,
    /// SHA-256 of the manifest.
    pub manifest: String,
    pub entries: u64,
    pub checks_passed: bool,
    pub currency: Currency,
    pub gross: Money,
    pub settled: Money,
    pub positions: Vec<Position>,
    pub payments: Vec<Payment>,
    /// Why each line's liability moved.
    #[serde(default)]
    pub sentences: Vec<Sentence>,
}

pub async fn handle(app: &App, task: Task) -> Result<Done, Failure> {
    let closed = app.ledger.period(task.period).await?.into_final_run();
    if let Some(run) = closed.filter(|run| task.kind == RunKind::Final && run.id == task.run) {
        // A note that it is under way may have come back with a repeated step.
        app.ledger.finish_final(task.period, run.clone()).await?;
        return recorded(app, task.period, &run).await;
    }
    app.check_own(&task.run, &task.rulebook)?;
    let shards = app.rulebook_by_hash(&task.rulebook).await?.rulebook.shards(task.period);
    let (tallies, proofs) = futures::try_join!(tallies(app, &task, shards), proofs(app, &task, shards))?;
    let pack = settle_pack(app, &task, tallies, proofs).await;
    let fails = match &pack {
        Ok(pack) => !pack.settlement.passes(),
        Err(failure) => failure.class() == Class::ChecksFailed,
    };
    if fails {
        app.count("ChecklistFailed", 1);
    }
    let pack = pack?;
    if !pack.silent.is_empty() {
        let lines: Vec<&str> = pack.silent.iter().map(LineId::as_str).collect();
        tracing::warn!(period = %task.period, lines = lines.join(","), "lines without events");
        app.count("SilentLines", pack.silent.len() as u64);
    }
    if !pack.differing.is_empty() {
        let key = differences_key(task.period, &task.run);
        app.reports.put(&key, serde_json::to_vec_pretty(&pack.differing)?).await?;
    }
    for check in pack.settlement.checklist.iter().filter(|check| check.warns()) {
        tracing::warn!(period = %task.period, check = %check.check, expected = check.expected, found = check.actual);
    }
    if task.kind == RunKind::Final && !pack.settlement.passes() {
        let failed = pack.settlement.checklist.iter().filter(|check| check.fails());
        let mut failed: Vec<String> = failed
            .map(|check| format!("{}: expected {}, found {}", check.check, check.expected, check.actual))
            .collect();
        if !pack.differing.is_empty() {
            let key = differences_key(task.period, &task.run);
            failed.push(format!("interline accounts check names these members; those of this run stand in {key}"));
        }
        return Err(Failure::ChecksFailed(failed.join("; ")));
    }
    write(app, task, pack).await
}

/// The tallies of all shards in their order.
async fn tallies(app: &App, task: &Task, shards: Shards) -> Result<Vec<(TallyFile, FileEntry)>, Failure> {
    let read = |shard: Shard| {
        let key = key(task.period, &task.run, &tally_path(shard));
        async move {
            let bytes = app.reports.get(&key).await?;
            let file: TallyFile = serde_json::from_slice(&bytes)
                .map_err(|error| Failure::Corrupt(format!("object {key} is no tally: {error}")))?;
            if file.shard != shard.number() {
                return Err(Failure::Corrupt(format!("object {key} is the tally of shard {}", file.shard)));
            }
            Ok::<_, Failure>((file, PackFile::new(tally_path(shard), bytes, None).entry))
        }
    };
    stream::iter(shards.all()).map(read).buffered(OBJECTS_AT_ONCE).try_collect().await
}

/// What was proven of the accounts of all shards, in their order.
async fn proofs(app: &App, task: &Task, shards: Shards) -> Result<Vec<ProofFile>, Failure> {
    let read = |shard: Shard| {
        let key = proof_key(task.period, &task.run, shard);
        async move {
            let bytes = app.reports.get(&key).await?;
            let file: ProofFile = serde_json::from_slice(&bytes)
                .map_err(|error| Failure::Corrupt(format!("object {key} is no proof of accounts: {error}")))?;
            match file.snapshot.shard == shard.number() {
                true => Ok::<_, Failure>(file),
                false => Err(Failure::Corrupt(format!("object {key} is that of shard {}", file.snapshot.shard))),
            }
        }
    };
    stream::iter(shards.all()).map(read).buffered(OBJECTS_AT_ONCE).try_collect().await
}

/// Who holds what by the proofs of all shards.
fn members_claims(
    proofs: &[ProofFile],
    engine: &str,
    task: &Task,
    shards: &[ShardDigest],
) -> Result<MembersClaims, Failure> {
    let tallied = |proof: &ProofFile| {
        shards.iter().any(|shard| shard.shard == proof.snapshot.shard && shard.entries == proof.entries)
    };
    let mut claims = MembersClaims { as_tallied: proofs.iter().all(tallied), ..MembersClaims::default() };
    for proof in proofs {
        if proof.engine != engine {
            return Err(Failure::OtherVersion(task.run.clone()));
        }
        if proof.rulebook != task.rulebook {
            let (shard, rulebook) = (proof.snapshot.shard, &proof.rulebook);
            return Err(Failure::Corrupt(format!(
                "the accounts of shard {shard} were proven with rulebook {rulebook}"
            )));
        }
        claims.add(proof.entries, &proof.lots, (&proof.debts, &proof.indebted), proof.differing.len())?;
    }
    Ok(claims)
}

async fn write(app: &App, task: Task, pack: Pack) -> Result<Done, Failure> {
    let said = pack.files.iter().find(|file| file.entry.path == sentences_file());
    let sentences = said.map(|file| Sentence::read(&file.bytes)).unwrap_or_default();
    stream::iter(pack.files)
        .map(|file| {
            let key = key(task.period, &task.run, &file.entry.path);
            async move { app.reports.put_once(&key, file.bytes).await }
        })
        .buffer_unordered(OBJECTS_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let program = app.program();
    let provenance = Provenance::of(&pack.manifest, program.clone()).json()?;
    app.reports.put_new(&key(task.period, &task.run, PROVENANCE), provenance).await?;
    // The manifest after everything it names, the period after the manifest.
    let bytes = pack.manifest.json()?;
    let manifest = sha256(&bytes);
    app.reports.put_once(&key(task.period, &task.run, MANIFEST), bytes).await?;
    if let (RunKind::Final, Some(until)) = (task.kind, app.locked_until()) {
        lock(app, &task, &pack.manifest, until).await?;
    }
    let run = Run {
        id: task.run.clone(),
        rulebook: task.rulebook.clone(),
        manifest: manifest.clone(),
        finished_at: app.now(),
        by: None,
        engine: Some(pack.manifest.engine),
        edition: Some(pack.manifest.edition),
        program,
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
        currency: pack.manifest.currency,
        gross: pack.settlement.gross,
        settled: pack.settlement.settled,
        positions: pack.settlement.positions,
        payments: pack.settlement.payments,
        sentences,
    })
}

fn sentences_file() -> String {
    reports::sentences::REPORT.file()
}

/// Keeps what a final run rests on and what it says from everybody, before it is the
/// final one. Trials stay free to expire.
async fn lock(app: &App, task: &Task, manifest: &Manifest, until: DateTime<Utc>) -> Result<(), Failure> {
    let own = manifest.files.iter().map(|file| file.path.as_str()).chain([PROVENANCE, MANIFEST]);
    let mut keys: Vec<String> = own.map(|path| key(task.period, &task.run, path)).collect();
    let shards = manifest.shards_of_period().into_iter().flat_map(Shards::all);
    keys.extend(shards.map(|shard| snapshot_key(task.period, &task.run, shard)));
    stream::iter(keys)
        .map(|key| async move { app.reports.lock(&key, until).await })
        .buffer_unordered(OBJECTS_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

/// What a final run came to, read back from its files.
async fn recorded(app: &App, period: Period, run: &Run) -> Result<Done, Failure> {
    let finished = FinishedRun::read(app, period, run).await?;
    let Settlement { positions, payments, gross, settled, .. } = finished.settlement().await?;
    let manifest = &finished.manifest;
    let has_sentences = manifest.files.iter().any(|file| file.path == sentences_file());
    let sentences = match has_sentences {
        true => Sentence::read(&finished.file(&sentences_file()).await?),
        false => Vec::new(),
    };
    Ok(Done {
        period,
        run: run.id.clone(),
        manifest: run.manifest.clone(),
        entries: manifest.entries,
        checks_passed: manifest.checks_passed,
        currency: manifest.currency,
        gross,
        settled,
        positions,
        payments,
        sentences,
    })
}

/// A run computed in full, before anything of it is written.
#[derive(Debug)]
pub struct Pack {
    pub settlement: Settlement,
    /// What settling adds; tallies and details are written already.
    pub files: Vec<PackFile>,
    pub manifest: Manifest,
    /// Whose account is not what his entries give.
    pub differing: Vec<Differing>,
    /// Lines without an event, which may have sent theirs nowhere.
    pub silent: Vec<LineId>,
}

/// Settles tallies that lie in the order of their shards, as do the proofs of accounts.
pub async fn settle_pack(
    app: &App,
    task: &Task,
    tallies: Vec<(TallyFile, FileEntry)>,
    proofs: Vec<ProofFile>,
) -> Result<Pack, Failure> {
    let published = app.rulebook_by_hash(&task.rulebook).await?;
    let rulebook = &published.rulebook;
    let Merged { tally, shards, found, found_older, mut entries } = merged(app, task, tallies)?;
    let previous = previous(app, rulebook.first_period, task.period).await?;
    let older = older(app, rulebook.first_period, task.period).await?;
    let sealed = sealed(app, task, rulebook.shards(task.period)).await?;
    let previous_shards = previous.as_ref().map(|previous| Previous {
        state: &previous.state,
        recorded: &previous.manifest.shards,
        found: &found,
        older: older.as_ref().map(|(period, recorded)| Reread { period: *period, recorded, found: &found_older }),
    });
    let changed = changed(task.period, previous_shards.as_ref());
    let settlement = settle(&Inputs {
        rulebook,
        period: task.period,
        tally: &tally,
        shards: &shards,
        sealed,
        previous: previous_shards,
    });
    // What slipped into a sealed month may not even add up: then it is the cause.
    let mut settlement = settlement.map_err(|error| match &changed {
        None => Failure::Settle(error),
        Some(changed) => Failure::ChecksFailed(format!("{changed}; {error}")),
    })?;
    let claims = members_claims(&proofs, app.engine(), task, &shards)?;
    settlement.prove_claims(&claims, tally.entries, task.kind == RunKind::Final)?;
    settlement.judge(&task.judgement);
    let accounts = proofs.iter().map(|proof| proof.snapshot.clone()).collect();
    let differing: Vec<Differing> = proofs.into_iter().flat_map(|proof| proof.differing).collect();
    let run = RunName { kind: task.kind, id: task.run.clone() };
    let beside = previous.as_ref().map(|previous| previous.comparison.clone());
    let mut files = rendered(app, &published, &run, &settlement, beside).await?;
    files.extend(account_differences(rulebook.currency, &differing));
    entries.extend(files.iter().map(|file| file.entry.clone()));
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        programme: rulebook.name.clone(),
        currency: rulebook.currency,
        period: task.period,
        run,
        engine: app.engine().to_owned(),
        edition: CALCULATION_EDITION,
        rulebook: task.rulebook.clone(),
        previous: previous.map(|previous| PreviousRun {
            period: task.period.previous(),
            run: previous.run.id,
            manifest: previous.run.manifest,
        }),
        entries: tally.entries,
        shards,
        accounts,
        gross: rulebook.currency.show(settlement.gross).to_string(),
        settled: rulebook.currency.show(settlement.settled).to_string(),
        netting_efficiency_percent: settlement.netting_efficiency().to_string(),
        checks_passed: settlement.passes(),
        files: entries,
    };
    let silent = silent(rulebook, task.period, &tally);
    Ok(Pack { settlement, files, manifest, differing, silent })
}

/// `beside`: what stands beside the final run of the month before.
async fn rendered(
    app: &App,
    published: &Published,
    run: &RunName,
    settlement: &Settlement,
    beside: Option<Comparison>,
) -> Result<Vec<PackFile>, Failure> {
    let (rulebook, period) = (&published.rulebook, settlement.state.period);
    let changes = app.changes_of(&rulebook.hash, period).await?;
    let year_before = year_before(app, rulebook.first_period, period).await?;
    let comparison = Comparison::of(rulebook, run, settlement, beside, year_before)?;
    render(run, rulebook, &published.text, &changes, settlement, &comparison)
        .map_err(|error| Failure::Corrupt(format!("the reports were not rendered: {error}")))
}

/// The shards together.
#[derive(Default)]
struct Merged {
    tally: Tally,
    shards: Vec<ShardDigest>,
    /// Of the month before, and of an older one, as they are read now.
    found: Vec<ShardDigest>,
    found_older: Vec<ShardDigest>,
    entries: Vec<FileEntry>,
}

fn merged(app: &App, task: &Task, tallies: Vec<(TallyFile, FileEntry)>) -> Result<Merged, Failure> {
    let mut merged = Merged::default();
    for (file, entry) in tallies {
        if file.engine != app.engine() {
            return Err(Failure::OtherVersion(task.run.clone()));
        }
        if file.rulebook != task.rulebook {
            let text = format!("the tally of shard {} was made with rulebook {}", file.shard, file.rulebook);
            return Err(Failure::Corrupt(text));
        }
        merged.shards.push(ShardDigest { shard: file.shard, entries: file.tally.entries, digest: file.digest });
        merged.found.extend(file.previous);
        merged.found_older.extend(file.older);
        merged.entries.push(entry);
        merged.entries.extend(file.files);
        merged.tally.merge(&file.tally)?;
    }
    Ok(merged)
}

/// Lines that sent nothing.
fn silent(rulebook: &Rulebook, period: Period, tally: &Tally) -> Vec<LineId> {
    let has_events = |line: &LineId| tally.controls.keys().any(|(of, _)| of == line);
    let lines = rulebook.lines_of(period).map(|line| &line.id);
    lines.filter(|line| **line != rulebook.platform && !has_events(line)).cloned().collect()
}

/// Which shards of closed months are not what was closed.
fn changed(period: Period, previous: Option<&Previous<'_>>) -> Option<String> {
    let months = previous?.reread(period).filter_map(|month| {
        let shards = month.changed();
        (!shards.is_empty()).then(|| format!("shards {shards:?} of {} changed after it was closed", month.period))
    });
    let months: Vec<String> = months.collect();
    (!months.is_empty()).then(|| months.join("; "))
}

/// The shards of the older month whose turn it is, as its final run recorded them.
async fn older(app: &App, first: Period, period: Period) -> Result<Option<(Period, Vec<ShardDigest>)>, Failure> {
    let Some(older) = older_month(period, first) else { return Ok(None) };
    let run = app.ledger.period(older).await?.closed_before(period)?;
    let manifest = FinishedRun::read(app, older, &run).await?.manifest;
    Ok(Some((older, manifest.shards)))
}

/// How many shards are sealed; a trial may run before.
async fn sealed(app: &App, task: &Task, shards: Shards) -> Result<Option<usize>, Failure> {
    if task.kind == RunKind::Trial {
        return Ok(None);
    }
    let sealed: Vec<bool> = stream::iter(shards.all())
        .map(|shard| app.ledger.is_sealed(task.period, shard))
        .buffered(OBJECTS_AT_ONCE)
        .try_collect()
        .await?;
    Ok(Some(sealed.into_iter().filter(|sealed| *sealed).count()))
}

struct PreviousFinal {
    run: Run,
    manifest: Manifest,
    state: State,
    comparison: Comparison,
}

/// The final run before, followed through its hashes.
async fn previous(app: &App, first: Period, period: Period) -> Result<Option<PreviousFinal>, Failure> {
    let Some(predecessor) = predecessor(first, period)? else { return Ok(None) };
    let run = app.ledger.period(predecessor).await?.closed_before(period)?;
    let finished = FinishedRun::read(app, predecessor, &run).await?;
    let state = finished.settlement().await?.state;
    let comparison = finished.comparison().await?;
    Ok(Some(PreviousFinal { run, manifest: finished.manifest, state, comparison }))
}

/// What stands beside the final run of the same month a year before.
async fn year_before(app: &App, first: Period, period: Period) -> Result<Option<Comparison>, Failure> {
    let then = period.minus_months(12);
    if then < first {
        return Ok(None);
    }
    let run = app.ledger.period(then).await?.closed_before(period)?;
    FinishedRun::read(app, then, &run).await?.comparison().await.map(Some)
}
