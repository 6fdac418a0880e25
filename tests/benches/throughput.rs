//! How close the import and the tally come to what the store itself can do.
//!
//! `cargo bench -p interline-tests --bench throughput` measures in release;
//! `-- --quick` takes a part of one month, `-- --memory` a store in memory.
//! Each is compared in the same run with a bare loop over the same SDK and the
//! same kind of store: the import with transactions of the very same items and
//! one read each, the tally with a query of the very same shards.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that fails says so")]

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnConsumedCapacity, TransactWriteItem};
use futures::stream::{self, StreamExt, TryStreamExt};
use interline::world::TABLE;
use interline_domain::calendar::Period;
use interline_domain::limits::SHARDS;
use interline_embedded::{Embedded, Storage};
use interline_ledger::{ENTRIES_PER_BATCH, Ledger};
use interline_tests::events::{gzip, some_of_january};
use interline_tests::programme::{Programme, RULEBOOK};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// As the import and the month-end do.
const MEMBERS_AT_ONCE: usize = 8;
const SHARDS_AT_ONCE: usize = 4;

type Item = HashMap<String, AttributeValue>;

struct Row {
    what: &'static str,
    number: u64,
    took: Duration,
}

impl Row {
    fn per_second(&self) -> f64 {
        self.number as f64 / self.took.as_secs_f64()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    // Only `cargo bench` says so; anything else wants to see it run.
    let quick = has("--quick") || !has("--bench");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(quick, has("--memory")));
}

async fn measure(quick: bool, in_memory: bool) {
    let folder = tempfile::tempdir().unwrap();
    let storage = |name: &str| match in_memory {
        true => Storage::Memory,
        false => Storage::Directory(folder.path().join(name)),
    };
    let months: Vec<(&str, &str, Vec<u8>)> = match quick {
        true => vec![("2017-01", "2017-01-31T23:59:59+08:00", gzip(&some_of_january(4_000)))],
        false => vec![
            ("2017-01", "2017-01-31T23:59:59+08:00", interline::sample::FILES[0].1.to_vec()),
            ("2017-02", "2017-02-28T23:59:59+08:00", interline::sample::FILES[1].1.to_vec()),
        ],
    };
    let programme = Programme::open(storage("import"), RULEBOOK, months[0].1).await;
    let mut import = Row { what: "import of the sample", number: 0, took: Duration::ZERO };
    for (period, now, file) in &months {
        programme.set_now(now);
        let started = Instant::now();
        let (imported, _) = programme.import(&format!("{period}.csv.gz"), file).await;
        import.took += started.elapsed();
        import.number += imported.accepted;
        assert_eq!((imported.refused, imported.replayed), (None, 0));
    }
    let transactions = transactions(&programme).await;
    let bare = bare_transactions(storage("bare"), &transactions).await;

    let rounds = if quick { 2 } else { 10 };
    let period = Period::parse(months[0].0).unwrap();
    let mut tally = Row { what: "tally of January's shards", number: 0, took: Duration::ZERO };
    let mut query = Row { what: "query of the same shards", number: 0, took: Duration::ZERO };
    // In turns, so that both see the same machine.
    for _ in 0..rounds {
        add(&mut tally, tallied(&programme, period).await);
        add(&mut query, queried(&programme.embedded().dynamodb(), period).await);
    }
    assert_eq!(tally.number + stubs_and_refusals(&programme, period).await * rounds, query.number);

    println!("{} transactions, {} rounds of the tally", transactions.len(), rounds);
    println!("{:32} {:>10} {:>12}   {:>6}", "", "events", "per second", "ratio");
    for [ours, bare] in [[&import, &bare], [&tally, &query]] {
        let ratio = ours.per_second() / bare.per_second();
        println!("{:32} {:>10} {:>12.0}   {ratio:>6.2}", ours.what, ours.number, ours.per_second());
        println!("{:32} {:>10} {:>12.0}", bare.what, bare.number, bare.per_second());
    }
    programme.world.close().await;
}

fn add(row: &mut Row, (number, took): (u64, Duration)) {
    row.number += number;
    row.took += took;
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
async fn bare_transactions(storage: Storage, transactions: &[Vec<Item>]) -> Row {
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
    let took = started.elapsed();
    embedded.stop().await;
    let entries = transactions.iter().map(|items| items.len() as u64 - 1).sum();
    Row { what: "the same items, bare", number: entries, took }
}

/// An entry that must not be there, or an account that may.
fn put(item: &Item, is_account: bool) -> TransactWriteItem {
    let mut put = Put::builder().table_name(TABLE).set_item(Some(item.clone()));
    if !is_account {
        put = put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", "pk");
    }
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

async fn tallied(programme: &Programme, period: Period) -> (u64, Duration) {
    let rulebook = programme.rulebook().await;
    let ledger = &programme.app().ledger;
    let started = Instant::now();
    let entries: Vec<u64> = stream::iter(0..SHARDS)
        .map(|shard| {
            let rulebook = &rulebook;
            async move { interline_tally::tally(ledger, rulebook, period, shard).await.unwrap().0.tally.entries }
        })
        .buffer_unordered(SHARDS_AT_ONCE)
        .collect()
        .await;
    (entries.into_iter().sum(), started.elapsed())
}

async fn queried(client: &Client, period: Period) -> (u64, Duration) {
    let started = Instant::now();
    let items: Vec<u64> = stream::iter(0..SHARDS)
        .map(|shard| async move {
            let mut pages = client
                .query()
                .table_name(TABLE)
                .key_condition_expression("#pk = :pk")
                .expression_attribute_names("#pk", "pk")
                .expression_attribute_values(":pk", AttributeValue::S(format!("E#{period}#{shard:02}")))
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .into_paginator()
                .send();
            let mut items = 0;
            while let Some(page) = pages.next().await {
                items += page.unwrap().items().len() as u64;
            }
            items
        })
        .buffer_unordered(SHARDS_AT_ONCE)
        .collect()
        .await;
    (items.into_iter().sum(), started.elapsed())
}

/// Items of a period that are read and not tallied.
async fn stubs_and_refusals(programme: &Programme, period: Period) -> u64 {
    let prefix = format!("E#{period}#");
    let items = programme.items().await;
    items.iter().filter(|((pk, _), item)| pk.starts_with(&prefix) && !item.contains_key("m")).count() as u64
}
