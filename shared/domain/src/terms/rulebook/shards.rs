//! Into how many shards the entries of a month are divided.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::keys::Everywhere;
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::units::calendar::Period;
use crate::units::limits::SHARDS_MAX;
use crate::units::shard;

tables! {
    ShardsFile {
        /// First day, the first of a month; without it the programme's first.
        from: Option<String> = optional(None),
        /// Last day, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// Parts of a month that are written and tallied side by side, 1 to 4,096; 64 where nothing is said.
        number: u16 = required(1),
    }
}

pub struct Shards;

impl Section for Shards {
    const NAME: &'static str = "shards";
    const ABOUT: &'static str =
        "Into how many shards the entries of a month are divided. It is fixed from the day before the month begins.";
    type File = ShardsFile;
    type Pattern = ();
    type Rule = shard::Shards;

    fn check(rule: ShardsFile, place: &Place, check: &mut Check) -> Option<((), Span<shard::Shards>)> {
        let shards = shard::Shards::new(rule.number);
        if shards.is_none() {
            check.refuse(place, "number", format!("must be 1 to {SHARDS_MAX}"));
        }
        Some(((), check.months_of_programme(place, rule.from.as_deref(), rule.to.as_deref(), shards)?))
    }

    fn compare(comparison: &mut Comparison<'_>) {
        comparison.of_programme_for_good(
            Shards::NAME,
            |book| &book.sections.shards,
            |book, day| book.shards(Period::of_day(day)),
            |shards| shards.number().to_string(),
        );
    }
}

impl Rulebook {
    /// How many shards a period has.
    pub fn shards(&self, period: Period) -> shard::Shards {
        self.sections.shards.on(&Everywhere, period.first_day()).copied().unwrap_or(shard::Shards::DEFAULT)
    }

    /// The first period up to one, if there is any, that another rulebook divides otherwise.
    pub fn divides_otherwise(&self, other: &Rulebook, until: Period) -> Option<Period> {
        let periods = std::iter::successors(Some(self.first_period), |period| Some(period.next()));
        periods.take_while(|period| *period <= until).find(|period| self.shards(*period) != other.shards(*period))
    }
}
