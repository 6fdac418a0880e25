//! What members hold by their entries, carried from close to close and compared
//! with their accounts.
//!
//! Entries add up in any order, so a snapshot and the entries of later months up to an
//! account's sequence give that account, whatever is being written meanwhile.

use crate::claims::account::{Account, kept_from};
use crate::claims::lot::{Cohort, Expiry};
use crate::events::{Balances, Entry};
use crate::terms::rulebook::Rulebook;
use crate::units::calendar::Period;
use crate::units::id::{MemberId, SchemeId};
use crate::units::limits::EXPIRED_LOT_KEPT_MONTHS;
use crate::units::money::{OutOfRange, Points};
use crate::units::shard::Shard;
use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::collections::BTreeMap;

/// What one member holds by some of his entries. Not those of a whole account, they may
/// lack what others bring: then lots and debts can be negative.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    pub entries: u64,
    /// The sum of the entries' sequence numbers: with no gap, that of one to their count.
    pub sequences: u64,
    /// None is zero.
    pub lots: BTreeMap<Cohort, Points>,
    /// None is zero.
    pub debts: BTreeMap<SchemeId, Points>,
}

/// The claims of one shard's members.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Lots whose last day lies before this one are left out.
    pub forgotten_before: Option<NaiveDate>,
    pub members: BTreeMap<MemberId, Claims>,
}

/// One number in which an account is not what its entries give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// `entries` (their number), `sequence` (the sum of theirs), `lot funder|issued|expires`
    /// or `debt creditor`.
    pub what: String,
    pub account: String,
    pub entries: String,
}

/// Why an account cannot be written anew from its entries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRebuilt {
    #[error("of its {0} entries one is missing, or stands there twice")]
    Gap(u64),
    #[error("its entries give {points} points of {cohort}")]
    BelowZero { cohort: Cohort, points: Points },
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Claims {
    pub fn add(&mut self, entry: &Entry, sequence: u64) -> Result<(), OutOfRange> {
        self.entries = self.entries.checked_add(1).ok_or(OutOfRange)?;
        self.sequences = self.sequences.checked_add(sequence).ok_or(OutOfRange)?;
        entry.event.moves(self)
    }

    /// Adds what other entries of the same member gave.
    pub fn merge(&mut self, other: &Self) -> Result<(), OutOfRange> {
        self.entries = self.entries.checked_add(other.entries).ok_or(OutOfRange)?;
        self.sequences = self.sequences.checked_add(other.sequences).ok_or(OutOfRange)?;
        other.lots.iter().try_for_each(|(cohort, points)| add(&mut self.lots, cohort, *points))?;
        other.debts.iter().try_for_each(|(creditor, points)| add(&mut self.debts, creditor, *points))
    }

    /// The sum of the sequence numbers of so many entries without a gap.
    fn sequences_of(entries: u64) -> u128 {
        u128::from(entries) * (u128::from(entries) + 1) / 2
    }

    /// In what an account is not these claims. Lots that expired before `compared_from`
    /// do not count.
    pub fn differences(&self, account: &Account, compared_from: Option<NaiveDate>) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut compare = |what: String, account: String, entries: String| {
            if account != entries {
                found.push(Difference { what, account, entries });
            }
        };
        compare("entries".to_owned(), account.sequence.to_string(), self.entries.to_string());
        let expected = Self::sequences_of(self.entries).to_string();
        compare("sequence".to_owned(), expected, self.sequences.to_string());
        for (cohort, [held, given]) in side_by_side(&account.lots, &self.lots) {
            if is_kept(cohort, compared_from) {
                compare(format!("lot {cohort}"), held.to_string(), given.to_string());
            }
        }
        for (creditor, [owed, given]) in side_by_side(&account.debts, &self.debts) {
            compare(format!("debt {creditor}"), owed.to_string(), given.to_string());
        }
        found
    }
}

impl Balances for Claims {
    fn lot(&mut self, cohort: &Cohort, points: Points) -> Result<(), OutOfRange> {
        add(&mut self.lots, cohort, points)
    }

    fn debt(&mut self, creditor: &SchemeId, points: Points) -> Result<(), OutOfRange> {
        add(&mut self.debts, creditor, points)
    }
}

fn add<K: Ord + Clone>(sums: &mut BTreeMap<K, Points>, key: &K, points: Points) -> Result<(), OutOfRange> {
    let sum = sums.get(key).copied().unwrap_or_default().plus(points)?;
    if sum.is_zero() {
        sums.remove(key);
    } else if let Some(known) = sums.get_mut(key) {
        *known = sum;
    } else {
        sums.insert(key.clone(), sum);
    }
    Ok(())
}

fn side_by_side<'m, K: Ord>(
    one: &'m BTreeMap<K, Points>,
    other: &'m BTreeMap<K, Points>,
) -> BTreeMap<&'m K, [Points; 2]> {
    let mut both: BTreeMap<&K, [Points; 2]> = one.iter().map(|(key, points)| (key, [*points, Points::ZERO])).collect();
    for (key, points) in other {
        both.entry(key).or_default()[1] = *points;
    }
    both
}

fn is_kept(cohort: &Cohort, from: Option<NaiveDate>) -> bool {
    from.is_none_or(|day| !cohort.expires.is_before(day))
}

impl Snapshot {
    /// Takes over those members of another snapshot of the same month that are in a shard,
    /// where there was another number of shards than now.
    pub fn take_over(&mut self, other: Self, shard: Shard) {
        self.forgotten_before = self.forgotten_before.max(other.forgotten_before);
        self.members.extend(other.members.into_iter().filter(|(member, _)| shard.has(member)));
    }

    pub fn add(&mut self, entry: &Entry, sequence: u64) -> Result<(), OutOfRange> {
        match self.members.get_mut(&entry.head.member) {
            Some(claims) => claims.add(entry, sequence),
            None => self.members.entry(entry.head.member.clone()).or_default().add(entry, sequence),
        }
    }

    /// Forgets the lots that accounts forget with an event of the period. It never goes
    /// back: what was left out once stays left out, whatever terms come later.
    pub fn prune(&mut self, period: Period, refund_months: u32) {
        let from = self.forgotten_before.max(Some(kept_from(period, refund_months)));
        self.forgotten_before = from;
        for claims in self.members.values_mut() {
            claims.lots.retain(|cohort, _| is_kept(cohort, from));
        }
    }

    /// From which expiry on lots are the same here and on an account.
    ///
    /// An account forgets lots by the months of its events, the snapshot by its own month:
    /// before the later of the two days one of them has forgotten what the other may
    /// have. For a lot that a refund could not tell any more its points are counted as
    /// gone, whether or not the account still had it; that ends a month after the account
    /// forgets. A late event changes nothing in this, as neither day ever goes back. What
    /// an account says of itself is believed up to the newest month only, so that no
    /// lot that can be spent is ever left out.
    fn compared_from(&self, account: &Account, newest: Period) -> Option<NaiveDate> {
        let told_from = |day| Period::of_day(day).plus_months(EXPIRED_LOT_KEPT_MONTHS).first_day();
        let by_account = account.forgotten_before.map(|day| told_from(day).min(newest.first_day()));
        self.forgotten_before.max(by_account)
    }

    /// In what a member's account is not what the snapshot and `later` entries give.
    /// `newest`: the month that no entry is later than.
    pub fn differences(
        &self,
        member: &MemberId,
        account: &Account,
        later: Option<&Claims>,
        newest: Period,
    ) -> Result<Vec<Difference>, OutOfRange> {
        let compared_from = self.compared_from(account, newest);
        match (self.members.get(member), later) {
            (Some(claims), None) | (None, Some(claims)) => Ok(claims.differences(account, compared_from)),
            (None, None) => Ok(Claims::default().differences(account, compared_from)),
            (Some(_), Some(_)) => Ok(self.with(member, later)?.differences(account, compared_from)),
        }
    }

    fn with(&self, member: &MemberId, later: Option<&Claims>) -> Result<Claims, OutOfRange> {
        let mut claims = self.members.get(member).cloned().unwrap_or_default();
        later.map_or(Ok(()), |later| claims.merge(later))?;
        Ok(claims)
    }

    /// A member's account as the snapshot and `later` entries give it. `recent` are
    /// his newest entries in their sequence, as far back as caps count: what they and
    /// returns need to know stands in them.
    pub fn rebuilt(
        &self,
        rulebook: &Rulebook,
        member: &MemberId,
        account: &Account,
        later: Option<&Claims>,
        recent: &[Entry],
        newest: Period,
    ) -> Result<Account, NotRebuilt> {
        let claims = self.with(member, later)?;
        if u128::from(claims.sequences) != Claims::sequences_of(claims.entries) {
            return Err(NotRebuilt::Gap(claims.entries));
        }
        let compared_from = self.compared_from(account, newest);
        let forgotten = account.forgotten_before.map(|day| day.min(newest.first_day()));
        let mut rebuilt = Account {
            sequence: claims.entries,
            forgotten_before: self.forgotten_before.max(forgotten),
            debts: claims.debts,
            ..Account::default()
        };
        for (cohort, points) in claims.lots {
            if points.is_positive() && is_kept(&cohort, rebuilt.forgotten_before) {
                rebuilt.lots.insert(cohort, points);
            } else if points.is_negative() && is_kept(&cohort, compared_from) {
                return Err(NotRebuilt::BelowZero { cohort, points });
            }
        }
        for entry in recent {
            entry.event.recount(&entry.head, entry.booked, rulebook, &mut rebuilt)?;
        }
        rebuilt.redeemed.retain(|_, points| points.is_positive());
        Ok(rebuilt)
    }

    /// All members' lots by cohort.
    pub fn lots(&self) -> Result<BTreeMap<Cohort, Points>, OutOfRange> {
        let mut sums = BTreeMap::new();
        for (cohort, points) in self.members.values().flat_map(|claims| &claims.lots) {
            add(&mut sums, cohort, *points)?;
        }
        Ok(sums)
    }

    /// All members' debts by creditor.
    pub fn debts(&self) -> Result<BTreeMap<SchemeId, Points>, OutOfRange> {
        let mut sums = BTreeMap::new();
        for (creditor, points) in self.members.values().flat_map(|claims| &claims.debts) {
            add(&mut sums, creditor, *points)?;
        }
        Ok(sums)
    }
}

impl Snapshot {
    /// How many members owe each creditor something.
    pub fn indebted(&self) -> BTreeMap<SchemeId, u64> {
        let mut members = BTreeMap::new();
        let owing = self.members.values().flat_map(|claims| &claims.debts).filter(|(_, points)| points.is_positive());
        for (creditor, _) in owing {
            *members.entry(creditor.clone()).or_default() += 1;
        }
        members
    }
}

/// As it is stored: a cohort's name stands there once for all members.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    forgotten_before: Option<Expiry>,
    cohorts: Vec<String>,
    members: Vec<StoredClaims>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredClaims {
    member: MemberId,
    entries: u64,
    sequences: u64,
    /// The cohort's place in the list, and points.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lots: Vec<(usize, Points)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    debts: BTreeMap<SchemeId, Points>,
}

impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let lots = self.members.values().flat_map(|claims| claims.lots.keys());
        let mut places: BTreeMap<&Cohort, usize> = lots.map(|cohort| (cohort, 0)).collect();
        places.values_mut().enumerate().for_each(|(at, place)| *place = at);
        let cohorts = places.keys().map(ToString::to_string).collect();
        let stored = self.members.iter().map(|(member, claims)| StoredClaims {
            member: member.clone(),
            entries: claims.entries,
            sequences: claims.sequences,
            lots: claims.lots.iter().map(|(cohort, points)| (places[cohort], *points)).collect(),
            debts: claims.debts.clone(),
        });
        let members = stored.collect();
        Stored { forgotten_before: self.forgotten_before.map(Expiry::On), cohorts, members }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Snapshot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let forgotten_before = match stored.forgotten_before {
            None => None,
            Some(Expiry::On(day)) => Some(day),
            Some(Expiry::Never) => return Err(D::Error::custom("forgotten_before must be a date")),
        };
        let unknown = |text: &str| D::Error::custom(format!("{text:?} is no cohort"));
        let cohorts = stored.cohorts.iter().map(|text| Cohort::parse(text).ok_or_else(|| unknown(text)));
        let cohorts = cohorts.collect::<Result<Vec<Cohort>, _>>()?;
        let mut members = BTreeMap::new();
        for StoredClaims { member, entries, sequences, lots, debts } in stored.members {
            let mut claims = Claims { entries, sequences, lots: BTreeMap::new(), debts };
            for (at, points) in lots {
                let cohort = cohorts.get(at).ok_or_else(|| D::Error::custom(format!("there is no cohort {at}")))?;
                claims.lots.insert(cohort.clone(), points);
            }
            if members.insert(member, claims).is_some() {
                return Err(D::Error::custom("a member stands there twice"));
            }
        }
        Ok(Self { forgotten_before, members })
    }
}
