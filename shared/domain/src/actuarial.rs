//! How many points will be redeemed, and what a cohort's contract liability is.

pub mod experience;
pub mod liability;
pub mod urr;
