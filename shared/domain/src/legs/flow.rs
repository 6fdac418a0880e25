//! How claims move, and what is counted of entries.

use serde::{Deserialize, Serialize};

/// How points of a cohort moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// What a control total counts, by what the entry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
