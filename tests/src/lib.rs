//! What the tests share: a programme on the embedded stack with a clock of its
//! own, builders of events, and readers of what a run leaves behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of tests fails the test")]

pub mod calls;
pub mod contract;
pub mod events;
pub mod faults;
pub mod functions;
pub mod measure;
pub mod month;
pub mod outage;
pub mod pack;
pub mod programme;
pub mod programs;
pub mod readers;
pub mod requests;
pub mod sim;

pub use events::{SHARDS, cny, csv, grant, member_of_shard, redemption, reversal, sale, shard, the_shard};
pub use pack::{Pack, Sheet};
pub use programme::{Programme, RULEBOOK, edited};
