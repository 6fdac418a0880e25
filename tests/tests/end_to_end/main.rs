//! The programme from end to end, on the embedded DynamoDB and S3.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod accounts;
mod clearing;
mod command_line;
mod crash;
mod faults;
mod full_disk;
mod import;
mod import_pace;
mod outages;
mod place;
mod protocol;
mod readers;
mod runtime_api;
mod secrets;
mod serve;
mod shards;
mod terms;
mod versions;
