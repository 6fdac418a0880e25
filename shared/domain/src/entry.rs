//! Commands (what a line asks for) and entries (what the ledger holds for good).

use crate::account::Repayment;
use crate::calendar::{Period, write_date, write_two_digits};
use crate::id::{LineId, MemberId, Reference};
use crate::lot::Slice;
use crate::money::{Money, Points};
use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, SecondsFormat, Timelike, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    Accrual,
    Redemption,
    Reversal,
    Adjustment,
}

impl EntryKind {
    pub const ALL: [EntryKind; 4] =
        [EntryKind::Accrual, EntryKind::Redemption, EntryKind::Reversal, EntryKind::Adjustment];

    /// The word in files, paths and reports.
    pub const fn word(self) -> &'static str {
        match self {
            EntryKind::Accrual => "accrual",
            EntryKind::Redemption => "redemption",
            EntryKind::Reversal => "reversal",
            EntryKind::Adjustment => "adjustment",
        }
    }

    /// The letter in keys.
    pub const fn code(self) -> &'static str {
        match self {
            EntryKind::Accrual => "a",
            EntryKind::Redemption => "r",
            EntryKind::Reversal => "v",
            EntryKind::Adjustment => "j",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Within what a reference names one event of its line and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// For ever.
    Line,
    /// The line's tills number anew with every month.
    Month(Period),
    /// Or with every day.
    Day(NaiveDate),
}

impl Scope {
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(month) = Period::parse(text) {
            return Some(Scope::Month(month));
        }
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| day.to_string() == text).map(Scope::Day)
    }
}

/// What follows a reference in keys and reports: nothing, `@2025-11` or `@2025-11-03`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Line => Ok(()),
            Scope::Month(month) => write!(f, "@{month}"),
            Scope::Day(day) => write!(f, "@{day}"),
        }
    }
}

/// One event as its line reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub line: LineId,
    pub reference: Reference,
    pub member: MemberId,
    pub occurred_at: DateTime<FixedOffset>,
    pub action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A sale that earns points.
    Accrue { amount: Money },
    /// Points spent; `bill` is what the member buys with them and with money.
    Redeem { points: Points, bill: Option<Money> },
    /// Takes an earlier event of the same line back, in part or (without a
    /// number) whatever is left of it. A sale is reversed by amount, points by points.
    /// `on` is a day of the earlier event, where its line's references recur; without
    /// it the reversal's own.
    Reverse {
        kind: EntryKind,
        reference: Reference,
        on: Option<NaiveDate>,
        amount: Option<Money>,
        points: Option<Points>,
    },
    /// Points given without a sale.
    Grant { points: Points },
}

impl Command {
    pub fn kind(&self) -> EntryKind {
        match self.action {
            Action::Accrue { .. } => EntryKind::Accrual,
            Action::Redeem { .. } => EntryKind::Redemption,
            Action::Reverse { .. } => EntryKind::Reversal,
            Action::Grant { .. } => EntryKind::Adjustment,
        }
    }

    pub fn occurred(&self) -> DateTime<Utc> {
        self.occurred_at.to_utc()
    }

    pub fn amount(&self) -> Option<Money> {
        match &self.action {
            Action::Accrue { amount } => Some(*amount),
            Action::Redeem { bill, .. } => *bill,
            Action::Reverse { amount, .. } => *amount,
            Action::Grant { .. } => None,
        }
    }

    pub fn points(&self) -> Option<Points> {
        match &self.action {
            Action::Accrue { .. } => None,
            Action::Redeem { points, .. } | Action::Grant { points } => Some(*points),
            Action::Reverse { points, .. } => *points,
        }
    }

    /// `kind:reference`, with `@day` where one is named, of what a reversal takes back.
    pub fn reverses(&self) -> Option<String> {
        match &self.action {
            Action::Reverse { kind, reference, on: None, .. } => Some(format!("{kind}:{reference}")),
            Action::Reverse { kind, reference, on: Some(day), .. } => Some(format!("{kind}:{reference}@{day}")),
            Action::Accrue { .. } | Action::Redeem { .. } | Action::Grant { .. } => None,
        }
    }

    /// SHA-256 over everything the caller said. The moment counts, not the
    /// offset it was written with.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut text = String::with_capacity(160);
        self.write_canonical(&mut text);
        Sha256::digest(text).into()
    }

    fn write_canonical(&self, text: &mut String) {
        let amount = self.amount().map_or(0, Money::minor);
        let points = self.points().map_or(0, Points::get);
        text.push('1');
        for name in [self.line.as_str(), self.kind().word(), self.reference.as_str(), self.member.as_str()] {
            text.push('|');
            text.push_str(name);
        }
        text.push('|');
        write_utc(text, self.occurred());
        // Writing to a String cannot fail.
        let _ = write!(text, "|{amount}|{points}|");
        if let Some(reverses) = self.reverses() {
            text.push_str(&reverses);
        }
    }

    /// The first field in which a repeated event differs from the recorded one.
    pub fn differing_field(&self, recorded: &Command) -> Option<&'static str> {
        let differences = [
            ("member", self.member != recorded.member),
            ("occurred_at", self.occurred() != recorded.occurred()),
            ("reverses", self.reverses() != recorded.reverses()),
            ("amount", self.amount() != recorded.amount()),
            ("points", self.points() != recorded.points()),
        ];
        differences.into_iter().find(|(_, differs)| *differs).map(|(field, _)| field)
    }
}

/// One business event in the ledger. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub command: Command,
    pub scope: Scope,
    /// The period of the event's own time.
    pub home: Period,
    /// The period that clears it: its home, or a later one if it came late.
    pub booked: Period,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Points issued, by an accrual or an adjustment; none for a sale too small.
    /// A sponsor's lot follows the line's own.
    Issued {
        slices: Vec<Slice>,
        repaid: Vec<Repayment>,
    },
    Redeemed {
        value: Money,
        slices: Vec<Slice>,
    },
    /// Points given back to the lots they came from, last slice first.
    Returned {
        original: Original,
        before: Points,
        points: Points,
        value: Money,
        repaid: Vec<Repayment>,
    },
    /// Points of a reversed accrual or adjustment, by the slices that it issued.
    Withdrawn {
        original: Original,
        before: Reversed,
        /// Refunded now.
        amount: Money,
        /// Withdrawn now of each slice of the original: the sum of `taken`, `gone` and
        /// `owed`, and of what is too old to tell whether it was spent.
        points: Vec<Points>,
        /// Taken from their lot.
        taken: Vec<Slice>,
        /// Left in their lot, and past their date: they expired with their cohort.
        gone: Vec<Slice>,
        /// Spent already: owed to the funder.
        owed: Vec<Slice>,
        /// What of it was paid at once with other points of the member's.
        repaid: Vec<Repayment>,
    },
}

/// What valuing a reversal needs of the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    pub at: DateTime<Utc>,
    /// Of a redemption what the member got for it, of a sale its amount, of points given nothing.
    pub value: Money,
    pub slices: Vec<Slice>,
}

/// How much of an entry has been reversed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reversed {
    pub points: Points,
    pub amount: Money,
    /// For a sale or points given: the points of each slice. Empty as long as nothing is reversed.
    pub by_slice: Vec<Points>,
}

impl Reversed {
    /// Of the slice at a place.
    pub fn of_slice(&self, at: usize) -> Points {
        self.by_slice.get(at).copied().unwrap_or_default()
    }
}

impl Entry {
    pub fn is_late(&self) -> bool {
        self.booked != self.home
    }

    /// Points issued, redeemed, given back or withdrawn; what was gone already is not.
    pub fn points(&self) -> Result<Points, crate::money::OutOfRange> {
        match &self.outcome {
            Outcome::Issued { slices, .. } | Outcome::Redeemed { slices, .. } => sum(slices),
            Outcome::Returned { points, .. } => Ok(*points),
            Outcome::Withdrawn { taken, owed, .. } => sum(taken)?.plus(sum(owed)?),
        }
    }

    /// `line#kind#reference`, as reports name an entry.
    pub fn name(&self) -> String {
        let Command { line, reference, .. } = &self.command;
        format!("{line}#{}#{reference}{}", self.command.kind(), self.scope)
    }

    /// The text whose SHA-256 stands for the entry in a shard's digest. It holds
    /// what was decided and nothing of when or where it was recorded.
    pub fn write_canonical(&self, text: &mut String) {
        self.command.write_canonical(text);
        text.push('|');
        self.booked.write(text);
        if self.scope != Scope::Line {
            let _ = write!(text, "{}", self.scope);
        }
        let slice = |text: &mut String, slice: &Slice| {
            slice.cohort.write(text);
            let _ = write!(text, ":{}", slice.points.get());
        };
        let slices = |text: &mut String, name: &str, slices: &[Slice]| {
            text.push('|');
            text.push_str(name);
            for part in slices {
                text.push(';');
                slice(text, part);
            }
        };
        let repayments = |text: &mut String, repaid: &[Repayment]| {
            text.push_str("|repaid");
            for Repayment { creditor, paid } in repaid {
                let _ = write!(text, ";{creditor}:");
                slice(text, paid);
            }
        };
        match &self.outcome {
            Outcome::Issued { slices: issued, repaid } => {
                slices(text, "issued", issued);
                repayments(text, repaid);
            }
            Outcome::Redeemed { value, slices: spent } => {
                slices(text, "spent", spent);
                let _ = write!(text, "|{}", value.minor());
            }
            Outcome::Returned { original, before, points, value, repaid } => {
                slices(text, "returned", &original.slices);
                let at = rfc3339_utc(original.at);
                let _ = write!(text, "|{at}|{}|{before}|{points}|{}", original.value.minor(), value.minor());
                repayments(text, repaid);
            }
            Outcome::Withdrawn { original, before, amount, points, taken, gone, owed, repaid } => {
                slices(text, "issued", &original.slices);
                let _ = write!(text, "|{}|{}", rfc3339_utc(original.at), original.value.minor());
                let _ = write!(text, "|{}|{}", before.amount.minor(), amount.minor());
                for (at, now) in points.iter().enumerate() {
                    let _ = write!(text, ";{}:{now}", before.of_slice(at));
                }
                slices(text, "taken", taken);
                slices(text, "gone", gone);
                slices(text, "owed", owed);
                repayments(text, repaid);
            }
        }
    }
}

fn sum(slices: &[Slice]) -> Result<Points, crate::money::OutOfRange> {
    Points::sum(slices.iter().map(|slice| slice.points))
}

/// `2017-01-01T03:53:26Z`, with a fraction only where there is one.
pub fn rfc3339_utc(moment: DateTime<Utc>) -> String {
    let mut text = String::with_capacity(32);
    write_utc(&mut text, moment);
    text
}

/// As chrono writes it, without its general formatter: a month-end writes every entry.
fn write_utc(text: &mut String, moment: DateTime<Utc>) {
    if moment.nanosecond() != 0 || !(0..10_000).contains(&moment.year()) {
        text.push_str(&moment.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        return;
    }
    write_date(text, moment.date_naive());
    for (separator, number) in [('T', moment.hour()), (':', moment.minute()), (':', moment.second())] {
        text.push(separator);
        write_two_digits(text, number);
    }
    text.push('Z');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::parse_occurred_at;
    use proptest::prelude::*;

    #[test]
    fn a_kind_is_found_again_by_its_word_and_by_its_code() {
        for kind in EntryKind::ALL {
            assert_eq!(EntryKind::from_word(kind.word()), Some(kind));
            assert_eq!(EntryKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(EntryKind::from_word("r"), None);
        assert_eq!(EntryKind::from_code("redemption"), None);
    }

    fn reversal() -> Command {
        Command {
            line: LineId::parse("mall").unwrap(),
            reference: Reference::parse("V-1").unwrap(),
            member: MemberId::parse("M1").unwrap(),
            occurred_at: parse_occurred_at("2017-01-31T18:05:09+08:00").unwrap(),
            action: Action::Reverse {
                kind: EntryKind::Accrual,
                reference: Reference::parse("S-1").unwrap(),
                on: None,
                amount: Some(Money::from_minor(1250)),
                points: None,
            },
        }
    }

    #[test]
    fn a_stored_fingerprint_keeps_its_value() {
        // sha256sum of "1|mall|reversal|V-1|M1|2017-01-31T10:05:09Z|1250|0|accrual:S-1".
        let hex: String = reversal().fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "297d570ff22fc74bb87a587670c955c28d9fe78c74302f35252d9741a87392a5");
        let otherwise_written = parse_occurred_at("2017-01-31T10:05:09.000Z").unwrap();
        assert_eq!(Command { occurred_at: otherwise_written, ..reversal() }.fingerprint(), reversal().fingerprint());
    }

    #[test]
    fn the_field_in_which_a_repeated_event_differs_is_named() {
        let recorded = reversal();
        assert_eq!(recorded.reverses().as_deref(), Some("accrual:S-1"));
        assert_eq!(reversal().differing_field(&recorded), None);
        let other = |change: fn(&mut Command)| {
            let mut command = reversal();
            change(&mut command);
            command.differing_field(&reversal())
        };
        let said = |change: fn(&mut Option<Money>, &mut Option<Points>, &mut Reference)| {
            let mut command = reversal();
            let Action::Reverse { amount, points, reference, .. } = &mut command.action else { unreachable!() };
            change(amount, points, reference);
            command.differing_field(&reversal())
        };
        assert_eq!(other(|command| command.member = MemberId::parse("M2").unwrap()), Some("member"));
        let later =
            |command: &mut Command| command.occurred_at = parse_occurred_at("2017-01-31T18:05:10+08:00").unwrap();
        assert_eq!(other(later), Some("occurred_at"));
        assert_eq!(said(|_, _, reference| *reference = Reference::parse("S-2").unwrap()), Some("reverses"));
        assert_eq!(said(|amount, _, _| *amount = None), Some("amount"));
        assert_eq!(said(|_, points, _| *points = Some(Points::new(1))), Some("points"));
        let granted = other(|command| command.action = Action::Grant { points: Points::new(1) });
        assert_eq!(granted, Some("reverses"));
    }

    proptest! {
        #[test]
        fn a_moment_is_written_as_chrono_writes_it(
            seconds in prop_oneof![0_i64..7_258_118_400, -100_000_000_000_i64..300_000_000_000],
            nanoseconds in prop_oneof![Just(0), Just(500_000_000), 0_u32..1_000_000_000],
        ) {
            let moment = DateTime::from_timestamp(seconds, nanoseconds).unwrap();
            prop_assert_eq!(rfc3339_utc(moment), moment.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        }
    }
}
