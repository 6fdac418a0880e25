//! Whatever the document says may be answered is answered somewhere.

use super::calls::calls;
use super::document::{Document, Part, too_long};
use super::seen::Seen;
use crate::periods;
use crate::refusals::{self, Row};
use crate::served::{Served, redemption, reversal, sale, with_pairs};
use aws_sdk_dynamodb::types::AttributeValue;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::MemberId;
use interline_ledger::store::Condition;
use interline_reports::manifest::RunKind;
use interline_reports::pack::rulebook_key;
use interline_tests::events::csv;
use interline_tests::programme::{RULEBOOK, by_hand};
use interline_tests::shard;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Answers that no test can bring about.
fn is_of_api_gateway(answer: &str) -> bool {
    // The local gateway has neither throttles nor time limits, and refuses
    // bodies of more than 10 MB of whichever operation.
    [" 413 ", " 429 ", " 500 ", " 503 "].iter().any(|status| answer.contains(status))
        && answer.ends_with(" application/json")
}

/// Fields of API Gateway's own answers: see above.
fn is_field_of_api_gateway(field: &str) -> bool {
    field.ends_with(" /components/schemas/GatewayMessage/properties/message") && !field.contains(" 403 ")
}

/// Words that no operation answers: what has no operation is answered with them.
const WORDS_WITHOUT_OPERATION: [&str; 3] = [
    "/components/schemas/Problem/properties/status 405",
    "/components/schemas/ProblemType \"urn:interline:problem:method-not-allowed\"",
    "/components/schemas/ProblemType \"urn:interline:problem:no-such-path\"",
];

/// A member with points, and with one event of each kind at grocery.
async fn january() -> Served {
    let served = Served::sample("2017-01-31T12:00:00+08:00").await;
    served.record("grocery", "accruals/S-1", sale("m1", "2017-01-20T10:00:00+08:00", "250.00")).await;
    served.record("bakery", "accruals/S-1", sale("m1", "2017-01-20T11:00:00+08:00", "250.00")).await;
    let mut bill = redemption("m1", "2017-01-21T10:00:00+08:00", 300);
    bill["bill"] = json!("88.00");
    served.record("grocery", "redemptions/R-1", bill).await;
    let mut part = reversal("m1", "2017-01-22T10:00:00+08:00", "redemption:R-1");
    part["points"] = json!(5);
    served.record("grocery", "reversals/V-1", part).await;
    served.set_now("2017-02-01T09:00:00+08:00");
    served
}

/// Every good call, what it answers if nothing changed, and what every role
/// gets that may not call it.
async fn good_and_forbidden() -> Served {
    let served = january().await;
    served.close("2017-01", "final").await;
    served.set_now("2017-02-01T09:05:00+08:00");
    for call in calls() {
        let operation = Document::get().operation(call.operation);
        for role in ["", "members", "finance", "fresh"] {
            served.call(role, &operation.method, call.path, &[], &too_long()).await;
        }
        served.call(call.role, &operation.method, call.path, &[], &too_long()).await;
        served.call("grocery", &operation.method, &call.path.replace("grocery", "dining"), &[], &call.body()).await;
        let forbidden = json!({ "member": "m1", "line": "dining" });
        served.call("grocery", "POST", "/v1/quotes", &[], &forbidden.to_string()).await;
        served.call("finance", &operation.method, &format!("{}?x=1", call.path), &[], "{").await;
        served.call(call.role, &operation.method, &format!("{}?x=1", call.path), &[], "{").await;
        let first = served.call(call.role, &operation.method, call.path, &[], &call.body()).await;
        assert!(first.status < 400, "{}: {}", call.operation, first.text());
        let again = [("if-none-match", "*")];
        served.call(call.role, &operation.method, call.path, &again, &call.body()).await;
        if operation.id == "closePeriod" {
            served.settled("2017-01").await;
        }
    }
    // What was confirmed.
    served.call("finance", "GET", "/v1/periods/2017-01/payments", &[], "").await;
    served
}

/// Every call while the rulebook's object is not what it should be, and then
/// without a database.
async fn broken_and_unreachable() -> Served {
    let mut served = january().await;
    served.close("2017-01", "trial").await;
    let app = served.programme.world.app.clone();
    let read = app.ledger.rulebook_in_force().await.unwrap();
    app.ledger.set_current_rulebook(&read, by_hand(&"0".repeat(64), app.now())).await.unwrap();
    served.set_now("2017-02-01T10:00:00+08:00");
    // Neither an entry nor a list needs the rulebook in force.
    let partition = format!("E#2017-01#{:02}", shard(&MemberId::parse("m1").unwrap()));
    let (entries, _) = app.ledger.store().page(&partition, None, None, None).await.unwrap();
    for mut item in entries {
        item.remove("z");
        assert!(app.ledger.store().put(item, Condition::None).await.unwrap());
    }
    let all = async |served: &Served, status: u16| {
        for call in calls() {
            let operation = Document::get().operation(call.operation);
            let answer = served.call(call.role, &operation.method, call.path, &[], &call.body()).await;
            assert_eq!(answer.status, status, "{}: {}", operation.id, answer.text());
        }
    };
    all(&served, 500).await;
    served.programme.world.embedded.take().unwrap().stop().await;
    all(&served, 503).await;
    served
}

/// Events of every kind, in time and late, in lists of several pages; then
/// without prices.
async fn eventful() -> Served {
    let long = format!("m{}", "x".repeat(63));
    let codes = ["13", "9"].map(|code| format!("\n[[tax_codes]]\nid = \"{code}\"\nrate = \"0.{code:0>2}\"\n"));
    let campaign = r#"
[[schemes]]
id = "double"
expiry = { months = 3 }
funders = [{ from = "2017-01-01", shares = [{ to = "grocery", share = "0.5" }, { to = "group", share = "0.5" }] }]

[[awards]]
id = "double"
scheme = "double"
from = "2017-01-01"
to = "2017-01-20"
lines = ["grocery"]
extra = "1"
"#;
    let rulebook = with_pairs(RULEBOOK) + &codes.concat() + campaign;
    let served = Served::with_rulebook(&rulebook, "2017-01-31T12:00:00+08:00").await;
    let at = |day: u32| format!("2017-01-{day:02}T12:00:00+08:00");
    let taxes = json!([{ "code": "13", "amount": "800.00" }, { "code": "9", "amount": "100.00" }]);
    for member in ["m1", &long] {
        let name = |name: &str| format!("{name}-{}", if member == "m1" { "1".to_owned() } else { "x".repeat(60) });
        let mut taxed = sale(member, &at(1), "900.00");
        taxed["taxes"] = taxes.clone();
        let sold = format!("accruals/{}", name("S"));
        served.record("grocery", &sold, taxed.clone()).await;
        served.put("grocery", &format!("/v1/lines/grocery/{sold}"), taxed.clone()).await.ok();
        of_several(&served, "grocery", &sold, taxed).await;
        served.call("grocery", "GET", &format!("/v1/lines/grocery/{sold}"), &[], "").await;
        let mut bill = redemption(member, &at(2), 800);
        bill["bill"] = json!("88.00");
        bill["tax"] = json!("13");
        let spent = format!("redemptions/{}", name("R"));
        served.record("grocery", &spent, bill.clone()).await;
        served.put("grocery", &format!("/v1/lines/grocery/{spent}"), bill.clone()).await.ok();
        of_several(&served, "grocery", &spent, bill).await;
        served.record("dining", &format!("redemptions/{}", name("R")), redemption(member, &at(3), 10)).await;
        // Spent already: a debt, which later points repay.
        let mut taken = reversal(member, &at(4), &format!("accrual:{}", name("S")));
        taken["reverses"]["on"] = json!("2017-01-01");
        taken["amount"] = json!("900.00");
        taken["taxes"] = taxes.clone();
        served.record("grocery", &format!("reversals/{}", name("V")), taken.clone()).await;
        served.put("grocery", &format!("/v1/lines/grocery/reversals/{}", name("V")), taken.clone()).await.ok();
        of_several(&served, "grocery", &format!("reversals/{}", name("V")), taken).await;
        served.record("grocery", &format!("accruals/{}", name("T")), sale(member, &at(5), "300.00")).await;
        let back = reversal(member, &at(6), &format!("redemption:{}", name("R")));
        served.record("dining", &format!("reversals/{}", name("W")), back).await;
        let back = reversal(member, &at(6), &format!("redemption:{}", name("R")));
        served.record("grocery", &format!("reversals/{}", name("W")), back).await;
    }
    let given = csv(["adjustment,grocery,J-1,2017-01-07T12:00:00+08:00,m1,,7,"]);
    assert_eq!(served.programme.import("given.csv", &given).await.0.accepted, 1);
    served.record("grocery", "reversals/X-1", reversal("m1", &at(8), "adjustment:J-1")).await;
    // Another line's points at grocery, and grocery's at others.
    served.record("bakery", "accruals/B-1", sale("m2", &at(9), "100.00")).await;
    served.record("grocery", "redemptions/B-1", redemption("m2", &at(10), 100)).await;
    served.record("grocery", "accruals/B-2", sale("m2", &at(11), "100.00")).await;
    served.record("dining", "redemptions/B-2", redemption("m2", &at(12), 60)).await;
    let refused = of_several(&served, "grocery", "redemptions/B-3", redemption("m2", &at(12), 9_000)).await;
    assert_eq!(refused["status"], 422);
    served.set_now("2017-02-10T12:00:00+08:00");
    runs(&served).await;
    late(&served).await;

    for path in [
        "/v1/members/m1/entries",
        "/v1/lines/grocery/entries?period=2017-01",
        "/v1/lines/grocery/entries?period=2017-02",
    ] {
        pages(&served, path, 2).await;
        pages(&served, path, 200).await;
    }
    pages(&served, &format!("/v1/members/{long}/entries"), 1).await;
    for member in ["m1", "m2", "debtor", &long] {
        served.get("members", &format!("/v1/members/{member}")).await.ok();
    }
    for event in [
        "accruals/L-1",
        "accruals/T-1",
        "redemptions/R-1",
        "redemptions/L-1",
        "reversals/V-1",
        "reversals/W-1",
        "reversals/X-1",
        "reversals/L-1",
        "reversals/L-2",
    ] {
        let path = format!("/v1/lines/grocery/{event}");
        served.get("grocery", &path).await.ok();
    }
    // As if decided by a rulebook that has no price for them.
    let hash = without_travel(&served).await;
    let hash =
        (0..hash.len()).step_by(2).map(|at| u8::from_str_radix(&hash[at..at + 2], 16).unwrap()).collect::<Vec<_>>();
    let store = served.programme.app().ledger.store();
    let partition = format!("E#2017-02#{:02}", shard(&MemberId::parse("traveller").unwrap()));
    for mut item in store.page(&partition, None, None, None).await.unwrap().0 {
        item.insert("h".to_owned(), AttributeValue::B(hash.clone().into()));
        assert!(store.put(item, Condition::None).await.unwrap());
    }
    served.get("members", "/v1/members/traveller/entries").await.ok();
    served
}

/// A period open, sealed and final, its runs under way, failed and done.
async fn runs(served: &Served) {
    served.record("travel", "accruals/S-1", sale("traveller", "2017-02-01T12:00:00+08:00", "100.00")).await;
    served.record("travel", "redemptions/R-1", redemption("traveller", "2017-02-02T12:00:00+08:00", 50)).await;
    served.record("fresh", "redemptions/R-1", redemption("traveller", "2017-02-02T13:00:00+08:00", 50)).await;
    let (app, january) = (served.programme.app(), Period::parse("2017-01").unwrap());
    served.get("finance", "/v1/periods").await.ok();
    served.get("finance", "/v1/periods/2017-01").await.ok();
    app.ledger.seal(&served.programme.rulebook().await, january, app.now()).await.unwrap();
    app.ledger.start_run(january, "trial-0", None, app.now()).await.unwrap();
    served.get("finance", "/v1/periods/2017-01").await.ok();
    app.ledger.fail_run(january, "trial-0", "the power went").await.unwrap();
    served.get("finance", "/v1/periods/2017-01").await.ok();
    for kind in ["trial", "final"] {
        served.close("2017-01", kind).await;
        served.get("finance", "/v1/periods").await.ok();
        served.get("finance", "/v1/periods/2017-01/reports").await.ok();
        served.get("grocery", "/v1/lines/grocery/position?period=2017-01").await.ok();
    }
}

/// What an event is answered as one of several.
async fn of_several(served: &Served, line: &str, event: &str, mut body: Value) -> Value {
    let (collection, reference) = event.split_once('/').unwrap();
    body["kind"] = json!(collection.trim_end_matches('s'));
    body["reference"] = json!(reference);
    let answer = served.put(line, &format!("/v1/lines/{line}/events"), json!({ "events": [body] })).await;
    answer.ok()["answers"][0].clone()
}

/// Events of January after its close.
async fn late(served: &Served) {
    let at = "2017-01-25T12:00:00+08:00";
    let events = [
        ("accruals/L-1", sale("m1", at, "500.00")),
        ("redemptions/L-1", redemption("m1", at, 200)),
        ("reversals/L-1", reversal("m1", at, "redemption:L-1")),
        ("reversals/L-2", reversal("m1", at, "accrual:L-1")),
        // Repeated below, with a bill and with debts.
        ("accruals/D-1", sale("debtor", at, "100.00")),
        ("redemptions/D-1", {
            let mut bill = redemption("debtor", at, 100);
            bill["bill"] = json!("88.00");
            bill
        }),
        ("reversals/D-1", reversal("debtor", at, "accrual:D-1")),
        ("accruals/D-2", sale("debtor", at, "30.00")),
        ("reversals/D-2", {
            let mut part = reversal("debtor", at, "redemption:D-1");
            part["points"] = json!(40);
            part
        }),
    ];
    for (event, body) in events {
        let first = served.record("grocery", event, body.clone()).await;
        let again = served.put("grocery", &format!("/v1/lines/grocery/{event}"), body.clone()).await;
        assert_eq!((again.status, again.json()), (200, first.clone()));
        assert_eq!(of_several(served, "grocery", event, body).await, json!({ "status": 200, "entry": first }));
    }
    // Another line's points repay what is owed to grocery: it is to be paid for them.
    let (path, body) = ("/v1/lines/dining/accruals/D-3", sale("debtor", at, "5.00"));
    served.record("dining", "accruals/D-3", body.clone()).await;
    let entry = served.put("dining", path, body).await.ok();
    assert_eq!(entry["indicative_settlement"]["obligations"].as_array().map(Vec::len), Some(1), "{entry:#}");
    served.get("dining", path).await.ok();
    let given = csv(["adjustment,grocery,J-2,2017-01-27T12:00:00+08:00,m1,,7,"]);
    assert_eq!(served.programme.import("late.csv", &given).await.0.accepted, 1);
}

async fn pages(served: &Served, path: &str, limit: usize) {
    let mut cursor = String::new();
    loop {
        let sign = if path.contains('?') { '&' } else { '?' };
        let page = served.get("finance", &format!("{path}{sign}limit={limit}{cursor}")).await.ok();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return,
        }
    }
}

/// Every refusal that has a row in the tables of refusals, and the few that
/// have one for one kind of event only.
async fn refused() -> Vec<Served> {
    let strict = refusals::strict().await;
    for row in
        [refusals::accruals(), refusals::redemptions(), refusals::reversals(), refusals::quotes()].into_iter().flatten()
    {
        row.send(&strict).await;
    }
    quotes(&strict).await;
    let elsewhere = "2017-01-31T23:59:58+08:00";
    strict.record("grocery", "redemptions/Q-1", redemption("m1", "2017-01-31T23:59:59+08:00", 1)).await;
    strict.record("grocery", "reversals/Q-1", reversal("m1", "2017-01-31T23:59:59+08:00", "redemption:Q-1")).await;
    let february = "2017-02-01T00:00:05+08:00";
    strict.put("grocery", "/v1/lines/grocery/redemptions/Q-1", redemption("m1", february, 1)).await;
    strict.put("grocery", "/v1/lines/grocery/reversals/Q-1", reversal("m1", february, "redemption:Q-1")).await;
    strict.get("members", &format!("/v1/members/m1/entries?line={elsewhere}")).await;
    strict.get("finance", "/v1/lines/grocery/entries?period=2017-01&cursor=x").await;
    for path in [
        "/v1/lines/grocery/accruals/none",
        "/v1/lines/grocery/redemptions/none",
        "/v1/lines/grocery/reversals/none",
        "/v1/lines/grocery/position?period=2017-01",
        "/v1/members/none",
        "/v1/members/m1/entries?cursor=x",
        "/v1/periods/2016-12",
        "/v1/lines/nosuch/entries?period=2017-01",
        "/v1/periods/2017-01/reports",
        "/v1/periods/2017-01/reports/positions.csv",
        "/v1/periods/2017-01/payments",
    ] {
        strict.get("finance", path).await;
    }
    strict.post("finance", "/v1/periods/2017-01/payments", json!({})).await;
    let closed = refusals::closed_january().await;
    send(&closed, refusals::closes()).await;
    closed.set_now("2017-03-02T12:00:00+08:00");
    send(&closed, refusals::empty()).await;
    closed.set_now("2017-02-10T12:00:00+08:00");
    let february = Period::parse("2017-02").unwrap();
    closed.programme.app().ledger.start_run(february, "trial-1", None, closed.programme.app().now()).await.unwrap();
    closed.post("finance", "/v1/periods/2017-02/close", json!({ "kind": "trial" })).await;
    // A run that nobody in particular asked for.
    closed.programme.close_as("2017-02", RunKind::Trial, None).await.unwrap();
    closed.get("finance", "/v1/periods/2017-02").await;
    let large = refusals::nearly_too_large().await;
    send(&large, refusals::too_large()).await;
    a_return_that_does_not_fit(&large).await;
    let owing = refusals::owing().await;
    send(&owing, refusals::payments()).await;
    let planned = refusals::planned().await;
    send(&planned, refusals::booked_as_planned()).await;
    vec![strict, closed, large, owing, planned, unknown_line().await, periods::ignored().await]
}

async fn send(served: &Served, rows: Vec<Row>) {
    for row in rows {
        row.send(served).await;
    }
}

/// Points that are given back to an account that was filled up meanwhile.
async fn a_return_that_does_not_fit(served: &Served) {
    let at = |second: u32| format!("2017-01-19T13:00:{second:02}+08:00");
    let most = 100_000_000_000_i64;
    served.record("travel", "redemptions/R-1", redemption("m1", &at(1), most)).await;
    // 5 x 10^7 points a yuan.
    let room = (i64::MAX - 18 * 500_000_000_000_000_000 + most) / 50_000_000;
    served.record("travel", "accruals/F-1", sale("m1", &at(2), &room.to_string())).await;
    let answer = served.put("travel", "/v1/lines/travel/reversals/V-1", reversal("m1", &at(3), "redemption:R-1")).await;
    assert_eq!(answer.problem(), ("out-of-range".to_owned(), Some("points".to_owned())));
}

/// Puts a rulebook in force by hand that a line with events is not in any more.
async fn without_travel(served: &Served) -> String {
    let text = RULEBOOK.replace("travel", "trips");
    let hash = Rulebook::parse(&text).unwrap().hash;
    let app = served.programme.app();
    app.reports.put_once(&rulebook_key(&hash), text.into_bytes()).await.unwrap();
    let read = app.ledger.rulebook_in_force().await.unwrap();
    app.ledger.set_current_rulebook(&read, by_hand(&hash, app.now())).await.unwrap();
    // Later than a function goes on with the one that it read.
    served.set_now("2017-02-20T12:00:00+08:00");
    hash
}

/// A line that had a role and events, and was taken out of the rulebook.
async fn unknown_line() -> Served {
    let served = january().await;
    served.record("travel", "accruals/S-1", sale("m1", "2017-01-20T10:00:00+08:00", "10.00")).await;
    served.record("travel", "redemptions/R-1", redemption("m1", "2017-01-20T11:00:00+08:00", 10)).await;
    without_travel(&served).await;
    let at = "2017-01-25T10:00:00+08:00";
    for (event, body) in [
        ("accruals/N-1", sale("m1", at, "1.00")),
        ("redemptions/N-1", redemption("m1", at, 1)),
        ("reversals/N-1", reversal("m1", at, "redemption:R-1")),
        ("reversals/N-2", reversal("m1", at, "accrual:S-1")),
    ] {
        let answer = served.put("travel", &format!("/v1/lines/travel/{event}"), body).await;
        assert_eq!(answer.problem(), ("unknown-line".to_owned(), Some("line".to_owned())), "{event}");
    }
    let events = json!({ "events": [{
        "kind": "accrual", "reference": "N-3", "member": "m1", "occurred_at": at, "amount": "1.00",
    }] });
    served.call("travel", "PUT", "/v1/lines/travel/events", &[], "{").await;
    let answer = served.put("travel", "/v1/lines/travel/events", events).await;
    assert_eq!(answer.problem(), ("unknown-line".to_owned(), Some("line".to_owned())));
    served.post("members", "/v1/quotes", json!({ "member": "m1", "line": "travel" })).await;
    // By this rulebook lines are told totals.
    served.post("grocery", "/v1/quotes", json!({ "member": "m1", "line": "grocery" })).await.ok();
    served
}

/// Quotes with and without a cap, and every reason why nothing can be redeemed.
async fn quotes(served: &Served) {
    for (line, bill, points) in [
        ("grocery", None, None),
        ("grocery", None, Some(90_000_000)),
        ("dining", None, Some(50)),
        ("dining", None, Some(125)),
        ("dining", None, Some(1050)),
        ("fuel", Some("1.00"), Some(51)),
        ("bakery", None, Some(201)),
        ("garden", None, Some(401)),
    ] {
        let body = json!({ "member": "m1", "line": line, "bill": bill, "points": points });
        served.post("members", "/v1/quotes", body).await.ok();
    }
}

#[track_caller]
fn assert_none_missing(
    what: &str,
    documented: &BTreeSet<String>,
    seen: &BTreeSet<String>,
    except: impl Fn(&str) -> bool,
) {
    let missing: Vec<&String> = documented.difference(seen).filter(|entry| !except(entry)).collect();
    assert!(missing.is_empty(), "{what} of the document that were not seen: {missing:#?}");
    let needless: Vec<&String> = documented.intersection(seen).filter(|entry| except(entry)).collect();
    assert!(needless.is_empty(), "{what} that were seen and are excepted: {needless:#?}");
}

#[tokio::test]
async fn whatever_is_documented_happens() {
    let mut worlds = vec![good_and_forbidden().await, broken_and_unreachable().await, eventful().await];
    worlds.extend(refused().await);
    let mut seen = Seen::default();
    for world in &worlds {
        seen.add(&world.answers);
    }
    let documented = Seen::documented();
    assert_none_missing("answers", &documented.answers, &seen.answers, is_of_api_gateway);
    assert_none_missing("problems", &documented.problems, &seen.problems, |_| false);
    assert_none_missing("fields", &documented.fields, &seen.fields, is_field_of_api_gateway);
    assert_none_missing("words", &documented.words, &seen.words, |word| WORDS_WITHOUT_OPERATION.contains(&word));
    assert_none_missing("nulls", &documented.nulls, &seen.nulls, |_| false);
}

/// An answer's object says that it has no other fields: so a field that is sent
/// and not documented is refused. API Gateway's own answers may have any.
#[test]
fn every_object_of_an_answer_is_closed() {
    let document = Document::get();
    for operation in &document.operations {
        for answer in operation.answers.values() {
            for content_type in ["application/json", "application/problem+json"] {
                if let Some(schema) = document.answer_schema(answer, content_type) {
                    assert_closed(document, &schema, false);
                }
            }
        }
    }
}

fn is_closed(document: &Document, schema: &str) -> bool {
    let described = document.at(schema);
    let here = ["additionalProperties", "unevaluatedProperties"].iter().any(|rule| described[*rule] == false);
    let parts = document.parts(schema);
    here || parts.iter().any(|part| matches!(part, Part::Same(pointer) if is_closed(document, pointer)))
}

fn assert_closed(document: &Document, schema: &str, closed: bool) {
    let closed = closed || is_closed(document, schema) || schema == "/components/schemas/GatewayMessage";
    for part in document.parts(schema) {
        match part {
            Part::Same(pointer) | Part::One(pointer) => assert_closed(document, &pointer, closed),
            Part::Item(pointer) => assert_closed(document, &pointer, false),
            Part::Field(name, pointer) => {
                assert!(closed, "{schema} has the field {name} and is open");
                assert_closed(document, &pointer, false);
            }
        }
    }
}
