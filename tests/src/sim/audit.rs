//! The auditor: follows every write of the table and recomputes, from the stored
//! items and from what callers were told, what must be true. It shares no code with
//! the planning, the rating or the settlement.

use super::memory::{Commit, Table};
use super::terms;
use crate::events::gunzip;
use crate::pack::{Sheet, minor_or_whole};
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, TimeDelta};
use interline_ledger::store::Item;
use interline_reports::manifest::sha256;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Expiry (`never` after every date), month of issue, funder: the order of spending.
type Lot = (String, String, String);
type Slices = Vec<(Lot, i64)>;
pub type Verdict = Result<(), String>;

/// What names an event: line, kind, reference, member.
pub type Name = (String, String, String, String);

/// What was sent, and what became of it as far as its senders know.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// UTC without its `Z`, as the table has it.
    pub occurred: String,
    pub amount: Option<i64>,
    pub points: Option<i64>,
    /// Somebody was told that it is recorded.
    pub accepted: bool,
    /// Somebody was never told anything that counts.
    pub unknown: bool,
    /// How often it was said to be new.
    pub created: u32,
}

#[derive(Debug, Clone)]
struct Entry {
    name: Name,
    home: String,
    booked: String,
    day: NaiveDate,
    occurred: String,
    amount: Option<i64>,
    points: Option<i64>,
    effect: Effect,
}

#[derive(Debug, Clone)]
enum Effect {
    Issued {
        slices: Slices,
        repaid: Vec<(String, Lot, i64)>,
    },
    Redeemed {
        slices: Slices,
    },
    Returned {
        original: String,
        slices: Slices,
        before: i64,
        points: i64,
        repaid: Vec<(String, Lot, i64)>,
        at: NaiveDate,
    },
    Withdrawn {
        original: String,
        amount: i64,
        issued: Slices,
        before: Vec<i64>,
        now: Vec<i64>,
        parts: Withdrawn,
    },
}

/// Where the points of a refund came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Withdrawn {
    taken: Slices,
    gone: Slices,
    owed: Slices,
    repaid: Vec<(String, Lot, i64)>,
}

/// A member's points by the auditor's own books.
#[derive(Debug, Clone, Default)]
struct Books {
    lots: BTreeMap<Lot, i64>,
    debts: BTreeMap<String, i64>,
    /// Entries so far.
    sequence: i64,
    returned_in: String,
    /// Lots whose last day lies before this one are forgotten.
    forgotten: String,
}

/// What is reversed of an event so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Undone {
    points: i64,
    amount: i64,
    by_slice: Vec<i64>,
}

#[derive(Debug, Clone)]
struct Closed {
    run: String,
    manifest: String,
    files: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug, Default)]
pub struct Auditor {
    books: BTreeMap<String, Books>,
    entries: BTreeMap<(String, String), Entry>,
    /// Where each event is recorded.
    recorded: BTreeMap<Name, Vec<(String, String)>>,
    /// By line, kind and reference: whoever's and whenever.
    names: BTreeMap<(String, String, String), (String, String)>,
    /// And since when.
    times: BTreeMap<Name, i64>,
    /// Where each reference says that its entry is; `None`: files were refused.
    references: BTreeMap<String, Option<(String, String)>>,
    /// Of each reference, the refusals of files that are remembered.
    refusals: BTreeMap<String, BTreeMap<String, String>>,
    gates: BTreeSet<(String, String)>,
    periods: BTreeMap<String, Value>,
    revisions: BTreeMap<String, i64>,
    /// Runs of periods that executions ended without a result.
    pub failed: BTreeSet<(String, String)>,
    closed: BTreeMap<String, Closed>,
    /// By line, and code and reference of the original.
    reversed: BTreeMap<(String, String), Undone>,
    /// Cumulative bases and amounts of splits.
    splits: BTreeMap<(String, String, String), i128>,
    seen: usize,
    pub sent: BTreeMap<Name, Sent>,
    /// Clocks may be wrong by more than a period's seal allows: entries may then
    /// slip behind a gate, and the next close must find them.
    pub beyond: bool,
    slipped: BTreeSet<String>,
    /// The same, also where a final run has all of them by now.
    ever_slipped: BTreeSet<String>,
    /// Entries that stand in a period's final run.
    pub cleared: u64,
    pub late: u64,
    /// Transactions that wrote several accounts.
    pub together: u64,
}

macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+));
        }
    };
}

fn text(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn numbers(item: &Item, name: &str) -> Vec<i64> {
    text(item, name).split_terminator(';').map(|number| number.parse().unwrap()).collect()
}

fn bytes(item: &Item, name: &str) -> Vec<u8> {
    item.get(name).and_then(|value| value.as_b().ok()).map(|blob| blob.as_ref().to_vec()).unwrap_or_default()
}

/// Lots as they are packed: form, then by funder its name, and of each lot months,
/// last day and points.
fn unpacked(packed: &[u8]) -> BTreeMap<Lot, i64> {
    fn number(bytes: &mut &[u8]) -> i64 {
        let (mut value, mut shift) = (0_u64, 0);
        while let Some((byte, rest)) = bytes.split_first() {
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value as i64
    }
    let mut lots = BTreeMap::new();
    let Some((form, mut rest)) = packed.split_first() else { return lots };
    assert_eq!(*form, 1, "lots are packed in another form");
    while let Some((length, after)) = rest.split_first() {
        let (name, after) = after.split_at(usize::from(*length));
        rest = after;
        let (mut months, of_funder) = (0, number(&mut rest));
        for _ in 0..of_funder {
            months += number(&mut rest);
            let (last, points) = (number(&mut rest), number(&mut rest));
            let first = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap() + Months::new(months as u32);
            let expires = match last {
                0 => "never".to_owned(),
                odd if odd % 2 == 1 => (first + TimeDelta::days((odd - 1) / 2)).to_string(),
                even => (first - TimeDelta::days(even / 2)).to_string(),
            };
            lots.insert((expires, month(first), String::from_utf8(name.to_vec()).unwrap()), points);
        }
    }
    lots
}

fn lot(text: &str) -> Lot {
    let parts: Vec<&str> = text.split('|').collect();
    (parts[2].to_owned(), parts[1].to_owned(), parts[0].to_owned())
}

fn slices(item: &Item, name: &str) -> Slices {
    let text = text(item, name);
    let slice = |slice: &str| slice.rsplit_once(':').map(|(of, points)| (lot(of), points.parse().unwrap()));
    text.split_terminator(';').filter_map(slice).collect()
}

fn repaid(item: &Item) -> Vec<(String, Lot, i64)> {
    let text = text(item, "y");
    let one = |one: &str| {
        let (creditor, rest) = one.split_once(':')?;
        let (of, points) = rest.rsplit_once(':')?;
        Some((creditor.to_owned(), lot(of), points.parse().unwrap()))
    };
    text.split_terminator(';').filter_map(one).collect()
}

/// The day in the programme's zone of a time in UTC.
fn day(utc: &str) -> NaiveDate {
    let utc = utc.trim_end_matches('Z');
    let time = NaiveDateTime::parse_from_str(utc, "%Y-%m-%dT%H:%M:%S%.f").unwrap();
    (time + TimeDelta::hours(8)).date()
}

fn month(day: NaiveDate) -> String {
    format!("{:04}-{:02}", day.year(), day.month())
}

fn first_day(month: &str) -> NaiveDate {
    NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").unwrap()
}

fn next_month(of: &str) -> String {
    month(first_day(of) + Months::new(1))
}

fn last_day(month: &str) -> NaiveDate {
    first_day(&next_month(month)).pred_opt().unwrap()
}

/// Nearest minor unit of hundred-millionths of a unit, halves away from zero.
fn rounded(exact: i128) -> i128 {
    let sign = exact.signum();
    sign * ((exact.abs() + 500_000) / 1_000_000)
}

/// The next `points` of slices that are given up last first.
fn from_the_end(slices: &Slices, before: i64, points: i64) -> Slices {
    let (mut skip, mut left, mut parts) = (before, points, Vec::new());
    for (lot, of) in slices.iter().rev() {
        let skipped = skip.min(*of);
        skip -= skipped;
        let part = (of - skipped).min(left);
        if part > 0 {
            left -= part;
            parts.push((lot.clone(), part));
        }
    }
    parts
}

impl Books {
    fn add(&mut self, lot: &Lot, points: i64) -> Verdict {
        let of = self.lots.entry(lot.clone()).or_default();
        *of += points;
        ensure!(*of >= 0, "lot {lot:?} would hold {of} points");
        if *of == 0 {
            self.lots.remove(lot);
        }
        Ok(())
    }

    fn owe(&mut self, creditor: &str, points: i64) -> Verdict {
        let of = self.debts.entry(creditor.to_owned()).or_default();
        *of += points;
        ensure!(*of >= 0, "the debt to {creditor} would be {of} points");
        if *of == 0 {
            self.debts.remove(creditor);
        }
        Ok(())
    }

    fn repay(&mut self, repaid: &[(String, Lot, i64)]) -> Verdict {
        for (creditor, lot, points) in repaid {
            self.add(lot, -points)?;
            self.owe(creditor, -points)?;
        }
        Ok(())
    }

    /// What can be spent on a day: not issued in a later month, not expired.
    fn spendable(&self, day: NaiveDate) -> impl Iterator<Item = (&Lot, i64)> {
        let (month, day) = (month(day), day.to_string());
        self.lots
            .iter()
            .filter(move |((expires, issued, _), _)| *issued <= month && *expires >= day)
            .map(|(lot, of)| (lot, *of))
    }

    /// What can be spent, less all debts.
    fn balance(&self, day: NaiveDate) -> i64 {
        let held: i64 = self.spendable(day).map(|(_, points)| points).sum();
        (held - self.debts.values().sum::<i64>()).max(0)
    }

    /// Lots that expired more than a year before the month before `home` are forgotten.
    fn forget(&mut self, home: &str) {
        let kept_from = (first_day(home) - Months::new(terms::REFUND_MONTHS + 1)).to_string();
        self.forgotten = self.forgotten.clone().max(kept_from);
        let kept_from = self.forgotten.clone();
        self.lots.retain(|(expires, ..), _| *expires >= kept_from);
    }

    /// What taking back points of slices on a day must come to.
    fn withdrawal(&self, issued: &Slices, points: &[i64], day: NaiveDate) -> Withdrawn {
        let mut found = Withdrawn::default();
        let mut books = self.clone();
        let asked_from =
            (first_day(&month(day)) - Months::new(terms::REFUND_MONTHS)).to_string().max(self.forgotten.clone());
        let today = day.to_string();
        for ((lot, _), points) in issued.iter().zip(points) {
            let is_told = lot.0 >= asked_from;
            let held = books.lots.get(lot).copied().unwrap_or_default();
            let unspent = held.min(*points);
            let list = if lot.0 >= today { &mut found.taken } else { &mut found.gone };
            if unspent > 0 {
                list.push((lot.clone(), unspent));
            }
            if held > 0 {
                books.lots.insert(lot.clone(), held - unspent);
            }
            if is_told && *points > unspent {
                found.owed.push((lot.clone(), points - unspent));
            }
        }
        for (lot, points) in &found.owed {
            let of_sale = |other: &Lot| issued.iter().any(|(lot, _)| lot == other);
            let mut lots: Vec<(Lot, i64)> = books.spendable(day).map(|(lot, held)| (lot.clone(), held)).collect();
            lots.sort_by_key(|(other, _)| (!of_sale(other), other.2 != lot.2));
            let mut left = *points;
            for (other, held) in lots {
                let paid = held.min(left);
                if paid > 0 {
                    left -= paid;
                    *books.lots.entry(other.clone()).or_default() -= paid;
                    found.repaid.push((lot.2.clone(), other, paid));
                }
            }
        }
        found
    }

    fn apply(&mut self, entry: &Entry) -> Verdict {
        self.sequence += 1;
        match &entry.effect {
            Effect::Issued { slices, repaid } => {
                for (lot, points) in slices {
                    self.add(lot, *points)?;
                }
                self.repay(repaid)
            }
            Effect::Redeemed { slices } => {
                let (mut left, mut expected) = (entry.points.unwrap_or_default(), Vec::new());
                ensure!(
                    left <= self.balance(entry.day),
                    "{left} points were spent, debts leave {}",
                    self.balance(entry.day)
                );
                for (lot, available) in self.spendable(entry.day) {
                    let points = available.min(left);
                    left -= points;
                    if points > 0 {
                        expected.push((lot.clone(), points));
                    }
                }
                ensure!(left == 0, "{left} points were spent that the member does not have");
                ensure!(*slices == expected, "spent {slices:?} instead of {expected:?}");
                slices.iter().try_for_each(|(lot, points)| self.add(lot, -points))
            }
            Effect::Returned { slices, before, points, repaid, .. } => {
                for (lot, points) in from_the_end(slices, *before, *points) {
                    self.add(&lot, points)?;
                }
                self.returned_in = self.returned_in.clone().max(entry.booked.clone());
                self.repay(repaid)
            }
            Effect::Withdrawn { issued, now, parts, .. } => {
                let expected = self.withdrawal(issued, now, entry.day);
                ensure!(*parts == expected, "took {parts:?} instead of {expected:?}");
                parts.taken.iter().chain(&parts.gone).try_for_each(|(lot, points)| self.add(lot, -points))?;
                parts.owed.iter().try_for_each(|((.., funder), points)| self.owe(funder, *points))?;
                self.repay(&parts.repaid)
            }
        }
    }
}

impl Entry {
    fn read(pk: &str, sk: &str, item: &Item) -> Self {
        let booked = pk.split('#').nth(1).unwrap_or_default().to_owned();
        let parts: Vec<&str> = sk.split('#').collect();
        let occurred = text(item, "o");
        let kind = parts[1].to_owned();
        let original = text(item, "x");
        let effect = match (kind.as_str(), original.split(':').next().unwrap_or_default()) {
            ("v", "r") => Effect::Returned {
                original: original.clone(),
                slices: slices(item, "s"),
                before: number(item, "q").unwrap(),
                points: number(item, "n").unwrap(),
                repaid: repaid(item),
                at: day(&text(item, "t")),
            },
            ("v", _) => Effect::Withdrawn {
                original: original.clone(),
                // What takes back a gift refunds nothing.
                amount: if original.starts_with("j:") { 0 } else { number(item, "b").unwrap() },
                issued: slices(item, "s"),
                before: numbers(item, "qs"),
                now: numbers(item, "ns"),
                parts: Withdrawn {
                    taken: slices(item, "ts"),
                    gone: slices(item, "gs"),
                    owed: slices(item, "e"),
                    repaid: repaid(item),
                },
            },
            ("r", _) => Effect::Redeemed { slices: slices(item, "s") },
            _ => Effect::Issued { slices: slices(item, "s"), repaid: repaid(item) },
        };
        Self {
            name: (parts[0].to_owned(), kind, parts[2].to_owned(), text(item, "m")),
            home: parts.get(3).map_or_else(|| booked.clone(), |origin| (*origin).to_owned()),
            booked,
            day: day(&occurred),
            occurred,
            amount: number(item, "a"),
            points: number(item, "p"),
            effect,
        }
    }

    /// What it adds to the points that are outstanding.
    fn outstanding(&self) -> Vec<(Lot, i64)> {
        let negative = |slices: &Slices| slices.iter().map(|(lot, points)| (lot.clone(), -points)).collect::<Vec<_>>();
        let repaid_of = |repaid: &[(String, Lot, i64)]| {
            repaid.iter().map(|(_, lot, points)| (lot.clone(), -points)).collect::<Vec<_>>()
        };
        match &self.effect {
            Effect::Issued { slices, repaid } => [slices.clone(), repaid_of(repaid)].concat(),
            Effect::Redeemed { slices } => negative(slices),
            Effect::Returned { slices, before, points, repaid, .. } => {
                [from_the_end(slices, *before, *points), repaid_of(repaid)].concat()
            }
            Effect::Withdrawn { parts, .. } => [negative(&parts.taken), repaid_of(&parts.repaid)].concat(),
        }
    }

    /// What its reference must tell of the command: SHA-256 of what was said.
    fn fingerprint(&self, item: &Item) -> String {
        let word = |code: &str| match code {
            "a" => "accrual",
            "r" => "redemption",
            "v" => "reversal",
            _ => "adjustment",
        };
        let (line, kind, reference, member) = &self.name;
        let reverses = match text(item, "x").split_once(':') {
            Some((code, of)) => format!("{}:{of}", word(code)),
            None => String::new(),
        };
        let (amount, points) = (self.amount.unwrap_or_default(), self.points.unwrap_or_default());
        let kind = word(kind);
        sha256(
            format!("1|{line}|{kind}|{reference}|{member}|{}Z|{amount}|{points}|{reverses}", self.occurred).as_bytes(),
        )
    }
}

impl Auditor {
    /// Takes in what was written since it looked last.
    pub fn observe(&mut self, table: &Table, reports: &BTreeMap<String, Vec<u8>>) -> Verdict {
        while let Some(commit) = table.commits.get(self.seen) {
            self.seen += 1;
            self.commit(commit, reports)?;
        }
        Ok(())
    }

    fn commit(&mut self, commit: &Commit, reports: &BTreeMap<String, Vec<u8>>) -> Verdict {
        let of =
            |letter: &'static str| commit.items.iter().filter(move |(key, _)| key.pk.split('#').next() == Some(letter));
        let mut entries: Vec<_> = of("E").collect();
        entries.sort_by_key(|(_, item)| number(item, "v"));
        for (key, item) in entries {
            self.entry((key.pk.clone(), key.sk.clone()), item, commit.at)?;
        }
        for (key, item) in of("U") {
            self.reference(&key.pk, item)?;
        }
        for (key, item) in of("M") {
            self.account(key.pk.trim_start_matches("M#"), item)?;
        }
        for (key, _) in of("G") {
            let place: Vec<&str> = key.pk.split('#').collect();
            let is_new = self.gates.insert((place[1].to_owned(), place[2].to_owned()));
            ensure!(is_new, "the gate {key:?} was put twice");
        }
        for (key, item) in of("P") {
            self.period(&key.sk, item, reports)?;
        }
        // An entry, the account of its member and its reference change together.
        let members: BTreeSet<&str> = of("M").filter_map(|(key, _)| key.pk.strip_prefix("M#")).collect();
        self.together += u64::from(members.len() > 1);
        for (key, item) in of("E") {
            let member = text(item, "m");
            ensure!(members.contains(member.as_str()), "entry {key:?} was written without its member's account");
            let entry = &self.entries[&(key.pk.clone(), key.sk.clone())];
            let (line, kind, name, _) = &entry.name;
            let reference = of("U").find(|(of, _)| of.pk == format!("U#{line}#{kind}#{name}"));
            let Some((reference, told)) = reference else {
                return Err(format!("{key:?} was written without its reference"));
            };
            let at = self.references.get(&reference.pk).cloned().flatten();
            ensure!(at == Some((key.pk.clone(), key.sk.clone())), "{reference:?} tells that {key:?} is at {at:?}");
            if let Effect::Returned { original, .. } | Effect::Withdrawn { original, .. } = &entry.effect {
                let target = format!("U#{line}#{}", original.replacen(':', "#", 1));
                let is_told = of("U").any(|(of, _)| of.pk == target);
                ensure!(is_told, "{key:?} was written without what it reverses of {target}");
            }
            let rulebook: String = bytes(item, "h").iter().map(|byte| format!("{byte:02x}")).collect();
            let is_known = reports.contains_key(&format!("rulebooks/{rulebook}.toml"));
            ensure!(is_known, "{key:?} was decided by {rulebook:?}, which was never published");
            let fingerprint: String = bytes(told, "f").iter().map(|byte| format!("{byte:02x}")).collect();
            ensure!(fingerprint == entry.fingerprint(item), "{reference:?} has the fingerprint of another event");
        }
        Ok(())
    }

    fn reference(&mut self, pk: &str, item: &Item) -> Verdict {
        ensure!(!item.contains_key("m") && !item.contains_key("o"), "{pk} has attributes of the index");
        let before = self.references.get(pk).cloned().flatten();
        if item.contains_key("no") {
            ensure!(before.is_none(), "a refusal replaced what is recorded of {pk}");
            let Some(AttributeValue::M(map)) = item.get("no") else { return Err(format!("{pk} has no refusals")) };
            let map = map.iter().map(|(file, why)| (file.clone(), why.as_s().unwrap().clone()));
            let now: BTreeMap<String, String> = map.collect();
            let remembered = self.refusals.insert(pk.to_owned(), now.clone()).unwrap_or_default();
            let is_kept = remembered.iter().all(|(file, why)| now.get(file) == Some(why));
            ensure!(is_kept && now.len() == remembered.len() + 1, "{pk} remembered {remembered:?}, now {now:?}");
            self.references.insert(pk.to_owned(), None);
            return Ok(());
        }
        let told = text(item, "k");
        let parts: Vec<&str> = told.split('#').collect();
        let name = pk.trim_start_matches("U#");
        let late = parts.get(2).map(|home| format!("#{home}")).unwrap_or_default();
        let place = (format!("E#{}#{}", parts[0], parts[1]), format!("{name}{late}"));
        ensure!(self.entries.contains_key(&place), "{pk} points to {place:?}, where nothing is");
        ensure!(before.is_none_or(|before| before == place), "{pk} points to {place:?} now");
        self.references.insert(pk.to_owned(), Some(place));
        let (line, rest) = name.split_once('#').unwrap_or_default();
        let undone = self.reversed.get(&(line.to_owned(), rest.replace('#', ":"))).cloned().unwrap_or_default();
        let count = |name: &str| number(item, name).unwrap_or_default();
        let said = Undone { points: count("p"), amount: count("a"), by_slice: numbers(item, "ps") };
        ensure!(said == undone, "{pk} says that {said:?} is reversed, it is {undone:?}");
        Ok(())
    }

    fn entry(&mut self, place: (String, String), item: &Item, at: i64) -> Verdict {
        let entry = Entry::read(&place.0, &place.1, item);
        let shard = place.0.split('#').nth(2).unwrap_or_default().to_owned();
        ensure!(!self.entries.contains_key(&place), "the entry {place:?} was written twice");
        ensure!(entry.home == month(entry.day), "{place:?} has the home {} but happened on {}", entry.home, entry.day);
        let is_sealed = |period: &str| self.gates.contains(&(period.to_owned(), shard.clone()));
        if is_sealed(&entry.booked) {
            ensure!(self.beyond, "{place:?} was written behind the gate of its shard");
            self.slipped.insert(entry.booked.clone());
            self.ever_slipped.insert(entry.booked.clone());
        }
        let member = entry.name.3.clone();
        let books = self.books.entry(member.clone()).or_default();
        // Otherwise it could spend there what comes back only later.
        let given_back = &books.returned_in;
        ensure!(entry.booked >= *given_back, "{place:?} is booked before points came back in {given_back}");
        if entry.booked != entry.home {
            ensure!(entry.booked > entry.home, "{place:?} is booked before it happened");
            // A batch may hold the return and what it pushes on.
            let mut period = entry.home.clone();
            while period < entry.booked {
                let pushed = books.returned_in >= entry.booked;
                ensure!(is_sealed(&period) || pushed, "{place:?} is booked late although {period} was open");
                period = next_month(&period);
            }
            self.late += 1;
        }
        books.forget(&entry.home);
        self.check_effect(&entry).map_err(|error| format!("{place:?}: {error}"))?;
        let books = self.books.entry(member).or_default();
        books.apply(&entry).map_err(|error| format!("{place:?}: {error}"))?;
        let sequence = number(item, "v");
        ensure!(
            sequence == Some(books.sequence),
            "{place:?} is number {sequence:?} of its member, not {}",
            books.sequence
        );
        let balance = books.balance(entry.day);
        let said = number(item, "c").unwrap_or(-1);
        ensure!(said == balance, "{place:?} says the balance is {said}, it is {balance}");
        self.times.insert(entry.name.clone(), at);
        let places = self.recorded.entry(entry.name.clone()).or_default();
        places.push(place.clone());
        ensure!(places.len() == 1, "event {:?} is recorded more than once: {places:?}", entry.name);
        let (line, kind, reference, _) = &entry.name;
        let name = (line.clone(), kind.clone(), reference.clone());
        let other = self.names.insert(name, place.clone());
        ensure!(other.is_none(), "the reference of {:?} is recorded at {other:?}, too", entry.name);
        self.entries.insert(place, entry);
        Ok(())
    }

    /// What an event does by itself: points of a sale, and how much of an original is reversed.
    fn check_effect(&mut self, entry: &Entry) -> Verdict {
        let (line, kind, _, member) = &entry.name;
        match &entry.effect {
            Effect::Issued { slices, .. } => {
                let expected = match kind.as_str() {
                    "a" => terms::issued(line, entry.amount.unwrap_or_default()),
                    _ => vec![(line.as_str(), entry.points.unwrap_or_default())],
                };
                let expected: Slices = expected
                    .into_iter()
                    .map(|(funder, points)| {
                        let issued = month(entry.day);
                        let expires =
                            (first_day(&issued) + Months::new(terms::months_valid(funder) + 1)).pred_opt().unwrap();
                        ((expires.to_string(), issued, funder.to_owned()), points)
                    })
                    .collect();
                ensure!(*slices == expected, "issued {slices:?} instead of {expected:?}");
            }
            Effect::Redeemed { slices } => {
                let total: i64 = slices.iter().map(|(_, points)| points).sum();
                ensure!(Some(total) == entry.points, "spent {total} instead of {:?}", entry.points);
            }
            Effect::Returned { original, slices, before, points, .. } => {
                let total: i64 = slices.iter().map(|(_, points)| points).sum();
                let so_far = self.reversed.entry((line.clone(), original.clone())).or_default();
                let given = so_far.points;
                ensure!(given == *before, "{before} points were given back before, it says; it were {given}");
                so_far.points += points;
                ensure!(so_far.points <= total && *points > 0, "{} points of {total} were given back", so_far.points);
            }
            Effect::Withdrawn { original, amount, issued, before, now, .. } => {
                let (kind, reference) = original.split_once(':').unwrap_or_default();
                let name = (line.clone(), kind.to_owned(), reference.to_owned(), member.clone());
                let of = self.recorded.get(&name).and_then(|places| self.entries.get(&places[0]));
                let Some(of) = of else { return Err(format!("{original} was never recorded")) };
                let Effect::Issued { slices, .. } = &of.effect else {
                    return Err(format!("{original} issued nothing"));
                };
                ensure!(issued == slices, "{original} issued {slices:?}, not {issued:?}");
                let so_far = self.reversed.entry((line.clone(), original.clone())).or_default();
                let earlier = |at: usize| so_far.by_slice.get(at).copied().unwrap_or_default();
                ensure!(*before == so_far.by_slice, "{before:?} was withdrawn before, not {:?}", so_far.by_slice);
                let refunded = so_far.amount + amount;
                let expected: Vec<i64> = match (kind, of.amount) {
                    ("a", Some(sale)) => {
                        ensure!(refunded <= sale, "{refunded} of {sale} were refunded");
                        let kept = terms::issued(line, sale - refunded);
                        let kept = |funder: &str| kept.iter().find(|(of, _)| *of == funder).map_or(0, |kept| kept.1);
                        let slices = slices.iter().enumerate();
                        slices
                            .map(|(at, ((.., funder), points))| (points - earlier(at) - kept(funder)).max(0))
                            .collect()
                    }
                    _ => {
                        let left = slices.iter().map(|(_, points)| points).sum::<i64>() - so_far.points;
                        vec![entry.points.unwrap_or(left)]
                    }
                };
                ensure!(*now == expected, "withdrew {now:?} instead of {expected:?}");
                so_far.by_slice = now.iter().enumerate().map(|(at, points)| earlier(at) + points).collect();
                so_far.points = so_far.by_slice.iter().sum();
                so_far.amount = refunded;
            }
        }
        Ok(())
    }

    fn account(&mut self, member: &str, item: &Item) -> Verdict {
        let books = self.books.entry(member.to_owned()).or_default();
        let map = |name: &str| -> BTreeMap<String, i64> {
            let Some(AttributeValue::M(map)) = item.get(name) else { return BTreeMap::new() };
            map.iter().map(|(key, value)| (key.clone(), value.as_n().unwrap().parse().unwrap())).collect()
        };
        let lots = unpacked(&bytes(item, "l"));
        ensure!(lots == books.lots, "account {member} has {lots:?} instead of {:?}", books.lots);
        ensure!(map("d") == books.debts, "account {member} owes {:?} instead of {:?}", map("d"), books.debts);
        ensure!(number(item, "v") == Some(books.sequence), "account {member} was written on an old one");
        let forgotten = text(item, "lb");
        ensure!(forgotten == books.forgotten, "account {member} forgot until {forgotten}, not {}", books.forgotten);
        Ok(())
    }

    fn period(&mut self, period: &str, item: &Item, reports: &BTreeMap<String, Vec<u8>>) -> Verdict {
        let state: Value = serde_json::from_str(&text(item, "j")).map_err(|error| error.to_string())?;
        let before = self.periods.insert(period.to_owned(), state.clone()).unwrap_or(Value::Null);
        let revision = self.revisions.entry(period.to_owned()).or_default();
        *revision += 1;
        ensure!(number(item, "n") == Some(*revision), "period {period} was written on an old revision: {state}");
        ensure!(before["trial"].is_null() || !state["trial"].is_null(), "the trial of {period} was forgotten");
        let attempt = &state["attempt"];
        if attempt["failed"].is_string() {
            let run = attempt["run"].as_str().unwrap_or_default().to_owned();
            ensure!(self.failed.contains(&(period.to_owned(), run)), "{attempt} of {period} did not fail");
        }
        let rank = |state: &Value| match state["status"].as_str() {
            Some("final") => 2,
            Some("sealed") => 1,
            _ => 0,
        };
        let has = |what: &str| !state[what].is_null();
        let is_whole = has("sealed_at") == (rank(&state) > 0) && has("final") == (rank(&state) > 1);
        ensure!(is_whole, "period {period} is in no state that there is: {state}");
        ensure!(rank(&state) >= rank(&before), "period {period} went back from {before} to {state}");
        if rank(&state) > 0 {
            let gates = self.gates.iter().filter(|(of, _)| of == period).count();
            ensure!(gates == 64, "period {period} is sealed with {gates} gates");
        }
        if !before["final"].is_null() {
            ensure!(before["final"] == state["final"], "the final run of {period} changed from {before} to {state}");
        } else if !state["final"].is_null() {
            self.close(period, &state["final"], reports).map_err(|error| format!("close of {period}: {error}"))?;
        }
        Ok(())
    }

    pub fn is_final(&self, period: &str) -> bool {
        self.closed.contains_key(period)
    }

    /// Whether an entry came behind the gate of a period.
    pub fn slipped(&self, period: &str) -> bool {
        self.slipped.contains(period)
    }

    /// Whether one ever came: another run of the period may have been read before it.
    pub fn ever_slipped(&self, period: &str) -> bool {
        self.ever_slipped.contains(period)
    }

    /// Whether a run is noted as under way.
    pub fn is_busy(&self, period: &str) -> bool {
        self.periods.get(period).is_some_and(|state| !state["attempt"].is_null())
    }

    pub fn manifest(&self, period: &str) -> Option<&str> {
        self.closed.get(period).map(|closed| closed.manifest.as_str())
    }

    /// Recomputes a period at the moment when its run became the final one.
    fn close(&mut self, period: &str, run: &Value, reports: &BTreeMap<String, Vec<u8>>) -> Verdict {
        let slipped = self.slipped.iter().any(|slipped| slipped.as_str() < period);
        ensure!(!slipped, "a period became final on top of one that changed behind its gates");
        let id = run["id"].as_str().unwrap_or_default();
        let folder = format!("periods/{period}/{id}/");
        let file =
            |path: &str| reports.get(&format!("{folder}{path}")).ok_or_else(|| format!("file {path} is missing"));
        let manifest = file("manifest.json")?;
        ensure!(run["manifest"] == sha256(manifest).as_str(), "the manifest is not the one that the period names");
        let json: Value = serde_json::from_slice(manifest).map_err(|error| error.to_string())?;
        let mut files = BTreeMap::from([("manifest.json".to_owned(), manifest.clone())]);
        for entry in json["files"].as_array().into_iter().flatten() {
            let path = entry["path"].as_str().unwrap_or_default();
            let bytes = file(path)?;
            ensure!(entry["sha256"] == sha256(bytes).as_str(), "file {path} is not what the manifest says");
            files.insert(path.to_owned(), bytes.clone());
        }
        ensure!(json["checks_passed"] == true, "the checklist failed");
        let entries: Vec<Entry> = self.entries.values().filter(|entry| entry.booked == period).cloned().collect();
        let count = json["entries"].as_u64().unwrap_or_default();
        let all = count == entries.len() as u64;
        // An entry that came behind the gate may be read by the tally or not.
        ensure!(all || self.slipped(period), "{count} entries were cleared of {}", entries.len());
        if all {
            self.slipped.remove(period);
            self.details(&entries, &files)?;
            self.points(period, &entries, &files)?;
            self.cleared += count;
        }
        self.money(&files)?;
        let manifest = sha256(manifest);
        self.closed.insert(period.to_owned(), Closed { run: id.to_owned(), manifest, files });
        Ok(())
    }

    /// Every slice of every entry stands in the details once, at the right price.
    fn details(&self, entries: &[Entry], files: &BTreeMap<String, Vec<u8>>) -> Verdict {
        let mut rows: BTreeMap<String, Vec<BTreeMap<String, String>>> = BTreeMap::new();
        for shard in 0..64 {
            let part = files.get(&format!("details/part-{shard:02}.csv.gz")).ok_or("a detail part is missing")?;
            for row in Sheet::read(&gunzip(part)).rows {
                rows.entry(row["entry"].clone()).or_default().push(row);
            }
        }
        for entry in entries {
            let (line, kind, reference, _) = &entry.name;
            let word = match kind.as_str() {
                "a" => "accrual",
                "r" => "redemption",
                "v" => "reversal",
                _ => "adjustment",
            };
            let name = format!("{line}#{word}#{reference}");
            let found = rows.remove(&name).unwrap_or_default();
            check_rows(entry, &found).map_err(|error| format!("details of {name}: {error}"))?;
        }
        ensure!(rows.is_empty(), "the details have entries that are not of the period: {:?}", rows.keys());
        Ok(())
    }

    /// Cohorts by the entries booked so far, against the roll-forward and the state.
    fn points(&self, period: &str, entries: &[Entry], files: &BTreeMap<String, Vec<u8>>) -> Verdict {
        let alive = |lot: &Lot| lot.0 > last_day(period).to_string();
        let mut outstanding: BTreeMap<Lot, i64> = BTreeMap::new();
        for entry in self.entries.values().filter(|entry| entry.booked.as_str() <= period) {
            for (lot, points) in entry.outstanding() {
                *outstanding.entry(lot).or_default() += points;
            }
        }
        outstanding.retain(|lot, points| alive(lot) && *points != 0);
        let overspent = outstanding.iter().find(|(_, points)| **points < 0);
        ensure!(overspent.is_none(), "more was spent than issued by then: {overspent:?}");
        let document: Value = serde_json::from_slice(&files["settlement.json"]).map_err(|error| error.to_string())?;
        let state = &document["state"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut carried: BTreeMap<Lot, i64> = BTreeMap::new();
        for row in state["cohorts"].as_array().into_iter().flatten() {
            let cohort = &row["cohort"];
            let lot = (text(&cohort["expires"]), text(&cohort["issued"]), text(&cohort["scheme"]));
            if alive(&lot) {
                carried.insert(lot, row["points"].as_i64().unwrap_or_default());
            }
        }
        ensure!(carried == outstanding, "the state carries {carried:?}, outstanding are {outstanding:?}");
        let rolled = Sheet::read(&files["points-roll-forward.csv"]);
        let mut closing: BTreeMap<Lot, i64> = BTreeMap::new();
        for row in &rolled.rows {
            let lot = (row["expires"].clone(), row["issue_month"].clone(), row["funder"].clone());
            if alive(&lot) {
                *closing.entry(lot).or_default() += minor_or_whole(&row["closing"]);
            }
        }
        closing.retain(|_, points| *points != 0);
        ensure!(closing == outstanding, "the roll-forward closes with {closing:?} instead of {outstanding:?}");
        let sum = |of: fn(&Effect) -> i64| entries.iter().map(|entry| of(&entry.effect)).sum::<i64>();
        let issued = sum(|effect| match effect {
            Effect::Issued { slices, .. } => slices.iter().map(|(_, points)| points).sum(),
            _ => 0,
        });
        ensure!(rolled.total("issued") == issued, "issued {issued}, rolled {}", rolled.total("issued"));
        Ok(())
    }

    /// Obligations of the details, splits, pairs, positions and payments tie.
    fn money(&mut self, files: &BTreeMap<String, Vec<u8>>) -> Verdict {
        let sheet = |name: &str| Sheet::read(&files[&format!("{name}.csv")]);
        let mut bases: BTreeMap<(String, String, String), i128> = BTreeMap::new();
        for shard in 0..64 {
            let rows = Sheet::read(&gunzip(&files[&format!("details/part-{shard:02}.csv.gz")])).rows;
            for row in rows.iter().filter(|row| row["funder"] != row["redeemer"]) {
                let key = (row["funder"].clone(), row["redeemer"].clone(), row["rule"].clone());
                *bases.entry(key).or_default() += i128::from(minor_or_whole(&row["amount"]));
            }
        }
        let mut pairs: BTreeMap<(String, String), i128> = BTreeMap::new();
        let mut given: BTreeMap<(String, String, String), i128> = BTreeMap::new();
        let mut cumulative: BTreeMap<(String, String, String), i128> = BTreeMap::new();
        for row in sheet("splits").rows {
            let money = |name: &str| i128::from(minor_or_whole(&row[name]));
            let key = (row["payer"].clone(), row["redeemer"].clone(), row["rule"].clone());
            let base = bases.get(&key).copied().unwrap_or_default();
            ensure!(money("base") == base, "the base of {key:?} is {} instead of {base}", money("base"));
            let total = self.splits.get(&key).copied().unwrap_or_default() + base;
            ensure!(money("cumulative_base") == total, "the base of {key:?} to date is not {total}");
            cumulative.insert(key.clone(), total);
            let of_platform = terms::platform_share(&key.2);
            let is_platform = row["beneficiary"] == terms::PLATFORM && row["share"] != "1" && key.1 != terms::PLATFORM;
            let share = if is_platform { of_platform } else { 1000 - of_platform };
            let off = (money("cumulative_amount") * 1000 - share * total).abs();
            ensure!(off < 1000, "{} of {key:?} differs by {off} thousandths of a minor unit", row["beneficiary"]);
            *given.entry(key).or_default() += money("amount");
            if row["beneficiary"] != row["payer"] {
                *pairs.entry((row["payer"].clone(), row["beneficiary"].clone())).or_default() += money("amount");
            }
        }
        bases.retain(|_, base| *base != 0);
        given.retain(|_, amount| *amount != 0);
        ensure!(bases == given, "owed are {bases:?}, shared out {given:?}");
        self.splits.extend(cumulative);
        let mut nets: BTreeMap<String, i128> = BTreeMap::new();
        for row in sheet("bilateral").rows {
            let amount = i128::from(minor_or_whole(&row["amount"]));
            let pair = (row["payer"].clone(), row["payee"].clone());
            let expected = pairs.remove(&pair).unwrap_or_default();
            ensure!(amount == expected, "{pair:?} is {amount} instead of {expected}");
            *nets.entry(pair.0).or_default() -= amount;
            *nets.entry(pair.1).or_default() += amount;
        }
        ensure!(pairs.values().all(|amount| *amount == 0), "pairs are missing: {pairs:?}");
        ensure!(nets.values().sum::<i128>() == 0, "the nets do not sum to zero");
        let mut paid: BTreeMap<String, i128> = BTreeMap::new();
        for row in sheet("payments").rows {
            let amount = i128::from(minor_or_whole(&row["amount"]));
            ensure!(amount > 0, "a payment of {amount}");
            *paid.entry(row["payer"].clone()).or_default() -= amount;
            *paid.entry(row["payee"].clone()).or_default() += amount;
        }
        for row in sheet("positions").rows {
            let net = i128::from(minor_or_whole(&row["net"]));
            let line = &row["line"];
            let expected = nets.remove(line).unwrap_or_default();
            ensure!(net == expected, "the net of {line} is {net} instead of {expected}");
            let moved = paid.remove(line).unwrap_or_default();
            ensure!(net == moved, "{line} is paid {moved} instead of {net}");
        }
        ensure!(nets.values().chain(paid.values()).all(|amount| *amount == 0), "a line has no position");
        Ok(())
    }

    /// What was handed out of a final run is still there, byte for byte.
    fn unchanged(&self, reports: &BTreeMap<String, Vec<u8>>) -> Verdict {
        for (period, Closed { run, files, .. }) in &self.closed {
            for (path, bytes) in files {
                let now = reports.get(&format!("periods/{period}/{run}/{path}"));
                ensure!(now == Some(bytes), "file {path} of {period} changed after its run was final");
            }
        }
        Ok(())
    }

    /// After everything: what callers were told is what is recorded, and nothing else is.
    pub fn finish(&self, reports: &BTreeMap<String, Vec<u8>>, replaced: &[String]) -> Verdict {
        self.unchanged(reports)?;
        // A trial of an open month may be written again.
        // What accounts are compared with may be put right before the step is repeated; where nothing came behind
        // a gate there is nothing to put right.
        let is_verdict = |key: &str| key.contains("/proof-") || key.ends_with("/differences.json");
        let may_change = |key: &str| match key.split('/').next() {
            Some("trials" | "trial-accounts") => true,
            Some("accounts") => is_verdict(key) && !self.ever_slipped.is_empty(),
            _ => false,
        };
        let replaced: Vec<&String> = replaced.iter().filter(|key| !may_change(key)).collect();
        ensure!(replaced.is_empty(), "objects were replaced: {replaced:?}");
        for (name, sent) in &self.sent {
            let places = self.recorded.get(name).map(Vec::as_slice).unwrap_or_default();
            if sent.accepted {
                ensure!(places.len() == 1, "{name:?} was accepted and is recorded {} times", places.len());
            } else if !sent.unknown {
                ensure!(places.is_empty(), "{name:?} was refused and is recorded: {places:?}");
            }
            ensure!(sent.created <= 1, "{name:?} was said to be new {} times", sent.created);
            if let Some(place) = places.first() {
                let entry = &self.entries[place];
                let is_same =
                    entry.occurred == sent.occurred && entry.amount == sent.amount && entry.points == sent.points;
                ensure!(is_same, "{name:?} is recorded as {entry:?}, sent was {sent:?}");
            }
        }
        for name in self.recorded.keys() {
            ensure!(self.sent.contains_key(name), "{name:?} was never sent");
        }
        let told = self.references.values().flatten().count();
        ensure!(told == self.entries.len(), "{told} references tell of {} entries", self.entries.len());
        Ok(())
    }

    /// Lots, debts and balance of a member on a day, as a caller may see them.
    pub fn check_member(&self, member: &str, answer: &Value) -> Verdict {
        let as_of = answer["as_of"].as_str().unwrap_or_default();
        let sum = |list: &str| -> i64 {
            answer[list].as_array().into_iter().flatten().map(|row| row["points"].as_i64().unwrap()).sum()
        };
        let net = (sum("lots") - sum("debts")).max(0);
        ensure!(
            answer["balance"] == net,
            "member {member} has the balance {}, lots less debts {net}",
            answer["balance"]
        );
        let balance = self.books[member].balance(as_of.parse().map_err(|_| format!("as_of is {as_of:?}"))?);
        ensure!(answer["balance"] == balance, "member {member} is shown {} instead of {balance}", answer["balance"]);
        Ok(())
    }

    pub fn members(&self) -> Vec<String> {
        self.books.keys().cloned().collect()
    }

    /// When an event was recorded.
    pub fn recorded_at(&self, name: &Name) -> Option<i64> {
        self.times.get(name).copied()
    }

    /// Names that are recorded for a member.
    pub fn has(&self, name: &Name) -> bool {
        self.recorded.contains_key(name)
    }

    pub fn finals(&self) -> u64 {
        self.closed.len() as u64
    }

    pub fn entries(&self) -> usize {
        self.entries.len()
    }
}

/// The detail rows of one entry.
fn check_rows(entry: &Entry, rows: &[BTreeMap<String, String>]) -> Verdict {
    let line = entry.name.0.as_str();
    let key = |reason: &str, redeemer: &str, (expires, issued, funder): &Lot, points: i64| {
        [reason.to_owned(), redeemer.to_owned(), expires.clone(), issued.clone(), funder.clone(), points.to_string()]
    };
    let (mut expected, repaid, priced_on) = match &entry.effect {
        Effect::Redeemed { slices } => {
            let rows: Vec<_> = slices.iter().map(|(lot, points)| key("redemption", line, lot, *points)).collect();
            (rows, None, entry.day)
        }
        Effect::Returned { slices, before, points, repaid, at, .. } => {
            let parts = from_the_end(slices, *before, *points);
            let rows: Vec<_> = parts.iter().map(|(lot, points)| key("return", line, lot, -points)).collect();
            (rows, Some(repaid), *at)
        }
        Effect::Issued { repaid, .. } => (Vec::new(), Some(repaid), entry.day),
        Effect::Withdrawn { parts, .. } => (Vec::new(), Some(&parts.repaid), entry.day),
    };
    let repaid = repaid.into_iter().flatten();
    expected.extend(repaid.map(|(creditor, lot, points)| key("repayment", creditor, lot, *points)));
    let found = rows.iter().map(|row| {
        let of = (row["expires"].clone(), row["issued"].clone(), row["funder"].clone());
        key(&row["reason"], &row["redeemer"], &of, row["points"].parse().unwrap())
    });
    let mut found: Vec<_> = found.collect();
    found.sort();
    expected.sort();
    ensure!(found == expected, "found {found:?} instead of {expected:?}");
    let (mut exacts, mut total) = (Vec::new(), 0_i128);
    for row in rows {
        let day = if row["reason"] == "repayment" { entry.day } else { priced_on };
        let price = terms::price(&row["funder"], &row["redeemer"], day);
        let written = format!("{:0<10}", row["price"]);
        ensure!(written == format!("0.{price:08}"), "priced at {} instead of {price}", row["price"]);
        let exact = row["points"].parse::<i128>().unwrap() * price;
        let amount = i128::from(minor_or_whole(&row["amount"]));
        match row["reason"].as_str() {
            "redemption" => {
                exacts.push((exact, amount));
                total += amount;
            }
            "repayment" => ensure!(amount == rounded(exact), "repaid {amount} instead of {}", rounded(exact)),
            // A part of what was shared out before, rounded twice more.
            _ => ensure!((amount * 1_000_000 - exact).abs() < 2_500_000, "{amount} is off {exact}"),
        }
        let origin = if entry.booked == entry.home { "" } else { &entry.home };
        ensure!(row["origin_period"] == *origin, "has the origin {:?} instead of {origin:?}", row["origin_period"]);
    }
    let exact_total: i128 = exacts.iter().map(|(exact, _)| exact).sum();
    ensure!(total == rounded(exact_total), "sums to {total} instead of {}", rounded(exact_total));
    for (exact, amount) in exacts {
        // Less than a minor unit from its share of what is really paid.
        let off = (amount * exact_total - total * exact).abs();
        ensure!(off < exact_total, "{amount} is off its share of {total}: {exact} of {exact_total}");
    }
    Ok(())
}
