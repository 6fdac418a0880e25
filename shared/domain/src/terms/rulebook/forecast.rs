//! How far reports look ahead.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::keys::Everywhere;
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::units::calendar::Period;
use crate::units::limits::EXPIRY_MONTHS_MAX;

const MONTHS: u32 = 12;

tables! {
    ForecastFile {
        /// First day, the first of a month; without it the programme's first.
        from: Option<String> = optional(None),
        /// Last day, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// For how many months, 1 to 120, `expiry-forecast.csv` says which points will expire.
        months: u32 = optional(MONTHS),
    }
}

pub struct Forecast;

impl Section for Forecast {
    const NAME: &'static str = "forecast";
    const ABOUT: &'static str = "How far the expiry forecast looks ahead, by the month that is closed.";
    type File = ForecastFile;
    type Pattern = ();
    /// Months.
    type Rule = u32;

    fn check(rule: ForecastFile, place: &Place, check: &mut Check) -> Option<((), Span<u32>)> {
        if !(1..=EXPIRY_MONTHS_MAX).contains(&rule.months) {
            check.refuse(place, "months", format!("must be 1 to {EXPIRY_MONTHS_MAX}"));
        }
        Some(((), check.months_of_programme(place, rule.from.as_deref(), rule.to.as_deref(), Some(rule.months))?))
    }

    fn compare(comparison: &mut Comparison<'_>) {
        comparison.of_programme(
            Forecast::NAME,
            |book| &book.sections.forecast,
            |book, day| book.forecast_months(Period::of_day(day)),
            |months| format!("{months} months"),
        );
    }
}

impl Rulebook {
    /// How many months ahead the close of a period tells what will expire.
    pub fn forecast_months(&self, period: Period) -> u32 {
        self.sections.forecast.on(&Everywhere, period.first_day()).copied().unwrap_or(MONTHS)
    }
}
