//! The ports' contract, and the programme under every fault that a seed thinks of.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of tests fails the test")]

mod attempts;
mod contract;
mod cutoff;
mod faults;
mod hooks;
mod ledger;
mod schedules;
mod together;
