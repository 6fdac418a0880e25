//! A voucher and its lines.

use super::events::BooksEvent;
use crate::terms::rulebook::{Account, Dimension};
use crate::units::id::LineId;
use crate::units::money::{Money, OutOfRange};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A balanced voucher of one legal entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// The line whose legal entity posts it.
    pub entity: LineId,
    /// The kind of voucher in the accounting program.
    #[serde(default)]
    pub word: String,
    /// Counted for each entity, month and word.
    pub number: u32,
    /// The last day of the period; of a payment, its own.
    pub date: NaiveDate,
    pub event: BooksEvent,
    /// At least two.
    pub lines: Vec<VoucherLine>,
}

/// One line of a voucher. Of debit and credit exactly one is not zero; a negative one is red.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoucherLine {
    /// At most [`crate::units::limits::SUMMARY_MAX`] characters, in Chinese: period, event and counterparty.
    pub summary: String,
    /// What the account is for; its code and name are the rulebook's.
    pub role: Account,
    /// The account's code.
    pub account: String,
    /// The leaf's own name.
    pub account_name: String,
    /// Behind those of the accounts above it.
    #[serde(default)]
    pub full_name: String,
    /// In minor units.
    pub debit: Money,
    /// In minor units.
    pub credit: Money,
    /// The other line, for what consolidation eliminates.
    pub counterparty: Option<LineId>,
    /// What the account asks for, as far as there is a code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aux: BTreeMap<Dimension, String>,
}

impl Voucher {
    /// The number with its word, as accountants say it.
    pub fn title(&self) -> String {
        if self.word.is_empty() { self.number.to_string() } else { format!("{}-{}", self.word, self.number) }
    }

    /// Debits less credits; zero of every voucher.
    pub fn balance(&self) -> Result<Money, OutOfRange> {
        let amounts = self.lines.iter().map(VoucherLine::amount);
        Money::sum(amounts.collect::<Result<Vec<_>, _>>()?)
    }
}

impl VoucherLine {
    /// Debit less credit.
    pub fn amount(&self) -> Result<Money, OutOfRange> {
        self.debit.minus(self.credit)
    }

    pub fn is_red(&self) -> bool {
        self.debit.is_negative() || self.credit.is_negative()
    }
}

/// The line whose code stands for a dimension; none where there is no other line.
pub fn dimension_of<'a>(dimension: Dimension, entity: &'a LineId, with: Option<&'a LineId>) -> Option<&'a LineId> {
    if dimension.is_of_counterparty() { with } else { Some(entity) }
}
