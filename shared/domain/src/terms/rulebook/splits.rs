//! How what one line owes another is shared.

use super::changes::Comparison;
use super::check::{Check, Place};
use super::keys::OfPair;
use super::read::{Share, tables};
use super::section::Section;
use super::table::Span;
use super::{Beneficiary, Rulebook, SplitRule};
use crate::terms::split::SplitTerms;
use crate::units::id::{LineId, Reference, SchemeId};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use toml::Spanned;

tables! {
    SplitFile {
        /// The rule's name in reports.
        rule: String = required(String::new()),
        /// Who owes, a line or `*` for every other.
        payer: String = optional("*".to_owned()),
        /// Who redeemed, a line or `*` for every other.
        redeemer: String = optional("*".to_owned()),
        /// First day.
        from: String = required(String::new()),
        /// Last day; without it until further notice.
        to: Option<String> = optional(None),
        /// Who gets which share, `redeemer` or a line; they sum to 1.
        shares: Vec<Spanned<Share>> = some_tables(),
        /// Who pays other lines their shares: `funder`, of what it owes; or `redeemer`, to whom the funder owes the whole.
        /// Nets are the same, invoices and revenue are not.
        fee_bearer: FeeBearer = optional(FeeBearer::Funder),
    }
}

/// Who pays shares that are not the redeeming line's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeeBearer {
    Funder,
    Redeemer,
}

pub struct Splits;

impl Section for Splits {
    const NAME: &'static str = "splits";
    const ABOUT: &'static str = "How what is owed for redemptions is shared, such as for the platform's fee. The pair \
                                 goes before the payer, the payer before the redeemer, and both before a rule for all; \
                                 without any, the redeeming line gets all.";
    type File = SplitFile;
    type Pattern = (Option<SchemeId>, Option<LineId>);
    type Rule = SplitRule;

    fn check(rule: SplitFile, place: &Place, check: &mut Check) -> Option<(Self::Pattern, Span<SplitRule>)> {
        check.parsed(place, "rule", Reference::parse(&rule.rule));
        let payer = check.scheme_or_any(place, "payer", &rule.payer);
        let redeemer = check.line_or_any(place, "redeemer", &rule.redeemer);
        let mut shares = Vec::new();
        for (to, share) in check.shares(place, "shares", &rule.shares) {
            if to == "redeemer" {
                shares.push((Beneficiary::Redeemer, share));
            } else if let Some(line) = check.known_line(place, "shares", &to) {
                let beneficiary = match rule.fee_bearer {
                    FeeBearer::Funder => Beneficiary::Line(line),
                    FeeBearer::Redeemer => Beneficiary::Charged(line),
                };
                shares.push((beneficiary, share));
            }
        }
        // The redeeming line first, then by name: the tie rule of the allocation.
        shares.sort();
        let value = Some(SplitRule { rule: rule.rule, shares });
        let span = check.span(place, &rule.from, rule.to.as_deref(), value);
        Some(((payer?, redeemer?), span?))
    }

    fn compare(comparison: &mut Comparison<'_>) {
        comparison.by_pair(
            |payers, redeemers| format!("splits: what {payers} owes at {redeemers}"),
            |book| &book.sections.splits,
            |pair| OfPair { scheme: pair.scheme, redeemer: pair.payee },
            |book, pair, day| book.split(pair.scheme, pair.payee, day).cloned(),
            |rule| SplitTerms::from(rule).to_string(),
        );
    }
}

impl Rulebook {
    /// The split of what is owed to `redeemer` for claims of a scheme; none: the redeeming line
    /// takes all.
    pub fn split(&self, scheme: &SchemeId, redeemer: &LineId, day: NaiveDate) -> Option<&SplitRule> {
        self.sections.splits.on(&OfPair { scheme: self.ruled(scheme), redeemer }, day)
    }
}
