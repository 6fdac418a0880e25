//! When points expire.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::keys::OfScheme;
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::actuarial::experience::Life;
use crate::claims::lot;
use crate::units::calendar::Period;
use crate::units::id::SchemeId;
use crate::units::limits::EXPIRY_MONTHS_MAX;
use chrono::NaiveDate;
use std::collections::BTreeSet;

tables! {
    ExpiryFile {
        /// Whose points, a line or `*` for every other.
        funder: String = optional("*".to_owned()),
        /// First day of issue.
        from: String = required(String::new()),
        /// Last day of issue; without it until further notice.
        to: Option<String> = optional(None),
        /// Points expire at the end of so many months after the month of issue; or `never`.
        months: Option<u32> = optional(None),
        /// They do not expire.
        never: bool = optional(false),
    }
}

pub struct Expiry;

impl Section for Expiry {
    const NAME: &'static str = "expiry";
    const ABOUT: &'static str = "When points expire, by the day on which they were issued.";
    type File = ExpiryFile;
    type Pattern = Option<SchemeId>;
    /// Months after the month of issue; `None`: never.
    type Rule = Option<u32>;

    fn check(rule: ExpiryFile, place: &Place, check: &mut Check) -> Option<(Self::Pattern, Span<Option<u32>>)> {
        // Schemes say for themselves when they expire.
        let funder = check.line_or_any(place, "funder", &rule.funder).map(|line| line.map(|line| SchemeId::of(&line)));
        let value = match (rule.months, rule.never) {
            (Some(months), false) if (1..=EXPIRY_MONTHS_MAX).contains(&months) => Some(Some(months)),
            (None, true) => Some(None),
            (Some(_), false) => {
                check.refuse(place, "months", format!("must be 1 to {EXPIRY_MONTHS_MAX}"));
                None
            }
            (Some(_), true) | (None, false) => {
                check.refuse(place, "months", "either `months` or `never = true` must be given");
                None
            }
        };
        let span = check.span(place, &rule.from, rule.to.as_deref(), value);
        Some((funder?, span?))
    }

    fn audit(rulebook: &Rulebook, check: &mut Check) {
        check.every_funder_has_a_rule(rulebook, Expiry::NAME, &rulebook.sections.expiry);
    }

    fn compare(comparison: &mut Comparison<'_>) {
        comparison.by_scheme(
            Expiry::NAME,
            |book| &book.sections.expiry,
            |book, scheme, day| book.sections.expiry.on(&OfScheme(scheme), day).copied(),
            |months| months.map_or_else(|| "never".to_owned(), |months| format!("{months} months")),
        );
    }
}

impl Rulebook {
    /// How long claims of a scheme live that are issued in a month.
    pub fn lives(&self, scheme: &SchemeId, month: Period) -> BTreeSet<Life> {
        if let Some(lives) = self.scheme_lives(scheme, month) {
            return lives;
        }
        let days = month.first_day().iter_days().take_while(|day| *day <= month.last_day());
        let rules = days.filter_map(|day| self.sections.expiry.on(&OfScheme(scheme), day).copied());
        rules.map(|months| months.map_or(Life::Never, Life::Months)).collect()
    }

    /// When claims of a scheme that are issued on a day expire: at the end of the n-th month
    /// after the month of issue.
    pub fn expiry(&self, scheme: &SchemeId, day: NaiveDate) -> lot::Expiry {
        if let Some(expires) = self.scheme_expiry(scheme, day) {
            return expires;
        }
        match self.sections.expiry.on(&OfScheme(scheme), day).copied().flatten() {
            Some(months) => lot::Expiry::On(Period::of_day(day).plus_months(months).last_day()),
            None => lot::Expiry::Never,
        }
    }
}
