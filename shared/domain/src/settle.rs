//! The settlement of one period: from the merged tally and the state of the
//! previous final run to positions, payments, the roll-forwards of points and
//! contract liability, and the vouchers.

mod checklist;
mod claims;
mod liability;
mod points;
mod shares;
mod vouchers;

pub use claims::MembersClaims;
pub use liability::{CohortState, ExpiryForecast, LiabilityRow, RedemptionRateRow};

use crate::books::Voucher;
use crate::calendar::Period;
use crate::digest::EntriesDigest;
use crate::id::LineId;
use crate::legs::Reason;
use crate::liability::{LiabilityError, RollForward as LiabilityRollForward};
use crate::lot::Cohort;
use crate::money::{Money, OutOfRange, Points, Rate};
use crate::netting::{Payment, nets, payments, settled};
use crate::rulebook::{Product, Rulebook};
use crate::split::SplitTerms;
use crate::tally::{FlowKind, Tally};
use crate::urr::UrrError;
use checklist::checklist;
use liability::liability;
use points::{debts, issuance, roll_forward};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use shares::{bilateral, owed, positions, shares};
use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use vouchers::vouchers;

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
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CohortBalance {
    pub cohort: Cohort,
    pub points: Points,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitBase {
    pub payer: LineId,
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

/// One shard as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardDigest {
    pub shard: u8,
    pub entries: u64,
    pub digest: EntriesDigest,
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
    pub fn changed(&self) -> Vec<u8> {
        let all: BTreeSet<u8> = self.recorded.iter().chain(self.found).map(|shard| shard.shard).collect();
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

#[derive(Debug, Clone, PartialEq, Eq)]
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
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bilateral {
    pub payer: LineId,
    pub payee: LineId,
    /// Entries that redeemed at the payee; none where it only has a share of others' redemptions.
    pub events: u64,
    /// Of their slices.
    pub points: Points,
    /// Negative when returns exceed redemptions.
    pub amount: Money,
    pub prior_period: Money,
    /// The amount less what the payee owes the payer.
    pub net: Money,
}

#[derive(Debug, Clone, PartialEq, Eq)]
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuance {
    pub funder: LineId,
    pub issue_month: Period,
    /// The line of the sale or grant; another than the funder for sponsored points.
    pub line: LineId,
    pub kind: FlowKind,
    pub events: u64,
    pub sales: Money,
    pub points: Points,
}

#[derive(Debug, Clone, PartialEq, Eq)]
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
    pub check: String,
    pub expected: String,
    pub actual: String,
    pub pass: bool,
}

impl Settlement {
    pub fn passes(&self) -> bool {
        self.checklist.iter().all(|check| check.pass)
    }

    /// The roll-forward of every funder's contract liability.
    pub fn liability_by_funder(&self) -> Result<BTreeMap<LineId, LiabilityRollForward>, OutOfRange> {
        let mut funders: BTreeMap<LineId, LiabilityRollForward> = BTreeMap::new();
        for row in &self.liability {
            let sum = funders.entry(row.cohort.funder.clone()).or_default();
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
        let (gross, settled) = (Decimal::from(self.gross.minor()), Decimal::from(self.settled.minor()));
        let saved = gross.checked_sub(settled).and_then(|saved| saved.checked_mul(Decimal::ONE_HUNDRED));
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
    #[error("the rulebook has no liability terms for points of {funder} issued in {month}")]
    NoTerms { funder: LineId, month: Period },
    #[error("no redemption rate was estimated for cohort {cohort}")]
    NoRate { cohort: Cohort },
    #[error("cohort {cohort} is issued after {period}")]
    FromTheFuture { cohort: Cohort, period: Period },
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

/// Settles a period: obligations and their split, netting, points, contract
/// liability, vouchers, and the checks over all of it.
pub fn settle(inputs: &Inputs<'_>) -> Result<Settlement, SettleError> {
    let tally = inputs.tally;
    let previous = inputs.previous.as_ref().map(|previous| previous.state);
    let (shares, bases) = shares(&tally.obligations, previous)?;
    let bilateral = bilateral(&shares, &tally.pairs)?;
    let owed = owed(&shares)?;
    let nets = nets(bilateral.iter().map(|row| (&row.payer, &row.payee, row.amount)))?;
    let positions = positions(inputs.rulebook, &bilateral, &shares, &nets)?;
    let payments = payments(&nets, inputs.rulebook.netting, &inputs.rulebook.platform)?;
    let (roll_forward, cohorts) = roll_forward(inputs, previous)?;
    let liability = liability(inputs, previous, &roll_forward, &owed)?;
    let vouchers = vouchers(inputs, &liability.closed, &owed, &payments)?;
    let debts = debts(tally, previous)?;
    let mut settlement = Settlement {
        gross: Money::sum(bilateral.iter().map(|row| row.amount.abs()))?,
        settled: settled(&nets)?,
        positions,
        splits: shares.into_iter().map(|share| share.row).collect(),
        bilateral,
        payments,
        issuance: issuance(tally)?,
        roll_forward,
        liability: liability.rows,
        redemption_rates: liability.rates,
        expiry_forecast: liability.forecast,
        vouchers,
        checklist: Vec::new(),
        state: State { period: inputs.period, cohorts, splits: bases, debts, liability: liability.states },
    };
    settlement.checklist = checklist(inputs, &settlement, &nets)?;
    Ok(settlement)
}
