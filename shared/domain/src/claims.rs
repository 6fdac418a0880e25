//! What a member holds: lots, slices of them, the account.

pub mod account;
pub mod lot;
pub mod slices;
