//! How points are valued in the books.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::keys::OfScheme;
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::actuarial::liability::{Sale, Valuation};
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::id::SchemeId;
use crate::units::limits::EXPIRY_MONTHS_MAX;
use crate::units::money::Rate;
use serde::{Deserialize, Serialize};

/// How a funder values its points. Amounts are net of VAT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiabilityTerms {
    /// The stand-alone selling price of a point that will be redeemed, in
    /// currency units net of VAT.
    pub face_value: Rate,
    /// What a point that nobody paid for is expected to cost, in currency units net of VAT.
    pub grant_value: Rate,
    /// The part of the points expected to be redeemed before experience tells.
    pub initial_urr: Rate,
    pub method: Method,
    /// VAT on the line's sales.
    pub vat_rate: Rate,
    /// Whether the reported sales contain the VAT.
    pub tax_inclusive: bool,
}

/// How breakage becomes revenue (IFRS 15 B46).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// In proportion to the redemptions, by the estimated rate.
    CatchUp,
    /// Only once redemption is remote or the points have expired.
    Remote {
        /// From this age of a cohort on, in months, redemption is remote;
        /// `None`: only expiry ends it.
        after_months: Option<u32>,
    },
}

impl Method {
    pub const fn word(self) -> &'static str {
        match self {
            Method::CatchUp => "catch-up",
            Method::Remote { .. } => "remote",
        }
    }
}

/// The method as it is written.
#[derive(Debug, Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum MethodWord {
    CatchUp,
    Remote,
}

tables! {
    LiabilityFile {
        /// Whose points, a line or `*` for every other.
        funder: String = optional("*".to_owned()),
        /// First day of issue, the first of a month.
        from: String = required(String::new()),
        /// Last day of issue, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// The stand-alone selling price of a point that will be redeemed, in currency units net of VAT.
        face_value: String = required(String::new()),
        /// What a point given without a sale is expected to cost, in currency units net of VAT; without it the face
        /// value.
        grant_value: Option<String> = optional(None),
        /// The part of the points that is expected to be redeemed before experience tells: see [urr].
        initial_urr: String = optional("1".to_owned()),
        /// When breakage becomes revenue: `catch-up`, in proportion to redemptions (IFRS 15 B46), or `remote`, once
        /// redemption is remote.
        method: MethodWord = optional(MethodWord::CatchUp),
        /// Only for `remote`: the age of a cohort in months from which on redemption is remote. Without it only
        /// expiry ends it.
        remote_after_months: Option<u32> = optional(None),
        /// VAT on the line's sales.
        vat_rate: String = optional("0".to_owned()),
        /// Whether the amounts of sales contain the VAT.
        tax_inclusive: bool = optional(true),
    }
}

pub struct Liability;

impl Section for Liability {
    const NAME: &'static str = "liability";
    const ABOUT: &'static str = "How the points of a funder are valued in its books, by the month of their issue.";
    type File = LiabilityFile;
    type Pattern = Option<SchemeId>;
    type Rule = LiabilityTerms;

    fn check(rule: LiabilityFile, place: &Place, check: &mut Check) -> Option<(Self::Pattern, Span<LiabilityTerms>)> {
        let funder = check.scheme_or_any(place, "funder", &rule.funder);
        let face_value = above_zero(place, "face_value", &rule.face_value, check);
        let grant_value = match &rule.grant_value {
            Some(text) => above_zero(place, "grant_value", text, check),
            None => face_value,
        };
        let initial_urr = above_zero(place, "initial_urr", &rule.initial_urr, check);
        let initial_urr = check.at_most_one(place, "initial_urr", initial_urr);
        let vat_rate = check.parsed(place, "vat_rate", Rate::parse(&rule.vat_rate));
        let vat_rate = check.at_most_one(place, "vat_rate", vat_rate);
        let method = method(place, &rule, check);
        let value = face_value.zip(grant_value).zip(initial_urr).zip(vat_rate).zip(method).map(
            |((((face_value, grant_value), initial_urr), vat_rate), method)| LiabilityTerms {
                face_value,
                grant_value,
                initial_urr,
                method,
                vat_rate,
                tax_inclusive: rule.tax_inclusive,
            },
        );
        let span = check.months(place, &rule.from, rule.to.as_deref(), value);
        Some((funder?, span?))
    }

    fn audit(rulebook: &Rulebook, check: &mut Check) {
        check.every_funder_has_a_rule(rulebook, Liability::NAME, &rulebook.sections.liability);
    }

    fn compare(comparison: &mut Comparison<'_>) {
        comparison.by_scheme(
            Liability::NAME,
            |book| &book.sections.liability,
            |book, scheme, day| book.liability(scheme, Period::of_day(day)).cloned(),
            words,
        );
    }
}

impl LiabilityTerms {
    /// How points of a sale or gift are valued for good by one who bears a share of their cost. `rate`: what was
    /// expected to be redeemed.
    pub fn valuation(&self, currency: Currency, rate: Rate, share: Rate) -> Valuation {
        Valuation { currency, face_value: self.face_value, grant_value: self.grant_value, rate, share }
    }

    /// How the line's own sales are taxed.
    pub fn sale(&self) -> Sale {
        Sale { rate: self.vat_rate, inclusive: self.tax_inclusive }
    }
}

impl Rulebook {
    /// How the claims of a scheme that were issued in a month are valued.
    pub fn liability(&self, scheme: &SchemeId, issued: Period) -> Option<&LiabilityTerms> {
        self.sections.liability.on(&OfScheme(self.ruled(scheme)), issued.first_day())
    }
}

fn above_zero(place: &Place, field: &str, text: &str, check: &mut Check) -> Option<Rate> {
    let rate = check.parsed(place, field, Rate::parse(text))?;
    if rate.is_zero() {
        check.refuse(place, field, "must be more than zero: points would be issued without any liability");
        return None;
    }
    Some(rate)
}

fn method(place: &Place, rule: &LiabilityFile, check: &mut Check) -> Option<Method> {
    match (rule.method, rule.remote_after_months) {
        (MethodWord::CatchUp, None) => Some(Method::CatchUp),
        (MethodWord::CatchUp, Some(_)) => {
            check.refuse(place, "remote_after_months", "is only for the method \"remote\"");
            None
        }
        (MethodWord::Remote, Some(months)) if !(1..=EXPIRY_MONTHS_MAX).contains(&months) => {
            check.refuse(place, "remote_after_months", format!("must be 1 to {EXPIRY_MONTHS_MAX}"));
            None
        }
        (MethodWord::Remote, after_months) => Some(Method::Remote { after_months }),
    }
}

fn words(terms: &LiabilityTerms) -> String {
    let method = match terms.method {
        Method::CatchUp | Method::Remote { after_months: None } => terms.method.word().to_owned(),
        Method::Remote { after_months: Some(months) } => format!("{} after {months} months", terms.method.word()),
    };
    let inclusive = if terms.tax_inclusive { "included" } else { "on top" };
    let granted = match terms.grant_value == terms.face_value {
        true => String::new(),
        false => format!(", given at {}", terms.grant_value),
    };
    format!(
        "face value {}{granted}, initial rate {}, {method}, VAT {} {inclusive}",
        terms.face_value, terms.initial_urr, terms.vat_rate
    )
}
