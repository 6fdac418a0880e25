//! How the entries of a period are divided: each member's lie in one shard of it.

use super::id::MemberId;
use super::limits::SHARDS_MAX;
use sha2::{Digest, Sha256};
use std::fmt;

/// Up to so many shards have two digits in names, more have four.
const TWO_DIGITS_UP_TO: u16 = 100;

/// How many shards a period has: 1 to [`SHARDS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shards(u16);

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    of: Shards,
    number: u16,
}

impl Shards {
    /// Of a period for which nothing else is said.
    pub const DEFAULT: Self = Self(64);

    pub const fn new(number: u16) -> Option<Self> {
        if 1 <= number && number <= SHARDS_MAX { Some(Self(number)) } else { None }
    }

    pub const fn number(self) -> u16 {
        self.0
    }

    pub const fn first(self) -> Shard {
        Shard { of: self, number: 0 }
    }

    pub fn all(self) -> impl DoubleEndedIterator<Item = Shard> + Clone + Send + use<> {
        (0..self.0).map(move |number| Shard { of: self, number })
    }

    /// The shard of a number, if there is one.
    pub fn shard(self, number: u16) -> Option<Shard> {
        (number < self.0).then_some(Shard { of: self, number })
    }

    /// Where the entries of a member are.
    pub fn of(self, member: &MemberId) -> Shard {
        // A Shards is never zero.
        Shard { of: self, number: hash(member).checked_rem(self.0).unwrap_or_default() }
    }

    /// Those in which the members of a shard are, where there are other numbers of them.
    pub fn with_members_of(self, shard: Shard) -> impl Iterator<Item = Shard> + Send + use<> {
        let common = common_divisor(self.0, shard.of.0);
        self.all().filter(move |own| own.number % common == shard.number % common)
    }

    /// Those that one shard of as many or of another number has to look after, so that all
    /// of them together look after each once.
    pub fn dealt_to(self, shard: Shard) -> impl Iterator<Item = Shard> + Send + use<> {
        self.all().filter(move |own| own.number % shard.of.0 == shard.number)
    }
}

impl Shard {
    pub const fn number(self) -> u16 {
        self.number
    }

    /// Of its number in keys and names of files.
    pub const fn digits(self) -> usize {
        if self.of.0 <= TWO_DIGITS_UP_TO { 2 } else { 4 }
    }

    /// How many there are.
    pub const fn of(self) -> Shards {
        self.of
    }

    pub fn has(self, member: &MemberId) -> bool {
        self.of.of(member) == self
    }
}

/// As keys and names of files tell it.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0digits$}", self.number, digits = self.digits())
    }
}

/// By which members are divided, evenly by any number of shards.
pub fn hash(member: &MemberId) -> u16 {
    let digest = Sha256::digest(member.as_str());
    u16::from_le_bytes([digest[0], digest[1]])
}

fn common_divisor(one: u16, other: u16) -> u16 {
    match one.checked_rem(other) {
        None => one,
        Some(rest) => common_divisor(other, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn members() -> Vec<MemberId> {
        (0..2_000).map(|at| MemberId::parse(&format!("m{at}")).unwrap()).collect()
    }

    fn shards(number: u16) -> Shards {
        Shards::new(number).unwrap()
    }

    #[test]
    fn there_are_one_to_4096_shards_named_by_two_digits_up_to_a_hundred() {
        assert_eq!([0, 4_097, u16::MAX].map(Shards::new), [None; 3]);
        for (number, last) in [(1, "00"), (64, "63"), (100, "99"), (101, "0100"), (256, "0255"), (4_096, "4095")] {
            let shards = shards(number);
            assert_eq!(shards.all().next_back().unwrap().to_string(), last);
            assert_eq!(shards.all().count(), usize::from(number));
            assert_eq!(shards.shard(number), None);
        }
    }

    #[test]
    fn with_64_shards_a_member_is_where_the_first_byte_of_the_hash_says() {
        for member in members() {
            let first = u16::from(Sha256::digest(member.as_str())[0]);
            assert_eq!(Shards::DEFAULT.of(&member).number(), first % 64, "{member}");
        }
    }

    #[test]
    fn members_of_a_shard_are_in_the_shards_that_are_named_where_there_are_other_numbers() {
        for (one, other) in [(64, 64), (64, 256), (256, 64), (16, 100), (100, 16), (1, 4_096), (4_096, 1), (7, 64)] {
            let (one, other) = (shards(one), shards(other));
            for member in members() {
                let (here, there) = (one.of(&member), other.of(&member));
                assert!(other.with_members_of(here).any(|shard| shard == there), "{member} of {one:?} in {other:?}");
            }
        }
        assert_eq!(shards(64).with_members_of(shards(64).shard(7).unwrap()).count(), 1);
        assert_eq!(shards(64).with_members_of(shards(256).shard(100).unwrap()).count(), 1);
        assert_eq!(shards(256).with_members_of(shards(64).shard(7).unwrap()).count(), 4);
    }

    #[test]
    fn each_shard_is_dealt_to_one() {
        for (one, other) in [(64, 64), (64, 256), (256, 64), (16, 100), (100, 16)] {
            let (one, other) = (shards(one), shards(other));
            let dealt: Vec<Shard> = other.all().flat_map(|shard| one.dealt_to(shard)).collect();
            assert_eq!(dealt.len(), usize::from(one.number()));
            assert_eq!(dealt.into_iter().collect::<BTreeSet<_>>(), one.all().collect());
        }
    }
}
