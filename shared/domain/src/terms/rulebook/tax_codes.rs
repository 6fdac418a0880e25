//! Codes by which sales and redemptions say how they are taxed.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::read::tables;
use super::section::Section;
use super::table::{Key, PROGRAMME_BEGINS, Span, unchanged_since};
use crate::units::calendar::Period;
use crate::units::id::TaxCode;
use crate::units::limits::{ACCOUNT_NAME_MAX, GOODS_CODE_MAX};
use crate::units::money::Rate;
use std::collections::BTreeSet;
use std::iter;

/// What a code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxCodeTerms {
    pub rate: Rate,
    /// As invoices name it; may be empty.
    pub name_zh: String,
    /// The classification code of goods and services for invoices (税收分类编码); may be empty.
    pub goods_code: String,
}

tables! {
    TaxCodeFile {
        /// The code, as events say it: at most 16 of A-Z a-z 0-9 . _ -.
        id: String = required(String::new()),
        /// The rate of VAT.
        rate: String = required(String::new()),
        /// First day, the first of a month; without it the programme's first.
        from: Option<String> = optional(None),
        /// Last day, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// How invoices name what it is for.
        name_zh: String = optional(String::new()),
        /// The classification code of goods and services on invoices (税收分类编码), 19 digits.
        goods_code: String = optional(String::new()),
    }
}

/// A code.
pub struct OfTaxCode<'a>(pub &'a TaxCode);

impl Key for OfTaxCode<'_> {
    type Pattern = TaxCode;

    fn patterns(&self) -> impl Iterator<Item = TaxCode> {
        iter::once(self.0.clone())
    }
}

pub struct TaxCodes;

impl Section for TaxCodes {
    const NAME: &'static str = "tax_codes";
    const ABOUT: &'static str = "Codes by which an event says how it is taxed, by the month of the sale or redemption. A sale \
                                 without one has its line's `vat_rate`, a redemption what [[vat]] says.";
    type File = TaxCodeFile;
    type Pattern = TaxCode;
    type Rule = TaxCodeTerms;

    fn check(rule: TaxCodeFile, place: &Place, check: &mut Check) -> Option<(TaxCode, Span<TaxCodeTerms>)> {
        let id = check.parsed(place, "id", TaxCode::parse(&rule.id));
        let rate = check.parsed(place, "rate", Rate::parse(&rule.rate));
        let rate = check.at_most_one(place, "rate", rate);
        check.printable(place, "name_zh", &rule.name_zh, ACCOUNT_NAME_MAX);
        let code = &rule.goods_code;
        if !code.is_empty() && (code.len() != GOODS_CODE_MAX || !code.bytes().all(|byte| byte.is_ascii_digit())) {
            check.refuse(place, "goods_code", format!("must be {GOODS_CODE_MAX} digits"));
        }
        let TaxCodeFile { name_zh, goods_code, from, to, .. } = rule;
        let value = rate.map(|rate| TaxCodeTerms { rate, name_zh, goods_code });
        let from = from.as_deref().unwrap_or(PROGRAMME_BEGINS);
        let span = check.months(place, from, to.as_deref(), value);
        Some((id?, span?))
    }

    fn compare(comparison: &mut Comparison<'_>) {
        let codes: BTreeSet<&TaxCode> =
            comparison.books().into_iter().flat_map(|book| book.sections.tax_codes.patterns()).collect();
        for code in codes {
            let key = OfTaxCode(code);
            let days = comparison.books().into_iter().flat_map(|book| book.sections.tax_codes.edges(&key)).collect();
            comparison.of_days(
                &format!("{}: {code}", TaxCodes::NAME),
                days,
                |book, day| book.sections.tax_codes.on(&OfTaxCode(code), day).cloned(),
                |TaxCodeTerms { rate, name_zh, goods_code }| {
                    let words = [rate.to_string(), name_zh.clone(), goods_code.clone()];
                    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
                },
            );
        }
    }
}

impl Rulebook {
    /// What a code stands for in a month.
    pub fn tax_code(&self, code: &TaxCode, month: Period) -> Option<&TaxCodeTerms> {
        self.sections.tax_codes.on(&OfTaxCode(code), month.first_day())
    }

    /// The first month since which a code has had the rate of a month.
    pub fn tax_code_since(&self, code: &TaxCode, month: Period) -> Period {
        let rate = |month| self.tax_code(code, month).map(|terms| terms.rate);
        unchanged_since(self.first_period, month, self.sections.tax_codes.edges(&OfTaxCode(code)), rate)
    }
}
