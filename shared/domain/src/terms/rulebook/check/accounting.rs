//! Liability terms, overrides, VAT and accounts.

use super::{Check, Place, first_gap, funders, unprintable};
use crate::actuarial::urr::{ManualRate, UrrError};
use crate::terms::rulebook::accounting::VatKey;
use crate::terms::rulebook::{
    AccountName, Accounts, Beneficiary, Dated, LiabilityTerms, Method, Overrides, Product, Rulebook, Span, VatRule,
    VatTreatment, wire,
};
use crate::units::calendar::Period;
use crate::units::id::LineId;
use crate::units::limits::{ACCOUNT_CODE_MAX, ACCOUNT_NAME_MAX, EXPIRY_MONTHS_MAX, REASON_MAX};
use crate::units::money::Rate;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

impl Check {
    pub(super) fn liability(
        &mut self,
        rules: Vec<Spanned<wire::Liability>>,
    ) -> BTreeMap<Option<LineId>, Dated<LiabilityTerms>> {
        let mut liability: BTreeMap<Option<LineId>, Dated<LiabilityTerms>> = BTreeMap::new();
        for (index, spanned) in rules.into_iter().enumerate() {
            let place = self.place("liability", index, &spanned);
            let rule = spanned.into_inner();
            let funder = self.line_or_any(&place, "funder", &rule.funder);
            let face_value = self.above_zero(&place, "face_value", &rule.face_value);
            let initial_urr = self.above_zero(&place, "initial_urr", &rule.initial_urr);
            let initial_urr = self.at_most_one(&place, "initial_urr", initial_urr);
            let vat_rate = self.parsed(&place, "vat_rate", Rate::parse(&rule.vat_rate));
            let vat_rate = self.at_most_one(&place, "vat_rate", vat_rate);
            let method = self.method(&place, &rule);
            let value = face_value.zip(initial_urr).zip(vat_rate).zip(method).map(
                |(((face_value, initial_urr), vat_rate), method)| LiabilityTerms {
                    face_value,
                    initial_urr,
                    method,
                    vat_rate,
                    tax_inclusive: rule.tax_inclusive,
                },
            );
            let span = self.months(&place, &rule.from, rule.to.as_deref(), value);
            if let (Some(funder), Some(span)) = (funder, span) {
                self.insert(&place, liability.entry(funder).or_default(), span);
            }
        }
        liability
    }

    fn method(&mut self, place: &Place, rule: &wire::Liability) -> Option<Method> {
        match (rule.method, rule.remote_after_months) {
            (wire::Method::CatchUp, None) => Some(Method::CatchUp),
            (wire::Method::CatchUp, Some(_)) => {
                self.refuse(place, "remote_after_months", "is only for the method \"remote\"");
                None
            }
            (wire::Method::Remote, Some(months)) if !(1..=EXPIRY_MONTHS_MAX).contains(&months) => {
                self.refuse(place, "remote_after_months", format!("must be 1 to {EXPIRY_MONTHS_MAX}"));
                None
            }
            (wire::Method::Remote, after_months) => Some(Method::Remote { after_months }),
        }
    }

    pub(super) fn overrides(&mut self, rules: Vec<Spanned<wire::UrrOverride>>) -> Overrides {
        let mut overrides = Overrides::new();
        for (index, spanned) in rules.into_iter().enumerate() {
            let place = self.place("urr_override", index, &spanned);
            let rule = spanned.into_inner();
            let funder = self.known_line(&place, "funder", &rule.funder);
            let issued = self.parsed(&place, "issued", Period::parse(&rule.issued));
            let rate = self.parsed(&place, "urr", Rate::parse(&rule.urr)).unwrap_or_default();
            self.printable(&place, "reason", &rule.reason, REASON_MAX);
            let manual = match ManualRate::new(rate, &rule.reason) {
                Ok(manual) => Some(manual),
                Err(UrrError::NoReason) => {
                    self.refuse(&place, "reason", UrrError::NoReason);
                    None
                }
                Err(error) => {
                    self.refuse(&place, "urr", format!("must be 0 to 1: {error}"));
                    None
                }
            };
            let (Some(funder), Some(issued), Some(manual)) = (funder, issued, manual) else { continue };
            if overrides.contains_key(&(funder.clone(), issued)) {
                self.refuse(&place, "issued", format!("cohort {funder} {issued} has a rate already"));
            }
            overrides.insert((funder, issued), manual);
        }
        overrides
    }

    pub(super) fn vat(&mut self, rules: Vec<Spanned<wire::Vat>>) -> BTreeMap<VatKey, Dated<VatRule>> {
        let mut vat: BTreeMap<VatKey, Dated<VatRule>> = BTreeMap::new();
        for (index, spanned) in rules.into_iter().enumerate() {
            let place = self.place("vat", index, &spanned);
            let rule = spanned.into_inner();
            let funder = self.line_or_any(&place, "funder", &rule.funder);
            let redeemer = self.line_or_any(&place, "redeemer", &rule.redeemer);
            let product = match Product::ALL.into_iter().find(|product| product.word() == rule.product) {
                None if rule.product != "*" => {
                    self.refuse(&place, "product", "must be \"redemption\", \"platform-fee\" or \"*\"");
                    None
                }
                product => Some(product),
            };
            let rate = self.parsed(&place, "rate", Rate::parse(&rule.rate));
            let rate = self.at_most_one(&place, "rate", rate);
            if rule.treatment == VatTreatment::None && rate.is_some_and(|rate| !rate.is_zero()) {
                self.refuse(&place, "rate", "must be 0 where the treatment is \"none\"");
            }
            let value = rate.map(|rate| VatRule { treatment: rule.treatment, rate });
            let span = self.months(&place, &rule.from, rule.to.as_deref(), value);
            if let (Some(funder), Some(redeemer), Some(product), Some(span)) = (funder, redeemer, product, span) {
                self.insert(&place, vat.entry((funder, redeemer, product)).or_default(), span);
            }
        }
        vat
    }

    pub(super) fn accounts(&mut self, accounts: wire::Accounts) -> Accounts {
        let mut chart = Accounts::default();
        for (account, spanned) in accounts {
            let place = Place { path: format!("accounts.{}", account.word()), ..self.place("accounts", 0, &spanned) };
            let wire::AccountName { code, name } = spanned.into_inner();
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            if code.is_empty() || code.len() > ACCOUNT_CODE_MAX || !code.bytes().all(allowed) {
                self.refuse(
                    &place,
                    "code",
                    format!("must be 1 to {ACCOUNT_CODE_MAX} letters, digits, dots or hyphens"),
                );
            } else if code.starts_with('-') {
                self.refuse(&place, "code", "must not begin with a hyphen: a spreadsheet would take it for a formula");
            }
            let printable = name.trim() == name && !name.chars().any(unprintable);
            if name.is_empty() || name.chars().count() > ACCOUNT_NAME_MAX || !printable {
                self.refuse(&place, "name", format!("must be 1 to {ACCOUNT_NAME_MAX} characters"));
            }
            chart.set(account, AccountName { code, name });
        }
        chart
    }

    /// Sales and settlements are valued by cohort and month, so these terms
    /// change with the month.
    fn months<T>(&mut self, place: &Place, from: &str, to: Option<&str>, value: Option<T>) -> Option<Span<T>> {
        let span = self.span(place, from, to, value)?;
        if Period::of_day(span.from).first_day() != span.from {
            self.refuse(place, "from", "must be the first day of a month");
        }
        if span.to.is_some_and(|to| Period::of_day(to).last_day() != to) {
            self.refuse(place, "to", "must be the last day of a month");
        }
        Some(span)
    }

    fn above_zero(&mut self, place: &Place, field: &str, text: &str) -> Option<Rate> {
        let rate = self.parsed(place, field, Rate::parse(text))?;
        if rate.is_zero() {
            self.refuse(place, field, "must be more than zero: points would be issued without any liability");
            return None;
        }
        Some(rate)
    }

    fn at_most_one(&mut self, place: &Place, field: &str, rate: Option<Rate>) -> Option<Rate> {
        if rate.is_some_and(|rate| rate > Rate::ONE) {
            self.refuse(place, field, "must be at most 1, which is 100 %");
            return None;
        }
        rate
    }

    pub(super) fn every_funder_has_liability_terms(&mut self, rulebook: &Rulebook) {
        let whole = Place { line: 0, path: "liability".to_owned() };
        for funder in funders(rulebook) {
            let specific = rulebook.liability.get(&Some(funder.clone()));
            let spans = specific.into_iter().chain(rulebook.liability.get(&None)).flat_map(|dated| dated.spans());
            let last = rulebook.line(&funder).and_then(|line| line.last_day);
            if let Some(day) = first_gap(rulebook.first_day_of(&[&funder]), last, spans) {
                self.refuse(&whole, "", format!("no rule for points issued by {funder} on {day}"));
            }
        }
    }

    /// Without any VAT rule there is no VAT between lines; with one, no pair
    /// may be forgotten.
    pub(super) fn every_pair_has_a_vat_rule(&mut self, rulebook: &Rulebook) {
        if rulebook.vat.is_empty() {
            return;
        }
        let whole = Place { line: 0, path: "vat".to_owned() };
        let funders = funders(rulebook);
        let redeemers: BTreeSet<LineId> = funders.iter().cloned().chain(rulebook.burn.keys().cloned()).collect();
        let shares = rulebook.splits.values().flat_map(|dated| dated.spans()).flat_map(|span| &span.value.shares);
        let beneficiaries: BTreeSet<LineId> = shares
            .filter_map(|(to, _)| match to {
                Beneficiary::Line(line) => Some(line.clone()),
                Beneficiary::Redeemer => None,
            })
            .collect();
        for (product, payees) in [(Product::Redemption, redeemers), (Product::PlatformFee, beneficiaries)] {
            for payee in &payees {
                for funder in funders.iter().filter(|funder| *funder != payee) {
                    let keys = Rulebook::vat_keys(funder, payee, product);
                    let spans = keys.iter().filter_map(|key| rulebook.vat.get(key)).flat_map(|dated| dated.spans());
                    let last = match product {
                        Product::Redemption => rulebook.last_day_as_payee(payee, &funders),
                        Product::PlatformFee => None,
                    };
                    if let Some(day) = first_gap(rulebook.first_day_of(&[funder, payee]), last, spans) {
                        let product = product.word();
                        self.refuse(&whole, "", format!("no rule for {product} from {funder} to {payee} on {day}"));
                    }
                }
            }
        }
    }
}
