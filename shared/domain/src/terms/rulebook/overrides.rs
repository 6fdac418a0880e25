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
        /// Whose points, a line or `*` for every other.
        funder: String = required(String::new()),
        /// The month of their issue; or `issued_from` and `issued_to`.
        issued: Option<String> = optional(None),
        /// The first month of their issue.
        issued_from: Option<String> = optional(None),
        /// The last month of their issue.
        issued_to: Option<String> = optional(None),
        /// The part of them that will be redeemed, 0 to 1.
        urr: String = required(String::new()),
        /// The month from whose close on it holds; without it from the next close on.
        close_from: Option<String> = optional(None),
        /// Why; it stands in the reports.
        reason: String = optional(String::new()),
        /// Who agreed; it stands in the reports.
        approved_by: Option<String> = optional(None),
    }
}

pub struct Overrides;

impl Section for Overrides {
    const NAME: &'static str = "urr_override";
    const ABOUT: &'static str = "The redemption rate of points of some months, set by a person from a close on, in place \
                                 of the estimate. Sales of such a month that are made while it holds are allocated by \
                                 it. Of several the one of the funder goes first, then the one from the latest close.";
    type File = OverrideFile;
    type Pattern = (Option<SchemeId>, Option<Period>);
    type Rule = ManualRate;

    fn check(rule: OverrideFile, place: &Place, check: &mut Check) -> Option<(Self::Pattern, Span<ManualRate>)> {
        let funder = check.scheme_or_any(place, "funder", &rule.funder);
        let months = months(&rule, place, check);
        let close_from = match &rule.close_from {
            Some(text) => Some(Some(check.parsed(place, "close_from", Period::parse(text))?)),
            None => Some(None),
        };
        let rate = check.parsed(place, "urr", Rate::parse(&rule.urr)).unwrap_or_default();
        check.printable(place, "reason", &rule.reason, REASON_MAX);
        let approved_by = rule.approved_by.unwrap_or_default();
        check.printable(place, "approved_by", &approved_by, REASON_MAX);
        let manual = match ManualRate::new(rate, &rule.reason) {
            Ok(manual) => Some(manual.approved_by(&approved_by)),
            Err(UrrError::NoReason) => {
                check.refuse(place, "reason", UrrError::NoReason);
                None
            }
            Err(error) => {
                check.refuse(place, "urr", format!("must be 0 to 1: {error}"));
                None
            }
        };
        let (from, to) = months?;
        Some(((funder?, close_from?), Span { from: from.first_day(), to: Some(to.last_day()), value: manual? }))
    }

    fn overlap(_: &Span<ManualRate>, _: &Span<ManualRate>) -> (&'static str, String) {
        ("issued", "the cohort has a rate already".to_owned())
    }

    /// Counts for all closes that are still to come.
    fn compare(comparison: &mut Comparison<'_>) {
        let [before, after] = comparison.books();
        let patterns = before.sections.urr_override.patterns().chain(after.sections.urr_override.patterns());
        for pattern in patterns.collect::<BTreeSet<_>>() {
            let words = |book: &Rulebook| {
                let spans = book.sections.urr_override.of(pattern).map(|dated| dated.spans()).unwrap_or_default();
                let rates = spans.iter().map(|span| {
                    let to = span.to.map(Period::of_day).map_or(String::new(), |to| format!(" to {to}"));
                    let (from, rate) = (Period::of_day(span.from), &span.value);
                    format!("{from}{to}: {} ({})", rate.rate(), rate.reason())
                });
                let rates: Vec<String> = rates.collect();
                if rates.is_empty() { "none".to_owned() } else { rates.join("; ") }
            };
            let (scheme, close_from) = pattern;
            let scheme = scheme.as_ref().map_or("*", SchemeId::as_str);
            let from = close_from.map_or(String::new(), |close| format!(" from the close of {close}"));
            comparison.undated(format!("{}: {scheme}{from}", Overrides::NAME), words(before), words(after));
        }
    }
}

/// The months of issue, by either way to write them.
fn months(rule: &OverrideFile, place: &Place, check: &mut Check) -> Option<(Period, Period)> {
    match (&rule.issued, &rule.issued_from, &rule.issued_to) {
        (Some(issued), None, None) => {
            let month = check.parsed(place, "issued", Period::parse(issued))?;
            Some((month, month))
        }
        (None, Some(from), Some(to)) => {
            let from = check.parsed(place, "issued_from", Period::parse(from));
            let to = check.parsed(place, "issued_to", Period::parse(to));
            let (from, to) = (from?, to?);
            if from > to {
                check.refuse(place, "issued_to", format!("must not be before {from}"));
                return None;
            }
            Some((from, to))
        }
        _ => {
            check.refuse(place, "issued", "either `issued` or `issued_from` and `issued_to` must be given");
            None
        }
    }
}

impl Rulebook {
    /// The redemption rate that a person set for a cohort, at a close.
    pub fn urr_override(&self, scheme: &SchemeId, issued: Period, closed: Period) -> Option<&ManualRate> {
        let scheme = self.ruled(scheme);
        let held = self.sections.urr_override.iter().filter(|((of, from), _)| {
            of.as_ref().is_none_or(|of| of == scheme) && from.is_none_or(|from| from <= closed)
        });
        let rates = held.filter_map(|(pattern, dated)| Some((pattern, dated.on(issued.first_day())?)));
        rates.max_by_key(|((scheme, from), _)| (scheme.is_some(), *from)).map(|(_, rate)| rate)
    }
}
