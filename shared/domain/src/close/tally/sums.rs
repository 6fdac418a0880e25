//! What is added up of a month, and how it is stored.

use super::bills::GrossSales;
use crate::actuarial::liability::{Sponsored, Valued};
use crate::claims::lot::{Borne, Cohort};
use crate::legs::{ControlKind, FlowKind, Reason};
use crate::terms::split::{FundingTerms, SplitTerms};
use crate::units::calendar::Period;
use crate::units::id::{AwardId, LineId, SchemeId, TaxCode};
use crate::units::money::{Money, OutOfRange, Points, Rate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is added up for a key: of entries, or of slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    pub events: u64,
    /// Those booked later than their home period.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late: u64,
    pub points: Points,
    pub amount: Money,
    /// The amount of those that are late.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub prior_period: Money,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_nothing(amount: &Money) -> bool {
    amount.is_zero()
}

pub(crate) fn count(sum: &mut u64, more: u64) -> Result<(), OutOfRange> {
    *sum = sum.checked_add(more).ok_or(OutOfRange)?;
    Ok(())
}

impl Sum {
    /// Adds one more.
    pub(crate) fn add(&mut self, points: Points, amount: Money, late: bool) -> Result<(), OutOfRange> {
        count(&mut self.events, 1)?;
        self.points.add(points)?;
        self.amount.add(amount)?;
        if late {
            count(&mut self.late, 1)?;
            self.prior_period.add(amount)?;
        }
        Ok(())
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), OutOfRange> {
        count(&mut self.events, other.events)?;
        count(&mut self.late, other.late)?;
        self.points.add(other.points)?;
        self.amount.add(other.amount)?;
        self.prior_period.add(other.prior_period)
    }
}

pub type Sums<K> = BTreeMap<K, Sum>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowKey {
    pub cohort: Cohort,
    pub counterparty: LineId,
    pub kind: FlowKind,
}

/// What is owed to `redeemer` for claims of a scheme, for one reason under one split rule,
/// before it is shared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObligationKey {
    pub scheme: SchemeId,
    /// Who bears the cost.
    pub funding: FundingTerms,
    pub redeemer: LineId,
    pub reason: Reason,
    /// None: the redeemer takes all.
    pub terms: Option<SplitTerms>,
    /// The first month since which VAT on it has been what it was on the original's day.
    pub vat_from: Period,
    /// The original's month.
    pub origin: Period,
    /// How what points paid for is taxed, where the event says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<TaxCode>,
}

/// What a cohort's claims cost at another line than the payer, before they are shared among payers and the split.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "CostFile", from = "CostFile")]
pub struct CostKey {
    pub of: Borne,
    pub line: LineId,
    /// The line's own share.
    pub share: Rate,
    /// VAT that the payer deducts of it.
    pub deductible: Rate,
}

/// As it is stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CostFile {
    cohort: Cohort,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payer: Option<LineId>,
    line: LineId,
    share: Rate,
    deductible: Rate,
}

impl From<CostFile> for CostKey {
    fn from(file: CostFile) -> Self {
        let CostFile { cohort, payer, line, share, deductible } = file;
        Self { of: Borne::of(cohort, payer), line, share, deductible }
    }
}

impl From<CostKey> for CostFile {
    fn from(key: CostKey) -> Self {
        let (payer, CostKey { of, line, share, deductible }) = (key.of.other(), key);
        Self { cohort: of.cohort, payer, line, share, deductible }
    }
}

/// Points of a line that it honoured itself, where that is a deemed sale.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeemedKey {
    pub line: LineId,
    /// VAT of the original's month.
    pub rate: Rate,
    /// Of a point, in currency units.
    pub face_value: Rate,
}

/// What an award gave at a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwardKey {
    pub scheme: SchemeId,
    pub award: AwardId,
    pub line: LineId,
}

/// Sales that an award gave points for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwardSum {
    pub sales: Sum,
    /// Whose sales they were: each is of one shard.
    pub members: u64,
}

impl AwardSum {
    fn merge(&mut self, other: &Self) -> Result<(), OutOfRange> {
        self.sales.merge(&other.sales)?;
        count(&mut self.members, other.members)
    }
}

/// Sales of a line that were taxed alike, refunds deducted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SalesKey {
    pub line: LineId,
    pub kind: ControlKind,
    /// VAT of the original's month.
    pub rate: Rate,
    /// Whether the amounts contain it.
    pub inclusive: bool,
    /// By which it is taxed so; none: the line's own rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<TaxCode>,
}

/// Sales of a line by the days of a month: of their own time, whenever they were booked.
pub type SaleDays = BTreeMap<(LineId, Period), [u64; 31]>;

/// By the sponsor's part of a cohort and the seller.
pub type SponsoredSales = BTreeMap<Borne, BTreeMap<LineId, Sponsored>>;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    pub entries: u64,
    /// Entries, by their line and what they say of themselves.
    pub controls: Sums<(LineId, ControlKind)>,
    /// Sales too small to earn, by line; they are in the controls, too.
    pub unearned: Sums<LineId>,
    /// Sales and refunds by their tax.
    pub sales: Sums<SalesKey>,
    /// How many there were on each day.
    pub sale_days: SaleDays,
    /// Of orders that points paid for, too, those whose sale was reported with that.
    pub gross_sales: BTreeMap<LineId, GrossSales>,
    /// What sales and gifts are worth to their payers, and what reversals took back.
    pub valued: BTreeMap<Borne, Valued>,
    /// What sales are worth to the group beyond that, by the points of sponsors that they issued.
    pub sponsored: SponsoredSales,
    /// What awards gave.
    pub awarded: BTreeMap<AwardKey, AwardSum>,
    /// Slices at other lines than their payer's, in whole.
    pub costs: Sums<CostKey>,
    /// What paid members' debts, by creditor.
    pub repaid: BTreeMap<SchemeId, Points>,
    /// Slices at their funder's own line; what was returned is deducted.
    pub deemed: Sums<DeemedKey>,
    /// Slices.
    pub flows: Sums<FlowKey>,
    /// Slices.
    pub obligations: Sums<ObligationKey>,
    /// Entries that made a payer owe a redeemer, whatever for; nothing but their number.
    pub pairs: Sums<(LineId, LineId)>,
    /// Rows of the detail part, and the amounts of those that cross lines.
    pub details: Sum,
}

impl Tally {
    pub fn merge(&mut self, other: &Tally) -> Result<(), OutOfRange> {
        count(&mut self.entries, other.entries)?;
        merge(&mut self.controls, &other.controls)?;
        merge(&mut self.unearned, &other.unearned)?;
        merge(&mut self.sales, &other.sales)?;
        for (key, days) in &other.sale_days {
            let own = self.sale_days.entry(key.clone()).or_default();
            own.iter_mut().zip(days).try_for_each(|(own, more)| count(own, *more))?;
        }
        for (line, gross) in &other.gross_sales {
            self.gross_sales.entry(line.clone()).or_default().merge(gross)?;
        }
        for (cohort, valued) in &other.valued {
            self.valued.entry(cohort.clone()).or_default().merge(valued)?;
        }
        for (cohort, sellers) in &other.sponsored {
            let own = self.sponsored.entry(cohort.clone()).or_default();
            for (seller, sum) in sellers {
                own.entry(seller.clone()).or_default().merge(sum)?;
            }
        }
        for (key, sum) in &other.awarded {
            self.awarded.entry(key.clone()).or_default().merge(sum)?;
        }
        for (creditor, points) in &other.repaid {
            self.repaid.entry(creditor.clone()).or_default().add(*points)?;
        }
        merge(&mut self.costs, &other.costs)?;
        merge(&mut self.deemed, &other.deemed)?;
        merge(&mut self.flows, &other.flows)?;
        merge(&mut self.obligations, &other.obligations)?;
        merge(&mut self.pairs, &other.pairs)?;
        self.details.merge(&other.details)
    }
}

fn merge<K: Ord + Clone>(sums: &mut Sums<K>, others: &Sums<K>) -> Result<(), OutOfRange> {
    others.iter().try_for_each(|(key, sum)| sums.entry(key.clone()).or_default().merge(sum))
}

/// A sum as it is stored: rows instead of maps, in the maps' order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<K> {
    key: K,
    sum: Sum,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValuedRow {
    cohort: Cohort,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payer: Option<LineId>,
    valued: Valued,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DaysRow {
    line: LineId,
    month: Period,
    sales: [u64; 31],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SponsoredRow {
    cohort: Cohort,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payer: Option<LineId>,
    sellers: BTreeMap<LineId, Sponsored>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AwardRow {
    key: AwardKey,
    sum: AwardSum,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    entries: u64,
    controls: Vec<Row<(LineId, ControlKind)>>,
    unearned: Vec<Row<LineId>>,
    sales: Vec<Row<SalesKey>>,
    #[serde(default)]
    sale_days: Vec<DaysRow>,
    #[serde(default)]
    gross_sales: BTreeMap<LineId, GrossSales>,
    valued: Vec<ValuedRow>,
    #[serde(default)]
    sponsored: Vec<SponsoredRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    awarded: Vec<AwardRow>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    repaid: BTreeMap<SchemeId, Points>,
    costs: Vec<Row<CostKey>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    deemed: Vec<Row<DeemedKey>>,
    flows: Vec<Row<FlowKey>>,
    obligations: Vec<Row<ObligationKey>>,
    pairs: Vec<Row<(LineId, LineId)>>,
    details: Sum,
}

fn rows<K: Clone>(sums: &Sums<K>) -> Vec<Row<K>> {
    sums.iter().map(|(key, sum)| Row { key: key.clone(), sum: *sum }).collect()
}

/// A map has no place for a second row of one key, which would be lost.
fn each_once<K: Ord, E: serde::de::Error>(rows: Vec<Row<K>>) -> Result<Sums<K>, E> {
    let mut sums = Sums::new();
    for Row { key, sum } in rows {
        if sums.insert(key, sum).is_some() {
            return Err(E::custom("a row stands in the tally twice"));
        }
    }
    Ok(sums)
}

impl Serialize for Tally {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored {
            entries: self.entries,
            controls: rows(&self.controls),
            unearned: rows(&self.unearned),
            sales: rows(&self.sales),
            sale_days: self
                .sale_days
                .iter()
                .map(|((line, month), sales)| DaysRow { line: line.clone(), month: *month, sales: *sales })
                .collect(),
            gross_sales: self.gross_sales.clone(),
            valued: self
                .valued
                .iter()
                .map(|(of, valued)| ValuedRow { cohort: of.cohort.clone(), payer: of.other(), valued: *valued })
                .collect(),
            sponsored: self
                .sponsored
                .iter()
                .map(|(of, sellers)| SponsoredRow {
                    cohort: of.cohort.clone(),
                    payer: of.other(),
                    sellers: sellers.clone(),
                })
                .collect(),
            awarded: self.awarded.iter().map(|(key, sum)| AwardRow { key: key.clone(), sum: *sum }).collect(),
            repaid: self.repaid.clone(),
            costs: rows(&self.costs),
            deemed: rows(&self.deemed),
            flows: rows(&self.flows),
            obligations: rows(&self.obligations),
            pairs: rows(&self.pairs),
            details: self.details,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Tally {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let mut valued = BTreeMap::new();
        for row in stored.valued {
            if valued.insert(Borne::of(row.cohort, row.payer), row.valued).is_some() {
                return Err(serde::de::Error::custom("a cohort stands in the tally twice"));
            }
        }
        let mut sale_days = SaleDays::new();
        for DaysRow { line, month, sales } in stored.sale_days {
            if sale_days.insert((line, month), sales).is_some() {
                return Err(serde::de::Error::custom("a line's month stands in the tally twice"));
            }
        }
        let mut sponsored = BTreeMap::new();
        for row in stored.sponsored {
            if sponsored.insert(Borne::of(row.cohort, row.payer), row.sellers).is_some() {
                return Err(serde::de::Error::custom("a sponsor's cohort stands in the tally twice"));
            }
        }
        let mut awarded = BTreeMap::new();
        for AwardRow { key, sum } in stored.awarded {
            if awarded.insert(key, sum).is_some() {
                return Err(serde::de::Error::custom("an award stands in the tally twice"));
            }
        }
        Ok(Tally {
            entries: stored.entries,
            controls: each_once(stored.controls)?,
            unearned: each_once(stored.unearned)?,
            sales: each_once(stored.sales)?,
            sale_days,
            gross_sales: stored.gross_sales,
            valued,
            sponsored,
            awarded,
            repaid: stored.repaid,
            costs: each_once(stored.costs)?,
            deemed: each_once(stored.deemed)?,
            flows: each_once(stored.flows)?,
            obligations: each_once(stored.obligations)?,
            pairs: each_once(stored.pairs)?,
            details: stored.details,
        })
    }
}
