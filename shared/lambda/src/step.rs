use crate::failure::Failure;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::shard::{Shard, Shards};
use serde::{Deserialize, Serialize};

/// As many items as a state machine can deal out within what it may write down of itself.
const ITEMS_MAX: u16 = 1_000;

/// What a step of a close that works shard by shard is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShardTask {
    pub period: Period,
    pub run: String,
    /// SHA-256 of the rulebook's text.
    pub rulebook: String,
    /// The shard, or the first of several.
    pub shard: u16,
    /// So many neighbours, if there are as many.
    #[serde(default = "one")]
    pub together: u16,
}

const fn one() -> u16 {
    1
}

/// The shards of a period for a map of tasks: how many neighbours a task takes together,
/// and the first of each.
pub fn dealt(shards: Shards) -> (u16, Vec<u16>) {
    let together = shards.number().div_ceil(ITEMS_MAX);
    (together, (0..shards.number()).step_by(together.into()).collect())
}

impl ShardTask {
    /// The shards by the rulebook that the period is closed with.
    pub fn shards(&self, rulebook: &Rulebook) -> Result<impl Iterator<Item = Shard> + Send + use<>, Failure> {
        let (first, together, of) = (self.shard, self.together, rulebook.shards(self.period));
        match of.shard(first) {
            Some(_) => Ok((first..first.saturating_add(together)).map_while(move |number| of.shard(number))),
            None => Err(Failure::BadEvent(format!("period {} has no shard {first}", self.period))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_dealt_out_one_by_one_and_of_very_many_several_together() {
        for (number, together, items) in [(1, 1, 1), (64, 1, 64), (1_000, 1, 1_000), (1_001, 2, 501), (4_096, 5, 820)] {
            let (found, firsts) = dealt(Shards::new(number).unwrap());
            assert_eq!((found, firsts.len()), (together, items), "{number}");
        }
    }
}
