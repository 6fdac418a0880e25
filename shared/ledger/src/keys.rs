//! The one place that builds keys and reads them.

use crate::attributes::{PK, SK};
use chrono::{DateTime, Utc};
use interline_domain::events::{Entry, EntryKind, Head};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, MemberId, Reference};
use interline_domain::units::moment::rfc3339_utc;
use interline_domain::units::scope::Scope;
use interline_domain::units::shard::{Shard, hash};
use std::fmt;

/// Names an item in an error, which may be logged: by the hash of the member, which
/// modulo the number of shards is the shard, and not by the member.
pub fn without_member(pk: &str, sk: &str) -> String {
    match pk.split_once('#') {
        Some(("M", id)) => match MemberId::parse(id) {
            Ok(member) => format!("M#(a member of hash {}) {sk}", hash(&member)),
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
    pub shard: ShardName,
    /// The period of its own time.
    pub home: Period,
}

/// As a reference item tells it: `<booked>#<shard>`, and `#<home>` of a late entry.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}{}", self.booked, self.shard, self.late())
    }
}

impl Place {
    pub fn of(entry: &Entry, shard: Shard) -> Self {
        Self { booked: entry.booked, shard: shard.into(), home: entry.home }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('#');
        let (booked, shard) = (Period::parse(parts.next()?).ok()?, ShardName::parse(parts.next()?)?);
        let home = parts.next().map_or(Ok(booked), Period::parse).ok()?;
        parts.next().is_none().then_some(Self { booked, shard, home })
    }

    /// `#<home>` of a late entry.
    fn late(&self) -> String {
        if self.home == self.booked { String::new() } else { format!("#{}", self.home) }
    }
}

/// A shard as keys tell it, whatever the number of shards of its period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardName {
    number: u16,
    digits: usize,
}

impl ShardName {
    fn parse(text: &str) -> Option<Self> {
        let is_one = matches!(text.len(), 2 | 4) && text.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self { number: text.parse().ok().filter(|_| is_one)?, digits: text.len() })
    }
}

impl From<Shard> for ShardName {
    fn from(shard: Shard) -> Self {
        Self { number: shard.number(), digits: shard.digits() }
    }
}

impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0digits$}", self.number, digits = self.digits)
    }
}

/// An entry by all that its key tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryKey {
    pub name: Name,
    pub place: Place,
}

impl EntryKey {
    /// Of an entry that lies in a shard of the period that clears it.
    pub fn of(entry: &Entry, shard: Shard) -> Self {
        Self { name: Name::of(&entry.head, entry.kind(), entry.scope), place: Place::of(entry, shard) }
    }

    /// The origin of a late one is in its sort key, as its partition does not tell it.
    pub fn key(&self) -> Key {
        let Place { booked, shard, .. } = self.place;
        Key { pk: format!("E#{booked}#{shard}"), sk: format!("{}{}", self.name, self.place.late()) }
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
pub fn shard(period: Period, shard: Shard) -> String {
    format!("E#{period}#{shard}")
}

fn parse_shard(pk: &str) -> Option<(Period, ShardName)> {
    let (period, shard) = pk.strip_prefix("E#")?.split_once('#')?;
    Some((Period::parse(period).ok()?, ShardName::parse(shard)?))
}

/// What the sort keys of a line's entries begin with.
pub fn of_line(line: &LineId) -> String {
    format!("{line}#")
}

/// What those of one kind begin with.
pub fn of_line_and_kind(line: &LineId, kind: Option<EntryKind>) -> String {
    kind.map_or_else(|| of_line(line), |kind| format!("{line}#{}#", kind.code()))
}

pub fn gate(period: Period, shard: Shard) -> Key {
    Key { pk: format!("G#{period}#{shard}"), sk: "G".to_owned() }
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
    use interline_domain::units::shard::Shards;

    #[test]
    fn an_item_is_named_in_an_error_without_its_member() {
        assert_eq!(without_member("M#member-7", "A"), "M#(a member of hash 36279) A");
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
                for (shards, text) in [(64, "07"), (256, "0007")] {
                    let shard = Shards::new(shards).and_then(|shards| shards.shard(7)).unwrap();
                    let place = Place { booked, shard: shard.into(), home: january };
                    let entry = EntryKey { name: name.clone(), place };
                    let Key { pk, sk } = entry.key();
                    assert_eq!(pk, format!("E#{booked}#{text}"));
                    assert_eq!(pk, self::shard(booked, shard));
                    assert_eq!(EntryKey::parse(&pk, &sk), Ok(entry.clone()), "{entry}");
                    assert_eq!(parse_reference(&reference(&name).pk), Some(name.clone()));
                    assert_eq!(Place::parse(&place.to_string()), Some(place));
                }
            }
        }
    }

    #[test]
    fn what_is_no_key_is_not_read_as_one() {
        for text in ["", "dining#a", "dining#x#S-1", "dining#a#S-1@", "dining#a#S-1@2017", "dining#a#S-1#x", "#a#S-1"] {
            assert_eq!(EntryKey::parse("E#2017-01#07", text), Err(SK), "{text}");
        }
        for text in ["", "E#2017-01", "E#2017#07", "E#2017-01#x", "E#2017-01#07#1", "E#2017-01#7", "G#2017-01#07"] {
            assert_eq!(EntryKey::parse(text, "dining#a#S-1"), Err(PK), "{text}");
        }
        for text in ["", "2017-01", "2017-01#x", "2017-01#07#x", "2017-01#07#2017-01#"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
