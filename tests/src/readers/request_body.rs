//! Requests of callers: path, query, cursor and body.
//!
//! An input is up to eight requests, each but the first after a byte 0x1E: `<role> <method> <path>`, a line break, the
//! body. A cursor that begins with `~` is sealed as the lists do it; whoever knows how can do so too.

use super::memory::{TERMS, programme, wait};
use crate::calls::{arn, event};
use base64::Engine;
use interline_domain::units::calendar::Period;
use interline_lambda::App;
use interline_lambda::http::{BODY_MAX_BYTES, cursor};
use interline_lambda::problem::{KINDS, TYPE_PREFIX};
use interline_lambda::routes::{AccountRoute, Function, Route, find};
use serde_json::{Value, json};

const NOW: &str = "2017-02-10T12:00:00+08:00";
const REQUESTS_MAX: usize = 8;
const ROLES: [&str; 6] = ["line-grocery", "line-dining", "line-fuel", "line-group", "members", "finance"];

pub fn check(bytes: &[u8]) {
    let app = programme(TERMS, NOW);
    for request in bytes.split(|byte| *byte == 0x1E).take(REQUESTS_MAX) {
        if let Some(request) = Request::parse(request) {
            answered(&app, &request);
        }
    }
}

struct Request<'a> {
    role: &'static str,
    method: &'static str,
    path: String,
    body: &'a [u8],
}

struct Answer {
    status: u16,
    replayed: bool,
    json: Value,
    bytes: usize,
}

impl<'a> Request<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (line, body) = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&bytes[..at], &bytes[at + 1..]),
            None => (bytes, &b""[..]),
        };
        let mut words = str::from_utf8(line).ok()?.splitn(3, ' ');
        let role = words.next()?;
        let role = ROLES.into_iter().find(|of| *of == role)?;
        let method = words.next()?;
        let method = ["GET", "PUT", "POST"].into_iter().find(|of| *of == method)?;
        let (path, sealed) = match words.next()?.split_once("cursor=~") {
            Some((path, position)) => (path, Some(seal(position)?)),
            None => (line_rest(line)?, None),
        };
        if !path.starts_with('/') {
            return None;
        }
        let path = sent(path) + &sealed.map(|sealed| format!("cursor={sealed}")).unwrap_or_default();
        Some(Self { role, method, path, body })
    }

    fn send(&self, app: &App) -> Option<Answer> {
        let body = str::from_utf8(self.body);
        let mut event = event(&arn(self.role), self.method, &self.path, body.unwrap_or_default());
        if body.is_err() {
            event["body"] = json!(base64::engine::general_purpose::STANDARD.encode(self.body));
            event["isBase64Encoded"] = json!(true);
        }
        let request = lambda_http::request::from_str(&event.to_string()).ok()?;
        let path = self.path.split('?').next().unwrap_or_default();
        let function = find(self.method, path).map_or(Function::Record, |found| found.route.function());
        let response = wait(async {
            match function {
                Function::Account => interline_account::handle(app, request).await,
                Function::Record | Function::Periods => interline_record::handle(app, request).await,
            }
        });
        let (parts, body) = response.into_parts();
        let json = serde_json::from_slice(&body).expect("an answer in JSON");
        let replayed = parts.headers.get("idempotent-replayed").is_some();
        Some(Answer { status: parts.status.as_u16(), replayed, json, bytes: body.len() })
    }
}

fn line_rest(line: &[u8]) -> Option<&str> {
    str::from_utf8(line).ok()?.splitn(3, ' ').nth(2)
}

/// `["<list>", <position>]` as a cursor.
fn seal(text: &str) -> Option<String> {
    let (list, position): (String, Value) = serde_json::from_str(text).ok()?;
    cursor(&list, Some(position)).as_str().map(str::to_owned)
}

/// A server takes only what may stand in a URI.
fn sent(path: &str) -> String {
    let mut sent = String::new();
    for byte in path.bytes() {
        match byte {
            b'!' | b'$'..=b';' | b'=' | b'?'..=b'[' | b']' | b'_' | b'a'..=b'z' | b'~' => sent.push(char::from(byte)),
            _ => sent += &format!("%{byte:02X}"),
        }
    }
    sent
}

fn answered(app: &App, request: &Request<'_>) {
    let Some(answer) = request.send(app) else { return };
    let Answer { status, json, .. } = &answer;
    if *status >= 400 {
        a_refusal_says_which_rule(request, &answer);
    }
    let again = request.send(app).expect("the same request");
    match (request.method, status) {
        ("PUT", 200 | 201) => {
            assert_eq!((again.status, again.replayed, &again.json), (200, true, json), "a retry gets the first answer");
            an_entry_is_found_under_its_name(app, request, json);
            a_balance_is_the_sum_of_its_lots(app, json["member"].as_str().expect("a member"));
        }
        _ => assert_eq!((again.status, &again.json), (*status, json), "{} {}", request.method, request.path),
    }
    if *status == 200 && request.method == "GET" {
        a_list_shows_its_own_only(request, json);
    }
}

fn a_refusal_says_which_rule(request: &Request<'_>, Answer { status, json, bytes, .. }: &Answer) {
    assert!(*status < 500, "{} {}: {json}", request.method, request.path);
    assert_eq!(json["status"], *status);
    let slug = json["type"].as_str().and_then(|kind| kind.strip_prefix(TYPE_PREFIX));
    let kind = KINDS.iter().find(|kind| Some(kind.slug) == slug).expect("a kind of problem");
    assert_eq!((kind.status, json["title"].as_str()), (*status, Some(kind.title)));
    assert!(json["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{json}");
    // An unknown name is shown as it was sent, twice and with what JSON escapes.
    assert!(*bytes <= 12 * (BODY_MAX_BYTES.min(request.body.len()) + request.path.len()) + 1024, "{json}");
}

fn an_entry_is_found_under_its_name(app: &App, request: &Request<'_>, json: &Value) {
    let home = if json["origin_period"].is_null() { &json["period"] } else { &json["origin_period"] };
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    Period::parse(&text(home)).expect("a period");
    let path = request.path.split('?').next().unwrap_or_default().to_owned();
    let mut found = Request { role: request.role, method: "GET", path, body: b"" }.send(app).expect("a request");
    for beside in ["reversed", "left"] {
        let shown = found.json.as_object_mut().expect("an object").remove(beside);
        assert_eq!(shown.is_some(), json["kind"] != "reversal", "{beside}: {}", found.json);
    }
    assert_eq!((found.status, &found.json), (200, json));
}

fn a_balance_is_the_sum_of_its_lots(app: &App, member: &str) {
    let path = format!("/v1/members/{member}");
    let account = Request { role: "members", method: "GET", path, body: b"" }.send(app).expect("a request").json;
    let points = |value: &Value| value["points"].as_i64().expect("points");
    let lots: Vec<i64> = account["lots"].as_array().expect("lots").iter().map(points).collect();
    assert!(lots.iter().all(|points| *points > 0), "{account}");
    let debts: Vec<i64> = account["debts"].as_array().expect("debts").iter().map(points).collect();
    assert!(debts.iter().all(|points| *points > 0), "{account}");
    let left = lots.iter().sum::<i64>() - debts.iter().sum::<i64>();
    assert_eq!(account["balance"], left.max(0), "{account}");
}

/// Whatever the cursor says.
fn a_list_shows_its_own_only(request: &Request<'_>, json: &Value) {
    let path = request.path.split('?').next().unwrap_or_default();
    let Ok(found) = find("GET", path) else { return };
    let entries = || json["entries"].as_array().expect("entries").iter();
    match found.route {
        Route::Account(AccountRoute::MemberEntries { member }) => {
            assert!(entries().all(|entry| entry["member"] == member.as_str()), "{json}")
        }
        Route::Account(AccountRoute::LineEntries { line }) => {
            assert!(entries().all(|entry| entry["line"] == line.as_str()), "{json}")
        }
        Route::Account(AccountRoute::Entry { line, reference, .. }) => {
            assert_eq!(
                (json["line"].as_str(), json["reference"].as_str()),
                (Some(line.as_str()), Some(reference.as_str()))
            );
        }
        Route::Account(AccountRoute::Member { member }) => assert_eq!(json["member"], member.as_str()),
        _ => {}
    }
}
