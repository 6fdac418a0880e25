//! The first step of a close: names the run and, for a final one, seals the
//! period's shards. Also the last step of a close that failed: notes why.

use chrono::{DateTime, Utc};
use interline_domain::calendar::Period;
use interline_domain::limits::SHARDS;
use interline_lambda::{App, Failure};
use interline_ledger::LedgerError;
use interline_reports::manifest::RunKind;
use interline_reports::pack::TRIAL;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The version of the program, part of every run's name.
pub const ENGINE: &str = env!("CARGO_PKG_VERSION");

/// Characters of the name of a trial run.
const TRIAL_MAX: usize = 48;
/// Characters of a noted reason.
const REASON_MAX: usize = 1_000;

/// What this function is called with: a close to begin, or one that failed.
#[derive(Debug, Clone)]
pub enum Event {
    Close(Close),
    Failed(Failed),
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let event = match value.get("failed") {
            Some(_) => serde_json::from_value(value).map(Event::Failed),
            None => serde_json::from_value(value).map(Event::Close),
        };
        event.map_err(serde::de::Error::custom)
    }
}

/// Why a run ended without a result.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    pub period: Period,
    pub run: String,
    pub failed: String,
}

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

pub async fn handle_event(app: &App, event: Event) -> Result<Value, Failure> {
    match event {
        Event::Close(close) => Ok(serde_json::to_value(handle(app, close).await?)?),
        Event::Failed(Failed { period, run, failed }) => {
            let reason: String = failed.chars().take(REASON_MAX).collect();
            app.ledger.fail_run(period, &run, &reason).await?;
            Ok(json!({}))
        }
    }
}

pub async fn handle(app: &App, close: Close) -> Result<Started, Failure> {
    let now = app.now();
    let current = app.rulebook().await?;
    let period = close.period.unwrap_or_else(|| current.rulebook.period(now).previous());
    let closed = app.ledger.period(period).await?.final_run;
    let closed_with = closed.as_ref().map(|run| run.rulebook.clone());
    let chosen = close.rulebook.or(closed_with);
    let newest = chosen.is_none();
    let mut rulebook = match chosen {
        Some(hash) => app.rulebook_by_hash(&hash).await?,
        None => current,
    };
    app.ledger.check_order(&rulebook.rulebook, period).await?;
    let run = match close.kind {
        RunKind::Trial => match close.run {
            None => trial_id(now),
            Some(run) if is_trial_name(&run) => run,
            Some(run) => {
                let rule = format!("{TRIAL} and up to {TRIAL_MAX} letters, digits and hyphens");
                return Err(Failure::BadEvent(format!("run {run:?} is no name of a trial: {rule}")));
            }
        },
        RunKind::Final => {
            // A final run is immutable: it is repeated with its own terms, in its own folder, or not at all.
            if let Some(run) = closed.as_ref().filter(|run| run.rulebook != rulebook.rulebook.hash) {
                return Err(LedgerError::AlreadyFinal { period, run: run.id.clone() }.into());
            }
            app.ledger.seal(&rulebook.rulebook, period, now).await?;
            if newest {
                // Until now the month's terms could change; they are those in force when it was sealed.
                rulebook = app.rulebook_now().await?;
            }
            closed.map_or_else(|| final_id(&rulebook.rulebook.hash), |run| run.id)
        }
    };
    app.ledger.start_run(period, &run, now).await?;
    Ok(Started {
        period,
        kind: close.kind,
        run,
        rulebook: rulebook.rulebook.hash.clone(),
        shards: (0..SHARDS).collect(),
    })
}

fn is_trial_name(run: &str) -> bool {
    let own = run.strip_prefix(TRIAL).unwrap_or_default();
    (1..=TRIAL_MAX).contains(&own.len()) && own.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
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
