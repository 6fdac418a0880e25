//! The record handler against its floor: a bare read and transaction of the
//! same items, on the same store, by the same client, in the same run.

use crate::Options;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use futures::future::{BoxFuture, join_all};
use interline::world::TABLE;
use interline_tests::calls::{arn, event, request};
use interline_tests::measure::{Report, ratios};
use interline_tests::programme::Programme;
use serde_json::json;
use std::collections::HashMap;
use std::time::{Duration, Instant};

const NOW: &str = "2017-01-20T12:00:00+08:00";
const AT: &str = "2017-01-19T12:00:00+08:00";
const CALLERS: [usize; 3] = [1, 8, 32];
/// Events of a member before it is measured: more than an account remembers.
const EARLIER: usize = 20;

type Item = HashMap<String, AttributeValue>;

pub async fn measure(options: &Options, report: &mut Report) {
    let (rounds, calls_a_round) = if options.quick { (2, 32) } else { (2 * options.runs, 1_600) };
    for callers in CALLERS {
        let (handler, floor) = rounds_of(callers, rounds, calls_a_round / callers).await;
        let mut add = |what: &str, unit, runs| report.add("record", format!("{callers} callers, {what}"), unit, runs);
        let figures = |rounds: &[Round], of: &dyn Fn(&Round) -> f64| rounds.iter().map(of).collect::<Vec<f64>>();
        for (name, rounds) in [("handler", &handler), ("bare read and transaction", &floor)] {
            add(&format!("{name} p50"), "us", figures(rounds, &|round| round.percentile(50)));
            add(&format!("{name} p99"), "us", figures(rounds, &|round| round.percentile(99)));
            add(name, "1/s", figures(rounds, &Round::calls_a_second));
        }
        let took = |round: &Round| round.took.as_secs_f64();
        add("handler to bare", "x", ratios(&figures(&handler, &took), &figures(&floor, &took)));
    }
}

/// Handler and floor take turns, so that whatever else the machine does meets both.
async fn rounds_of(callers: usize, rounds: usize, calls: usize) -> (Vec<Round>, Vec<Round>) {
    // For the tasks of the callers; a few in a run.
    let programme: &'static Programme = Box::leak(Box::new(Programme::sample(NOW).await));
    let members: Vec<String> = (0..callers).map(|number| format!("h{number:02}")).collect();
    for member in &members {
        prepare(programme, member).await;
    }
    let mut floors = Vec::new();
    for member in &members {
        floors.push(Floor::of(programme, member).await);
    }
    let mut handler_rounds = Vec::new();
    let mut floor_rounds = Vec::new();
    for round in 0..=rounds {
        let (handler, _) = turn(members.iter().map(|member| handled(programme, member, round, calls))).await;
        let (floor, again) = turn(floors.into_iter().map(|floor| floor.calls(calls))).await;
        floors = again;
        // The first round fills pools and caches.
        if round > 0 {
            handler_rounds.push(handler);
            floor_rounds.push(floor);
        }
    }
    (handler_rounds, floor_rounds)
}

/// Points enough for the run, and an account that remembers as much as it can.
async fn prepare(programme: &Programme, member: &str) {
    for number in 0..EARLIER {
        let body = json!({ "member": member, "occurred_at": AT, "amount": "9000000.00" });
        assert_eq!(record(programme, "accruals", &format!("{member}-{number}"), &body.to_string()).await, 201);
    }
    let body = json!({ "member": member, "occurred_at": AT, "points": 1 });
    assert_eq!(record(programme, "redemptions", &format!("{member}-99-00000"), &body.to_string()).await, 201);
}

async fn record(programme: &Programme, collection: &str, reference: &str, body: &str) -> u16 {
    let path = format!("/v1/lines/grocery/{collection}/{reference}");
    let request = request(&event(&arn("line-grocery"), "PUT", &path, body));
    interline_record::handle(programme.app(), request).await.status().as_u16()
}

/// One caller's redemptions one after the other, with how long each took.
fn handled(
    programme: &'static Programme,
    member: &str,
    round: usize,
    calls: usize,
) -> BoxFuture<'static, (Vec<Duration>, ())> {
    let body = json!({ "member": member, "occurred_at": AT, "points": 1 }).to_string();
    let requests: Vec<_> = (0..calls)
        .map(|number| {
            let path = format!("/v1/lines/grocery/redemptions/{member}-{round:02}-{number:05}");
            request(&event(&arn("line-grocery"), "PUT", &path, &body))
        })
        .collect();
    Box::pin(async move {
        let mut times = Vec::with_capacity(requests.len());
        for request in requests {
            let started = Instant::now();
            let response = interline_record::handle(programme.app(), request).await;
            times.push(started.elapsed());
            assert_eq!(response.status().as_u16(), 201);
        }
        (times, ())
    })
}

/// The same reads and writes without anything that decides.
struct Floor {
    client: Client,
    account: Item,
    entry: Item,
    reference: Item,
    version: i64,
    written: usize,
}

impl Floor {
    /// Takes the items of a member's last redemption as the pattern of its own.
    async fn of(programme: &Programme, member: &str) -> Self {
        let items = programme.items().await;
        let account = items[&(format!("M#{member}"), "A".to_owned())].clone();
        let last = format!("grocery#r#{member}-99-00000");
        let entry = items.values().find(|item| *item["sk"].as_s().unwrap() == last).unwrap().clone();
        let reference = items[&(format!("U#grocery#r#{member}-99-00000"), "U".to_owned())].clone();
        let own = member.replace('h', "f");
        let rename = |item: Item| -> Item {
            let rename = |value: AttributeValue| match value {
                AttributeValue::S(text) if text == member => AttributeValue::S(own.clone()),
                AttributeValue::S(text) if text == format!("M#{member}") => AttributeValue::S(format!("M#{own}")),
                other => other,
            };
            item.into_iter().map(|(name, value)| (name, rename(value))).collect()
        };
        let client = programme.embedded().dynamodb();
        let floor = Self {
            client,
            account: rename(account),
            entry: rename(entry),
            reference: rename(reference),
            version: 0,
            written: 0,
        };
        floor.client.put_item().table_name(TABLE).set_item(Some(floor.account(0))).send().await.unwrap();
        floor
    }

    fn account(&self, version: i64) -> Item {
        let mut item = self.account.clone();
        item.insert("v".to_owned(), AttributeValue::N((1_000 + version).to_string()));
        item
    }

    fn calls(mut self, calls: usize) -> BoxFuture<'static, (Vec<Duration>, Self)> {
        let writes: Vec<Vec<TransactWriteItem>> = (0..calls).map(|_| self.next()).collect();
        Box::pin(async move {
            let mut times = Vec::with_capacity(calls);
            for writes in writes {
                let started = Instant::now();
                let key = ["pk", "sk"].map(|name| (name.to_owned(), self.account[name].clone()));
                let read = self
                    .client
                    .get_item()
                    .table_name(TABLE)
                    .set_key(Some(key.into()))
                    .consistent_read(true)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total);
                assert!(read.send().await.unwrap().item.is_some());
                let write = self
                    .client
                    .transact_write_items()
                    .set_transact_items(Some(writes))
                    .return_consumed_capacity(ReturnConsumedCapacity::Total);
                write.send().await.unwrap();
                times.push(started.elapsed());
            }
            (times, self)
        })
    }

    /// The entry and its reference if they are absent, the account if its version is unchanged.
    fn next(&mut self) -> Vec<TransactWriteItem> {
        self.written += 1;
        let mut entry = self.entry.clone();
        let member = self.account["pk"].as_s().unwrap().trim_start_matches("M#");
        let reference = format!("grocery#r#{member}-00-{:05}", self.written);
        entry.insert("sk".to_owned(), AttributeValue::S(reference.clone()));
        let mut own = self.reference.clone();
        own.insert("pk".to_owned(), AttributeValue::S(format!("U#{reference}")));
        let put = || {
            let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
            Put::builder().table_name(TABLE).return_values_on_condition_check_failure(all_old)
        };
        let [entry, own] = [entry, own].map(|item| {
            put()
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", "pk")
        });
        let before = AttributeValue::N((1_000 + self.version).to_string());
        self.version += 1;
        let account = put()
            .set_item(Some(self.account(self.version)))
            .condition_expression("#a = :old")
            .expression_attribute_names("#a", "v")
            .expression_attribute_values(":old", before);
        [entry, own, account].map(|put| TransactWriteItem::builder().put(put.build().unwrap()).build()).into()
    }
}

/// One round of one side.
struct Round {
    times: Vec<Duration>,
    took: Duration,
}

impl Round {
    /// In microseconds.
    fn percentile(&self, percent: usize) -> f64 {
        self.times[(self.times.len() - 1) * percent / 100].as_secs_f64() * 1e6
    }

    fn calls_a_second(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64()
    }
}

/// All callers at once, each in a task of its own; requests are built before.
async fn turn<T: Send + 'static>(
    callers: impl Iterator<Item = BoxFuture<'static, (Vec<Duration>, T)>>,
) -> (Round, Vec<T>) {
    let callers: Vec<_> = callers.collect();
    let started = Instant::now();
    let tasks: Vec<_> = callers.into_iter().map(tokio::spawn).collect();
    let (times, kept): (Vec<Vec<Duration>>, Vec<T>) = join_all(tasks).await.into_iter().map(Result::unwrap).unzip();
    let took = started.elapsed();
    let mut times = times.concat();
    times.sort_unstable();
    (Round { times, took }, kept)
}
