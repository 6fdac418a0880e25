//! The state of periods, their gates, and the rulebook pointer.

use crate::Ledger;
use crate::attributes::{DOCUMENT, PK, REVISION, SEALED};
use crate::error::LedgerError;
use crate::items::{Reader, with_key};
use crate::keys::{self, Key};
use crate::store::{Condition, Item, Outcome, TransactError, Write};
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::limits::SHARDS;
use interline_domain::units::moment::rfc3339_utc;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::iter;

/// How many gates are put at once.
const SEALS_AT_ONCE: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodState {
    pub period: Period,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_at: Option<DateTime<Utc>>,
    /// The newest run that was started, until it is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Run>,
    #[serde(default, rename = "final", skip_serializing_if = "Option::is_none")]
    pub final_run: Option<Run>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Open,
    /// Accepts no entry any more.
    Sealed,
    /// Closed with a final run.
    Final,
}

impl Status {
    pub const fn word(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Sealed => "sealed",
            Status::Final => "final",
        }
    }
}

/// A run that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub run: String,
    pub started_at: DateTime<Utc>,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why it ended without a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl Attempt {
    fn new(run: &str, by: Option<&str>, now: DateTime<Utc>) -> Self {
        Self { run: run.to_owned(), started_at: now, by: by.map(str::to_owned), failed: None }
    }
}

/// A finished run of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Also the folder of its files.
    pub id: String,
    pub rulebook: String,
    /// SHA-256 of its manifest.
    pub manifest: String,
    pub finished_at: DateTime<Utc>,
    /// Who asked for it. Of the attempt that it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Version of the program, its calculation edition, and which build it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

impl PeriodState {
    /// A period that nothing was done with yet.
    pub fn open(period: Period) -> Self {
        Self { period, status: Status::Open, sealed_at: None, attempt: None, trial: None, final_run: None }
    }

    /// Takes away the attempt that a run ends, and notes who asked for it.
    fn finished(&mut self, run: &mut Run) {
        if let Some(attempt) = self.attempt.take_if(|attempt| attempt.run == run.id) {
            run.by = attempt.by;
        }
    }
}

impl Ledger {
    pub async fn period(&self, period: Period) -> Result<PeriodState, LedgerError> {
        Ok(self.read_period(period).await?.0)
    }

    /// All periods that something was done with, earliest first.
    pub async fn periods(&self) -> Result<Vec<PeriodState>, LedgerError> {
        let mut periods = Vec::new();
        let mut after = None;
        loop {
            let (items, next) = self.store.page(keys::PERIODS, None, after, None).await?;
            for item in items {
                periods.push(json_of(&item)?);
            }
            match next {
                Some(_) => after = next,
                None => return Ok(periods),
            }
        }
    }

    /// As [`periods`](Self::periods), with every one from the programme's first to the
    /// current: one a month, so the list is short for decades.
    pub async fn periods_from(
        &self,
        first: Period,
        current: Period,
    ) -> Result<BTreeMap<Period, PeriodState>, LedgerError> {
        let mut states: BTreeMap<Period, PeriodState> =
            self.periods().await?.into_iter().map(|state| (state.period, state)).collect();
        for period in
            iter::successors(Some(first), |period| Some(period.next())).take_while(|period| *period <= current)
        {
            states.entry(period).or_insert_with(|| PeriodState::open(period));
        }
        Ok(states)
    }

    async fn read_period(&self, period: Period) -> Result<(PeriodState, Option<i64>), LedgerError> {
        match self.store.get(&keys::period(period)).await? {
            Some(item) => Ok((json_of(&item)?, Some(Reader::new(&item).number(REVISION)?))),
            None => Ok((PeriodState::open(period), None)),
        }
    }

    /// Writes a period's state if nobody did since it was read.
    async fn write_period(&self, state: &PeriodState, revision: Option<i64>) -> Result<(), LedgerError> {
        let mut item = with_key(&keys::period(state.period));
        item.insert(DOCUMENT.to_owned(), document(state)?);
        let next = revision.unwrap_or(0) + 1;
        item.insert(REVISION.to_owned(), AttributeValue::N(next.to_string()));
        let condition = match revision {
            None => Condition::Absent,
            Some(revision) => Condition::Equals(REVISION, AttributeValue::N(revision.to_string())),
        };
        match self.put(item, condition).await? {
            true => Ok(()),
            false => Err(LedgerError::PeriodChanged(state.period)),
        }
    }

    /// Refuses a period that has no final predecessor, or is before the programme.
    pub async fn check_order(&self, rulebook: &Rulebook, period: Period) -> Result<(), LedgerError> {
        if period < rulebook.first_period {
            return Err(LedgerError::BeforeProgramme(period, rulebook.first_period));
        }
        if period > rulebook.first_period {
            let predecessor = period.previous();
            if self.period(predecessor).await?.status != Status::Final {
                return Err(LedgerError::PredecessorOpen { period, predecessor });
            }
        }
        Ok(())
    }

    /// Seals a period: puts its gates, then marks it. Repeating it changes nothing.
    pub async fn seal(&self, rulebook: &Rulebook, period: Period, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.check_order(rulebook, period).await?;
        let (mut state, revision) = self.read_period(period).await?;
        if state.status != Status::Open {
            return Ok(());
        }
        let earliest = rulebook.seal_not_before(period);
        if now < earliest {
            return Err(LedgerError::TooEarly(period, earliest));
        }
        // Each is tried, whatever becomes of the others: a second call has the fewer left.
        let gates = stream::iter(0..SHARDS).map(|shard| async move {
            let mut item = with_key(&keys::gate(period, shard));
            item.insert(SEALED.to_owned(), AttributeValue::S(rfc3339_utc(now)));
            // A gate that is there stays as it was put.
            self.put(item, Condition::Absent).await
        });
        let gates: Vec<Result<bool, LedgerError>> = gates.buffer_unordered(SEALS_AT_ONCE).collect().await;
        gates.into_iter().collect::<Result<Vec<bool>, LedgerError>>()?;
        state.status = Status::Sealed;
        state.sealed_at = Some(now);
        match self.write_period(&state, revision).await {
            // Another cutoff of the same period was as fast.
            Err(LedgerError::PeriodChanged(_)) if self.period(period).await?.status != Status::Open => Ok(()),
            other => other,
        }
    }

    pub async fn is_sealed(&self, period: Period, shard: u8) -> Result<bool, LedgerError> {
        Ok(self.store.get(&keys::gate(period, shard)).await?.is_some())
    }

    /// Notes that a run was started, for whoever follows it.
    pub async fn start_run(
        &self,
        period: Period,
        run: &str,
        by: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let (mut state, revision) = self.read_period(period).await?;
        state.attempt = Some(Attempt::new(run, by, now));
        self.write_period(&state, revision).await
    }

    /// As [`start_run`](Self::start_run), unless a run is under way that was
    /// started after `stale`: then nothing is changed and that one is given.
    pub async fn claim_run(
        &self,
        period: Period,
        run: &str,
        by: Option<&str>,
        now: DateTime<Utc>,
        stale: DateTime<Utc>,
    ) -> Result<Option<Attempt>, LedgerError> {
        let (mut state, revision) = self.read_period(period).await?;
        let under_way = state.attempt.take().filter(|attempt| attempt.failed.is_none() && attempt.started_at > stale);
        if under_way.is_some() {
            return Ok(under_way);
        }
        state.attempt = Some(Attempt::new(run, by, now));
        self.write_period(&state, revision).await.map(|()| None)
    }

    /// Notes why a run ended without a result, unless another was started since.
    pub async fn fail_run(&self, period: Period, run: &str, reason: &str) -> Result<(), LedgerError> {
        let (mut state, revision) = self.read_period(period).await?;
        match &mut state.attempt {
            Some(attempt) if attempt.run == run => attempt.failed = Some(reason.to_owned()),
            Some(_) | None => return Ok(()),
        }
        self.write_period(&state, revision).await
    }

    pub async fn finish_trial(&self, period: Period, mut run: Run) -> Result<(), LedgerError> {
        let (mut state, revision) = self.read_period(period).await?;
        state.finished(&mut run);
        state.trial = Some(run);
        self.write_period(&state, revision).await
    }

    /// Makes a run the final one. The same run again changes nothing; another is refused.
    pub async fn finish_final(&self, period: Period, mut run: Run) -> Result<(), LedgerError> {
        let (mut state, revision) = self.read_period(period).await?;
        match &state.final_run {
            Some(recorded) if recorded.id == run.id && recorded.manifest == run.manifest => {
                if state.attempt.is_none() {
                    return Ok(());
                }
                state.finished(&mut run);
                return self.write_period(&state, revision).await;
            }
            Some(recorded) => return Err(LedgerError::AlreadyFinal { period, run: recorded.id.clone() }),
            None => {}
        }
        state.finished(&mut run);
        state.status = Status::Final;
        state.final_run = Some(run);
        self.write_period(&state, revision).await
    }

    /// The hash of the rulebook in force for new events and runs.
    pub async fn current_rulebook(&self) -> Result<Option<String>, LedgerError> {
        let item = self.store.get(&keys::current_rulebook()).await?;
        item.map(|item| Reader::new(&item).text(DOCUMENT).map(str::to_owned)).transpose()
    }

    /// The rulebook in force with what tells whether it still is when the next one comes.
    pub async fn rulebook_in_force(&self) -> Result<InForce, LedgerError> {
        let Some(item) = self.store.get(&keys::current_rulebook()).await? else { return Ok(InForce::default()) };
        let reader = Reader::new(&item);
        let hash = Some(reader.text(DOCUMENT)?.to_owned());
        let revision = item.contains_key(REVISION).then(|| reader.number(REVISION)).transpose()?;
        Ok(InForce { hash, revision })
    }

    /// The digest of the newest record of changes for past days that is behind a rulebook.
    pub async fn publication(&self, rulebook: &str) -> Result<Option<String>, LedgerError> {
        let item = self.store.get(&keys::publication(rulebook)).await?;
        item.map(|item| Reader::new(&item).text(DOCUMENT).map(str::to_owned)).transpose()
    }

    /// Every rulebook that came into force, earliest first.
    pub async fn rulebook_history(&self) -> Result<Vec<CameIntoForce>, LedgerError> {
        let Key { pk, sk } = keys::came_into_force("");
        let mut history = Vec::new();
        let mut after = None;
        loop {
            let (items, next) = self.store.page(&pk, Some(&sk), after, None).await?;
            for item in items {
                history.push(json_of(&item)?);
            }
            match next {
                Some(_) => after = next,
                None => return Ok(history),
            }
        }
    }

    /// Brings a rulebook into force if the one that was read still is, and adds it to
    /// the history.
    ///
    /// # Errors
    ///
    /// [`LedgerError::RulebookChanged`] if another publisher was faster,
    /// [`LedgerError::PeriodChanged`] if the month is being sealed.
    pub async fn set_current_rulebook(&self, read: &InForce, next: NewRulebook<'_>) -> Result<(), LedgerError> {
        let NewRulebook { hash, record, unsealed, by, now } = next;
        let mut current = with_key(&keys::current_rulebook());
        current.insert(DOCUMENT.to_owned(), AttributeValue::S(hash.to_owned()));
        let revision = read.revision.unwrap_or(0) + 1;
        current.insert(REVISION.to_owned(), AttributeValue::N(revision.to_string()));
        let condition = match (&read.hash, read.revision) {
            (None, _) => Condition::Absent,
            (Some(_), Some(revision)) => Condition::Equals(REVISION, AttributeValue::N(revision.to_string())),
            (Some(hash), None) => Condition::Equals(DOCUMENT, AttributeValue::S(hash.clone())),
        };
        let mut writes = vec![Write::Put { item: current, condition }];
        let event =
            CameIntoForce { at: now, rulebook: hash.to_owned(), before: read.hash.clone(), by: by.map(str::to_owned) };
        let mut item = with_key(&keys::came_into_force(&format!("{}#{revision}", rfc3339_utc(now))));
        item.insert(DOCUMENT.to_owned(), document(&event)?);
        writes.push(Write::Put { item, condition: Condition::Absent });
        if let Some(record) = record {
            let mut item = with_key(&keys::publication(hash));
            item.insert(DOCUMENT.to_owned(), AttributeValue::S(record.to_owned()));
            writes.push(Write::Put { item, condition: Condition::None });
        }
        writes.extend(unsealed.map(|period| Write::RequireAbsent { key: keys::gate(period, 0) }));
        match self.store.transact(&writes).await {
            Ok(()) => Ok(()),
            Err(TransactError::Ledger(error)) => Err(error),
            Err(TransactError::Cancelled(reasons)) => Err(match (reasons.first(), reasons.last(), unsealed) {
                (Some(Outcome::Condition(_)), ..) => LedgerError::RulebookChanged,
                (_, Some(Outcome::Condition(_)), Some(period)) => LedgerError::PeriodChanged(period),
                _ => LedgerError::Contention(1),
            }),
        }
    }
}

/// A rulebook to bring into force.
#[derive(Debug, Clone, Copy)]
pub struct NewRulebook<'a> {
    pub hash: &'a str,
    /// The digest of the changes for past days behind it.
    pub record: Option<&'a str>,
    /// The first month that they could touch: nothing of it may be sealed yet.
    pub unsealed: Option<Period>,
    pub by: Option<&'a str>,
    pub now: DateTime<Utc>,
}

/// One line of the history of publications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameIntoForce {
    pub at: DateTime<Utc>,
    /// SHA-256 of its text.
    pub rulebook: String,
    /// The one that was in force until then.
    pub before: Option<String>,
    /// Who published it.
    pub by: Option<String>,
}

/// The rulebook in force, as it was read.
#[derive(Debug, Clone, Default)]
pub struct InForce {
    pub hash: Option<String>,
    revision: Option<i64>,
}

fn document(value: &impl Serialize) -> Result<AttributeValue, LedgerError> {
    let text = serde_json::to_string(value).map_err(|error| LedgerError::Refused(error.to_string()))?;
    Ok(AttributeValue::S(text))
}

fn json_of<T: DeserializeOwned>(item: &Item) -> Result<T, LedgerError> {
    let reader = Reader::new(item);
    let text = reader.text(DOCUMENT)?;
    let broken = |error: serde_json::Error| LedgerError::Broken {
        item: format!("{} {text}", reader.text(PK).unwrap_or_default()),
        attribute: error.to_string(),
    };
    serde_json::from_str(text).map_err(broken)
}
