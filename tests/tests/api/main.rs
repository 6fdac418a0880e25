//! The HTTP functions behind the local gateway, as callers meet them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod contract;
mod currencies;
mod disclosure;
mod events;
mod identity;
mod lists;
mod payments;
mod periods;
mod problems;
mod quotes;
mod refusals;
mod retries;
mod routes;
mod served;
mod slow;
mod tidy;
mod times;
mod tour;
