//! A body is read as its schema says: what one of them accepts the other does.

use super::document::{Document, Operation, Part};
use crate::served::{Answer, Served, redemption, sale};
use interline_domain::close::judgement::ACCEPTABLE;
use interline_domain::units::currency::Currency;
use interline_tests::cny;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

struct Rule {
    says: &'static str,
    applies: fn(&Value) -> bool,
}

/// What a schema cannot say. Each must be met, or it is none.
const RULES: [Rule; 3] = [
    Rule {
        says: "a whole number is written without decimals: to a schema 7.0 is an integer",
        applies: |body| has(body, &is_whole_float),
    },
    Rule {
        says: "an amount is one of the programme's currency: a schema does not know which that is",
        applies: |body| has(body, &is_of_another_currency),
    },
    Rule {
        says: "a statement is a camt.053 document: to a schema it is text",
        applies: |body| body["statement"].as_str().is_some_and(|text| !text.contains("BkToCstmrStmt")),
    },
];

fn has(value: &Value, what: &dyn Fn(&Value) -> bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| has(item, what)),
        Value::Object(fields) => fields.values().any(|field| has(field, what)),
        value => what(value),
    }
}

fn is_whole_float(value: &Value) -> bool {
    value.as_number().is_some_and(|number| number.is_f64() && number.as_f64().is_some_and(|it| it.fract() == 0.0))
}

fn is_of_another_currency(value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let others = ["JPY", "KWD"].map(|code| Currency::parse(code).unwrap());
    cny().parse_money(text).is_err() && others.iter().any(|currency| currency.parse_money(text).is_ok())
}

/// Bodies that have every field between them.
fn good(operation: &str) -> Vec<Value> {
    let at = "2017-01-25T10:00:00+08:00";
    match operation {
        "putAccrual" => vec![json!({ "member": "m1", "occurred_at": at, "amount": "10.00", "taxes": [] })],
        "putRedemption" => {
            vec![json!({ "member": "m1", "occurred_at": at, "points": 1, "bill": "88.00", "tax": null })]
        }
        "putReversal" => {
            let of = |kind: &str, reference: &str| json!({ "kind": kind, "reference": reference });
            vec![
                json!({
                    "member": "m1", "occurred_at": at, "reverses": of("accrual", "S-1"), "amount": "0.01",
                    "points": null, "taxes": [],
                }),
                json!({ "member": "m1", "occurred_at": at, "reverses": of("redemption", "R-1"), "points": 1, "amount": null }),
                json!({
                    "member": "m1", "occurred_at": at,
                    "reverses": { "kind": "accrual", "reference": "S-1", "on": "2017-01-20" },
                }),
            ]
        }
        "putEvents" => {
            let event = |kind: &str| json!({ "kind": kind, "reference": "N-1", "member": "m1", "occurred_at": at });
            let with = |kind: &str, fields: &[(&str, Value)]| {
                let mut event = event(kind);
                fields.iter().for_each(|(name, value)| event[*name] = value.clone());
                json!({ "events": [event] })
            };
            let of = |kind: &str, reference: &str| json!({ "kind": kind, "reference": reference });
            vec![
                with("accrual", &[("amount", json!("10.00"))]),
                with("redemption", &[("points", json!(1)), ("bill", json!("88.00"))]),
                with(
                    "reversal",
                    &[("reverses", of("accrual", "S-1")), ("amount", json!("0.01")), ("points", json!(null))],
                ),
                with(
                    "reversal",
                    &[("reverses", of("redemption", "R-1")), ("points", json!(1)), ("amount", json!(null))],
                ),
            ]
        }
        "quote" => vec![
            json!({ "member": "m1", "line": "grocery", "bill": "88.00", "points": 5, "value": null }),
            json!({ "member": "m1", "line": "grocery", "bill": null, "points": null, "value": "1.00" }),
        ],
        // Refused for the period's sake and not for the body's.
        "closePeriod" => vec![json!({
            "kind": "final", "empty": false, "remark": "a new till",
            "accept": [{ "check": ACCEPTABLE[0].name(), "reason": "the first month" }],
        })],
        // Nothing is to be paid.
        "confirmPayments" => vec![
            json!({ "paid_on": "2017-02-10", "statement": null }),
            json!({ "paid_on": null, "statement": "<Document><BkToCstmrStmt></BkToCstmrStmt></Document>" }),
        ],
        other => panic!("no body is known for {other}"),
    }
}

/// Values of every type, and near every rule of every field.
fn values() -> Vec<Value> {
    let texts = [
        "",
        " ",
        "x",
        "A.b_c-9",
        "a b",
        "a/b",
        "会员",
        "m1\n",
        "grocery",
        "GROCERY",
        "S-1",
        "trial",
        "Trial",
        "final",
        "accrual",
        "redemption",
        "reversal",
        "adjustment",
        "accruals",
        "0",
        "1",
        "0.00",
        "0.0",
        "0.01",
        "0.1",
        "007.10",
        "00.5",
        "12",
        "12.5",
        "12.50",
        "12.500",
        "-1",
        "+1",
        "1.",
        ".5",
        "1e3",
        "1,000",
        "１",
        " 1",
        "9999999999.99",
        "10000000000",
        "10000000000.00",
        "10000000000.01",
        "10000000001",
        "99999999999999999999",
        "NaN",
        "null",
        "true",
        "now",
        "2017-01-25",
        "2017-01-25T10:00:00",
        "2017-01-25 10:00:00Z",
        "2017-01-25t10:00:00z",
        "2017-01-25T10:00Z",
        "2017-01-25T10:00:00Z",
        "2017-01-25T10:00:00.1Z",
        "2017-01-25T10:00:00.123456789Z",
        "2017-01-25T10:00:00.1234567890Z",
        "2017-01-25T10:00:00.Z",
        "2017-01-25T10:00:00+08:00",
        "2017-01-25T10:00:00+8:00",
        "2017-01-25T10:00:00+0800",
        "2017-01-25T10:00:00+23:59",
        "2017-01-25T10:00:00+24:00",
        "2017-01-25T10:00:00-00:00",
        "2017-01-25T10:00:00+08:60",
        "2017-01-25T23:59:59Z",
        "2017-01-25T24:00:00Z",
        "2017-01-25T10:60:00Z",
        "2017-01-25T10:00:60Z",
        "2016-12-31T23:59:60Z",
        "2016-02-29T10:00:00Z",
        "2017-02-29T10:00:00Z",
        "2017-02-30T10:00:00Z",
        "2017-04-31T10:00:00Z",
        "2017-00-10T10:00:00Z",
        "2017-13-10T10:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00+14:00",
        "2199-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "-2017-01-25T10:00:00Z",
        "２017-01-25T10:00:00Z",
    ];
    let mut values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    values.extend([16, 17, 64, 65].map(|length| json!("x".repeat(length))));
    values.extend([
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!([1]),
        json!({ "a": 1 }),
        json!(1.5),
        json!(7.0),
    ]);
    values.extend([
        json!({ "kind": "accrual" }),
        json!({ "kind": "reversal", "reference": "V-1" }),
        json!(["accrual", "S-1"]),
    ]);
    values.extend(
        [i64::MIN, -1, 0, 1, 7, 99_999_999_999, 100_000_000_000, 100_000_000_001, i64::MAX].map(|number| json!(number)),
    );
    values.push(json!(u64::MAX));
    values
}

/// Places in a body, outermost first: `["reverses", "kind"]`; of a list its first item's.
fn places(body: &Value, place: &[String]) -> Vec<Vec<String>> {
    let fields = body.as_object().into_iter().flat_map(Map::iter).map(|(name, field)| (name.clone(), field));
    let first = body.as_array().and_then(|items| items.first()).map(|item| ("0".to_owned(), item));
    fields
        .chain(first)
        .flat_map(|(name, field)| {
            let here = [place, std::slice::from_ref(&name)].concat();
            let mut found = vec![here.clone()];
            found.extend(places(field, &here));
            found
        })
        .collect()
}

/// What a name stands for within a value.
fn inner<'a>(within: &'a mut Value, name: &str) -> &'a mut Value {
    if within.is_array() { &mut within[0] } else { &mut within[name] }
}

/// The body with what stands in a place put there, or taken away.
fn with(body: &Value, place: &[String], value: Option<Value>) -> Value {
    let mut changed = body.clone();
    let (last, outer) = place.split_last().unwrap();
    match (outer.iter().fold(&mut changed, |within, name| inner(within, name)), value) {
        (Value::Object(fields), Some(value)) => drop(fields.insert(last.clone(), value)),
        (Value::Object(fields), None) => drop(fields.remove(last)),
        (Value::Array(items), Some(value)) => items[0] = value,
        (Value::Array(items), None) => drop(items.remove(0)),
        (other, _) => panic!("{other} has no {last}"),
    }
    changed
}

/// Whatever a good body becomes by one change, and by two of the plainer ones.
fn changed(body: &Value) -> Vec<Value> {
    let places = places(body, &[]);
    let mut bodies = vec![body.clone()];
    let plain = || [None, Some(json!(null)), Some(json!(7)), Some(json!("7")), Some(json!([]))];
    for (at, place) in places.iter().enumerate() {
        bodies.push(with(body, place, None));
        bodies.extend(values().into_iter().map(|value| with(body, place, Some(value))));
        let beside = [&place[..place.len() - 1], &["colour".to_owned()]].concat();
        bodies.extend([json!(null), json!(1)].map(|value| with(body, &beside, Some(value))));
        for other in places[..at].iter().filter(|other| !place.starts_with(other)) {
            for one in plain() {
                for two in plain() {
                    bodies.push(with(&with(body, place, one.clone()), other, two));
                }
            }
        }
    }
    bodies
}

struct Caller {
    served: Served,
    calls: usize,
}

impl Caller {
    /// A member with points, a sale and a redemption; January is final.
    async fn new() -> Self {
        let served = Served::sample("2017-02-01T09:00:00+08:00").await;
        served.record("grocery", "accruals/S-1", sale("m1", "2017-01-20T10:00:00+08:00", "9000.00")).await;
        served.record("grocery", "redemptions/R-1", redemption("m1", "2017-01-21T10:00:00+08:00", 9)).await;
        served.close("2017-01", "final").await;
        Self { served, calls: 0 }
    }

    /// Each call has a reference of its own.
    async fn send(&mut self, operation: &str, body: &str) -> Answer {
        self.calls += 1;
        let (role, method, path) = match operation {
            "putAccrual" => ("grocery", "PUT", format!("/v1/lines/grocery/accruals/N-{}", self.calls)),
            "putRedemption" => ("grocery", "PUT", format!("/v1/lines/grocery/redemptions/N-{}", self.calls)),
            "putReversal" => ("grocery", "PUT", format!("/v1/lines/grocery/reversals/N-{}", self.calls)),
            "putEvents" => ("grocery", "PUT", "/v1/lines/grocery/events".to_owned()),
            "quote" => ("members", "POST", "/v1/quotes".to_owned()),
            "closePeriod" => ("finance", "POST", "/v1/periods/2017-01/close".to_owned()),
            "confirmPayments" => ("finance", "POST", "/v1/periods/2017-01/payments".to_owned()),
            other => panic!("no call is known for {other}"),
        };
        self.served.call(role, method, &path, &[], body).await
    }
}

/// What each of several events was answered.
fn of_each(answer: &Answer) -> impl Iterator<Item = u64> {
    let answers = answer.json()["answers"].as_array().cloned().unwrap_or_default();
    answers.into_iter().filter_map(|answer| answer["status"].as_u64())
}

#[tokio::test]
async fn a_body_is_accepted_or_refused_as_its_schema_says() {
    let document = Document::get();
    let mut caller = Caller::new().await;
    let mut met = BTreeSet::new();
    for operation in document.operations.iter().filter(|operation| operation.body.is_some()) {
        let schema = operation.body.as_deref().unwrap();
        let mut verdicts = BTreeMap::from([(false, 0), (true, 0)]);
        for body in good(&operation.id) {
            assert_eq!(document.valid(schema, &body), Ok(()), "{}: {body}", operation.id);
            for body in changed(&body) {
                let documented = document.valid(schema, &body);
                let answer = caller.send(&operation.id, &body.to_string()).await;
                let accepted = answer.status != 400 && of_each(&answer).all(|status| status != 400);
                *verdicts.get_mut(&accepted).unwrap() += 1;
                if documented.is_ok() != accepted {
                    let rule = RULES.iter().find(|rule| (rule.applies)(&body)).unwrap_or_else(|| {
                        panic!("{}: {body}\nschema: {documented:?}\nanswer: {}", operation.id, answer.text())
                    });
                    met.insert(rule.says);
                }
            }
        }
        assert!(verdicts.values().all(|count| *count >= 3), "{}: {verdicts:?}", operation.id);
    }
    assert_eq!(met, RULES.map(|rule| rule.says).into());
}

/// The fields of an object, and which of them must be there.
fn fields(document: &Document, schema: &str, within: &str) -> Vec<(String, bool)> {
    let schema = document.resolved(schema);
    let mut found = Vec::new();
    for part in document.parts(&schema) {
        if let Part::Field(name, pointer) = part {
            let required = document.at(&schema)["required"].as_array();
            let required = required.is_some_and(|names| names.contains(&json!(name)));
            let place = if within.is_empty() { name } else { format!("{within}.{name}") };
            let inner = document.resolved(&pointer);
            found.push((place.clone(), required));
            found.extend(fields(document, &inner, &place));
        }
    }
    found
}

#[tokio::test]
async fn a_field_that_is_missing_unknown_or_of_another_type_is_named() {
    let document = Document::get();
    let mut caller = Caller::new().await;
    // The fields of several events are those of each, and each has its own answer. Those of what
    // stands in another list are looked at where such a list is.
    let own_body = |operation: &&Operation| operation.body.is_some() && operation.id != "putEvents";
    for operation in document.operations.iter().filter(own_body) {
        let schema = operation.body.as_deref().unwrap();
        let described = fields(document, schema, "");
        let bodies = good(&operation.id);
        let given: BTreeSet<String> =
            bodies.iter().flat_map(|body| places(body, &[])).map(|place| place.join(".")).collect();
        let given: BTreeSet<String> = given.into_iter().filter(|place| !place.contains(".0")).collect();
        assert_eq!(given, described.iter().map(|(name, _)| name.clone()).collect(), "{}", operation.id);
        for (name, required) in &described {
            let place: Vec<String> = name.split('.').map(str::to_owned).collect();
            let wrong = |value: Option<Value>| {
                let body = with(&bodies[0], &place, value);
                let named = name.clone();
                (body, named)
            };
            let of_another_type = match document.valid(schema, &wrong(Some(json!(true))).0) {
                Ok(()) => json!("true"),
                Err(_) => json!(true),
            };
            // In a list that is one the item would be wrong.
            let is_list = bodies[0][name.as_str()].is_array();
            let no_value = if is_list { json!({ "a": 1 }) } else { json!([1]) };
            let mut cases = vec![wrong(Some(of_another_type)), wrong(Some(no_value))];
            let without = wrong(None);
            let null = wrong(Some(Value::Null));
            if *required {
                cases.extend([without, null]);
            } else {
                for (body, _) in [without, null] {
                    let answer = caller.send(&operation.id, &body.to_string()).await;
                    assert_ne!(answer.status, 400, "{}: {body} {}", operation.id, answer.text());
                }
            }
            let unknown = [&place[..place.len() - 1], &["colour".to_owned()]].concat();
            cases.push((with(&bodies[0], &unknown, Some(json!(1))), unknown.join(".")));
            for (body, field) in cases {
                let answer = caller.send(&operation.id, &body.to_string()).await;
                assert_eq!(answer.problem(), ("invalid-json".to_owned(), Some(field)), "{}: {body}", operation.id);
                assert!(document.valid(schema, &body).is_err(), "{}: {body}", operation.id);
            }
        }
    }
}
