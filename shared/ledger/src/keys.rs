//! The one place that builds keys and reads them.

use crate::attributes::{PK, SK};
use chrono::{DateTime, Utc};
use interline_domain::claims::account::shard as shard_of;
use interline_domain::events::{Entry, EntryKind, Head};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, MemberId, Reference};
use interline_domain::units::moment::rfc3339_utc;
use interline_domain::units::scope::Scope;
use std::fmt;

/// Names an item in an error, which may be logged: by the member's shard, not by
/// the member.
pub fn without_member(pk: &str, sk: &str) -> String {
    match pk.split_once('#') {
        Some(("M", id)) => match MemberId::parse(id) {
            Ok(member) => format!("M#(a member of shard {:02}) {sk}", shard_of(&member)),
            Err(_) => format!("M#(no member's id) {sk}"),
        },
        _ => format!("{pk} {sk}"),
    }
}

/// Partition and sort key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub pk: String,
    pub sk: String,
}

pub fn account(member: &MemberId) -> Key {
    Key { pk: format!("M#{member}"), sk: "A".to_owned() }
}

/// What an event is known by, once and for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub line: LineId,
    pub kind: EntryKind,
    pub reference: Reference,
    pub scope: Scope,
}

/// `<line>#<kind>#<reference><scope>`
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Name { line, kind, reference, scope } = self;
        write!(f, "{line}#{}#{reference}{scope}", kind.code())
    }
}

impl Name {
    pub fn of(head: &Head, kind: EntryKind, scope: Scope) -> Self {
        Self { line: head.line.clone(), kind, reference: head.reference.clone(), scope }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('#');
        let (line, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
        let (reference, scope) = match name.split_once('@') {
            None => (name, Scope::Line),
            Some((reference, scope)) => (reference, Scope::parse(scope)?),
        };
        let name = Self {
            line: LineId::parse(line).ok()?,
            kind: EntryKind::from_code(kind)?,
            reference: Reference::parse(reference).ok()?,
            scope,
        };
        parts.next().is_none().then_some(name)
    }
}

/// What is known of a reference.
pub fn reference(name: &Name) -> Key {
    Key { pk: format!("U#{name}"), sk: "U".to_owned() }
}

pub fn parse_reference(pk: &str) -> Option<Name> {
    Name::parse(pk.strip_prefix("U#")?)
}

/// Where an entry lies: in the period that clears it, and in its member's shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub booked: Period,
    pub shard: u8,
    /// The period of its own time.
    pub home: Period,
}

/// As a reference item tells it: `<booked>#<shard>`, and `#<home>` of a late entry.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:02}{}", self.booked, self.shard, self.late())
    }
}

impl Place {
    pub fn of(entry: &Entry) -> Self {
        Self { booked: entry.booked, shard: shard_of(&entry.head.member), home: entry.home }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('#');
        let (booked, shard) = (Period::parse(parts.next()?).ok()?, parts.next()?.parse().ok()?);
        let home = parts.next().map_or(Ok(booked), Period::parse).ok()?;
        parts.next().is_none().then_some(Self { booked, shard, home })
    }

    /// `#<home>` of a late entry.
    fn late(&self) -> String {
        if self.home == self.booked { String::new() } else { format!("#{}", self.home) }
    }
}

/// An entry by all that its key tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryKey {
    pub name: Name,
    pub place: Place,
}

impl EntryKey {
    pub fn of(entry: &Entry) -> Self {
        Self { name: Name::of(&entry.head, entry.kind(), entry.scope), place: Place::of(entry) }
    }

    /// The origin of a late one is in its sort key, as its partition does not tell it.
    pub fn key(&self) -> Key {
        let Place { booked, shard: number, .. } = self.place;
        Key { pk: shard(booked, number), sk: format!("{}{}", self.name, self.place.late()) }
    }

    /// Reads a key. The error names the attribute that is none.
    pub fn parse(pk: &str, sk: &str) -> Result<Self, &'static str> {
        let (booked, shard) = parse_shard(pk).ok_or(PK)?;
        let name_ends = sk.match_indices('#').nth(2).map(|(at, _)| at);
        let (name, origin) = name_ends.map_or((sk, None), |at| (&sk[..at], Some(&sk[at + 1..])));
        let name = Name::parse(name).ok_or(SK)?;
        let home = origin.map_or(Ok(booked), Period::parse).map_err(|_| SK)?;
        Ok(Self { name, place: Place { booked, shard, home } })
    }
}

impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key { pk, sk } = self.key();
        write!(f, "{pk} {sk}")
    }
}

/// The partition of a shard's entries.
pub fn shard(period: Period, shard: u8) -> String {
    format!("E#{period}#{shard:02}")
}

fn parse_shard(pk: &str) -> Option<(Period, u8)> {
    let (period, shard) = pk.strip_prefix("E#")?.split_once('#')?;
    Some((Period::parse(period).ok()?, shard.parse().ok()?))
}

/// What the sort keys of a line's entries begin with.
pub fn of_line(line: &LineId) -> String {
    format!("{line}#")
}

/// What those of one kind begin with.
pub fn of_line_and_kind(line: &LineId, kind: Option<EntryKind>) -> String {
    kind.map_or_else(|| of_line(line), |kind| format!("{line}#{}#", kind.code()))
}

pub fn gate(period: Period, shard: u8) -> Key {
    Key { pk: format!("G#{period}#{shard:02}"), sk: "G".to_owned() }
}

pub fn period(period: Period) -> Key {
    Key { pk: PERIODS.to_owned(), sk: period.to_string() }
}

pub const PERIODS: &str = "P";

/// A line of the history of publications; sorts by time. No hash begins so.
pub fn came_into_force(at: DateTime<Utc>, revision: i64) -> Key {
    let Key { pk, sk } = history();
    Key { pk, sk: format!("{sk}{}#{revision}", rfc3339_utc(at)) }
}

/// The partition of the history, and what its sort keys begin with.
pub fn history() -> Key {
    Key { pk: "R".to_owned(), sk: "history#".to_owned() }
}

/// What was published with a rulebook.
pub fn publication(rulebook: &str) -> Key {
    Key { pk: "R".to_owned(), sk: rulebook.to_owned() }
}

pub fn current_rulebook() -> Key {
    Key { pk: "R".to_owned(), sk: "current".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_named_in_an_error_without_its_member() {
        assert_eq!(without_member("M#member-7", "A"), "M#(a member of shard 55) A");
        assert_eq!(without_member("U#dining#a#S-1", "U"), "U#dining#a#S-1 U");
        assert_eq!(without_member("E#2017-01#07", "dining#A#S-1"), "E#2017-01#07 dining#A#S-1");
    }

    #[test]
    fn an_entrys_name_and_place_are_read_back_from_its_keys() {
        let january = Period::parse("2017-01").unwrap();
        let day = january.first_day();
        for scope in [Scope::Line, Scope::Month(january), Scope::Day(day)] {
            for booked in [january, january.next()] {
                let name = Name {
                    line: LineId::parse("dining").unwrap(),
                    kind: EntryKind::Accrual,
                    reference: Reference::parse("2017-01").unwrap(),
                    scope,
                };
                let place = Place { booked, shard: 7, home: january };
                let entry = EntryKey { name: name.clone(), place };
                let Key { pk, sk } = entry.key();
                assert_eq!(EntryKey::parse(&pk, &sk), Ok(entry.clone()), "{entry}");
                assert_eq!(parse_reference(&reference(&name).pk), Some(name));
                assert_eq!(Place::parse(&place.to_string()), Some(place));
            }
        }
    }

    #[test]
    fn what_is_no_key_is_not_read_as_one() {
        for text in ["", "dining#a", "dining#x#S-1", "dining#a#S-1@", "dining#a#S-1@2017", "dining#a#S-1#x", "#a#S-1"] {
            assert_eq!(EntryKey::parse("E#2017-01#07", text), Err(SK), "{text}");
        }
        for text in ["", "E#2017-01", "E#2017#07", "E#2017-01#x", "E#2017-01#07#1", "G#2017-01#07"] {
            assert_eq!(EntryKey::parse(text, "dining#a#S-1"), Err(PK), "{text}");
        }
        for text in ["", "2017-01", "2017-01#x", "2017-01#07#x", "2017-01#07#2017-01#"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
