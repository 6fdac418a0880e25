//! Who a caller is comes from API Gateway's authorizer and from nowhere else.

use futures::future::BoxFuture;
use interline::world::{INBOX_BUCKET, REPORTS_BUCKET, TABLE};
use interline_lambda::App;
use interline_lambda::routes::Function;
use interline_ledger::Ledger;
use interline_periods::Starter;
use interline_reports::bucket::Bucket;
use interline_tests::calls::{ACCOUNT, arn, event, read, request};
use interline_tests::programme::{Programme, RULEBOOK, moment};
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: &str = "2017-01-20T12:00:00+08:00";

fn starter() -> Starter {
    Box::new(|_, _| -> BoxFuture<'static, _> { Box::pin(async { Ok(()) }) })
}

async fn handle(app: &App, function: Function, event: &Value) -> (u16, Value) {
    let request = request(event);
    read(match function {
        Function::Record => interline_record::handle(app, request).await,
        Function::Account => interline_account::handle(app, request).await,
        Function::Periods => interline_periods::handle(app, &starter(), request).await,
    })
}

fn slug(body: &Value) -> &str {
    body["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap()
}

#[tokio::test]
async fn only_a_role_of_the_apis_own_account_is_a_caller_whatever_the_request_says() {
    let programme = Programme::sample(NOW).await;
    let with_arn = |arn: Value| {
        let mut event = event("", "GET", "/v1/periods", "");
        event["requestContext"]["authorizer"]["iam"]["userArn"] = arn;
        event
    };
    let session = |partition: &str, account: &str, role: &str| {
        with_arn(json!(format!("arn:{partition}:sts::{account}:assumed-role/{role}/session")))
    };
    let without = |pointer: &str| {
        let mut event = with_arn(json!(arn("finance")));
        *event.pointer_mut(pointer).unwrap() = Value::Null;
        event
    };
    let mut claimed = without("/requestContext/authorizer");
    claimed["headers"]["authorization"] = json!("Bearer local-finance");
    claimed["headers"]["x-interline-role"] = json!(arn("finance"));
    claimed["body"] = json!(json!({ "caller": "finance" }).to_string());
    let mut by_token = without("/requestContext/authorizer/iam");
    by_token["requestContext"]["authorizer"]["jwt"] = json!({ "claims": { "role": "finance" }, "scopes": null });
    for (name, event, allowed) in [
        ("a role of the account", with_arn(json!(arn("finance"))), true),
        ("in China", session("aws-cn", ACCOUNT, "interline-finance"), true),
        ("in another partition", session("aws-us-gov", ACCOUNT, "interline-finance"), true),
        ("a partition that is none of AWS", session("evil", ACCOUNT, "interline-finance"), false),
        ("another account's role", session("aws", "999999999999", "interline-finance"), false),
        ("another programme's role", session("aws", ACCOUNT, "other-finance"), false),
        ("a role named almost so", session("aws", ACCOUNT, "interline-finance2"), false),
        ("a role named with a prefix", session("aws", ACCOUNT, "x-interline-finance"), false),
        ("a role in other letters", session("aws", ACCOUNT, "interline-Finance"), false),
        ("a line's role", session("aws", ACCOUNT, "interline-line-grocery"), false),
        ("a line called finance", session("aws", ACCOUNT, "interline-line-finance"), false),
        ("a user", with_arn(json!(format!("arn:aws:iam::{ACCOUNT}:user/interline-finance"))), false),
        ("the role itself", with_arn(json!(format!("arn:aws:iam::{ACCOUNT}:role/interline-finance"))), false),
        (
            "a federated user",
            with_arn(json!(format!("arn:aws:sts::{ACCOUNT}:federated-user/interline-finance"))),
            false,
        ),
        ("the root of the account", with_arn(json!(format!("arn:aws:iam::{ACCOUNT}:root"))), false),
        ("an empty ARN", with_arn(json!("")), false),
        ("no ARN", with_arn(Value::Null), false),
        ("an ARN of too few parts", with_arn(json!("arn:aws:sts")), false),
        ("no authorizer", without("/requestContext/authorizer"), false),
        ("an authorizer other than IAM", by_token, false),
        ("no account of the API", without("/requestContext/accountId"), false),
        ("a role that the request claims", claimed, false),
    ] {
        let (status, body) = handle(programme.app(), Function::Periods, &event).await;
        assert_eq!(status, if allowed { 200 } else { 403 }, "{name}: {body}");
        if !allowed {
            assert_eq!(slug(&body), "forbidden", "{name}");
        }
    }
}

#[tokio::test]
async fn who_is_not_known_learns_nothing_about_the_paths() {
    let programme = Programme::sample(NOW).await;
    let mut answers = Vec::new();
    for (method, path) in [
        ("GET", "/v1/periods"),
        ("GET", "/v1/nothing"),
        ("DELETE", "/v1/periods"),
        ("PUT", "/v1/lines/grocery/accruals/S-1"),
        ("GET", "/v1/periods/2017-99"),
    ] {
        for function in [Function::Record, Function::Account, Function::Periods] {
            answers.push(handle(programme.app(), function, &event("", method, path, "")).await);
        }
    }
    assert_eq!(answers[0].0, 403);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_function_serves_its_own_routes_only() {
    let programme = Programme::sample(NOW).await;
    for (role, method, path, own) in [
        ("line-grocery", "PUT", "/v1/lines/grocery/accruals/S-1", Function::Record),
        ("line-grocery", "GET", "/v1/lines/grocery/accruals/S-1", Function::Account),
        ("line-grocery", "GET", "/v1/lines/grocery/entries", Function::Account),
        ("members", "GET", "/v1/members/m1", Function::Account),
        ("members", "GET", "/v1/members/m1/entries", Function::Account),
        ("members", "POST", "/v1/quotes", Function::Account),
        ("line-grocery", "GET", "/v1/lines/grocery/position", Function::Periods),
        ("finance", "GET", "/v1/periods", Function::Periods),
        ("finance", "GET", "/v1/periods/2017-01", Function::Periods),
        ("finance", "POST", "/v1/periods/2017-01/close", Function::Periods),
        ("finance", "GET", "/v1/periods/2017-01/reports", Function::Periods),
        ("finance", "GET", "/v1/periods/2017-01/reports/positions.csv", Function::Periods),
    ] {
        for function in [Function::Record, Function::Account, Function::Periods] {
            let (_, body) = handle(programme.app(), function, &event(&arn(role), method, path, "")).await;
            assert_eq!(slug(&body) == "no-such-path", function != own, "{method} {path} at {function:?}: {body}");
        }
    }
}

#[tokio::test]
async fn the_roles_of_a_deployment_have_its_prefix() {
    let programme = Programme::sample(NOW).await;
    let embedded = programme.embedded();
    let ledger = Ledger::new(embedded.dynamodb(), TABLE);
    let reports = Bucket::new(embedded.s3(), REPORTS_BUCKET);
    let inbox = Bucket::new(embedded.s3(), INBOX_BUCKET);
    let app = App::new(ledger, reports, inbox, Arc::new(|| moment(NOW))).with_role_prefix("staging-points".to_owned());
    for (role, status) in [("staging-points-finance", 200), ("interline-finance", 403), ("finance", 403)] {
        let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session");
        assert_eq!(handle(&app, Function::Periods, &event(&arn, "GET", "/v1/periods", "")).await.0, status, "{role}");
    }
}

#[tokio::test]
async fn a_path_with_dots_is_read_as_it_was_sent() {
    let programme = Programme::sample(NOW).await;
    let body = json!({ "member": "m1", "occurred_at": NOW, "amount": "1.00" }).to_string();
    // A policy on `/v1/lines/dining/*` lets this through.
    for path in ["/v1/lines/dining/../grocery/accruals/S-1", "/v1/lines/dining/%2e%2e/grocery/accruals/S-1"] {
        for role in ["line-dining", "line-grocery"] {
            let (status, body) =
                handle(programme.app(), Function::Record, &event(&arn(role), "PUT", path, &body)).await;
            assert_eq!((status, slug(&body)), (404, "no-such-path"), "{path} {role}");
        }
    }
}

#[tokio::test]
async fn a_body_in_base64_is_the_body() {
    let programme = Programme::with_rulebook(RULEBOOK, NOW).await;
    let body = json!({ "member": "m1", "occurred_at": NOW, "amount": "1.00" }).to_string();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, body);
    let mut event = event(&arn("line-grocery"), "PUT", "/v1/lines/grocery/accruals/S-1", &encoded);
    event["isBase64Encoded"] = json!(true);
    assert_eq!(handle(programme.app(), Function::Record, &event).await.0, 201);
}

#[tokio::test]
async fn a_role_of_a_line_that_the_rulebook_does_not_know_records_nothing() {
    let programme = Programme::sample(NOW).await;
    let items = programme.items().await;
    for (collection, body) in [
        ("accruals", json!({ "member": "m1", "occurred_at": NOW, "amount": "1.00" })),
        ("redemptions", json!({ "member": "m1", "occurred_at": NOW, "points": 1 })),
    ] {
        let path = format!("/v1/lines/ghost/{collection}/X-1");
        let event = event(&arn("line-ghost"), "PUT", &path, &body.to_string());
        let (status, body) = handle(programme.app(), Function::Record, &event).await;
        assert_eq!((status, slug(&body), &body["field"]), (404, "unknown-line", &json!("line")));
    }
    assert_eq!(programme.items().await, items);
}
