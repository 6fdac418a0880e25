//! How redemption rates are estimated.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::keys::OfScheme;
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::actuarial::urr::{Policy, UrrMethod};
use crate::units::calendar::Period;
use crate::units::id::SchemeId;
use crate::units::limits::EXPIRY_MONTHS_MAX;
use crate::units::money::Points;

tables! {
    UrrFile {
        /// Whose points, a line or `*` for every other.
        funder: String = optional("*".to_owned()),
        /// First day, the first of a month; without it the programme's first.
        from: Option<String> = optional(None),
        /// Last day, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// `credibility`: the additive method, and Bornhuetter-Ferguson with the expired cohorts as prior for young
        /// ones; or one for all: `chain-ladder`, `cape-cod`, `additive`, `survival`. Until cohorts have expired the
        /// initial rate holds.
        method: UrrMethod = optional(UrrMethod::Credibility),
        /// Only for `credibility`: a cohort of a smaller age in months is young.
        young_below_age: u32 = optional(12),
        /// A cohort with fewer points issued counts only together with its neighbours.
        thin_below: u32 = optional(10000),
    }
}

pub struct Urr;

impl Section for Urr {
    const NAME: &'static str = "urr";
    const ABOUT: &'static str = "How the part of the points that will be redeemed is estimated, by the month that is \
                                 closed.";
    type File = UrrFile;
    type Pattern = Option<SchemeId>;
    type Rule = Policy;

    fn check(rule: UrrFile, place: &Place, check: &mut Check) -> Option<(Self::Pattern, Span<Policy>)> {
        let funder = check.scheme_or_any(place, "funder", &rule.funder);
        if rule.young_below_age > EXPIRY_MONTHS_MAX {
            check.refuse(place, "young_below_age", format!("must be at most {EXPIRY_MONTHS_MAX}"));
        }
        let value = Policy {
            method: rule.method,
            young_below_age: usize::try_from(rule.young_below_age).unwrap_or(usize::MAX),
            thin_below: Points::new(i64::from(rule.thin_below)),
        };
        let span = check.months_of_programme(place, rule.from.as_deref(), rule.to.as_deref(), Some(value));
        Some((funder?, span?))
    }

    fn compare(comparison: &mut Comparison<'_>) {
        comparison.by_scheme(
            Urr::NAME,
            |book| &book.sections.urr,
            |book, scheme, day| Some(book.urr(scheme, Period::of_day(day))),
            words,
        );
    }
}

impl Rulebook {
    /// How the redemption rates of a scheme's claims are estimated at a close.
    pub fn urr(&self, scheme: &SchemeId, closed: Period) -> Policy {
        self.sections.urr.on(&OfScheme(scheme), closed.first_day()).copied().unwrap_or_default()
    }
}

fn words(policy: &Policy) -> String {
    let Policy { method, young_below_age, thin_below } = policy;
    format!("{}, young below {young_below_age} months, thin below {thin_below} points", method.word())
}
