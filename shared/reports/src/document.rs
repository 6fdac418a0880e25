//! The settlement as a document, and what it is compared with.
//!
//! `settlement.json` is the settlement of a run, complete: every row of every report, and
//! the state that the next run goes on from. `comparison.json` sets its figures beside
//! those of other closed months. In both, amounts are whole numbers of minor units of the
//! currency, points are whole numbers, and rates are decimals in quotation marks.

use crate::manifest::RunName;
use interline_domain::CALCULATION_EDITION;
use interline_domain::actuarial::liability::{ProvisionRow, RollForward};
use interline_domain::close::settlement::{Position, Settlement};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::allocate::largest_remainder;
use interline_domain::units::calendar::Period;
use interline_domain::units::currency::Currency;
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, OutOfRange, Points};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const SETTLEMENT: &str = "settlement.json";
pub const COMPARISON: &str = "comparison.json";
pub const SETTLEMENT_SCHEMA: &str = "interline.settlement.v3";
pub const COMPARISON_SCHEMA: &str = "interline.comparison.v2";

/// `S` is a [`Settlement`], borrowed to be written and owned when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document<S> {
    pub schema: String,
    pub programme: String,
    pub currency: Currency,
    pub period: Period,
    pub run: RunName,
    /// Of the calculation.
    pub edition: u32,
    #[serde(flatten)]
    pub settlement: S,
}

impl<'a> Document<&'a Settlement> {
    pub fn of(rulebook: &Rulebook, run: &RunName, settlement: &'a Settlement) -> Self {
        Self {
            schema: SETTLEMENT_SCHEMA.to_owned(),
            programme: rulebook.name.clone(),
            currency: rulebook.currency,
            period: settlement.state.period,
            run: run.clone(),
            edition: CALCULATION_EDITION,
            settlement,
        }
    }
}

/// A month beside other closed months.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    pub schema: String,
    pub programme: String,
    pub currency: Currency,
    pub run: RunName,
    pub this: Figures,
    /// The month before; none in the programme's first.
    pub month_before: Option<Figures>,
    /// The same month of the year before; none where the programme is younger.
    pub year_before: Option<Figures>,
    /// From January, or the programme's first month, on.
    pub year_to_date: Figures,
    /// The same months of the year before, as far as the programme goes back.
    pub year_to_date_before: Option<Figures>,
}

/// The figures of the months from one to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    pub from: Period,
    pub to: Period,
    /// What lines owed each other.
    pub gross: Money,
    /// What had to move.
    pub settled: Money,
    /// By line.
    pub lines: BTreeMap<LineId, LineFigures>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineFigures {
    pub gross_payable: Money,
    pub gross_receivable: Money,
    pub platform_fee: Money,
    pub net: Money,
    /// Points that the line funds.
    pub issued: Points,
    /// At the line itself and at others.
    pub redeemed: Points,
    pub expired: Points,
    /// Taken back with refunded sales.
    pub reversed: Points,
    /// At the end.
    pub outstanding: Points,
    /// Contract liability at the end.
    pub liability: Money,
    /// The roll-forwards of contract liability and provision, which it funds.
    pub contract: RollForward,
    pub provision: ProvisionRow,
    /// Of the contract liability, points issued before the first day of the year.
    pub of_opening: RollForward,
}

/// Months one after the other: what moved is added up, what stood first and stands last is kept.
macro_rules! followed {
    ($before:expr, $later:expr) => {{
        let (before, later) = ($before, $later);
        $before = before.plus(&later)?;
        ($before.opening, $before.closing) = (before.opening, later.closing);
    }};
}

impl LineFigures {
    /// The sum with another line of the same months.
    pub fn plus(mut self, other: &Self) -> Result<Self, OutOfRange> {
        self.moved(other)?;
        self.outstanding.add(other.outstanding)?;
        self.liability.add(other.liability)?;
        self.contract = self.contract.plus(&other.contract)?;
        self.provision = self.provision.plus(&other.provision)?;
        self.of_opening = self.of_opening.plus(&other.of_opening)?;
        Ok(self)
    }

    /// Points at the beginning.
    pub fn outstanding_before(&self) -> Result<Points, OutOfRange> {
        let gone = Points::sum([self.redeemed, self.expired, self.reversed])?;
        self.outstanding.minus(self.issued)?.plus(gone)
    }

    fn moved(&mut self, other: &Self) -> Result<(), OutOfRange> {
        let sums = [
            (&mut self.gross_payable, other.gross_payable),
            (&mut self.gross_receivable, other.gross_receivable),
            (&mut self.platform_fee, other.platform_fee),
            (&mut self.net, other.net),
        ];
        sums.into_iter().try_for_each(|(sum, other)| sum.add(other))?;
        let sums = [
            (&mut self.issued, other.issued),
            (&mut self.redeemed, other.redeemed),
            (&mut self.expired, other.expired),
            (&mut self.reversed, other.reversed),
        ];
        sums.into_iter().try_for_each(|(sum, other)| sum.add(other))
    }

    fn followed_by(&mut self, later: &Self) -> Result<(), OutOfRange> {
        self.moved(later)?;
        (self.outstanding, self.liability) = (later.outstanding, later.liability);
        followed!(self.contract, later.contract);
        followed!(self.provision, later.provision);
        followed!(self.of_opening, later.of_opening);
        Ok(())
    }
}

impl Figures {
    fn of(rulebook: &Rulebook, settlement: &Settlement) -> Result<Self, OutOfRange> {
        let period = settlement.state.period;
        let mut lines: BTreeMap<LineId, LineFigures> = BTreeMap::new();
        for Position { line, gross_payable, gross_receivable, platform_fee, net, .. } in &settlement.positions {
            let of = lines.entry(line.clone()).or_default();
            (of.gross_payable, of.gross_receivable) = (*gross_payable, *gross_receivable);
            (of.platform_fee, of.net) = (*platform_fee, *net);
        }
        for row in &settlement.roll_forward {
            // Points of several funders count for each in its share.
            let funding = rulebook.funding(&row.cohort.scheme, row.cohort.issued).shares;
            let weights: Vec<i128> = funding.iter().map(|(_, share)| share.scaled()).collect();
            let redeemed = row.redeemed_own.plus(row.redeemed_other)?;
            let columns = [row.issued, redeemed, row.expired, row.reversed, row.closing];
            for (at, points) in columns.into_iter().enumerate() {
                let parts = largest_remainder(points.get(), &weights)?;
                for ((line, _), part) in funding.iter().zip(parts) {
                    let of = lines.entry(line.clone()).or_default();
                    let sums =
                        [&mut of.issued, &mut of.redeemed, &mut of.expired, &mut of.reversed, &mut of.outstanding];
                    sums.into_iter().nth(at).map_or(Ok(()), |sum| sum.add(Points::new(part)))?;
                }
            }
        }
        let year = period.year();
        for row in &settlement.liability {
            let of = lines.entry(row.funder()).or_default();
            of.contract = of.contract.plus(&row.row)?;
            of.provision = of.provision.plus(&row.provision)?;
            if row.cohort.issued.year() < year {
                of.of_opening = of.of_opening.plus(&row.row)?;
            }
            of.liability = of.contract.closing;
        }
        Ok(Self { from: period, to: period, gross: settlement.gross, settled: settlement.settled, lines })
    }

    /// Of all lines.
    pub fn total(&self) -> Result<LineFigures, OutOfRange> {
        self.lines.values().try_fold(LineFigures::default(), |sum, line| sum.plus(line))
    }

    pub fn of_line(&self, line: &LineId) -> LineFigures {
        self.lines.get(line).copied().unwrap_or_default()
    }

    /// With the months that follow: what moved is added up, what stands is the later's.
    fn and(mut self, later: &Self) -> Result<Self, OutOfRange> {
        self.to = later.to;
        self.gross.add(later.gross)?;
        self.settled.add(later.settled)?;
        let nothing = LineFigures::default();
        for (line, of) in &mut self.lines {
            of.followed_by(later.lines.get(line).unwrap_or(&nothing))?;
        }
        for (line, now) in &later.lines {
            self.lines.entry(line.clone()).or_insert(*now);
        }
        Ok(self)
    }
}

impl Comparison {
    /// `before`: what stands beside the run of the month before; `year_before`: that of the
    /// same month of the year before.
    pub fn of(
        rulebook: &Rulebook,
        run: &RunName,
        settlement: &Settlement,
        before: Option<Self>,
        year_before: Option<Self>,
    ) -> Result<Self, OutOfRange> {
        let this = Figures::of(rulebook, settlement)?;
        let (month_before, until_then) = match before {
            Some(before) => (Some(before.this), Some(before.year_to_date)),
            None => (None, None),
        };
        let year_to_date = match until_then {
            Some(until_then) if until_then.from.year() == this.to.year() => until_then.and(&this)?,
            Some(_) | None => this.clone(),
        };
        let (year_before, year_to_date_before) = match year_before {
            Some(before) => (Some(before.this), Some(before.year_to_date)),
            None => (None, None),
        };
        Ok(Self {
            schema: COMPARISON_SCHEMA.to_owned(),
            programme: rulebook.name.clone(),
            currency: rulebook.currency,
            run: run.clone(),
            this,
            month_before,
            year_before,
            year_to_date,
            year_to_date_before,
        })
    }
}
