//! A function's program over a small Lambda Runtime API on loopback.

use crate::programme::Programme;
use crate::programs::{Running, folder};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use interline::world::{INBOX_BUCKET, REPORTS_BUCKET, TABLE};
use interline_embedded::Embedded;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// Longer than any event of a test takes; a program that died answers none.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The year 2100, in milliseconds: nothing is cut short by it.
const NO_DEADLINE: u64 = 4_102_444_800_000;

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
}

/// One warm process of a function.
pub struct Function {
    process: Running,
    api: Arc<Api>,
    events: mpsc::UnboundedSender<Event>,
    invocations: u64,
    log: mpsc::UnboundedReceiver<String>,
}

impl Function {
    /// Starts `interline-<name>` on the programme's DynamoDB and S3.
    pub async fn start(name: &str, programme: &Programme) -> Self {
        Self::start_program(&format!("interline-{name}"), programme).await
    }

    /// Starts a program that lies in the folder of the built ones.
    pub async fn start_program(name: &str, programme: &Programme) -> Self {
        let (events, queue) = mpsc::unbounded_channel();
        let api = Arc::new(Api { events: tokio::sync::Mutex::new(queue), waiting: Mutex::default() });
        let invocation = "/2018-06-01/runtime/invocation";
        let routes = Router::new()
            .route(&format!("{invocation}/next"), get(next))
            .route(&format!("{invocation}/{{id}}/response"), post(response))
            .route(&format!("{invocation}/{{id}}/error"), post(error))
            .with_state(api.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let program = tokio::task::spawn_blocking(folder).await.unwrap().join(name);
        let embedded = programme.embedded();
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
                ("AWS_ENDPOINT_URL_DYNAMODB", &embedded.dynamodb_endpoint()),
                ("AWS_ENDPOINT_URL_S3", &embedded.s3_endpoint()),
                ("INTERLINE_TABLE", TABLE),
                ("INTERLINE_REPORTS_BUCKET", REPORTS_BUCKET),
                ("INTERLINE_INBOX_BUCKET", INBOX_BUCKET),
            ])
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
        Self { process: Running(child), api, events, invocations: 0, log }
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

    /// The process that serves: the same from the first event to the last.
    pub fn is_running(&mut self) -> bool {
        self.process.0.try_wait().unwrap().is_none()
    }
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let Some(event) = api.events.lock().await.recv().await else {
        return Err(StatusCode::GONE);
    };
    let headers = [
        ("lambda-runtime-aws-request-id", event.id),
        ("lambda-runtime-deadline-ms", event.deadline.to_string()),
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
