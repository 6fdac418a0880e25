//! VAT on what lines owe each other.

use super::changes::Comparison;
use super::check::{Check, Place};
use super::read::tables;
use super::section::Section;
use super::table::{Key, Span};
use super::{Beneficiary, Rulebook};
use crate::units::calendar::Period;
use crate::units::id::LineId;
use crate::units::money::Rate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What one line supplies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    /// Goods or services that the funder's points paid for.
    Redemption,
    /// The platform's, or another line's, share of it.
    PlatformFee,
    /// Points of one line paid a member's debt to another: no supply.
    Repayment,
}

impl Product {
    /// What is taxed.
    pub const ALL: [Product; 2] = [Product::Redemption, Product::PlatformFee];

    pub const fn word(self) -> &'static str {
        match self {
            Product::Redemption => "redemption",
            Product::PlatformFee => "platform-fee",
            Product::Repayment => "repayment",
        }
    }
}

/// How what the funder pays is taxed. Settlement amounts contain the VAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VatTreatment {
    /// Outside VAT.
    None,
    /// A third party's payment for the member's purchase: the payee owes output
    /// VAT, the member has the invoice and the funder deducts nothing.
    ThirdPartyConsideration,
    /// A discount on the member's invoice, and a marketing service to the
    /// funder: the payee owes output VAT, and the funder deducts it.
    MarketingService,
}

impl VatTreatment {
    /// The word in files.
    pub const fn word(self) -> &'static str {
        match self {
            VatTreatment::None => "none",
            VatTreatment::ThirdPartyConsideration => "third-party-consideration",
            VatTreatment::MarketingService => "marketing-service",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VatRule {
    pub treatment: VatTreatment,
    pub rate: Rate,
}

impl VatRule {
    pub const NONE: Self = Self { treatment: VatTreatment::None, rate: Rate::ZERO };
}

tables! {
    VatFile {
        /// Who pays, a line or `*` for every other.
        funder: String = optional("*".to_owned()),
        /// Who is paid, a line or `*` for every other.
        redeemer: String = optional("*".to_owned()),
        /// `redemption`, `platform-fee` or `*` for both.
        product: String = optional("*".to_owned()),
        /// First day, the first of a month.
        from: String = required(String::new()),
        /// Last day, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// `none`, `third-party-consideration` (the payee owes VAT, the payer deducts none) or `marketing-service`
        /// (the payer deducts it).
        treatment: VatTreatment = required(VatTreatment::None),
        /// The rate; what is settled contains the tax.
        rate: String = optional("0".to_owned()),
    }
}

/// Who pays whom for what; `None` in a pattern stands for every other.
pub struct OfSupply<'a> {
    pub funder: &'a LineId,
    pub redeemer: &'a LineId,
    pub product: Product,
}

impl Key for OfSupply<'_> {
    type Pattern = (Option<LineId>, Option<LineId>, Option<Product>);

    /// The pair goes before the funder, the funder before the redeeming line,
    /// and within each the product before any.
    fn patterns(&self) -> impl Iterator<Item = Self::Pattern> {
        let lines = [(true, true), (true, false), (false, true), (false, false)].into_iter();
        lines.flat_map(|pair| [(pair, true), (pair, false)]).map(|((funder, redeemer), product)| {
            (
                funder.then(|| self.funder.clone()),
                redeemer.then(|| self.redeemer.clone()),
                product.then_some(self.product),
            )
        })
    }
}

pub struct Vat;

impl Section for Vat {
    const NAME: &'static str = "vat";
    const ABOUT: &'static str = "How what one line pays another is taxed. Without any rule there is no VAT between \
                                 lines; with one, no pair may be forgotten.";
    type File = VatFile;
    type Pattern = (Option<LineId>, Option<LineId>, Option<Product>);
    type Rule = VatRule;

    fn check(rule: VatFile, place: &Place, check: &mut Check) -> Option<(Self::Pattern, Span<VatRule>)> {
        let funder = check.line_or_any(place, "funder", &rule.funder);
        let redeemer = check.line_or_any(place, "redeemer", &rule.redeemer);
        let product = match Product::ALL.into_iter().find(|product| product.word() == rule.product) {
            None if rule.product != "*" => {
                check.refuse(place, "product", "must be \"redemption\", \"platform-fee\" or \"*\"");
                None
            }
            product => Some(product),
        };
        let rate = check.parsed(place, "rate", Rate::parse(&rule.rate));
        let rate = check.at_most_one(place, "rate", rate);
        if rule.treatment == VatTreatment::None && rate.is_some_and(|rate| !rate.is_zero()) {
            check.refuse(place, "rate", "must be 0 where the treatment is \"none\"");
        }
        let value = rate.map(|rate| VatRule { treatment: rule.treatment, rate });
        let span = check.months(place, &rule.from, rule.to.as_deref(), value);
        Some(((funder?, redeemer?, product?), span?))
    }

    fn audit(rulebook: &Rulebook, check: &mut Check) {
        if rulebook.sections.vat.is_empty() {
            return;
        }
        let whole = Place::whole(Vat::NAME);
        let funders = rulebook.funders();
        let redeemers: BTreeSet<LineId> = funders.iter().chain(rulebook.sections.burn.patterns()).cloned().collect();
        let shares = rulebook.sections.splits.spans().flat_map(|span| &span.value.shares);
        let beneficiaries: BTreeSet<LineId> = shares
            .filter_map(|(to, _)| match to {
                Beneficiary::Line(line) => Some(line.clone()),
                Beneficiary::Redeemer => None,
            })
            .collect();
        for (product, payees) in [(Product::Redemption, redeemers), (Product::PlatformFee, beneficiaries)] {
            for payee in &payees {
                for funder in funders.iter().filter(|funder| *funder != payee) {
                    let key = OfSupply { funder, redeemer: payee, product };
                    let last = match product {
                        Product::Redemption => rulebook.last_day_as_payee(payee, &funders),
                        Product::PlatformFee | Product::Repayment => None,
                    };
                    let start = rulebook.first_day_of(&[funder, payee]);
                    if let Some(day) = rulebook.sections.vat.first_gap(&key, start, last) {
                        let product = product.word();
                        check.refuse(&whole, "", format!("no rule for {product} from {funder} to {payee} on {day}"));
                    }
                }
            }
        }
    }

    fn compare(comparison: &mut Comparison<'_>) {
        for product in Product::ALL {
            comparison.by_pair(
                |funders, redeemers| format!("vat: {} from {funders} to {redeemers}", product.word()),
                |book| &book.sections.vat,
                |pair| OfSupply { funder: pair.payer, redeemer: pair.payee, product },
                |book, pair, day| Some(book.vat(pair.payer, pair.payee, product, Period::of_day(day))),
                words,
            );
        }
    }
}

impl Rulebook {
    /// The first month since which payers' payments to payees have been taxed as in a month.
    pub fn vat_since(&self, pairs: &[(&LineId, &LineId, Product)], month: Period) -> Period {
        let in_month = |month: Period| -> Vec<VatRule> {
            pairs.iter().map(|(payer, payee, product)| self.vat(payer, payee, *product, month)).collect()
        };
        let edges = pairs.iter().flat_map(|(funder, redeemer, product)| {
            self.sections.vat.edges(&OfSupply { funder, redeemer, product: *product })
        });
        let mut months: BTreeSet<Period> = edges.map(Period::of_day).filter(|edge| *edge < month).collect();
        months.insert(self.first_period.min(month));
        let now = in_month(month);
        // Between two edges nothing changes, so the month before each tells.
        months.into_iter().rev().take_while(|edge| in_month(*edge) == now).last().unwrap_or(month)
    }

    /// How what `funder` pays `redeemer` in a period is taxed. Without any rule
    /// there is no VAT between lines.
    pub fn vat(&self, funder: &LineId, redeemer: &LineId, product: Product, period: Period) -> VatRule {
        if product == Product::Repayment {
            return VatRule::NONE;
        }
        let key = OfSupply { funder, redeemer, product };
        self.sections.vat.on(&key, period.first_day()).copied().unwrap_or(VatRule::NONE)
    }
}

fn words(rule: &VatRule) -> String {
    let treatment = match rule.treatment {
        VatTreatment::None => return "none".to_owned(),
        VatTreatment::ThirdPartyConsideration => "third-party-consideration",
        VatTreatment::MarketingService => "marketing-service",
    };
    format!("{treatment} {}", rule.rate)
}
