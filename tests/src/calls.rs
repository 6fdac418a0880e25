//! HTTP API events as API Gateway sends them (payload format 2.0).

use serde_json::{Value, json};

/// The account that runs the API.
pub const ACCOUNT: &str = "123456789012";

/// The ARN of a session of a role: `finance`, `members`, `line-grocery`.
pub fn arn(role: &str) -> String {
    format!("arn:aws:sts::{ACCOUNT}:assumed-role/interline-{role}/session")
}

/// An event of a caller that signed its request. The path may have a query.
pub fn event(arn: &str, method: &str, path: &str, body: &str) -> Value {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": { "content-type": "application/json", "host": "api.example.com" },
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "a1b2c3d4e5",
            "authentication": null,
            "authorizer": {
                "iam": {
                    "accessKey": "AKIAIOSFODNN7EXAMPLE",
                    "accountId": ACCOUNT,
                    "callerId": "AIDACKCEVSQ6C2EXAMPLE",
                    "cognitoIdentity": null,
                    "principalOrgId": null,
                    "userArn": arn,
                    "userId": "AIDACKCEVSQ6C2EXAMPLE",
                },
            },
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "line",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "20/Jan/2017:04:00:00 +0000",
            "timeEpoch": 1_484_884_800_000_i64,
        },
        "body": if body.is_empty() { Value::Null } else { json!(body) },
        "isBase64Encoded": false,
    })
}

/// The request that a function makes of an event.
pub fn request(event: &Value) -> lambda_http::Request {
    lambda_http::request::from_str(&event.to_string()).unwrap()
}

/// Status and JSON body of an answer.
pub fn read(response: lambda_http::Response<lambda_http::Body>) -> (u16, Value) {
    let (parts, body) = response.into_parts();
    (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
}
