//! The first step of a close: names the run and, for a final one, seals the
//! period's shards.

use chrono::{DateTime, Utc};
use interline_domain::calendar::Period;
use interline_domain::limits::SHARDS;
use interline_lambda::{App, Failure};
use interline_ledger::LedgerError;
use interline_reports::manifest::RunKind;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The version of the program, part of every run's name.
pub const ENGINE: &str = env!("CARGO_PKG_VERSION");

/// What the names of trial runs begin with.
const TRIAL: &str = "trial-";

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// Without it: the month before the current one.
    #[serde(default)]
    pub period: Option<Period>,
    pub kind: RunKind,
    /// Hash of the rulebook to close with; without it the current one, or the
    /// one that the period was closed with.
    #[serde(default)]
    pub rulebook: Option<String>,
    /// A name for a trial run, chosen by whoever starts it.
    #[serde(default)]
    pub run: Option<String>,
}

/// What the other steps need to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    pub period: Period,
    pub kind: RunKind,
    pub run: String,
    pub rulebook: String,
    pub shards: Vec<u8>,
}

pub async fn handle(app: &App, close: Close) -> Result<Started, Failure> {
    let now = app.now();
    let current = app.rulebook().await?;
    let period = close.period.unwrap_or_else(|| current.rulebook.period(now).previous());
    let closed = app.ledger.period(period).await?.final_run;
    let closed_with = closed.as_ref().map(|run| run.rulebook.clone());
    let rulebook = match close.rulebook.or(closed_with) {
        Some(hash) => app.rulebook_by_hash(&hash).await?,
        None => current,
    };
    let rulebook = &rulebook.rulebook;
    app.ledger.check_order(rulebook, period).await?;
    let run = match close.kind {
        RunKind::Trial => match close.run {
            None => trial_id(now),
            Some(run) if run.starts_with(TRIAL) => run,
            Some(run) => return Err(Failure::BadEvent(format!("run {run} is no name of a trial: {TRIAL}..."))),
        },
        RunKind::Final => {
            // A final run is immutable: it is repeated with its own terms, in its own folder, or not at all.
            if let Some(run) = closed.as_ref().filter(|run| run.rulebook != rulebook.hash) {
                return Err(LedgerError::AlreadyFinal { period, run: run.id.clone() }.into());
            }
            app.ledger.seal(rulebook, period, now).await?;
            closed.map_or_else(|| final_id(&rulebook.hash), |run| run.id)
        }
    };
    app.ledger.start_run(period, &run, now).await?;
    Ok(Started { period, kind: close.kind, run, rulebook: rulebook.hash.clone(), shards: (0..SHARDS).collect() })
}

/// The folder of a final run names its terms and its program, so that a run that
/// was broken off and is tried with other terms meets no file of the first try.
pub fn final_id(rulebook: &str) -> String {
    let digest = Sha256::digest(format!("{ENGINE}|{rulebook}"));
    let hex: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("v1-{hex}")
}

/// The folder of a trial run.
pub fn trial_id(now: DateTime<Utc>) -> String {
    format!("{TRIAL}{}", now.format("%Y%m%dT%H%M%S%3fZ"))
}
