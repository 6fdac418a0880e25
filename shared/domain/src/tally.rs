//! The tally: one shard of a period folded into small ordered maps of integers.
//! Merging is associative and commutative, so shards may come in any order.

use crate::account::shard as shard_of;
use crate::calendar::Period;
use crate::entry::{Action, Entry, EntryKind, Outcome};
use crate::id::{LineId, MemberId};
use crate::lot::{Cohort, Slice};
use crate::money::{Money, OutOfRange, Points};
use crate::rate::{RatedSlice, RatingError, Reason, rate};
use crate::rulebook::Rulebook;
use crate::split::SplitTerms;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a control total counts, by what the entry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlKind {
    /// Amount: sales.
    Accrual,
    Adjustment,
    /// Amount: settlement amount, own points included.
    Redemption,
    /// Points and amount are negative.
    Return,
    /// Amount: refunds of sales.
    Withdrawal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Control {
    pub events: u64,
    /// Sales too small to earn.
    pub without_points: u64,
    /// Events booked later than their home period.
    pub late: u64,
    pub points: Points,
    pub amount: Money,
}

/// How points of a cohort moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowKind {
    /// Counterparty: the line of the sale. Amount: the sale.
    Issued,
    /// Given without a sale. Counterparty: the line that gave them.
    Granted,
    /// Counterparty: the redeeming line. Amount: the settlement amount.
    Redeemed,
    /// Points and amount are negative.
    Returned,
    /// Taken back with a refunded sale. Amount: the refund.
    Taken,
    /// Points given without a sale, taken back.
    Revoked,
    /// Spent before they could be taken back: now the member's debt, no movement of the cohort.
    Owed,
    /// Paid a debt. Counterparty: the creditor. Amount: what it is owed.
    Repaid,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowKey {
    pub cohort: Cohort,
    pub counterparty: LineId,
    pub kind: FlowKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flow {
    pub events: u64,
    pub points: Points,
    pub amount: Money,
}

/// What `payer` owes for redemptions at `redeemer` under one split rule, before the split.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObligationKey {
    pub payer: LineId,
    pub redeemer: LineId,
    pub terms: SplitTerms,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Obligation {
    pub events: u64,
    pub points: Points,
    pub amount: Money,
    /// The part that late events of earlier periods brought.
    pub prior_period: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    pub entries: u64,
    pub controls: BTreeMap<(LineId, ControlKind), Control>,
    pub flows: BTreeMap<FlowKey, Flow>,
    pub obligations: BTreeMap<ObligationKey, Obligation>,
    /// Rows of the detail part, and the amounts of those that cross lines.
    pub details: Flow,
}

/// One row of the detail part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    pub entry: String,
    pub occurred_at: String,
    pub member: MemberId,
    pub slice: RatedSlice,
    pub rule: String,
    pub origin: Option<Period>,
}

#[derive(Debug, thiserror::Error)]
pub enum TallyError {
    #[error("entry {entry}: {source}")]
    Rating { entry: String, source: RatingError },
    #[error("entry {entry} of {period} stands in shard {shard} of {found}")]
    Misplaced { entry: String, period: Period, shard: u8, found: String },
}

/// Folds the entries of one shard. The same for a trial and a final run.
pub struct Fold<'r> {
    rulebook: &'r Rulebook,
    period: Period,
    shard: u8,
    tally: Tally,
}

impl<'r> Fold<'r> {
    pub fn new(rulebook: &'r Rulebook, period: Period, shard: u8) -> Self {
        Self { rulebook, period, shard, tally: Tally::default() }
    }

    pub fn finish(self) -> Tally {
        self.tally
    }

    pub fn add(&mut self, entry: &Entry, details: &mut Vec<Detail>) -> Result<(), TallyError> {
        let name = || entry.name();
        let found = shard_of(&entry.command.member);
        if entry.booked != self.period || found != self.shard {
            let found = format!("{}#{}", self.period, self.shard);
            return Err(TallyError::Misplaced {
                entry: name(),
                period: entry.booked,
                shard: shard_of(&entry.command.member),
                found,
            });
        }
        self.rated(entry, details, &name).map_err(|source| TallyError::Rating { entry: name(), source })
    }

    fn rated(
        &mut self,
        entry: &Entry,
        details: &mut Vec<Detail>,
        name: &dyn Fn() -> String,
    ) -> Result<(), RatingError> {
        let slices = rate(self.rulebook, entry)?;
        self.tally.entries += 1;
        self.control(entry, &slices)?;
        self.flows(entry)?;
        let origin = entry.is_late().then_some(entry.home);
        for slice in slices {
            let terms = self.terms(&slice);
            let rule = terms.rule.clone();
            self.rated_slice(&slice, terms, origin.is_some())?;
            details.push(Detail {
                entry: name(),
                occurred_at: entry.command.occurred_at.to_rfc3339(),
                member: entry.command.member.clone(),
                slice,
                rule,
                origin,
            });
        }
        Ok(())
    }

    fn terms(&self, slice: &RatedSlice) -> SplitTerms {
        match slice.reason {
            Reason::Repayment => SplitTerms::whole("repayment"),
            Reason::Redemption | Reason::Return => self
                .rulebook
                .split(&slice.cohort.funder, &slice.redeemer, slice.day)
                .map_or_else(|| SplitTerms::whole("whole"), SplitTerms::from),
        }
    }

    fn control(&mut self, entry: &Entry, slices: &[RatedSlice]) -> Result<(), OutOfRange> {
        let settled =
            || Money::sum(slices.iter().filter(|slice| slice.reason != Reason::Repayment).map(|slice| slice.amount));
        let points = entry.points()?;
        let (kind, points, amount) = match (&entry.outcome, &entry.command.action) {
            (Outcome::Issued { .. }, Action::Accrue { amount }) => (ControlKind::Accrual, points, *amount),
            (Outcome::Issued { .. }, _) => (ControlKind::Adjustment, points, Money::ZERO),
            (Outcome::Redeemed { .. }, _) => (ControlKind::Redemption, points, settled()?),
            (Outcome::Returned { .. }, _) => (ControlKind::Return, points.negated()?, settled()?),
            (Outcome::Withdrawn { amount, .. }, _) => (ControlKind::Withdrawal, points, *amount),
        };
        let control = self.tally.controls.entry((entry.command.line.clone(), kind)).or_default();
        control.events += 1;
        control.without_points += u64::from(kind == ControlKind::Accrual && points.is_zero());
        control.late += u64::from(entry.is_late());
        control.points.add(points)?;
        control.amount.add(amount)
    }

    fn flows(&mut self, entry: &Entry) -> Result<(), OutOfRange> {
        let line = &entry.command.line;
        match &entry.outcome {
            Outcome::Issued { slices, .. } => {
                let (kind, mut amount) = match &entry.command.action {
                    Action::Accrue { amount } => (FlowKind::Issued, *amount),
                    Action::Grant { .. } | Action::Redeem { .. } | Action::Reverse { .. } => {
                        (FlowKind::Granted, Money::ZERO)
                    }
                };
                for slice in slices {
                    self.flow(&slice.cohort, line, kind, slice.points, std::mem::take(&mut amount))?;
                }
            }
            Outcome::Withdrawn { amount, taken, owed, .. } => {
                let mut amount = *amount;
                let taken_back = match &entry.command.action {
                    Action::Reverse { kind: EntryKind::Adjustment, .. } => FlowKind::Revoked,
                    Action::Reverse { .. } | Action::Accrue { .. } | Action::Redeem { .. } | Action::Grant { .. } => {
                        FlowKind::Taken
                    }
                };
                let both = [(taken_back, taken), (FlowKind::Owed, owed)];
                for (kind, slices) in both {
                    for Slice { cohort, points } in slices {
                        self.flow(cohort, line, kind, *points, std::mem::take(&mut amount))?;
                    }
                }
            }
            // Their flows come from the rated slices.
            Outcome::Redeemed { .. } | Outcome::Returned { .. } => {}
        }
        Ok(())
    }

    fn flow(
        &mut self,
        cohort: &Cohort,
        counterparty: &LineId,
        kind: FlowKind,
        points: Points,
        amount: Money,
    ) -> Result<(), OutOfRange> {
        let key = FlowKey { cohort: cohort.clone(), counterparty: counterparty.clone(), kind };
        let flow = self.tally.flows.entry(key).or_default();
        flow.events += 1;
        flow.points.add(points)?;
        flow.amount.add(amount)
    }

    fn rated_slice(&mut self, slice: &RatedSlice, terms: SplitTerms, late: bool) -> Result<(), OutOfRange> {
        let kind = match slice.reason {
            Reason::Redemption => FlowKind::Redeemed,
            Reason::Return => FlowKind::Returned,
            Reason::Repayment => FlowKind::Repaid,
        };
        self.flow(&slice.cohort, &slice.redeemer, kind, slice.points, slice.amount)?;
        self.tally.details.events += 1;
        self.tally.details.points.add(slice.points)?;
        if !slice.crosses_lines() {
            return Ok(());
        }
        self.tally.details.amount.add(slice.amount)?;
        let key = ObligationKey { payer: slice.cohort.funder.clone(), redeemer: slice.redeemer.clone(), terms };
        let obligation = self.tally.obligations.entry(key).or_default();
        obligation.events += 1;
        obligation.points.add(slice.points)?;
        obligation.amount.add(slice.amount)?;
        if late {
            obligation.prior_period.add(slice.amount)?;
        }
        Ok(())
    }
}

impl Flow {
    fn merge(&mut self, other: &Flow) -> Result<(), OutOfRange> {
        count(&mut self.events, other.events)?;
        self.points.add(other.points)?;
        self.amount.add(other.amount)
    }
}

pub(crate) fn count(sum: &mut u64, more: u64) -> Result<(), OutOfRange> {
    *sum = sum.checked_add(more).ok_or(OutOfRange)?;
    Ok(())
}

impl Tally {
    pub fn merge(&mut self, other: &Tally) -> Result<(), OutOfRange> {
        count(&mut self.entries, other.entries)?;
        for (key, control) in &other.controls {
            let sum = self.controls.entry(key.clone()).or_default();
            count(&mut sum.events, control.events)?;
            count(&mut sum.without_points, control.without_points)?;
            count(&mut sum.late, control.late)?;
            sum.points.add(control.points)?;
            sum.amount.add(control.amount)?;
        }
        for (key, flow) in &other.flows {
            self.flows.entry(key.clone()).or_default().merge(flow)?;
        }
        for (key, obligation) in &other.obligations {
            let sum = self.obligations.entry(key.clone()).or_default();
            count(&mut sum.events, obligation.events)?;
            sum.points.add(obligation.points)?;
            sum.amount.add(obligation.amount)?;
            sum.prior_period.add(obligation.prior_period)?;
        }
        self.details.merge(&other.details)
    }
}

/// The tally as it is stored: rows instead of maps, in the maps' order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    entries: u64,
    controls: Vec<ControlRow>,
    flows: Vec<FlowRow>,
    obligations: Vec<ObligationRow>,
    details: Flow,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlRow {
    line: LineId,
    kind: ControlKind,
    control: Control,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowRow {
    cohort: Cohort,
    counterparty: LineId,
    kind: FlowKind,
    flow: Flow,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ObligationRow {
    payer: LineId,
    redeemer: LineId,
    terms: SplitTerms,
    obligation: Obligation,
}

impl Serialize for Tally {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let controls = self.controls.iter().map(|((line, kind), control)| ControlRow {
            line: line.clone(),
            kind: *kind,
            control: *control,
        });
        let flows = self.flows.iter().map(|(key, flow)| FlowRow {
            cohort: key.cohort.clone(),
            counterparty: key.counterparty.clone(),
            kind: key.kind,
            flow: *flow,
        });
        let obligations = self.obligations.iter().map(|(key, obligation)| ObligationRow {
            payer: key.payer.clone(),
            redeemer: key.redeemer.clone(),
            terms: key.terms.clone(),
            obligation: *obligation,
        });
        Stored {
            entries: self.entries,
            controls: controls.collect(),
            flows: flows.collect(),
            obligations: obligations.collect(),
            details: self.details,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Tally {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let controls = stored.controls.into_iter().map(|row| ((row.line, row.kind), row.control));
        let flows = stored
            .flows
            .into_iter()
            .map(|row| (FlowKey { cohort: row.cohort, counterparty: row.counterparty, kind: row.kind }, row.flow));
        let obligations = stored
            .obligations
            .into_iter()
            .map(|row| (ObligationKey { payer: row.payer, redeemer: row.redeemer, terms: row.terms }, row.obligation));
        Ok(Tally {
            entries: stored.entries,
            controls: each_once(controls)?,
            flows: each_once(flows)?,
            obligations: each_once(obligations)?,
            details: stored.details,
        })
    }
}

/// A map has no place for a second row of one key, which would be lost.
fn each_once<K: Ord, V, E: serde::de::Error>(rows: impl Iterator<Item = (K, V)>) -> Result<BTreeMap<K, V>, E> {
    let mut map = BTreeMap::new();
    for (key, value) in rows {
        if map.insert(key, value).is_some() {
            return Err(E::custom("a row stands in the tally twice"));
        }
    }
    Ok(map)
}
