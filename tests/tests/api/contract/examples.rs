//! The examples of the document happen as they are told.

use super::document::Document;
use crate::served::{Answer, Served, assert_like, redemption, sale};
use interline_lambda::problem::{KINDS, TYPE_PREFIX};
use serde_json::{Value, json};

const NOW: &str = "2017-02-01T09:00:00+08:00";

fn request(operation: &str, name: &str) -> Value {
    let document = Document::get();
    let content = document.operation(operation).body.as_deref().unwrap().strip_suffix("/schema").unwrap();
    document.at(&format!("{content}/examples/{name}/value")).clone()
}

fn answer(operation: &str, status: u16, name: &str) -> Value {
    let document = Document::get();
    let answer = &document.operation(operation).answers[&status];
    let example = document.at(&format!("{answer}/content/application~1json/examples/{name}/value"));
    assert!(example.is_object(), "{operation} {status} has no example {name}");
    example.clone()
}

#[test]
fn every_example_is_valid_and_a_problem_has_the_words_of_its_kind() {
    let document = Document::get();
    let mut checked = 0;
    for operation in &document.operations {
        let mut contents: Vec<String> = Vec::new();
        contents.extend(operation.body.iter().map(|schema| schema.strip_suffix("/schema").unwrap().to_owned()));
        for answer in operation.answers.values() {
            let types = document.at(&format!("{answer}/content")).as_object();
            contents.extend(
                types
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| format!("{answer}/content/{}", super::document::escaped(name))),
            );
        }
        for content in contents {
            for (name, example) in document.at(&format!("{content}/examples")).as_object().into_iter().flatten() {
                let value = &example["value"];
                let valid = document.valid(&format!("{content}/schema"), value);
                assert_eq!(valid, Ok(()), "{} {content} {name}", operation.id);
                if let Some(urn) = value["type"].as_str() {
                    let slug = urn.strip_prefix(TYPE_PREFIX).unwrap();
                    let kind = KINDS.iter().find(|kind| kind.slug == slug).unwrap();
                    assert_eq!(
                        (&value["title"], &value["status"]),
                        (&json!(kind.title), &json!(kind.status)),
                        "{name}"
                    );
                }
                checked += 1;
            }
        }
        for parameter in &operation.parameters {
            let (schema, described) = (format!("{parameter}/schema"), document.at(parameter));
            if let Some(example) = described.get("example") {
                assert_eq!(document.valid(&schema, example), Ok(()), "{parameter}");
            }
        }
    }
    assert!(checked > 100, "{checked}");
}

/// A member with more than enough points, and the events that examples name.
async fn prepared() -> Served {
    let served = Served::sample(NOW).await;
    served.record("grocery", "accruals/S-0", sale("m1", "2017-01-02T10:00:00+08:00", "1000.00")).await;
    served.record("grocery", "accruals/A-1001", request("putAccrual", "sale")).await;
    served.record("drugstore", "redemptions/R-7", request("putRedemption", "points")).await;
    served
}

async fn send(served: &Served, operation: &str, body: &Value, number: usize) -> Answer {
    let line = match (&body["reverses"]["kind"], operation) {
        (kind, "putReversal") if kind == "redemption" => "drugstore",
        (_, "putRedemption") => "drugstore",
        _ => "grocery",
    };
    match operation {
        "putAccrual" => served.put(line, &format!("/v1/lines/{line}/accruals/E-{number}"), body.clone()).await,
        "putRedemption" => served.put(line, &format!("/v1/lines/{line}/redemptions/E-{number}"), body.clone()).await,
        "putReversal" => served.put(line, &format!("/v1/lines/{line}/reversals/E-{number}"), body.clone()).await,
        "putEvents" => served.put("grocery", "/v1/lines/grocery/events", body.clone()).await,
        "quote" => served.post("members", "/v1/quotes", body.clone()).await,
        "closePeriod" => served.post("finance", "/v1/periods/2017-01/close", body.clone()).await,
        "confirmPayments" => {
            // What is owed is what the story of the answers comes to.
            served.record("drugstore", "reversals/V-1", request("putReversal", "part")).await;
            served.close("2017-01", "final").await;
            served.post("finance", "/v1/periods/2017-01/payments", body.clone()).await
        }
        other => panic!("{other} takes no body"),
    }
}

#[tokio::test]
async fn every_body_that_is_shown_is_accepted_as_it_stands() {
    let document = Document::get();
    let mut sent = 0;
    for operation in document.operations.iter().filter(|operation| operation.body.is_some()) {
        let content = operation.body.as_deref().unwrap().strip_suffix("/schema").unwrap();
        let examples = document.at(&format!("{content}/examples")).as_object().unwrap();
        assert!(!examples.is_empty(), "{} has no example of its body", operation.id);
        for (name, example) in examples {
            let answer = send(&prepared().await, &operation.id, &example["value"], sent).await;
            assert!(answer.status < 300, "{} {name}: {}", operation.id, answer.text());
            sent += 1;
        }
    }
    assert!(sent >= 10, "{sent}");
}

/// Runs a command of the story at the moment that its answer shows.
async fn told(served: &Served, operation: &str, path: &str, name: &str) {
    let expected = answer(operation, 201, name);
    served.set_now(expected["recorded_at"].as_str().unwrap());
    let line = expected["line"].as_str().unwrap();
    let recorded = served.put(line, &format!("/v1/lines/{line}/{path}"), request(operation, name)).await;
    assert_eq!((recorded.status, recorded.json()), (201, expected), "{operation} {name}");
}

#[tokio::test]
async fn the_answers_that_are_shown_are_those_that_the_bodies_get() {
    let served = Served::sample(NOW).await;
    told(&served, "putAccrual", "accruals/A-1001", "sale").await;
    let quote = served.post("members", "/v1/quotes", request("quote", "value")).await.ok();
    assert_eq!(quote, answer("quote", 200, "possible"));
    let much = json!({ "member": "m1", "line": "drugstore", "points": 300 });
    let quote = served.post("members", "/v1/quotes", much).await.ok();
    assert_eq!(quote, answer("quote", 200, "impossible"));
    told(&served, "putRedemption", "redemptions/R-7", "points").await;
    told(&served, "putReversal", "reversals/V-1", "part").await;
    assert_eq!(served.get("members", "/v1/members/m1").await.ok(), answer("getMember", 200, "member"));
    assert_eq!(served.get("finance", "/v1/periods").await.ok(), answer("listPeriods", 200, "periods"));

    let started = served.post("finance", "/v1/periods/2017-01/close", request("closePeriod", "final")).await;
    let run = started.json()["run"].clone();
    let mut expected = answer("closePeriod", 202, "final");
    expected["run"] = run.clone();
    assert_eq!((started.status, started.json()), (202, expected));
    let closed = served.settled("2017-01").await;
    let mut expected = answer("getPeriod", 200, "closed");
    for field in ["rulebook", "manifest", "finished_at", "by"] {
        expected["final"][field] = json!("…");
    }
    (expected["final"]["run"], expected["checklist"]["run"], expected["sealed_at"]) =
        (run.clone(), run.clone(), json!("…"));
    let first = expected["checklist"]["checks"][0].clone();
    assert!(closed["checklist"]["checks"].as_array().unwrap().contains(&first), "{closed:#}");
    expected["checklist"]["checks"] = closed["checklist"]["checks"].clone();
    assert_like(&closed, &expected);
    let mut expected = answer("getPosition", 200, "position");
    expected["run"]["id"] = run;
    assert_eq!(served.get("drugstore", "/v1/lines/drugstore/position?period=2017-01").await.ok(), expected);
    let payments = served.get("finance", "/v1/periods/2017-01/payments").await.ok();
    assert_eq!(payments, answer("listPayments", 200, "open"));
    let confirmed =
        served.post("finance", "/v1/periods/2017-01/payments", request("confirmPayments", "statement")).await;
    assert_eq!((confirmed.status, confirmed.json()), (201, answer("confirmPayments", 201, "confirmed")));
    let reports = served.get("finance", "/v1/periods/2017-01/reports").await.ok();
    for shown in answer("listReports", 200, "files")["files"].as_array().unwrap() {
        let files = reports["files"].as_array().unwrap();
        let file = files.iter().find(|file| file["path"] == shown["path"]).unwrap_or_else(|| panic!("no {shown}"));
        let names = |file: &Value| file.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!((names(file), &file["rows"]), (names(shown), &shown["rows"]));
    }
}

#[tokio::test]
async fn the_problems_that_are_shown_are_said_in_these_words() {
    let document = Document::get();
    let served = prepared().await;
    let example = |operation: &str, status: u16, name: &str| {
        let answer = &document.operation(operation).answers[&status];
        document.at(&format!("{answer}/content/application~1problem+json/examples/{name}/value")).clone()
    };
    let at = "2017-01-25T10:00:00+08:00";
    served.record("drugstore", "redemptions/R-8", redemption("m1", at, 1)).await;
    let close = json!({ "kind": "final" });
    let nine = json!({ "member": "m1", "occurred_at": at, "reverses": { "kind": "redemption", "reference": "R-9" } });
    for (operation, status, name, got) in [
        (
            "putAccrual",
            400,
            "field",
            served.put("grocery", "/v1/lines/grocery/accruals/N-1", sale("m1", at, "1.001")).await,
        ),
        ("getPeriod", 400, "parameter", served.get("finance", "/v1/periods/2017-1").await),
        ("listMemberEntries", 400, "cursor", served.get("finance", "/v1/members/m1/entries?cursor=x").await),
        ("getPeriod", 403, "role", served.get("drugstore", "/v1/periods/2017-01").await),
        ("getMember", 404, "member", served.get("members", "/v1/members/m9").await),
        ("quote", 404, "line", served.post("members", "/v1/quotes", json!({ "member": "m1", "line": "cinema" })).await),
        (
            "putRedemption",
            409,
            "points",
            served.put("drugstore", "/v1/lines/drugstore/redemptions/R-8", redemption("m1", at, 2)).await,
        ),
        ("closePeriod", 409, "order", served.post("finance", "/v1/periods/2017-02/close", close).await),
        (
            "putAccrual",
            413,
            "large",
            served.call("grocery", "PUT", "/v1/lines/grocery/accruals/N-1", &[], &super::document::too_long()).await,
        ),
        (
            "putAccrual",
            422,
            "future",
            served.put("grocery", "/v1/lines/grocery/accruals/N-1", sale("m1", "2017-03-01T00:00:00Z", "1.00")).await,
        ),
        ("putReversal", 422, "target", served.put("drugstore", "/v1/lines/drugstore/reversals/N-1", nine).await),
    ] {
        assert_eq!((got.status, got.json()), (status, example(operation, status, name)), "{operation} {name}");
    }
    served.close("2017-01", "final").await;
    let early = served.post("finance", "/v1/periods/2017-01/payments", json!({ "paid_on": "2017-01-31" })).await;
    assert_eq!((early.status, early.json()), (422, example("confirmPayments", 422, "early")));
    served.post("finance", "/v1/periods/2017-01/payments", json!({})).await;
    let again = served.post("finance", "/v1/periods/2017-01/payments", json!({})).await;
    assert_eq!((again.status, again.json()), (409, example("confirmPayments", 409, "nothing")));
    let unsigned = served.get("", "/v1/periods").await;
    let shown = document.at("/components/responses/Forbidden/content/application~1json/examples/unsigned/value");
    assert_eq!((unsigned.status, &unsigned.json()), (403, shown));
}
