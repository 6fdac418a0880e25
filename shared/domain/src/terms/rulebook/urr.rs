//! How redemption rates are estimated.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::keys::Everywhere;
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::actuarial::experience::{Parameters, UrrTerms};
use crate::units::calendar::Period;
use crate::units::limits::{EXPIRY_MONTHS_MAX, WINDOW_MONTHS_MAX};
use crate::units::money::{Points, Rate};

/// The method as it is written.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodWord {
    Experience,
    Initial,
}

tables! {
    UrrFile {
        /// First day, the first of a month; without it the programme's first.
        from: Option<String> = optional(None),
        /// Last day, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// `experience`: by what was redeemed at each age in the last months, in the whole programme; or `initial`: the
        /// initial rate of [[liability]] until a person sets another, for a business case.
        method: MethodWord = optional(MethodWord::Experience),
        /// Months whose redemptions show how points of an age are spent: a year, so that seasons cancel.
        window_months: u32 = optional(12),
        /// The last months, whose level counts.
        level_months: u32 = optional(6),
        /// Points redeemed of a scheme from which on its own experience counts half.
        credibility: u32 = optional(300),
        /// Months from the first redemption on in which the initial rate fades out.
        initial_months: u32 = optional(6),
        /// How many times the programme's own recent shortfall is added.
        margin: String = optional("1".to_owned()),
        /// The least part of open points that is expected to be redeemed.
        floor: String = optional("0.05".to_owned()),
        /// A month that brings a smaller part of what was expected teaches nothing, and the close stops for a person.
        ignore_below: String = optional("0.25".to_owned()),
        /// For how many months points that never expire are expected to be redeemed.
        horizon_months: u32 = optional(60),
        /// From which age in months on points that never expire are judged together.
        open_age: u32 = optional(24),
    }
}

pub struct Urr;

impl Section for Urr {
    const NAME: &'static str = "urr";
    const ABOUT: &'static str = "How the part of the points that will be redeemed is estimated, by the month that is \
                                 closed.";
    type File = UrrFile;
    type Pattern = ();
    type Rule = UrrTerms;

    fn check(rule: UrrFile, place: &Place, check: &mut Check) -> Option<(Self::Pattern, Span<UrrTerms>)> {
        for (field, months, least, most) in [
            ("window_months", rule.window_months, 1, WINDOW_MONTHS_MAX),
            ("level_months", rule.level_months, 1, WINDOW_MONTHS_MAX),
            ("initial_months", rule.initial_months, 0, WINDOW_MONTHS_MAX),
            ("horizon_months", rule.horizon_months, 1, EXPIRY_MONTHS_MAX),
            ("open_age", rule.open_age, 1, EXPIRY_MONTHS_MAX),
        ] {
            if !(least..=most).contains(&months) {
                check.refuse(place, field, format!("must be {least} to {most}"));
            }
        }
        let margin = check.parsed(place, "margin", Rate::parse(&rule.margin));
        let floor = check.parsed(place, "floor", Rate::parse(&rule.floor));
        let floor = check.at_most_one(place, "floor", floor);
        let ignore_below = check.parsed(place, "ignore_below", Rate::parse(&rule.ignore_below));
        let ignore_below = check.at_most_one(place, "ignore_below", ignore_below);
        let value = match rule.method {
            MethodWord::Initial => UrrTerms::Initial,
            MethodWord::Experience => UrrTerms::Experience(Parameters {
                window_months: rule.window_months,
                level_months: rule.level_months,
                credibility: Points::new(i64::from(rule.credibility)),
                initial_months: rule.initial_months,
                margin: margin?,
                floor: floor?,
                ignore_below: ignore_below?,
                horizon_months: rule.horizon_months,
                open_age: rule.open_age,
            }),
        };
        let span = check.months_of_programme(place, rule.from.as_deref(), rule.to.as_deref(), Some(value));
        Some(((), span?))
    }

    fn compare(comparison: &mut Comparison<'_>) {
        comparison.of_programme(Urr::NAME, |book| &book.sections.urr, |book, day| book.urr(Period::of_day(day)), words);
    }
}

impl Rulebook {
    /// How redemption rates are estimated at a close.
    pub fn urr(&self, closed: Period) -> UrrTerms {
        self.sections.urr.on(&Everywhere, closed.first_day()).copied().unwrap_or_default()
    }
}

fn words(terms: &UrrTerms) -> String {
    let UrrTerms::Experience(parameters) = terms else { return "initial".to_owned() };
    let Parameters {
        window_months,
        level_months,
        credibility,
        initial_months,
        margin,
        floor,
        ignore_below,
        horizon_months,
        open_age,
    } = parameters;
    format!(
        "experience: window {window_months} and level {level_months} months, credibility {credibility} points, initial \
         rate for {initial_months} months, margin {margin}, floor {floor}, ignored below {ignore_below}, horizon \
         {horizon_months} months, one age from {open_age} on"
    )
}
