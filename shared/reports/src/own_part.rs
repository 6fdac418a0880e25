//! What of a settlement concerns one line.

use interline_domain::close::netting::Payment;
use interline_domain::close::settlement::{Bilateral, LiabilityRow, Settlement};
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, OutOfRange, Points};
use std::collections::BTreeMap;

/// What concerns one line, and nothing else of the settlement.
pub struct OwnPart<'a> {
    pub line: &'a LineId,
    pub pairs: Vec<Pair<'a>>,
    /// With their places in the period's list, which number them.
    pub payments: Vec<(usize, &'a Payment)>,
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
    pub fn of(line: &'a LineId, settlement: &'a Settlement) -> Self {
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
        let payments = settlement.payments.iter().enumerate();
        Self {
            line,
            pairs: pairs.collect(),
            payments: payments.filter(|(_, payment)| payment.payer == *line || payment.payee == *line).collect(),
            liability: settlement.liability.iter().filter(|row| row.cohort.scheme == *line).collect(),
        }
    }

    pub fn payable(&self) -> Result<Money, OutOfRange> {
        Money::sum(self.pairs.iter().map(|pair| pair.payable.amount))
    }

    pub fn receivable(&self) -> Result<Money, OutOfRange> {
        Money::sum(self.pairs.iter().map(|pair| pair.receivable.amount))
    }
}
