//! Builders of commands and of files.

use chrono::DateTime;
use flate2::Compression;
use flate2::write::GzEncoder;
use interline_domain::events::{Accrual, Action, Command, EntryKind, Grant, Head, Redemption};
use interline_domain::units::currency::Currency;
use interline_domain::units::id::{LineId, MemberId, Reference};
use interline_domain::units::moment::parse_day;
use interline_domain::units::money::Points;
use interline_domain::units::shard::{Shard, Shards};
use reverse::reverse;
use std::io::{Read, Write};

#[path = "../../shared/domain/tests/common/reverse.rs"]
mod reverse;

pub const HEADER: &str = "event,line,reference,occurred_at,member,amount,points,reverses";

/// The currency of the tests' programmes, unless they say another.
pub fn cny() -> Currency {
    Currency::parse("CNY").unwrap()
}

fn command(line: &str, reference: &str, at: &str, member: &str, action: Action) -> Command {
    let head = Head {
        line: LineId::parse(line).unwrap(),
        reference: Reference::parse(reference).unwrap(),
        member: MemberId::parse(member).unwrap(),
        occurred_at: DateTime::parse_from_rfc3339(at).unwrap(),
    };
    Command { head, action }
}

pub fn sale(line: &str, reference: &str, at: &str, member: &str, amount: &str) -> Command {
    command(line, reference, at, member, Action::Accrual(Accrual::of(cny().parse_money(amount).unwrap())))
}

pub fn redemption(line: &str, reference: &str, at: &str, member: &str, points: i64) -> Command {
    command(line, reference, at, member, Action::Redemption(Redemption::of(Points::new(points), None)))
}

pub fn grant(line: &str, reference: &str, at: &str, member: &str, points: i64) -> Command {
    command(line, reference, at, member, Action::Grant(Grant { points: Points::new(points) }))
}

/// Takes back `accrual:REF`, with `@day` where its line's references recur, or another
/// event: an amount of a sale, a number of points of the others, or all that is left.
pub fn reversal(line: &str, reference: &str, at: &str, member: &str, of: &str, part: &str) -> Command {
    let (kind, original) = of.split_once(':').unwrap();
    let kind = EntryKind::from_word(kind).unwrap();
    let (amount, points) = match part {
        "" => (None, None),
        part if kind == EntryKind::Accrual => (Some(cny().parse_money(part).unwrap()), None),
        part => (None, Some(Points::parse(part).unwrap())),
    };
    let (original, on) = original.split_once('@').map_or((original, None), |(original, day)| (original, Some(day)));
    let (original, on) = (Reference::parse(original).unwrap(), on.map(|day| parse_day(day).unwrap()));
    let action = reverse(kind, original, on, amount, points);
    command(line, reference, at, member, action)
}

/// The shards of a month, unless a test's rulebook says otherwise.
pub const SHARDS: u16 = Shards::DEFAULT.number();

pub fn shard(member: &MemberId) -> u16 {
    Shards::DEFAULT.of(member).number()
}

pub fn the_shard(number: u16) -> Shard {
    Shards::DEFAULT.shard(number).unwrap()
}

/// The `nth` member of a shard.
pub fn member_of_shard(number: u16, nth: usize) -> String {
    let names = (0..).map(|at| format!("m{at}"));
    names.filter(|name| shard(&MemberId::parse(name).unwrap()) == number).nth(nth).unwrap()
}

/// A file with the usual columns.
pub fn csv<R: AsRef<str>>(rows: impl IntoIterator<Item = R>) -> Vec<u8> {
    let mut text = format!("{HEADER}\n");
    for row in rows {
        text += row.as_ref();
        text += "\n";
    }
    text.into_bytes()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

/// The first rows of the sample's January, as a file.
pub fn some_of_january(rows: usize) -> Vec<u8> {
    let (_, january) = interline::sample::FILES[0];
    let text = String::from_utf8(gunzip(january)).unwrap();
    text.lines().take(rows + 1).flat_map(|line| [line, "\n"]).collect::<String>().into_bytes()
}
