//! The first step of a close: names the run and, for a final one, seals the
//! period's shards. Also the last step of a close that failed: notes why.

use chrono::{DateTime, Utc};
use interline_domain::close::judgement::Judgement;
use interline_domain::close::period::{Asked, Begin, CloseRefusal, PeriodState, Run, RunKind};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_lambda::{App, Failure, dealt};
use interline_reports::pack::TRIAL;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

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
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// A final run may be of a month in which nothing happened.
    #[serde(default, skip_serializing_if = "is_false")]
    pub empty: bool,
    /// What a person says of it.
    #[serde(default, skip_serializing_if = "Judgement::is_nothing")]
    pub judgement: Judgement,
}

impl Close {
    /// With the terms in force, asked for by nobody in particular.
    pub fn new(period: Period, kind: RunKind) -> Self {
        let judgement = Judgement::default();
        Self { period: Some(period), kind, rulebook: None, run: None, by: None, empty: false, judgement }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What the other steps need to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    pub period: Period,
    pub kind: RunKind,
    pub run: String,
    pub rulebook: String,
    /// None if the period was final already: then there is nothing to tally, and
    /// settling gives what was recorded.
    pub shards: Vec<u16>,
    /// Of very many shards only every n-th is named, and a step takes so many together.
    pub together: u16,
    /// What a person says of it.
    #[serde(default)]
    pub judgement: Judgement,
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
    let in_force = current.clone();
    let period = close.period.unwrap_or_else(|| current.rulebook.period(now).previous());
    let state = app.ledger.period(period).await?;
    let closed_with = state.final_run().map(|run| run.rulebook.clone());
    let chosen = close.rulebook.clone().or(closed_with);
    let newest = chosen.is_none();
    let mut published = match chosen {
        Some(hash) => app.rulebook_by_hash(&hash).await?,
        None => current,
    };
    let rulebook = &published.rulebook;
    check_division(rulebook, &in_force.rulebook, period)?;
    app.ledger.check_order(rulebook, period).await?;
    let started = |run, rulebook: &Rulebook, (together, shards)| Started {
        period,
        kind: close.kind,
        run,
        rulebook: rulebook.hash.clone(),
        shards,
        together,
        judgement: close.judgement.clone(),
    };
    if let Some(run) = state.again(close.kind, &rulebook.hash)? {
        again(app, &state, run, close.by.as_deref(), now).await?;
        return Ok(started(run.id.clone(), rulebook, (1, Vec::new())));
    }
    // Without the key no tally can be written, and the period would be sealed for nothing.
    app.pseudonyms(rulebook).await?;
    match state.begin(rulebook, Asked { kind: close.kind, empty: close.empty, now })? {
        Begin::SealUnlessEmpty if !app.ledger.has_entries(period, rulebook.shards(period)).await? => {
            return Err(CloseRefusal::Empty(period).into());
        }
        Begin::SealUnlessEmpty | Begin::Seal | Begin::Run => {}
    }
    let run = match close.kind {
        RunKind::Trial => trial(&close, now)?,
        RunKind::Final => {
            app.keep_to_one_key(rulebook).await?;
            app.ledger.seal(rulebook, period, now).await?;
            if newest {
                // Until now the month's terms could change; they are those in force when it was sealed.
                published = app.rulebook_now().await?;
            }
            app.final_run(&published.rulebook.hash)
        }
    };
    app.ledger.start_run(period, &run, close.by.as_deref(), now).await?;
    Ok(started(run, &published.rulebook, dealt(published.rulebook.shards(period))))
}

/// Where entries lie is told by the rulebook in force alone.
fn check_division(rulebook: &Rulebook, in_force: &Rulebook, period: Period) -> Result<(), Failure> {
    match rulebook.divides_otherwise(in_force, period) {
        None => Ok(()),
        Some(period) => Err(Failure::BadEvent(format!(
            "rulebook {} divides {period} into {} shards, and its entries lie in {}",
            rulebook.hash,
            rulebook.shards(period).number(),
            in_force.shards(period).number()
        ))),
    }
}

/// Whatever is noted as under way would seem so for good; settling takes the note away.
async fn again(app: &App, state: &PeriodState, run: &Run, by: Option<&str>, now: DateTime<Utc>) -> Result<(), Failure> {
    match state.attempt {
        Some(_) => Ok(app.ledger.start_run(state.period, &run.id, by, now).await?),
        None => Ok(()),
    }
}

fn trial(close: &Close, now: DateTime<Utc>) -> Result<String, Failure> {
    match &close.run {
        None => Ok(trial_id(now)),
        Some(run) if is_trial_name(run) => Ok(run.clone()),
        Some(run) => {
            let rule = format!("{TRIAL} and up to {TRIAL_MAX} letters, digits and hyphens");
            Err(Failure::BadEvent(format!("run {run:?} is no name of a trial: {rule}")))
        }
    }
}

fn is_trial_name(run: &str) -> bool {
    let own = run.strip_prefix(TRIAL).unwrap_or_default();
    (1..=TRIAL_MAX).contains(&own.len()) && own.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The folder of a trial run.
pub fn trial_id(now: DateTime<Utc>) -> String {
    format!("{TRIAL}{}", now.format("%Y%m%dT%H%M%S%3fZ"))
}
