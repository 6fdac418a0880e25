//! From where on a close asks somebody to look.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::keys::Everywhere;
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::units::calendar::Period;
use crate::units::money::{Points, Rate};

/// Bounds of what a close takes for usual; beyond them its checklist warns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerances {
    /// Actual to expected redemptions of the last month, of the programme.
    pub month: (Rate, Rate),
    /// The same of three months.
    pub quarter: (Rate, Rate),
    /// The least of three months while experience is young.
    pub young_quarter: Rate,
    /// The same of three months of one funder.
    pub funder: (Rate, Rate),
    /// Points expected of a funder in three months from which on it is judged.
    pub funder_points: Points,
    /// How far the rate of new points moves between two closes.
    pub rate: Rate,
    /// How far a funder's liability moves, to its opening.
    pub liability: Rate,
    /// A smaller movement of it is none, in currency units.
    pub liability_amount: Rate,
    /// Re-estimates to the opening liability, in a month, and taken back in a year.
    pub re_estimate: Rate,
    /// Points given to points issued.
    pub given: Rate,
    /// Closes after which a person's rate is old.
    pub override_closes: u32,
}

tables! {
    ToleranceFile {
        /// First day, the first of a month; without it the programme's first.
        from: Option<String> = optional(None),
        /// Last day, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// Redemptions of the month to those expected: the least.
        month_low: String = optional("0.6".to_owned()),
        /// And the most.
        month_high: String = optional("1.6".to_owned()),
        /// The same of the last three months: the least.
        quarter_low: String = optional("0.8".to_owned()),
        /// And the most.
        quarter_high: String = optional("1.25".to_owned()),
        /// The least in the first ten closes after experience counts in full.
        young_quarter_low: String = optional("0.6".to_owned()),
        /// The same of one funder in three months: the least.
        funder_low: String = optional("0.5".to_owned()),
        /// And the most.
        funder_high: String = optional("2".to_owned()),
        /// Points expected of a funder in three months from which on it is judged.
        funder_points: u32 = optional(5000),
        /// How far the rate of new points may move from close to close.
        rate: String = optional("0.05".to_owned()),
        /// How far a funder's liability may move to its opening, unless its open points move half as far.
        liability: String = optional("0.2".to_owned()),
        /// A smaller movement, in currency units, is none.
        liability_amount: String = optional("1000".to_owned()),
        /// Re-estimates to the opening liability: in a month either way, and taken back since the year's first day.
        re_estimate: String = optional("0.1".to_owned()),
        /// Points given without a sale to all points issued.
        given: String = optional("0.05".to_owned()),
        /// Closes after which a rate that a person set is to be looked at again.
        override_closes: u32 = optional(12),
    }
}

pub struct Tolerance;

impl Section for Tolerance {
    const NAME: &'static str = "tolerance";
    const ABOUT: &'static str = "From where on the checklist of a close warns, by the month that is closed.";
    type File = ToleranceFile;
    type Pattern = ();
    type Rule = Tolerances;

    fn check(rule: ToleranceFile, place: &Place, check: &mut Check) -> Option<((), Span<Tolerances>)> {
        let mut rate = |field: &str, text: &str| check.parsed(place, field, Rate::parse(text));
        let value = (|| {
            Some(Tolerances {
                month: (rate("month_low", &rule.month_low)?, rate("month_high", &rule.month_high)?),
                quarter: (rate("quarter_low", &rule.quarter_low)?, rate("quarter_high", &rule.quarter_high)?),
                young_quarter: rate("young_quarter_low", &rule.young_quarter_low)?,
                funder: (rate("funder_low", &rule.funder_low)?, rate("funder_high", &rule.funder_high)?),
                funder_points: Points::new(i64::from(rule.funder_points)),
                rate: rate("rate", &rule.rate)?,
                liability: rate("liability", &rule.liability)?,
                liability_amount: rate("liability_amount", &rule.liability_amount)?,
                re_estimate: rate("re_estimate", &rule.re_estimate)?,
                given: rate("given", &rule.given)?,
                override_closes: rule.override_closes,
            })
        })();
        if let Some(value) = &value {
            for (field, (low, high)) in
                [("month_high", value.month), ("quarter_high", value.quarter), ("funder_high", value.funder)]
            {
                if low > high {
                    check.refuse(place, field, format!("must not be less than {low}"));
                }
            }
        }
        Some(((), check.months_of_programme(place, rule.from.as_deref(), rule.to.as_deref(), value)?))
    }

    fn compare(comparison: &mut Comparison<'_>) {
        comparison.of_programme(
            Tolerance::NAME,
            |book| &book.sections.tolerance,
            |book, day| book.tolerances(Period::of_day(day)),
            |tolerances| format!("{tolerances:?}"),
        );
    }
}

impl Default for Tolerances {
    fn default() -> Self {
        let percent = |percent: i128| Rate::from_scaled(Rate::SCALE / 100 * percent).unwrap_or(Rate::ONE);
        Self {
            month: (percent(60), percent(160)),
            quarter: (percent(80), percent(125)),
            young_quarter: percent(60),
            funder: (percent(50), percent(200)),
            funder_points: Points::new(5_000),
            rate: percent(5),
            liability: percent(20),
            liability_amount: percent(100_000),
            re_estimate: percent(10),
            given: percent(5),
            override_closes: 12,
        }
    }
}

impl Rulebook {
    /// What the checklist of a close takes for usual.
    pub fn tolerances(&self, closed: Period) -> Tolerances {
        self.sections.tolerance.on(&Everywhere, closed.first_day()).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_says_nothing_is_none() {
        let text = include_str!("../../../tests/golden/programme.toml");
        let with = format!("{text}\n[tolerance]\n");
        let of = |text: &str| Rulebook::parse(text).unwrap().tolerances(Period::parse("2025-01").unwrap());
        assert_eq!(of(&with), of(text));
    }
}
