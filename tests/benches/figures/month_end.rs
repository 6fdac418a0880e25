//! The close of months of growing size, by the functions' own programs over the
//! Lambda Runtime API: one warm process tallies the 64 shards one after the
//! other, so that its memory is the memory of the largest.

use crate::store::{Read, programme, query};
use crate::{Options, WHOLE};
use interline_domain::terms::rulebook::Rulebook;
use interline_tests::SHARDS;
use interline_tests::functions::Function;
use interline_tests::measure::{Report, peak_memory, processor_time, ratios};
use interline_tests::month::Month;
use interline_tests::programme::{Programme, RULEBOOK};
use serde_json::{Value, json};
use std::time::Instant;

const PART: &str = "month-end";
/// Shards at once: what the parameter ShardsAtOnce is set to where the account has room.
const AT_ONCE: usize = 32;

/// One close, in seconds and MB.
struct Close {
    cutoff: f64,
    /// Tallies, and proofs of accounts.
    shards: Vec<f64>,
    proofs: Vec<f64>,
    settle: f64,
    /// Of the processes of the four functions.
    processor: f64,
    first_shard_memory: f64,
    tally_memory: f64,
    settle_memory: f64,
    /// The bare query of all shards right after.
    floor: f64,
}

pub async fn measure(options: &Options, report: &mut Report) {
    let rulebook = Rulebook::parse(RULEBOOK).unwrap();
    for entries in options.sizes() {
        let runs = if entries >= 10_000_000 { 1 } else { options.runs };
        let folder = tempfile::tempdir_in(&options.folder).unwrap();
        let month = Month::new(&rulebook, entries, options.seed);
        let started = Instant::now();
        let programme = programme(&folder.path().join("store"), &month).await;
        report.add(PART, format!("{} entries, made and loaded", short(entries)), "s", vec![seconds(started)]);
        let mut closes = Vec::new();
        let mut reads = Vec::new();
        for run in 0..runs {
            // Trials are free to repeat; the last is the one that counts.
            let kind = if run + 1 < runs { "trial" } else { "final" };
            let (close, read) = close(&programme, &month, kind).await;
            closes.push(close);
            reads.push(read);
        }
        programme.world.close().await;
        add(report, entries, &closes, &reads);
    }
}

async fn close(programme: &Programme, month: &Month<'_>, kind: &str) -> (Close, Read) {
    let period = month.period;
    let mut cutoff = Function::start("cutoff", programme).await;
    let started = Instant::now();
    let run = cutoff.invoke(json!({ "period": period, "kind": kind })).await.unwrap();
    let cutoff_took = seconds(started);

    let mut tally = Function::start("tally", programme).await;
    let mut prove = Function::start("prove", programme).await;
    let (mut shards, mut proofs) = (Vec::new(), Vec::new());
    let mut entries = 0;
    let mut first_shard_memory = 0.0;
    for shard in 0..SHARDS {
        let task = json!({ "period": period, "run": run["run"], "rulebook": run["rulebook"], "shard": shard });
        let started = Instant::now();
        let done = tally.invoke(task.clone()).await.unwrap();
        shards.push(seconds(started));
        let started = Instant::now();
        assert_eq!(prove.invoke(task).await.unwrap()["differing"], 0, "accounts are what their entries give");
        proofs.push(seconds(started));
        entries += done["entries"].as_u64().unwrap();
        if shard == 0 {
            first_shard_memory = peak_memory(tally.id());
        }
    }
    assert_eq!(entries, month.entries, "every entry is tallied once");

    let mut settle = Function::start("settle", programme).await;
    let started = Instant::now();
    let task = json!({ "period": period, "kind": kind, "run": run["run"], "rulebook": run["rulebook"] });
    let done: Value = settle.invoke(task).await.unwrap();
    let settle_took = seconds(started);
    assert_eq!(done["entries"].as_u64(), Some(month.entries));
    assert_eq!(done["checks_passed"], true, "{done}");

    let started = Instant::now();
    let mut reads = Vec::new();
    for shard in 0..SHARDS {
        reads.push(query(&programme.embedded().dynamodb(), period, shard).await);
    }
    let floor = seconds(started);
    let read = Read {
        items: reads.iter().map(|read| read.items).sum(),
        pages: reads.iter().map(|read| read.pages).sum(),
        units: reads.iter().map(|read| read.units).sum(),
    };
    assert_eq!(read.items, month.entries);
    let close = Close {
        cutoff: cutoff_took,
        processor: [&cutoff, &tally, &prove, &settle].map(|function| processor_time(function.id())).iter().sum(),
        first_shard_memory,
        tally_memory: peak_memory(tally.id()),
        settle_memory: peak_memory(settle.id()),
        shards,
        proofs,
        settle: settle_took,
        floor,
    };
    (close, read)
}

fn add(report: &mut Report, entries: u64, closes: &[Close], reads: &[Read]) {
    let mut add = |what: &str, unit: &'static str, of: &dyn Fn(&Close) -> f64| {
        report.add(PART, format!("{} entries, {what}", short(entries)), unit, closes.iter().map(of).collect());
    };
    let tally = |close: &Close| close.shards.iter().sum::<f64>();
    let both = |close: &Close| close.shards.iter().zip(&close.proofs).map(|(tally, proof)| tally + proof).collect();
    let slowest = |close: &Close| {
        let both: Vec<f64> = both(close);
        both.into_iter().fold(0.0, f64::max)
    };
    add("64 shards one by one", "s", &tally);
    add("64 proofs one by one", "s", &|close| close.proofs.iter().sum());
    add("processor time of all functions", "s", &|close| close.processor);
    add("processor time per entry", "us", &|close| close.processor * 1e6 / entries as f64);
    add("slowest shard", "s", &slowest);
    add("settle", "s", &|close| close.settle);
    add("expected, 64 at once", "s", &|close| close.cutoff + slowest(close) + close.settle);
    add("expected, 32 at once (ShardsAtOnce)", "s", &|close| close.cutoff + in_turns(&both(close)) + close.settle);
    add("tally memory after one shard", "MB", &|close| close.first_shard_memory);
    add("tally memory after all", "MB", &|close| close.tally_memory);
    add("settle memory", "MB", &|close| close.settle_memory);
    let units = reads.iter().map(|read| read.units).collect();
    report.add(PART, format!("{} entries, read units", short(entries)), "RRU", units);
    let per_entry: Vec<f64> = reads.iter().map(|read| read.units / entries as f64).collect();
    // An entry of less than 400 bytes, and half a unit that is rounded up for every page.
    assert!(per_entry.iter().all(|units| *units < 0.12 + f64::from(SHARDS) / entries as f64), "{per_entry:?} a read");
    report.add(PART, format!("{} entries, read units per entry", short(entries)), "RRU", per_entry);
    let floors: Vec<f64> = closes.iter().map(|close| close.floor).collect();
    let tallies: Vec<f64> = closes.iter().map(tally).collect();
    let per_second = tallies.iter().map(|took| entries as f64 / took).collect();
    report.add(PART, format!("{} entries, tallied per second", short(entries)), "1/s", per_second);
    report.add(PART, format!("{} entries, tally to bare query", short(entries)), "x", ratios(&tallies, &floors));
}

/// How long the shards take when each goes to whichever function is free first.
fn in_turns(shards: &[f64]) -> f64 {
    let mut busy_until = vec![0.0_f64; AT_ONCE];
    for took in shards {
        let free = busy_until.iter_mut().min_by(|one, other| one.total_cmp(other)).unwrap();
        *free += took;
    }
    busy_until.into_iter().fold(0.0, f64::max)
}

fn seconds(started: Instant) -> f64 {
    started.elapsed().as_secs_f64()
}

pub fn short(entries: u64) -> String {
    match entries {
        1_000_000.. if entries.is_multiple_of(WHOLE) => format!("{} million", entries / 1_000_000),
        _ => interline_tests::measure::number(entries as f64),
    }
}
