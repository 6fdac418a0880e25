//! A step of a close beside the tally: carries what a shard's members hold from the
//! run before to this one, and compares it with their accounts.

use chrono::{NaiveDate, TimeDelta};
use interline_domain::claims::account::Account;
use interline_domain::close::period::predecessor;
use interline_domain::close::settlement::{CohortBalance, Debt};
use interline_domain::close::snapshot::{Claims, Difference, NotRebuilt, Snapshot};
use interline_domain::events::Entry;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::MemberId;
use interline_domain::units::limits::{EXPIRED_LOT_KEPT_MONTHS, FUTURE_TOLERANCE_MINUTES};
use interline_domain::units::money::OutOfRange;
use interline_domain::units::shard::Shard;
use interline_lambda::finished::FinishedRun;
use interline_lambda::{App, Failure, ShardTask};
use interline_ledger::{Ledger, LedgerError};
use interline_reports::accounts::{Differing, ProofFile, SnapshotFile, proof_key, snapshot_key};
use interline_reports::pack::is_trial;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub shard: u16,
    pub compared: u64,
    pub differing: u64,
}

pub async fn handle(app: &App, task: ShardTask) -> Result<Done, Failure> {
    let published = app.rulebook_by_hash(&task.rulebook).await?;
    app.check_own(&task.run, &task.rulebook)?;
    let mut done = Done { shard: task.shard, compared: 0, differing: 0 };
    for shard in task.shards(&published.rulebook)? {
        prove(app, &published.rulebook, &task, shard, &mut done).await?;
    }
    Ok(done)
}

async fn prove(app: &App, rulebook: &Rulebook, task: &ShardTask, shard: Shard, done: &mut Done) -> Result<(), Failure> {
    let carried = carry(app, rulebook, task.period, shard).await?;
    // Months after this one may have another number of shards by now.
    let later = app.rulebook().await?;
    let later = Months { rulebook: &later.rulebook, newest: newest(rulebook, app) };
    let found = carried.compare(app, rulebook, later).await?;
    let differing = named(app, rulebook, found).await?;
    done.compared = done.compared.checked_add(carried.moved.len() as u64).ok_or(OutOfRange)?;
    done.differing = done.differing.checked_add(differing.len() as u64).ok_or(OutOfRange)?;
    let (proof, bytes) = carried.files(app.engine(), &task.rulebook, differing)?;
    let key = snapshot_key(task.period, &task.run, shard);
    // A trial's month may still be open: its step may be repeated after more events came.
    match is_trial(&task.run) {
        true => app.reports.put(&key, bytes).await?,
        false => app.reports.put_once(&key, bytes).await?,
    }
    // What is compared may be put right before the step is repeated.
    app.reports.put(&proof_key(task.period, &task.run, shard), serde_json::to_vec(&proof)?).await?;
    Ok(())
}

/// Only who is named in a file needs a pseudonym, so only then its key.
async fn named(app: &App, rulebook: &Rulebook, found: Vec<Found>) -> Result<Vec<Differing>, Failure> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let pseudonyms = app.pseudonyms(rulebook).await?;
    let named = found.into_iter().map(|Found { member, differences }| {
        let pseudonym = pseudonyms.of(&member);
        Differing { member, pseudonym, differences }
    });
    Ok(named.collect())
}

/// A member whose account is not what his entries give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub member: MemberId,
    pub differences: Vec<Difference>,
}

/// The last month in which an entry can be booked, whichever process wrote it: clocks
/// differ by less than a month.
pub fn newest(rulebook: &Rulebook, app: &App) -> Period {
    rulebook.period(app.now() + TimeDelta::minutes(FUTURE_TOLERANCE_MINUTES)).next()
}

/// The claims of a shard's members at the end of a period.
#[derive(Debug)]
pub struct Carried {
    pub period: Period,
    pub shard: Shard,
    pub claims: Snapshot,
    /// Entries of the period.
    pub entries: u64,
    /// Who has one of them.
    pub moved: BTreeSet<MemberId>,
}

/// Adds a period's entries to the snapshot of the run before; compares and writes nothing.
pub async fn carry(app: &App, rulebook: &Rulebook, period: Period, shard: Shard) -> Result<Carried, Failure> {
    let mut claims = before(app, rulebook, period, shard).await?;
    let mut entries = 0;
    let mut moved = BTreeSet::new();
    let mut records = app.ledger.shard_records(period, shard);
    while let Some(page) = records.next_page().await {
        for (entry, sequence) in page? {
            claims.add(&entry, sequence)?;
            entries += 1;
            if !moved.contains(&entry.head.member) {
                moved.insert(entry.head.member);
            }
        }
    }
    claims.prune(period, rulebook.refund_months);
    Ok(Carried { period, shard, claims, entries, moved })
}

/// The snapshot that a period's entries are added to: that of the final run before,
/// followed through its hashes.
async fn before(app: &App, rulebook: &Rulebook, period: Period, shard: Shard) -> Result<Snapshot, Failure> {
    let Some(predecessor) = predecessor(rulebook.first_period, period)? else { return Ok(Snapshot::default()) };
    let run = app.ledger.period(predecessor).await?.closed_before(period)?;
    FinishedRun::read(app, predecessor, &run).await?.claims(shard).await
}

impl Carried {
    /// Who of those that moved has another account than his entries give.
    async fn compare(&self, app: &App, rulebook: &Rulebook, months: Months<'_>) -> Result<Vec<Found>, Failure> {
        let moved: Vec<MemberId> = self.moved.iter().cloned().collect();
        let accounts = app.ledger.accounts(&moved).await?;
        let of = |member: &MemberId| accounts.get(member).cloned().unwrap_or_default();
        let until = moved.iter().map(|member| (member, of(member).sequence)).collect();
        let later = later(&app.ledger, self.period.next(), months, self.shard, &until).await?;
        let mut suspects = Vec::new();
        for member in &moved {
            let found = self.claims.differences(member, &of(member), later.within.get(member), months.newest)?;
            if !found.is_empty() || later.beyond.contains_key(member) {
                suspects.push(member.clone());
            }
        }
        if suspects.is_empty() {
            return Ok(Vec::new());
        }
        // More entries may have come while the first ones were read: once more, from the
        // accounts on.
        let base = before(app, rulebook, self.period, self.shard).await?;
        compare(&app.ledger, &base, self.period, months, self.shard, suspects).await
    }

    /// What settling needs to know, and the bytes of the snapshot.
    pub fn files(
        self,
        engine: &str,
        rulebook: &str,
        differing: Vec<Differing>,
    ) -> Result<(ProofFile, Vec<u8>), Failure> {
        let lots = self.claims.lots()?.into_iter().map(|(cohort, points)| CohortBalance { cohort, points });
        let lots = lots.collect();
        let debts = self.claims.debts()?.into_iter().map(|(creditor, points)| Debt { creditor, points });
        let debts = debts.collect();
        let indebted = self.claims.indebted();
        let file = SnapshotFile { period: self.period, shard: self.shard.number(), claims: self.claims };
        let bytes = file.bytes()?;
        let proof = ProofFile {
            engine: engine.to_owned(),
            rulebook: rulebook.to_owned(),
            snapshot: file.entry(&bytes),
            entries: self.entries,
            compared: self.moved.len() as u64,
            lots,
            debts,
            indebted,
            differing,
        };
        Ok((proof, bytes))
    }
}

/// Who of `members` has another account than a snapshot and all entries from `first` on
/// give. Accounts are read first, so that every entry they know of is found after. Who
/// has more entries than the account knows is read again: an account that then is still
/// the same was put back to what it once was.
pub async fn compare(
    ledger: &Ledger,
    base: &Snapshot,
    first: Period,
    months: Months<'_>,
    shard: Shard,
    mut members: Vec<MemberId>,
) -> Result<Vec<Found>, Failure> {
    let mut differing = Vec::new();
    for _ in 0..COMPARED_AGAIN {
        let accounts = ledger.accounts(&members).await?;
        let of = |member: &MemberId| accounts.get(member).cloned().unwrap_or_default();
        let until = members.iter().map(|member| (member, of(member).sequence)).collect();
        let Later { mut within, beyond } = later(ledger, first, months, shard, &until).await?;
        let ahead: Vec<MemberId> = beyond.keys().cloned().collect();
        let now = ledger.accounts(&ahead).await?;
        let mut moved = Vec::new();
        for member in &members {
            if let Some(beyond) = beyond.get(member) {
                if now.get(member).is_some_and(|account| account.sequence > of(member).sequence) {
                    moved.push(member.clone());
                    continue;
                }
                within.entry(member.clone()).or_default().merge(beyond)?;
            }
            let differences = base.differences(member, &of(member), within.get(member), months.newest)?;
            if !differences.is_empty() {
                differing.push(Found { member: member.clone(), differences });
            }
        }
        if moved.is_empty() {
            return Ok(differing);
        }
        members = moved;
    }
    Err(LedgerError::Contention(COMPARED_AGAIN).into())
}

/// How often members are read who are busy all the while.
const COMPARED_AGAIN: u32 = 8;

/// What the entries of some months gave to members.
#[derive(Debug, Default)]
struct Later {
    /// Up to a sequence of each.
    within: BTreeMap<MemberId, Claims>,
    /// After it.
    beyond: BTreeMap<MemberId, Claims>,
}

async fn later(
    ledger: &Ledger,
    first: Period,
    months: Months<'_>,
    shard: Shard,
    until: &BTreeMap<&MemberId, u64>,
) -> Result<Later, Failure> {
    let mut later = Later::default();
    each(ledger, first, months, shard, |entry, sequence| {
        let claims = match until.get(&entry.head.member) {
            Some(until) if sequence <= *until => &mut later.within,
            Some(_) => &mut later.beyond,
            None => return Ok(()),
        };
        claims.entry(entry.head.member.clone()).or_default().add(&entry, sequence)?;
        Ok(())
    })
    .await?;
    Ok(later)
}

/// Months up to the newest, and the rulebook that says how many shards each has: the one
/// in force, as no other says it of those that have begun since.
#[derive(Debug, Clone, Copy)]
pub struct Months<'a> {
    pub rulebook: &'a Rulebook,
    pub newest: Period,
}

/// Calls for every entry of a shard's members in some months, in no order of time. They
/// are in other shards where a month has another number of them.
pub async fn each(
    ledger: &Ledger,
    first: Period,
    months: Months<'_>,
    shard: Shard,
    mut take: impl FnMut(Entry, u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut period = first;
    while period <= months.newest {
        for other in months.rulebook.shards(period).with_members_of(shard) {
            let mut records = ledger.shard_records(period, other);
            while let Some(page) = records.next_page().await {
                for (entry, sequence) in page? {
                    if other == shard || shard.has(&entry.head.member) {
                        take(entry, sequence)?;
                    }
                }
            }
        }
        period = period.next();
    }
    Ok(())
}

/// A shard's members at any time, by the newest final run and all entries after it.
#[derive(Debug)]
pub struct Books<'a> {
    shard: Shard,
    base: Snapshot,
    /// The first month that the snapshot does not hold.
    first: Period,
    months: Months<'a>,
}

impl<'a> Books<'a> {
    /// The books of a shard; without a final run, by its entries alone.
    pub async fn open(
        app: &App,
        closed: Option<&FinishedRun<'_>>,
        rulebook: &'a Rulebook,
        shard: Shard,
    ) -> Result<Self, Failure> {
        let (base, first) = match closed {
            Some(run) => (run.claims(shard).await?, run.period.next()),
            None => (Snapshot::default(), rulebook.first_period),
        };
        Ok(Self { shard, base, first, months: Months { rulebook, newest: newest(rulebook, app) } })
    }

    /// How many members there are, and whose account is not what his entries give.
    pub async fn check(&self, ledger: &Ledger) -> Result<(usize, Vec<Found>), Failure> {
        let mut members: BTreeSet<MemberId> = self.base.members.keys().cloned().collect();
        each(ledger, self.first, self.months, self.shard, |entry, _| {
            members.insert(entry.head.member);
            Ok(())
        })
        .await?;
        let count = members.len();
        let members = members.into_iter().collect();
        let found = compare(ledger, &self.base, self.first, self.months, self.shard, members).await?;
        Ok((count, found))
    }

    /// The account that the entries of a member give, beside the one that is there.
    pub async fn rebuilt(&self, ledger: &Ledger, rulebook: &Rulebook, member: &MemberId) -> Result<Rebuilt, Failure> {
        let read = ledger.accounts(std::slice::from_ref(member)).await?.remove(member).unwrap_or_default();
        let (mut later, mut recent) = (Claims::default(), Vec::new());
        let recent_from = self.months.newest.minus_months(RECENT_MONTHS);
        each(ledger, self.first.min(recent_from), self.months, self.shard, |entry, sequence| {
            if entry.head.member == *member {
                if entry.booked >= self.first {
                    later.add(&entry, sequence)?;
                }
                if entry.booked >= recent_from {
                    recent.push((sequence, entry));
                }
            }
            Ok(())
        })
        .await?;
        recent.sort_by_key(|(sequence, _)| *sequence);
        let recent: Vec<Entry> = recent.into_iter().map(|(_, entry)| entry).collect();
        let account = self.base.rebuilt(rulebook, member, &read, Some(&later), &recent, self.months.newest);
        Ok(Rebuilt { read, account })
    }
}

/// The month after the current one is the newest; caps count in the current one and
/// the one before it.
const RECENT_MONTHS: u32 = 1 + EXPIRED_LOT_KEPT_MONTHS;

#[derive(Debug)]
pub struct Rebuilt {
    /// As it is.
    pub read: Account,
    /// As its entries give it.
    pub account: Result<Account, NotRebuilt>,
}

/// What a member held by the books on a day of a month that is final: what the run
/// before left, and what of the month's entries happened until then.
pub async fn held_on(app: &App, rulebook: &Rulebook, member: &MemberId, day: NaiveDate) -> Result<Claims, Failure> {
    let period = Period::of_day(day);
    let shard = rulebook.shards(period).of(member);
    let before = before(app, rulebook, period, shard).await?;
    let mut claims = before.members.get(member).cloned().unwrap_or_default();
    each(&app.ledger, period, Months { rulebook, newest: period }, shard, |entry, sequence| {
        if entry.head.member == *member && rulebook.day(entry.head.occurred()) <= day {
            claims.add(&entry, sequence)?;
        }
        Ok(())
    })
    .await?;
    Ok(claims)
}
