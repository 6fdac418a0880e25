//! Every figure of the documentation by one command:
//!
//! `cargo bench --workspace --bench figures` measures in release, for an hour;
//! `cargo bench --workspace --bench figures -- fold peers` only these parts;
//! `cargo test --workspace --bench figures` checks with small numbers, in a minute,
//! that everything agrees that is measured; its times mean nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that fails says so")]

mod cost;
mod fold;
mod month_end;
mod peers;
mod record;
mod start_up;
mod store;
mod throughput;

use interline_tests::measure::Report;
use serde_json::json;
use std::path::PathBuf;

const PARTS: [&str; 7] = ["record", "throughput", "month-end", "fold", "peers", "start-up", "cost"];
const WHOLE: u64 = 1_000_000;
const SIZES: [u64; 4] = [10_000, 100_000, WHOLE, 10 * WHOLE];
const QUICK_SIZES: [u64; 2] = [1_000, 4_000];

/// What is measured, and how often.
pub struct Options {
    parts: Vec<String>,
    quick: bool,
    runs: usize,
    seed: u64,
    largest: u64,
    /// Where generated data may lie; a temporary folder in it is removed again.
    folder: PathBuf,
    json: Option<PathBuf>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self {
            parts: Vec::new(),
            // Only `cargo bench` says so; anything else wants to see it work.
            quick: !std::env::args().any(|argument| argument == "--bench"),
            runs: 0,
            seed: 1,
            largest: u64::MAX,
            folder: std::env::temp_dir(),
            json: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
            match argument.as_str() {
                "--bench" => {}
                "--quick" => options.quick = true,
                "--runs" => options.runs = value().parse().unwrap(),
                "--seed" => options.seed = value().parse().unwrap(),
                "--largest" => options.largest = value().parse().unwrap(),
                "--folder" => options.folder = value().into(),
                "--json" => options.json = Some(value().into()),
                part if PARTS.contains(&part) => options.parts.push(part.to_owned()),
                other => panic!("{other}? Parts: {PARTS:?}. Options: --quick --runs --seed --largest --folder --json"),
            }
        }
        if options.runs == 0 {
            options.runs = if options.quick { 2 } else { 5 };
        }
        options
    }

    /// Months of so many entries.
    fn sizes(&self) -> impl Iterator<Item = u64> {
        let sizes = if self.quick { &QUICK_SIZES[..] } else { &SIZES[..] };
        sizes.iter().copied().filter(|size| *size <= self.largest)
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}

fn main() {
    // The fold as a program of its own, beside its peers.
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, slices] = arguments.as_slice()
        && mode == peers::MODE
    {
        return peers::from_file(slices);
    }
    let options = Options::read();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(&options));
}

async fn run(options: &Options) {
    let mut report = Report::default();
    let mut section = String::new();
    for part in PARTS.into_iter().filter(|part| options.wants(part)) {
        match part {
            "record" => record::measure(options, &mut report).await,
            "throughput" => throughput::measure(options, &mut report).await,
            "month-end" => month_end::measure(options, &mut report).await,
            "fold" => fold::measure(options, &mut report).await,
            "peers" => peers::measure(options, &mut report),
            "start-up" => start_up::measure(options, &mut report).await,
            "cost" => section = cost::measure(options, &mut report).await,
            other => panic!("part {other} is not carried out"),
        }
    }
    print!("\n{}\n{section}", report.table());
    if let Some(path) = &options.json {
        let machine = json!({
            "processor": field("/proc/cpuinfo", "model name"),
            "processors": std::thread::available_parallelism().unwrap(),
            "memory": field("/proc/meminfo", "MemTotal"),
            "load": std::fs::read_to_string("/proc/loadavg").unwrap().trim(),
            "profile": if cfg!(debug_assertions) { "dev" } else { "release" },
        });
        let all = json!({ "machine": machine, "quick": options.quick, "figures": report.json() });
        std::fs::write(path, serde_json::to_string_pretty(&all).unwrap()).unwrap();
    }
}

/// A field of a file such as `name : value`.
fn field(path: &str, name: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim_start_matches([' ', '\t', ':']).to_owned()
}
