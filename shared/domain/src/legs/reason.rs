//! Why money is owed: one table from which words, split and the flows of claims come.

use super::FlowKind;
use crate::terms::rulebook::Product;
use crate::terms::split::SplitTerms;
use serde::{Deserialize, Serialize};

/// Why claims were honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    Redemption,
    /// A redemption given back: points and amounts are negative.
    Return,
    /// Points of one line paid a member's debt to another.
    Repayment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub reason: Reason,
    pub word: &'static str,
    /// Whether beneficiaries beside the redeemer have a share.
    pub is_split: bool,
    /// How it moves the cohort.
    pub flow: FlowKind,
    /// What the redeeming line's own share pays for, to the tax office; nothing: it is no supply.
    pub supply: Option<Product>,
}

pub const REASONS: [Row; 3] = [
    Row {
        reason: Reason::Redemption,
        word: "redemption",
        is_split: true,
        flow: FlowKind::Redeemed,
        supply: Some(Product::Redemption),
    },
    Row {
        reason: Reason::Return,
        word: "return",
        is_split: true,
        flow: FlowKind::Returned,
        supply: Some(Product::Redemption),
    },
    Row { reason: Reason::Repayment, word: "repayment", is_split: false, flow: FlowKind::Repaid, supply: None },
];

const _: () = {
    let mut at = 0;
    while at < REASONS.len() {
        assert!(REASONS[at].reason as usize == at, "the table is in the order of its reasons");
        at += 1;
    }
};

impl Reason {
    pub const fn row(self) -> &'static Row {
        &REASONS[self as usize]
    }

    pub const fn word(self) -> &'static str {
        self.row().word
    }

    /// What the redeeming line's own share is billed as.
    pub fn supply(self) -> Product {
        self.row().supply.unwrap_or(Product::Repayment)
    }

    /// What reports call the rule by which it is split: that of the terms, `whole` without
    /// any, or the reason's own word where it is never split.
    pub fn rule_word(self, terms: Option<&SplitTerms>) -> &str {
        match terms {
            Some(terms) => &terms.rule,
            None if self.row().is_split => "whole",
            None => self.word(),
        }
    }
}
