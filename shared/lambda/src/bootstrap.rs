//! The start of a function's process: the only place that reads the
//! environment and the clock.

use crate::app::{App, Clock, DEFAULT_ROLE_PREFIX};
use crate::failure::Failure;
use crate::http::{Consumption, time_left};
use crate::keys::SecretsManager;
use crate::trace::Trace;
use aws_config::BehaviorVersion;
pub use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use chrono::Utc;
use interline_ledger::Ledger;
use interline_reports::bucket::Bucket;
use lambda_http::{Body, Request, Response};
use lambda_runtime::tracing::subscriber::EnvFilter;
use lambda_runtime::tracing::subscriber::filter::LevelFilter;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long the start of a process waits for the stores at most.
const WARM_UP_AT_MOST: Duration = Duration::from_secs(2);

/// The settings that a template gives its functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub table: String,
    pub reports_bucket: String,
    pub inbox_bucket: String,
    /// What the names of callers' roles start with.
    pub role_prefix: String,
    /// How long nobody can delete or replace the files of a final run; 0: no longer than
    /// permissions say.
    pub lock_days: u32,
}

impl Settings {
    pub fn from_env() -> Result<Self, Failure> {
        let setting = |name: &str| {
            std::env::var(name).map_err(|_| Failure::Unusable(format!("the environment variable {name} is missing")))
        };
        Ok(Self {
            table: setting("INTERLINE_TABLE")?,
            reports_bucket: setting("INTERLINE_REPORTS_BUCKET")?,
            inbox_bucket: setting("INTERLINE_INBOX_BUCKET")?,
            role_prefix: setting("INTERLINE_ROLE_PREFIX").unwrap_or_else(|_| DEFAULT_ROLE_PREFIX.to_owned()),
            lock_days: match setting("INTERLINE_LOCK_DAYS") {
                Err(_) => 0,
                Ok(days) => days.parse().map_err(|_| Failure::Unusable(format!("INTERLINE_LOCK_DAYS is {days:?}")))?,
            },
        })
    }
}

pub fn system_clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "the bootstrap hands the clock to everything else")]
    Arc::new(Utc::now)
}

/// SHA-256 of the running executable; none where it cannot be read. It is read
/// once, and not before somebody asks.
pub fn executable() -> Option<String> {
    static HASH: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let mut file = std::fs::File::open(std::env::current_exe().ok()?).ok()?;
        let mut hash = Sha256::new();
        std::io::copy(&mut file, &mut hash).ok()?;
        Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    };
    HASH.get_or_init(read).clone()
}

/// Name and version of the function that runs.
fn function() -> Option<String> {
    let name = std::env::var("AWS_LAMBDA_FUNCTION_NAME").ok()?;
    let version = std::env::var("AWS_LAMBDA_FUNCTION_VERSION").ok()?;
    Some(format!("{name}:{version}"))
}

/// Credentials and region from the environment, every limit explicit.
pub async fn sdk_config() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(30))
        .build();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        // A wrong clock is to be told, not covered up: what is written rests on it.
        .disable_clock_skew_correction(true)
        .load()
        .await
}

pub fn app(config: &SdkConfig, settings: &Settings) -> App {
    let ledger = Ledger::new(aws_sdk_dynamodb::Client::new(config), &settings.table);
    // Local stand-ins for S3 know buckets by path, not by host name.
    let path_style = config.endpoint_url().is_some();
    let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(path_style).build();
    let s3 = aws_sdk_s3::Client::from_conf(s3);
    let reports = Bucket::new(s3.clone(), &settings.reports_bucket);
    let app = App::new(ledger, reports, Bucket::new(s3, &settings.inbox_bucket), system_clock());
    app.with_role_prefix(settings.role_prefix.clone()).with_lock_days(settings.lock_days)
}

/// One JSON object a line where the function is set so. A line without time and level
/// would be INFO to Lambda, whatever it says, and dropped by a higher log level.
fn log_to_stdout() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").or_else(|_| std::env::var("RUST_LOG"));
    let level = level.ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let lines = lambda_runtime::tracing::subscriber::fmt().with_target(false).with_env_filter(filter);
    match std::env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|format| format.eq_ignore_ascii_case("json")) {
        true => lines.json().init(),
        false => lines.init(),
    }
}

/// The world of a function, with its connections open and its rulebook read:
/// the start of a process is quick and has no caller waiting.
async fn start(equip: impl FnOnce(App, &SdkConfig) -> App) -> Result<Arc<App>, Error> {
    log_to_stdout();
    let settings = Settings::from_env()?;
    let config = sdk_config().await;
    let app =
        app(&config, &settings).with_metrics(Arc::new(|line| println!("{line}"))).with_program(Arc::new(function));
    let app = equip(app, &config);
    match tokio::time::timeout(WARM_UP_AT_MOST, app.rulebook()).await {
        Ok(Ok(_)) => {}
        // The first request will say so, if it is still true by then.
        Ok(Err(failure)) => tracing::debug!(%failure, "not warmed up"),
        Err(_) => tracing::debug!("not warmed up in time"),
    }
    Ok(Arc::new(app))
}

/// Runs a handler that takes one event and answers one value.
pub async fn run<E, A, F, H>(handler: H) -> Result<(), Error>
where
    E: DeserializeOwned,
    A: Serialize,
    F: Future<Output = Result<A, Failure>>,
    H: Fn(Arc<App>, E) -> F,
{
    run_with(|app, _| app, handler).await
}

/// As [`run`], with the keys of pseudonyms: only the functions that use them
/// carry a client of Secrets Manager.
pub async fn run_with_keys<E, A, F, H>(handler: H) -> Result<(), Error>
where
    E: DeserializeOwned,
    A: Serialize,
    F: Future<Output = Result<A, Failure>>,
    H: Fn(Arc<App>, E) -> F,
{
    run_with(with_keys, handler).await
}

/// Lets the keys of pseudonyms come from Secrets Manager.
pub fn with_keys(app: App, config: &SdkConfig) -> App {
    let keys = SecretsManager::new(config, app.role_prefix());
    app.with_keys(Arc::new(keys))
}

async fn run_with<E, A, F, H>(equip: impl FnOnce(App, &SdkConfig) -> App, handler: H) -> Result<(), Error>
where
    E: DeserializeOwned,
    A: Serialize,
    F: Future<Output = Result<A, Failure>>,
    H: Fn(Arc<App>, E) -> F,
{
    let app = start(equip).await?;
    let handler = &handler;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let app = app.clone();
        async move {
            let started = Instant::now();
            let trace = Trace::begin(&app, Some(&event.context));
            let cold_start = app.take_cold_start();
            let before = app.ledger.consumed().units();
            let subject = Subject::of(&event.payload);
            let time_left = time_left(&app, Some(&event.context));
            let payload = serde_json::from_value(event.payload)
                .map_err(|error| Failure::BadEvent(format!("the event is not what this function takes: {error}")));
            let answer = match payload {
                Ok(payload) => match tokio::time::timeout(time_left, handler(app.clone(), payload)).await {
                    Ok(answer) => answer,
                    Err(_) => Err(Failure::TimedOut),
                },
                Err(failure) => Err(failure),
            };
            let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let Consumption { read_units, write_units } = Consumption::since(&app, before);
            let request_id = trace.request();
            let Subject { period, run, shard, object } = subject;
            let number = shard.map(|shard| shard.to_string());
            let about = [("period", period.as_deref()), ("run", run.as_deref()), ("shard", number.as_deref())];
            trace.end(&app, "step", answer.is_err(), &about);
            match &answer {
                Ok(_) => tracing::info!(
                    request_id,
                    period,
                    run,
                    shard,
                    object,
                    outcome = "done",
                    millis,
                    read_units,
                    write_units,
                    cold_start,
                    "request"
                ),
                Err(failure) => tracing::error!(
                    request_id, period, run, shard, object, outcome = failure.class().name(), reason = %failure, millis,
                    read_units, write_units, cold_start, "request"
                ),
            }
            answer.map_err(Diagnostic::from)
        }
    }))
    .await
}

/// What an event is about, for the log. By the run, a request of the API, the
/// execution it started, its steps and the manifest are found from each other.
struct Subject {
    period: Option<String>,
    run: Option<String>,
    shard: Option<u64>,
    object: Option<String>,
}

impl Subject {
    fn of(event: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            period: text(&event["period"]),
            run: text(&event["run"]),
            shard: event["shard"].as_u64(),
            object: text(&event["Records"][0]["s3"]["object"]["key"]),
        }
    }
}

/// Runs a handler that answers HTTP requests.
pub async fn run_http<F, H>(handler: H) -> Result<(), Error>
where
    F: Future<Output = Response<Body>> + Send,
    H: Fn(Arc<App>, Request) -> F + Send + Sync,
{
    let app = start(|app, _| app).await?;
    let handler = &handler;
    lambda_http::run(lambda_http::service_fn(|request: Request| {
        let answer = handler(app.clone(), request);
        async move { Ok::<_, Infallible>(answer.await) }
    }))
    .await
}
