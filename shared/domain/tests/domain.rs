//! The rules of the programme, tested from outside: worked numbers, everything
//! that is refused, and what must hold for every history.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper may fail its test")]

#[path = "domain/accounts.rs"]
mod accounts;
#[path = "domain/changes.rs"]
mod changes;
#[path = "domain/golden.rs"]
mod golden;
#[path = "domain/histories.rs"]
mod histories;
#[path = "domain/moments.rs"]
mod moments;
#[path = "domain/periods.rs"]
mod periods;
#[path = "domain/quotes.rs"]
mod quotes;
#[path = "domain/refunds.rs"]
mod refunds;
#[path = "domain/refusals.rs"]
mod refusals;
#[path = "common/reverse.rs"]
mod reverse;
#[path = "domain/rulebooks.rs"]
mod rulebooks;
#[path = "domain/sales.rs"]
mod sales;
#[path = "domain/schemes.rs"]
mod schemes;
#[path = "domain/support.rs"]
mod support;
#[path = "domain/tallies.rs"]
mod tallies;
