//! Seeds of the simulator: CI runs a fixed set, a command as many as one likes.

use interline_tests::sim::{Clocks, Report, Scenario, run};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What CI runs, within a minute.
const SEEDS: std::ops::Range<u64> = 0..6;
const SEEDS_BEYOND: std::ops::Range<u64> = 24..27;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Three months, every fault, clocks that are wrong by at most 20 minutes.
fn within(seed: u64) -> Scenario {
    Scenario { seed, months: 3, calm: 3, clocks: Clocks::Within }
}

/// Two months, and closers whose clocks may be hours ahead.
fn beyond(seed: u64) -> Scenario {
    Scenario { seed, months: 2, calm: 2, clocks: Clocks::Beyond }
}

fn checked(test: &str, scenario: Scenario) -> Report {
    let seed = scenario.seed;
    run(scenario).unwrap_or_else(|error| {
        panic!("{error}\nagain: INTERLINE_SEED={seed} cargo test --workspace --test simulation {test} -- --nocapture")
    })
}

/// Runs seeds on all processors until `enough`; a run itself has one thread.
fn seeds(
    test: &str,
    scenario: fn(u64) -> Scenario,
    first: u64,
    enough: impl Fn(u64, u64) -> bool + Sync,
) -> Vec<Report> {
    let (next, steps) = (AtomicU64::new(first), AtomicU64::new(0));
    let worker = || {
        let mut reports = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if enough(seed, steps.load(Ordering::Relaxed)) {
                return reports;
            }
            let report = checked(test, scenario(seed));
            println!("seed {seed}: {report:?}");
            steps.fetch_add(report.steps, Ordering::Relaxed);
            reports.push(report);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        let reports: Result<Vec<Vec<Report>>, _> = joined.collect();
        reports.unwrap_or_else(|failed| std::panic::resume_unwind(failed)).concat()
    })
}

/// The seeds of CI, or the one that the environment names.
fn fixed(test: &str, scenario: fn(u64) -> Scenario, range: std::ops::Range<u64>) -> Vec<Report> {
    let range = number("INTERLINE_SEED").map_or(range, |seed| seed..seed + 1);
    let end = range.end;
    seeds(test, scenario, range.start, move |seed, _| seed >= end)
}

#[test]
fn months_under_every_fault_lose_nothing_and_count_nothing_twice() {
    let reports = fixed("months_under_every_fault", within, SEEDS);
    if reports.len() > 1 {
        let all = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
        // The faults took place, and so did what they are meant to upset.
        assert!(all(|report| report.crashes) > 100 && all(|report| report.duplicates) > 100);
        assert!(all(|report| report.late) > 100 && all(|report| report.refused) > 100);
        assert!(all(|report| report.together) > 20);
        assert!(all(|report| report.failed_executions) > 0 && all(|report| report.again) > 100);
        assert!(all(|report| report.echoes) > 10 && all(|report| report.editions) > 2 * reports.len() as u64);
    }
}

#[test]
fn a_seal_by_a_clock_beyond_the_limit_is_found_by_the_next_close() {
    let reports = fixed("a_seal_by_a_clock_beyond", beyond, SEEDS_BEYOND);
    if reports.len() > 1 {
        assert!(reports.iter().any(|report| report.stopped > 0), "no close was stopped: {reports:?}");
    }
}

#[test]
fn a_seed_gives_the_same_run_again() {
    let scenario = Scenario { months: 1, ..within(2) };
    assert_eq!(run(scenario), run(scenario));
    assert_ne!(run(scenario).unwrap().trace, run(Scenario { seed: 1, ..scenario }).unwrap().trace);
}

/// `INTERLINE_SIM_STEPS=1000000 cargo test --workspace --test simulation many_seeds -- --ignored --nocapture`,
/// from seed `INTERLINE_SEED` on.
#[test]
#[ignore = "runs as many steps as INTERLINE_SIM_STEPS says"]
fn many_seeds_lose_nothing_and_count_nothing_twice() {
    let wanted = number("INTERLINE_SIM_STEPS").expect("INTERLINE_SIM_STEPS says how many");
    let first = number("INTERLINE_SEED").unwrap_or(1_000);
    let started = Instant::now();
    let reports = seeds("months_under_every_fault", within, first, |_, steps| steps >= wanted);
    let steps: u64 = reports.iter().map(|report| report.steps).sum();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} seeds from {first}, {steps} steps, {} months, {} entries cleared, {:.0} steps/s",
        reports.len(),
        reports.iter().map(|report| report.months).sum::<u64>(),
        reports.iter().map(|report| report.cleared).sum::<u64>(),
        steps as f64 / seconds
    );
}
