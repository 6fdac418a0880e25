//! What the programme costs on AWS: capacity units and requests as counted here,
//! times list prices.

use crate::Options;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use interline::month_end;
use interline::world::{INBOX_BUCKET, REPORTS_BUCKET, TABLE};
use interline_cutoff::Close;
use interline_domain::units::calendar::Period;
use interline_lambda::App;
use interline_ledger::Ledger;
use interline_reports::bucket::Bucket;
use interline_reports::manifest::RunKind;
use interline_tests::SHARDS;
use interline_tests::calls::{arn, event, request};
use interline_tests::events::{gzip, some_of_january};
use interline_tests::measure::{Report, markdown, number};
use interline_tests::programme::{Items, Programme, moment};
use interline_tests::requests::Requests;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

const PART: &str = "cost";
const TEMPLATE: &str = include_str!("../../../template.yaml");

/// A list price of us-east-1 in US dollars, without any free tier.
struct Price {
    what: &'static str,
    dollars: f64,
    /// How many of what the price is for.
    per: f64,
    unit: &'static str,
    /// Where it was read, and of when that is.
    source: &'static str,
}

impl Price {
    fn of(&self, number: f64) -> f64 {
        number * self.dollars / self.per
    }
}

const AWS: &str = "AWS price list, from memory; look it up";
const READ: Price = Price {
    what: "DynamoDB on demand, read",
    dollars: 0.125,
    per: 1e6,
    unit: "read units",
    source: "airbyte.com, 2025-07",
};
const WRITE: Price = Price { what: "DynamoDB on demand, write", dollars: 0.625, unit: "write units", ..READ };
const TABLE_GB: Price = Price { what: "DynamoDB storage", dollars: 0.25, per: 1.0, unit: "GB and month", source: AWS };
const RECOVERY_GB: Price = Price { what: "DynamoDB point-in-time recovery", dollars: 0.20, ..TABLE_GB };
const CALL: Price =
    Price { what: "Lambda, request", dollars: 0.20, per: 1e6, unit: "requests", source: "vantage.sh, 2022" };
const MEMORY: Price = Price {
    what: "Lambda arm64, memory",
    dollars: 0.000_013_333_4,
    per: 1.0,
    unit: "GB-second",
    source: "vantage.sh, 2022",
};
const HTTP: Price =
    Price { what: "API Gateway, HTTP API", dollars: 1.0, per: 1e6, unit: "requests", source: "go-cloud.io, 2026" };
const TRANSITION: Price = Price {
    what: "Step Functions, standard",
    dollars: 0.025,
    per: 1e3,
    unit: "transitions",
    source: "aws.amazon.com/step-functions/pricing, undated",
};
const PUT: Price =
    Price { what: "S3 PUT", dollars: 0.005, per: 1e3, unit: "requests", source: "devnotes.tech, undated" };
const GET: Price = Price { what: "S3 GET", dollars: 0.000_4, ..PUT };
const LOG_GB: Price =
    Price { what: "CloudWatch Logs, taken in", dollars: 0.50, per: 1.0, unit: "GB", source: "cloudburn.io, 2026-02" };
const ALARM: Price = Price { what: "CloudWatch alarm", dollars: 0.10, unit: "alarm and month", ..LOG_GB };
const DASHBOARD: Price = Price { what: "CloudWatch dashboard", dollars: 3.0, unit: "dashboard and month", ..LOG_GB };
const PRICES: [&Price; 13] = [
    &READ,
    &WRITE,
    &TABLE_GB,
    &RECOVERY_GB,
    &CALL,
    &MEMORY,
    &HTTP,
    &TRANSITION,
    &PUT,
    &GET,
    &LOG_GB,
    &ALARM,
    &DASHBOARD,
];

// What no run on loopback can measure, and the template's defaults.
/// A request to DynamoDB or S3, and a page of 1 MB, in the region.
const REQUEST_SECONDS: f64 = 0.005;
const PAGE_SECONDS: f64 = 0.020;
/// Stored beside each item, and paid for.
const OVERHEAD_BYTES: f64 = 100.0;
const PAGE_BYTES: f64 = 1_048_576.0;
/// Start, end, report and the function's own line; the API's access log.
const LOG_BYTES_A_CALL: f64 = 1_200.0;
const API_GB: f64 = 512.0 / 1_024.0;
const IMPORT_GB: f64 = 3_008.0 / 1_024.0;
const CLOSE_GB: f64 = 1_769.0 / 1_024.0;
/// Members whose events an import posts at once.
const IMPORT_AT_ONCE: f64 = SHARDS as f64;
/// Cutoff, Tally, Settle, DoesEverythingTie, TellFinance, Settled, and of each shard the tally and the proof.
const TRANSITIONS: f64 = 6.0 + 2.0 * SHARDS as f64;

/// Events come in their own month; later ones also look whether it is sealed.
const IN_JANUARY: &str = "2017-01-31T23:59:59+08:00";
const AFTER_FEBRUARY: &str = "2017-03-01T06:00:00+08:00";
const MILLION: f64 = 1e6;

/// What one thing used.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    reads: f64,
    writes: f64,
    /// Requests to DynamoDB.
    requests: f64,
    transactions: f64,
    puts: f64,
    gets: f64,
    seconds: f64,
}

impl Used {
    /// The use of one of so many.
    fn of_one(self, number: f64) -> Self {
        Self {
            reads: self.reads / number,
            writes: self.writes / number,
            requests: self.requests / number,
            transactions: self.transactions / number,
            puts: self.puts / number,
            gets: self.gets / number,
            seconds: self.seconds / number,
        }
    }
}

/// The sample programme's handlers over clients that are counted.
struct Counted {
    programme: Programme,
    app: App,
    requests: Requests,
    now: Arc<Mutex<DateTime<Utc>>>,
}

impl Counted {
    async fn new() -> Self {
        let programme = Programme::sample(IN_JANUARY).await;
        let requests = Requests::default();
        let (dynamodb, s3) = (programme.embedded().dynamodb(), programme.embedded().s3());
        let dynamodb = dynamodb.config().to_builder().http_client(requests.client()).build();
        let s3 = s3.config().to_builder().http_client(requests.client()).build();
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        let reports = Bucket::new(s3.clone(), REPORTS_BUCKET);
        let ledger = Ledger::new(aws_sdk_dynamodb::Client::from_conf(dynamodb), TABLE);
        let now = Arc::new(Mutex::new(moment(IN_JANUARY)));
        let clock = now.clone();
        let clock = Arc::new(move || *clock.lock().unwrap());
        let app = App::new(ledger, reports, Bucket::new(s3, INBOX_BUCKET), clock);
        // The rulebook is read once in a while, not with every event.
        app.rulebook().await.unwrap();
        Self { programme, app, requests, now }
    }

    async fn set_now(&self, now: &str) {
        *self.now.lock().unwrap() = moment(now);
        // It is time to read it again.
        self.app.rulebook().await.unwrap();
    }

    async fn used<T>(&self, work: impl Future<Output = T>) -> (T, Used) {
        self.requests.take();
        let before = self.app.ledger.consumed().units();
        let started = Instant::now();
        let done = work.await;
        let seconds = started.elapsed().as_secs_f64();
        let after = self.app.ledger.consumed().units();
        let requests = self.requests.take();
        let count = |name: &str| requests.get(name).copied().unwrap_or_default() as f64;
        let s3 = |name: &&String| name.starts_with("S3");
        let used = Used {
            reads: after.0 - before.0,
            writes: after.1 - before.1,
            requests: requests.iter().filter(|(name, _)| !s3(name)).map(|(_, count)| *count as f64).sum(),
            transactions: count("TransactWriteItems"),
            puts: count("S3 PUT"),
            gets: count("S3 GET"),
            seconds,
        };
        (done, used)
    }

    /// One event through the record function.
    async fn record(&self, collection: &str, reference: &str, body: &Value) -> Used {
        let path = format!("/v1/lines/grocery/{collection}/{reference}");
        let request = request(&event(&arn("line-grocery"), "PUT", &path, &body.to_string()));
        let (response, used) = self.used(interline_record::handle(&self.app, request)).await;
        assert_eq!(response.status().as_u16(), 201, "{collection} {reference}");
        used
    }

    async fn close(&self, period: &str) -> (u64, Used) {
        self.set_now(AFTER_FEBRUARY).await;
        let close = Close { empty: true, ..Close::new(Period::parse(period).unwrap(), RunKind::Final) };
        let (done, used) = self.used(month_end::close(&self.app, close, &|_| {})).await;
        (done.unwrap().entries, used)
    }
}

/// Adds the figures, and gives the documentation's section on cost.
pub async fn measure(options: &Options, report: &mut Report) -> String {
    let (events, after_the_month) = events(options).await;
    let redemption = events["redemption"];
    // A read of the account; account, entry and reference in a transaction, and the entry in the index.
    assert_eq!((redemption.reads, redemption.writes), (1.0, 7.0), "units of a redemption");
    assert_eq!((redemption.requests, redemption.puts + redemption.gets), (2.0, 0.0), "requests of a redemption");

    let counted = Counted::new().await;
    let file = if options.quick { gzip(&some_of_january(1_000)) } else { interline::sample::FILES[0].1.to_vec() };
    let platform = counted.app.rulebook().await.unwrap().rulebook.platform.clone();
    let import = interline_import::import(&counted.app, &platform, "january.csv.gz", &file, &|_, _| {});
    let (imported, import) = counted.used(import).await;
    let accepted = imported.unwrap().0.accepted as f64;
    let by_file = import.of_one(accepted);

    let sizes = Sizes::of(&counted.programme.items().await);
    let (entries, close) = counted.close("2017-01").await;
    assert_eq!(entries as f64, accepted);
    // An empty month, which reads the month before once more and nothing else.
    let (none, again) = counted.close("2017-02").await;
    assert_eq!(none, 0);
    let empty = Counted::new().await;
    let (_, fixed) = empty.close("2017-01").await;
    // Every entry is read by the tally and by the proof, and once more a month later; the
    // proof reads the accounts of who moved. Every query is rounded up to a whole unit, as
    // those of the empty month are. Behind the first month every shard's tally also reads which
    // run left the rates by which sales are valued.
    let (exact, shards) = (sizes.entries / 4_096.0, f64::from(SHARDS));
    for (what, used, exact, more) in [
        ("a close", close, 2.0 * exact + sizes.members, shards),
        ("the look at the month before", again, exact, 2.0 * shards),
    ] {
        let most = exact + fixed.reads + more + 2.0;
        assert!(
            (exact..most).contains(&used.reads),
            "{what}: {} units, at least {exact}, less than {most}",
            used.reads
        );
    }
    let model = Model {
        events,
        after_the_month,
        by_file,
        entry_bytes: sizes.entries / entries as f64,
        reference_bytes: sizes.references / entries as f64,
        close_reads: (close.reads - fixed.reads) / entries as f64,
        account_bytes: sizes.accounts / sizes.members,
        fixed,
        tally_seconds: (close.seconds - fixed.seconds) / entries as f64,
        digest_seconds: (again.seconds - fixed.seconds) / entries as f64,
    };
    let mut add = |what: &str, unit, value| report.add(PART, what, unit, vec![value]);
    for (name, used) in &model.events {
        add(&format!("{name} by the API, read units"), "RRU", used.reads);
        add(&format!("{name} by the API, write units"), "WRU", used.writes);
    }
    add("event of a file, read units", "RRU", by_file.reads);
    add("event of a file, write units", "WRU", by_file.writes);
    add("events of a file in a transaction", "", 1.0 / by_file.transactions);
    add("entry, stored", "B", model.entry_bytes);
    add("close, read units per entry", "RRU", model.entry_bytes / 4_096.0);
    add("close, S3 PUT", "", fixed.puts);
    add("close, S3 GET", "", fixed.gets);
    let (redemptions, _) = model.million(&model.events["redemption"]);
    add("a million redemptions", "USD", redemptions.iter().sum());
    for millions in [1.0, 10.0, 100.0] {
        let what = format!("close of {} million entries", number(millions));
        add(&what, "USD", model.month_end(millions * MILLION).iter().sum());
    }
    add("idle month", "USD", idle().iter().map(|(_, dollars)| dollars).sum());
    model.section()
}

/// Each kind of event through the API, for a member with a history, and a
/// redemption whose month is over.
async fn events(options: &Options) -> (BTreeMap<&'static str, Used>, Used) {
    let counted = Counted::new().await;
    let number = if options.quick { 4 } else { 100 };
    let at = |minute: usize| format!("2017-01-20T{:02}:{:02}:00+08:00", 8 + minute / 60, minute % 60);
    // More than an account remembers.
    for event in 0..20 {
        let body = json!({ "member": "m1", "occurred_at": at(0), "amount": "9000.00" });
        counted.record("accruals", &format!("H-{event}"), &body).await;
    }
    let mut sums: BTreeMap<&'static str, Used> = BTreeMap::new();
    for event in 0..number {
        let of = |name: &'static str| format!("{name}-{event}");
        let at = at(1 + event);
        let calls = [
            ("accrual", "accruals", json!({ "member": "m1", "occurred_at": at, "amount": "25.00" })),
            ("redemption", "redemptions", json!({ "member": "m1", "occurred_at": at, "points": 100 })),
            (
                "reversal",
                "reversals",
                json!({ "member": "m1", "occurred_at": at,
                    "reverses": { "kind": "redemption", "reference": of("redemption") } }),
            ),
        ];
        for (name, collection, body) in calls {
            let used = counted.record(collection, &of(name), &body).await;
            let sum = sums.entry(name).or_default();
            *sum = Used {
                reads: sum.reads + used.reads,
                writes: sum.writes + used.writes,
                requests: sum.requests + used.requests,
                transactions: sum.transactions + used.transactions,
                puts: sum.puts + used.puts,
                gets: sum.gets + used.gets,
                seconds: sum.seconds + used.seconds,
            };
        }
    }
    let averages = sums.into_iter().map(|(name, sum)| (name, sum.of_one(number as f64))).collect();
    counted.set_now(AFTER_FEBRUARY).await;
    let late = json!({ "member": "m1", "occurred_at": at(0), "points": 100 });
    (averages, counted.record("redemptions", "late", &late).await)
}

/// Bytes that items are paid for.
struct Sizes {
    entries: f64,
    references: f64,
    accounts: f64,
    members: f64,
}

impl Sizes {
    fn of(items: &Items) -> Self {
        let mut sizes = Self { entries: 0.0, references: 0.0, accounts: 0.0, members: 0.0 };
        for ((pk, _), item) in items {
            let bytes: usize = item.iter().map(|(name, value)| name.len() + size(value)).sum();
            if pk.starts_with("M#") {
                sizes.accounts += bytes as f64;
                sizes.members += 1.0;
            } else if pk.starts_with("E#") {
                sizes.entries += bytes as f64;
            } else if pk.starts_with("U#") {
                sizes.references += bytes as f64;
            }
        }
        sizes
    }
}

/// A number takes a byte for two digits and one more.
fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + size(value)).sum::<usize>(),
        other => panic!("the ledger stores no {other:?}"),
    }
}

/// All that a cost is computed from.
struct Model {
    events: BTreeMap<&'static str, Used>,
    /// A redemption whose month is over.
    after_the_month: Used,
    by_file: Used,
    entry_bytes: f64,
    reference_bytes: f64,
    account_bytes: f64,
    /// Of a close per entry, the month before left out.
    close_reads: f64,
    /// A close of nothing.
    fixed: Used,
    /// Per entry of the month, and per entry of the month before.
    tally_seconds: f64,
    digest_seconds: f64,
}

const EVENT_ROWS: [&str; 6] =
    ["DynamoDB writes", "DynamoDB reads", "HTTP API", "Lambda requests", "Lambda time", "logs"];
const CLOSE_ROWS: [&str; 5] = ["DynamoDB", "Lambda", "S3 requests", "Step Functions", "logs"];

impl Model {
    /// Dollars of a million events by the API, in the order of [`EVENT_ROWS`], and milliseconds of one.
    fn million(&self, used: &Used) -> ([f64; 6], f64) {
        let seconds = used.seconds + used.requests * REQUEST_SECONDS;
        let dollars = [
            WRITE.of(used.writes * MILLION),
            READ.of(used.reads * MILLION),
            HTTP.of(MILLION),
            CALL.of(MILLION),
            MEMORY.of(seconds * API_GB * MILLION),
            LOG_GB.of(LOG_BYTES_A_CALL * MILLION / 1e9),
        ];
        (dollars, seconds * 1e3)
    }

    /// Dollars of a million events in files.
    fn million_by_file(&self) -> ([f64; 6], f64) {
        let used = &self.by_file;
        let seconds = used.seconds + used.requests * REQUEST_SECONDS / IMPORT_AT_ONCE;
        let dollars = [
            WRITE.of(used.writes * MILLION),
            READ.of(used.reads * MILLION),
            0.0,
            0.0,
            MEMORY.of(seconds * IMPORT_GB * MILLION),
            0.0,
        ];
        (dollars, seconds * 1e3)
    }

    /// Dollars of one run over a month of so many entries, in the order of
    /// [`CLOSE_ROWS`]; the month before is as large and is read once more.
    fn month_end(&self, entries: f64) -> [f64; 5] {
        let calls = 2.0 * f64::from(SHARDS) + 2.0;
        let seconds = entries * (self.tally_seconds + self.digest_seconds)
            + 3.0 * entries * self.entry_bytes / PAGE_BYTES * PAGE_SECONDS
            + self.fixed.seconds
            + (self.fixed.requests + self.fixed.puts + self.fixed.gets) * REQUEST_SECONDS;
        [
            READ.of(entries * (self.close_reads + self.entry_bytes / 4_096.0) + self.fixed.reads)
                + WRITE.of(self.fixed.writes),
            CALL.of(calls) + MEMORY.of(seconds * CLOSE_GB),
            PUT.of(self.fixed.puts) + GET.of(self.fixed.gets),
            TRANSITION.of(TRANSITIONS),
            LOG_GB.of(LOG_BYTES_A_CALL * calls / 1e9),
        ]
    }

    /// Dollars of keeping a million items for a month, in the table and so many indexes.
    fn kept(bytes: f64, indexes: f64) -> f64 {
        let gigabytes = (bytes + OVERHEAD_BYTES) * MILLION / 1e9;
        TABLE_GB.of((1.0 + indexes) * gigabytes) + RECOVERY_GB.of(gigabytes)
    }

    fn section(&self) -> String {
        let mut text = String::from("## Cost\n\n");
        text += "US dollars by list price, without free tiers: what the handlers consumed when they were measured, times the\n";
        text += "prices below. Written by `cargo bench --workspace --bench figures -- cost`.\n\n";
        let events = ["accrual", "redemption", "reversal"].map(|name| self.million(&self.events[name]));
        let columns: Vec<([f64; 6], f64)> = events.into_iter().chain([self.million_by_file()]).collect();
        let mut rows = vec![["a million", "accruals", "redemptions", "reversals", "in files"].map(str::to_owned)];
        for (at, name) in EVENT_ROWS.iter().enumerate() {
            rows.push(row(name, columns.iter().map(|(dollars, _)| dollars[at])));
        }
        rows.push(row("**together**", columns.iter().map(|(dollars, _)| dollars.iter().sum())));
        text += &markdown(&rows);
        text += &format!(
            "\nOne redemption: {} read and {} write units, {} requests, {} ms; {} write units more if its month is over, to see\nwhether it is sealed. An event of a file: {} and {}, {} in a transaction on average.\n\n",
            number(self.events["redemption"].reads),
            number(self.events["redemption"].writes),
            number(self.events["redemption"].requests),
            number(columns[1].1),
            number(self.after_the_month.writes - self.events["redemption"].writes),
            number(self.by_file.reads),
            number(self.by_file.writes),
            number(1.0 / self.by_file.transactions),
        );
        let closes = [1.0, 10.0, 100.0].map(|millions| self.month_end(millions * MILLION));
        let mut rows = vec![["one close of", "1 million", "10 million", "100 million"].map(str::to_owned)];
        for (at, name) in CLOSE_ROWS.iter().enumerate() {
            rows.push(row(name, closes.iter().map(|dollars| dollars[at])));
        }
        rows.push(row("**together**", closes.iter().map(|dollars| dollars.iter().sum())));
        rows.push(row("**trial and final**", closes.iter().map(|dollars| 2.0 * dollars.iter().sum::<f64>())));
        text += &markdown(&rows);
        text += &format!(
            "\nEach run reads the month twice and the accounts that it moved, {} read units an entry in all, and, to see that nothing\nchanged, the month before, {} an entry. It writes {} objects and reads {}.\n\n",
            number(self.close_reads),
            number(self.entry_bytes / 4_096.0),
            number(self.fixed.puts),
            number(self.fixed.gets),
        );
        let mut rows = vec![["a month without events", ""].map(str::to_owned)];
        rows.extend(idle().into_iter().map(|(what, dollars)| [what, cents(dollars)]));
        rows.push(["**together**".to_owned(), cents(idle().iter().map(|(_, dollars)| dollars).sum())]);
        rows.push([
            "for every million entries kept".to_owned(),
            cents(Self::kept(self.entry_bytes, 1.0) + Self::kept(self.reference_bytes, 0.0)),
        ]);
        rows.push(["for every million members".to_owned(), cents(Self::kept(self.account_bytes, 0.0))]);
        text += &markdown(&rows);
        text += "\nThe formulas:\n\n";
        text += "- an event by the API = write units × WRITE + read units × READ + HTTP + CALL + seconds × 0.5 GB × MEMORY + log\n";
        text += "- a close = (3 × entries × bytes ÷ 4,096 + members that moved) × READ + seconds × 1.73 GB × MEMORY + fixed requests + 134 transitions\n";
        text += &format!(
            "- seconds = measured on loopback, and {} ms for each request, {} ms for each page of 1 MB in the region: assumed\n\n",
            number(REQUEST_SECONDS * 1e3),
            number(PAGE_SECONDS * 1e3)
        );
        let mut rows = vec![["us-east-1", "USD", "for", "read at"].map(str::to_owned)];
        rows.extend(PRICES.iter().map(|price| {
            let per = if price.per == 1.0 { String::new() } else { format!("{} ", number(price.per)) };
            [price.what.to_owned(), price.dollars.to_string(), format!("{per}{}", price.unit), price.source.to_owned()]
        }));
        text + &markdown(&rows)
    }
}

fn row<const COLUMNS: usize>(name: &str, dollars: impl IntoIterator<Item = f64>) -> [String; COLUMNS] {
    let cells: Vec<String> = std::iter::once(name.to_owned()).chain(dollars.into_iter().map(cents)).collect();
    cells.try_into().unwrap()
}

fn cents(dollars: f64) -> String {
    if dollars > 0.0 && dollars < 0.005 { "< 0.01".to_owned() } else { format!("{dollars:.2}") }
}

/// What is paid for without any event.
fn idle() -> Vec<(String, f64)> {
    // Alarms of the template: one for each function where they are repeated.
    let indented = |spaces: usize| {
        let line = format!("{}Type: AWS::CloudWatch::Alarm", " ".repeat(spaces));
        TEMPLATE.lines().filter(|text| **text == line).count()
    };
    let functions = TEMPLATE.matches("Type: AWS::Serverless::Function").count();
    let alarms = indented(4) + indented(8) * functions;
    let dashboards = TEMPLATE.matches("Type: AWS::CloudWatch::Dashboard").count();
    vec![
        (format!("{alarms} alarms"), ALARM.of(alarms as f64)),
        (format!("{dashboards} dashboard"), DASHBOARD.of(dashboards as f64)),
    ]
}
