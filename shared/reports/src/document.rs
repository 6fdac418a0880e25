//! The settlement as a document, and what it is compared with.
//!
//! `settlement.json` is the settlement of a run, complete: every row of every report, and
//! the state that the next run goes on from. `comparison.json` sets its figures beside
//! those of other closed months. In both, amounts are whole numbers of minor units of the
//! currency, points are whole numbers, and rates are decimals in quotation marks.

use crate::manifest::RunName;
use interline_domain::CALCULATION_EDITION;
use interline_domain::close::settlement::{Position, Settlement};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::currency::Currency;
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, OutOfRange, Points};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const SETTLEMENT: &str = "settlement.json";
pub const COMPARISON: &str = "comparison.json";
pub const SETTLEMENT_SCHEMA: &str = "interline.settlement.v2";
pub const COMPARISON_SCHEMA: &str = "interline.comparison.v1";

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
}

impl Figures {
    fn of(settlement: &Settlement) -> Result<Self, OutOfRange> {
        let period = settlement.state.period;
        let mut lines: BTreeMap<LineId, LineFigures> = BTreeMap::new();
        for Position { line, gross_payable, gross_receivable, platform_fee, net, .. } in &settlement.positions {
            let of = lines.entry(line.clone()).or_default();
            (of.gross_payable, of.gross_receivable) = (*gross_payable, *gross_receivable);
            (of.platform_fee, of.net) = (*platform_fee, *net);
        }
        for row in &settlement.roll_forward {
            let of = lines.entry(row.cohort.scheme.line()).or_default();
            of.issued.add(row.issued)?;
            of.redeemed.add(row.redeemed_own.plus(row.redeemed_other)?)?;
            of.expired.add(row.expired)?;
            of.reversed.add(row.reversed)?;
            of.outstanding.add(row.closing)?;
        }
        for (funder, row) in settlement.liability_by_funder()? {
            lines.entry(funder).or_default().liability = row.closing;
        }
        Ok(Self { from: period, to: period, gross: settlement.gross, settled: settlement.settled, lines })
    }

    /// With the months that follow: what moved is added up, what stands is the later's.
    fn and(mut self, later: &Self) -> Result<Self, OutOfRange> {
        self.to = later.to;
        self.gross.add(later.gross)?;
        self.settled.add(later.settled)?;
        for of in self.lines.values_mut() {
            (of.outstanding, of.liability) = (Points::ZERO, Money::ZERO);
        }
        for (line, now) in &later.lines {
            let of = self.lines.entry(line.clone()).or_default();
            let sums = [
                (&mut of.gross_payable, now.gross_payable),
                (&mut of.gross_receivable, now.gross_receivable),
                (&mut of.platform_fee, now.platform_fee),
                (&mut of.net, now.net),
            ];
            sums.into_iter().try_for_each(|(sum, now)| sum.add(now))?;
            let sums = [
                (&mut of.issued, now.issued),
                (&mut of.redeemed, now.redeemed),
                (&mut of.expired, now.expired),
                (&mut of.reversed, now.reversed),
            ];
            sums.into_iter().try_for_each(|(sum, now)| sum.add(now))?;
            (of.outstanding, of.liability) = (now.outstanding, now.liability);
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
        let this = Figures::of(settlement)?;
        let (month_before, until_then) = match before {
            Some(before) => (Some(before.this), Some(before.year_to_date)),
            None => (None, None),
        };
        let year_to_date = match until_then {
            Some(until_then) if until_then.from.year() == this.to.year() => until_then.and(&this)?,
            Some(_) | None => this.clone(),
        };
        Ok(Self {
            schema: COMPARISON_SCHEMA.to_owned(),
            programme: rulebook.name.clone(),
            currency: rulebook.currency,
            run: run.clone(),
            this,
            month_before,
            year_before: year_before.map(|before| before.this),
            year_to_date,
        })
    }
}
