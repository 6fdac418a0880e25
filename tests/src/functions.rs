//! A function's program over a small Lambda Runtime API on loopback.

use crate::outage::Endpoint;
use crate::programme::Programme;
use crate::programs::{Running, example, folder};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use interline::world::{INBOX_BUCKET, REPORTS_BUCKET, TABLE};
use interline_embedded::Embedded;
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path as FilePath;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

/// Longer than any event of a test takes; a program that died answers none.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The year 2100, in milliseconds: nothing is cut short by it.
const NO_DEADLINE: u64 = 4_102_444_800_000;

/// The trace of every event.
const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

/// What a function answered: a value, or `errorType` and `errorMessage`.
pub type Answer = Result<Value, Value>;

struct Event {
    id: String,
    deadline: u64,
    payload: Value,
}

struct Api {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    /// When the process first asked for an event.
    polled: watch::Sender<Option<Instant>>,
}

/// One warm process of a function.
pub struct Function {
    process: Running,
    spawned: Instant,
    api: Arc<Api>,
    events: mpsc::UnboundedSender<Event>,
    invocations: u64,
    log: mpsc::UnboundedReceiver<String>,
}

impl Function {
    /// Starts `interline-<name>` on the programme's DynamoDB and S3.
    pub async fn start(name: &str, programme: &Programme) -> Self {
        let folder = tokio::task::spawn_blocking(folder).await.unwrap();
        let embedded = programme.embedded();
        let program = folder.join(format!("interline-{name}"));
        Self::start_program(&program, embedded.dynamodb_endpoint(), embedded.s3_endpoint(), None).await
    }

    /// As [`start`](Self::start), traced: what it tells of a trace goes to this address.
    pub async fn start_traced(name: &str, programme: &Programme, daemon: &str) -> Self {
        let folder = tokio::task::spawn_blocking(folder).await.unwrap();
        let embedded = programme.embedded();
        let program = folder.join(format!("interline-{name}"));
        Self::start_program(&program, embedded.dynamodb_endpoint(), embedded.s3_endpoint(), Some(daemon)).await
    }

    /// Starts `interline-<name>` on stores that may go away.
    pub async fn start_behind(name: &str, dynamodb: &Endpoint, s3: &Endpoint) -> Self {
        let folder = tokio::task::spawn_blocking(folder).await.unwrap();
        Self::start_program(&folder.join(format!("interline-{name}")), dynamodb.url(), s3.url(), None).await
    }

    /// Starts a function that stands among the examples.
    pub async fn start_example(name: &'static str, programme: &Programme) -> Self {
        let program = tokio::task::spawn_blocking(move || example(name)).await.unwrap();
        let embedded = programme.embedded();
        Self::start_program(&program, embedded.dynamodb_endpoint(), embedded.s3_endpoint(), None).await
    }

    async fn start_program(program: &FilePath, dynamodb: String, s3: String, daemon: Option<&str>) -> Self {
        let (events, queue) = mpsc::unbounded_channel();
        let api = Arc::new(Api {
            events: tokio::sync::Mutex::new(queue),
            waiting: Mutex::default(),
            polled: watch::Sender::new(None),
        });
        let invocation = "/2018-06-01/runtime/invocation";
        let routes = Router::new()
            .route(&format!("{invocation}/next"), get(next))
            .route(&format!("{invocation}/{{id}}/response"), post(response))
            .route(&format!("{invocation}/{{id}}/error"), post(error))
            .with_state(api.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let name = program.file_name().and_then(OsStr::to_str).unwrap();
        let spawned = Instant::now();
        let mut child = Command::new(program)
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
                ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
                ("AWS_LAMBDA_FUNCTION_NAME", name),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
                ("AWS_LAMBDA_LOG_GROUP_NAME", name),
                ("AWS_LAMBDA_LOG_STREAM_NAME", name),
                ("AWS_REGION", "cn-north-1"),
                ("AWS_ACCESS_KEY_ID", Embedded::access_key()),
                ("AWS_SECRET_ACCESS_KEY", Embedded::secret_key()),
                ("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb),
                ("AWS_ENDPOINT_URL_S3", &s3),
                ("INTERLINE_TABLE", TABLE),
                ("INTERLINE_REPORTS_BUCKET", REPORTS_BUCKET),
                ("INTERLINE_INBOX_BUCKET", INBOX_BUCKET),
                ("INTERLINE_STATE_MACHINE", "arn:aws-cn:states:cn-north-1:123456789012:stateMachine:month-end"),
            ])
            .envs(daemon.map(|address| ("AWS_XRAY_DAEMON_ADDRESS", address)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (lines, log) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            // Ends with the process, or with the test.
            output.lines().map_while(Result::ok).map_while(|line| lines.send(line).ok()).count()
        });
        Self { process: Running(child), spawned, api, events, invocations: 0, log }
    }

    /// From the start of the process to its first request for an event.
    pub async fn first_poll(&self) -> Duration {
        let mut polled = self.api.polled.subscribe();
        let polled = tokio::time::timeout(ANSWER_WITHIN, polled.wait_for(Option::is_some)).await;
        let polled = *polled.expect("the function does not ask for events").unwrap();
        polled.unwrap() - self.spawned
    }

    pub async fn invoke(&mut self, event: Value) -> Answer {
        self.invoke_until(event, NO_DEADLINE).await
    }

    /// With a time limit, in milliseconds of the system's clock.
    pub async fn invoke_until(&mut self, payload: Value, deadline: u64) -> Answer {
        self.invocations += 1;
        let id = format!("request-{}", self.invocations);
        let (sender, answer) = oneshot::channel();
        self.api.waiting.lock().unwrap().insert(id.clone(), sender);
        self.events.send(Event { id, deadline, payload }).unwrap();
        tokio::time::timeout(ANSWER_WITHIN, answer).await.expect("the function does not answer").unwrap()
    }

    /// The log up to the next line that is one request's, and that line last.
    pub async fn log_of_request(&mut self) -> Vec<Value> {
        let mut log = Vec::new();
        loop {
            let line = tokio::time::timeout(ANSWER_WITHIN, self.log.recv()).await.unwrap().unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            log.push(line);
            if log.last().unwrap()["fields"]["message"] == "request" {
                return log;
            }
        }
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// The process that serves: the same from the first event to the last.
    pub fn is_running(&mut self) -> bool {
        self.process.0.try_wait().unwrap().is_none()
    }
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    api.polled.send_if_modified(|polled| polled.is_none().then(|| *polled = Some(Instant::now())).is_some());
    let Some(event) = api.events.lock().await.recv().await else {
        return Err(StatusCode::GONE);
    };
    let headers = [
        ("lambda-runtime-aws-request-id", event.id),
        ("lambda-runtime-deadline-ms", event.deadline.to_string()),
        ("lambda-runtime-trace-id", TRACE.to_owned()),
        ("lambda-runtime-invoked-function-arn", "arn:aws-cn:lambda:cn-north-1:123456789012:function:f".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    Ok((headers, event.payload.to_string()))
}

async fn response(State(api): State<Arc<Api>>, Path(id): Path<String>, body: String) -> StatusCode {
    answer(&api, &id, Ok(serde_json::from_str(&body).unwrap()))
}

async fn error(State(api): State<Arc<Api>>, Path(id): Path<String>, body: String) -> StatusCode {
    answer(&api, &id, Err(serde_json::from_str(&body).unwrap()))
}

fn answer(api: &Api, id: &str, answer: Answer) -> StatusCode {
    match api.waiting.lock().unwrap().remove(id) {
        Some(waiting) => {
            let _ = waiting.send(answer);
            StatusCode::ACCEPTED
        }
        None => StatusCode::BAD_REQUEST,
    }
}
