//! The rules of the programme. Everything here is a pure function of its
//! arguments: no I/O, no clock, no randomness, no environment.
//!
//! A handler reads an account, asks for a plan ([`events::plan`]) and commits it.
//! The month-end folds sealed shards ([`tally::Fold`]), merges the tallies and
//! settles them ([`settle::settle`]).

/// Which calculation this program carries out. It is raised by whatever changes a
/// figure that an earlier one would have computed.
pub const CALCULATION_EDITION: u32 = 1;

pub mod account;
pub mod allocate;
pub mod books;
pub mod calendar;
pub mod causes;
pub mod claims;
pub mod digest;
pub mod events;
pub mod id;
pub mod legs;
pub mod liability;
pub mod limits;
pub mod lot;
pub mod moment;
pub mod money;
pub mod netting;
pub mod pseudonym;
pub mod quote;
pub mod rulebook;
pub mod settle;
pub mod slices;
pub mod split;
pub mod tally;
pub mod urr;
pub mod vat;
