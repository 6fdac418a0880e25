//! The books for points: what sales brought in for points that are still to be redeemed (the
//! contract liability), what points given without a sale will cost (a provision), and when
//! either is released, by cause.
//!
//! The rules are those of IFRS 15 B39-B47 (customer options for additional goods or services;
//! unexercised rights) with Example 52, ASC 606-10-55-41 to 55-49, and CAS 14 (2017) articles 35
//! and 39; for points nobody paid for, IAS 37 and CAS 13. In short: each sale's price is shared
//! between the goods and the points by their stand-alone selling prices; the points' share waits as
//! a liability and is released in proportion to the redemptions so far among the redemptions
//! expected in all, so that what will never be redeemed (breakage) is earned along with what is.
//!
//! Amounts are net of VAT, in millionths of minor units until they are booked.

mod booking;
mod cohort;
mod release;
mod sale;
mod sensitivity;
mod sponsored;

pub use booking::Kept;
pub use cohort::{ClawBack, Closing, CohortLiability, Columns, LineRelease, Movement, ProvisionRow, RollForward};
pub use release::Phase;
pub use sale::{Price, Sale, Standing as SaleStanding, Valuation, Valued, Withdrawn, sale_share, stand_alone_value};
pub use sponsored::{GroupSale, RunOff, Sponsored};

use crate::units::money::{Money, OutOfRange};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LiabilityError {
    #[error("the roll-forward closes at {} minor units, its movements at {}", .found.minor(), .computed.minor())]
    Untied { found: Money, computed: Money },
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}
