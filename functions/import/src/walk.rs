//! In which order the rows of a file are recorded.

use chrono::{DateTime, NaiveDate, Utc};
use interline_domain::events::{Command, EntryKind, Origin};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::id::{LineId, MemberId, Reference};
use interline_domain::units::scope::Scope;
use interline_domain::units::shard::Shards;
use interline_intake::Row;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Why a row was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub field: String,
    pub code: String,
    pub rule: String,
}

/// Rejected rows by their place in the file.
pub type Rejected = BTreeMap<usize, Reason>;

/// Rows of one member by their place in the file, in the order in which they are recorded.
pub type OfMember<'a> = Vec<(usize, &'a Command)>;

/// Lanes of a file, so many as are walked at once.
pub const LANES: u16 = 64;

/// A file's members in lanes, a shard's in one of them. Within a lane they are
/// recorded one after the other, so that no two writes of the file ask for the
/// same gate; the lanes are walked side by side.
pub struct Walk<'a> {
    pub lanes: Vec<Vec<OfMember<'a>>>,
    pub rejected: Rejected,
}

type Name<'a> = (&'a LineId, EntryKind, &'a Reference, Scope);
type Names<'a> = BTreeMap<Name<'a>, usize>;

impl<'a> Walk<'a> {
    /// `sender`: the only line whose events are taken.
    pub fn of(rulebook: &Rulebook, rows: &'a [Row], sender: Option<&LineId>) -> Self {
        let mut members: BTreeMap<&MemberId, OfMember<'a>> = BTreeMap::new();
        let mut rejected = Rejected::new();
        let mut names = Names::new();
        for (at, row) in rows.iter().enumerate() {
            match admitted(rulebook, rows, row, sender, &mut names, at) {
                Ok(command) => members.entry(&command.head.member).or_default().push((at, command)),
                Err(reason) => {
                    rejected.insert(at, reason);
                }
            }
        }
        let mut lanes: Vec<Vec<OfMember<'a>>> = (0..LANES).map(|_| Vec::new()).collect();
        for (member, mut of_member) in members {
            of_member.sort_by_cached_key(|(at, command)| turn(rulebook, rows, &names, *at, command));
            // By the number of shards of the month of what is recorded first.
            let first = of_member.first().map(|(_, command)| rulebook.period(command.occurred()));
            let shard = first.map_or(Shards::DEFAULT, |period| rulebook.shards(period)).of(member);
            lanes[usize::from(shard.number() % LANES)].push(of_member);
        }
        Self { lanes, rejected }
    }
}

/// An event that the ledger is asked for, or why it is not.
fn admitted<'a>(
    rulebook: &Rulebook,
    rows: &'a [Row],
    row: &'a Row,
    sender: Option<&LineId>,
    names: &mut Names<'a>,
    at: usize,
) -> Result<&'a Command, Reason> {
    let reason =
        |field: &str, code: &str, rule: String| Reason { field: field.to_owned(), code: code.to_owned(), rule };
    let command = row.parsed.as_ref().map_err(|error| reason(error.field, error.code, error.rule.clone()))?;
    if let Some(sender) = sender
        && *sender != command.head.line
    {
        return Err(reason("line", "not-your-line", format!("this inbox takes events of line {sender} only")));
    }
    let name = name(rulebook, command, command.kind(), &command.head.reference, rulebook.day(command.occurred()));
    match names.entry(name) {
        Entry::Vacant(vacant) => {
            vacant.insert(at);
        }
        Entry::Occupied(first) => {
            let first = &rows[*first.get()];
            let other = first.parsed.as_ref().map(|first| &first.head.member);
            if other.is_ok_and(|member| *member != command.head.member) {
                let rule = format!("row {} has this reference for another member", first.number);
                return Err(reason("member", "conflict", rule));
            }
        }
    }
    Ok(command)
}

/// What names an event of the command's line on a day.
fn name<'a>(
    rulebook: &Rulebook,
    command: &'a Command,
    kind: EntryKind,
    reference: &'a Reference,
    day: NaiveDate,
) -> Name<'a> {
    (&command.head.line, kind, reference, rulebook.scope(&command.head.line, day))
}

/// By time, then by row; a reversal after what it takes back, so that one that is
/// too early is refused for its time and not as if there were nothing to take back.
fn turn(
    rulebook: &Rulebook,
    rows: &[Row],
    names: &Names<'_>,
    at: usize,
    command: &Command,
) -> (DateTime<Utc>, usize, bool) {
    let own = (command.occurred(), at);
    let target = command.action.origin().and_then(|Origin { kind, reference, on }| {
        let day = on.unwrap_or_else(|| rulebook.day(command.occurred()));
        names.get(&name(rulebook, command, *kind, reference, day))
    });
    let target = target.and_then(|target| Some((rows[*target].parsed.as_ref().ok()?.occurred(), *target)));
    match target.filter(|target| *target > own) {
        Some((time, row)) => (time, row, true),
        None => (own.0, own.1, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interline_intake::read;

    const PROGRAMME: &str = include_str!("../../../shared/domain/tests/golden/small.toml");

    fn programme() -> Rulebook {
        Rulebook::parse(PROGRAMME).unwrap()
    }

    fn order(text: &str) -> Vec<Vec<u64>> {
        let file = format!("event,line,reference,occurred_at,member,amount,points,reverses\n{text}");
        let events = read(file.as_bytes(), false, programme().currency).unwrap();
        let walk = Walk::of(&programme(), &events.rows, None);
        assert!(walk.rejected.is_empty(), "{:?}", walk.rejected);
        let lanes = walk.lanes.into_iter().flatten();
        lanes.map(|member| member.into_iter().map(|(at, _)| at as u64 + 1).collect()).collect()
    }

    fn row(event: &str, reference: &str, time: &str, reverses: &str) -> String {
        let (amount, points) = match event {
            "accrual" => ("1.00", ""),
            "reversal" => ("", ""),
            _ => ("", "1"),
        };
        format!("{event},mall,{reference},2017-01-{time},m1,{amount},{points},{reverses}\n")
    }

    #[test]
    fn rows_of_a_member_are_recorded_by_time_then_by_row_and_a_reversal_after_what_it_takes_back() {
        let sale = |reference: &str, time: &str| row("accrual", reference, time, "");
        let redemption = |reference: &str, time: &str| row("redemption", reference, time, "");
        let refund = |reference: &str, time: &str, of: &str| row("reversal", reference, time, of);
        for (rows, expected) in [
            // By the moment, not by its text.
            (
                vec![sale("A", "02T00:30:00+08:00"), sale("B", "01T15:00:00Z"), sale("C", "01T12:00:00-05:00")],
                [2, 1, 3],
            ),
            (vec![sale("A", "01T10:00:00Z"), redemption("R", "01T10:00:00Z"), sale("B", "01T10:00:00Z")], [1, 2, 3]),
            (vec![redemption("R", "01T10:00:00Z"), sale("A", "01T10:00:00Z"), sale("B", "01T09:00:00Z")], [3, 1, 2]),
            // Refunds: a later one, one in the same second listed first, and one that lies before its sale.
            (
                vec![refund("V", "02T10:00:00Z", "accrual:A"), sale("A", "01T10:00:00Z"), sale("B", "03T10:00:00Z")],
                [2, 1, 3],
            ),
            (
                vec![refund("V", "01T10:00:00Z", "accrual:A"), sale("B", "01T10:00:00Z"), sale("A", "01T10:00:00Z")],
                [2, 3, 1],
            ),
            (
                vec![refund("V", "01T09:00:00Z", "accrual:A"), sale("A", "01T10:00:00Z"), sale("B", "01T11:00:00Z")],
                [2, 1, 3],
            ),
            // What it takes back is not in the file.
            (
                vec![refund("V", "01T10:00:00Z", "accrual:X"), sale("A", "01T10:00:00Z"), sale("B", "01T09:00:00Z")],
                [3, 1, 2],
            ),
        ] {
            assert_eq!(order(&rows.concat()), [expected.to_vec()], "{rows:?}");
        }
    }

    #[test]
    fn a_reference_that_recurs_with_every_day_belongs_to_another_member_on_another_day() {
        let of = |scope: &str| {
            let shop = format!("id = \"shop\", reference_scope = \"{scope}\"");
            let rulebook = Rulebook::parse(&PROGRAMME.replace("id = \"shop\"", &shop)).unwrap();
            let file = "event,line,reference,occurred_at,member,amount,points\n\
                        accrual,shop,A1,2025-01-05T10:00:00+08:00,m1,1.00,\n\
                        accrual,shop,A1,2025-01-06T10:00:00+08:00,m2,1.00,\n";
            let events = read(file.as_bytes(), false, programme().currency).unwrap();
            Walk::of(&rulebook, &events.rows, None).rejected.into_values().map(|reason| reason.code).collect::<Vec<_>>()
        };
        assert_eq!(
            (of("line"), of("month"), of("day")),
            (vec!["conflict".to_owned()], vec!["conflict".to_owned()], vec![])
        );
    }

    #[test]
    fn members_of_a_shard_are_recorded_one_after_the_other_in_an_order_of_their_own() {
        let rows = |members: &mut dyn Iterator<Item = u32>| {
            let row = |member: u32| format!("accrual,mall,A{member},2017-01-01T10:00:00Z,m{member},1.00,,\n");
            members.map(row).collect::<String>()
        };
        let members_of = |text: &str| {
            let file =
                format!("event,line,reference,occurred_at,member,amount,points\n{}", text.replace(",,\n", ",\n"));
            let events = read(file.as_bytes(), false, programme().currency).unwrap();
            let walk = Walk::of(&programme(), &events.rows, None);
            let of_lane =
                |lane: &Vec<OfMember<'_>>| lane.iter().map(|rows| rows[0].1.head.member.clone()).collect::<Vec<_>>();
            walk.lanes.iter().map(of_lane).collect::<Vec<_>>()
        };
        let lanes = members_of(&rows(&mut (0..500)));
        assert_eq!(lanes, members_of(&rows(&mut (0..500).rev())), "whatever order the file has");
        assert_eq!(lanes.len(), usize::from(LANES));
        for (number, lane) in lanes.iter().enumerate() {
            assert!(lane.iter().all(|member| usize::from(Shards::DEFAULT.of(member).number()) == number));
            assert!(lane.len() < 30, "{number}: {}", lane.len());
        }
    }
}
