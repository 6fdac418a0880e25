//! The settlement of one period: from the merged tally and the state of the
//! previous final run to positions, payments and the points roll-forward.

use crate::calendar::Period;
use crate::id::LineId;
use crate::lot::{Cohort, Expiry};
use crate::money::{Money, OutOfRange, Points, Rate};
use crate::netting::{Nets, Payment, nets, payments, residual, settled};
use crate::rulebook::{Beneficiary, Rulebook};
use crate::split::SplitTerms;
use crate::tally::{ControlKind, FlowKind, Obligation, ObligationKey, SetDigest, Tally};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    pub terms: SplitTerms,
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
    pub digest: SetDigest,
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
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub positions: Vec<Position>,
    pub bilateral: Vec<Bilateral>,
    pub splits: Vec<SplitRow>,
    pub payments: Vec<Payment>,
    pub issuance: Vec<Issuance>,
    pub roll_forward: Vec<RollForward>,
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
    /// Slices redeemed at the payee; none where it only has a share of others' redemptions.
    pub events: u64,
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

    /// How much of the gross need not be paid, in percent with two decimals.
    pub fn netting_efficiency(&self) -> Decimal {
        let (gross, settled) = (Decimal::from(self.gross.minor()), Decimal::from(self.settled.minor()));
        let saved = gross.checked_sub(settled).and_then(|saved| saved.checked_mul(Decimal::ONE_HUNDRED));
        let percent = saved.and_then(|saved| saved.checked_div(gross)).unwrap_or_default();
        percent.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
    }
}

pub fn settle(inputs: &Inputs<'_>) -> Result<Settlement, OutOfRange> {
    let tally = inputs.tally;
    let previous = inputs.previous.as_ref().map(|previous| previous.state);
    let (shares, bases) = shares(&tally.obligations, previous)?;
    let bilateral = bilateral(&shares)?;
    let nets = nets(bilateral.iter().map(|row| (&row.payer, &row.payee, row.amount)))?;
    let positions = positions(inputs.rulebook, &bilateral, &shares, &nets)?;
    let payments = payments(&nets, inputs.rulebook.netting, &inputs.rulebook.platform)?;
    let (roll_forward, cohorts) = roll_forward(inputs, previous)?;
    let state = State { period: inputs.period, cohorts, splits: bases, debts: debts(tally, previous)? };
    let mut settlement = Settlement {
        gross: Money::sum(bilateral.iter().map(|row| row.amount.abs()))?,
        settled: settled(&nets)?,
        positions,
        splits: shares.into_iter().map(|share| share.row).collect(),
        bilateral,
        payments,
        issuance: issuance(tally)?,
        roll_forward,
        checklist: Vec::new(),
        state,
    };
    settlement.checklist = checklist(inputs, &settlement, &nets)?;
    Ok(settlement)
}

/// A row of the split report with what the bilateral matrix needs of it.
struct Share {
    row: SplitRow,
    prior_period: Money,
    /// Slices and points, on the redeeming line's own share.
    events: u64,
    points: Points,
}

fn shares(
    obligations: &BTreeMap<ObligationKey, Obligation>,
    previous: Option<&State>,
) -> Result<(Vec<Share>, Vec<SplitBase>), OutOfRange> {
    let mut bases: BTreeMap<ObligationKey, (Money, Obligation)> = BTreeMap::new();
    for carried in previous.into_iter().flat_map(|state| &state.splits) {
        let key = ObligationKey {
            payer: carried.payer.clone(),
            redeemer: carried.redeemer.clone(),
            terms: carried.terms.clone(),
        };
        bases.entry(key).or_default().0 = carried.base;
    }
    for (key, obligation) in obligations {
        bases.entry(key.clone()).or_default().1 = *obligation;
    }
    let mut shares = Vec::new();
    let mut carried = Vec::new();
    for (ObligationKey { payer, redeemer, terms }, (before, obligation)) in bases {
        let after = before.plus(obligation.amount)?;
        if obligation.events > 0 {
            // What came late is shared out last, so that its part can be told apart.
            let in_time = after.minus(obligation.prior_period)?;
            let parts = terms.parts(before)?.into_iter().zip(terms.parts(in_time)?).zip(terms.parts(after)?);
            for (((paid, in_time), cumulative), (to, share)) in parts.zip(&terms.shares) {
                let (beneficiary, of_redeemer) = match to {
                    Beneficiary::Redeemer => (redeemer.clone(), true),
                    Beneficiary::Line(line) => (line.clone(), false),
                };
                let exact = i128::from(after.minor()).checked_mul(share.scaled()).ok_or(OutOfRange)?;
                let above = i128::from(cumulative.minor()).checked_mul(Rate::SCALE).ok_or(OutOfRange)? - exact;
                shares.push(Share {
                    row: SplitRow {
                        payer: payer.clone(),
                        redeemer: redeemer.clone(),
                        beneficiary,
                        rule: terms.rule.clone(),
                        share: *share,
                        base: obligation.amount,
                        amount: cumulative.minus(paid)?,
                        cumulative_base: after,
                        cumulative_amount: cumulative,
                        rounding: Decimal::try_from_i128_with_scale(above, crate::limits::RATE_SCALE + 2)
                            .map_err(|_| OutOfRange)?
                            .normalize(),
                    },
                    prior_period: cumulative.minus(in_time)?,
                    events: if of_redeemer { obligation.events } else { 0 },
                    points: if of_redeemer { obligation.points } else { Points::ZERO },
                });
            }
        }
        carried.push(SplitBase { payer, redeemer, terms, base: after });
    }
    Ok((shares, carried))
}

fn bilateral(shares: &[Share]) -> Result<Vec<Bilateral>, OutOfRange> {
    let mut pairs: BTreeMap<(&LineId, &LineId), Bilateral> = BTreeMap::new();
    // A line that has a share of what it pays itself owes itself nothing.
    for share in shares.iter().filter(|share| share.row.payer != share.row.beneficiary) {
        let pair = pairs.entry((&share.row.payer, &share.row.beneficiary)).or_insert_with(|| Bilateral {
            payer: share.row.payer.clone(),
            payee: share.row.beneficiary.clone(),
            events: 0,
            points: Points::ZERO,
            amount: Money::ZERO,
            prior_period: Money::ZERO,
            net: Money::ZERO,
        });
        pair.events += share.events;
        pair.points.add(share.points)?;
        pair.amount.add(share.row.amount)?;
        pair.prior_period.add(share.prior_period)?;
    }
    let amounts: BTreeMap<(LineId, LineId), Money> =
        pairs.values().map(|pair| ((pair.payer.clone(), pair.payee.clone()), pair.amount)).collect();
    let mut rows: Vec<Bilateral> = pairs.into_values().collect();
    for row in &mut rows {
        let back = amounts.get(&(row.payee.clone(), row.payer.clone())).copied().unwrap_or_default();
        row.net = row.amount.minus(back)?;
    }
    Ok(rows)
}

fn positions(
    rulebook: &Rulebook,
    bilateral: &[Bilateral],
    shares: &[Share],
    nets: &Nets,
) -> Result<Vec<Position>, OutOfRange> {
    let mut positions = Vec::new();
    for line in &rulebook.lines {
        let line = &line.id;
        let pays = || bilateral.iter().filter(|row| row.payer == *line);
        let receives = || bilateral.iter().filter(|row| row.payee == *line);
        let fees = shares.iter().map(|share| &share.row).filter(|row| {
            row.payer == *line
                && row.beneficiary == rulebook.platform
                && row.redeemer != rulebook.platform
                && row.payer != rulebook.platform
        });
        let prior = Money::sum(receives().map(|row| row.prior_period))?;
        positions.push(Position {
            line: line.clone(),
            gross_payable: Money::sum(pays().map(|row| row.amount))?,
            gross_receivable: Money::sum(receives().map(|row| row.amount))?,
            platform_fee: Money::sum(fees.map(|row| row.amount))?,
            prior_period: prior.minus(Money::sum(pays().map(|row| row.prior_period))?)?,
            net: nets.get(line).copied().unwrap_or_default(),
        });
    }
    Ok(positions)
}

fn issuance(tally: &Tally) -> Result<Vec<Issuance>, OutOfRange> {
    let mut rows: BTreeMap<(LineId, Period, LineId, FlowKind), Issuance> = BTreeMap::new();
    for (key, flow) in &tally.flows {
        if !matches!(key.kind, FlowKind::Issued | FlowKind::Granted) {
            continue;
        }
        let group = (key.cohort.funder.clone(), key.cohort.issued, key.counterparty.clone(), key.kind);
        let row = rows.entry(group).or_insert_with(|| Issuance {
            funder: key.cohort.funder.clone(),
            issue_month: key.cohort.issued,
            line: key.counterparty.clone(),
            kind: key.kind,
            events: 0,
            sales: Money::ZERO,
            points: Points::ZERO,
        });
        row.events += flow.events;
        row.sales.add(flow.amount)?;
        row.points.add(flow.points)?;
    }
    Ok(rows.into_values().collect())
}

fn roll_forward(
    inputs: &Inputs<'_>,
    previous: Option<&State>,
) -> Result<(Vec<RollForward>, Vec<CohortBalance>), OutOfRange> {
    let mut rows: BTreeMap<Cohort, RollForward> = BTreeMap::new();
    let new = |cohort: &Cohort| RollForward {
        cohort: cohort.clone(),
        opening: Points::ZERO,
        issued: Points::ZERO,
        redeemed_own: Points::ZERO,
        redeemed_other: Points::ZERO,
        expired: Points::ZERO,
        reversed: Points::ZERO,
        closing: Points::ZERO,
    };
    for balance in previous.into_iter().flat_map(|state| &state.cohorts) {
        rows.entry(balance.cohort.clone()).or_insert_with(|| new(&balance.cohort)).opening = balance.points;
    }
    for (key, flow) in &inputs.tally.flows {
        let row = rows.entry(key.cohort.clone()).or_insert_with(|| new(&key.cohort));
        match key.kind {
            FlowKind::Issued | FlowKind::Granted => row.issued.add(flow.points)?,
            FlowKind::Redeemed | FlowKind::Returned | FlowKind::Repaid => {
                if key.counterparty == key.cohort.funder {
                    row.redeemed_own.add(flow.points)?;
                } else {
                    row.redeemed_other.add(flow.points)?;
                }
            }
            FlowKind::Taken => row.reversed.add(flow.points)?,
            FlowKind::Owed => {}
        }
    }
    let last_day = inputs.period.last_day();
    let mut balances = Vec::new();
    for row in rows.values_mut() {
        let redeemed = row.redeemed_own.plus(row.redeemed_other)?;
        let outstanding = row.opening.plus(row.issued)?.minus(redeemed)?.minus(row.reversed)?;
        match row.cohort.expires {
            // What was given back to a cohort past its date expires again.
            Expiry::On(day) if day <= last_day => row.expired = outstanding,
            Expiry::On(_) | Expiry::Never => row.closing = outstanding,
        }
        if !row.closing.is_zero() {
            balances.push(CohortBalance { cohort: row.cohort.clone(), points: row.closing });
        }
    }
    let mut rows: Vec<RollForward> = rows.into_values().collect();
    rows.sort_by(|one, other| one.cohort.by_funder().cmp(&other.cohort.by_funder()));
    Ok((rows, balances))
}

fn debts(tally: &Tally, previous: Option<&State>) -> Result<Vec<Debt>, OutOfRange> {
    let mut debts: BTreeMap<LineId, Points> = BTreeMap::new();
    for debt in previous.into_iter().flat_map(|state| &state.debts) {
        debts.entry(debt.creditor.clone()).or_default().add(debt.points)?;
    }
    for (key, flow) in &tally.flows {
        match key.kind {
            FlowKind::Owed => debts.entry(key.cohort.funder.clone()).or_default().add(flow.points)?,
            FlowKind::Repaid => debts.entry(key.counterparty.clone()).or_default().add(flow.points.negated()?)?,
            FlowKind::Issued | FlowKind::Granted | FlowKind::Redeemed | FlowKind::Returned | FlowKind::Taken => {}
        }
    }
    let open = debts.into_iter().filter(|(_, points)| !points.is_zero());
    Ok(open.map(|(creditor, points)| Debt { creditor, points }).collect())
}

fn checklist(inputs: &Inputs<'_>, settlement: &Settlement, nets: &Nets) -> Result<Vec<Check>, OutOfRange> {
    let tally = inputs.tally;
    let mut checks = Checks(Vec::new());
    checks.equal("all shards are read", usize::from(crate::limits::SHARDS), inputs.shards.len());
    if let Some(sealed) = inputs.sealed {
        checks.equal("all shards are sealed", usize::from(crate::limits::SHARDS), sealed);
    }
    if let Some(previous) = &inputs.previous {
        checks.equal("the previous period is the one before", inputs.period.previous(), previous.state.period);
        let recorded: BTreeSet<String> = previous.recorded.iter().map(ShardDigest::text).collect();
        let found: BTreeSet<String> = previous.found.iter().map(ShardDigest::text).collect();
        let unchanged = recorded.intersection(&found).count();
        checks.equal("sealed shards of the previous period are unchanged", recorded.len().max(found.len()), unchanged);
    }
    let entries: u64 = tally.controls.values().map(|control| control.events).sum();
    checks.equal("every entry is in a control total", tally.entries, entries);

    let splits = || settlement.splits.iter();
    let between: Money = Money::sum(splits().filter(|row| row.payer != row.beneficiary).map(|row| row.amount))?;
    checks.equal(
        "details = obligations before the split",
        tally.details.amount,
        Money::sum(tally.obligations.values().map(|obligation| obligation.amount))?,
    );
    checks.equal(
        "splits = obligations before the split",
        tally.details.amount,
        Money::sum(splits().map(|row| row.amount))?,
    );
    checks.equal(
        "bilateral = splits between lines",
        between,
        Money::sum(settlement.bilateral.iter().map(|row| row.amount))?,
    );
    let off = splits().filter(|row| row.rounding.abs() >= Decimal::new(1, 2)).count();
    checks.equal("shares a whole minor unit off", 0, off);
    checks.equal("net positions sum to zero", Money::ZERO, Money::sum(settlement.positions.iter().map(|row| row.net))?);
    let open = residual(nets, &settlement.payments)?.values().filter(|net| !net.is_zero()).count();
    checks.equal("nets left after payment", 0, open);

    let control = |kind: ControlKind| {
        Points::sum(tally.controls.iter().filter(|((_, of), _)| *of == kind).map(|(_, control)| control.points))
    };
    let flow = |kinds: &[FlowKind]| {
        Points::sum(tally.flows.iter().filter(|(key, _)| kinds.contains(&key.kind)).map(|(_, flow)| flow.points))
    };
    let rows = || settlement.roll_forward.iter();
    let issued = control(ControlKind::Accrual)?.plus(control(ControlKind::Adjustment)?)?;
    checks.equal("points issued = accruals and adjustments", issued, Points::sum(rows().map(|row| row.issued))?);
    let redeemed = control(ControlKind::Redemption)?.plus(control(ControlKind::Return)?)?;
    let rolled =
        Points::sum(rows().map(|row| row.redeemed_own))?.plus(Points::sum(rows().map(|row| row.redeemed_other))?)?;
    checks.equal(
        "points redeemed = redemptions, returns and repaid debts",
        redeemed.plus(flow(&[FlowKind::Repaid])?)?,
        rolled,
    );
    checks.equal(
        "points withdrawn = taken and owed",
        control(ControlKind::Withdrawal)?,
        flow(&[FlowKind::Taken, FlowKind::Owed])?,
    );
    let opening = Points::sum(rows().map(|row| row.opening))?;
    let moved = issued.minus(rolled)?.minus(flow(&[FlowKind::Taken])?)?;
    let expired = Points::sum(rows().map(|row| row.expired))?;
    let closing = Points::sum(rows().map(|row| row.closing))?;
    checks.equal("points opening + movements = closing", opening.plus(moved)?.minus(expired)?, closing);
    checks.equal("cohorts below zero", 0, rows().filter(|row| row.closing.is_negative()).count());
    Ok(checks.0)
}

impl ShardDigest {
    fn text(&self) -> String {
        format!("{}:{}:{}", self.shard, self.entries, self.digest)
    }
}

struct Checks(Vec<Check>);

impl Checks {
    fn equal<T: PartialEq + ToString>(&mut self, check: &str, expected: T, actual: T) {
        let pass = expected == actual;
        self.0.push(Check {
            check: check.to_owned(),
            expected: expected.to_string(),
            actual: actual.to_string(),
            pass,
        });
    }
}
