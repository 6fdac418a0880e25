//! The one place that builds keys.

use interline_domain::account::shard as shard_of;
use interline_domain::calendar::Period;
use interline_domain::entry::{Command, EntryKind};
use interline_domain::id::{LineId, MemberId, Reference};

/// Names an item in an error, which may be logged: by the member's shard, not by
/// the member.
pub fn without_member(pk: &str, sk: &str) -> String {
    match pk.split_once('#') {
        Some((kind @ ("M" | "V"), id)) => match MemberId::parse(id) {
            Ok(member) => format!("{kind}#(a member of shard {:02}) {sk}", shard_of(&member)),
            Err(_) => format!("{kind}#(no member's id) {sk}"),
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

pub fn shard(period: Period, shard: u8) -> String {
    format!("E#{period}#{shard:02}")
}

/// Where an event lies in its home, whether as an entry, a stub or a refusal.
pub fn home(period: Period, shard_number: u8, command: &Command) -> Key {
    event(period, shard_number, &command.line, command.kind(), &command.reference)
}

pub fn event(period: Period, shard_number: u8, line: &LineId, kind: EntryKind, reference: &Reference) -> Key {
    Key { pk: shard(period, shard_number), sk: format!("{line}#{}#{reference}", kind.code()) }
}

/// Where a late event is booked. The origin keeps it apart from an event of that
/// period with the same reference.
pub fn late(booked: Period, shard_number: u8, command: &Command, origin: Period) -> Key {
    let home = home(booked, shard_number, command);
    Key { sk: format!("{}#{origin}", home.sk), ..home }
}

/// How much of an entry is reversed.
pub fn reversed(member: &MemberId, home_period: Period, sk: &str) -> Key {
    Key { pk: format!("V#{member}"), sk: format!("{home_period}#{sk}") }
}

pub fn gate(period: Period, shard: u8) -> Key {
    Key { pk: format!("G#{period}#{shard:02}"), sk: "G".to_owned() }
}

pub fn period(period: Period) -> Key {
    Key { pk: PERIODS.to_owned(), sk: period.to_string() }
}

pub const PERIODS: &str = "P";

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
        assert_eq!(
            without_member("V#member-7", "2017-01#dining#R#R-1"),
            "V#(a member of shard 55) 2017-01#dining#R#R-1"
        );
        assert_eq!(without_member("E#2017-01#07", "dining#A#S-1"), "E#2017-01#07 dining#A#S-1");
    }
}
