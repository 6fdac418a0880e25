//! The rules of the programme. Everything here is a pure function of its
//! arguments: no I/O, no clock, no randomness, no environment.
//!
//! A handler reads an account, asks for a plan ([`events::plan`]) and commits it.
//! The month-end folds sealed shards ([`close::tally::Fold`]), merges the tallies and
//! settles them ([`close::settle::settle`]).

#![deny(clippy::wildcard_enum_match_arm, reason = "what is new in an enum must be thought of everywhere")]

/// Which calculation this program carries out. It is raised by whatever changes a
/// figure that an earlier one would have computed.
pub const CALCULATION_EDITION: u32 = 1;

// From the ground up: each may use those before it, and none behind.
pub mod units;

pub mod claims;

pub mod actuarial;

pub mod terms;

pub mod legs;

pub mod events;

pub mod close;
