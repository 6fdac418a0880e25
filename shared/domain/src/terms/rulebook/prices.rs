//! What the funder of a point pays the line that redeems it.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::read::tables;
use super::section::Section;
use super::table::{Key, Span};
use crate::units::id::{LineId, SchemeId};
use crate::units::money::Rate;
use chrono::NaiveDate;
use std::collections::BTreeSet;

tables! {
    PriceFile {
        /// The line that accepts points.
        redeemer: String = required(String::new()),
        /// Whose points, a line or scheme, or `*` for every other.
        funder: String = optional("*".to_owned()),
        /// First day.
        from: String = required(String::new()),
        /// Last day; without it until further notice.
        to: Option<String> = optional(None),
        /// What the funder pays for a point, in currency units.
        price: String = required(String::new()),
    }
}

/// A redeeming line, and whose points it accepts.
pub struct OfPoints<'a> {
    pub redeemer: &'a LineId,
    pub scheme: &'a SchemeId,
}

impl Key for OfPoints<'_> {
    /// `None` stands for every other scheme.
    type Pattern = (LineId, Option<SchemeId>);

    fn patterns(&self) -> impl Iterator<Item = Self::Pattern> {
        [Some(self.scheme.clone()), None].into_iter().map(|scheme| (self.redeemer.clone(), scheme))
    }
}

pub struct Prices;

impl Section for Prices {
    const NAME: &'static str = "prices";
    const ABOUT: &'static str = "What the line that funds a point pays the line that accepts it. A rule for one funder \
                                 goes before a rule for all.";
    type File = PriceFile;
    type Pattern = (LineId, Option<SchemeId>);
    type Rule = Rate;

    fn check(rule: PriceFile, place: &Place, check: &mut Check) -> Option<(Self::Pattern, Span<Rate>)> {
        let redeemer = check.known_line(place, "redeemer", &rule.redeemer);
        let funder = check.scheme_or_any(place, "funder", &rule.funder);
        let price = check.parsed(place, "price", Rate::parse(&rule.price));
        let span = check.span(place, &rule.from, rule.to.as_deref(), price);
        Some(((redeemer?, funder?), span?))
    }

    /// Every line that may be owed for points has a price for every funder's.
    fn audit(rulebook: &Rulebook, check: &mut Check) {
        let funders = rulebook.funders();
        let payees: BTreeSet<LineId> = funders.iter().chain(rulebook.sections.burn.patterns()).cloned().collect();
        let whole = Place::whole(Prices::NAME);
        for payee in &payees {
            let last = rulebook.last_day_as_payee(payee, &funders);
            for funder in &funders {
                let key = OfPoints { redeemer: payee, scheme: &SchemeId::of(funder) };
                let start = rulebook.first_day_of(&[funder, payee]);
                if let Some(day) = rulebook.sections.prices.first_gap(&key, start, last) {
                    let rule = format!("no price for points of {funder} redeemed at {payee} on {day}");
                    check.refuse(&whole, "", rule);
                }
            }
        }
    }

    fn compare(comparison: &mut Comparison<'_>) {
        comparison.by_pair(
            |funders, redeemers| format!("prices: points of {funders} redeemed at {redeemers}"),
            |book| &book.sections.prices,
            |pair| OfPoints { redeemer: pair.payee, scheme: pair.scheme },
            |book, pair, day| book.price(pair.scheme, pair.payee, day),
            Rate::to_string,
        );
    }
}

impl Rulebook {
    /// What the funders of a scheme pay `redeemer` for a point, in currency units.
    pub fn price(&self, scheme: &SchemeId, redeemer: &LineId, day: NaiveDate) -> Option<Rate> {
        let scheme = self.ruled(scheme);
        self.sections.prices.on(&OfPoints { redeemer, scheme }, day).copied()
    }
}
