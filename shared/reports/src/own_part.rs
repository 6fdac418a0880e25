//! What of a settlement concerns one line.

use crate::about::About;
use interline_domain::close::orders::Order;
use interline_domain::close::settlement::{Bilateral, LiabilityRow, Settlement};
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, OutOfRange, Points};
use std::collections::BTreeMap;

/// What concerns one line, and nothing else of the settlement.
pub struct OwnPart<'a> {
    pub line: &'a LineId,
    pub pairs: Vec<Pair<'a>>,
    pub payments: Vec<Order<'a>>,
    /// Of payments too small to be made, signed as a net is.
    pub carried_before: Money,
    pub carried_after: Money,
    pub liability: Vec<&'a LiabilityRow>,
}

/// A line and one counterparty.
pub struct Pair<'a> {
    pub counterparty: &'a LineId,
    pub payable: Side,
    pub receivable: Side,
}

/// Amounts are in minor units; negative where returns exceed redemptions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Side {
    pub events: u64,
    pub points: Points,
    pub amount: Money,
    pub prior_period: Money,
}

impl Side {
    fn of(row: &Bilateral) -> Self {
        Self { events: row.events, points: row.points, amount: row.amount, prior_period: row.prior_period }
    }
}

impl<'a> OwnPart<'a> {
    pub fn of(about: &About<'a>, line: &'a LineId, settlement: &'a Settlement) -> Self {
        let mut pairs: BTreeMap<&LineId, (Side, Side)> = BTreeMap::new();
        for row in &settlement.bilateral {
            if row.payer == *line {
                pairs.entry(&row.payee).or_default().0 = Side::of(row);
            } else if row.payee == *line {
                pairs.entry(&row.payer).or_default().1 = Side::of(row);
            }
        }
        let pairs =
            pairs.into_iter().map(|(counterparty, (payable, receivable))| Pair { counterparty, payable, receivable });
        let concerns = |order: &Order<'_>| order.payment.payer == *line || order.payment.payee == *line;
        let payments = about.orders(&settlement.payments).into_iter().filter(concerns).collect();
        let position = settlement.positions.iter().find(|row| row.line == *line);
        let (carried_before, carried_after) =
            position.map(|row| (row.carried_before, row.carried_after)).unwrap_or_default();
        Self {
            line,
            pairs: pairs.collect(),
            payments,
            carried_before,
            carried_after,
            liability: settlement.liability.iter().filter(|row| row.funder() == *line).collect(),
        }
    }

    pub fn payable(&self) -> Result<Money, OutOfRange> {
        Money::sum(self.pairs.iter().map(|pair| pair.payable.amount))
    }

    pub fn receivable(&self) -> Result<Money, OutOfRange> {
        Money::sum(self.pairs.iter().map(|pair| pair.receivable.amount))
    }
}
