//! The start of a function's process: the only place that reads the
//! environment and the clock.

use crate::app::{App, Clock, DEFAULT_ROLE_PREFIX};
use crate::failure::Failure;
use aws_config::BehaviorVersion;
pub use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use chrono::Utc;
use interline_ledger::Ledger;
use interline_reports::bucket::Bucket;
use lambda_http::{Body, Request, Response};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The settings that a template gives its functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub table: String,
    pub reports_bucket: String,
    pub inbox_bucket: String,
    /// What the names of callers' roles start with.
    pub role_prefix: String,
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
        })
    }
}

pub fn system_clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "the bootstrap hands the clock to everything else")]
    Arc::new(Utc::now)
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
    app.with_role_prefix(settings.role_prefix.clone())
}

/// Runs a handler that takes one event and answers one value.
pub async fn run<E, A, F, H>(handler: H) -> Result<(), Error>
where
    E: DeserializeOwned,
    A: Serialize,
    F: Future<Output = Result<A, Failure>>,
    H: Fn(Arc<App>, E) -> F,
{
    lambda_runtime::tracing::init_default_subscriber();
    let settings = Settings::from_env()?;
    let app = Arc::new(app(&sdk_config().await, &settings));
    let handler = &handler;
    lambda_runtime::run(service_fn(|event: LambdaEvent<serde_json::Value>| {
        let app = app.clone();
        async move {
            let event = serde_json::from_value(event.payload)
                .map_err(|error| Failure::BadEvent(format!("the event is not what this function takes: {error}")));
            let answer = match event {
                Ok(event) => handler(app, event).await,
                Err(failure) => Err(failure),
            };
            answer.map_err(|failure| {
                tracing::error!(class = failure.class().name(), reason = %failure, "failed");
                Diagnostic::from(failure)
            })
        }
    }))
    .await
}

/// Runs a handler that answers HTTP requests.
pub async fn run_http<F, H>(handler: H) -> Result<(), Error>
where
    F: Future<Output = Response<Body>> + Send,
    H: Fn(Arc<App>, Request) -> F + Send + Sync,
{
    lambda_runtime::tracing::init_default_subscriber();
    let settings = Settings::from_env()?;
    let app = Arc::new(app(&sdk_config().await, &settings));
    let handler = &handler;
    lambda_http::run(lambda_http::service_fn(|request: Request| {
        let answer = handler(app.clone(), request);
        async move { Ok::<_, Infallible>(answer.await) }
    }))
    .await
}
