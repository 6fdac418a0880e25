//! The tally: one shard of a period folded into small ordered maps of integers.
//! Merging is associative and commutative, so shards may come in any order.

use crate::claims::lot::Cohort;
use crate::events::Entry;
use crate::legs::{ClaimsLeg, ControlKind, FlowKind, Leg, OwedLeg, RatingError, Reason};
use crate::terms::rulebook::Rulebook;
use crate::terms::split::SplitTerms;
use crate::units::calendar::Period;
use crate::units::id::{LineId, MemberId};
use crate::units::money::{Money, OutOfRange, Points};
use crate::units::shard::Shard;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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

/// What `payer` owes `redeemer` for one reason under one split rule, before the split.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObligationKey {
    pub payer: LineId,
    pub redeemer: LineId,
    pub reason: Reason,
    /// None: the redeemer takes all.
    pub terms: Option<SplitTerms>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Obligation {
    /// Slices.
    pub slices: u64,
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
    /// Entries that made a payer owe a redeemer, whatever for.
    pub pairs: BTreeMap<(LineId, LineId), u64>,
    /// Rows of the detail part, and the amounts of those that cross lines.
    pub details: Flow,
}

/// One row of the detail part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    pub entry: String,
    pub occurred_at: String,
    pub member: MemberId,
    pub slice: OwedLeg,
    pub rule: String,
    pub origin: Option<Period>,
}

#[derive(Debug, thiserror::Error)]
pub enum TallyError {
    #[error("entry {entry}: {source}")]
    Rating { entry: String, source: RatingError },
    #[error("entry {entry} of {period} stands in shard {shard} of {found}")]
    Misplaced { entry: String, period: Period, shard: Shard, found: String },
}

/// Folds the entries of one shard. The same for a trial and a final run.
pub struct Fold<'r> {
    rulebook: &'r Rulebook,
    period: Period,
    shard: Shard,
    tally: Tally,
    /// Of one entry; kept, so that its room is.
    legs: Vec<Leg>,
}

impl<'r> Fold<'r> {
    pub fn new(rulebook: &'r Rulebook, period: Period, shard: Shard) -> Self {
        Self { rulebook, period, shard, tally: Tally::default(), legs: Vec::new() }
    }

    pub fn finish(self) -> Tally {
        self.tally
    }

    pub fn add(&mut self, entry: &Entry, details: &mut Vec<Detail>) -> Result<(), TallyError> {
        let shard = self.shard.of().of(&entry.head.member);
        if entry.booked != self.period || shard != self.shard {
            let found = format!("{}#{}", self.period, self.shard);
            return Err(TallyError::Misplaced { entry: entry.name(), period: entry.booked, shard, found });
        }
        self.rated(entry, details).map_err(|source| TallyError::Rating { entry: entry.name(), source })
    }

    fn rated(&mut self, entry: &Entry, details: &mut Vec<Detail>) -> Result<(), RatingError> {
        let mut legs = std::mem::take(&mut self.legs);
        legs.clear();
        entry.event.legs(&entry.head, self.rulebook, &mut legs)?;
        count(&mut self.tally.entries, 1)?;
        self.control(entry, &legs)?;
        self.pairs(&legs)?;
        let origin = entry.is_late().then_some(entry.home);
        for leg in legs.drain(..) {
            match leg {
                Leg::Claims(ClaimsLeg { cohort, with, flow, points, amount }) => {
                    self.flow(FlowKey { cohort, counterparty: with, kind: flow }, points, amount)?;
                }
                Leg::Owed(slice) => {
                    let terms = self.terms(&slice);
                    let rule = slice.reason.rule_word(terms.as_ref()).to_owned();
                    self.owed(&slice, terms, origin.is_some())?;
                    details.push(Detail {
                        entry: entry.name(),
                        occurred_at: entry.head.occurred_at.to_rfc3339(),
                        member: entry.head.member.clone(),
                        slice,
                        rule,
                        origin,
                    });
                }
            }
        }
        self.legs = legs;
        Ok(())
    }

    fn terms(&self, slice: &OwedLeg) -> Option<SplitTerms> {
        let split = || self.rulebook.split(&slice.cohort.funder, &slice.redeemer, slice.day);
        slice.reason.row().is_split.then(split).flatten().map(SplitTerms::from)
    }

    /// Counts the entry once for each pair of lines, however many slices it has.
    fn pairs(&mut self, legs: &[Leg]) -> Result<(), OutOfRange> {
        let crossing = legs.iter().filter_map(|leg| match leg {
            Leg::Owed(owed) if owed.crosses_lines() => Some((&owed.cohort.funder, &owed.redeemer)),
            Leg::Owed(_) | Leg::Claims(_) => None,
        });
        let pairs: BTreeSet<(&LineId, &LineId)> = crossing.collect();
        pairs.into_iter().try_for_each(|(payer, redeemer)| {
            count(self.tally.pairs.entry((payer.clone(), redeemer.clone())).or_default(), 1)
        })
    }

    /// Counted from what the entry says of itself, so that they check what its legs say;
    /// only what is owed for claims, which the entry does not know, is the legs'.
    fn control(&mut self, entry: &Entry, legs: &[Leg]) -> Result<(), OutOfRange> {
        let kind = entry.event.control();
        let points = entry.event.points()?;
        let settled = legs.iter().filter_map(|leg| match leg {
            Leg::Owed(owed) => match owed.reason {
                Reason::Redemption | Reason::Return => Some(owed.amount),
                Reason::Repayment => None,
            },
            Leg::Claims(_) => None,
        });
        let (points, amount) = match kind {
            ControlKind::Accrual | ControlKind::Withdrawal => (points, entry.event.consideration()),
            ControlKind::Adjustment => (points, Money::ZERO),
            ControlKind::Redemption => (points, Money::sum(settled)?),
            ControlKind::Return => (points.negated()?, Money::sum(settled)?),
        };
        let control = self.tally.controls.entry((entry.head.line.clone(), kind)).or_default();
        count(&mut control.events, 1)?;
        count(&mut control.without_points, u64::from(kind == ControlKind::Accrual && points.is_zero()))?;
        count(&mut control.late, u64::from(entry.is_late()))?;
        control.points.add(points)?;
        control.amount.add(amount)
    }

    fn flow(&mut self, key: FlowKey, points: Points, amount: Money) -> Result<(), OutOfRange> {
        let flow = self.tally.flows.entry(key).or_default();
        count(&mut flow.events, 1)?;
        flow.points.add(points)?;
        flow.amount.add(amount)
    }

    fn owed(&mut self, slice: &OwedLeg, terms: Option<SplitTerms>, late: bool) -> Result<(), OutOfRange> {
        let (cohort, counterparty) = (slice.cohort.clone(), slice.redeemer.clone());
        self.flow(FlowKey { cohort, counterparty, kind: slice.reason.row().flow }, slice.points, slice.amount)?;
        count(&mut self.tally.details.events, 1)?;
        self.tally.details.points.add(slice.points)?;
        if !slice.crosses_lines() {
            return Ok(());
        }
        self.tally.details.amount.add(slice.amount)?;
        let (payer, redeemer) = (slice.cohort.funder.clone(), slice.redeemer.clone());
        let key = ObligationKey { payer, redeemer, reason: slice.reason, terms };
        let obligation = self.tally.obligations.entry(key).or_default();
        count(&mut obligation.slices, 1)?;
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

impl Obligation {
    pub(crate) fn merge(&mut self, other: &Obligation) -> Result<(), OutOfRange> {
        count(&mut self.slices, other.slices)?;
        self.points.add(other.points)?;
        self.amount.add(other.amount)?;
        self.prior_period.add(other.prior_period)
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
            self.obligations.entry(key.clone()).or_default().merge(obligation)?;
        }
        for (pair, entries) in &other.pairs {
            count(self.pairs.entry(pair.clone()).or_default(), *entries)?;
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
    pairs: Vec<PairRow>,
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
    reason: Reason,
    terms: Option<SplitTerms>,
    obligation: Obligation,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PairRow {
    payer: LineId,
    redeemer: LineId,
    entries: u64,
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
            reason: key.reason,
            terms: key.terms.clone(),
            obligation: *obligation,
        });
        let pairs = self.pairs.iter().map(|((payer, redeemer), entries)| PairRow {
            payer: payer.clone(),
            redeemer: redeemer.clone(),
            entries: *entries,
        });
        Stored {
            entries: self.entries,
            controls: controls.collect(),
            flows: flows.collect(),
            obligations: obligations.collect(),
            pairs: pairs.collect(),
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
        let obligations = stored.obligations.into_iter().map(|row| {
            let ObligationRow { payer, redeemer, reason, terms, obligation } = row;
            (ObligationKey { payer, redeemer, reason, terms }, obligation)
        });
        let pairs = stored.pairs.into_iter().map(|row| ((row.payer, row.redeemer), row.entries));
        Ok(Tally {
            entries: stored.entries,
            controls: each_once(controls)?,
            flows: each_once(flows)?,
            obligations: each_once(obligations)?,
            pairs: each_once(pairs)?,
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
