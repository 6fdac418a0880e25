//! Records events: read the account, plan, commit in one transaction.
//!
//! The hot path is one read and one transaction of two items. Whatever can go
//! wrong shows as a cancelled transaction and is looked up only then: an event
//! that is there already, a shard that is sealed, an account that changed.

use crate::Ledger;
use crate::attributes::{REFUSALS, VERSION};
use crate::error::LedgerError;
use crate::items::{self, Found, Recorded, RememberedRefusal};
use crate::keys::{self, Key};
use crate::store::{self, Condition, Outcome, Store, TransactError, Write};
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use interline_domain::account::{Account, reference_hash, shard};
use interline_domain::calendar::Period;
use interline_domain::entry::{Action, Command, Entry};
use interline_domain::id::MemberId;
use interline_domain::limits::REVERSAL_WINDOW_MONTHS;
use interline_domain::plan::{Plan, Refusal, Reversed, Target, check, plan};
use interline_domain::rulebook::Rulebook;
use std::collections::BTreeMap;
use std::time::Duration;

/// DynamoDB takes at most so many items in one transaction.
const TRANSACTION_ITEMS: usize = 100;
/// Entries of one member in one transaction, each with a stub if it comes late.
pub const ENTRIES_PER_BATCH: usize = 49;
const _: () = assert!(ENTRIES_PER_BATCH * 2 + 2 <= TRANSACTION_ITEMS);
/// One writer wins each round, so this many rounds serve as many writers of one account.
const ATTEMPTS: u32 = 128;
const LONGEST_PAUSE_MILLIS: u64 = 250;

/// Where events come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A refusal leaves no trace; the reference may be tried again.
    Api,
    /// A refusal is remembered with the file's digest: the same file gets the
    /// same answer when it is repeated, or resumed after a crash.
    File { digest: &'a str },
}

impl Source<'_> {
    fn digest(self) -> Option<String> {
        match self {
            Source::Api => None,
            Source::File { digest } => Some(digest.to_owned()),
        }
    }
}

/// As much of a file's digest as remembered refusals are told apart by.
fn short(digest: &str) -> &str {
    digest.get(..16).unwrap_or(digest)
}

#[derive(Debug, Clone)]
pub enum Answer {
    Accepted(Box<Recorded>),
    /// The same event was recorded before; this is what was answered then.
    Replayed(Box<Recorded>),
    Rejected(Rejection),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("{0}")]
    Refused(Refusal),
    /// Refused when the same file was read before.
    #[error("{}", .0.rule)]
    RefusedBefore(RememberedRefusal),
    #[error("this reference is recorded with another {0}")]
    Conflict(&'static str),
    #[error("this reference was recorded lately with another time; a retry must repeat its occurred_at")]
    ReferenceConflict,
}

impl Rejection {
    pub fn code(&self) -> &str {
        match self {
            Rejection::Refused(refusal) => refusal.code(),
            Rejection::RefusedBefore(before) => &before.code,
            Rejection::Conflict(_) => "conflict",
            Rejection::ReferenceConflict => "reference-conflict",
        }
    }

    pub fn field(&self) -> &str {
        match self {
            Rejection::Refused(refusal) => refusal.field(),
            Rejection::RefusedBefore(before) => &before.field,
            Rejection::Conflict(field) => field,
            Rejection::ReferenceConflict => "occurred_at",
        }
    }

    fn depends_on_state(&self) -> bool {
        match self {
            Rejection::Refused(refusal) => refusal.depends_on_state(),
            Rejection::ReferenceConflict => true,
            Rejection::RefusedBefore(_) | Rejection::Conflict(_) => false,
        }
    }

    fn remembered(&self) -> RememberedRefusal {
        RememberedRefusal { field: self.field().to_owned(), code: self.code().to_owned(), rule: self.to_string() }
    }
}

impl Ledger {
    /// Records events of one member in their order. Each has an answer; a
    /// rejected one leaves the others untouched.
    pub async fn post(
        &self,
        rulebook: &Rulebook,
        member: &MemberId,
        commands: &[Command],
        source: Source<'_>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Answer>, LedgerError> {
        let mut answers = Vec::with_capacity(commands.len());
        let mut rest = commands;
        while let Some(first) = rest.first() {
            let home = rulebook.period(first.occurred());
            let mut items = 0;
            let fits = |command: &&Command| {
                // Entry, stub, and for a reversal its tracker.
                items += if matches!(command.action, Action::Reverse { .. }) { 3 } else { 2 };
                rulebook.period(command.occurred()) == home && items + 2 <= TRANSACTION_ITEMS
            };
            let (batch, left) = rest.split_at(rest.iter().take_while(fits).count());
            let mut writer = Batch {
                store: &*self.store,
                rulebook,
                member,
                shard: shard(member),
                home,
                current: rulebook.period(now),
                booked: home,
                known: BTreeMap::new(),
                source,
                now,
            };
            answers.extend(writer.post(batch).await?);
            rest = left;
        }
        Ok(answers)
    }
}

/// Events of one member and one home period.
struct Batch<'a> {
    store: &'a dyn Store,
    rulebook: &'a Rulebook,
    member: &'a MemberId,
    shard: u8,
    home: Period,
    current: Period,
    /// The period that clears the batch: its home unless that is sealed.
    booked: Period,
    /// What was looked up under the sort keys of the home; `None`: nothing is there.
    known: BTreeMap<String, Option<Found>>,
    source: Source<'a>,
    now: DateTime<Utc>,
}

/// A transaction in the making.
struct Draft {
    account: Account,
    changed: bool,
    planned: BTreeMap<String, Recorded>,
    /// Refusals to be remembered: the file's answer to that reference from here on.
    refused: BTreeMap<String, RememberedRefusal>,
    reversed: BTreeMap<Key, Reversed>,
    writes: Vec<Write>,
    /// For each write, the sort key in the home that it claims.
    claims: Vec<Option<String>>,
    answers: Vec<Answer>,
}

impl Batch<'_> {
    async fn post(&mut self, commands: &[Command]) -> Result<Vec<Answer>, LedgerError> {
        for attempt in 0..ATTEMPTS {
            let draft = self.draft(commands).await?;
            if draft.writes.is_empty() {
                return Ok(draft.answers);
            }
            match self.store.transact(&draft.writes).await {
                Ok(()) => return Ok(draft.answers),
                Err(TransactError::Ledger(error)) if error.is_retryable() && attempt < 4 => {
                    self.pause(attempt, &commands[0]).await
                }
                Err(TransactError::Ledger(error)) => return Err(error),
                Err(TransactError::Cancelled(outcomes)) => {
                    let contended = self.learn(&draft, outcomes).await?;
                    if contended {
                        self.pause(attempt, &commands[0]).await;
                    }
                }
            }
        }
        Err(LedgerError::Contention(ATTEMPTS))
    }

    /// Spreads writers of one account: longer with every attempt, and different
    /// from event to event and call to call.
    async fn pause(&self, attempt: u32, first: &Command) {
        let longest = Duration::from_millis((4_u64 << attempt.min(6)).min(LONGEST_PAUSE_MILLIS));
        let event = reference_hash(&first.line, first.kind(), &first.reference);
        let seed = (u64::from(self.now.timestamp_subsec_nanos()) ^ event).rotate_left(attempt);
        self.store.pause(longest, seed).await;
    }

    /// Takes in why a transaction was cancelled; `true` if others were in the way.
    async fn learn(&mut self, draft: &Draft, outcomes: Vec<Outcome>) -> Result<bool, LedgerError> {
        let mut contended = false;
        for ((outcome, claim), write) in outcomes.into_iter().zip(&draft.claims).zip(&draft.writes) {
            match (outcome, claim, write) {
                (Outcome::Fine, ..) => {}
                (Outcome::Conflict, ..) => contended = true,
                (Outcome::Condition(item), Some(sk), _) => {
                    // Without its old item the reply says too little: look it up.
                    let found = if item.is_empty() { None } else { Some(items::found(&item)?) };
                    match found {
                        Some(found) => self.known.insert(sk.clone(), Some(found)),
                        None => self.known.remove(sk),
                    };
                    if item.is_empty() {
                        self.look_up(sk).await?;
                    }
                }
                (Outcome::Condition(_), None, Write::RequireAbsent { .. }) => self.booked = self.open_period().await?,
                (Outcome::Condition(_), None, Write::Put { .. }) => contended = true,
            }
        }
        Ok(contended)
    }

    /// The first period after the home whose shard is not sealed.
    async fn open_period(&self) -> Result<Period, LedgerError> {
        let mut candidate = self.home.next();
        while candidate < self.current {
            if self.store.get(&keys::gate(candidate, self.shard)).await?.is_none() {
                return Ok(candidate);
            }
            candidate = candidate.next();
        }
        Ok(candidate)
    }

    async fn look_up(&mut self, sk: &str) -> Result<(), LedgerError> {
        let key = Key { pk: keys::shard(self.home, self.shard), sk: sk.to_owned() };
        let found = self.store.get(&key).await?.map(|item| items::found(&item)).transpose()?;
        self.known.insert(sk.to_owned(), found);
        Ok(())
    }

    async fn draft(&mut self, commands: &[Command]) -> Result<Draft, LedgerError> {
        let item = self.store.get(&keys::account(self.member)).await?;
        let account = item.as_ref().map(items::account).transpose()?.unwrap_or_default();
        if let Some(period) = account.returned_in {
            self.booked = self.booked.max(period);
        }
        let version = account.version;
        let mut draft = Draft {
            account,
            changed: false,
            planned: BTreeMap::new(),
            refused: BTreeMap::new(),
            reversed: BTreeMap::new(),
            writes: Vec::new(),
            claims: Vec::new(),
            answers: Vec::with_capacity(commands.len()),
        };
        for command in commands {
            let answer = self.answer(&mut draft, command).await?;
            draft.answers.push(answer);
        }
        if draft.changed {
            draft.account.version = version + 1;
            // Whatever the plans rest on must still be so.
            let condition = match version {
                0 => Condition::Absent,
                version => Condition::Equals(VERSION, AttributeValue::N(version.to_string())),
            };
            draft.write(Write::Put { item: items::account_item(self.member, &draft.account), condition }, None);
        }
        for (key, reversed) in std::mem::take(&mut draft.reversed) {
            // Guarded by the account's version.
            draft.write(Write::Put { item: items::reversed_item(&key, reversed), condition: Condition::None }, None);
        }
        // A period that is over may be sealed any moment; the current one cannot be.
        // A refusal clears nothing, whenever it is remembered.
        if draft.changed && self.booked < self.current {
            draft.write(Write::RequireAbsent { key: keys::gate(self.booked, self.shard) }, None);
        }
        Ok(draft)
    }

    async fn answer(&mut self, draft: &mut Draft, command: &Command) -> Result<Answer, LedgerError> {
        let home = keys::home(self.home, self.shard, command);
        if let Some(recorded) = draft.planned.get(&home.sk) {
            return Ok(repeated(command, recorded));
        }
        if let Err(refusal) = check(self.rulebook, command, self.now) {
            // A process with another clock or rulebook may have accepted it.
            if !self.known.contains_key(&home.sk) {
                self.look_up(&home.sk).await?;
            }
            let recorded = self.recorded(command, &home.sk).await?;
            return Ok(match recorded {
                Some(recorded) => repeated(command, &recorded),
                None => Answer::Rejected(Rejection::Refused(refusal)),
            });
        }
        if let Some(before) = draft.refused.get(&home.sk) {
            return Ok(Answer::Rejected(Rejection::RefusedBefore(before.clone())));
        }
        let hash = reference_hash(&command.line, command.kind(), &command.reference);
        let remembered = draft.account.remembers(hash);
        if remembered && !self.known.contains_key(&home.sk) {
            self.look_up(&home.sk).await?;
        }
        let (refusals, planned, tracker) = loop {
            if let Some(recorded) = self.recorded(command, &home.sk).await? {
                return Ok(repeated(command, &recorded));
            }
            let refusals = match self.known.get(&home.sk) {
                Some(Some(Found::Refusals(refusals))) => Some(refusals.clone()),
                Some(Some(Found::Entry(_) | Found::Stub { .. }) | None) | None => None,
            };
            if let (Some(refusals), Source::File { digest }) = (&refusals, self.source)
                && let Some(before) = refusals.get(short(digest))
            {
                return Ok(Answer::Rejected(Rejection::RefusedBefore(before.clone())));
            }
            if remembered {
                break (refusals, Err(Rejection::ReferenceConflict), None);
            }
            let (planned, tracker) = self.plan(draft, command).await?;
            // What was accepted long ago is not refused for what happened since.
            if planned.is_err() && !self.known.contains_key(&home.sk) {
                self.look_up(&home.sk).await?;
                continue;
            }
            break (refusals, planned.map_err(Rejection::Refused), tracker);
        };
        // What is put under the event's key must replace just what was found there.
        let condition = match &refusals {
            None => Condition::Absent,
            Some(refusals) => Condition::Equals(REFUSALS, items::refusals_value(refusals)),
        };
        match planned {
            Ok(plan) => {
                let day = self.rulebook.day(command.occurred());
                let Ok(balance) = plan.account.balance(day) else {
                    return Ok(Answer::Rejected(Rejection::Refused(Refusal::OutOfRange)));
                };
                let recorded =
                    Recorded { entry: plan.entry, balance, recorded_at: self.now, source: self.source.digest() };
                draft.account = plan.account;
                draft.changed = true;
                draft.reversed.extend(tracker.zip(plan.reversed));
                let item = items::entry_item(&recorded);
                if recorded.entry.is_late() {
                    let stub = items::stub_item(&recorded.entry);
                    draft.write(Write::Put { item, condition: Condition::Absent }, None);
                    draft.write(Write::Put { item: stub, condition }, Some(home.sk.clone()));
                } else {
                    draft.write(Write::Put { item, condition }, Some(home.sk.clone()));
                }
                draft.planned.insert(home.sk, recorded.clone());
                Ok(Answer::Accepted(Box::new(recorded)))
            }
            Err(rejection) => {
                if let Source::File { digest } = self.source
                    && rejection.depends_on_state()
                {
                    let mut refusals = refusals.unwrap_or_default();
                    refusals.insert(short(digest).to_owned(), rejection.remembered());
                    let item = items::refusal_item(&home, &refusals);
                    draft.refused.insert(home.sk.clone(), rejection.remembered());
                    draft.write(Write::Put { item, condition }, Some(home.sk));
                }
                Ok(Answer::Rejected(rejection))
            }
        }
    }

    /// The event as it is recorded, if it was found under its key.
    async fn recorded(&self, command: &Command, sk: &str) -> Result<Option<Recorded>, LedgerError> {
        match self.known.get(sk) {
            Some(Some(Found::Entry(recorded))) => Ok(Some(Recorded::clone(recorded))),
            Some(Some(Found::Stub { booked })) => {
                let key = keys::late(*booked, self.shard, command, self.home);
                store::recorded(self.store, &key).await.map(Some)
            }
            Some(Some(Found::Refusals(_)) | None) | None => Ok(None),
        }
    }

    /// Plans one event; for a reversal also names its tracker.
    async fn plan(
        &self,
        draft: &Draft,
        command: &Command,
    ) -> Result<(Result<Plan, Refusal>, Option<Key>), LedgerError> {
        let Action::Reverse { kind, reference, .. } = &command.action else {
            return Ok((plan(self.rulebook, &draft.account, command, self.booked, None), None));
        };
        let sk = keys::event(self.home, self.shard, &command.line, *kind, reference).sk;
        let target = match draft.planned.get(&sk) {
            Some(recorded) => Some(recorded.entry.clone()),
            None => self.target(command, &sk).await?,
        };
        let Some(entry) = target else {
            return Ok((plan(self.rulebook, &draft.account, command, self.booked, None), None));
        };
        let tracker = keys::reversed(self.member, entry.home, &sk);
        let reversed = match draft.reversed.get(&tracker) {
            Some(reversed) => *reversed,
            None => {
                let item = self.store.get(&tracker).await?;
                item.as_ref().map(items::reversed).transpose()?.unwrap_or_default()
            }
        };
        let target = Target { entry: &entry, reversed };
        Ok((plan(self.rulebook, &draft.account, command, self.booked, Some(target)), Some(tracker)))
    }

    /// The latest event of that name in the month of the reversal or the months before.
    async fn target(&self, command: &Command, sk: &str) -> Result<Option<Entry>, LedgerError> {
        let keys: Vec<Key> = (0..=REVERSAL_WINDOW_MONTHS)
            .map(|months| self.home.minus_months(months))
            .filter(|period| *period >= self.rulebook.first_period)
            .map(|period| Key { pk: keys::shard(period, self.shard), sk: sk.to_owned() })
            .collect();
        let mut latest: Option<Entry> = None;
        for item in self.store.get_many(&keys).await? {
            let entry = match items::found(&item)? {
                Found::Entry(recorded) => recorded.entry,
                Found::Refusals(_) => continue,
                Found::Stub { booked } => {
                    let pk = items::Reader::new(&item).text(crate::attributes::PK)?;
                    let origin = pk.split('#').nth(1).unwrap_or_default();
                    let key = Key { pk: keys::shard(booked, self.shard), sk: format!("{sk}#{origin}") };
                    store::recorded(self.store, &key).await?.entry
                }
            };
            let newer = latest.as_ref().is_none_or(|latest| entry.home > latest.home);
            if entry.command.member == command.member && newer {
                latest = Some(entry);
            }
        }
        Ok(latest)
    }
}

impl Draft {
    fn write(&mut self, write: Write, claim: Option<String>) {
        self.writes.push(write);
        self.claims.push(claim);
    }
}

fn repeated(command: &Command, recorded: &Recorded) -> Answer {
    match command.differing_field(&recorded.entry.command) {
        None => Answer::Replayed(Box::new(recorded.clone())),
        Some(field) => Answer::Rejected(Rejection::Conflict(field)),
    }
}
