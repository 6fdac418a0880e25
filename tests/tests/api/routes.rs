//! Every path: who may call it, and what it answers.

use crate::served::{Served, as_recorded, assert_like, redemption, reversal, sale};
use interline_domain::units::id::LineId;
use interline_lambda::Caller;
use interline_lambda::routes::{Found, ROUTES, Who, find};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A morning after January, when it may be closed.
const NOW: &str = "2017-02-01T09:00:00+08:00";
const SALE: &str = r#"{ "member": "m1", "occurred_at": "2017-01-25T10:00:00+08:00", "amount": "10.00" }"#;
const REDEMPTION: &str = r#"{ "member": "m1", "occurred_at": "2017-01-26T10:00:00+08:00", "points": 10 }"#;
const REVERSAL: &str = r#"{ "member": "m1", "occurred_at": "2017-01-27T10:00:00+08:00", "points": 1,
    "reverses": { "kind": "redemption", "reference": "R-1" } }"#;
const EVENTS: &str = r#"{ "events": [{ "kind": "accrual", "reference": "T-4", "member": "m1",
    "occurred_at": "2017-01-28T10:00:00+08:00", "amount": "10.00" }] }"#;
const QUOTE: &str = r#"{ "member": "m1", "line": "grocery" }"#;
const TRIAL: &str = r#"{ "kind": "trial" }"#;
const PAID: &str = r#"{ "paid_on": "2017-02-10" }"#;

struct Row {
    method: &'static str,
    path: &'static str,
    body: &'static str,
    /// The answer to those who may.
    status: u16,
    /// Grocery, another line, finance, the members' service.
    allowed: [bool; 4],
}

const fn row(method: &'static str, path: &'static str, body: &'static str, status: u16, allowed: [bool; 4]) -> Row {
    Row { method, path, body, status, allowed }
}

/// Who may call what. Whatever is not here is refused.
const TABLE: [Row; 19] = [
    row("PUT", "/v1/lines/grocery/accruals/T-1", SALE, 201, [true, false, false, false]),
    row("PUT", "/v1/lines/grocery/redemptions/T-2", REDEMPTION, 201, [true, false, false, false]),
    row("PUT", "/v1/lines/grocery/reversals/T-3", REVERSAL, 201, [true, false, false, false]),
    row("PUT", "/v1/lines/grocery/events", EVENTS, 200, [true, false, false, false]),
    row("GET", "/v1/lines/grocery/accruals/S-1", "", 200, [true, false, true, false]),
    row("GET", "/v1/lines/grocery/redemptions/R-1", "", 200, [true, false, true, false]),
    row("GET", "/v1/lines/grocery/reversals/V-1", "", 200, [true, false, true, false]),
    row("GET", "/v1/lines/grocery/entries?period=2017-01", "", 200, [true, false, true, false]),
    row("GET", "/v1/lines/grocery/position?period=2017-01", "", 200, [true, false, true, false]),
    row("GET", "/v1/members/m1", "", 200, [false, false, true, true]),
    row("GET", "/v1/members/m1/entries", "", 200, [false, false, true, true]),
    row("POST", "/v1/quotes", QUOTE, 200, [true, false, true, true]),
    row("GET", "/v1/periods", "", 200, [false, false, true, false]),
    row("GET", "/v1/periods/2017-01", "", 200, [false, false, true, false]),
    row("POST", "/v1/periods/2017-01/close", TRIAL, 202, [false, false, true, false]),
    row("GET", "/v1/periods/2017-01/payments", "", 200, [false, false, true, false]),
    row("POST", "/v1/periods/2017-01/payments", PAID, 201, [false, false, true, false]),
    row("GET", "/v1/periods/2017-01/reports", "", 200, [false, false, true, false]),
    row("GET", "/v1/periods/2017-01/reports/positions.csv", "", 302, [false, false, true, false]),
];

fn found(row: &Row) -> Found {
    find(row.method, row.path.split('?').next().unwrap()).unwrap()
}

/// A grocery sale, a redemption there, and part of it taken back.
async fn january() -> Served {
    let served = Served::sample(NOW).await;
    served.record("grocery", "accruals/S-1", sale("m1", "2017-01-20T10:00:00+08:00", "250.00")).await;
    served.record("grocery", "redemptions/R-1", redemption("m1", "2017-01-21T10:00:00+08:00", 20)).await;
    let mut part = reversal("m1", "2017-01-22T10:00:00+08:00", "redemption:R-1");
    part["points"] = json!(5);
    served.record("grocery", "reversals/V-1", part).await;
    served
}

/// A final January in which grocery owes dining something, so that there is something to pay.
async fn final_january() -> Served {
    let served = january().await;
    served.record("grocery", "accruals/S-2", sale("m2", "2017-01-20T10:00:00+08:00", "500.00")).await;
    served.record("dining", "redemptions/R-2", redemption("m2", "2017-01-21T10:00:00+08:00", 200)).await;
    served.close("2017-01", "final").await;
    served
}

#[tokio::test]
async fn what_can_be_read_can_be_asked_about_without_a_body() {
    let served = final_january().await;
    for row in TABLE.iter().filter(|row| row.method == "GET") {
        let role = if row.allowed[2] { "finance" } else { "grocery" };
        let [read, asked] = ["GET", "HEAD"].map(|method| served.call(role, method, row.path, &[], ""));
        let (read, asked) = (read.await, asked.await);
        assert_eq!((asked.status, asked.text().as_str()), (read.status, ""), "{}", row.path);
        // Links are signed anew each time.
        if !row.path.contains("/reports") {
            assert_eq!(asked.header("etag"), read.header("etag"), "{}", row.path);
            let etag = read.header("etag").unwrap();
            let same = served.call(role, "HEAD", row.path, &[("if-none-match", etag)], "").await;
            assert_eq!(same.status, 304, "{}", row.path);
        }
    }
    let missing = served.call("finance", "HEAD", "/v1/lines/grocery/accruals/none", &[], "").await;
    assert_eq!((missing.status, missing.text().as_str()), (404, ""));
    let written = served.call("grocery", "HEAD", "/v1/quotes", &[], "").await;
    assert_eq!((written.status, written.header("allow")), (405, Some("POST")));
    let read_only = served.call("finance", "POST", "/v1/periods", &[], "").await;
    assert_eq!(read_only.header("allow"), Some("GET, HEAD"));
}

#[test]
fn every_route_has_a_row() {
    let rows = |of: &interline_lambda::routes::Row| (of.method, of.path);
    let tested: BTreeSet<_> = TABLE.iter().map(|row| rows(found(row).row)).collect();
    assert_eq!(tested, ROUTES.iter().map(rows).collect());
}

#[test]
fn a_route_admits_the_roles_of_its_row_and_no_other() {
    let lines = ["grocery", "dining", "group", "GROCERY", "grocery2", "finance", "members"];
    for row in &TABLE {
        let found = found(row);
        let [own, other, finance, members] = row.allowed;
        for line in lines {
            let caller = Caller::Line(LineId::parse(line).unwrap());
            // Whose the quote is stands in its body.
            let expected = if found.row.who.contains(&Who::Line) {
                true
            } else if line == "grocery" {
                own
            } else {
                other
            };
            assert_eq!(found.allows(&caller), expected, "{} {} by {caller}", row.method, row.path);
        }
        assert_eq!(found.allows(&Caller::Finance), finance, "{} {} by finance", row.method, row.path);
        assert_eq!(found.allows(&Caller::Members), members, "{} {} by members", row.method, row.path);
    }
}

#[tokio::test]
async fn who_may_call_is_answered_and_everybody_else_is_refused_and_changes_nothing() {
    let served = final_january().await;
    let items = served.programme.items().await;
    for row in &TABLE {
        for role in ["", "nobody", "line-grocery", "Grocery"] {
            let answer = served.call(role, row.method, row.path, &[], row.body).await;
            assert_eq!((answer.status, answer.json()), (403, json!({ "message": "Forbidden" })), "{role}");
        }
        for (role, allowed) in ["grocery", "dining", "finance", "members"].into_iter().zip(row.allowed) {
            if !allowed {
                let answer = served.call(role, row.method, row.path, &[], row.body).await;
                assert_eq!(answer.problem().0, "forbidden", "{} {} by {role}", row.method, row.path);
            }
        }
    }
    assert_eq!(served.programme.items().await, items);
    served.set_now("2017-02-01T09:05:00+08:00");
    for row in &TABLE {
        let mut first = None;
        for (role, allowed) in ["grocery", "dining", "finance", "members"].into_iter().zip(row.allowed) {
            if allowed {
                let answer = served.call(role, row.method, row.path, &[], row.body).await;
                assert_eq!(answer.status, row.status, "{} {} by {role}: {}", row.method, row.path, answer.text());
                // Links are signed anew each time; what else is shown is the same for all.
                if row.status == 200 && !row.path.contains("reports") {
                    assert_eq!(*first.get_or_insert_with(|| answer.json()), answer.json(), "{}", row.path);
                }
            }
        }
    }
    assert_eq!(served.settled("2017-01").await["under_way"], Value::Null);
}

#[tokio::test]
async fn a_path_that_is_none_is_404_and_another_method_is_405_with_those_allowed() {
    let served = Served::sample(NOW).await;
    for path in [
        "/",
        "/v1",
        "/v2/periods",
        "/V1/periods",
        "//v1/periods",
        "/v1/period",
        "/v1/lines",
        "/v1/lines/grocery",
        "/v1/lines/grocery/",
        "/v1/lines/grocery/accruals",
        "/v1/lines/grocery/adjustments/A-1",
        "/v1/lines/grocery/accruals/A-1/more",
        "/v1/lines/grocery/entries/",
        "/v1/members",
        "/v1/members/m1/lots",
        "/v1/quotes/",
        "/v1/quotes/1",
        "/v1/periods/2017-01/close/",
        "/v1/periods/2017-01/payments/1",
        "/v1/periods/2017-01/runs",
    ] {
        for method in ["GET", "PUT", "POST", "DELETE"] {
            assert_eq!(
                served.call("finance", method, path, &[], "").await.problem(),
                ("no-such-path".to_owned(), None)
            );
        }
    }
    for row in &TABLE {
        let path = row.path.split('?').next().unwrap();
        let methods = match found(row).row.name {
            "put-entry" | "entry" => vec!["PUT", "GET", "HEAD"],
            "payments" | "confirm-payments" => vec!["GET", "POST", "HEAD"],
            _ if row.method == "GET" => vec!["GET", "HEAD"],
            _ => vec![row.method],
        };
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"] {
            if !methods.contains(&method) {
                let answer = served.call("finance", method, path, &[], "").await;
                assert_eq!(answer.problem().0, "method-not-allowed", "{method} {path}");
                assert_eq!(answer.header("allow"), Some(methods.join(", ").as_str()), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn a_name_in_a_path_that_cannot_be_one_is_said_to_be_wrong() {
    let served = Served::sample(NOW).await;
    let long = "x".repeat(65);
    for (role, method, path, field) in [
        ("grocery", "PUT", "/v1/lines/gro%20cery/accruals/A-1".to_owned(), "line"),
        ("grocery", "PUT", "/v1/lines//accruals/A-1".to_owned(), "line"),
        ("grocery", "PUT", format!("/v1/lines/{long}/accruals/A-1"), "line"),
        ("grocery", "PUT", "/v1/lines/grocery/accruals/".to_owned(), "reference"),
        ("grocery", "PUT", "/v1/lines/grocery/redemptions/A%231".to_owned(), "reference"),
        ("grocery", "PUT", format!("/v1/lines/grocery/reversals/{long}"), "reference"),
        ("finance", "GET", format!("/v1/members/{long}"), "member"),
        ("finance", "GET", "/v1/members/%E4%BC%9A/entries".to_owned(), "member"),
        ("finance", "GET", "/v1/lines/a%23b/entries".to_owned(), "line"),
        ("finance", "GET", "/v1/lines/a%23b/position".to_owned(), "line"),
        ("finance", "GET", "/v1/periods/".to_owned(), "period"),
        ("finance", "GET", "/v1/periods/2017-13".to_owned(), "period"),
        ("finance", "POST", "/v1/periods/2017-1/close".to_owned(), "period"),
        ("finance", "GET", "/v1/periods/2017-00/payments".to_owned(), "period"),
        ("finance", "POST", "/v1/periods/2017-1/payments".to_owned(), "period"),
        ("finance", "GET", "/v1/periods/2017/reports".to_owned(), "period"),
        ("finance", "GET", "/v1/periods/now/reports/positions.csv".to_owned(), "period"),
    ] {
        let answer = served.call(role, method, &path, &[], "").await;
        assert_eq!(answer.problem(), ("invalid-field".to_owned(), Some(field.to_owned())), "{method} {path}");
    }
}

#[tokio::test]
async fn a_query_parameter_is_known_given_once_and_right() {
    let served = january().await;
    let entry = "/v1/lines/grocery/accruals/S-1";
    let long = format!("/v1/members/m1/entries?limit={}", "1".repeat(30));
    for (role, path, field) in [
        ("finance", "/v1/periods?page=2", "page"),
        ("finance", "/v1/periods/2017-01?run=1", "run"),
        ("finance", "/v1/periods/2017-01/payments?run=1", "run"),
        ("finance", "/v1/periods/2017-01/reports?file=x", "file"),
        ("finance", "/v1/periods/2017-01/reports/positions.csv?v=1", "v"),
        ("finance", "/v1/members/m1?at=now", "at"),
        ("finance", "/v1/members/m1/entries?Limit=1", "Limit"),
        ("finance", "/v1/members/m1/entries?line=a%20b", "line"),
        ("finance", "/v1/members/m1/entries?line=grocery&line=dining", "line"),
        ("finance", "/v1/members/m1/entries?kind=sale", "kind"),
        ("finance", "/v1/members/m1/entries?limit=0", "limit"),
        ("finance", "/v1/members/m1/entries?limit=201", "limit"),
        ("finance", "/v1/members/m1/entries?limit=-1", "limit"),
        ("finance", "/v1/members/m1/entries?limit=ten", "limit"),
        ("finance", "/v1/members/m1/entries?limit=", "limit"),
        ("finance", &long, "limit"),
        ("grocery", "/v1/lines/grocery/entries", "period"),
        ("grocery", "/v1/lines/grocery/entries?period=2017", "period"),
        ("grocery", "/v1/lines/grocery/entries?period=2017-01&period=2017-01", "period"),
        ("grocery", "/v1/lines/grocery/entries?period=2017-01&kind=sale", "kind"),
        ("grocery", "/v1/lines/grocery/entries?period=2017-01&line=dining", "line"),
        ("grocery", "/v1/lines/grocery/entries?period=2017-01&from=2017-01-20", "from"),
        ("grocery", "/v1/lines/grocery/entries?period=2017-01&to=now", "to"),
        ("finance", "/v1/members/m1/entries?from=2017-01-20T10:00:00Z&to=2017-01-20T18:00:00%2B08:00", "to"),
        ("grocery", "/v1/lines/grocery/position", "period"),
        ("grocery", "/v1/lines/grocery/position?period=2017-01&line=dining", "line"),
        ("grocery", &format!("{entry}?member=m1"), "member"),
        ("grocery", &format!("{entry}?period=2017-01"), "period"),
        ("grocery", &format!("{entry}?on=2017-01"), "on"),
        ("grocery", &format!("{entry}?on=2017-02-29"), "on"),
    ] {
        let answer = served.get(role, path).await;
        assert_eq!(answer.problem(), ("invalid-field".to_owned(), Some(field.to_owned())), "{path}");
    }
    // Of several that are wrong always the same is told.
    for _ in 0..8 {
        let answer = served.get("finance", "/v1/members/m1?e=1&d=1&c=1&b=1&f=1&g=1").await;
        assert_eq!(answer.problem(), ("invalid-field".to_owned(), Some("b".to_owned())));
    }
    let put = served.put("grocery", "/v1/lines/grocery/accruals/S-9?dry=1", json!({})).await;
    assert_eq!(put.problem(), ("invalid-field".to_owned(), Some("dry".to_owned())));
    let quote = served.post("grocery", "/v1/quotes?line=grocery", json!({})).await;
    assert_eq!(quote.problem(), ("invalid-field".to_owned(), Some("line".to_owned())));
    let close = served.post("finance", "/v1/periods/2017-01/close?kind=trial", json!({})).await;
    assert_eq!(close.problem(), ("invalid-field".to_owned(), Some("kind".to_owned())));
    let paid = served.post("finance", "/v1/periods/2017-01/payments?paid_on=2017-02-10", json!({})).await;
    assert_eq!(paid.problem(), ("invalid-field".to_owned(), Some("paid_on".to_owned())));
    // What is written in another way is the same.
    let answer = served.get("finance", "/v1/members/m1/entries?kind=%61ccrual&line=grocery&limit=200").await;
    assert_eq!(answer.ok()["entries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_does_not_exist_is_404() {
    let served = january().await;
    for (role, path) in [
        ("grocery", "/v1/lines/grocery/accruals/S-2"),
        ("grocery", "/v1/lines/grocery/redemptions/S-1"),
        ("dining", "/v1/lines/dining/accruals/S-1"),
        ("members", "/v1/members/m2"),
        ("finance", "/v1/periods/2016-12"),
        ("finance", "/v1/periods/2017-03"),
        ("finance", "/v1/periods/2017-03/reports"),
        ("finance", "/v1/periods/2017-01/payments"),
        ("finance", "/v1/periods/2017-03/payments"),
        ("finance", "/v1/periods/2017-02/reports"),
        ("finance", "/v1/periods/2017-02/reports/positions.csv"),
        ("grocery", "/v1/lines/grocery/position?period=2017-02"),
        ("grocery", "/v1/lines/grocery/position?period=2016-12"),
    ] {
        assert_eq!(served.get(role, path).await.problem(), ("not-found".to_owned(), None), "{path}");
    }
    for path in ["/v1/members/m2/entries", "/v1/members/m1/entries?line=dining"] {
        assert_eq!(served.get("members", path).await.ok(), json!({ "entries": [], "next_cursor": null }), "{path}");
    }
    let empty = served.get("dining", "/v1/lines/dining/entries?period=2017-01").await.ok();
    assert_eq!(empty, json!({ "entries": [], "next_cursor": null }));
}

#[tokio::test]
async fn the_answers_have_the_shapes_that_callers_were_promised() {
    let served = Served::sample("2017-01-28T12:00:00+08:00").await;
    let lot =
        |points: i64| json!({ "funder": "grocery", "issued": "2017-01", "expires": "2018-01-31", "points": points });
    let nothing = json!({ "currency": "CNY", "amount": "0.00", "obligations": [] });
    let owed = |points: i64, amount: &str| {
        json!({ "currency": "CNY", "amount": amount, "obligations": [{
            "payer": "grocery", "payee": "dining", "points": points, "price": "0.007", "amount": amount,
        }] })
    };
    let common = |line: &str, kind: &str, reference: &str, day: u32| {
        json!({
            "line": line, "kind": kind, "reference": reference, "member": "m1", "recorded_at": "2017-01-28T04:00:00.000Z",
            "occurred_at": format!("2017-01-{day}T10:00:00+08:00"), "period": "2017-01",
        })
    };
    let with = |mut base: Value, more: Value| {
        base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        base
    };
    let mut bill = redemption("m1", "2017-01-21T10:00:00+08:00", 200);
    bill["bill"] = json!("30.00");
    let mut part = reversal("m1", "2017-01-22T10:00:00+08:00", "redemption:R-1");
    part["points"] = json!(50);
    let mut refund = reversal("m1", "2017-01-23T10:00:00+08:00", "accrual:S-1");
    refund["amount"] = json!("170.00");
    let mut expected = Vec::new();
    for (line, event, body, answer) in [
        (
            "grocery",
            "accruals/S-1",
            sale("m1", "2017-01-20T10:00:00+08:00", "250.00"),
            with(
                common("grocery", "accrual", "S-1", 20),
                json!({
                    "amount": "250.00", "points": 250, "balance": 250, "slices": [lot(250)], "debts_repaid": [],
                    "indicative_settlement": nothing,
                }),
            ),
        ),
        (
            "dining",
            "redemptions/R-1",
            bill,
            with(
                common("dining", "redemption", "R-1", 21),
                json!({
                    "bill": "30.00", "points": 200, "value": "2.00", "balance": 50, "slices": [lot(200)],
                    "indicative_settlement": owed(200, "1.40"),
                }),
            ),
        ),
        (
            "dining",
            "reversals/V-1",
            part,
            with(
                common("dining", "reversal", "V-1", 22),
                json!({
                    "reverses": { "kind": "redemption", "reference": "R-1" }, "points": 50, "value": "0.50", "balance": 100,
                    "slices": [lot(50)], "debts_repaid": [], "indicative_settlement": owed(-50, "-0.35"),
                }),
            ),
        ),
        (
            "grocery",
            "reversals/V-1",
            refund,
            with(
                common("grocery", "reversal", "V-1", 23),
                json!({
                    "reverses": { "kind": "accrual", "reference": "S-1" }, "amount": "170.00", "points": 170, "balance": 0,
                    "slices": [lot(100)], "expired": [], "debts_incurred": [lot(70)], "debts_repaid": [],
                    "indicative_settlement": nothing,
                }),
            ),
        ),
        (
            "dining",
            "accruals/S-1",
            sale("m1", "2017-01-24T10:00:00+08:00", "40.00"),
            with(
                common("dining", "accrual", "S-1", 24),
                json!({
                    "amount": "40.00", "points": 120, "balance": 50, "debts_repaid": [{ "creditor": "grocery", "points": 70 }],
                    "slices": [{ "funder": "dining", "issued": "2017-01", "expires": "2018-01-31", "points": 120 }],
                    "indicative_settlement": { "currency": "CNY", "amount": "…", "obligations": ["…"] },
                }),
            ),
        ),
    ] {
        let recorded = served.record(line, event, body).await;
        assert_like(&recorded, &answer);
        let one = served.get(line, &format!("/v1/lines/{line}/{event}")).await.ok();
        assert_eq!(as_recorded(one), recorded);
        expected.push(recorded);
    }
    let of_dining: Vec<Value> = expected.iter().filter(|entry| entry["line"] == "dining").cloned().collect();
    let entries = served.get("dining", "/v1/lines/dining/entries?period=2017-01").await.ok();
    assert_eq!(entries["next_cursor"], Value::Null);
    assert_eq!(entries["entries"].as_array().unwrap().len(), of_dining.len());
    assert!(entries["entries"].as_array().unwrap().iter().all(|entry| of_dining.contains(entry)));
    expected.reverse();
    let statement = served.get("members", "/v1/members/m1/entries").await.ok();
    assert_eq!(statement, json!({ "entries": expected, "next_cursor": null }));

    assert_eq!(
        served.get("members", "/v1/members/m1").await.ok(),
        json!({
            "member": "m1", "as_of": "2017-01-28", "balance": 50, "debts": [],
            "lots": [{ "funder": "dining", "issued": "2017-01", "expires": "2018-01-31", "points": 50 }],
            "expiring": [{ "last_day": "2018-01-31", "points": 50 }],
        })
    );
    let open = json!({ "period": "2017-01", "status": "open", "sealed_at": null, "trial": null, "final": null });
    assert_eq!(served.get("finance", "/v1/periods").await.ok(), json!({ "periods": [open] }));
    assert_eq!(served.get("finance", "/v1/periods/2017-01").await.ok(), open);
    served.set_now(NOW);
    let next = with(open.clone(), json!({ "period": "2017-02" }));
    assert_eq!(served.get("finance", "/v1/periods").await.ok(), json!({ "periods": [open, next] }));
}

#[tokio::test]
async fn a_request_is_answered_whatever_host_it_names() {
    let served = Served::sample(NOW).await;
    for host in ["localhost", "127.0.0.1:1", "[", "a b", "@:/?#", "interline.example.com:443"] {
        let answer = served.call("finance", "GET", "/v1/periods", &[("host", host)], "").await;
        assert_eq!(answer.status, 200, "{host}: {}", answer.text());
    }
}
