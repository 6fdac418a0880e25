//! Records the events of business lines:
//! `PUT /v1/lines/{line}/{accruals|redemptions|reversals}/{reference}`, or up to
//! [`EVENTS_MAX`] of any members in one call, `PUT /v1/lines/{line}/events`.
//!
//! The first answer is 201. A retry with the same content gets it again as 200
//! with `Idempotent-Replayed: true`; other content under the same reference is
//! refused with 409. Of several events each has such an answer of its own.

mod body;

use body::command;
use interline_domain::events::{Command, EntryKind, Refusal};
use interline_domain::units::currency::Currency;
use interline_domain::units::id::{LineId, Reference};
use interline_lambda::http::{Call, Reply, not_served, respond};
use interline_lambda::problem::{INVALID_JSON, Problem};
use interline_lambda::routes::{Function, RecordRoute, Route};
use interline_lambda::seen::Seen;
use interline_lambda::{App, wire};
use interline_ledger::{Answer, Rejection, Rulebooks, Source};
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

/// Events in one call.
pub const EVENTS_MAX: usize = 25;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsBody {
    /// Each with `kind` and `reference` beside the fields of its kind.
    events: Option<Vec<Seen>>,
}

pub async fn handle(app: &App, request: Request) -> Response<Body> {
    respond(app, Function::Record, request, |call| async move { record(app, &call).await }).await
}

/// One event of several, if it is one.
type Read = Result<(EntryKind, Command), Problem>;

/// What one event is answered.
struct Answered {
    status: u16,
    entry: Value,
}

async fn record(app: &App, call: &Call) -> Result<Reply, Problem> {
    call.only(&[])?;
    let Route::Record(route) = &call.route else { return Err(not_served()) };
    let (line, kind, reference) = match route {
        RecordRoute::Events { line } => return several(app, call, line).await,
        RecordRoute::Entry { line, kind, reference } => (line, kind, reference),
    };
    let currency = app.rulebook().await?.rulebook.currency;
    let command = command(call.body()?, currency, line, *kind, reference)?;
    let answer = post(app, call, &[(*kind, command)]).await?.pop();
    let Answered { status, entry } = answer.unwrap_or_else(|| Err(Problem::from(&Refusal::OutOfRange)))?;
    let reply = Reply::status(status, entry);
    Ok(if status == 200 { reply.with("idempotent-replayed", "true") } else { reply })
}

/// Records events of any members in the order in which they were sent; neighbours of
/// one member in one go.
async fn several(app: &App, call: &Call, line: &LineId) -> Result<Reply, Problem> {
    let EventsBody { events } = call.json()?;
    let events = events.ok_or_else(|| Problem::missing("events"))?;
    if !(1..=EVENTS_MAX).contains(&events.len()) {
        return Err(Problem::invalid("events", format!("must be 1 to {EVENTS_MAX} events")));
    }
    let published = app.rulebook().await?;
    let rulebook = &published.rulebook;
    if rulebook.line(line).is_none() {
        return Err(Problem::from(&Refusal::UnknownLine(line.clone())));
    }
    let events: Vec<_> = events.iter().map(|event| one_of_several(rulebook.currency, line, event)).collect();
    let mut answers: Vec<Result<Answered, Problem>> = Vec::with_capacity(events.len());
    for neighbours in events.chunk_by(are_of_one_member) {
        let commands: Result<Vec<_>, Problem> = neighbours.iter().cloned().collect();
        match commands {
            Ok(commands) => match post(app, call, &commands).await {
                Ok(recorded) => answers.extend(recorded),
                // Of these nothing is known; the others have their answers.
                Err(problem) => answers.extend(commands.iter().map(|_| Err(problem.clone()))),
            },
            Err(problem) => answers.push(Err(problem)),
        }
    }
    if let Some(problem) = all_failed(&answers) {
        return Err(problem);
    }
    let shown: Vec<Value> = answers.into_iter().map(shown).collect();
    Ok(Reply::ok(json!({ "answers": shown })))
}

fn are_of_one_member(one: &Read, next: &Read) -> bool {
    matches!((one, next), (Ok((_, one)), Ok((_, next))) if one.head.member == next.head.member)
}

/// If nothing could be tried, the call as a whole is to be repeated.
fn all_failed(answers: &[Result<Answered, Problem>]) -> Option<Problem> {
    let fault = |answer: &Result<Answered, Problem>| match answer {
        Err(problem) if problem.kind.status >= 500 => Some(problem.clone()),
        Ok(_) | Err(_) => None,
    };
    let faults: Option<Vec<Problem>> = answers.iter().map(fault).collect();
    faults?.into_iter().next()
}

fn shown(answer: Result<Answered, Problem>) -> Value {
    match answer {
        Ok(Answered { status, entry }) => json!({ "status": status, "entry": entry }),
        Err(problem) => {
            if let Some(internal) = &problem.internal {
                tracing::error!(internal, problem = problem.kind.slug, "an event of several was not recorded");
            }
            json!({ "status": problem.kind.status, "problem": problem.json() })
        }
    }
}

/// An event with its kind and its reference beside the fields that it has alone.
fn one_of_several(currency: Currency, line: &LineId, Seen { value: event, twice }: &Seen) -> Read {
    if let Some(path) = twice {
        return Err(Problem::twice(path));
    }
    let Value::Object(fields) = event else {
        return Err(Problem::new(INVALID_JSON, "an event is an object"));
    };
    let mut fields = fields.clone();
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Problem::field(INVALID_JSON, name, "expected text in quotation marks")),
        None => Err(Problem::missing(name)),
    };
    let (kind, reference) = (text("kind")?, text("reference")?);
    let unknown = || Problem::invalid("kind", "must be accrual, redemption or reversal");
    let kind = EntryKind::from_word(&kind).filter(|kind| *kind != EntryKind::Adjustment).ok_or_else(unknown)?;
    let reference = Reference::parse(&reference).map_err(|error| Problem::invalid("reference", error))?;
    let body = Value::Object(fields).to_string();
    Ok((kind, command(body.as_bytes(), currency, line, kind, &reference)?))
}

/// Records events of one member.
async fn post(
    app: &App,
    call: &Call,
    events: &[(EntryKind, Command)],
) -> Result<Vec<Result<Answered, Problem>>, Problem> {
    let Some((_, first)) = events.first() else { return Ok(Vec::new()) };
    let published = app.rulebook().await?;
    let rulebook = &published.rulebook;
    let view = call.view(rulebook);
    let commands: Vec<Command> = events.iter().map(|(_, command)| command.clone()).collect();
    let source = Source::Api(Some(&call.asked));
    let answers = app.ledger.post(rulebook, app, &first.head.member, &commands, source, app.clock()).await?;
    let mut shown = Vec::with_capacity(events.len());
    for ((kind, _), answer) in events.iter().zip(answers) {
        let (recorded, status) = match answer {
            Answer::Accepted(recorded) => (recorded, 201),
            Answer::Replayed(recorded) => (recorded, 200),
            Answer::Rejected(rejection) => {
                shown.push(Err(as_sent(*kind, rejection)));
                continue;
            }
        };
        // A retry gets what was answered first, whatever is in force by now.
        let entry = wire::entry(&*app.by_hash(&recorded.rulebook).await?, &recorded, view)?;
        shown.push(Ok(Answered { status, entry }));
    }
    Ok(shown)
}

/// Names a field as the caller did: the ledger calls the bill of a redemption its
/// amount, as files do.
fn as_sent(kind: EntryKind, rejection: Rejection) -> Problem {
    let rejection = match rejection {
        Rejection::Conflict(field) => Rejection::Conflict(kind.json_name(field).unwrap_or(field)),
        Rejection::Refused(_) | Rejection::RefusedBefore(_) => rejection,
    };
    let mut problem = Problem::from(&rejection);
    if let Some(name) = problem.field.as_deref().and_then(|field| kind.json_name(field)) {
        problem.field = Some(name.to_owned());
    }
    problem
}
