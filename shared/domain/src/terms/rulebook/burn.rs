//! What a member gets for a point.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::units::id::LineId;
use crate::units::money::{Points, Rate};
use chrono::NaiveDate;

/// What a member gets for a point at a line, and within which limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BurnRule {
    /// Currency units per point.
    pub value: Rate,
    pub minimum: Points,
    pub step: Points,
    pub max_per_order: Option<Points>,
    /// The part of the bill that points may pay.
    pub max_bill_share: Option<Rate>,
    pub max_per_day: Option<Points>,
    pub max_per_month: Option<Points>,
}

impl BurnRule {
    /// Whether what a member redeems has to be counted by day.
    pub fn counts_days(&self) -> bool {
        self.max_per_day.is_some() || self.max_per_month.is_some()
    }
}

tables! {
    BurnFile {
        /// The line that accepts points.
        line: String = required(String::new()),
        /// First day.
        from: String = required(String::new()),
        /// Last day; without it until further notice.
        to: Option<String> = optional(None),
        /// What a point is worth to the member, in currency units.
        value: String = required(String::new()),
        /// The fewest points of one redemption.
        minimum: u32 = optional(1),
        /// Points are redeemed in multiples of it.
        step: u32 = optional(1),
        /// The most points of one redemption.
        max_per_order: Option<u32> = optional(None),
        /// The part of the bill that points may pay, above 0 and at most 1.
        max_bill_share: Option<String> = optional(None),
        /// The most points of a member at the line in a day.
        max_per_day: Option<u32> = optional(None),
        /// The most points of a member at the line in a month.
        max_per_month: Option<u32> = optional(None),
    }
}

pub struct Burn;

impl Section for Burn {
    const NAME: &'static str = "burn";
    const ABOUT: &'static str = "What a point is worth to the member at the till, and how many may be redeemed there.";
    type File = BurnFile;
    type Pattern = LineId;
    type Rule = BurnRule;

    fn check(rule: BurnFile, place: &Place, check: &mut Check) -> Option<(LineId, Span<BurnRule>)> {
        let line = check.known_line(place, "line", &rule.line);
        let value = check.parsed(place, "value", Rate::parse(&rule.value));
        if value.is_some_and(Rate::is_zero) {
            check.refuse(place, "value", "must be more than zero");
        }
        if rule.step == 0 {
            check.refuse(place, "step", "must be at least 1");
        }
        let max_bill_share = match &rule.max_bill_share {
            None => Some(None),
            Some(text) => check.parsed(place, "max_bill_share", Rate::parse(text)).map(Some),
        };
        if max_bill_share.flatten().is_some_and(|share| share > Rate::ONE) {
            check.refuse(place, "max_bill_share", "must be at most 1");
        }
        if max_bill_share.flatten().is_some_and(Rate::is_zero) {
            check.refuse(place, "max_bill_share", "must be more than zero, or nobody could redeem");
        }
        caps_can_be_met(place, &rule, check);
        let points = |limit: u32| Points::new(i64::from(limit));
        let value = value.zip(max_bill_share).map(|(value, max_bill_share)| BurnRule {
            value,
            minimum: points(rule.minimum),
            step: points(rule.step.max(1)),
            max_per_order: rule.max_per_order.map(points),
            max_bill_share,
            max_per_day: rule.max_per_day.map(points),
            max_per_month: rule.max_per_month.map(points),
        });
        let span = check.span(place, &rule.from, rule.to.as_deref(), value);
        Some((line?, span?))
    }

    fn compare(comparison: &mut Comparison<'_>) {
        let answer = |book: &Rulebook, line: &LineId, day| book.burn(line, day).cloned();
        comparison.by_line(Burn::NAME, |book| &book.sections.burn, answer, words);
    }
}

impl Rulebook {
    pub fn burn(&self, line: &LineId, day: NaiveDate) -> Option<&BurnRule> {
        self.sections.burn.of(line)?.on(day)
    }
}

fn caps_can_be_met(place: &Place, rule: &BurnFile, check: &mut Check) {
    let step = u64::from(rule.step.max(1));
    let least = u64::from(rule.minimum.max(1)).div_ceil(step) * step;
    let caps = [
        ("max_per_order", rule.max_per_order),
        ("max_per_day", rule.max_per_day),
        ("max_per_month", rule.max_per_month),
    ];
    for (field, cap) in caps {
        if cap.is_some_and(|cap| u64::from(cap) < least) {
            let rule = format!("must be at least {least}, the fewest points that minimum and step allow");
            check.refuse(place, field, rule);
        }
    }
}

fn words(rule: &BurnRule) -> String {
    let mut words = format!("{} a point, minimum {}, step {}", rule.value, rule.minimum, rule.step);
    let caps = [("an order", rule.max_per_order), ("a day", rule.max_per_day), ("a month", rule.max_per_month)];
    for (of, cap) in caps {
        words += &cap.map_or_else(String::new, |cap| format!(", at most {cap} {of}"));
    }
    words + &rule.max_bill_share.map_or_else(String::new, |share| format!(", at most {share} of the bill"))
}
