//! Redemption rates that a person sets.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::actuarial::urr::{ManualRate, UrrError};
use crate::units::calendar::Period;
use crate::units::id::SchemeId;
use crate::units::limits::REASON_MAX;
use crate::units::money::Rate;
use std::collections::BTreeSet;

tables! {
    OverrideFile {
        /// Whose points.
        funder: String = required(String::new()),
        /// The month of their issue.
        issued: String = required(String::new()),
        /// The part of them that will be redeemed, 0 to 1.
        urr: String = required(String::new()),
        /// Why; it stands in the reports.
        reason: String = optional(String::new()),
    }
}

pub struct Overrides;

impl Section for Overrides {
    const NAME: &'static str = "urr_override";
    const ABOUT: &'static str = "The redemption rate of one funder's points of a month, set by a person from the next \
                                 close on, in place of the estimate.";
    type File = OverrideFile;
    type Pattern = (SchemeId, Period);
    type Rule = ManualRate;

    fn check(rule: OverrideFile, place: &Place, check: &mut Check) -> Option<(Self::Pattern, Span<ManualRate>)> {
        let funder = check.scheme(place, "funder", &rule.funder);
        let issued = check.parsed(place, "issued", Period::parse(&rule.issued));
        let rate = check.parsed(place, "urr", Rate::parse(&rule.urr)).unwrap_or_default();
        check.printable(place, "reason", &rule.reason, REASON_MAX);
        let manual = match ManualRate::new(rate, &rule.reason) {
            Ok(manual) => Some(manual),
            Err(UrrError::NoReason) => {
                check.refuse(place, "reason", UrrError::NoReason);
                None
            }
            Err(error) => {
                check.refuse(place, "urr", format!("must be 0 to 1: {error}"));
                None
            }
        };
        Some(((funder?, issued?), Span::always(manual?)))
    }

    fn overlap(_: &Span<ManualRate>, _: &Span<ManualRate>) -> (&'static str, String) {
        ("issued", "the cohort has a rate already".to_owned())
    }

    /// Counts for all closes that are still to come.
    fn compare(comparison: &mut Comparison<'_>) {
        let [before, after] = comparison.books();
        let cohorts = before.sections.urr_override.patterns().chain(after.sections.urr_override.patterns());
        for (scheme, issued) in cohorts.collect::<BTreeSet<_>>() {
            let rate = |book: &Rulebook| {
                let rate = book.urr_override(scheme, *issued);
                rate.map_or_else(|| "none".to_owned(), |rate| format!("{} ({})", rate.rate(), rate.reason()))
            };
            comparison.undated(format!("{}: {scheme} {issued}", Overrides::NAME), rate(before), rate(after));
        }
    }
}

impl Rulebook {
    /// The redemption rate that a person set for a cohort.
    pub fn urr_override(&self, scheme: &SchemeId, issued: Period) -> Option<&ManualRate> {
        self.sections.urr_override.of(&(scheme.clone(), issued))?.on(issued.first_day())
    }
}
