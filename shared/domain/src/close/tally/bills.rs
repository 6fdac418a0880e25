//! Orders that points paid for in part, and whether their sales were reported net of that.

use crate::events::Entry;
use crate::legs::Paid;
use crate::units::id::LineId;
use crate::units::money::{Money, OutOfRange};
use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

/// So many of them are named.
const NAMED: usize = 5;

/// Sales that are more than what was left of their bill.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrossSales {
    pub count: u64,
    /// The first of their references.
    pub named: BTreeSet<String>,
}

impl GrossSales {
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), OutOfRange> {
        self.count = self.count.checked_add(other.count).ok_or(OutOfRange)?;
        self.name(other.named.iter().cloned());
        Ok(())
    }

    fn name(&mut self, references: impl IntoIterator<Item = String>) {
        self.named.extend(references);
        while self.named.len() > NAMED {
            self.named.pop_last();
        }
    }
}

struct PaidOrder {
    order: u64,
    line: LineId,
    reference: String,
    paid: Paid,
}

/// An order is of one member, so that its entries lie in one shard. Sales come before what was spent on them, and there are
/// many: of each its number is kept, and only of orders with a bill what they are called. Entries may come in any order.
#[derive(Default)]
pub(super) struct Bills {
    numbers: FixedState,
    sales: Vec<(u64, Money)>,
    paid: Vec<PaidOrder>,
}

impl Bills {
    /// The same for a sale and what was spent on it.
    fn order(&self, entry: &Entry) -> u64 {
        let head = &entry.head;
        self.numbers.hash_one((&head.line, &head.reference, &head.member, entry.scope))
    }

    pub(super) fn sold(&mut self, entry: &Entry, amount: Money) {
        self.sales.push((self.order(entry), amount));
    }

    pub(super) fn paid(&mut self, entry: &Entry, paid: Paid) {
        let (line, reference) = (entry.head.line.clone(), format!("{}{}", entry.head.reference, entry.scope));
        self.paid.push(PaidOrder { order: self.order(entry), line, reference, paid });
    }

    pub(super) fn finish(mut self) -> BTreeMap<LineId, GrossSales> {
        let mut lines: BTreeMap<LineId, GrossSales> = BTreeMap::new();
        if self.paid.is_empty() {
            return lines;
        }
        self.sales.sort_unstable();
        for PaidOrder { order, line, reference, paid: Paid { value, bill } } in self.paid {
            let at = self.sales.partition_point(|(sale, _)| *sale < order);
            let sale = self.sales.get(at).filter(|(sale, _)| *sale == order);
            if sale.is_some_and(|(_, amount)| amount.plus(value).is_ok_and(|all| all > bill)) {
                let of = lines.entry(line).or_default();
                of.count = of.count.saturating_add(1);
                of.name([reference]);
            }
        }
        lines
    }
}
