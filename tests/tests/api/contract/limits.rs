//! The numbers of the document are those of the code.

use super::document::{Document, Operation};
use crate::served::Served;
use interline_domain::close::checks::CheckId;
use interline_domain::close::judgement::ACCEPTABLE;
use interline_domain::units::currency::Currency;
use interline_domain::units::limits::{
    AMOUNT_MAX_MINOR, FUTURE_TOLERANCE_MINUTES, LINE_ID_MAX, MEMBER_ID_MAX, POINTS_MAX, REASON_MAX, REFERENCE_MAX,
    SHARDS_MAX,
};
use interline_lambda::http::{BODY_MAX_BYTES, CURSOR_MAX, PAGE_DEFAULT, PAGE_MAX};
use interline_periods::LINK_VALID;
use serde_json::{Value, json};

/// `16384` as `16,384`.
fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

#[test]
fn the_table_of_limits_says_the_constants_of_the_code() {
    let text = Document::get().json["info"]["description"].as_str().unwrap();
    let table = text.split("**Limits.**").nth(1).unwrap();
    let names = "`A-Z a-z 0-9 . _ -`";
    assert_eq!(MEMBER_ID_MAX, REFERENCE_MAX);
    let (amount, fen) = (grouped(AMOUNT_MAX_MINOR / 100), AMOUNT_MAX_MINOR % 100);
    for (name, limit) in [
        ("body", format!("{} bytes", grouped(BODY_MAX_BYTES))),
        ("line", format!("1 to {LINE_ID_MAX} characters {names}")),
        ("member, reference", format!("1 to {REFERENCE_MAX} characters {names}")),
        ("amount of an event", format!("one minor unit to 10^12 of them: 0.01 to {amount}.{fen:02} in CNY")),
        ("points of an event", format!("1 to {}", grouped(POINTS_MAX))),
        (
            "time of an event",
            format!(
                "years 1970 to 2199, at most 9 decimals of a second, at most {FUTURE_TOLERANCE_MINUTES} minutes in the future"
            ),
        ),
        ("entries of a page", format!("{PAGE_DEFAULT}, on demand 1 to {PAGE_MAX}")),
        ("link to a report", format!("works for {} seconds", LINK_VALID.as_secs())),
    ] {
        assert!(table.contains(&format!("\n| {name} | {limit} |\n")), "| {name} | {limit} |");
    }
    let too_large = Document::get().at("/components/responses/BodyTooLarge/description").as_str().unwrap();
    assert!(too_large.contains(&format!(" {} bytes", grouped(BODY_MAX_BYTES))), "{too_large}");
}

#[test]
fn the_schemas_have_the_limits_of_the_code() {
    let document = Document::get();
    let schema = |name: &str| &document.json["components"]["schemas"][name];
    for (name, max) in [("LineId", LINE_ID_MAX), ("MemberId", MEMBER_ID_MAX), ("Reference", REFERENCE_MAX)] {
        assert_eq!(schema(name)["pattern"], format!("^[A-Za-z0-9._-]{{1,{max}}}$"));
    }
    assert_eq!((&schema("PointsIn")["minimum"], &schema("PointsIn")["maximum"]), (&json!(1), &json!(POINTS_MAX)));
    assert_eq!(schema("Words")["maxLength"], REASON_MAX);
    assert_eq!(schema("AcceptedCheck")["properties"]["check"]["enum"], json!(ACCEPTABLE.map(CheckId::name)));
    assert_eq!(schema("Entries")["properties"]["entries"]["maxItems"], PAGE_MAX);
    assert_eq!(schema("Entries")["properties"]["next_cursor"]["maxLength"], CURSOR_MAX);
    assert_eq!(schema("Reports")["properties"]["links_valid_seconds"]["enum"], json!([LINK_VALID.as_secs()]));
    let progress = &document.at("/components/schemas/Progress/properties");
    for (field, least) in [("shards", 1), ("shards_done", 0)] {
        let found = (&progress[field]["minimum"], &progress[field]["maximum"]);
        assert_eq!(found, (&json!(least), &json!(SHARDS_MAX)), "{field}");
    }
    let limit = document.at("/components/parameters/Limit/schema");
    assert_eq!((&limit["maximum"], &limit["default"]), (&json!(PAGE_MAX), &json!(PAGE_DEFAULT)));
    assert_eq!(document.at("/components/parameters/Cursor/schema/maxLength"), CURSOR_MAX);
}

/// The pattern of an amount has no numbers of its own: it is compared with the
/// reader around every place where one of its branches begins or ends.
#[test]
fn the_pattern_of_an_amount_accepts_what_the_code_reads() {
    let document = Document::get();
    let amount = "/components/schemas/AmountIn";
    let mut wholes = vec![0, 1, 9, 10, 11, 99, 100, 999_999_999, 5_000_000_000, 9_999_999_999];
    wholes.extend([99_999_999_999, 999_999_999_999, i64::MAX]);
    // A programme is in one of many currencies: without decimals, with two or with three.
    let currencies = ["JPY", "CNY", "KWD"].map(|code| Currency::parse(code).unwrap());
    for currency in currencies {
        let most = AMOUNT_MAX_MINOR / currency.minor_per_unit();
        wholes.extend([most - 1, most, most + 1]);
    }
    let mut accepted = 0;
    for whole in wholes {
        for zeros in ["", "0", "000"] {
            for fraction in [
                "", ".", ".0", ".00", ".000", ".01", ".1", ".10", ".99", ".5", ".001", ".010", ".099", ".100", ".999",
                ".0001", ".0 ", ".٣", ".1e1",
            ] {
                let text = format!("{zeros}{whole}{fraction}");
                let read = currencies.iter().any(|currency| currency.parse_money(&text).is_ok());
                assert_eq!(document.valid(amount, &json!(text)).is_ok(), read, "{text}");
                accepted += usize::from(read);
            }
        }
    }
    assert!(accepted > 100, "{accepted}");
}

/// What a parameter may be, and what it may not.
fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "",
        " ",
        "a",
        "A.b_c-9",
        "a b",
        "a/b",
        "é",
        "a#b",
        "a?b",
        "a+b",
        "%",
        "x\n",
        "grocery",
        "m1",
        "0",
        "1",
        "7",
        "007",
        "+1",
        "-1",
        "1.0",
        "1e2",
        "199",
        "200",
        "201",
        "18446744073709551616",
        "accrual",
        "Accrual",
        "redemption",
        "reversal",
        "adjustment",
        "sale",
        "1969-12",
        "1970-01",
        "2017-00",
        "2017-01",
        "2017-12",
        "2017-13",
        "2017-1",
        "2199-12",
        "2200-01",
        "2017-01-01",
        "99999-01",
        "never",
    ]
    .map(str::to_owned)
    .into();
    for length in [LINE_ID_MAX, MEMBER_ID_MAX, REFERENCE_MAX, CURSOR_MAX] {
        values.extend([length - 1, length, length + 1].map(|length| "x".repeat(length)));
    }
    values
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// As a parameter's schema sees a value of the query: a number if it is written as one.
fn typed(schema: &Value, text: &str) -> Value {
    match schema["type"].as_str() {
        Some("integer") => text
            .parse()
            .ok()
            .filter(|number: &i64| number.to_string() == text)
            .map_or_else(|| json!(text), |number| json!(number)),
        _ => json!(text),
    }
}

#[tokio::test]
async fn a_parameter_is_accepted_or_refused_as_its_schema_says() {
    let document = Document::get();
    let served = Served::sample("2017-02-01T09:00:00+08:00").await;
    let (mut accepted, mut refused) = (0, 0);
    for operation in &document.operations {
        for parameter in &operation.parameters {
            let described = document.at(parameter);
            let (name, place) = (described["name"].as_str().unwrap(), described["in"].as_str().unwrap());
            // Any text may name a file, and a cursor is known by its list alone.
            if matches!(name, "file" | "cursor") {
                continue;
            }
            let schema = document.resolved(&format!("{parameter}/schema"));
            // A path with one slash more is another path.
            for value in values().into_iter().filter(|value| place != "path" || !value.contains('/')) {
                let expected = document.valid(&schema, &typed(document.at(&schema), &value)).is_ok();
                let answer = call_with(document, &served, operation, name, &value).await;
                let field = answer.json()["field"].as_str().map(str::to_owned);
                let is_refused = answer.status == 400 && field.as_deref() == Some(name);
                assert_eq!(!is_refused, expected, "{} {place} {name} {value:?}: {}", operation.id, answer.text());
                if expected { accepted += 1 } else { refused += 1 }
            }
        }
    }
    assert!(accepted > 200 && refused > 900, "{accepted} accepted, {refused} refused");
}

/// A call that is good but for one parameter; without a body, which is read last.
async fn call_with(
    document: &Document,
    served: &Served,
    operation: &Operation,
    name: &str,
    value: &str,
) -> crate::served::Answer {
    let example = |of: &str| {
        let pointer = operation.parameters.iter().find(|pointer| document.at(pointer)["name"] == of).unwrap();
        document.at(pointer)["example"].as_str().unwrap_or_default().to_owned()
    };
    let mut path = operation.path_with(|of| encoded(if of == name { value.to_owned() } else { example(of) }.as_str()));
    let query =
        operation.parameters.iter().map(|pointer| document.at(pointer)).filter(|parameter| parameter["in"] == "query");
    for parameter in query {
        let of = parameter["name"].as_str().unwrap();
        if of == name || parameter["required"] == true {
            let value = if of == name { value.to_owned() } else { example(of) };
            path += &format!("{}{of}={}", if path.contains('?') { '&' } else { '?' }, encoded(&value));
        }
    }
    // A line may call its own path only, and no other role records.
    let role = if operation.callers.contains("finance") { "finance" } else { "grocery" };
    served.call(role, &operation.method, &path, &[], "").await
}
