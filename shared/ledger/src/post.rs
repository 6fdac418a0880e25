//! Records events: read the account, plan, commit in one transaction.
//!
//! The hot path is one read and one transaction of three items. Whatever can go
//! wrong shows as a cancelled transaction and is looked up only then: an event
//! that is there already, a shard that is sealed, an account that changed.
//!
//! Members of a file whose events ask for the same gate may share a transaction, and
//! with it the price of asking.

use crate::Ledger;
use crate::answer::{Answer, Source};
use crate::draft::{Draft, LookUp, Looked, Step, Terms, Writes};
use crate::error::LedgerError;
use crate::items;
use crate::keys::{self, Key};
use crate::references;
use crate::rulebooks::Rulebooks;
use crate::store::{self, Item, Outcome, Store, TransactError, Write, longest_pause};
use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use interline_domain::claims::account::shard;
use interline_domain::events::Command;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::MemberId;
use std::collections::{BTreeMap, BTreeSet};

/// DynamoDB takes at most so many items in one transaction.
const TRANSACTION_ITEMS: usize = 100;
/// The account and the gate.
const BESIDE_ENTRIES: usize = 2;
/// Entries of one member in one transaction, each with its reference.
pub const ENTRIES_PER_BATCH: usize = 49;
const _: () = assert!(ENTRIES_PER_BATCH * 2 + BESIDE_ENTRIES <= TRANSACTION_ITEMS);
/// Members of a shard in one transaction. More would save little of what a gate costs,
/// and one of them who is written by others holds up the rest.
pub const MEMBERS_TOGETHER: usize = 8;
/// After so many transactions in vain, each of them is recorded alone.
const ATTEMPTS_TOGETHER: u32 = 4;
/// One writer wins each round, so this many rounds serve as many writers of one account.
const ATTEMPTS: u32 = 128;
/// How often a service that fails is asked.
const SERVICE_ATTEMPTS: u32 = 5;
/// Bytes of an event's fingerprint by which its writers are spread.
const SEED_BYTES: usize = 8;

/// Tells the time of the process that writes.
pub type Clock = dyn Fn() -> DateTime<Utc> + Send + Sync;

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
                rulebook.period(command.occurred()) == home && items + BESIDE_ENTRIES <= TRANSACTION_ITEMS
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
            looked: Looked::new(),
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
    looked: Looked,
    source: Source<'a>,
    clock: &'a Clock,
    now: DateTime<Utc>,
}

/// A transaction in the making.
struct Drafted {
    writes: Vec<Write>,
    /// For each write, the reference that it claims.
    claims: Vec<Option<Key>>,
    recorded: BTreeSet<Key>,
    /// What must not be there, if the period is over.
    gate: Option<Key>,
    answers: Vec<Answer>,
}

impl Batch<'_> {
    /// Spreads writers of one account: longer with every attempt, and different
    /// from event to event and call to call.
    async fn pause(&self, attempt: u32) {
        let event =
            self.commands[0].fingerprint().iter().take(SEED_BYTES).fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        let seed = (u64::from(self.now.timestamp_subsec_nanos()) ^ event).rotate_left(attempt);
        self.store.pause(longest_pause(attempt), seed).await;
    }

    /// Takes in why a transaction was cancelled; `true` if others were in the way.
    async fn learn(&mut self, draft: &Drafted, outcomes: Vec<Outcome>) -> Result<bool, LedgerError> {
        let mut contended = false;
        let mut claimed: BTreeMap<&Key, Option<Item>> = BTreeMap::new();
        for (outcome, claim) in outcomes.into_iter().zip(&draft.claims) {
            match (outcome, claim) {
                (Outcome::Fine, _) => {}
                (Outcome::Conflict, _) | (Outcome::Condition(_), None) => contended = true,
                (Outcome::Condition(item), Some(reference)) => {
                    // Without its old item, or with the entry's, the reply says too little.
                    let is_reference = items::is_at(&item, reference);
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
                    let free = !matches!(self.looked.get(reference), Some(Some(_)));
                    if free && draft.recorded.contains(reference) {
                        // It lies there without its reference.
                        return Err(store::missing(reference));
                    }
                }
            }
        }
        let found = references::resolve(self.store, read).await?;
        self.looked.extend(found.into_iter().map(|(key, found)| (key, Some(found))));
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
        self.looked.insert(key.clone(), found);
        Ok(())
    }

    async fn draft(&mut self) -> Result<Drafted, LedgerError> {
        // A period may end while others are in the way.
        self.now = (self.clock)();
        self.current = self.rulebook.period(self.now);
        let item = self.store.get(&keys::account(self.member)).await?;
        let account = item.as_ref().map(items::account).transpose()?.unwrap_or_default();
        if let Some(period) = account.returned_in {
            self.booked = self.booked.max(period);
        }
        // What was not there may be there by now.
        self.looked.retain(|_, found| found.is_some());
        let Self { rulebook, source, now, booked, .. } = *self;
        let mut draft = Draft::new(Terms { rulebook, source, now, booked }, account);
        let mut answers = Vec::with_capacity(self.commands.len());
        for command in self.commands {
            answers.push(self.decide(&mut draft, command).await?);
        }
        let Writes { writes, claims, recorded, clears } = draft.writes(self.member)?;
        // A period that is over may be sealed any moment; the current one cannot be.
        // A refusal clears nothing, whenever it is remembered.
        let asks = clears && (self.booked < self.current || self.gate_always_checked);
        let gate = asks.then(|| keys::gate(self.booked, self.shard));
        Ok(Drafted { writes, claims, recorded, gate, answers })
    }

    /// Looks up whatever an event has to wait for, until it is decided.
    async fn decide(&mut self, draft: &mut Draft<'_>, command: &Command) -> Result<Answer, LedgerError> {
        loop {
            match draft.step(command, &self.looked) {
                Step::Reply(answer) => return Ok(answer),
                Step::Write(change) => return Ok(draft.take(change)),
                Step::LookUp(LookUp::Reference(key)) => self.look_up(&key).await?,
                Step::LookUp(LookUp::Target(key)) => {
                    let found = references::find(self.store, &key).await?;
                    draft.found_target(key, found);
                }
                Step::LookUp(LookUp::Rulebook(hash)) => {
                    let rulebook = self.rulebooks.by_hash(&hash).await?;
                    draft.found_rulebook(hash, rulebook);
                }
            }
        }
    }
}
