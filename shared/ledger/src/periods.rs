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
use interline_domain::close::period::{Attempt, CloseRefusal, PeriodState, Run, predecessor};
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

    /// Refuses a period before the programme, and one whose predecessor is not final.
    pub async fn check_order(&self, rulebook: &Rulebook, period: Period) -> Result<(), LedgerError> {
        if let Some(before) = predecessor(rulebook.first_period, period)? {
            self.period(before).await?.closed_before(period)?;
        }
        Ok(())
    }

    /// Seals a period: puts its gates, then marks it. Repeating it changes nothing.
    pub async fn seal(&self, rulebook: &Rulebook, period: Period, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.check_order(rulebook, period).await?;
        let (state, revision) = self.read_period(period).await?;
        let Some(sealed) = state.sealed(rulebook, now)? else { return Ok(()) };
        // Each is tried, whatever becomes of the others: a second call has the fewer left.
        let gates = stream::iter(0..SHARDS).map(|shard| async move {
            let mut item = with_key(&keys::gate(period, shard));
            item.insert(SEALED.to_owned(), AttributeValue::S(rfc3339_utc(now)));
            // A gate that is there stays as it was put.
            self.put(item, Condition::Absent).await
        });
        let gates: Vec<Result<bool, LedgerError>> = gates.buffer_unordered(SEALS_AT_ONCE).collect().await;
        gates.into_iter().collect::<Result<Vec<bool>, LedgerError>>()?;
        match self.write_period(&sealed, revision).await {
            // Another cutoff of the same period was as fast.
            Err(LedgerError::PeriodChanged(_)) if !self.period(period).await?.is_open() => Ok(()),
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
        self.change(period, |state| Ok(Some(state.started(Attempt::new(run, by, now))))).await
    }

    /// As [`start_run`](Self::start_run), unless another run is under way.
    pub async fn claim_run(
        &self,
        period: Period,
        run: &str,
        by: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        self.change(period, |state| state.claimed(Attempt::new(run, by, now)).map(Some)).await
    }

    /// Notes why a run ended without a result, unless another was started since.
    pub async fn fail_run(&self, period: Period, run: &str, reason: &str) -> Result<(), LedgerError> {
        self.change(period, |state| Ok(state.failed(run, reason))).await
    }

    pub async fn finish_trial(&self, period: Period, run: Run) -> Result<(), LedgerError> {
        self.change(period, |state| Ok(Some(state.finished_trial(run)))).await
    }

    /// Makes a run the final one. The same run again changes nothing; another is refused.
    pub async fn finish_final(&self, period: Period, run: Run) -> Result<(), LedgerError> {
        self.change(period, |state| state.finished_final(run)).await
    }

    /// Writes what becomes of a period, if anything does.
    async fn change(
        &self,
        period: Period,
        decide: impl FnOnce(PeriodState) -> Result<Option<PeriodState>, CloseRefusal>,
    ) -> Result<(), LedgerError> {
        let (state, revision) = self.read_period(period).await?;
        match decide(state)? {
            Some(state) => self.write_period(&state, revision).await,
            None => Ok(()),
        }
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
        let Key { pk, sk } = keys::history();
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
        let mut item = with_key(&keys::came_into_force(now, revision));
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
