//! The contract liability for points: what sales have brought in for points that
//! are still to be redeemed, and when it becomes revenue.
//!
//! The rules are those of IFRS 15 B39-B47 (customer options for additional goods
//! or services; unexercised rights) with Example 52, ASC 606-10-55-41 to 55-49,
//! and CAS 14 (2017) articles 35 and 39. In short: the sale's price is shared
//! between the goods and the points by their stand-alone selling prices; the
//! points' share waits as a liability and is released in proportion to the
//! redemptions so far among the redemptions expected in all, so that what will
//! never be redeemed (breakage) is earned along with what is.
//!
//! Amounts are in minor units and net of VAT.

mod formula;
mod roll;

pub use formula::{
    Allocation, agent_revenue, allocate_price, expected_redemptions, recognised, remote_rate, stand_alone_value,
};
pub use roll::{Closing, CohortLiability, Movement, OtherLine, OtherLineRelease, RollForward};

use crate::units::money::{Money, OutOfRange, Points};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LiabilityError {
    #[error("{0} must not be negative")]
    Negative(&'static str),
    #[error("of {issued} points, {redeemed} are redeemed and {expired} expired: more than there are")]
    Overdrawn { issued: Points, redeemed: Points, expired: Points },
    #[error("{reversed} points are taken back of {issued}")]
    TakenBack { issued: Points, reversed: Points },
    #[error("the state says that {} minor units are recognised, its formula {}", .found.minor(), .computed.minor())]
    State { found: Money, computed: Money },
    #[error("the roll-forward closes at {} minor units, its movements at {}", .found.minor(), .computed.minor())]
    Untied { found: Money, computed: Money },
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

fn not_negative(amounts: &[(&'static str, i64)]) -> Result<(), LiabilityError> {
    match amounts.iter().find(|(_, amount)| *amount < 0) {
        Some((name, _)) => Err(LiabilityError::Negative(name)),
        None => Ok(()),
    }
}
