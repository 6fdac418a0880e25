//! VAT on what lines owe each other.

use super::changes::Comparison;
use super::check::{Check, Place};
use super::read::tables;
use super::section::Section;
use super::table::{Key, Span, unchanged_since};
use super::{Beneficiary, Rulebook};
use crate::units::calendar::Period;
use crate::units::id::{LineId, TaxCode};
use crate::units::money::Rate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What one line supplies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    /// Goods or services that the funder's points paid for.
    Redemption,
    /// The platform's share of it.
    PlatformFee,
    /// A third line's share of it.
    Share,
    /// Points of one line paid a member's debt to another: no supply.
    Repayment,
}

impl Product {
    /// What is taxed.
    pub const ALL: [Product; 3] = [Product::Redemption, Product::PlatformFee, Product::Share];

    pub const fn word(self) -> &'static str {
        match self {
            Product::Redemption => "redemption",
            Product::PlatformFee => "platform-fee",
            Product::Share => "share",
            Product::Repayment => "repayment",
        }
    }

    /// Whether it goes to another than the redeeming line.
    pub const fn is_split_off(self) -> bool {
        match self {
            Product::PlatformFee | Product::Share => true,
            Product::Redemption | Product::Repayment => false,
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
    /// What a line gives for its own points is a supply without a price: it owes output VAT on
    /// the points' face value, which contains it.
    DeemedSale,
}

impl VatTreatment {
    /// The word in files.
    pub const fn word(self) -> &'static str {
        match self {
            VatTreatment::None => "none",
            VatTreatment::ThirdPartyConsideration => "third-party-consideration",
            VatTreatment::MarketingService => "marketing-service",
            VatTreatment::DeemedSale => "deemed-sale",
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
        /// `redemption`, `platform-fee` (the platform's share), `share` (third lines' shares; without a rule of their own
        /// the platform's) or `*` for all.
        product: String = optional("*".to_owned()),
        /// First day, the first of a month.
        from: String = required(String::new()),
        /// Last day, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// `none`, `third-party-consideration` (the payee owes VAT, the payer deducts none), `marketing-service`
        /// (the payer deducts it) or, where funder and redeemer are one line, `deemed-sale`: it owes VAT on what it gives
        /// for its own points.
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
    /// and within each the product before any, and third lines' shares before the platform's.
    fn patterns(&self) -> impl Iterator<Item = Self::Pattern> {
        let like = (self.product == Product::Share).then_some(Some(Product::PlatformFee));
        let lines = [(true, true), (true, false), (false, true), (false, false)].into_iter();
        let products = [Some(self.product)].into_iter().chain(like).chain([None]);
        lines.flat_map(move |pair| products.clone().map(move |product| (pair, product))).map(
            |((funder, redeemer), product)| {
                (funder.then(|| self.funder.clone()), redeemer.then(|| self.redeemer.clone()), product)
            },
        )
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
                check.refuse(place, "product", "must be \"redemption\", \"platform-fee\", \"share\" or \"*\"");
                None
            }
            product => Some(product),
        };
        let rate = check.parsed(place, "rate", Rate::parse(&rule.rate));
        let rate = check.at_most_one(place, "rate", rate);
        if rule.treatment == VatTreatment::None && rate.is_some_and(|rate| !rate.is_zero()) {
            check.refuse(place, "rate", "must be 0 where the treatment is \"none\"");
        }
        if rule.treatment == VatTreatment::DeemedSale {
            match (&funder, &redeemer) {
                (Some(Some(funder)), Some(Some(redeemer))) if funder == redeemer => {}
                (Some(_), Some(_)) => {
                    check.refuse(place, "treatment", "\"deemed-sale\" must be of a line's points at itself");
                }
                _ => {}
            }
            if matches!(product, Some(Some(product)) if product != Product::Redemption) {
                check.refuse(
                    place,
                    "product",
                    "must be \"redemption\" or \"*\" where the treatment is \"deemed-sale\"",
                );
            }
        }
        let value = rate.map(|rate| VatRule { treatment: rule.treatment, rate });
        let span = check.months(place, &rule.from, rule.to.as_deref(), value);
        Some(((funder?, redeemer?, product?), span?))
    }

    fn audit(rulebook: &Rulebook, check: &mut Check) {
        // What a line owes for its own points says nothing of others'.
        let of_others = |(funder, redeemer, _): &Self::Pattern| funder.is_none() || funder != redeemer;
        if !rulebook.sections.vat.patterns().any(of_others) {
            return;
        }
        let whole = Place::whole(Vat::NAME);
        let funders = rulebook.funders();
        let redeemers: BTreeSet<LineId> = funders.iter().chain(rulebook.sections.burn.patterns()).cloned().collect();
        // Who bears only schemes owes, too.
        let payers: BTreeSet<LineId> = funders.iter().cloned().chain(rulebook.scheme_funders()).collect();
        let mut supplies: BTreeSet<(Product, LineId, LineId)> = BTreeSet::new();
        for payee in &redeemers {
            supplies.extend(payers.iter().map(|funder| (Product::Redemption, payee.clone(), funder.clone())));
        }
        for (to, _) in rulebook.sections.splits.spans().flat_map(|span| &span.value.shares) {
            let (payee, payers) = match to {
                Beneficiary::Redeemer => continue,
                Beneficiary::Line(line) => (line, &payers),
                Beneficiary::Charged(line) => (line, &redeemers),
            };
            let product = rulebook.split_off(payee);
            supplies.extend(payers.iter().map(|payer| (product, payee.clone(), payer.clone())));
        }
        for (product, payee, funder) in supplies.iter().filter(|(_, payee, funder)| payee != funder) {
            let key = OfSupply { funder, redeemer: payee, product: *product };
            let last = match product {
                Product::Redemption => rulebook.last_day_as_payee(payee, &funders),
                Product::PlatformFee | Product::Share | Product::Repayment => None,
            };
            let start = rulebook.first_day_of(&[funder, payee]);
            if let Some(day) = rulebook.sections.vat.first_gap(&key, start, last) {
                let product = product.word();
                check.refuse(&whole, "", format!("no rule for {product} from {funder} to {payee} on {day}"));
            }
        }
    }

    fn compare(comparison: &mut Comparison<'_>) {
        let has_shares = |book: &Rulebook| book.sections.vat.patterns().any(|(_, _, of)| *of == Some(Product::Share));
        let are_apart = comparison.books().into_iter().any(has_shares);
        for product in Product::ALL.into_iter().filter(|product| are_apart || *product != Product::Share) {
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
    /// What a share is that goes to another than the redeeming line.
    pub fn split_off(&self, beneficiary: &LineId) -> Product {
        if *beneficiary == self.platform { Product::PlatformFee } else { Product::Share }
    }

    /// The rate of VAT on what a line gives for its own points, where that is taxed.
    pub fn deemed_sale(&self, line: &LineId, period: Period, tax: Option<&TaxCode>) -> Option<Rate> {
        let rule = self.vat_of(line, line, Product::Redemption, period, tax);
        (rule.treatment == VatTreatment::DeemedSale).then_some(rule.rate)
    }

    /// The first month since which payers' payments to payees have been taxed as in a month.
    pub fn vat_since(&self, pairs: &[(&LineId, &LineId, Product)], month: Period) -> Period {
        let in_month = |month: Period| -> Vec<VatRule> {
            pairs.iter().map(|(payer, payee, product)| self.vat(payer, payee, *product, month)).collect()
        };
        let edges = pairs.iter().flat_map(|(funder, redeemer, product)| {
            self.sections.vat.edges(&OfSupply { funder, redeemer, product: *product })
        });
        unchanged_since(self.first_period, month, edges, in_month)
    }

    /// As [`vat`](Self::vat), where the redemption said a code: it is taxed at the code's rate, if at all.
    pub fn vat_of(
        &self,
        funder: &LineId,
        redeemer: &LineId,
        product: Product,
        period: Period,
        tax: Option<&TaxCode>,
    ) -> VatRule {
        let rule = self.vat(funder, redeemer, product, period);
        let code = tax.filter(|_| product == Product::Redemption && rule.treatment != VatTreatment::None);
        let rate = code.and_then(|code| self.tax_code(code, period)).map_or(rule.rate, |terms| terms.rate);
        VatRule { rate, ..rule }
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
    let treatment = rule.treatment.word();
    if rule.treatment == VatTreatment::None { treatment.to_owned() } else { format!("{treatment} {}", rule.rate) }
}
