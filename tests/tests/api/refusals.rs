//! The negative space of every command, in one table each.

use crate::served::{Answer, Served, redemption, reversal, sale};
use interline_domain::close::checks::CheckId;
use interline_domain::close::judgement::ACCEPTABLE;
use interline_domain::units::calendar::Period;
use interline_domain::units::limits::{POINTS_MAX, REASON_MAX};
use interline_lambda::http::BODY_MAX_BYTES;
use interline_reports::pack::{MANIFEST, key};
use interline_tests::programme::{RULEBOOK, edited};
use serde_json::{Value, json};

/// In the first hour of February, when January may not be sealed yet.
const NOW: &str = "2017-02-01T00:05:00+08:00";
const AT: &str = "2017-01-19T12:00:00+08:00";

/// One call that is refused: what is sent, and what is said.
pub struct Row {
    role: &'static str,
    method: &'static str,
    path: String,
    body: String,
    pub slug: &'static str,
    field: Option<String>,
}

impl Row {
    pub async fn send(&self, served: &Served) -> Answer {
        served.call(self.role, self.method, &self.path, &[], &self.body).await
    }
}

fn row<'a>(
    role: &'static str,
    method: &'static str,
    path: &str,
    body: impl ToString,
    slug: &'static str,
    field: impl Into<Option<&'a str>>,
) -> Row {
    let field = field.into().map(str::to_owned);
    Row { role, method, path: path.to_owned(), body: body.to_string(), slug, field }
}

/// A good body with one field set to something else, or with one more.
fn with(good: &Value, field: &str, value: Value) -> Value {
    let mut body = good.clone();
    match field.split_once('.') {
        None => body[field] = value,
        Some((outer, inner)) => body[outer][inner] = value,
    }
    body
}

fn without(good: &Value, field: &str) -> Value {
    let mut body = good.clone();
    match field.split_once('.') {
        None => body.as_object_mut().unwrap().remove(field),
        Some((outer, inner)) => body[outer].as_object_mut().unwrap().remove(inner),
    };
    body
}

/// What no call takes as a body, whatever its fields.
fn malformed(role: &'static str, method: &'static str, path: &str, good: &Value) -> Vec<Row> {
    let fields: Vec<String> = good.as_object().unwrap().values().map(Value::to_string).collect();
    let mut rows = Vec::new();
    for body in [
        String::new(),
        " ".to_owned(),
        "{".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        "7".to_owned(),
        "\"text\"".to_owned(),
        "[]".to_owned(),
        "member=m1".to_owned(),
        // The fields in their order and without their names.
        format!("[{}]", fields.join(",")),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("{good}]"),
        format!("\u{feff}{good}"),
        "[".repeat(BODY_MAX_BYTES),
    ] {
        rows.push(row(role, method, path, body, "invalid-json", None));
    }
    let first = good.as_object().unwrap().iter().next().unwrap();
    let twice = format!("{{\"{}\":{},{}", first.0, first.1, &good.to_string()[1..]);
    rows.push(row(role, method, path, twice, "invalid-json", first.0.as_str()));
    for value in [json!(1), json!(null)] {
        rows.push(row(role, method, path, with(good, "colour", value), "invalid-json", "colour"));
    }
    let much = format!("{good}{}", " ".repeat(BODY_MAX_BYTES));
    rows.push(row(role, method, path, much, "body-too-large", None));
    rows
}

/// Each value of a field that is no text at all.
const NO_TEXT: [&str; 6] = ["7", "1.5", "true", "null", "[]", "{}"];
/// Each value that is no whole number.
const NO_INTEGER: [&str; 9] = ["\"7\"", "1.0", "1.5", "1e2", "true", "[]", "{}", "99999999999999999999", "1e400"];

fn wrong_types(
    role: &'static str,
    path: &str,
    method: &'static str,
    good: &Value,
    field: &'static str,
    values: &[&str],
) -> Vec<Row> {
    // Written as text: 1e400 is no value that could be built.
    let marked = with(good, field, json!("@")).to_string();
    let body = |value: &&str| row(role, method, path, marked.replace("\"@\"", value), "invalid-json", field);
    values.iter().map(body).collect()
}

fn wrong_values(
    role: &'static str,
    method: &'static str,
    path: &str,
    good: &Value,
    field: &'static str,
    values: &[&str],
) -> Vec<Row> {
    let body = |value: &&str| row(role, method, path, with(good, field, json!(value)), "invalid-field", field);
    values.iter().map(body).collect()
}

const NO_MEMBER: [&str; 6] =
    ["", "a b", "a/b", "会员", "m1\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"];
const NO_TIME: [&str; 12] = [
    "",
    "now",
    "2017-01-19",
    "2017-01-19T12:00:00",
    "2017-01-19 12:00:00Z",
    "2017-01-19T12:00Z",
    "2017-02-29T12:00:00Z",
    "2017-01-19T24:00:00Z",
    "2017-01-19T12:00:60Z",
    "2017-01-19T12:00:00+25:00",
    "2017-01-19T12:00:00.1234567890Z",
    "1969-12-31T12:00:00Z",
];
const NO_AMOUNT: [&str; 14] = [
    "",
    "0",
    "0.00",
    "-1",
    "+1",
    "1.",
    ".5",
    "1.001",
    "1e3",
    "1,000",
    "１",
    " 1",
    "10000000000.01",
    "99999999999999999999",
];

/// `PUT /v1/lines/{line}/accruals/{reference}`
pub fn accruals() -> Vec<Row> {
    let path = "/v1/lines/grocery/accruals/N-1";
    let good = sale("m1", AT, "10.00");
    let mut rows = malformed("grocery", "PUT", path, &good);
    for field in ["member", "occurred_at", "amount"] {
        rows.push(row("grocery", "PUT", path, without(&good, field), "invalid-json", field));
        rows.extend(wrong_types("grocery", path, "PUT", &good, field, &NO_TEXT));
    }
    rows.extend(wrong_values("grocery", "PUT", path, &good, "member", &NO_MEMBER));
    rows.extend(wrong_values("grocery", "PUT", path, &good, "occurred_at", &NO_TIME));
    rows.extend(wrong_values("grocery", "PUT", path, &good, "amount", &NO_AMOUNT));
    for field in ["points", "bill", "reverses", "line", "reference", "kind"] {
        rows.push(row("grocery", "PUT", path, with(&good, field, json!("1")), "invalid-json", field));
    }
    let recorded = sale("m1", "2017-01-02T10:00:00+08:00", "10000.00");
    let [s1, s2] = ["/v1/lines/grocery/accruals/S-1", "/v1/lines/grocery/accruals/S-2"];
    rows.extend([
        row("grocery", "PUT", path, sale("13800138000", AT, "1.00"), "phone-like-member", "member"),
        row("grocery", "PUT", path, sale("m1", "2017-02-01T00:15:01+08:00", "1.00"), "in-the-future", "occurred_at"),
        row("grocery", "PUT", path, sale("m1", "2016-12-31T23:59:59+08:00", "1.00"), "before-programme", "occurred_at"),
        row("group", "PUT", "/v1/lines/group/accruals/N-1", &good, "no-earn-rule", "line"),
        row(
            "grocery",
            "PUT",
            path,
            with(&good, "taxes", json!([{ "code": "17", "amount": "10.00" }])),
            "unknown-tax-code",
            "taxes",
        ),
        row(
            "grocery",
            "PUT",
            path,
            with(&good, "taxes", json!([{ "code": "13", "amount": "8.00" }, { "code": "9", "amount": "1.99" }])),
            "taxes-not-the-amount",
            "taxes",
        ),
        row(
            "grocery",
            "PUT",
            path,
            with(&good, "taxes", json!([{ "code": "13", "amount": "1.00" }, { "code": "9" }])),
            "invalid-json",
            "taxes[1].amount",
        ),
        row(
            "grocery",
            "PUT",
            path,
            with(&good, "taxes", json!([{ "code": "1 3", "amount": "10.00" }])),
            "invalid-field",
            "taxes[0].code",
        ),
        row(
            "grocery",
            "PUT",
            path,
            with(&good, "taxes", json!([{ "amount": "1.00" }])),
            "invalid-json",
            "taxes[0].code",
        ),
        row(
            "grocery",
            "PUT",
            path,
            with(&good, "taxes", json!([{ "code": "13", "amount": "0" }])),
            "invalid-field",
            "taxes[0].amount",
        ),
        row("travel", "PUT", "/v1/lines/travel/accruals/N-1", &good, "line-not-active", "line"),
        row("grocery", "PUT", s1, with(&recorded, "amount", json!("10000.01")), "conflict", "amount"),
        row("grocery", "PUT", s1, with(&recorded, "occurred_at", json!(AT)), "conflict", "occurred_at"),
        row("grocery", "PUT", s1, with(&recorded, "member", json!(neighbour())), "conflict", "member"),
        row("grocery", "PUT", s2, sale("m1", "2017-02-01T00:00:05+08:00", "1.00"), "conflict", "occurred_at"),
    ]);
    rows
}

/// `PUT /v1/lines/{line}/redemptions/{reference}`
pub fn redemptions() -> Vec<Row> {
    let path = "/v1/lines/grocery/redemptions/N-1";
    let good = with(&redemption("m1", AT, 10), "bill", json!("20.00"));
    let mut rows = malformed("grocery", "PUT", path, &good);
    for field in ["member", "occurred_at", "points"] {
        rows.push(row("grocery", "PUT", path, without(&good, field), "invalid-json", field));
    }
    for field in ["member", "occurred_at"] {
        rows.extend(wrong_types("grocery", path, "PUT", &good, field, &NO_TEXT));
    }
    rows.extend(wrong_types("grocery", path, "PUT", &good, "points", &NO_INTEGER));
    rows.extend(wrong_types("grocery", path, "PUT", &good, "bill", &["7", "20.5", "true", "[]", "{}"]));
    rows.extend(wrong_values("grocery", "PUT", path, &good, "member", &NO_MEMBER));
    rows.extend(wrong_values("grocery", "PUT", path, &good, "occurred_at", &NO_TIME));
    rows.extend(wrong_values("grocery", "PUT", path, &good, "bill", &NO_AMOUNT));
    for points in [0, -1, POINTS_MAX + 1, i64::MIN, i64::MAX] {
        rows.push(row("grocery", "PUT", path, with(&good, "points", json!(points)), "invalid-field", "points"));
    }
    for field in ["amount", "value", "reverses"] {
        rows.push(row("grocery", "PUT", path, with(&good, field, json!("1")), "invalid-json", field));
    }
    let redeem = |points: i64| redemption("m1", AT, points);
    let at = |line: &str| format!("/v1/lines/{line}/redemptions/N-1");
    let r1 = "/v1/lines/fuel/redemptions/R-1";
    let recorded = with(&redemption("m1", "2017-01-04T10:00:00+08:00", 100), "bill", json!("10.00"));
    rows.extend([
        row("grocery", "PUT", path, redemption("8613800138000", AT, 1), "phone-like-member", "member"),
        row("grocery", "PUT", path, redemption("m1", "2017-02-01T00:15:01+08:00", 1), "in-the-future", "occurred_at"),
        row("grocery", "PUT", path, redemption("m1", "2016-12-31T15:59:59Z", 1), "before-programme", "occurred_at"),
        row("group", "PUT", &at("group"), redeem(10), "no-burn-rule", "line"),
        row("grocery", "PUT", path, with(&redeem(10), "tax", json!("17")), "unknown-tax-code", "tax"),
        row("grocery", "PUT", path, with(&redeem(10), "tax", json!("1 3")), "invalid-field", "tax"),
        row("grocery", "PUT", path, redeem(POINTS_MAX), "insufficient-points", "points"),
        row("grocery", "PUT", path, redemption("m2", AT, 1), "insufficient-points", "points"),
        row("dining", "PUT", &at("dining"), redeem(50), "below-minimum", "points"),
        row("dining", "PUT", &at("dining"), redeem(125), "off-step", "points"),
        row("dining", "PUT", &at("dining"), redeem(1050), "above-order-cap", "points"),
        row("fuel", "PUT", &at("fuel"), redeem(10), "bill-missing", "bill"),
        row("fuel", "PUT", &at("fuel"), with(&redeem(51), "bill", json!("1.00")), "above-bill-cap", "points"),
        row(
            "bakery",
            "PUT",
            &at("bakery"),
            redemption("m1", "2017-01-05T10:00:00+08:00", 101),
            "above-day-cap",
            "points",
        ),
        row("garden", "PUT", &at("garden"), redeem(301), "above-month-cap", "points"),
        row("fuel", "PUT", r1, with(&recorded, "points", json!(99)), "conflict", "points"),
        row("fuel", "PUT", r1, with(&recorded, "bill", json!("10.01")), "conflict", "bill"),
        row("fuel", "PUT", r1, without(&recorded, "bill"), "conflict", "bill"),
        row("fuel", "PUT", r1, with(&recorded, "occurred_at", json!(AT)), "conflict", "occurred_at"),
        row("fuel", "PUT", r1, with(&recorded, "member", json!(neighbour())), "conflict", "member"),
    ]);
    rows
}

/// `PUT /v1/lines/{line}/reversals/{reference}`
pub fn reversals() -> Vec<Row> {
    let path = "/v1/lines/grocery/reversals/N-1";
    let good = reversal("m1", AT, "accrual:S-1");
    let mut rows = malformed("grocery", "PUT", path, &good);
    for field in ["member", "occurred_at", "reverses", "reverses.kind", "reverses.reference"] {
        rows.push(row("grocery", "PUT", path, without(&good, field), "invalid-json", field));
    }
    for field in ["member", "occurred_at", "reverses.kind", "reverses.reference"] {
        rows.extend(wrong_types("grocery", path, "PUT", &good, field, &NO_TEXT));
    }
    let no_object = ["7", "null", "\"accrual:S-1\"", "[]", "[\"accrual\",\"S-1\"]"];
    rows.extend(wrong_types("grocery", path, "PUT", &good, "reverses", &no_object));
    rows.extend(wrong_types("grocery", path, "PUT", &good, "amount", &["7", "1.5", "true", "[]", "{}"]));
    rows.extend(wrong_types("grocery", path, "PUT", &good, "points", &NO_INTEGER));
    rows.extend(wrong_values("grocery", "PUT", path, &good, "member", &NO_MEMBER));
    rows.extend(wrong_values("grocery", "PUT", path, &good, "occurred_at", &NO_TIME));
    rows.extend(wrong_values("grocery", "PUT", path, &good, "amount", &NO_AMOUNT));
    rows.extend(wrong_values(
        "grocery",
        "PUT",
        path,
        &good,
        "reverses.kind",
        &["", "Accrual", "accruals", "sale", "a"],
    ));
    rows.extend(wrong_values("grocery", "PUT", path, &good, "reverses.reference", &["", "S 1", "S#1", "a/b"]));
    for points in [0, -1, POINTS_MAX + 1] {
        rows.push(row("grocery", "PUT", path, with(&good, "points", json!(points)), "invalid-field", "points"));
    }
    rows.push(row(
        "grocery",
        "PUT",
        path,
        with(&good, "reverses.line", json!("dining")),
        "invalid-json",
        "reverses.line",
    ));
    rows.push(row("grocery", "PUT", path, with(&good, "bill", json!("1.00")), "invalid-json", "bill"));
    let of = |what: &str| reversal("m1", AT, what);
    let fuel = "/v1/lines/fuel/reversals/N-1";
    let v1 = "/v1/lines/spirits/reversals/V-1";
    let recorded = with(&reversal("m1", "2017-01-08T10:00:00+08:00", "accrual:S-1"), "amount", json!("4.00"));
    rows.extend([
        row("grocery", "PUT", path, reversal("19912345678", AT, "accrual:S-1"), "phone-like-member", "member"),
        row(
            "grocery",
            "PUT",
            path,
            reversal("m1", "2018-01-01T00:00:00Z", "accrual:S-1"),
            "in-the-future",
            "occurred_at",
        ),
        row(
            "grocery",
            "PUT",
            path,
            reversal("m1", "2016-01-01T00:00:00Z", "accrual:S-1"),
            "before-programme",
            "occurred_at",
        ),
        row("grocery", "PUT", path, of("accrual:S-404"), "target-not-found", "reverses"),
        row("grocery", "PUT", path, of("redemption:S-1"), "target-not-found", "reverses"),
        row("grocery", "PUT", path, of("adjustment:S-1"), "target-not-found", "reverses"),
        // Another line's, and another member's.
        row("dining", "PUT", "/v1/lines/dining/reversals/N-1", of("accrual:S-1"), "target-not-found", "reverses"),
        row("grocery", "PUT", path, reversal("m2", AT, "accrual:S-1"), "target-not-found", "reverses"),
        row("grocery", "PUT", path, of("reversal:V-1"), "not-reversible", "reverses"),
        row("grocery", "PUT", path, with(&of("accrual:S-1"), "points", json!(5)), "superfluous-field", "points"),
        row("fuel", "PUT", fuel, with(&of("redemption:R-1"), "amount", json!("1.00")), "superfluous-field", "amount"),
        row(
            "grocery",
            "PUT",
            path,
            with(&of("adjustment:S-1"), "amount", json!("1.00")),
            "superfluous-field",
            "amount",
        ),
        row(
            "grocery",
            "PUT",
            path,
            reversal("m1", "2017-01-02T09:59:59+08:00", "accrual:S-1"),
            "before-target",
            "occurred_at",
        ),
        row("grocery", "PUT", path, with(&of("accrual:S-1"), "amount", json!("10000.01")), "more-than-left", "amount"),
        row("grocery", "PUT", path, part_of_taxed("5.00", "13", "4.00"), "taxes-not-the-amount", "taxes"),
        row("grocery", "PUT", path, part_of_taxed("3.00", "9", "3.00"), "more-than-left", "taxes"),
        row(
            "fuel",
            "PUT",
            fuel,
            with(&of("redemption:R-1"), "taxes", json!([{ "code": "13", "amount": "1.00" }])),
            "superfluous-field",
            "taxes",
        ),
        row("fuel", "PUT", fuel, with(&of("redemption:R-1"), "points", json!(101)), "more-than-left", "points"),
        row(
            "spirits",
            "PUT",
            "/v1/lines/spirits/reversals/N-1",
            with(&of("accrual:S-1"), "amount", json!("6.01")),
            "more-than-left",
            "amount",
        ),
        row("bakery", "PUT", "/v1/lines/bakery/reversals/N-1", of("redemption:R-2"), "already-reversed", "reverses"),
        row("spirits", "PUT", v1, with(&recorded, "amount", json!("4.01")), "conflict", "amount"),
        row("spirits", "PUT", v1, without(&recorded, "amount"), "conflict", "amount"),
        row("spirits", "PUT", v1, with(&recorded, "reverses.reference", json!("S-2")), "conflict", "reverses"),
        row("spirits", "PUT", v1, with(&recorded, "occurred_at", json!(AT)), "conflict", "occurred_at"),
    ]);
    rows
}

/// `POST /v1/quotes`
pub fn quotes() -> Vec<Row> {
    let path = "/v1/quotes";
    let good = json!({ "line": "grocery", "member": "m1", "points": 10 });
    let by_value = json!({ "line": "grocery", "member": "m1", "value": "1.00" });
    let mut rows = malformed("members", "POST", path, &good);
    for field in ["line", "member"] {
        rows.push(row("members", "POST", path, without(&good, field), "invalid-json", field));
        rows.extend(wrong_types("members", path, "POST", &good, field, &NO_TEXT));
    }
    rows.extend(wrong_types("members", path, "POST", &good, "points", &NO_INTEGER));
    rows.extend(wrong_types("members", path, "POST", &good, "bill", &["7", "1.5", "true", "[]", "{}"]));
    rows.extend(wrong_types("members", path, "POST", &by_value, "value", &["7", "1.5", "true", "[]", "{}"]));
    rows.extend(wrong_values("members", "POST", path, &good, "member", &NO_MEMBER));
    rows.extend(wrong_values("members", "POST", path, &good, "line", &["", "a b", "a_line_with_a_long_name"]));
    rows.extend(wrong_values("members", "POST", path, &good, "bill", &NO_AMOUNT));
    rows.extend(wrong_values("members", "POST", path, &by_value, "value", &NO_AMOUNT));
    for points in [0, -1, POINTS_MAX + 1] {
        rows.push(row("members", "POST", path, with(&good, "points", json!(points)), "invalid-field", "points"));
    }
    rows.extend([
        row("members", "POST", path, with(&good, "value", json!("1.00")), "invalid-field", "value"),
        row("dining", "POST", path, &good, "forbidden", "line"),
        row("members", "POST", path, with(&good, "line", json!("ghost")), "unknown-line", "line"),
        row("members", "POST", path, with(&good, "line", json!("group")), "no-burn-rule", "line"),
        row("members", "POST", path, with(&good, "line", json!("fuel")), "bill-missing", "bill"),
    ]);
    rows
}

/// `POST /v1/periods/{period}/close`, in the first hour of March, with a final run of January.
pub fn closes() -> Vec<Row> {
    let path = "/v1/periods/2017-02/close";
    let good = json!({ "kind": "trial" });
    let mut rows = malformed("finance", "POST", path, &good);
    rows.push(row("finance", "POST", path, json!({}), "invalid-json", "kind"));
    rows.push(row("finance", "POST", path, with(&good, "empty", json!("yes")), "invalid-json", "empty"));
    rows.extend(wrong_types("finance", path, "POST", &good, "kind", &NO_TEXT));
    rows.extend(wrong_types("finance", path, "POST", &good, "kind", &["{\"trial\":null}"]));
    rows.extend(wrong_values("finance", "POST", path, &good, "kind", &["", "Final", "dry", "final "]));
    for field in ["period", "rulebook", "run"] {
        rows.push(row("finance", "POST", path, with(&good, field, json!("x")), "invalid-json", field));
    }
    rows.extend(judgements(path, &good));
    let kind = |kind: &str| json!({ "kind": kind });
    rows.extend([
        row("finance", "POST", "/v1/periods/2017-00/close", kind("final"), "invalid-field", "period"),
        row("finance", "POST", "/v1/periods/2016-12/close", kind("final"), "not-found", None),
        row("finance", "POST", "/v1/periods/2017-06/close", kind("trial"), "not-found", None),
        row("finance", "POST", "/v1/periods/2017-01/close", kind("final"), "period-final", None),
        row("finance", "POST", path, kind("final"), "too-early", None),
        row("finance", "POST", "/v1/periods/2017-03/close", kind("final"), "predecessor-open", None),
        row("finance", "POST", "/v1/periods/2017-03/close", kind("trial"), "predecessor-open", None),
    ]);
    rows
}

/// What is said of a close and may not be said.
fn judgements(path: &str, good: &Value) -> Vec<Row> {
    let [one, other, _] = ACCEPTABLE.map(CheckId::name);
    let accept = |accepted: Value, slug: &'static str, field: &'static str| {
        row("finance", "POST", path, with(good, "accept", accepted), slug, field)
    };
    let remark =
        |text: &str| row("finance", "POST", path, with(good, "remark", json!(text)), "invalid-field", "remark");
    let of = |check: &str, reason: &str| json!({ "check": check, "reason": reason });
    vec![
        remark(""),
        remark(" "),
        remark("two\nlines"),
        remark(&"x".repeat(REASON_MAX + 1)),
        row("finance", "POST", path, with(good, "remark", json!(7)), "invalid-json", "remark"),
        accept(json!({ one: "so" }), "invalid-json", "accept"),
        accept(json!([one]), "invalid-json", "accept[0]"),
        accept(json!([[one, "so"]]), "invalid-json", "accept[0]"),
        accept(json!([{ "check": one }]), "invalid-json", "accept[0]"),
        accept(json!([{ "check": one, "reason": 7 }]), "invalid-json", "accept[0].reason"),
        accept(json!([of("no such check", "so")]), "invalid-field", "accept[0].check"),
        // What proves that figures tie is for nobody to accept.
        accept(json!([of(one, "so"), of(CheckId::NetsSumToZero.name(), "so")]), "invalid-field", "accept[1].check"),
        accept(json!([of(one, "so"), of(other, "so"), of(one, "no")]), "invalid-field", "accept[2].check"),
        accept(json!([of(one, " ")]), "invalid-field", "accept[0].reason"),
        accept(json!([of(one, &"x".repeat(REASON_MAX + 1))]), "invalid-field", "accept[0].reason"),
    ]
}

/// A statement of one booked order.
pub fn statement(id: &str, amount: &str, day: &str) -> String {
    format!(
        "<Document><BkToCstmrStmt><Stmt><Ntry><Amt Ccy=\"CNY\">{amount}</Amt><Sts>BOOK</Sts><BookgDt><Dt>{day}</Dt></BookgDt>\
         <NtryDtls><TxDtls><Refs><EndToEndId>{id}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry></Stmt></BkToCstmrStmt></Document>"
    )
}

/// `POST /v1/periods/{period}/payments`, of a January whose payments are open.
pub fn payments() -> Vec<Row> {
    let path = "/v1/periods/2017-01/payments";
    let good = json!({ "paid_on": "2017-02-14" });
    let mut rows = malformed("finance", "POST", path, &good);
    rows.extend(wrong_types("finance", path, "POST", &good, "paid_on", &["7", "true", "[]", "{}"]));
    rows.extend(wrong_values("finance", "POST", path, &good, "paid_on", &["", "today", "2017-02-29", "2017-2-14"]));
    let said =
        |text: &str, slug: &'static str| row("finance", "POST", path, json!({ "statement": text }), slug, "statement");
    let paid = statement("IL-201701-grocery-01", "1.40", "2017-02-14");
    rows.extend([
        said("", "invalid-field"),
        said("7", "invalid-field"),
        said("<Document/>", "invalid-field"),
        said(&paid.replace("CNY", "EUR"), "invalid-field"),
        said(&paid.replace("</Stmt>", ""), "invalid-field"),
        said(&paid.replace("1.40", "1.41"), "not-as-ordered"),
        said(&paid.replace("02-14", "01-31"), "not-as-ordered"),
        row("finance", "POST", path, with(&good, "statement", json!(paid)), "invalid-field", "statement"),
        row("finance", "POST", path, json!({ "paid_on": "2017-01-31" }), "not-as-ordered", "paid_on"),
        row(
            "finance",
            "POST",
            path,
            json!({ "statement": paid.replace("grocery", "spa") }),
            "nothing-to-confirm",
            None,
        ),
        row("grocery", "POST", path, &good, "forbidden", None),
        row("members", "GET", path, "", "forbidden", None),
        row("finance", "POST", "/v1/periods/2017-00/payments", &good, "invalid-field", "period"),
        row("finance", "POST", "/v1/periods/2016-12/payments", &good, "not-found", None),
        row("finance", "POST", "/v1/periods/2017-02/payments", &good, "not-found", None),
    ]);
    rows
}

/// A final January, of which grocery owes dining 1.40.
pub async fn owing() -> Served {
    owing_by(RULEBOOK).await
}

/// The same where payments are booked at the close.
pub async fn planned() -> Served {
    owing_by(&edited(RULEBOOK, &[("cash = \"confirmed\"", "cash = \"planned\"")])).await
}

async fn owing_by(rulebook: &str) -> Served {
    let served = Served::with_rulebook(rulebook, "2017-02-10T12:00:00+08:00").await;
    served.record("grocery", "accruals/S-1", sale("m1", AT, "500.00")).await;
    served.record("dining", "redemptions/R-1", redemption("m1", AT, 200)).await;
    served.close("2017-01", "final").await;
    served
}

#[tokio::test]
async fn a_payment_that_was_not_made_as_it_was_ordered_is_not_confirmed() {
    let served = owing().await;
    let path = "/v1/periods/2017-01/payments";
    let before = served.get("finance", path).await.ok();
    refused(&served, payments()).await;
    assert_eq!(served.get("finance", path).await.ok(), before);
    assert_eq!(served.programme.app().reports.count("payments/", 1).await.unwrap(), 0);
}

/// A confirmation where there is none.
pub fn booked_as_planned() -> Vec<Row> {
    vec![row("finance", "POST", "/v1/periods/2017-01/payments", json!({}), "payments-planned", None)]
}

#[tokio::test]
async fn payments_that_were_booked_at_the_close_are_not_confirmed() {
    refused(&planned().await, booked_as_planned()).await;
}

/// What calls other than commands are refused with.
pub fn others() -> Vec<Row> {
    vec![
        row("finance", "GET", "/v1/nothing", "", "no-such-path", None),
        row("finance", "DELETE", "/v1/periods", "", "method-not-allowed", None),
        row("members", "GET", "/v1/members/nobody", "", "not-found", None),
        row("members", "GET", "/v1/members/m1/entries?cursor=abc", "", "invalid-cursor", "cursor"),
        row("members", "GET", "/v1/periods", "", "forbidden", None),
    ]
}

/// A member in the shard of m1, so that the two can meet under one reference.
fn neighbour() -> String {
    use interline_domain::units::id::MemberId;
    use interline_tests::shard;
    let wanted = shard(&MemberId::parse("m1").unwrap());
    (0..2).map(|nth| interline_tests::member_of_shard(wanted, nth)).find(|name| name != "m1").unwrap()
}

fn strict_rulebook() -> String {
    let burn = |line: &str| format!("line = \"{line}\"\nfrom = \"2017-01-01\"\nvalue = \"0.01\"\n");
    let limited = |line: &str, limits: &str| (burn(line), burn(line) + limits + "\n");
    let limits = [
        limited("dining", "minimum = 100\nstep = 50\nmax_per_order = 1000"),
        limited("fuel", "max_bill_share = \"0.5\""),
        limited("bakery", "max_per_day = 200"),
        limited("garden", "max_per_month = 400"),
    ];
    let limits: Vec<(&str, &str)> = limits.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
    // From February on only.
    let codes = ["13", "9"].map(|code| format!("\n[[tax_codes]]\nid = \"{code}\"\nrate = \"0.{code:0>2}\"\n"));
    let book = edited(RULEBOOK, &limits).replace("id = \"travel\"", "id = \"travel\"\nfrom = \"2017-02-01\"");
    format!("{book}{}", codes.concat())
}

/// A refund of a sale of 8.00 at one code and 2.00 at another.
fn part_of_taxed(amount: &str, code: &str, part: &str) -> Value {
    let refund = with(&reversal("m9", AT, "accrual:S-9"), "amount", json!(amount));
    with(&refund, "taxes", json!([{ "code": code, "amount": part }]))
}

/// A member with points, and with something to meet in each row.
pub async fn strict() -> Served {
    let served = Served::with_rulebook(&strict_rulebook(), NOW).await;
    for (line, event, body) in [
        ("grocery", "accruals/S-1", sale("m1", "2017-01-02T10:00:00+08:00", "10000.00")),
        ("grocery", "accruals/S-2", sale("m1", "2017-01-31T23:59:59+08:00", "1.00")),
        ("spirits", "accruals/S-1", sale("m1", "2017-01-03T10:00:00+08:00", "10.00")),
        (
            "grocery",
            "accruals/S-9",
            with(
                &sale("m9", "2017-01-02T10:00:00+08:00", "10.00"),
                "taxes",
                json!([{ "code": "13", "amount": "8.00" }, { "code": "9", "amount": "2.00" }]),
            ),
        ),
        ("fuel", "redemptions/R-1", with(&redemption("m1", "2017-01-04T10:00:00+08:00", 100), "bill", json!("10.00"))),
        ("bakery", "redemptions/R-1", redemption("m1", "2017-01-05T10:00:00+08:00", 100)),
        ("bakery", "redemptions/R-2", redemption("m1", "2017-01-06T10:00:00+08:00", 50)),
        ("bakery", "reversals/V-2", reversal("m1", "2017-01-07T10:00:00+08:00", "redemption:R-2")),
        ("garden", "redemptions/R-1", redemption("m1", "2017-01-05T10:00:00+08:00", 100)),
        (
            "spirits",
            "reversals/V-1",
            with(&reversal("m1", "2017-01-08T10:00:00+08:00", "accrual:S-1"), "amount", json!("4.00")),
        ),
    ] {
        served.record(line, event, body).await;
    }
    served
}

async fn refused(served: &Served, rows: Vec<Row>) {
    let items = served.programme.items().await;
    for row in rows {
        refused_one(served, row).await;
    }
    assert_eq!(served.programme.items().await, items, "what is refused leaves no trace");
}

async fn refused_one(served: &Served, row: Row) -> Answer {
    let answer = row.send(served).await;
    let Row { role, method, path, body, slug, field } = row;
    let shown: String = body.chars().take(200).collect();
    let seen = format!("{role}: {method} {path} {shown}\n{}", answer.text());
    assert!(answer.status >= 400, "{seen}");
    assert_eq!(answer.problem(), (slug.to_owned(), field), "{seen}");
    answer
}

#[tokio::test]
async fn an_accrual_that_cannot_be_is_refused_with_the_reason_and_the_field() {
    refused(&strict().await, accruals()).await;
}

#[tokio::test]
async fn a_redemption_that_cannot_be_is_refused_with_the_reason_and_the_field() {
    refused(&strict().await, redemptions()).await;
}

#[tokio::test]
async fn a_reversal_that_cannot_be_is_refused_with_the_reason_and_the_field() {
    refused(&strict().await, reversals()).await;
}

#[tokio::test]
async fn a_quote_that_cannot_be_is_refused_with_the_reason_and_the_field() {
    refused(&strict().await, quotes()).await;
}

/// The first hour of March, with a final run of January.
pub async fn closed_january() -> Served {
    let served = Served::sample("2017-02-10T12:00:00+08:00").await;
    served.close("2017-01", "final").await;
    served.set_now("2017-03-01T00:30:00+08:00");
    served
}

#[tokio::test]
async fn a_close_that_cannot_be_is_refused_with_the_reason_and_the_field() {
    refused(&closed_january().await, closes()).await;
}

#[tokio::test]
async fn other_calls_are_refused_with_the_reason() {
    refused(&strict().await, others()).await;
}

/// A final close of a month in which nothing happened.
pub fn empty() -> Vec<Row> {
    let path = "/v1/periods/2017-02/close";
    vec![
        row("finance", "POST", path, json!({ "kind": "final" }), "period-empty", None),
        row("finance", "POST", path, json!({ "kind": "final", "empty": false }), "period-empty", None),
    ]
}

#[tokio::test]
async fn a_month_without_entries_is_closed_for_good_only_if_that_is_said_to_be_right() {
    let served = closed_january().await;
    served.set_now("2017-03-02T12:00:00+08:00");
    refused(&served, empty()).await;
    let february = served.get("finance", "/v1/periods/2017-02").await.ok();
    assert_eq!((&february["status"], &february["under_way"]), (&json!("open"), &Value::Null));
    assert_eq!(served.close("2017-02", "trial").await["trial"]["rulebook"], february_rulebook(&served).await);
    assert_eq!(served.close("2017-02", "final").await["status"], "final");
}

async fn february_rulebook(served: &Served) -> String {
    served.programme.rulebook().await.hash
}

/// A second close while a run is under way.
pub fn busy() -> Vec<Row> {
    let close = |kind: &str| {
        let body = json!({ "kind": kind, "empty": true });
        row("finance", "POST", "/v1/periods/2017-01/close", body, "close-under-way", None)
    };
    vec![close("trial"), close("final")]
}

#[tokio::test]
async fn a_close_is_refused_while_a_run_is_under_way_and_for_half_an_hour_at_most() {
    let served = Served::sample("2017-02-10T12:00:00+08:00").await;
    let app = served.programme.app();
    let january = Period::parse("2017-01").unwrap();
    app.ledger.start_run(january, "trial-1", None, app.now()).await.unwrap();
    refused(&served, busy()).await;
    served.set_now("2017-02-10T12:29:59+08:00");
    refused(&served, busy()).await;
    served.set_now("2017-02-10T12:30:00+08:00");
    assert_eq!(served.close("2017-01", "trial").await["under_way"], Value::Null);
    // One that failed is in nobody's way.
    app.ledger.start_run(january, "trial-2", None, app.now()).await.unwrap();
    app.ledger.fail_run(january, "trial-2", "the power went").await.unwrap();
    assert_eq!(served.close("2017-01", "final").await["status"], "final");
}

/// An event that makes a number too large, after eighteen that nearly do.
pub fn too_large() -> Vec<Row> {
    let body = sale("m1", AT, "10000000000.00");
    vec![row("travel", "PUT", "/v1/lines/travel/accruals/S-19", body, "out-of-range", "points")]
}

/// 5 x 10^17 points a sale, worth next to nothing, eighteen times.
pub async fn nearly_too_large() -> Served {
    let rulebook = RULEBOOK
        .replace("value = \"0.01\"", "value = \"0.00000001\"")
        .replace("points_per_unit = \"5\"", "points_per_unit = \"10000\"\nmultiplier = \"5000\"");
    let served = Served::with_rulebook(&rulebook, NOW).await;
    for number in 1..=18 {
        served.record("travel", &format!("accruals/S-{number}"), sale("m1", AT, "10000000000.00")).await;
    }
    served
}

#[tokio::test]
async fn a_number_that_becomes_too_large_is_refused() {
    refused(&nearly_too_large().await, too_large()).await;
}

/// Reads of a run whose manifest is not the one that was recorded.
pub fn broken() -> Vec<Row> {
    ["/v1/periods/2017-01/reports", "/v1/periods/2017-01", "/v1/periods/2017-01/reports/positions.csv"]
        .map(|path| row("finance", "GET", path, "", "internal", None))
        .into()
}

#[tokio::test]
async fn what_is_wrong_on_our_side_is_told_to_us_and_not_to_the_caller() {
    let served = Served::sample("2017-02-10T12:00:00+08:00").await;
    let state = served.close("2017-01", "final").await;
    let run = state["final"]["run"].as_str().unwrap();
    let manifest = key(Period::parse("2017-01").unwrap(), run, MANIFEST);
    served.programme.app().reports.put(&manifest, b"{}".to_vec()).await.unwrap();
    for row in broken() {
        let text = refused_one(&served, row).await.text();
        assert!(!text.contains("manifest") && !text.contains(run), "{text}");
    }
}

/// Calls while the database cannot be reached.
pub fn unreachable() -> Vec<Row> {
    vec![row("grocery", "PUT", "/v1/lines/grocery/accruals/S-1", sale("m1", AT, "1.00"), "unavailable", None)]
}

#[tokio::test]
async fn a_call_that_cannot_be_carried_out_now_may_be_repeated() {
    let mut served = Served::sample(NOW).await;
    served.get("finance", "/v1/periods").await.ok();
    served.programme.world.embedded.take().unwrap().stop().await;
    for row in unreachable() {
        let answer = refused_one(&served, row).await;
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
    }
}

/// Every row there is.
pub fn all() -> Vec<Row> {
    let tables = [
        accruals(),
        redemptions(),
        reversals(),
        quotes(),
        closes(),
        payments(),
        booked_as_planned(),
        others(),
        empty(),
        busy(),
        too_large(),
        broken(),
        unreachable(),
    ];
    tables.into_iter().flatten().collect()
}
