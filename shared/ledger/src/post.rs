//! Records events: read the account, plan, commit in one transaction.
//!
//! The hot path is one read and one transaction of three items. Whatever can go
//! wrong shows as a cancelled transaction and is looked up only then: an event
//! that is there already, a shard that is sealed, an account that changed.
//!
//! Members of a file whose events ask for the same gate may share a transaction, and
//! with it the price of asking.

use crate::Ledger;
use crate::attributes::{PK, REFUSALS, SEQUENCE};
use crate::error::LedgerError;
use crate::items::{self, Asked, EntrySource, Recorded, Refusals, RememberedRefusal};
use crate::keys::{self, Key, Name};
use crate::references::{self, Found};
use crate::rulebooks::Rulebooks;
use crate::store::{self, Condition, Item, Outcome, Store, TransactError, Write};
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use interline_domain::claims::account::{Account, shard};
use interline_domain::events::{Command, EntryKind, Plan, Refusal, Reversed, Target, check, plan};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::MemberId;
use interline_domain::units::money::Points;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// DynamoDB takes at most so many items in one transaction.
const TRANSACTION_ITEMS: usize = 100;
/// Entries of one member in one transaction, each with its reference, beside the
/// account and the gate.
pub const ENTRIES_PER_BATCH: usize = 49;
const _: () = assert!(ENTRIES_PER_BATCH * 2 + 2 <= TRANSACTION_ITEMS);
/// Members of a shard in one transaction. More would save little of what a gate costs,
/// and one of them who is written by others holds up the rest.
pub const MEMBERS_TOGETHER: usize = 8;
/// After so many transactions in vain, each of them is recorded alone.
const ATTEMPTS_TOGETHER: u32 = 4;
/// One writer wins each round, so this many rounds serve as many writers of one account.
const ATTEMPTS: u32 = 128;
/// How often a service that fails is asked.
const SERVICE_ATTEMPTS: u32 = 5;
const LONGEST_PAUSE_MILLIS: u64 = 250;
/// A file is told from others by so many digits of its digest.
const FILE_DIGITS: usize = 16;

/// Tells the time of the process that writes.
pub type Clock = dyn Fn() -> DateTime<Utc> + Send + Sync;

/// Where events come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A refusal leaves no trace; the reference may be tried again.
    Api(Option<&'a Asked>),
    /// A refusal is remembered with the file's SHA-256, in 64 hexadecimal digits: the
    /// same file gets the same answer when it is repeated, or resumed after a crash.
    File { digest: &'a str },
}

impl<'a> Source<'a> {
    /// What a refusal is remembered by.
    fn file(self) -> Option<&'a str> {
        match self {
            Source::Api(_) => None,
            Source::File { digest } => Some(digest.get(..FILE_DIGITS).unwrap_or(digest)),
        }
    }

    fn stored(self) -> EntrySource {
        match self {
            Source::Api(asked) => EntrySource::Api(asked.cloned()),
            Source::File { digest } => EntrySource::File(digest.to_owned()),
        }
    }
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
}

impl Rejection {
    pub fn code(&self) -> &str {
        match self {
            Rejection::Refused(refusal) => refusal.code(),
            Rejection::RefusedBefore(before) => &before.code,
            Rejection::Conflict(_) => "conflict",
        }
    }

    pub fn field(&self) -> &str {
        match self {
            Rejection::Refused(refusal) => refusal.field(),
            Rejection::RefusedBefore(before) => &before.field,
            Rejection::Conflict(field) => field,
        }
    }

    fn remembered(&self) -> RememberedRefusal {
        RememberedRefusal { field: self.field().to_owned(), code: self.code().to_owned(), rule: self.to_string() }
    }
}

impl Ledger {
    /// Records events of one member in their order. Each has an answer; a
    /// rejected one leaves the others untouched. `rulebook` decides; `rulebooks` has
    /// those that decided what is refunded now. Every attempt reads the clock.
    pub async fn post(
        &self,
        rulebook: &Rulebook,
        rulebooks: &dyn Rulebooks,
        member: &MemberId,
        commands: &[Command],
        source: Source<'_>,
        clock: &Clock,
    ) -> Result<Vec<Answer>, LedgerError> {
        let mut answers = Vec::with_capacity(commands.len());
        let mut rest = commands;
        while let Some(first) = rest.first() {
            let home = rulebook.period(first.occurred());
            let mut items = 0;
            let fits = |command: &&Command| {
                items += items_of(command);
                rulebook.period(command.occurred()) == home && items + 2 <= TRANSACTION_ITEMS
            };
            let (commands, left) = rest.split_at(rest.iter().take_while(fits).count());
            let batch = self.batch(rulebook, rulebooks, member, commands, source, clock);
            match record(&mut [batch], ATTEMPTS).await? {
                Some(recorded) => answers.extend(recorded.into_iter().flatten()),
                None => return Err(LedgerError::Contention(ATTEMPTS)),
            }
            rest = left;
        }
        Ok(answers)
    }

    /// How many of these members, from the first, [`post_together`](Ledger::post_together)
    /// records in one transaction: such whose events ask for the same gate.
    pub fn together<'a, M>(&self, rulebook: &Rulebook, members: M, clock: &Clock) -> usize
    where
        M: IntoIterator<Item: IntoIterator<Item = &'a Command>>,
    {
        let current = rulebook.period(clock());
        let mut gate = None;
        let mut items = 1;
        let fits = |commands: M::Item| {
            items += 1;
            commands.into_iter().all(|command| {
                items += items_of(command);
                let home = rulebook.period(command.occurred());
                let asks = home < current || self.gate_always_checked;
                let place = (home, shard(&command.head.member));
                asks && *gate.get_or_insert(place) == place && items <= TRANSACTION_ITEMS
            })
        };
        members.into_iter().take(MEMBERS_TOGETHER).map(fits).take_while(|fits| *fits).count().max(1)
    }

    /// As [`post`](Ledger::post), for the events of each of several members with
    /// references of their own, so many as [`together`](Ledger::together) says. If not
    /// all can be recorded at once, each member is recorded alone; nobody is asked for
    /// behind one for whom the service has failed.
    pub async fn post_together(
        &self,
        rulebook: &Rulebook,
        rulebooks: &dyn Rulebooks,
        members: &[Vec<Command>],
        source: Source<'_>,
        clock: &Clock,
    ) -> Vec<Result<Vec<Answer>, LedgerError>> {
        if let [_, _, ..] = members {
            let mut batches: Vec<_> = members
                .iter()
                .map(|of| self.batch(rulebook, rulebooks, &of[0].head.member, of, source, clock))
                .collect();
            match record(&mut batches, ATTEMPTS_TOGETHER).await {
                Ok(Some(answers)) => return answers.into_iter().map(Ok).collect(),
                Err(error) if error.is_retryable() => return vec![Err(error)],
                Ok(None) | Err(_) => {}
            }
        }
        let mut answers = Vec::with_capacity(members.len());
        for commands in members {
            answers.push(self.post(rulebook, rulebooks, &commands[0].head.member, commands, source, clock).await);
            if matches!(answers.last(), Some(Err(error)) if error.is_retryable()) {
                break;
            }
        }
        answers
    }

    fn batch<'a>(
        &'a self,
        rulebook: &'a Rulebook,
        rulebooks: &'a dyn Rulebooks,
        member: &'a MemberId,
        commands: &'a [Command],
        source: Source<'a>,
        clock: &'a Clock,
    ) -> Batch<'a> {
        let home = rulebook.period(commands[0].occurred());
        let now = clock();
        Batch {
            store: &*self.store,
            gate_always_checked: self.gate_always_checked,
            rulebook,
            rulebooks,
            member,
            commands,
            shard: shard(member),
            home,
            current: rulebook.period(now),
            booked: home,
            known: BTreeMap::new(),
            source,
            clock,
            now,
        }
    }
}

/// Entry and reference, and for a reversal its target's.
fn items_of(command: &Command) -> usize {
    if command.action.origin().is_some() { 3 } else { 2 }
}

/// Records batches of different members in one transaction. `None`: others were in
/// the way every time.
async fn record(batches: &mut [Batch<'_>], attempts: u32) -> Result<Option<Vec<Vec<Answer>>>, LedgerError> {
    for attempt in 0..attempts {
        let mut drafts = try_join_all(batches.iter_mut().map(Batch::draft)).await?;
        let mut writes: Vec<Write> = drafts.iter_mut().flat_map(|draft| std::mem::take(&mut draft.writes)).collect();
        let gates: BTreeSet<&Key> = drafts.iter().filter_map(|draft| draft.gate.as_ref()).collect();
        writes.extend(gates.iter().map(|gate| Write::RequireAbsent { key: (*gate).clone() }));
        let transacted = if writes.is_empty() { Ok(()) } else { batches[0].store.transact(&writes).await };
        let contended = match transacted {
            Ok(()) => return Ok(Some(drafts.into_iter().map(|draft| draft.answers).collect())),
            Err(TransactError::Ledger(error))
                if error.is_retryable() && attempt + 1 < attempts.min(SERVICE_ATTEMPTS) =>
            {
                true
            }
            Err(TransactError::Ledger(error)) => return Err(error),
            Err(TransactError::Cancelled(outcomes)) => {
                let mut outcomes = outcomes.into_iter();
                let own: Vec<Vec<Outcome>> =
                    drafts.iter().map(|draft| outcomes.by_ref().take(draft.claims.len()).collect()).collect();
                let gates: BTreeMap<&Key, Outcome> = gates.into_iter().zip(outcomes).collect();
                let mut contended = gates.values().any(|outcome| matches!(outcome, Outcome::Conflict));
                for ((batch, draft), own) in batches.iter_mut().zip(&drafts).zip(own) {
                    contended |= batch.learn(draft, own).await?;
                    let gate = draft.gate.as_ref().and_then(|gate| gates.get(gate));
                    if matches!(gate, Some(Outcome::Condition(_))) {
                        batch.booked = batch.open_period().await?;
                    }
                }
                contended
            }
        };
        if contended {
            batches[0].pause(attempt).await;
        }
    }
    Ok(None)
}

/// Events of one member and one home period.
struct Batch<'a> {
    store: &'a dyn Store,
    gate_always_checked: bool,
    rulebook: &'a Rulebook,
    rulebooks: &'a dyn Rulebooks,
    member: &'a MemberId,
    commands: &'a [Command],
    shard: u8,
    home: Period,
    current: Period,
    /// The period that clears the batch: its home unless that is sealed.
    booked: Period,
    /// What was looked up by reference keys; `None`: nothing is known.
    known: BTreeMap<Key, Option<Found>>,
    source: Source<'a>,
    clock: &'a Clock,
    now: DateTime<Utc>,
}

/// A transaction in the making.
struct Draft {
    account: Account,
    /// What it leaves of each reference. DynamoDB takes an item once in a transaction.
    references: BTreeMap<Key, Left>,
    writes: Vec<Write>,
    /// For each write, the reference that it claims.
    claims: Vec<Option<Key>>,
    /// What must not be there, if the period is over.
    gate: Option<Key>,
    answers: Vec<Answer>,
}

enum Left {
    Recorded {
        recorded: Box<Recorded>,
        reversed: Reversed,
        write: Change,
    },
    /// The answers of files, this one's among them.
    Refused {
        refusals: Refusals,
        condition: Condition,
    },
}

/// Longer with every attempt.
pub(crate) fn longest_pause(attempt: u32) -> Duration {
    Duration::from_millis((4_u64 << attempt.min(6)).min(LONGEST_PAUSE_MILLIS))
}

/// What a transaction writes for a reference that has an entry.
enum Change {
    Nothing,
    /// What is reversed of it. Guarded by the account's sequence.
    Reversed,
    /// The entry, too.
    All(Condition),
}

impl Batch<'_> {
    /// Spreads writers of one account: longer with every attempt, and different
    /// from event to event and call to call.
    async fn pause(&self, attempt: u32) {
        let event = self.commands[0].fingerprint().iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        let seed = (u64::from(self.now.timestamp_subsec_nanos()) ^ event).rotate_left(attempt);
        self.store.pause(longest_pause(attempt), seed).await;
    }

    /// Takes in why a transaction was cancelled; `true` if others were in the way.
    async fn learn(&mut self, draft: &Draft, outcomes: Vec<Outcome>) -> Result<bool, LedgerError> {
        let mut contended = false;
        let mut claimed: BTreeMap<&Key, Option<Item>> = BTreeMap::new();
        for (outcome, claim) in outcomes.into_iter().zip(&draft.claims) {
            match (outcome, claim) {
                (Outcome::Fine, _) => {}
                (Outcome::Conflict, _) | (Outcome::Condition(_), None) => contended = true,
                (Outcome::Condition(item), Some(reference)) => {
                    // Without its old item, or with the entry's, the reply says too little.
                    let is_reference = item.get(PK).and_then(|pk| pk.as_s().ok()) == Some(&reference.pk);
                    let known = claimed.entry(reference).or_default();
                    if is_reference {
                        *known = Some(item);
                    }
                }
            }
        }
        let mut read = Vec::new();
        for (reference, item) in claimed {
            match item {
                Some(item) => read.push((reference.clone(), item)),
                None => {
                    self.look_up(reference).await?;
                    let free = !matches!(self.known.get(reference), Some(Some(_)));
                    if free && matches!(draft.references.get(reference), Some(Left::Recorded { .. })) {
                        // It lies there without its reference.
                        return Err(store::missing(reference));
                    }
                }
            }
        }
        let found = references::resolve(self.store, read).await?;
        self.known.extend(found.into_iter().map(|(key, found)| (key, Some(found))));
        Ok(contended)
    }

    /// The first period after the home whose shard is not sealed.
    async fn open_period(&self) -> Result<Period, LedgerError> {
        let mut candidate = self.home.next();
        while candidate < self.current || self.gate_always_checked {
            if self.store.get(&keys::gate(candidate, self.shard)).await?.is_none() {
                return Ok(candidate);
            }
            candidate = candidate.next();
        }
        Ok(candidate)
    }

    async fn look_up(&mut self, key: &Key) -> Result<(), LedgerError> {
        let found = references::find(self.store, key).await?;
        self.known.insert(key.clone(), found);
        Ok(())
    }

    async fn draft(&mut self) -> Result<Draft, LedgerError> {
        // A period may end while others are in the way.
        self.now = (self.clock)();
        self.current = self.rulebook.period(self.now);
        let item = self.store.get(&keys::account(self.member)).await?;
        let account = item.as_ref().map(items::account).transpose()?.unwrap_or_default();
        if let Some(period) = account.returned_in {
            self.booked = self.booked.max(period);
        }
        // What was not there may be there by now.
        self.known.retain(|_, known| known.is_some());
        let sequence = account.sequence;
        let mut draft = Draft {
            account,
            references: BTreeMap::new(),
            writes: Vec::new(),
            claims: Vec::new(),
            gate: None,
            answers: Vec::with_capacity(self.commands.len()),
        };
        for command in self.commands {
            let answer = self.answer(&mut draft, command).await?;
            draft.answers.push(answer);
        }
        draft.write_references()?;
        if draft.account.sequence != sequence {
            // Whatever the plans rest on must still be so.
            let condition = match sequence {
                0 => Condition::Absent,
                sequence => Condition::Equals(SEQUENCE, AttributeValue::N(sequence.to_string())),
            };
            let item = items::account_item(self.member, &draft.account);
            draft.writes.push(Write::Put { item, condition });
            draft.claims.push(None);
            // A period that is over may be sealed any moment; the current one cannot be.
            // A refusal clears nothing, whenever it is remembered.
            if self.booked < self.current || self.gate_always_checked {
                draft.gate = Some(keys::gate(self.booked, self.shard));
            }
        }
        Ok(draft)
    }

    async fn answer(&mut self, draft: &mut Draft, command: &Command) -> Result<Answer, LedgerError> {
        let scope = self.rulebook.scope(&command.head.line, self.rulebook.day(command.occurred()));
        let key = keys::reference(&items::name(command, scope));
        if let Some(Left::Recorded { recorded, .. }) = draft.references.get(&key) {
            return Ok(repeated(command, recorded));
        }
        if let Err(refusal) = check(self.rulebook, command, self.now) {
            // A process with another clock or rulebook may have accepted it.
            if !self.known.contains_key(&key) {
                self.look_up(&key).await?;
            }
            return Ok(match self.known.get(&key) {
                Some(Some(Found::Entry(recorded, _))) => repeated(command, recorded),
                Some(Some(Found::Refusals(_)) | None) | None => Answer::Rejected(Rejection::Refused(refusal)),
            });
        }
        if let (Some(Left::Refused { refusals, .. }), Some(file)) = (draft.references.get(&key), self.source.file())
            && let Some(before) = refusals.get(file)
        {
            return Ok(Answer::Rejected(Rejection::RefusedBefore(before.clone())));
        }
        let (refusals, planned) = loop {
            let refusals = match self.known.get(&key) {
                Some(Some(Found::Entry(recorded, _))) => return Ok(repeated(command, recorded)),
                Some(Some(Found::Refusals(refusals))) => Some(refusals.clone()),
                Some(None) | None => None,
            };
            if let (Some(refusals), Some(file)) = (&refusals, self.source.file())
                && let Some(before) = refusals.get(file)
            {
                return Ok(Answer::Rejected(Rejection::RefusedBefore(before.clone())));
            }
            let planned = self.plan(draft, command).await?;
            // What was accepted long ago is not refused for what happened since.
            if planned.is_err() && !self.known.contains_key(&key) {
                self.look_up(&key).await?;
                continue;
            }
            break (refusals, planned);
        };
        let (plan, balance) = match planned {
            Ok(planned) => planned,
            Err(refusal) => return Ok(self.refuse(draft, key, refusals, refusal)),
        };
        let recorded = Recorded {
            entry: plan.entry,
            balance,
            recorded_at: self.now,
            sequence: plan.account.sequence,
            rulebook: self.rulebook.hash.clone(),
            source: self.source.stored(),
        };
        draft.account = plan.account;
        if let Some(now) = plan.reversed {
            self.reversed(draft, command, now);
        }
        let write = Change::All(replaces(refusals.as_ref()));
        let left = Left::Recorded { recorded: Box::new(recorded.clone()), reversed: Reversed::default(), write };
        draft.references.insert(key, left);
        Ok(Answer::Accepted(Box::new(recorded)))
    }

    fn refuse(&self, draft: &mut Draft, key: Key, known: Option<Refusals>, refusal: Refusal) -> Answer {
        let remember = refusal.depends_on_state();
        let rejection = Rejection::Refused(refusal);
        if let Some(file) = self.source.file().filter(|_| remember) {
            let condition = replaces(known.as_ref());
            let mut refusals = known.unwrap_or_default();
            refusals.insert(file.to_owned(), rejection.remembered());
            draft.references.insert(key, Left::Refused { refusals, condition });
        }
        Answer::Rejected(rejection)
    }

    /// Plans one event, and says what the member can spend after it.
    async fn plan(&self, draft: &mut Draft, command: &Command) -> Result<Result<(Plan, Points), Refusal>, LedgerError> {
        let day = self.rulebook.day(command.occurred());
        let planned = match self.target_key(command) {
            None => plan(self.rulebook, &draft.account, command, self.booked, None),
            Some(key) => {
                self.read_target(draft, &key).await?;
                match draft.references.get(&key) {
                    Some(Left::Recorded { recorded, reversed, .. }) => {
                        let decided_by = self.decided_by(recorded).await?;
                        let rulebook = decided_by.as_deref().unwrap_or(self.rulebook);
                        let target = Target { entry: &recorded.entry, reversed, rulebook };
                        plan(self.rulebook, &draft.account, command, self.booked, Some(target))
                    }
                    Some(Left::Refused { .. }) | None => {
                        plan(self.rulebook, &draft.account, command, self.booked, None)
                    }
                }
            }
        };
        Ok(planned.and_then(|plan| {
            let balance = plan.account.balance(day)?;
            Ok((plan, balance))
        }))
    }

    /// The reference of what a reversal takes back.
    fn target_key(&self, command: &Command) -> Option<Key> {
        let origin = command.action.origin()?;
        let day = origin.on.unwrap_or_else(|| self.rulebook.day(command.occurred()));
        let line = command.head.line.clone();
        let scope = self.rulebook.scope(&line, day);
        Some(keys::reference(&Name { line, kind: origin.kind, reference: origin.reference.clone(), scope }))
    }

    /// Reads what a reversal takes back, after the account: whoever reverses of it
    /// meanwhile changes that.
    async fn read_target(&self, draft: &mut Draft, key: &Key) -> Result<(), LedgerError> {
        if draft.references.contains_key(key) {
            return Ok(());
        }
        if let Some(Found::Entry(recorded, reversed)) = references::find(self.store, key).await? {
            let left = Left::Recorded { recorded, reversed, write: Change::Nothing };
            draft.references.insert(key.clone(), left);
        }
        Ok(())
    }

    /// The rulebook that decided a sale, if it is not the current one.
    async fn decided_by(&self, recorded: &Recorded) -> Result<Option<Arc<Rulebook>>, LedgerError> {
        let is_sale = recorded.entry.kind() == EntryKind::Accrual;
        if !is_sale || recorded.rulebook == self.rulebook.hash {
            return Ok(None);
        }
        self.rulebooks.by_hash(&recorded.rulebook).await.map(Some)
    }

    /// Notes what is reversed of the target from now on.
    fn reversed(&self, draft: &mut Draft, command: &Command, now: Reversed) {
        let target = self.target_key(command).and_then(|key| draft.references.get_mut(&key));
        if let Some(Left::Recorded { reversed, write, .. }) = target {
            *reversed = now;
            if matches!(write, Change::Nothing) {
                *write = Change::Reversed;
            }
        }
    }
}

impl Draft {
    fn write_references(&mut self) -> Result<(), LedgerError> {
        for (key, left) in &self.references {
            let (item, condition) = match left {
                Left::Refused { refusals, condition } => (items::refused_reference(key, refusals), condition.clone()),
                Left::Recorded { write: Change::Nothing, .. } => continue,
                Left::Recorded { recorded, reversed, write } => {
                    let reference = items::recorded_reference(&recorded.entry, reversed);
                    match write {
                        Change::Nothing | Change::Reversed => (reference, Condition::None),
                        Change::All(condition) => {
                            let item = items::entry_item(recorded)?;
                            self.writes.push(Write::Put { item, condition: Condition::Absent });
                            self.claims.push(Some(key.clone()));
                            (reference, condition.clone())
                        }
                    }
                }
            };
            self.writes.push(Write::Put { item, condition });
            self.claims.push(Some(key.clone()));
        }
        Ok(())
    }
}

/// What is put for a reference must replace just what was found there.
fn replaces(refusals: Option<&Refusals>) -> Condition {
    match refusals {
        None => Condition::Absent,
        Some(refusals) => Condition::Equals(REFUSALS, items::refusals_value(refusals)),
    }
}

fn repeated(command: &Command, recorded: &Recorded) -> Answer {
    match command.differing_field(&recorded.entry) {
        None => Answer::Replayed(Box::new(recorded.clone())),
        Some(field) => Answer::Rejected(Rejection::Conflict(field)),
    }
}
