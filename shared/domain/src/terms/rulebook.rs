//! The rulebook: the programme's effective-dated commercial terms.
//!
//! Three rates are kept apart: the *earn rate* (points per currency unit of a
//! sale), the *burn value* (what a member gets for a point) and the *settlement
//! price* (what the funder pays the redeeming line for a point).

mod accounting;
mod changes;
mod check;
mod wire;

pub use accounting::{
    Account, AccountName, Accounts, LiabilityTerms, Method, Overrides, Product, VatRule, VatTreatment,
};

pub use changes::{Change, Differences, Undated};

use crate::actuarial::urr::ManualRate;
use crate::claims::lot::Expiry;
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::id::LineId;
use crate::units::money::{Money, Points, Rate};
use crate::units::pseudonym::KeySource;
use crate::units::scope::Scope;
use accounting::VatKey;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How net positions are paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Netting {
    /// Each line pays to, or receives from, the platform line.
    Hub,
    /// Lines pay each other, with the fewest payments.
    Direct,
}

/// What a line is told by the API about other lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Disclosure {
    /// What concerns it, and sums.
    Totals,
    /// Whose points it took, and what each owes.
    Pairs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub id: LineId,
    pub name: String,
    pub name_zh: String,
    /// The legal entity that keeps the books; the Chinese name where none is given.
    pub entity: String,
    /// The bank account that payments are made from and to; may be empty.
    pub bank_account: String,
    /// It takes part from this day on, the whole programme long if it says nothing else.
    pub first_day: NaiveDate,
    /// It records nothing after this day; what it funded lives on.
    pub last_day: Option<NaiveDate>,
    /// Within what a reference of the line names one event, by the first day of each
    /// answer, earliest first; before the first it is for ever.
    pub reference_scopes: Vec<(NaiveDate, ReferenceScope)>,
}

impl Line {
    pub fn takes_part(&self, day: NaiveDate) -> bool {
        self.first_day <= day && self.last_day.is_none_or(|last| day <= last)
    }
}

/// Within what a reference names one event of a line and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReferenceScope {
    #[default]
    Line,
    /// The line's tills number anew with every month.
    Month,
    Day,
}

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

/// How a cross-line amount is shared. Shares sum to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitRule {
    pub rule: String,
    pub shares: Vec<(Beneficiary, Rate)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Beneficiary {
    /// Whichever line redeemed.
    Redeemer,
    Line(LineId),
}

impl fmt::Display for Beneficiary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Beneficiary::Redeemer => f.write_str("redeemer"),
            Beneficiary::Line(line) => line.fmt(f),
        }
    }
}

/// Values in force between dates, both included; no two overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated<T>(Vec<Span<T>>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span<T> {
    pub from: NaiveDate,
    /// `None`: without end.
    pub to: Option<NaiveDate>,
    pub value: T,
}

impl<T> Default for Dated<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Dated<T> {
    pub fn on(&self, day: NaiveDate) -> Option<&T> {
        // In the order of their first days, as none overlaps another.
        let begun = self.0.partition_point(|span| span.from <= day);
        let span = self.0.get(begun.checked_sub(1)?)?;
        span.to.is_none_or(|to| day <= to).then_some(&span.value)
    }

    pub fn spans(&self) -> &[Span<T>] {
        &self.0
    }
}

#[derive(Debug, Clone)]
pub struct Rulebook {
    pub hash: String,
    pub name: String,
    pub currency: Currency,
    pub zone: Tz,
    pub first_period: Period,
    /// The line that runs the programme, takes its fee and is the clearing hub.
    pub platform: LineId,
    pub netting: Netting,
    /// What the API tells a line about others.
    pub disclose: Disclosure,
    /// A period may be sealed this long after its end.
    pub seal_after: TimeDelta,
    /// For how long after a lot's last day a refund can tell what was spent of it.
    pub refund_months: u32,
    /// What members' names in reports are made with, the same for the programme's life.
    pub pseudonym_key: KeySource,
    /// Whether a member's id may look like a phone number.
    pub allow_phone_members: bool,
    pub lines: Vec<Line>,
    earn: BTreeMap<LineId, Dated<EarnRule>>,
    burn: BTreeMap<LineId, Dated<BurnRule>>,
    /// By redeeming line, then by funder; `None` stands for every other funder.
    prices: BTreeMap<LineId, BTreeMap<Option<LineId>, Dated<Rate>>>,
    /// By payer and redeeming line, `None` for every other.
    splits: BTreeMap<(Option<LineId>, Option<LineId>), Dated<SplitRule>>,
    expiry: BTreeMap<Option<LineId>, Dated<Option<u32>>>,
    pub accounts: Accounts,
    /// By funder, `None` for every other.
    liability: BTreeMap<Option<LineId>, Dated<LiabilityTerms>>,
    overrides: Overrides,
    vat: BTreeMap<VatKey, Dated<VatRule>>,
    /// What is accepted and should be otherwise in a new programme.
    pub warnings: Vec<RulebookError>,
}

/// What is wrong with a rulebook, all of it at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RulebookErrors(pub Vec<RulebookError>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulebookError {
    /// Counted from one; zero when it concerns the file as a whole.
    pub line: usize,
    /// Such as `prices[2].price`.
    pub field: String,
    pub rule: String,
}

impl fmt::Display for RulebookErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join("\n"))
    }
}

impl fmt::Display for RulebookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "{}: {}", self.field, self.rule)
    }
}

impl Rulebook {
    /// Reads and checks a rulebook in TOML.
    pub fn parse(text: &str) -> Result<Self, RulebookErrors> {
        let (file, notes) = wire::parse(text)?;
        let hash = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        check::checked(text, file, notes, hash)
    }

    /// Whether this rulebook may come into force after another. What the ledger
    /// was written by stays as it is for the life of the programme.
    pub fn check_follows(&self, before: &Rulebook) -> Result<(), RulebookErrors> {
        let same = |field: &str, old: &dyn fmt::Display, new: &dyn fmt::Display| {
            let (old, new) = (old.to_string(), new.to_string());
            let rule = format!("was {old} in the rulebook in force and cannot become {new}");
            (old != new).then(|| RulebookError { line: 0, field: field.to_owned(), rule })
        };
        let mut errors: Vec<RulebookError> = [
            same("currency", &before.currency, &self.currency),
            same("time_zone", &before.zone, &self.zone),
            same("first_period", &before.first_period, &self.first_period),
            same("platform", &before.platform, &self.platform),
            same("pseudonym_key", &before.pseudonym_key, &self.pseudonym_key),
        ]
        .into_iter()
        .flatten()
        .collect();
        let own = self.line_ids();
        errors.extend(before.lines.iter().filter(|line| !own.contains(&line.id)).map(|line| RulebookError {
            line: 0,
            field: "lines".to_owned(),
            rule: format!("{} is missing: a line that was in force may have points or obligations left", line.id),
        }));
        if errors.is_empty() { Ok(()) } else { Err(RulebookErrors(errors)) }
    }

    pub fn line(&self, id: &LineId) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == *id)
    }

    /// The lines that take part on some day of a period.
    pub fn lines_of(&self, period: Period) -> impl Iterator<Item = &Line> {
        let begins = move |line: &&Line| line.first_day <= period.last_day();
        let goes_on = move |line: &&Line| line.last_day.is_none_or(|day| day >= period.first_day());
        self.lines.iter().filter(begins).filter(goes_on)
    }

    pub fn line_ids(&self) -> BTreeSet<&LineId> {
        self.lines.iter().map(|line| &line.id).collect()
    }

    /// Within what the references of a line's events of a day name one event.
    pub fn reference_scope(&self, line: &LineId, day: NaiveDate) -> ReferenceScope {
        let scopes = self.line(line).map_or(&[][..], |line| &line.reference_scopes);
        scopes.iter().rev().find(|(from, _)| *from <= day).map_or(ReferenceScope::Line, |(_, scope)| *scope)
    }

    /// What tells an event of a day from those of its line with the same reference.
    pub fn scope(&self, line: &LineId, day: NaiveDate) -> Scope {
        match self.reference_scope(line, day) {
            ReferenceScope::Line => Scope::Line,
            ReferenceScope::Month => Scope::Month(Period::of_day(day)),
            ReferenceScope::Day => Scope::Day(day),
        }
    }

    pub fn earn(&self, line: &LineId, day: NaiveDate) -> Option<&EarnRule> {
        self.earn.get(line)?.on(day)
    }

    pub fn burn(&self, line: &LineId, day: NaiveDate) -> Option<&BurnRule> {
        self.burn.get(line)?.on(day)
    }

    /// The day of a moment by the programme's clocks.
    pub fn day(&self, moment: DateTime<Utc>) -> NaiveDate {
        moment.with_timezone(&self.zone).date_naive()
    }

    pub fn period(&self, moment: DateTime<Utc>) -> Period {
        Period::of(moment, self.zone)
    }

    /// What `funder` pays `redeemer` for a point, in currency units.
    pub fn price(&self, funder: &LineId, redeemer: &LineId, day: NaiveDate) -> Option<Rate> {
        let by_funder = self.prices.get(redeemer)?;
        let specific = by_funder.get(&Some(funder.clone())).and_then(|dated| dated.on(day));
        specific.or_else(|| by_funder.get(&None)?.on(day)).copied()
    }

    /// The split of what `payer` owes `redeemer`; none: the redeeming line takes all.
    pub fn split(&self, payer: &LineId, redeemer: &LineId, day: NaiveDate) -> Option<&SplitRule> {
        let (payer, redeemer) = (Some(payer.clone()), Some(redeemer.clone()));
        [(payer.clone(), redeemer.clone()), (payer, None), (None, redeemer), (None, None)]
            .iter()
            .find_map(|key| self.splits.get(key)?.on(day))
    }

    /// When points that `funder` issues on a day expire: at the end of the n-th
    /// month after the month of issue.
    pub fn expiry(&self, funder: &LineId, day: NaiveDate) -> Expiry {
        match self.expiry_months(funder, day) {
            Some(months) => Expiry::On(Period::of_day(day).plus_months(months).last_day()),
            None => Expiry::Never,
        }
    }

    fn expiry_months(&self, funder: &LineId, day: NaiveDate) -> Option<u32> {
        let specific = self.expiry.get(&Some(funder.clone())).and_then(|dated| dated.on(day));
        specific.or_else(|| self.expiry.get(&None)?.on(day)).copied().flatten()
    }

    /// How the points that `funder` issues in a month are valued.
    pub fn liability(&self, funder: &LineId, issued: Period) -> Option<&LiabilityTerms> {
        let day = issued.first_day();
        let specific = self.liability.get(&Some(funder.clone())).and_then(|dated| dated.on(day));
        specific.or_else(|| self.liability.get(&None)?.on(day))
    }

    /// The redemption rate that a person set for a cohort.
    pub fn urr_override(&self, funder: &LineId, issued: Period) -> Option<&ManualRate> {
        self.overrides.get(&(funder.clone(), issued))
    }

    /// How what `funder` pays `redeemer` in a period is taxed. Without any rule
    /// there is no VAT between lines.
    pub fn vat(&self, funder: &LineId, redeemer: &LineId, product: Product, period: Period) -> VatRule {
        let day = period.first_day();
        let keys = Self::vat_keys(funder, redeemer, product);
        keys.iter().find_map(|key| self.vat.get(key)?.on(day)).copied().unwrap_or(VatRule::NONE)
    }

    /// The pair goes before the funder, the funder before the redeeming line,
    /// and within each the product before any.
    fn vat_keys(funder: &LineId, redeemer: &LineId, product: Product) -> [VatKey; 8] {
        let key = |one: bool, other: bool, of: bool| {
            (one.then(|| funder.clone()), other.then(|| redeemer.clone()), of.then_some(product))
        };
        [
            key(true, true, true),
            key(true, true, false),
            key(true, false, true),
            key(true, false, false),
            key(false, true, true),
            key(false, true, false),
            key(false, false, true),
            key(false, false, false),
        ]
    }

    /// The first moment at which a period may be sealed.
    pub fn seal_not_before(&self, period: Period) -> DateTime<Utc> {
        period.end(self.zone) + self.seal_after
    }
}
