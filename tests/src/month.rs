//! A month of any size, distributed as the sample's two: seeded, and planned by
//! the domain event by event, so that balances, lots and cohorts agree.

use crate::SHARDS;
use crate::shard;
use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use interline_domain::claims::account::Account;
use interline_domain::events::{Accrual, Action, Command, Head, Redemption, Refusal, plan};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, MemberId, Reference};
use interline_domain::units::money::{Money, Points};
use interline_ledger::{EntrySource, Recorded};

/// Values of a distribution at these per mille, with straight lines between.
type Quantiles = [i64; 8];
const PER_MILLE: Quantiles = [0, 100, 250, 500, 750, 900, 990, 1_000];

// Counted over all 50,853 rows of infra/local/sample/events-2017-{01,02}.csv.gz.

/// Events of a member in a month.
const EVENTS_OF_A_MEMBER: Quantiles = [1, 2, 4, 9, 17, 28, 59, 131];
/// Line, rows, amount of a sale in minor units.
const SALES: [(&str, u64, Quantiles); 10] = [
    ("grocery", 19_494, [25, 199, 476, 1_198, 2_774, 5_494, 13_113, 33_802]),
    ("drugstore", 10_867, [20, 100, 210, 517, 1_099, 2_104, 5_588, 24_998]),
    ("fresh", 9_627, [6, 149, 300, 673, 1_367, 2_425, 5_647, 13_121]),
    ("dining", 3_810, [4, 180, 300, 499, 850, 1_308, 2_583, 8_497]),
    ("bakery", 2_649, [25, 100, 150, 250, 400, 728, 2_258, 4_699]),
    ("fuel", 1_863, [12, 1_000, 1_500, 2_246, 3_000, 3_680, 5_200, 6_786]),
    ("services", 751, [10, 66, 158, 448, 2_135, 3_472, 6_823, 84_000]),
    ("garden", 331, [25, 299, 499, 899, 1_299, 2_299, 4_998, 14_893]),
    ("spirits", 144, [333, 399, 549, 899, 1_399, 2_299, 3_798, 5_796]),
    ("travel", 47, [72, 110, 203, 273, 343, 440, 688, 688]),
];
/// Line, rows, points of a redemption.
const REDEMPTIONS: [(&str, u64, Quantiles); 5] = [
    ("grocery", 940, [25, 45, 55, 100, 225, 449, 1_206, 6_392]),
    ("drugstore", 291, [30, 75, 100, 110, 250, 400, 1_088, 3_595]),
    ("fresh", 28, [30, 40, 50, 75, 100, 150, 165, 165]),
    ("dining", 6, [55, 55, 55, 55, 55, 308, 308, 308]),
    ("bakery", 5, [79, 79, 99, 359, 359, 359, 359, 359]),
];

/// How large and which month; the entries are made shard by shard.
pub struct Month<'r> {
    pub period: Period,
    pub entries: u64,
    rulebook: &'r Rulebook,
    seed: u64,
    /// By shard: the numbers of members, and how many events each has.
    members: Vec<Vec<(u64, u64)>>,
}

impl<'r> Month<'r> {
    /// The programme's first month with exactly so many entries.
    pub fn new(rulebook: &'r Rulebook, entries: u64, seed: u64) -> Self {
        let mut members = vec![Vec::new(); usize::from(SHARDS)];
        let mut left = entries;
        for number in 0.. {
            if left == 0 {
                break;
            }
            let events = Random::of(seed, number).within(&EVENTS_OF_A_MEMBER).unsigned_abs().min(left);
            left -= events;
            members[usize::from(shard(&member(number)))].push((number, events));
        }
        Self { period: rulebook.first_period, entries, rulebook, seed, members }
    }

    /// The entries of one shard in the order of their keys, as the ledger gives them.
    pub fn shard(&self, shard: u16) -> Vec<Recorded> {
        let members = &self.members[usize::from(shard)];
        let mut entries = Vec::with_capacity(members.iter().map(|(_, events)| *events as usize).sum());
        for &(number, events) in members {
            self.member(number, events, &mut entries);
        }
        Self::in_order(entries)
    }

    /// What the members of one shard have after their entries.
    pub fn accounts(&self, shard: u16) -> Vec<(MemberId, Account)> {
        let members = self.members[usize::from(shard)].iter();
        members.map(|&(number, events)| (member(number), self.member(number, events, &mut Vec::new()))).collect()
    }

    fn in_order(mut entries: Vec<Recorded>) -> Vec<Recorded> {
        let key = |Recorded { entry, .. }: &Recorded| {
            (entry.head.line.clone(), entry.kind().code(), entry.head.reference.clone())
        };
        entries.sort_by_cached_key(key);
        entries
    }

    fn member(&self, number: u64, events: u64, entries: &mut Vec<Recorded>) -> Account {
        let mut random = Random::of(self.seed, number);
        random.within(&EVENTS_OF_A_MEMBER);
        let member = member(number);
        let zone = FixedOffset::east_opt(8 * 3_600).unwrap();
        let (start, end) = (self.period.start(self.rulebook.zone), self.period.end(self.rulebook.zone));
        let seconds = (end - start).num_seconds().unsigned_abs();
        let mut moments: Vec<DateTime<Utc>> =
            (0..events).map(|_| start + TimeDelta::seconds(random.below(seconds) as i64)).collect();
        moments.sort_unstable();
        let mut account = Account::default();
        for (at, moment) in moments.into_iter().enumerate() {
            let (line, action) = event(&mut random);
            let mut command = Command {
                head: Head {
                    line: LineId::parse(line).unwrap(),
                    reference: Reference::parse(&format!("3{number:07}{at:03}")).unwrap(),
                    member: member.clone(),
                    occurred_at: moment.with_timezone(&zone),
                },
                action,
            };
            let planned = match plan(self.rulebook, &account, &command, self.period, None) {
                // A sale instead, so that the month has as many entries as asked for.
                Err(Refusal::InsufficientPoints { .. }) => {
                    let (line, action) = sale(&mut random);
                    let line = LineId::parse(line).unwrap();
                    command = Command { head: Head { line, ..command.head }, action };
                    plan(self.rulebook, &account, &command, self.period, None)
                }
                planned => planned,
            };
            let planned = planned.unwrap();
            account = planned.account;
            let balance = account.balance(self.rulebook.day(moment)).unwrap();
            entries.push(Recorded {
                entry: planned.entry,
                balance,
                recorded_at: moment,
                sequence: account.sequence,
                rulebook: self.rulebook.hash.clone(),
                source: EntrySource::Api(None),
            });
        }
        account
    }
}

fn member(number: u64) -> MemberId {
    MemberId::parse(&format!("hh{number:07}")).unwrap()
}

fn event(random: &mut Random) -> (&'static str, Action) {
    let rows = |lines: &[(&str, u64, Quantiles)]| lines.iter().map(|(_, rows, _)| rows).sum::<u64>();
    let (sales, redemptions) = (rows(&SALES), rows(&REDEMPTIONS));
    match random.below(sales + redemptions) < sales {
        true => sale(random),
        false => {
            let (line, points) = random.of_line(&REDEMPTIONS);
            (line, Action::Redemption(Redemption::of(Points::new(points), None)))
        }
    }
}

fn sale(random: &mut Random) -> (&'static str, Action) {
    let (line, minor) = random.of_line(&SALES);
    (line, Action::Accrual(Accrual::of(Money::from_minor(minor))))
}

/// SplitMix64: a stream of its own for every member, so that shards can be made
/// in any order.
struct Random(u64);

impl Random {
    fn of(seed: u64, member: u64) -> Self {
        let mut random = Self(seed ^ member.wrapping_mul(0xD134_2543_DE82_EF95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    fn within(&mut self, quantiles: &Quantiles) -> i64 {
        const STEPS: i64 = 1_000;
        let at = self.below(1_000 * STEPS as u64) as i64;
        let upper = PER_MILLE.iter().position(|mille| at < mille * STEPS).unwrap();
        let (from, to) = (PER_MILLE[upper - 1] * STEPS, PER_MILLE[upper] * STEPS);
        let (low, high) = (quantiles[upper - 1], quantiles[upper]);
        low + (high - low) * (at - from) / (to - from)
    }

    fn of_line(&mut self, lines: &[(&'static str, u64, Quantiles)]) -> (&'static str, i64) {
        let mut at = self.below(lines.iter().map(|(_, rows, _)| rows).sum());
        for (line, rows, quantiles) in lines {
            if at < *rows {
                return (line, self.within(quantiles));
            }
            at -= rows;
        }
        unreachable!("a number below the sum lies in one of the parts")
    }
}
