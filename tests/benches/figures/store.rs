//! A month in the embedded store, loaded as no line could: around the API, into
//! the SQLite file itself.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use dynoxide::{Database, ImportOptions};
use interline::world::TABLE;
use interline_domain::units::calendar::Period;
use interline_embedded::Storage;
use interline_ledger::{account_item, entry_item};
use interline_tests::month::Month;
use interline_tests::programme::{Programme, RULEBOOK};
use interline_tests::{SHARDS, the_shard};
use serde_json::json;
use std::path::Path;

/// When the month is over and may be sealed.
pub const AFTER: &str = "2017-02-01T06:00:00+08:00";

/// The sample programme with the entries of a month. There are no accounts and
/// there is no statement index: a close reads neither.
pub async fn programme(folder: &Path, month: &Month<'_>) -> Programme {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("dynamodb.sqlite");
    let database = Database::new(path.to_str().unwrap()).unwrap();
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let table = json!({
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "AttributeDefinitions": [attribute("pk"), attribute("sk")],
    });
    database.create_table(serde_json::from_value(table).unwrap()).unwrap();
    database.enable_bulk_loading().unwrap();
    for shard in 0..SHARDS {
        let entries = month.shard(shard);
        let items = entries
            .iter()
            .map(|recorded| entry_item(recorded, the_shard(shard)).unwrap().into_iter().map(attribute_of).collect());
        let accounts = month.accounts(shard);
        let accounts = accounts.iter().map(|(member, account)| account_item(member, account));
        let items = items.chain(accounts.map(|item| item.into_iter().map(attribute_of).collect()));
        let items: Vec<dynoxide::Item> = items.collect();
        database.import_items(TABLE, items, ImportOptions::default()).unwrap();
    }
    database.disable_bulk_loading().unwrap();
    drop(database);
    Programme::open(Storage::Directory(folder.to_owned()), RULEBOOK, AFTER).await
}

fn attribute_of((name, value): (String, AttributeValue)) -> (String, dynoxide::AttributeValue) {
    let value = match value {
        AttributeValue::S(text) => dynoxide::AttributeValue::S(text),
        AttributeValue::N(number) => dynoxide::AttributeValue::N(number),
        AttributeValue::B(bytes) => dynoxide::AttributeValue::B(bytes.into_inner()),
        AttributeValue::M(map) => dynoxide::AttributeValue::M(map.into_iter().map(attribute_of).collect()),
        other => panic!("neither entry nor account has {other:?}"),
    };
    (name, value)
}

/// What a bare query of a shard read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Read {
    pub items: u64,
    pub pages: u64,
    pub units: f64,
}

/// The floor of a tally: the same pages through the same SDK, and nothing else.
pub async fn query(client: &Client, period: Period, shard: u16) -> Read {
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
    let mut read = Read::default();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        read.items += page.items().len() as u64;
        read.pages += 1;
        read.units += page.consumed_capacity().and_then(|capacity| capacity.capacity_units()).unwrap();
    }
    read
}

/// A client with connections of its own, for a thread with a runtime of its own.
pub fn own_client(programme: &Programme) -> Client {
    let shared = programme.embedded().dynamodb();
    let http = aws_smithy_http_client::Builder::new().build_http();
    Client::from_conf(shared.config().to_builder().http_client(http).build())
}
