//! The steps of a close, in the order of the state machine.

use crate::output::warn;
use futures::stream::{self, StreamExt, TryStreamExt};
use interline_cutoff::{Close, Event, Failed, Started};
use interline_lambda::{App, Failure, ShardTask};
use interline_settle::Done;

/// Shards tallied and proven at once.
const SHARDS_AT_ONCE: usize = 4;

/// Runs cutoff, tally and prove for every shard, and settle. Each step may be repeated, so
/// a close that was broken off is simply run again. A failure is noted on the
/// period.
pub async fn close(app: &App, close: Close, progress: &(dyn Fn(u16) + Sync)) -> Result<Done, Failure> {
    let asked_for = close.period.zip(close.run.clone());
    let (named, done) = match interline_cutoff::handle(app, close).await {
        Ok(started) => (Some((started.period, started.run.clone())), steps(app, started, progress).await),
        Err(failure) => (asked_for, Err(failure)),
    };
    if let (Some((period, run)), Err(failure)) = (named, &done) {
        let failed = Failed { period, run, failed: failure.to_string() };
        // What went wrong first is what the caller must hear of.
        if let Err(error) = interline_cutoff::handle_event(app, Event::Failed(failed)).await {
            warn(format!("the failure could not be noted: {error}"));
        }
    }
    done
}

async fn steps(app: &App, started: Started, progress: &(dyn Fn(u16) + Sync)) -> Result<Done, Failure> {
    let Started { period, kind, run, rulebook, shards, together, judgement } = started;
    stream::iter(shards)
        .map(|shard| {
            let task = ShardTask { period, run: run.clone(), rulebook: rulebook.clone(), shard, together };
            async move {
                interline_tally::handle(app, task.clone()).await?;
                interline_prove::handle(app, task).await?;
                (shard..shard.saturating_add(together)).for_each(progress);
                Ok::<_, Failure>(())
            }
        })
        .buffer_unordered(SHARDS_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let task = interline_settle::Task { period, kind, run: run.clone(), rulebook: rulebook.clone(), judgement };
    interline_settle::handle(app, task).await
}
