//! The steps of a close, in the order of the state machine.

use futures::stream::{self, StreamExt, TryStreamExt};
use interline_cutoff::{Close, Started};
use interline_lambda::{App, Failure};
use interline_settle::Done;

/// Shards tallied at once.
const SHARDS_AT_ONCE: usize = 4;

/// Runs cutoff, tally for every shard, and settle. Each step may be repeated, so
/// a close that was broken off is simply run again.
pub async fn close(app: &App, close: Close, progress: &(dyn Fn(u8) + Sync)) -> Result<Done, Failure> {
    let Started { period, kind, run, rulebook, shards } = interline_cutoff::handle(app, close).await?;
    stream::iter(shards)
        .map(|shard| {
            let task = interline_tally::Task { period, run: run.clone(), rulebook: rulebook.clone(), shard };
            async move {
                let done = interline_tally::handle(app, task).await?;
                progress(done.shard);
                Ok::<_, Failure>(())
            }
        })
        .buffer_unordered(SHARDS_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let task = interline_settle::Task { period, kind, run: run.clone(), rulebook: rulebook.clone() };
    interline_settle::handle(app, task).await
}
