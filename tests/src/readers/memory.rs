//! The programme on ports in memory.

use crate::sim::memory::{Memory, MemoryBucket};
use chrono::{DateTime, Utc};
use interline_lambda::App;
use interline_ledger::Ledger;
use interline_reports::bucket::Bucket;
use std::future::Future;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// Few lines, and every kind of rule.
pub const TERMS: &str = include_str!("terms.toml");

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

pub fn wait<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

pub fn moment(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
}

/// An empty programme with a rulebook at a moment.
pub fn programme(rulebook: &str, now: &str) -> App {
    programme_with(Arc::default(), rulebook, now)
}

pub fn programme_with(inbox: Arc<MemoryBucket>, rulebook: &str, now: &str) -> App {
    programme_on(inbox, Arc::default(), rulebook, now)
}

pub fn programme_on(inbox: Arc<MemoryBucket>, reports: Arc<MemoryBucket>, rulebook: &str, now: &str) -> App {
    let now = moment(now);
    let ledger = Ledger::on(Arc::new(Memory::default()));
    let reports = Bucket::on(reports, "reports");
    let app = App::new(ledger, reports, Bucket::on(inbox, "inbox"), Arc::new(move || now));
    wait(app.publish(rulebook)).expect("a rulebook");
    app
}
