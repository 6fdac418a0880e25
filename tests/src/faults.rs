//! A DynamoDB that fails in the ways of the real one: transactions in each
//! other's way, throttling, errors of the service, and replies that get lost.

use crate::programme::Programme;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use chrono::TimeDelta;
use interline::world::TABLE;
use interline_embedded::Embedded;
use interline_lambda::bootstrap::system_clock;
use interline_ledger::Ledger;
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a request instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The whole transaction is cancelled: another one has its first item.
    Conflict,
    /// The whole transaction is cancelled: a partition is too busy.
    Throttled,
    /// The request is refused before it is looked at.
    Refused(&'static str),
    /// The request is carried out and the answer never comes.
    LostReply,
}

/// Faults for the next transactions and the next puts, each in their order.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    transactions: Arc<Mutex<VecDeque<Fault>>>,
    puts: Arc<Mutex<VecDeque<Fault>>>,
    /// By how many seconds the service's clock is ahead of this one.
    clock_ahead: Arc<AtomicI64>,
}

impl Faults {
    pub fn next(&self, faults: &[Fault]) {
        self.transactions.lock().unwrap().extend(faults);
    }

    pub fn next_puts(&self, faults: &[Fault]) {
        self.puts.lock().unwrap().extend(faults);
    }

    pub fn left(&self) -> usize {
        self.transactions.lock().unwrap().len() + self.puts.lock().unwrap().len()
    }

    pub fn set_service_clock_ahead(&self, seconds: i64) {
        self.clock_ahead.store(seconds, Ordering::Relaxed);
    }

    fn take(&self, target: &str) -> Option<Fault> {
        let faults = match target.rsplit('.').next() {
            Some("TransactWriteItems") => &self.transactions,
            Some("PutItem") => &self.puts,
            _ => return None,
        };
        faults.lock().unwrap().pop_front()
    }
}

/// The programme's ledger over such a DynamoDB.
pub fn ledger(programme: &Programme) -> (Ledger, Faults) {
    let faults = Faults::default();
    (over(programme, faults.clone(), None), faults)
}

/// The programme's ledger over a DynamoDB that cancels a transaction while another
/// has one of its items, which the embedded one does not do. Counts those.
pub fn crowded_ledger(programme: &Programme) -> (Ledger, Crowd) {
    let crowd = Crowd::default();
    (over(programme, Faults::default(), Some(crowd.clone())), crowd)
}

/// The SDK tries each request three times, as elsewhere.
fn over(programme: &Programme, faults: Faults, crowd: Option<Crowd>) -> Ledger {
    let good = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(Faulty { good, faults, crowd })
        .endpoint_url(programme.embedded().dynamodb_endpoint())
        .region(Region::new("local"))
        .credentials_provider(Embedded::sdk_credentials())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(3)
                .with_initial_backoff(Duration::from_millis(1))
                .with_max_backoff(Duration::from_millis(1)),
        )
        .build();
    Ledger::new(Client::from_conf(config), TABLE)
}

/// The items of transactions that are under way.
#[derive(Debug, Clone, Default)]
pub struct Crowd {
    taken: Arc<Mutex<BTreeSet<String>>>,
    cancelled: Arc<AtomicU64>,
}

impl Crowd {
    pub fn cancelled(&self) -> u64 {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Whether the items were free, and are this transaction's now.
    fn take(&self, keys: &[String]) -> bool {
        let mut taken = self.taken.lock().unwrap();
        let free = keys.iter().all(|key| !taken.contains(key));
        if free {
            taken.extend(keys.iter().cloned());
        } else {
            self.cancelled.fetch_add(1, Ordering::Relaxed);
        }
        free
    }

    fn leave(&self, keys: &[String]) {
        let mut taken = self.taken.lock().unwrap();
        taken.retain(|key| !keys.contains(key));
    }
}

/// What tells a transaction's items apart.
fn keys(body: &Value) -> Vec<String> {
    let of = |write: &Value| {
        let item = [&write["Put"]["Item"], &write["ConditionCheck"]["Key"]].into_iter().find(|item| item.is_object());
        item.map(|item| format!("{}{}", item["pk"], item["sk"])).expect("a write of a kind that the ledger has not")
    };
    body["TransactItems"].as_array().into_iter().flatten().map(of).collect()
}

#[derive(Debug)]
struct Faulty {
    good: SharedHttpClient,
    faults: Faults,
    crowd: Option<Crowd>,
}

impl HttpClient for Faulty {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let good = self.good.http_connector(settings, components);
        SharedHttpConnector::new(FaultyConnector { good, faults: self.faults.clone(), crowd: self.crowd.clone() })
    }
}

#[derive(Debug)]
struct FaultyConnector {
    good: SharedHttpConnector,
    faults: Faults,
    crowd: Option<Crowd>,
}

impl HttpConnector for FaultyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.answered(request);
        let ahead = self.faults.clock_ahead.load(Ordering::Relaxed);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let date = (system_clock()() + TimeDelta::seconds(ahead)).format("%a, %d %b %Y %H:%M:%S GMT");
            answer.headers_mut().insert("date", date.to_string());
            Ok(answer)
        })
    }
}

impl FaultyConnector {
    fn answered(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let is_transaction = target.ends_with("TransactWriteItems");
        let fault = self.faults.take(target);
        let body: Value =
            request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        let writes = body["TransactItems"].as_array().map_or(0, Vec::len);
        match fault {
            None => match &self.crowd {
                Some(crowd) if is_transaction => {
                    let keys = keys(&body);
                    if !crowd.take(&keys) {
                        return cancelled(writes, "TransactionConflict");
                    }
                    let (carried_out, crowd) = (self.good.call(request), crowd.clone());
                    HttpConnectorFuture::new(async move {
                        let answer = carried_out.await;
                        crowd.leave(&keys);
                        answer
                    })
                }
                Some(_) | None => self.good.call(request),
            },
            Some(Fault::Conflict) => cancelled(writes, "TransactionConflict"),
            Some(Fault::Throttled) => cancelled(writes, "ThrottlingError"),
            Some(Fault::Refused(code)) => answer(json!({ "__type": code, "message": "injected" })),
            Some(Fault::LostReply) => {
                let carried_out = self.good.call(request);
                HttpConnectorFuture::new(async move {
                    carried_out.await?;
                    Err(ConnectorError::io("the connection was closed".into()))
                })
            }
        }
    }
}

/// One write is the reason; the others were fine.
fn cancelled(writes: usize, code: &str) -> HttpConnectorFuture {
    let reasons: Vec<Value> = (0..writes).map(|at| json!({ "Code": if at == 0 { code } else { "None" } })).collect();
    answer(json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons,
    }))
}

fn answer(body: Value) -> HttpConnectorFuture {
    let status = StatusCode::try_from(400).unwrap();
    let response = HttpResponse::new(status, body.to_string().into());
    HttpConnectorFuture::ready(Ok(response))
}
