//! What a settlement is: its inputs, its rows, and what it hands to the next one.

use crate::actuarial::experience::{Indicators, Memory};
use crate::actuarial::liability::{CohortLiability, ProvisionRow, RollForward as LiabilityRollForward, Sponsored};
use crate::claims::lot::{Borne, Cohort};
use crate::close::books::{BooksError, SponsoredSums, Voucher};
use crate::close::checks::{CheckId, Severity};
use crate::close::days::EightWeeks;
use crate::close::digest::ShardDigest;
use crate::close::judgement::Judgement;
use crate::close::netting::Payment;
use crate::close::tally::{SaleRates, Tally};
use crate::close::why::{EstimateChange, Overridden};
use crate::legs::{FlowKind, Reason};
use crate::terms::rulebook::{Method, Product, Rulebook, VatTreatment};
use crate::terms::split::{FundingTerms, SplitTerms};
use crate::units::calendar::Period;
use crate::units::id::{AwardId, LineId, SchemeId, TaxCode};
use crate::units::micro::Micro;
use crate::units::money::{Money, OutOfRange, Points, Rate};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::iter;

/// What one final run hands to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub period: Period,
    /// Outstanding points; none is zero.
    pub cohorts: Vec<CohortBalance>,
    /// The cumulative base of every split.
    pub splits: Vec<SplitBase>,
    /// Points that members owe to schemes. Negative where an event that came
    /// late repaid in an earlier period than the debt was booked in.
    pub debts: Vec<Debt>,
    /// The cumulative base of every tax.
    pub taxes: Vec<TaxBase>,
    /// Every cohort there ever was, in the order of reports.
    pub liability: Vec<CohortState>,
    pub urr: UrrState,
    /// Payments that were too small to be made; each is still owed, and goes into the next nets.
    #[serde(default)]
    pub carried: Vec<Payment>,
    /// On which of the last eight weeks' days lines sold something.
    #[serde(default)]
    pub sale_days: BTreeMap<LineId, EightWeeks>,
    /// Schemes that are no line's, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemes: Vec<SchemeToDate>,
}

/// What is taxed together, over all months: it is fixed by the original's day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxKey {
    pub seller: LineId,
    /// None: members.
    pub buyer: Option<LineId>,
    /// None: sales.
    pub product: Option<Product>,
    pub treatment: Option<VatTreatment>,
    pub rate: Rate,
    /// Whether the amounts contain the tax.
    pub inclusive: bool,
    /// None: no event said one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<TaxCode>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxBase {
    pub key: TaxKey,
    pub base: Money,
}

/// What the estimate of redemption rates leaves to the next close.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrrState {
    /// What sales were, and the next month's will be, valued by.
    pub rates: SaleRates,
    pub memory: Memory,
    /// What the programme showed; none where the rates are not of experience.
    pub indicators: Option<Indicators>,
    /// The last sixty closes, the newest last.
    pub past: Vec<PastClose>,
    pub year: YearOfEstimates,
    #[serde(default)]
    pub overridden: Vec<Overridden>,
}

/// What re-estimates came to since the first day of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct YearOfEstimates {
    /// Contract liability on that day.
    pub opening: Money,
    pub re_estimate: Money,
}

/// What a close expected, and what is known of it by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastClose {
    pub close: Period,
    /// Points open then.
    pub open: Points,
    /// Micro-points of the cohorts of then that were expected to be redeemed later.
    pub to_come: Micro,
    /// What was redeemed of them by then.
    pub redeemed: Points,
    /// What was redeemed of them since.
    pub since: Points,
    /// Micro-points of them that are still expected.
    pub still: Micro,
}

/// What a cohort's rate rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateBasis {
    Experience,
    /// The rulebook's initial rate.
    Initial,
    /// A fact: nothing can be redeemed any more.
    Expired,
    /// The remote method: all points until redemption is remote, then none.
    Remote,
    Manual {
        reason: String,
    },
}

impl RateBasis {
    /// The word in files.
    pub const fn word(&self) -> &'static str {
        match self {
            RateBasis::Experience => "experience",
            RateBasis::Initial => "initial",
            RateBasis::Expired => "expired",
            RateBasis::Remote => "remote",
            RateBasis::Manual { .. } => "manual",
        }
    }

    /// Why a person set the rate; empty otherwise.
    pub fn reason(&self) -> &str {
        match self {
            RateBasis::Manual { reason } => reason,
            RateBasis::Experience | RateBasis::Initial | RateBasis::Expired | RateBasis::Remote => "",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CohortBalance {
    pub cohort: Cohort,
    pub points: Points,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitBase {
    pub scheme: SchemeId,
    /// Who bears the cost.
    pub funding: FundingTerms,
    pub redeemer: LineId,
    /// Of what is never split, why it is owed; none: all reasons that are split.
    pub unsplit: Option<Reason>,
    /// None: the redeemer takes all.
    pub terms: Option<SplitTerms>,
    /// The first month since which VAT on it has been what it was on the original's day.
    pub vat_from: Period,
    /// How what points paid for is taxed, where the events say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<TaxCode>,
    pub base: Money,
    /// What of it was above a funder's cap.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub above: BTreeMap<LineId, Money>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    pub creditor: SchemeId,
    pub points: Points,
}

pub struct Inputs<'a> {
    pub rulebook: &'a Rulebook,
    pub period: Period,
    pub tally: &'a Tally,
    pub shards: &'a [ShardDigest],
    /// How many of the shards are sealed; `None` for a trial, which may run before.
    pub sealed: Option<usize>,
    /// None for the programme's first period.
    pub previous: Option<Previous<'a>>,
}

/// The final run before, and its shards as they are read now.
pub struct Previous<'a> {
    pub state: &'a State,
    pub recorded: &'a [ShardDigest],
    pub found: &'a [ShardDigest],
    /// One more month, closed before that.
    pub older: Option<Reread<'a>>,
}

/// The shards of a closed month as its final run recorded them, and as they are read now.
#[derive(Debug, Clone, Copy)]
pub struct Reread<'a> {
    pub period: Period,
    pub recorded: &'a [ShardDigest],
    pub found: &'a [ShardDigest],
}

impl Reread<'_> {
    /// Shards that are not as they were recorded, in order.
    pub fn changed(&self) -> Vec<u16> {
        let all: BTreeSet<u16> = self.recorded.iter().chain(self.found).map(|shard| shard.shard).collect();
        let of = |shards: &[ShardDigest], number| shards.iter().find(|shard| shard.shard == number).copied();
        all.into_iter().filter(|shard| of(self.recorded, *shard) != of(self.found, *shard)).collect()
    }
}

impl<'a> Previous<'a> {
    /// Every closed month that was read again: the last one first.
    pub fn reread(&self, period: Period) -> impl Iterator<Item = Reread<'a>> {
        let last = Reread { period: period.previous(), recorded: self.recorded, found: self.found };
        iter::once(last).chain(self.older)
    }
}

/// What a close leaves to the next for one cohort, in the books of one who bears its cost. Kept after the
/// expiry: the cohort is experience then, and a late event may still concern it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortState {
    pub cohort: Cohort,
    /// None of a line's own points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<LineId>,
    pub liability: CohortLiability,
    /// Points redeemed from the issue to the end of each age in months, returns
    /// deducted; the first is the month of issue, the last at most the age of expiry.
    pub redeemed: Vec<Points>,
    /// Micro-points that this close expects of the next month, once experience counts in full.
    pub next: Option<Micro>,
    /// E over N at this close; none where nothing is issued.
    pub urr: Option<Rate>,
    /// What of its points other lines' sales issued, by seller; not what is refunded in full.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sponsored: BTreeMap<LineId, Sponsored>,
}

/// A cohort's row of the contract liability's roll-forward, in the books of one who bears its cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiabilityRow {
    pub cohort: Cohort,
    /// None of a line's own points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<LineId>,
    /// Amounts in minor units, net of VAT.
    pub row: LiabilityRollForward,
    pub provision: ProvisionRow,
    /// The URR of this close: a part of the points issued, 0 to 1.
    pub rate: Rate,
    /// The URR of the close before; `None` for a new cohort.
    pub previous_rate: Option<Rate>,
    pub basis: RateBasis,
    pub method: Method,
    /// Points that can still be redeemed, at the end of the period; these and the following in the payer's share.
    pub outstanding: Points,
    /// Of the points issued, those that nobody paid for.
    pub given: Points,
    /// Points redeemed in the end, E, in micro-points.
    pub expected: Micro,
    /// Of the closing liability, what is expected to be used in the first three months, the
    /// next three, the next six, and later.
    pub maturity: [Money; 4],
    /// The same of the provision.
    pub provision_maturity: [Money; 4],
}

/// Of each cohort the first of its payers, which know the same of its points.
pub fn cohorts_once(states: &[CohortState]) -> impl Iterator<Item = &CohortState> {
    states.chunk_by(|one, other| one.cohort == other.cohort).filter_map(<[CohortState]>::first)
}

impl CohortState {
    pub fn borne(&self) -> Borne {
        Borne::of(self.cohort.clone(), self.payer.clone())
    }

    /// In whose books it is.
    pub fn funder(&self) -> LineId {
        self.borne().payer
    }
}

impl LiabilityRow {
    pub fn borne(&self) -> Borne {
        Borne::of(self.cohort.clone(), self.payer.clone())
    }

    /// In whose books it is.
    pub fn funder(&self) -> LineId {
        self.borne().payer
    }

    /// What of the contract liability is expected to be used within twelve months.
    pub fn current(&self) -> Result<Money, OutOfRange> {
        self.row.closing.minus(self.maturity[3])
    }

    /// The same of the provision.
    pub fn provision_current(&self) -> Result<Money, OutOfRange> {
        self.provision.closing.minus(self.provision_maturity[3])
    }
}

/// Points redeemed in the end by each method; none where a method cannot tell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub chain_ladder: Option<Decimal>,
    /// Mack's, of the chain ladder's ultimate.
    pub standard_error: Option<Decimal>,
    pub cape_cod: Option<Decimal>,
    pub additive: Option<Decimal>,
    pub survival: Option<Decimal>,
    /// The chain ladder's factors from each age to the next, of all the scheme's cohorts that live as long.
    pub factors: Vec<Option<Decimal>>,
}

/// A cohort's row of the redemption triangle, with what is made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedemptionRateRow {
    pub cohort: Cohort,
    /// Whole months since the issue at this close, at most the age of expiry.
    pub age: usize,
    /// Less what was taken back with refunded sales.
    pub issued: Points,
    /// Cumulative, at the end of each age from zero on, to the age of expiry.
    pub redeemed_by_age: Vec<Points>,
    pub basis: RateBasis,
    /// Points that will have been redeemed in the end.
    pub expected: Points,
    /// `expected / issued`, the rate of the liability.
    pub rate: Rate,
    /// What other methods say.
    pub evidence: Evidence,
    /// Points redeemed since the previous close, where that close expected a
    /// definite number.
    pub actual: Option<Points>,
    /// The number that the previous close expected, in micro-points.
    pub expected_of_previous_close: Option<Micro>,
}

/// What of a scheme's claims expires at the end of a month if nothing more is redeemed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryForecast {
    pub scheme: SchemeId,
    pub month: Period,
    pub points: Points,
    /// The points at face value, in minor units: what members would lose.
    pub value: Money,
    /// The contract liability carried for them at this close, in minor units.
    pub liability: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    pub positions: Vec<Position>,
    pub bilateral: Vec<Bilateral>,
    pub splits: Vec<SplitRow>,
    /// What the funders of schemes bear of what the month's redemptions cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub funding: Vec<FundingRow>,
    /// Schemes that are no line's, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemes: Vec<SchemeRow>,
    pub payments: Vec<Payment>,
    pub issuance: Vec<Issuance>,
    pub roll_forward: Vec<RollForward>,
    /// By funder, issue month and expiry; cohorts without any amount or point are left out.
    pub liability: Vec<LiabilityRow>,
    /// Every cohort, in the same order.
    pub redemption_rates: Vec<RedemptionRateRow>,
    /// By funder, what moved its estimate since the close before.
    #[serde(default)]
    pub why: Vec<EstimateChange>,
    /// Months of the next twelve in which points expire, by funder and month.
    pub expiry_forecast: Vec<ExpiryForecast>,
    /// What lines have to invoice each other, and what they only have receipts for.
    pub invoices: Vec<Invoice>,
    /// By entity and number.
    pub vouchers: Vec<Voucher>,
    /// Those of the payments, where the rulebook has them made at the close.
    #[serde(default)]
    pub cash_vouchers: Vec<Voucher>,
    /// How many members owe each creditor something.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub indebted: BTreeMap<SchemeId, u64>,
    pub checklist: Vec<Check>,
    /// What a person said of it.
    #[serde(default, skip_serializing_if = "Judgement::is_nothing")]
    pub judgement: Judgement,
    pub state: State,
    /// The sum of all obligations between lines.
    pub gross: Money,
    /// What has to move at least: half the sum of the absolute nets.
    pub settled: Money,
}

/// What a line invoices another for one product of one month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invoice {
    pub issuer: LineId,
    pub buyer: LineId,
    pub product: Product,
    /// None: no event said one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<TaxCode>,
    pub treatment: VatTreatment,
    pub rate: Rate,
    pub kind: InvoiceKind,
    /// The month of the supply.
    pub original_period: Period,
    /// With the tax. Negative where it is red.
    pub gross: Money,
    pub tax: Money,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InvoiceKind {
    Blue,
    /// Takes an invoice back, in part or in full.
    Red,
    /// No invoice to the buyer: the member has it, or nothing is supplied.
    Receipt,
}

impl InvoiceKind {
    /// The word in files.
    pub const fn word(self) -> &'static str {
        match self {
            InvoiceKind::Blue => "blue",
            InvoiceKind::Red => "red",
            InvoiceKind::Receipt => "receipt",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub line: LineId,
    pub gross_payable: Money,
    pub gross_receivable: Money,
    /// The part of the payable that is the platform's share of splits.
    pub platform_fee: Money,
    /// The part of the net that late events of earlier periods brought.
    pub prior_period: Money,
    pub net: Money,
    /// Of smaller payments of earlier months, signed as the net is.
    #[serde(default)]
    pub carried_before: Money,
    #[serde(default)]
    pub carried_after: Money,
    /// The net and what was carried before, less what is carried on.
    #[serde(default)]
    pub to_pay: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bilateral {
    pub payer: LineId,
    pub payee: LineId,
    /// Entries for which the payee is owed as the line that honoured the payer's points, what is
    /// given back and what paid a debt among them; none where it only has a share of others'.
    pub events: u64,
    /// Of their slices.
    pub points: Points,
    /// Negative when returns exceed redemptions.
    pub amount: Money,
    pub prior_period: Money,
    /// The amount less what the payee owes the payer.
    pub net: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRow {
    pub payer: LineId,
    pub redeemer: LineId,
    pub beneficiary: LineId,
    /// What the beneficiary is paid for.
    pub product: Product,
    pub rule: String,
    pub share: Rate,
    pub base: Money,
    pub amount: Money,
    pub cumulative_base: Money,
    pub cumulative_amount: Money,
    /// What the beneficiary has received so far above its exact share, in
    /// currency units; less than one minor unit either way.
    pub rounding: Decimal,
}

/// What a scheme gave, took back and cost. Points are of the month, amounts in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemeRow {
    pub scheme: SchemeId,
    pub awards: Vec<SchemeAward>,
    pub issued: Points,
    /// Taken back with refunded sales, be they open or spent.
    pub withdrawn: Points,
    /// Less what was given back.
    pub redeemed: Points,
    pub expired: Points,
    /// At the end of the month.
    pub outstanding: Points,
    /// What lines are owed for redemptions, the funders' own part included, since the scheme began.
    pub cost_to_date: Money,
    /// With what is still expected to be redeemed, at the mean cost of a point so far; at its face value before any.
    pub cost_expected: Money,
}

impl SchemeRow {
    pub fn of(scheme: SchemeId) -> Self {
        let none = Points::ZERO;
        let (issued, withdrawn, redeemed, expired, outstanding) = (none, none, none, none, none);
        let (cost_to_date, cost_expected) = (Money::ZERO, Money::ZERO);
        let awards = Vec::new();
        Self { scheme, awards, issued, withdrawn, redeemed, expired, outstanding, cost_to_date, cost_expected }
    }
}

/// What an award gave at a line in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemeAward {
    pub award: AwardId,
    pub line: LineId,
    pub events: u64,
    pub members: u64,
    pub sales: Money,
    pub issued: Points,
}

/// A scheme's points since it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemeToDate {
    pub scheme: SchemeId,
    pub issued: Points,
    pub withdrawn: Points,
    pub redeemed: Points,
    pub expired: Points,
}

impl SchemeToDate {
    pub fn of(scheme: SchemeId) -> Self {
        let (issued, withdrawn, redeemed, expired) = Default::default();
        Self { scheme, issued, withdrawn, redeemed, expired }
    }
}

/// A funder's part of what a scheme's claims cost at a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FundingRow {
    pub scheme: SchemeId,
    /// The split's, by which it is shared further.
    pub rule: String,
    pub payer: LineId,
    /// Where the payer itself redeems, its part is owed to nobody.
    pub redeemer: LineId,
    pub share: Rate,
    pub base: Money,
    pub amount: Money,
    pub cumulative_base: Money,
    pub cumulative_amount: Money,
    /// What the payer has borne so far above its exact share, in currency units; less than one minor unit either way, and
    /// nothing where there are caps.
    pub rounding: Decimal,
    /// What the payer may still bear of the scheme under these terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_left: Option<Money>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuance {
    pub scheme: SchemeId,
    pub issue_month: Period,
    /// The line of the sale or grant; another than the scheme's for sponsored points.
    pub line: LineId,
    pub kind: FlowKind,
    pub events: u64,
    pub sales: Money,
    pub points: Points,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollForward {
    pub cohort: Cohort,
    pub opening: Points,
    pub issued: Points,
    /// Less what was given back; debts repaid count as redeemed at the creditor.
    pub redeemed_own: Points,
    pub redeemed_other: Points,
    pub expired: Points,
    /// Taken back with refunded sales.
    pub reversed: Points,
    pub closing: Points,
}

/// One line of the close checklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub check: CheckId,
    pub expected: String,
    pub actual: String,
    pub pass: bool,
    #[serde(default)]
    pub severity: Severity,
    /// Why a person takes it as it is, although it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

impl Check {
    /// Whether a run with it can be no final one.
    pub fn fails(&self) -> bool {
        !self.pass && self.severity == Severity::Failure && self.accepted.is_none()
    }

    pub fn warns(&self) -> bool {
        !self.pass && self.severity == Severity::Warning
    }
}

impl Settlement {
    /// Takes a person's judgement in: what is accepted does not stop the run any more.
    pub fn judge(&mut self, judgement: &Judgement) {
        for check in self.checklist.iter_mut().filter(|check| !check.pass) {
            check.accepted = judgement.accept.get(&check.check).cloned();
        }
        self.judgement = judgement.clone();
    }

    /// Whether no check fails; what is only warned of may be.
    pub fn passes(&self) -> bool {
        !self.checklist.iter().any(Check::fails)
    }

    /// What sales with points of sponsors come to so far in the group's books.
    pub fn sponsored_sales(&self) -> Result<SponsoredSums, OutOfRange> {
        let mut sums = SponsoredSums::default();
        for state in &self.state.liability {
            sums.add(&state.funder(), &state.liability, &state.sponsored)?;
        }
        Ok(sums)
    }

    /// The roll-forward of every funder's contract liability.
    pub fn liability_by_funder(&self) -> Result<BTreeMap<LineId, LiabilityRollForward>, OutOfRange> {
        let mut funders: BTreeMap<LineId, LiabilityRollForward> = BTreeMap::new();
        for row in &self.liability {
            let sum = funders.entry(row.funder()).or_default();
            *sum = sum.plus(&row.row)?;
        }
        Ok(funders)
    }

    /// The roll-forward of every funder's provision.
    pub fn provision_by_funder(&self) -> Result<BTreeMap<LineId, ProvisionRow>, OutOfRange> {
        let mut funders: BTreeMap<LineId, ProvisionRow> = BTreeMap::new();
        for row in &self.liability {
            let sum = funders.entry(row.funder()).or_default();
            *sum = sum.plus(&row.provision)?;
        }
        Ok(funders)
    }

    /// The roll-forward of the programme's provision.
    pub fn provision_total(&self) -> Result<ProvisionRow, OutOfRange> {
        self.liability.iter().try_fold(ProvisionRow::default(), |sum, row| sum.plus(&row.provision))
    }

    /// The roll-forward of the programme's contract liability.
    pub fn liability_total(&self) -> Result<LiabilityRollForward, OutOfRange> {
        self.liability.iter().try_fold(LiabilityRollForward::default(), |sum, row| sum.plus(&row.row))
    }

    /// How much of the gross need not be paid, in percent with two decimals.
    pub fn netting_efficiency(&self) -> Decimal {
        self.saved(self.settled)
    }

    /// What moves between accounts; through the hub, everything twice.
    pub fn cash_moved(&self) -> Result<Money, OutOfRange> {
        Money::sum(self.payments.iter().map(|payment| payment.amount))
    }

    /// As [`netting_efficiency`](Self::netting_efficiency), by the cash that moves; negative where
    /// more does than was owed.
    pub fn cash_efficiency(&self) -> Result<Decimal, OutOfRange> {
        Ok(self.saved(self.cash_moved()?))
    }

    fn saved(&self, moved: Money) -> Decimal {
        let (gross, moved) = (Decimal::from(self.gross.minor()), Decimal::from(moved.minor()));
        let saved = gross.checked_sub(moved).and_then(|saved| saved.checked_mul(Decimal::ONE_HUNDRED));
        let percent = saved.and_then(|saved| saved.checked_div(gross)).unwrap_or_default();
        percent.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
    }
}

/// Why a period could not be settled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    #[error("the rulebook has no liability terms for points of {scheme} issued in {month}")]
    NoTerms { scheme: SchemeId, month: Period },
    #[error("cohort {cohort} is issued after {period}")]
    FromTheFuture { cohort: Cohort, period: Period },
    #[error(transparent)]
    Books(#[from] BooksError),
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}
