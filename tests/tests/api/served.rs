//! A programme served on loopback, and a client for it.

use crate::contract::{Answers, Document};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use interline::gateway::Gateway;
use interline_embedded::Storage;
use interline_lambda::App;
use interline_lambda::problem::{KINDS, TYPE_PREFIX};
use interline_ledger::Ledger;
use interline_tests::programme::{Programme, RULEBOOK};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long a close may take before a test gives up on it.
const CLOSED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

pub struct Served {
    pub programme: Programme,
    pub address: SocketAddr,
    /// What was answered so far.
    pub answers: Answers,
    client: Client<HttpConnector, Body>,
    /// The server ends when this is dropped.
    _stop: oneshot::Sender<()>,
}

/// A rulebook by which a line is told of others whatever finance is told.
pub fn with_pairs(rulebook: &str) -> String {
    rulebook.replacen("\nnetting =", "\ndisclose = \"pairs\"\nnetting =", 1)
}

impl Served {
    /// The sample programme at a moment, where lines are shown pairs: so every answer
    /// has all that an answer can have.
    pub async fn sample(now: &str) -> Self {
        Self::with_rulebook(&with_pairs(RULEBOOK), now).await
    }

    pub async fn with_rulebook(rulebook: &str, now: &str) -> Self {
        let programme = Programme::open(Storage::Memory, rulebook, now).await;
        let rulebook = programme.rulebook().await;
        let (address, stop) = serve(programme.world.app.clone(), &rulebook).await;
        Self { programme, address, answers: Answers::default(), client: client(), _stop: stop }
    }

    /// Serves from now on with another ledger over the same table.
    pub async fn use_ledger(&mut self, ledger: Ledger) {
        self.programme.use_ledger(ledger);
        let rulebook = self.programme.rulebook().await;
        (self.address, self._stop) = serve(self.programme.world.app.clone(), &rulebook).await;
    }

    /// The same programme by another server.
    pub fn at(address: SocketAddr, served: Self) -> Self {
        Self { address, ..served }
    }

    pub fn set_now(&self, now: &str) {
        self.programme.set_now(now);
    }

    /// A call with the token of a role; with none if the role is empty. The
    /// answer is one that the contract has.
    pub async fn call(&self, role: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if !role.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer local-{role}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = Answer::of(&self.client, request).await;
        Document::get().check(method, path, &answer);
        self.answers.add(method, path, &answer);
        answer
    }

    pub async fn get(&self, role: &str, path: &str) -> Answer {
        self.call(role, "GET", path, &[], "").await
    }

    pub async fn put(&self, role: &str, path: &str, body: Value) -> Answer {
        self.call(role, "PUT", path, &[], &body.to_string()).await
    }

    pub async fn post(&self, role: &str, path: &str, body: Value) -> Answer {
        self.call(role, "POST", path, &[], &body.to_string()).await
    }

    /// Records an event of a line for the first time: `accruals/S-1`.
    pub async fn record(&self, line: &str, event: &str, body: Value) -> Value {
        let answer = self.put(line, &format!("/v1/lines/{line}/{event}"), body).await;
        assert_eq!(answer.status, 201, "{line} {event}: {}", answer.text());
        answer.json()
    }

    /// Closes a period, with entries or without, through the API and waits until the run is there.
    pub async fn close(&self, period: &str, kind: &str) -> Value {
        let answer = self.post("finance", &format!("/v1/periods/{period}/close"), close_body(kind)).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        self.settled(period).await
    }

    /// The period once no run is under way, or the last one failed.
    pub async fn settled(&self, period: &str) -> Value {
        let path = format!("/v1/periods/{period}");
        let until = Instant::now() + CLOSED_WITHIN;
        loop {
            let state = self.get("finance", &path).await.ok();
            if state["under_way"].is_null() || !state["under_way"]["failed"].is_null() {
                return state;
            }
            assert!(Instant::now() < until, "the close does not end: {state}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

pub async fn serve(
    app: Arc<App>,
    rulebook: &interline_domain::terms::rulebook::Rulebook,
) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let gateway = Gateway::new(app, rulebook, false);
    let stopped = async {
        let _ = stopped.await;
    };
    tokio::spawn(gateway.serve(vec![listener], stopped));
    (address, stop)
}

pub fn client() -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// A plain request, as of a browser that follows a link.
pub async fn plain_get(url: &str) -> Answer {
    Answer::of(&client(), Request::get(url).body(Body::empty()).unwrap()).await
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Answer {
    async fn of(client: &Client<HttpConnector, Body>, request: Request<Body>) -> Self {
        let response = client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(Body::new(body), usize::MAX).await.unwrap();
        Self { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {} {:?}", self.status, self.text()))
    }

    /// The body of a 200 as JSON.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.json()
    }

    /// Type and field of a problem, after everything about it was checked.
    pub fn problem(&self) -> (String, Option<String>) {
        let body = self.json();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{body}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{body}");
        assert_eq!(self.header("etag"), None, "{body}");
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}")).to_owned();
        let urn = text("type");
        let slug = urn.strip_prefix(TYPE_PREFIX).unwrap_or_else(|| panic!("the type is no problem's: {body}"));
        let kind = KINDS.into_iter().find(|kind| kind.slug == slug).unwrap_or_else(|| panic!("unknown type: {body}"));
        assert_eq!(kind.status, self.status, "{body}");
        assert_eq!(body["status"], self.status, "{body}");
        assert_eq!(body["title"], kind.title, "{body}");
        assert!(!text("detail").is_empty(), "{body}");
        let names: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert!(
            names.iter().all(|name| ["type", "title", "status", "detail", "field"].contains(&name.as_str())),
            "{body}"
        );
        (slug.to_owned(), body["field"].as_str().map(str::to_owned))
    }
}

/// Whether a value has the shape of another: the same fields and elements, and
/// the same values except where the pattern says `"…"`, which is anything but null.
pub fn like(actual: &Value, pattern: &Value) -> bool {
    match (actual, pattern) {
        (actual, Value::String(text)) if text == "…" => !actual.is_null(),
        (Value::Object(actual), Value::Object(pattern)) => {
            actual.len() == pattern.len()
                && pattern.iter().all(|(name, pattern)| actual.get(name).is_some_and(|actual| like(actual, pattern)))
        }
        (Value::Array(actual), Value::Array(pattern)) => {
            actual.len() == pattern.len() && actual.iter().zip(pattern).all(|(actual, pattern)| like(actual, pattern))
        }
        (actual, pattern) => actual == pattern,
    }
}

#[track_caller]
pub fn assert_like(actual: &Value, pattern: &Value) {
    assert!(like(actual, pattern), "\n{actual:#}\nis not like\n{pattern:#}");
}

pub fn sale(member: &str, at: &str, amount: &str) -> Value {
    json!({ "member": member, "occurred_at": at, "amount": amount })
}

pub fn redemption(member: &str, at: &str, points: i64) -> Value {
    json!({ "member": member, "occurred_at": at, "points": points })
}

/// Takes back `accrual:S-1`, all that is left of it.
pub fn reversal(member: &str, at: &str, of: &str) -> Value {
    let (kind, reference) = of.split_once(':').unwrap();
    json!({ "member": member, "occurred_at": at, "reverses": { "kind": kind, "reference": reference } })
}

fn close_body(kind: &str) -> Value {
    json!({ "kind": kind, "empty": kind == "final" })
}

/// An entry as it was answered when it was recorded: without what is reversed of it
/// and what is left.
pub fn as_recorded(mut entry: Value) -> Value {
    for beside in ["reversed", "left"] {
        entry.as_object_mut().unwrap().remove(beside);
    }
    entry
}
