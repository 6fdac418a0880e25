//! Where the time of a tally goes: the pure fold against a plain pass over the
//! same bytes, and each phase of the tally by itself over the same shards.

use crate::Options;
use crate::store::{own_client, programme, query};
use aws_sdk_dynamodb::Client;
use flate2::Compression;
use flate2::write::GzEncoder;
use interline::world::TABLE;
use interline_domain::close::digest::EntryDigests;
use interline_domain::close::tally::{Detail, Fold, SaleRates, Tally, TallyError};
use interline_domain::events::{Canonical, Entry};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::pseudonym::Pseudonyms;
use interline_ledger::Ledger;
use interline_reports::details::DetailPart;
use interline_tests::events::gunzip;
use interline_tests::measure::{Report, ratios, thread_time};
use interline_tests::month::Month;
use interline_tests::programme::RULEBOOK;
use interline_tests::{SHARDS, the_shard};
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

const PART: &str = "fold";

pub async fn measure(options: &Options, report: &mut Report) {
    let rulebook = Rulebook::parse(RULEBOOK).unwrap();
    let entries = if options.quick { 10_000 } else { 1_000_000 };
    let month = Month::new(&rulebook, entries, options.seed);
    in_memory(options, &month, &rulebook, report);

    let folder = tempfile::tempdir_in(&options.folder).unwrap();
    let entries = if options.quick { 10_000 } else { 100_000 };
    let month = Month::new(&rulebook, entries, options.seed);
    let programme = programme(&folder.path().join("store"), &month).await;
    let mut phases = Vec::new();
    for _ in 0..options.runs {
        let client = own_client(&programme);
        let (rulebook, period) = (rulebook.clone(), month.period);
        // A thread of its own, whose processor time is that of the phase alone.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(Phases::of(&client, &rulebook, period))
        });
        phases.push(thread.join().unwrap());
    }
    programme.world.close().await;
    let mut add = |what: &str, of: &dyn Fn(&Phases) -> f64| {
        let runs = phases.iter().map(|phases| of(phases) / entries as f64).collect();
        report.add(PART, format!("tally, {what}, per entry"), "ns", runs);
    };
    add("query: HTTP, SDK, JSON", &|phases| phases.query);
    add("items to entries", &|phases| phases.entries - phases.query);
    add("fold", &|phases| phases.fold);
    add("detail rows without gzip", &|phases| phases.rows - phases.gzip);
    add("gzip", &|phases| phases.gzip);
    add("rest", &|phases| phases.tally - phases.entries - phases.fold - phases.rows);
    add("processor time of all", &|phases| phases.tally);
    add("waiting for the store", &|phases| phases.wall - phases.tally);
}

/// The fold over entries in memory, and passes over the same bytes: the texts
/// that stand for the entries in the digest.
fn in_memory(options: &Options, month: &Month<'_>, rulebook: &Rulebook, report: &mut Report) {
    let shards: Vec<Vec<Entry>> =
        (0..SHARDS).map(|shard| month.shard(shard).into_iter().map(|recorded| recorded.entry).collect()).collect();
    let (mut text, mut one) = (String::new(), Canonical::default());
    let mut ends = Vec::new();
    for entry in shards.iter().flatten() {
        text.push_str(entry.canonical(&mut one));
        ends.push(text.len());
    }
    let bytes = text.as_bytes();
    let (mut folds, mut passes, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let started = Instant::now();
        let mut tally = Tally::default();
        for (shard, entries) in (0..SHARDS).zip(&shards) {
            tally.merge(&folded(rulebook, month.period, shard, entries)).unwrap();
        }
        folds.push(started.elapsed().as_secs_f64());
        assert_eq!(tally.entries, month.entries);

        let started = Instant::now();
        let words = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
        black_box(words.fold(0, u64::wrapping_add));
        passes.push(started.elapsed().as_secs_f64());

        let started = Instant::now();
        let mut start = 0;
        for end in &ends {
            black_box(Sha256::digest(&bytes[start..*end]));
            start = *end;
        }
        hashes.push(started.elapsed().as_secs_f64());
    }
    let per_second = |runs: &[f64]| runs.iter().map(|took| month.entries as f64 / took).collect();
    report.add(PART, "entries folded in memory", "1/s", per_second(&folds));
    report.add(PART, "entries hashed alone (SHA-256)", "1/s", per_second(&hashes));
    report.add(PART, "entries in a plain pass over the same bytes", "1/s", per_second(&passes));
    report.add(PART, "bytes of an entry", "B", vec![bytes.len() as f64 / month.entries as f64]);
    report.add(PART, "fold to hash alone", "x", ratios(&folds, &hashes));
    report.add(PART, "fold to plain pass", "x", ratios(&folds, &passes));
}

fn folded(rulebook: &Rulebook, period: Period, shard: u16, entries: &[Entry]) -> Tally {
    let rates = SaleRates::default();
    let mut fold = Fold::new(rulebook, &rates, period, the_shard(shard));
    let mut digests = EntryDigests::default();
    for entry in entries {
        let row = |row: Detail<'_>| {
            black_box(&row);
            Ok::<(), TallyError>(())
        };
        fold.add(entry, row).unwrap();
        digests.add(entry);
    }
    black_box(digests.finish(shard));
    fold.finish()
}

fn rows(rulebook: &Rulebook, pseudonyms: &Pseudonyms, period: Period, shard: u16, entries: &[Entry]) -> Vec<u8> {
    let rates = SaleRates::default();
    let mut fold = Fold::new(rulebook, &rates, period, the_shard(shard));
    let mut digests = EntryDigests::default();
    let mut part = DetailPart::new(rulebook.currency, pseudonyms.clone());
    for entry in entries {
        let row = |row: Detail<'_>| {
            part.add(&row).unwrap();
            Ok::<(), TallyError>(())
        };
        fold.add(entry, row).unwrap();
        digests.add(entry);
    }
    black_box((fold.finish(), digests.finish(shard)));
    part.finish().unwrap().0
}

/// Processor time of this thread over all shards, in nanoseconds; `entries` has
/// the query in it, `rows` the compression.
#[derive(Default)]
struct Phases {
    query: f64,
    entries: f64,
    fold: f64,
    rows: f64,
    gzip: f64,
    tally: f64,
    wall: f64,
}

impl Phases {
    async fn of(client: &Client, rulebook: &Rulebook, period: Period) -> Self {
        let ledger = Ledger::new(client.clone(), TABLE);
        // Opens the connection.
        query(client, period, 0).await;
        let pseudonyms = rulebook.pseudonym_key.pseudonyms(None).unwrap();
        let mut phases = Self::default();
        for shard in 0..SHARDS {
            let mut lap = Lap(thread_time());
            query(client, period, shard).await;
            phases.query += lap.time();

            let mut pages = ledger.shard_entries(period, the_shard(shard));
            let mut entries = Vec::new();
            while let Some(page) = pages.next_page().await {
                entries.extend(page.unwrap());
            }
            phases.entries += lap.time();

            let tally = folded(rulebook, period, shard, &entries);
            phases.fold += lap.time();

            // Folded once more, with its rows.
            let part = rows(rulebook, &pseudonyms, period, shard, &entries);
            phases.rows += lap.time();
            folded(rulebook, period, shard, &entries);
            phases.rows -= lap.time();

            let plain = gunzip(&part);
            lap.time();
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&plain).unwrap();
            black_box(encoder.finish().unwrap());
            phases.gzip += lap.time();

            let started = Instant::now();
            let tallied = interline_tally::tally(
                &ledger,
                "",
                (rulebook, &SaleRates::default()),
                &pseudonyms,
                period,
                the_shard(shard),
            )
            .await
            .unwrap();
            phases.tally += lap.time();
            phases.wall += started.elapsed().as_secs_f64() * 1e9;
            assert_eq!(
                (tallied.file.tally, &tallied.parts[0].bytes),
                (tally, &part),
                "the phases make what the tally makes"
            );
        }
        phases
    }
}

struct Lap(f64);

impl Lap {
    fn time(&mut self) -> f64 {
        let now = thread_time();
        now - std::mem::replace(&mut self.0, now)
    }
}
