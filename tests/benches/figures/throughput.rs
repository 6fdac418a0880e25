//! How close the import and the tally come to what the store itself can do.
//!
//! Each is compared in the same run with a bare loop over the same SDK and the
//! same kind of store: the import with transactions of the very same items and
//! one read each, the tally with a query of the very same shards.

use crate::Options;
use crate::store::query;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnConsumedCapacity, TransactWriteItem};
use futures::stream::{self, StreamExt, TryStreamExt};
use interline::world::TABLE;
use interline_domain::close::tally::SaleRates;
use interline_domain::units::calendar::Period;
use interline_embedded::{Embedded, Storage};
use interline_ledger::{ENTRIES_PER_BATCH, Ledger, MEMBERS_TOGETHER};
use interline_tests::events::{csv, gzip, some_of_january};
use interline_tests::measure::{Report, ratios};
use interline_tests::programme::{Programme, RULEBOOK};
use interline_tests::{SHARDS, the_shard};
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

/// As the import and the month-end do.
const MEMBERS_AT_ONCE: usize = SHARDS as usize;
const SHARDS_AT_ONCE: usize = 4;

type Item = HashMap<String, AttributeValue>;

const PART: &str = "throughput";

pub async fn measure(options: &Options, report: &mut Report) {
    let months: Vec<(&str, &str, Vec<u8>)> = match options.quick {
        true => vec![("2017-01", "2017-01-31T23:59:59+08:00", gzip(&some_of_january(1_000)))],
        false => vec![
            ("2017-01", "2017-01-31T23:59:59+08:00", interline::sample::FILES[0].1.to_vec()),
            ("2017-02", "2017-02-28T23:59:59+08:00", interline::sample::FILES[1].1.to_vec()),
        ],
    };
    for (name, in_memory) in [("in memory", true), ("on file", false)] {
        let (mut import, mut bare, mut tally, mut floor) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.runs {
            let folder = tempfile::tempdir_in(&options.folder).unwrap();
            let storage = |name: &str| match in_memory {
                true => Storage::Memory,
                false => Storage::Directory(folder.path().join(name)),
            };
            let (programme, per_second) = imported(storage("import"), &months).await;
            import.push(per_second);
            bare.push(bare_transactions(storage("bare"), &transactions(&programme).await).await);
            let period = Period::parse(months[0].0).unwrap();
            // The first fills the caches.
            tallied(&programme, period).await;
            let (entries, per_second) = tallied(&programme, period).await;
            tally.push(per_second);
            let (items, per_second) = queried(&programme, period).await;
            floor.push(per_second);
            assert_eq!(entries + stubs_and_refusals(&programme, period).await, items);
            programme.world.close().await;
        }
        // How much longer ours takes.
        let (import_ratio, tally_ratio) = (ratios(&bare, &import), ratios(&floor, &tally));
        let mut add = |what: &str, unit, runs| report.add(PART, format!("{name}, {what}"), unit, runs);
        add("import of the sample", "1/s", import);
        add("the same items, bare", "1/s", bare);
        add("import to bare", "x", import_ratio);
        add("tally of January's shards", "1/s", tally);
        add("query of the same shards", "1/s", floor);
        add("tally to query", "x", tally_ratio);
    }
    a_million_members(options, report).await;
}

/// The hardest file: of a month that is over, with one event of each member.
/// What a row of it costs decides how long a million of them take where the table,
/// and not the program, sets the pace.
async fn a_million_members(options: &Options, report: &mut Report) {
    const ROWS: f64 = 1e6;
    /// Write units a second of a table as it is created, and of one warmed up for more.
    const TABLES: [(&str, f64); 2] = [("as created", 4_000.0), ("warmed up", 10_000.0)];
    /// Seconds of a try, less those in which the file is read and what is left is written.
    const TRY: f64 = 900.0 - 60.0;
    let members = if options.quick { 500 } else { 20_000 };
    let rows: Vec<String> = (0..members)
        .map(|member| format!("accrual,dining,S-{member},2017-01-05T12:00:00+08:00,member-{member},100.00,,"))
        .collect();
    let file = csv(rows);
    let (mut units, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let programme = Programme::open(Storage::Memory, RULEBOOK, "2017-02-10T12:00:00+08:00").await;
        let (_, before) = programme.app().ledger.consumed().units();
        let started = Instant::now();
        let (imported, _) = programme.import("january.csv", &file).await;
        rates.push(per_second(members, started));
        assert_eq!(imported.accepted, members);
        units.push((programme.app().ledger.consumed().units().1 - before) / members as f64);
        programme.world.close().await;
    }
    let a_row = units[0];
    assert!(units.iter().all(|unit| (unit - a_row).abs() < 0.01), "{units:?}");
    report.add(PART, "a row of a past month, one of each member", "units", units);
    report.add(PART, "import of such rows, in memory", "1/s", rates);
    for (table, per_second) in TABLES {
        let tries = ROWS * a_row / per_second / TRY;
        report.add(PART, format!("tries of a million such rows, table {table}"), "x", vec![tries]);
        // A try goes on behind the one before; Lambda makes three.
        let allowed = if per_second < 5_000.0 { 3.0 } else { 1.0 };
        assert!(tries <= allowed, "{tries} tries on a table {table}");
        // With every lane under way: more than this and the table would wait for the program.
        let at_once = (MEMBERS_AT_ONCE * MEMBERS_TOGETHER) as f64;
        let milliseconds = at_once * 1_000.0 * a_row / per_second;
        report.add(PART, format!("longest transaction and its reads, table {table}"), "ms", vec![milliseconds]);
    }
}

/// Events per second from the file to the last transaction.
async fn imported(storage: Storage, months: &[(&str, &str, Vec<u8>)]) -> (Programme, f64) {
    let programme = Programme::open(storage, RULEBOOK, months[0].1).await;
    let started = Instant::now();
    let mut events = 0;
    for (period, now, file) in months {
        programme.set_now(now);
        let (imported, _) = programme.import(&format!("{period}.csv.gz"), file).await;
        events += imported.accepted;
        assert_eq!((imported.refused, imported.replayed), (None, 0));
    }
    (programme, per_second(events, started))
}

fn per_second(number: u64, started: Instant) -> f64 {
    number as f64 / started.elapsed().as_secs_f64()
}

/// What the import wrote, in transactions of one member and period as it made them.
async fn transactions(programme: &Programme) -> Vec<Vec<Item>> {
    let mut accounts: BTreeMap<String, Item> = BTreeMap::new();
    let mut entries: BTreeMap<(String, String), Vec<Item>> = BTreeMap::new();
    for ((pk, _), item) in programme.items().await {
        if let Some(member) = pk.strip_prefix("M#") {
            accounts.insert(member.to_owned(), item);
        } else if pk.starts_with("E#")
            && let Some(AttributeValue::S(member)) = item.get("m")
        {
            entries.entry((pk, member.clone())).or_default().push(item);
        }
    }
    let batches = entries.into_iter().flat_map(|((_, member), items)| {
        let batches: Vec<Vec<Item>> = items
            .chunks(ENTRIES_PER_BATCH)
            .map(|batch| batch.iter().chain([&accounts[&member]]).cloned().collect())
            .collect();
        batches
    });
    batches.collect()
}

/// Reads an account and writes a transaction, over and over.
async fn bare_transactions(storage: Storage, transactions: &[Vec<Item>]) -> f64 {
    let embedded = Embedded::start(storage).await.unwrap();
    let client = embedded.dynamodb();
    Ledger::new(client.clone(), TABLE).create_table_if_missing().await.unwrap();
    let started = Instant::now();
    stream::iter(transactions)
        .map(|items| {
            let client = client.clone();
            async move {
                let account = items.last().unwrap();
                let key = ["pk", "sk"].map(|name| (name.to_owned(), account[name].clone()));
                client
                    .get_item()
                    .table_name(TABLE)
                    .set_key(Some(HashMap::from(key)))
                    .consistent_read(true)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
                    .await?;
                let puts = items.iter().map(|item| put(item, item["pk"] == account["pk"])).collect();
                let transact = client.transact_write_items().set_transact_items(Some(puts));
                transact.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await?;
                Ok::<_, aws_sdk_dynamodb::Error>(())
            }
        })
        .buffer_unordered(MEMBERS_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await
        .unwrap();
    let entries = transactions.iter().map(|items| items.len() as u64 - 1).sum();
    let per_second = per_second(entries, started);
    embedded.stop().await;
    per_second
}

/// An entry that must not be there, or an account that may.
fn put(item: &Item, is_account: bool) -> TransactWriteItem {
    let mut put = Put::builder().table_name(TABLE).set_item(Some(item.clone()));
    if !is_account {
        put = put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", "pk");
    }
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

async fn tallied(programme: &Programme, period: Period) -> (u64, f64) {
    let rulebook = programme.rulebook().await;
    let ledger = &programme.app().ledger;
    let pseudonyms = programme.app().pseudonyms(&rulebook).await.unwrap();
    let started = Instant::now();
    let entries = every_shard(|shard| {
        let (rulebook, pseudonyms) = (&rulebook, &pseudonyms);
        async move {
            let tallied = interline_tally::tally(
                ledger,
                "",
                (rulebook, &SaleRates::default()),
                pseudonyms,
                period,
                the_shard(shard),
            )
            .await
            .unwrap();
            tallied.file.tally.entries
        }
    })
    .await;
    (entries, per_second(entries, started))
}

async fn queried(programme: &Programme, period: Period) -> (u64, f64) {
    let client = &programme.embedded().dynamodb();
    let started = Instant::now();
    let items = every_shard(|shard| async move { query(client, period, shard).await.items }).await;
    (items, per_second(items, started))
}

async fn every_shard<F: Future<Output = u64>>(work: impl Fn(u16) -> F) -> u64 {
    let entries: Vec<u64> = stream::iter(0..SHARDS).map(work).buffer_unordered(SHARDS_AT_ONCE).collect().await;
    entries.into_iter().sum()
}

/// Items of a period that are read and not tallied.
async fn stubs_and_refusals(programme: &Programme, period: Period) -> u64 {
    let prefix = format!("E#{period}#");
    let items = programme.items().await;
    items.iter().filter(|((pk, _), item)| pk.starts_with(&prefix) && !item.contains_key("m")).count() as u64
}
