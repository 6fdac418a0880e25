//! What a close insists on.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::keys::Everywhere;
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::units::calendar::Period;
use serde::{Deserialize, Serialize};

/// What follows where a sale was reported with what points paid of its bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetOfPoints {
    #[default]
    Warned,
    Required,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ControlTerms {
    pub net_of_points: NetOfPoints,
}

tables! {
    ControlFile {
        /// First day, the first of a month; without it the programme's first.
        from: Option<String> = optional(None),
        /// Last day, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// A sale with the reference of a redemption that has a bill is to be reported without what the points paid of it.
        /// `warned`: the checklist names those that are not; `required`: no run with one of them is a final one.
        net_of_points: NetOfPoints = optional(NetOfPoints::Warned),
    }
}

pub struct Control;

impl Section for Control {
    const NAME: &'static str = "control";
    const ABOUT: &'static str = "What the checklist of a close insists on, by the month that is closed.";
    type File = ControlFile;
    type Pattern = ();
    type Rule = ControlTerms;

    fn check(rule: ControlFile, place: &Place, check: &mut Check) -> Option<((), Span<ControlTerms>)> {
        let terms = ControlTerms { net_of_points: rule.net_of_points };
        Some(((), check.months_of_programme(place, rule.from.as_deref(), rule.to.as_deref(), Some(terms))?))
    }

    fn compare(comparison: &mut Comparison<'_>) {
        comparison.of_programme(
            Control::NAME,
            |book| &book.sections.control,
            |book, day| book.control(Period::of_day(day)),
            |terms| format!("{terms:?}"),
        );
    }
}

impl Rulebook {
    /// What the checklist of a close insists on.
    pub fn control(&self, closed: Period) -> ControlTerms {
        self.sections.control.on(&Everywhere, closed.first_day()).copied().unwrap_or_default()
    }
}
