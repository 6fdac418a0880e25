//! A gateway on loopback in place of API Gateway: makes HTTP API v2 events of
//! requests, fills in the caller, and hands them to the functions' handlers.

use crate::month_end;
use crate::output::warn;
use crate::sigv4::signer;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use interline_cutoff::Close;
use interline_domain::terms::rulebook::Rulebook;
use interline_lambda::bootstrap::system_clock;
use interline_lambda::routes::{Function, find};
use interline_lambda::{App, Caller};
use interline_periods::Starter;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The account that local callers belong to.
const ACCOUNT: &str = "000000000000";
/// API Gateway takes no larger body.
const BODY_MAX_BYTES: usize = 10 * 1024 * 1024;
/// How long a caller may take for the head of a request, and as long again for its body.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Gateway {
    app: Arc<App>,
    tokens: BTreeMap<String, Caller>,
    starter: Starter,
    closes: Arc<Mutex<JoinSet<()>>>,
    requests: AtomicU64,
    log: bool,
    patience: Duration,
}

/// One token per role. They are no secret: the gateway listens on loopback only.
pub fn tokens(rulebook: &Rulebook) -> BTreeMap<String, Caller> {
    let lines = rulebook.lines.iter().map(|line| (format!("local-{}", line.id), Caller::Line(line.id.clone())));
    let others = [("local-finance".to_owned(), Caller::Finance), ("local-members".to_owned(), Caller::Members)];
    lines.chain(others).collect()
}

impl Gateway {
    pub fn new(app: Arc<App>, rulebook: &Rulebook, log: bool) -> Self {
        let closes: Arc<Mutex<JoinSet<()>>> = Arc::default();
        let starter = starter(app.clone(), closes.clone());
        Self { tokens: tokens(rulebook), app, starter, closes, requests: AtomicU64::new(1), log, patience: PATIENCE }
    }

    /// How long a caller may take for a head, and for a body.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Serves until `stop`, then lets requests and closes under way finish.
    pub async fn serve(
        self,
        listeners: Vec<TcpListener>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let gateway = Arc::new(self);
        let router = Router::new().fallback(handle).with_state(gateway.clone());
        let (stopping, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = accept(&listeners) => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(connection(stream, router.clone(), gateway.patience, stopped.clone()))),
                    // Of one caller, or because too many files are open for a moment.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
        // Nobody waits to be accepted who never will be.
        drop(listeners);
        drop(stopping);
        while connections.join_next().await.is_some() {}
        let closes = gateway.closes.lock().map(|mut closes| std::mem::take(&mut *closes));
        closes.unwrap_or_default().join_all().await;
        Ok(())
    }

    /// By a token, or by the signature of one.
    fn caller(&self, parts: &Parts, body: &[u8]) -> Option<&Caller> {
        let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        match value.strip_prefix("Bearer ") {
            Some(token) => self.tokens.get(token),
            // Signers go by the clock of the machine, whatever the programme's says.
            None => self.tokens.get(&signer(parts, body, system_clock()())?),
        }
    }
}

/// The next connection of any listener.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    let next = listeners.iter().map(|listener| Box::pin(listener.accept()));
    futures::future::select_all(next).await.0
}

/// Serves a connection until it ends, or is idle once the program is to stop.
async fn connection(stream: TcpStream, router: Router, patience: Duration, mut stopped: watch::Receiver<()>) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Runs the steps of a close in the background.
fn starter(app: Arc<App>, closes: Arc<Mutex<JoinSet<()>>>) -> Starter {
    Box::new(move |_, close: Close| {
        let app = app.clone();
        let task = async move {
            if let Err(failure) = month_end::close(&app, close, &|_| {}).await {
                warn(format!("the close failed: {failure}"));
            }
        };
        if let Ok(mut closes) = closes.lock() {
            while closes.try_join_next().is_some() {}
            closes.spawn(task);
        }
        Box::pin(async { Ok(()) })
    })
}

async fn handle(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let method = parts.method.as_str().to_owned();
    // As API Gateway hands paths on.
    let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8_lossy().into_owned();
    let mut caller = None;
    let read = tokio::time::timeout(gateway.patience, axum::body::to_bytes(body, BODY_MAX_BYTES));
    let response = match read.await {
        Err(_) => message(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
        Ok(Err(error)) if is_too_long(&error) => message(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long"),
        // Nobody is there any more to read it.
        Ok(Err(_)) => message(StatusCode::BAD_REQUEST, "Bad Request"),
        Ok(Ok(body)) => {
            caller = gateway.caller(&parts, &body).cloned();
            match &caller {
                // The answer of API Gateway to a request without a valid signature.
                None => message(StatusCode::FORBIDDEN, "Forbidden"),
                Some(caller) => {
                    let query = parts.uri.query().unwrap_or_default();
                    let event = gateway.event(caller, &method, &path, query, &parts.headers, &body);
                    gateway.dispatch(&method, &path, event).await
                }
            }
        }
    };
    if gateway.log {
        let now = gateway.app.now().format("%H:%M:%S");
        let who = caller.map_or_else(|| "nobody".to_owned(), |caller| caller.to_string());
        let millis = started.elapsed().as_millis();
        let status = response.status().as_u16();
        let _ = writeln!(io::stdout(), "{now}  {status}  {method} {path}  {who}  {millis} ms");
    }
    response
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut cause = error.source();
    while let Some(of) = cause {
        if of.is::<LengthLimitError>() {
            return true;
        }
        cause = of.source();
    }
    false
}

fn message(status: StatusCode, text: &str) -> Response {
    let body = format!("{}\n", json!({ "message": text }));
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

impl Gateway {
    /// An event as API Gateway makes it (HTTP API, payload format 2.0).
    fn event(
        &self,
        caller: &Caller,
        method: &str,
        path: &str,
        query: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Value {
        let now = self.app.now();
        // The token stays at the gateway, as a signature would. The host is the
        // API's own, whatever the caller wrote.
        let headers: Map<String, Value> = headers
            .keys()
            .filter(|name| !matches!(**name, header::AUTHORIZATION | header::HOST))
            .map(|name| {
                let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
                (name.to_string(), json!(values.join(",")))
            })
            .collect();
        let parameters: Map<String, Value> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decoded(name), json!(decoded(value))))
            .collect();
        let arn = caller.arn(ACCOUNT, self.app.role_prefix());
        let request_id = self.requests.fetch_add(1, Ordering::Relaxed);
        let (body, base64) = match std::str::from_utf8(body) {
            Ok(text) => (text.to_owned(), false),
            Err(_) => (base64::Engine::encode(&base64::engine::general_purpose::STANDARD, body), true),
        };
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers,
            "queryStringParameters": parameters,
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": "local",
                "authorizer": { "iam": { "accountId": ACCOUNT, "userArn": arn, "callerId": "local", "userId": "local" } },
                "domainName": "localhost",
                "domainPrefix": "localhost",
                "http": {
                    "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "",
                },
                "requestId": format!("local-{request_id}"),
                "routeKey": "$default",
                "stage": "$default",
                "time": now.format("%d/%b/%Y:%H:%M:%S %z").to_string(),
                "timeEpoch": now.timestamp_millis(),
            },
            "body": if body.is_empty() { Value::Null } else { json!(body) },
            "isBase64Encoded": base64,
        })
    }

    async fn dispatch(&self, method: &str, path: &str, event: Value) -> Response {
        let request = match lambda_http::request::from_str(&event.to_string()) {
            Ok(request) => request,
            Err(error) => {
                warn(format!("the request could not be made an event: {error}"));
                return message(StatusCode::BAD_REQUEST, "Bad Request");
            }
        };
        // Whatever has no route is answered by the function that gets most requests.
        let function = find(method, path).map_or(Function::Record, |found| found.route.function());
        let response = match function {
            Function::Record => interline_record::handle(&self.app, request).await,
            Function::Account => interline_account::handle(&self.app, request).await,
            Function::Periods => interline_periods::handle(&self.app, &self.starter, request).await,
        };
        let (parts, body) = response.into_parts();
        let bytes = match body {
            lambda_http::Body::Empty => Bytes::new(),
            lambda_http::Body::Text(text) => text.into(),
            lambda_http::Body::Binary(bytes) => bytes.into(),
            _ => Bytes::new(),
        };
        (parts.status, parts.headers, bytes).into_response()
    }
}

/// A query value without its percent-encoding.
fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
}
