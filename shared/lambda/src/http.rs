//! Requests in, replies out: what the HTTP functions share.

use crate::app::App;
use crate::caller::{Caller, Identity};
use crate::failure::Failure;
use crate::problem::{BODY_TOO_LARGE, FORBIDDEN, INVALID_CURSOR, INVALID_JSON, NO_SUCH_PATH, Problem};
use crate::routes::{Found, Function, HEAD, Route, find};
use crate::seen::Seen;
use crate::trace::Trace;
use crate::wire::View;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate, Utc};
use interline_domain::events::EntryKind;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::LineId;
use interline_domain::units::moment::rfc3339_utc;
use interline_domain::units::moment::{parse_day, parse_occurred_at};
use interline_ledger::{Asked, Between};
use interline_reports::manifest::sha256;
use lambda_http::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Context, RequestExt, Response};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// The largest body that is read.
pub const BODY_MAX_BYTES: usize = 16 * 1024;
/// Entries of one page, unless fewer are asked for.
pub const PAGE_DEFAULT: usize = 50;
pub const PAGE_MAX: usize = 200;
/// Characters of a cursor.
pub const CURSOR_MAX: usize = 1_024;
/// What is kept of a request's time for answering that it was too long.
const TIME_TO_ANSWER: Duration = Duration::from_millis(300);
/// Hex digits at the end of a cursor by which a damaged one is told. They keep
/// no secret: a position opens nothing but the list that it is sent with.
const CURSOR_CHECK: usize = 16;

/// A request that was found a route and may be carried out.
pub struct Call {
    pub route: Route,
    pub caller: Caller,
    /// Who calls, and the id of the call at the API.
    pub asked: Asked,
    query: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What a handler answers.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Option<Value>,
    pub headers: Vec<(&'static str, String)>,
    /// The run that the request started, for the log.
    pub run: Option<String>,
}

impl Reply {
    pub fn ok(body: Value) -> Self {
        Self::status(200, body)
    }

    pub fn status(status: u16, body: Value) -> Self {
        Self { status, body: Some(body), headers: Vec::new(), run: None }
    }

    /// Sends the caller to another place.
    pub fn redirect(location: String) -> Self {
        Self { status: 302, body: None, headers: Vec::new(), run: None }.with("location", location)
    }

    pub fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }
}

/// Finds the route, checks the caller, runs the handler, and answers whatever
/// comes of it. Writes one line of log per request.
pub async fn respond<F>(
    app: &App,
    function: Function,
    request: lambda_http::Request,
    handler: impl FnOnce(Call) -> F,
) -> Response<Body>
where
    F: Future<Output = Result<Reply, Problem>>,
{
    let started = Instant::now();
    let cold_start = app.take_cold_start();
    let before = app.ledger.consumed().units();
    let trace = Trace::begin(app, request.lambda_context_ref());
    let time_left = time_left(app, request.lambda_context_ref());
    let method = request.method().as_str().to_owned();
    let if_none_match = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let identity = identity(app, &request);
    let asked = Asked {
        by: identity.as_ref().map(|identity| identity.person.clone()).unwrap_or_default(),
        request: api_request(&request),
    };
    let caller = identity.map(|identity| identity.caller);
    // The path as it was sent: the one of the URI has its dot segments resolved.
    let found = find(&method, request.raw_http_path());
    let name = found.as_ref().map_or("none", |found| found.row.name);
    let who = caller.as_ref().map_or_else(|| "nobody".to_owned(), Caller::to_string);
    let Asked { by: person, request: api_request } = asked.clone();
    let outcome = match admitted(function, found, caller, asked, request) {
        // An answer before the time limit; afterwards there would be none.
        Ok(call) => match tokio::time::timeout(time_left, handler(call)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::TimedOut.into()),
        },
        Err(problem) => Err(problem),
    };
    let run = outcome.as_ref().ok().and_then(|reply| reply.run.clone());
    let internal = outcome.as_ref().err().and_then(|problem| problem.internal.clone());
    let problem = outcome.as_ref().err().map(|problem| problem.kind.slug);
    let response = match outcome {
        Ok(reply) => reply_response(reply, matches!(method.as_str(), "GET" | HEAD), if_none_match.as_deref()),
        Err(problem) => problem_response(&problem),
    };
    let response = if method == HEAD { response.map(|_| Body::Empty) } else { response };
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    let Consumption { read_units, write_units } = Consumption::since(app, before);
    let (route, caller) = (name, who);
    trace.end(app, route, status >= 500, &[("api_request", Some(&api_request)), ("run", run.as_deref())]);
    let request_id = trace.request();
    let api_request = api_request.as_str();
    let told = Told { request_id, api_request, route, caller, person, status, problem, internal, run, millis };
    told.log(read_units, write_units, cold_start);
    response
}

/// The one line of a request in the log.
struct Told<'a> {
    request_id: &'a str,
    api_request: &'a str,
    route: &'static str,
    caller: String,
    person: String,
    status: u16,
    problem: Option<&'static str>,
    internal: Option<String>,
    run: Option<String>,
    millis: u64,
}

impl Told<'_> {
    fn log(self, read_units: f64, write_units: f64, cold_start: bool) {
        let Self { request_id, api_request, route, caller, person, status, problem, internal, run, millis } = self;
        match status {
            500.. => tracing::error!(
                request_id,
                api_request,
                route,
                caller,
                person,
                outcome = "failed",
                status,
                problem,
                internal,
                millis,
                read_units,
                write_units,
                cold_start,
                "request"
            ),
            _ => tracing::info!(
                request_id,
                api_request,
                route,
                caller,
                person,
                outcome = if status < 400 { "done" } else { "refused" },
                status,
                problem,
                run,
                millis,
                read_units,
                write_units,
                cold_start,
                "request"
            ),
        }
    }
}

/// Capacity units that a request used. The function of a process has one
/// request at a time; where a process serves several, they count together.
pub struct Consumption {
    pub read_units: f64,
    pub write_units: f64,
}

impl Consumption {
    pub fn since(app: &App, (reads, writes): (f64, f64)) -> Self {
        let (read_units, write_units) = app.ledger.consumed().units();
        Self { read_units: read_units - reads, write_units: write_units - writes }
    }
}

/// How long a request may take, so that its answer is still sent.
pub fn time_left(app: &App, context: Option<&Context>) -> Duration {
    let Some(context) = context else { return Duration::MAX };
    let left = i128::from(context.deadline) - i128::from(app.now().timestamp_millis());
    Duration::from_millis(u64::try_from(left).unwrap_or(0)).saturating_sub(TIME_TO_ANSWER)
}

/// The role that API Gateway's authorizer found; the account must be the API's own.
fn identity(app: &App, request: &lambda_http::Request) -> Option<Identity> {
    let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else { return None };
    let account = context.account_id.as_deref().filter(|account| !account.is_empty())?;
    let arn = context.authorizer.as_ref()?.iam.as_ref()?.user_arn.as_deref()?;
    Identity::from_arn(arn, account, app.role_prefix())
}

/// The id that the API's log has, and that callers get as `apigw-requestid`.
fn api_request(request: &lambda_http::Request) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// A path of another function; the API sends none here.
pub fn not_served() -> Problem {
    Problem::new(NO_SUCH_PATH, "this function does not serve the path")
}

fn admitted(
    function: Function,
    found: Result<Found, Problem>,
    caller: Option<Caller>,
    asked: Asked,
    request: lambda_http::Request,
) -> Result<Call, Problem> {
    // Who is not known learns nothing, not even which paths there are.
    let caller = caller.ok_or_else(|| Problem::new(FORBIDDEN, "the caller has no role in the programme"))?;
    let found = found?;
    if !found.allows(&caller) {
        return Err(Problem::new(FORBIDDEN, format!("the role {caller} may not call this path")));
    }
    let route = found.route;
    if route.function() != function {
        return Err(not_served());
    }
    let query = request.query_string_parameters();
    let mut query: Vec<(String, String)> =
        query.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    // They come in the order of a hash map; of two that are wrong always the same is told.
    query.sort_by(|(one, _), (other, _)| one.cmp(other));
    let body = request.into_body().to_vec();
    if body.len() > BODY_MAX_BYTES {
        return Err(Problem::new(BODY_TOO_LARGE, format!("a body has at most {BODY_MAX_BYTES} bytes")));
    }
    Ok(Call { route, caller, asked, query, body })
}

impl Call {
    /// The body as a JSON object; unknown fields are refused.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        json_of(self.body()?)
    }

    /// The body, which may be JSON.
    pub fn body(&self) -> Result<&[u8], Problem> {
        match not_json(&self.body) {
            Some(reason) => Err(Problem::new(INVALID_JSON, reason)),
            None => Ok(&self.body),
        }
    }

    /// What the caller is shown of others.
    pub fn view(&self, rulebook: &Rulebook) -> View<'_> {
        View::of(&self.caller, rulebook)
    }

    /// When events happened that a list is to show, and how the cursor names it.
    pub fn between(&self) -> Result<(Between, String), Problem> {
        let moment = |name| {
            let moment = self.parameter(name)?.map(parse_occurred_at).transpose();
            moment.map_err(|error| Problem::invalid(name, error)).map(|moment| moment.map(|moment| moment.to_utc()))
        };
        let between = Between { from: moment("from")?, to: moment("to")? };
        if let Between { from: Some(from), to: Some(to) } = between
            && from >= to
        {
            return Err(Problem::invalid("to", "must be later than from"));
        }
        let text = |moment: Option<DateTime<Utc>>| moment.map(rfc3339_utc).unwrap_or_default();
        Ok((between, format!("{}/{}", text(between.from), text(between.to))))
    }

    pub fn kind(&self) -> Result<Option<EntryKind>, Problem> {
        let unknown = || Problem::invalid("kind", "must be accrual, redemption, reversal or adjustment");
        self.parameter("kind")?.map(|word| EntryKind::from_word(word).ok_or_else(unknown)).transpose()
    }

    /// Refuses query parameters that the route does not know.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Problem::invalid(name.as_str(), "is not a parameter of this call")),
            None => Ok(()),
        }
    }

    pub fn parameter(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.query.iter().filter(|(of, _)| of == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Problem::invalid(name, "stands in the query twice")),
        }
    }

    pub fn required(&self, name: &str) -> Result<&str, Problem> {
        self.parameter(name)?.ok_or_else(|| Problem::invalid(name, "is required"))
    }

    pub fn period(&self) -> Result<Period, Problem> {
        Period::parse(self.required("period")?).map_err(|error| Problem::invalid("period", error))
    }

    pub fn on(&self) -> Result<Option<NaiveDate>, Problem> {
        self.parameter("on")?.map(|text| day("on", text)).transpose()
    }

    pub fn line(&self) -> Result<Option<LineId>, Problem> {
        let line = self.parameter("line")?.map(LineId::parse).transpose();
        line.map_err(|error| Problem::invalid("line", error))
    }

    pub fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = self.parameter("limit")? else { return Ok(PAGE_DEFAULT) };
        let limit = text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit) && limit.to_string() == text);
        limit.ok_or_else(|| Problem::invalid("limit", format!("must be 1 to {PAGE_MAX}")))
    }

    /// The position behind the cursor, if one was sent with this very list and
    /// is one that the list can have.
    pub fn cursor<T: DeserializeOwned>(&self, list: &str, fits: impl FnOnce(&T) -> bool) -> Result<Option<T>, Problem> {
        let Some(text) = self.parameter("cursor")? else { return Ok(None) };
        let invalid = || Problem::field(INVALID_CURSOR, "cursor", "take the next_cursor of the page before");
        if text.len() > CURSOR_MAX {
            return Err(invalid());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
        let (json, check) = bytes.split_last_chunk::<CURSOR_CHECK>().ok_or_else(invalid)?;
        if sha256(json).as_bytes()[..CURSOR_CHECK] != *check {
            return Err(invalid());
        }
        let (of, position): (String, T) = serde_json::from_slice(json).map_err(|_| invalid())?;
        if of == list && fits(&position) { Ok(Some(position)) } else { Err(invalid()) }
    }
}

/// An object of JSON; unknown fields are refused.
pub fn json_of<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    json_with(PhantomData::<Object<T>>, text).map(|Object(value)| value)
}

/// As [`json_of`], read by a seed.
pub fn json_with<'de, S: DeserializeSeed<'de>>(seed: S, text: &'de [u8]) -> Result<S::Value, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
    let value = seed.deserialize(tracked).map_err(|error| {
        let path = track.path().to_string();
        // A broken name is shown as `?`.
        let names = path.split('.').filter(|name| !matches!(*name, "" | "?"));
        let field = names.collect::<Vec<_>>().join(".");
        match twice(text, &field) {
            Some(problem) => problem,
            None => {
                let field = Some(field).filter(|field| !field.is_empty());
                Problem { field, ..Problem::new(INVALID_JSON, in_words(&error.to_string())) }
            }
        }
    })?;
    deserializer.end().map_err(|error| Problem::new(INVALID_JSON, error.to_string()))?;
    Ok(value)
}

/// Whether a body was refused because a field of an object stands there twice: such a one
/// has no path of its own.
fn twice(text: &[u8], object: &str) -> Option<Problem> {
    let Seen { twice, .. } = serde_json::from_slice(text).ok()?;
    let twice = twice?;
    let of = twice.rsplit_once('.').map_or("", |(of, _)| of);
    (of == object).then(|| Problem::twice(&twice))
}

/// What a body is that begins so.
fn not_json(body: &[u8]) -> Option<&'static str> {
    match body {
        [0xef, 0xbb, 0xbf, ..] => Some("the body begins with a byte order mark: send it without"),
        [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => Some("the body is UTF-16: send it as UTF-8"),
        [0x1f, 0x8b, ..] => Some("the body is compressed: send it as it is"),
        [] => Some("the body is empty: this call takes a JSON object"),
        _ => None,
    }
}

/// The parser's words for types, for those who know JSON and not Rust.
fn in_words(detail: &str) -> String {
    let types = [
        ("expected i64", "expected a whole number, without quotation marks and decimals"),
        ("expected a string", "expected text in quotation marks"),
        ("expected a boolean", "expected true or false, without quotation marks"),
    ];
    types.iter().fold(detail.to_owned(), |detail, (word, words)| detail.replace(word, words))
}

/// A day in a field.
pub fn day(field: &str, text: &str) -> Result<NaiveDate, Problem> {
    parse_day(text).ok_or_else(|| Problem::invalid(field, "must be a day such as 2017-01-31"))
}

/// A value that is written as a JSON object. Serde alone would also take an
/// array of a struct's fields in their order.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Object)
    }
}

/// Hides a position in a list from callers, who need not know what it is.
pub fn cursor<T: Serialize>(list: &str, position: Option<T>) -> Value {
    match position.map(|position| serde_json::to_vec(&(list, position))) {
        Some(Ok(mut bytes)) => {
            let check = sha256(&bytes);
            bytes.extend_from_slice(&check.as_bytes()[..CURSOR_CHECK]);
            json!(URL_SAFE_NO_PAD.encode(bytes))
        }
        Some(Err(_)) | None => Value::Null,
    }
}

fn reply_response(reply: Reply, is_get: bool, if_none_match: Option<&str>) -> Response<Body> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    let Some(body) = reply.body else { return finish(response, Body::Empty) };
    let text = format!("{body:#}\n");
    if is_get && reply.status == 200 && !reply.headers.iter().any(|(name, _)| *name == CACHE_CONTROL.as_str()) {
        let etag = format!("\"{}\"", &sha256(text.as_bytes())[..32]);
        response = response.header(ETAG, &etag).header(CACHE_CONTROL, "private, no-cache");
        let matches =
            |given: &str| given.split(',').any(|one| one.trim().trim_start_matches("W/") == etag || one.trim() == "*");
        if if_none_match.is_some_and(matches) {
            return finish(response.status(304), Body::Empty);
        }
    }
    finish(response.header(CONTENT_TYPE, "application/json"), Body::Text(text))
}

fn problem_response(problem: &Problem) -> Response<Body> {
    let mut response = Response::builder()
        .status(problem.kind.status)
        .header(CONTENT_TYPE, "application/problem+json")
        .header(CACHE_CONTROL, "no-store");
    if problem.kind.status == 503 {
        response = response.header(RETRY_AFTER, "1");
    }
    if let Some(allow) = &problem.allow {
        response = response.header(ALLOW, allow.to_string());
    }
    finish(response, Body::Text(format!("{:#}\n", problem.json())))
}

fn finish(response: lambda_http::http::response::Builder, body: Body) -> Response<Body> {
    // A builder fails only on a header that is not one; ours are.
    response.body(body).unwrap_or_else(|_| Response::new(Body::Empty))
}
