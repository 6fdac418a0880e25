//! What a sale earns.

use super::Rulebook;
use super::changes::{Comparison, shares_words};
use super::check::{Check, Place};
use super::read::{Share, tables};
use super::section::Section;
use super::table::Span;
use crate::units::currency::Currency;
use crate::units::id::LineId;
use crate::units::money::{Money, Rate};
use chrono::NaiveDate;
use std::collections::BTreeSet;
use toml::Spanned;

/// Points per currency unit of a sale, rounded down per sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarnRule {
    pub points_per_unit: Rate,
    /// A smaller sale earns nothing.
    pub minimum_amount: Money,
    /// At least one. What it adds is funded by the sponsors.
    pub multiplier: Rate,
    /// Empty when the line funds the multiplied points itself.
    pub sponsors: Vec<(LineId, Rate)>,
}

tables! {
    EarnFile {
        /// The line that sells.
        line: String = required(String::new()),
        /// First day.
        from: String = required(String::new()),
        /// Last day; without it until further notice.
        to: Option<String> = optional(None),
        /// Points per currency unit of a sale, rounded down for each sale.
        points_per_unit: String = required(String::new()),
        /// A smaller sale earns nothing, an amount.
        minimum_amount: Option<String> = optional(None),
        /// The points are multiplied by it, at least 1.
        multiplier: Option<String> = optional(None),
        /// Who funds what the multiplier adds: shares that sum to 1. Without any, the line itself.
        sponsors: Vec<Spanned<Share>> = tables(),
    }
}

/// A line that has an earn rule funds the points that it issues.
pub struct Earn;

impl Section for Earn {
    const NAME: &'static str = "earn";
    const ABOUT: &'static str = "What a sale earns. A line that has a rule pays for the points that it issues, once \
                                 they are redeemed.";
    type File = EarnFile;
    type Pattern = LineId;
    type Rule = EarnRule;

    fn check(rule: EarnFile, place: &Place, check: &mut Check) -> Option<(LineId, Span<EarnRule>)> {
        let line = check.known_line(place, "line", &rule.line);
        let points_per_unit = check.parsed(place, "points_per_unit", Rate::parse(&rule.points_per_unit));
        let minimum_amount = match &rule.minimum_amount {
            None => Some(Money::ZERO),
            Some(text) => check.amount(place, "minimum_amount", text),
        };
        let multiplier = match &rule.multiplier {
            None => Some(Rate::ONE),
            Some(text) => check.parsed(place, "multiplier", Rate::parse(text)),
        };
        if multiplier.is_some_and(|multiplier| multiplier < Rate::ONE) {
            check.refuse(place, "multiplier", "must be at least 1");
        }
        let mut sponsors = Vec::new();
        if !rule.sponsors.is_empty() {
            let nothing = multiplier == Some(Rate::ONE) || points_per_unit.is_some_and(Rate::is_zero);
            if nothing {
                check.refuse(place, "sponsors", "would never pay: they pay for what a multiplier above 1 adds");
            }
            for (to, share) in check.shares(place, "sponsors", &rule.sponsors) {
                if share.is_zero() {
                    check.refuse(place, "sponsors", format!("{to} would never pay: its share is 0"));
                }
                sponsors.extend(check.known_line(place, "sponsors", &to).map(|line| (line, share)));
            }
            // Funders in order: the tie rule of the allocation.
            sponsors.sort();
        }
        let value = points_per_unit.zip(minimum_amount).zip(multiplier).map(
            |((points_per_unit, minimum_amount), multiplier)| EarnRule {
                points_per_unit,
                minimum_amount,
                multiplier,
                sponsors,
            },
        );
        let span = check.span(place, &rule.from, rule.to.as_deref(), value);
        Some((line?, span?))
    }

    fn audit(rulebook: &Rulebook, check: &mut Check) {
        sponsors_take_part(rulebook, check);
        points_create_no_money(rulebook, check);
    }

    fn compare(comparison: &mut Comparison<'_>) {
        let answer = |book: &Rulebook, line: &LineId, day| book.earn(line, day).cloned();
        let currency = comparison.currency();
        comparison.by_line(Earn::NAME, |book| &book.sections.earn, answer, |rule| words(currency, rule));
    }
}

impl Rulebook {
    pub fn earn(&self, line: &LineId, day: NaiveDate) -> Option<&EarnRule> {
        self.sections.earn.of(line)?.on(day)
    }

    /// A line funds points once it has an earn rule (the rate may be zero) or
    /// sponsors another's; then points may also be owed to it, also after its last day.
    pub(super) fn funders(&self) -> BTreeSet<LineId> {
        let sponsors = self.sections.earn.spans().flat_map(|span| span.value.sponsors.iter().map(|(line, _)| line));
        self.sections.earn.patterns().chain(sponsors).cloned().collect()
    }
}

/// Who pays by a rule of another line takes part while it may be used.
fn sponsors_take_part(rulebook: &Rulebook, check: &mut Check) {
    let earn = Place::whole(Earn::NAME);
    for (earner, rules) in rulebook.sections.earn.iter() {
        let Some(own) = rulebook.line(earner) else { continue };
        for span in rules.spans() {
            let first = span.from.max(rulebook.first_day_of(&[earner]));
            let last = span.to.into_iter().chain(own.last_day).min();
            if last.is_some_and(|last| last < first) {
                continue;
            }
            for sponsor in span.value.sponsors.iter().filter_map(|(sponsor, _)| rulebook.line(sponsor)) {
                let beyond = sponsor.last_day.filter(|end| last.is_none_or(|last| last > *end));
                if sponsor.first_day > first || beyond.is_some() {
                    let day = beyond.and_then(|end| end.succ_opt()).map_or(first, |day| day.max(first));
                    let text = format!("{} sponsors {earner} on {day} and does not take part then", sponsor.id);
                    check.refuse(&earn, "", text);
                }
            }
        }
    }
}

/// A yuan spent must earn points worth less than a yuan, or sales paid with
/// points would pay for themselves.
fn points_create_no_money(rulebook: &Rulebook, check: &mut Check) {
    let whole = Place::whole(Earn::NAME);
    for (earner, earn) in rulebook.sections.earn.iter() {
        for (redeemer, burn) in rulebook.sections.burn.iter() {
            let both = earn.spans().iter().flat_map(|one| burn.spans().iter().map(move |other| (one, other)));
            let mut creating = both.filter(|(one, other)| {
                let best = one.value.points_per_unit.scaled() * one.value.multiplier.scaled();
                let worth = best.checked_mul(other.value.value.scaled());
                worth.is_none_or(|worth| worth >= Rate::SCALE.pow(3))
            });
            // One of a pair of lines: two thousand rules on either side would be four million errors.
            if let Some((one, other)) = creating.next() {
                let rule = format!(
                    "earning {} points per unit at {earner} and spending them at {redeemer} for {} each creates money",
                    one.value.points_per_unit, other.value.value
                );
                check.refuse(&whole, "", rule);
            }
        }
    }
}

fn words(currency: Currency, rule: &EarnRule) -> String {
    let mut words = format!("{} points per unit", rule.points_per_unit);
    if !rule.minimum_amount.is_zero() {
        words += &format!(", from {}", currency.show(rule.minimum_amount));
    }
    if rule.multiplier != Rate::ONE {
        words += &format!(", times {}", rule.multiplier);
    }
    if !rule.sponsors.is_empty() {
        words += &format!(", sponsored by{}", shares_words(&rule.sponsors));
    }
    words
}
