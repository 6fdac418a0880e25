//! Keys of pseudonyms in AWS Secrets Manager, as its API answers.

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedCredentialsProvider};
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use interline_embedded::Embedded;
use interline_lambda::bootstrap::SdkConfig;
use interline_lambda::keys::{Keys, SecretsManager};
use interline_lambda::{Class, Failure};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Asks a Secrets Manager for the key `own` that answers so.
async fn asked(status: u16, answer: Value) -> Result<String, Failure> {
    let handler = move |headers: HeaderMap, body: String| async move {
        assert_eq!(headers["x-amz-target"], "secretsmanager.GetSecretValue");
        let request: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(request, json!({ "SecretId": "staging/pseudonym-keys/own" }));
        let json = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
        (StatusCode::from_u16(status).unwrap(), json, answer.to_string())
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(handler))).await });
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("cn-north-1"))
        .credentials_provider(SharedCredentialsProvider::new(Embedded::sdk_credentials()))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .build();
    SecretsManager::new(&config, "staging").key("own").await
}

#[tokio::test]
async fn a_key_is_the_text_of_the_secret_that_is_named_after_it() {
    let secret = json!({ "Name": "staging/pseudonym-keys/own", "SecretString": "text of the key" });
    assert_eq!(asked(200, secret).await.unwrap(), "text of the key");
}

#[tokio::test]
async fn a_key_that_cannot_be_had_is_refused_until_somebody_sees_to_it_and_a_busy_service_is_not() {
    for (status, answer, class, text) in [
        (
            400,
            json!({ "__type": "ResourceNotFoundException" }),
            Class::Refused,
            "has no secret staging/pseudonym-keys/own",
        ),
        (400, json!({ "__type": "AccessDeniedException" }), Class::Refused, "may not be read by this role"),
        (200, json!({ "SecretBinary": "AAAA" }), Class::Refused, "holds no text"),
        (500, json!({ "__type": "InternalServiceError" }), Class::Retryable, ""),
    ] {
        let failure = asked(status, answer).await.unwrap_err();
        assert_eq!(failure.class(), class, "{failure}");
        assert!(failure.to_string().contains(text), "{failure}");
    }
}
