//! What a settlement is: its inputs, its rows, and what it hands to the next one.

use crate::actuarial::liability::{CohortLiability, LiabilityError, RollForward as LiabilityRollForward};
use crate::actuarial::urr::{Basis, CohortRate, UrrError};
use crate::claims::lot::Cohort;
use crate::close::books::Voucher;
use crate::close::checks::{CheckId, Severity};
use crate::close::digest::ShardDigest;
use crate::close::netting::Payment;
use crate::close::tally::Tally;
use crate::legs::{FlowKind, Reason};
use crate::terms::rulebook::{Method, Product, Rulebook};
use crate::terms::split::{FundingTerms, SplitTerms};
use crate::units::calendar::Period;
use crate::units::id::{LineId, SchemeId};
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
    /// Points that members owe to funders. Negative where an event that came
    /// late repaid in an earlier period than the debt was booked in.
    pub debts: Vec<Debt>,
    /// Every cohort there ever was, in the order of reports.
    pub liability: Vec<CohortState>,
    /// Payments that were too small to be made; each is still owed, and goes into the next nets.
    #[serde(default)]
    pub carried: Vec<Payment>,
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
    pub base: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    pub creditor: LineId,
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

/// What a close leaves to the next for one cohort. Kept after the expiry: the
/// cohort is experience then, and a late event may still concern it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortState {
    pub cohort: Cohort,
    pub liability: CohortLiability,
    /// Points redeemed from the issue to the end of each age in months, returns
    /// deducted; the first is the month of issue, the last at most the age of expiry.
    pub redeemed: Vec<Points>,
    /// What this close estimated, for the next close's actual to expected.
    pub rate: CohortRate,
}

/// A cohort's row of the contract liability's roll-forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiabilityRow {
    pub cohort: Cohort,
    /// Amounts in minor units, net of VAT.
    pub row: LiabilityRollForward,
    /// The URR of this close: a part of the points issued, 0 to 1.
    pub rate: Rate,
    /// The URR of the close before; `None` for a new cohort.
    pub previous_rate: Option<Rate>,
    /// What the rate rests on; [`Basis::word`] is its word in files,
    /// [`Basis::reason`] why a person set it.
    pub basis: Basis,
    pub method: Method,
    /// Points that can still be redeemed, at the end of the period.
    pub outstanding: Points,
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
    /// Age-to-age factors of all the funder's cohorts that live as long, from
    /// age 0 to 1 on; `None` where no cohort tells.
    pub factors: Vec<Option<Decimal>>,
    pub basis: Basis,
    /// Points that will have been redeemed in the end.
    pub expected: Points,
    /// `expected / issued`, the rate of the liability.
    pub rate: Rate,
    /// Mack's standard error of the chain ladder's ultimate, in points; `None`
    /// where the triangle does not tell.
    pub standard_error: Option<Decimal>,
    /// Points redeemed since the previous close, where that close expected a
    /// definite number.
    pub actual: Option<Points>,
    /// The number that the previous close expected, in points.
    pub expected_of_previous_close: Option<Decimal>,
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
    pub payments: Vec<Payment>,
    pub issuance: Vec<Issuance>,
    pub roll_forward: Vec<RollForward>,
    /// By funder, issue month and expiry; cohorts without any amount or point are left out.
    pub liability: Vec<LiabilityRow>,
    /// Every cohort, in the same order.
    pub redemption_rates: Vec<RedemptionRateRow>,
    /// Months of the next twelve in which points expire, by funder and month.
    pub expiry_forecast: Vec<ExpiryForecast>,
    /// By entity and number.
    pub vouchers: Vec<Voucher>,
    pub checklist: Vec<Check>,
    pub state: State,
    /// The sum of all obligations between lines.
    pub gross: Money,
    /// What has to move at least: half the sum of the absolute nets.
    pub settled: Money,
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
}

impl Check {
    /// Whether a run with it can be no final one.
    pub fn fails(&self) -> bool {
        !self.pass && self.severity == Severity::Failure
    }

    pub fn warns(&self) -> bool {
        !self.pass && self.severity == Severity::Warning
    }
}

impl Settlement {
    /// Whether no check fails; what is only warned of may be.
    pub fn passes(&self) -> bool {
        !self.checklist.iter().any(Check::fails)
    }

    /// The roll-forward of every funder's contract liability.
    pub fn liability_by_funder(&self) -> Result<BTreeMap<LineId, LiabilityRollForward>, OutOfRange> {
        let mut funders: BTreeMap<LineId, LiabilityRollForward> = BTreeMap::new();
        for row in &self.liability {
            let sum = funders.entry(row.cohort.scheme.line()).or_default();
            *sum = sum.plus(&row.row)?;
        }
        Ok(funders)
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
    #[error("the liability of cohort {cohort}: {source}")]
    Liability { cohort: Cohort, source: LiabilityError },
    #[error("the redemption rates: {0}")]
    Rates(#[from] UrrError),
    #[error("the rulebook has no liability terms for points of {scheme} issued in {month}")]
    NoTerms { scheme: SchemeId, month: Period },
    #[error("no redemption rate was estimated for cohort {cohort}")]
    NoRate { cohort: Cohort },
    #[error("cohort {cohort} is issued after {period}")]
    FromTheFuture { cohort: Cohort, period: Period },
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}
