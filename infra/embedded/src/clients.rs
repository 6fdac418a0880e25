use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};

pub(crate) const ACCESS_KEY: &str = "interline-local";
pub(crate) const SECRET_KEY: &str = "interline-local-secret";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Requests queue for one SQLite connection, so a try may wait behind a long load.
const DYNAMODB_TRY_TIMEOUT: Duration = Duration::from_secs(10);
/// A try of S3 includes sending the object.
const S3_TRY_TIMEOUT: Duration = Duration::from_secs(60);
const TRIES: u32 = 3;

pub(crate) fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "interline-embedded")
}

pub(crate) fn connect(dynamodb: &str, s3: &str) -> (aws_sdk_dynamodb::Client, aws_sdk_s3::Client) {
    // Without TLS, and without the proxy the environment may name: the SDK's own
    // default would send loopback requests to HTTP_PROXY.
    let http = aws_smithy_http_client::Builder::new().build_http();
    let dynamodb = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        .endpoint_url(dynamodb)
        .region(Region::new("local"))
        .credentials_provider(credentials())
        .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
        .timeout_config(timeouts(DYNAMODB_TRY_TIMEOUT))
        .build();
    let s3 = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .endpoint_url(s3)
        .region(Region::new("local"))
        .credentials_provider(credentials())
        .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
        .timeout_config(timeouts(S3_TRY_TIMEOUT))
        .force_path_style(true)
        .build();
    (aws_sdk_dynamodb::Client::from_conf(dynamodb), aws_sdk_s3::Client::from_conf(s3))
}

fn timeouts(one_try: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(one_try)
        .operation_timeout(one_try * TRIES)
        .build()
}
