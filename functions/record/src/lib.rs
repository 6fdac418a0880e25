//! Records the events of business lines:
//! `PUT /v1/lines/{line}/{accruals|redemptions|reversals}/{reference}`, or up to
//! [`EVENTS_MAX`] of any members in one call, `PUT /v1/lines/{line}/events`.
//!
//! The first answer is 201. A retry with the same content gets it again as 200
//! with `Idempotent-Replayed: true`; other content under the same reference is
//! refused with 409. Of several events each has such an answer of its own.

use interline_domain::entry::{Action, Command, EntryKind};
use interline_domain::id::{LineId, MemberId, Reference};
use interline_domain::moment::parse_occurred_at;
use interline_domain::money::{Money, Points};
use interline_domain::plan::Refusal;
use interline_lambda::http::{Call, Object, Reply, day, json_of, respond};
use interline_lambda::problem::{INVALID_JSON, NO_SUCH_PATH, Problem};
use interline_lambda::routes::{Function, Route};
use interline_lambda::{App, wire};
use interline_ledger::{Answer, Rulebooks, Source};
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

/// Events in one call.
pub const EVENTS_MAX: usize = 25;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsBody {
    /// Each with `kind` and `reference` beside the fields of its kind.
    events: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccrualBody {
    member: String,
    occurred_at: String,
    /// Of the sale.
    amount: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedemptionBody {
    member: String,
    occurred_at: String,
    points: i64,
    /// What the member buys, with points and with money.
    bill: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReversalBody {
    member: String,
    occurred_at: String,
    reverses: Object<Reverses>,
    /// Of an accrual; without it all that is left.
    amount: Option<String>,
    /// Of a redemption; without it all that is left.
    points: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reverses {
    kind: String,
    reference: String,
    /// A day of the event, where the line's references recur; without it the
    /// reversal's own.
    on: Option<String>,
}

pub async fn handle(app: &App, request: Request) -> Response<Body> {
    respond(app, Function::Record, request, |call| async move { record(app, &call).await }).await
}

/// What one event is answered.
struct Answered {
    status: u16,
    entry: Value,
}

async fn record(app: &App, call: &Call) -> Result<Reply, Problem> {
    call.only(&[])?;
    if let Route::PutEvents { line } = &call.route {
        return several(app, call, line).await;
    }
    let Route::PutEntry { line, kind, reference } = &call.route else {
        return Err(Problem::new(NO_SUCH_PATH, "this function records events only"));
    };
    let command = command(call.body()?, line, *kind, reference)?;
    let answer = post(app, call, &[(*kind, command)]).await?.pop();
    let Answered { status, entry } = answer.unwrap_or_else(|| Err(Problem::from(&Refusal::OutOfRange)))?;
    let reply = Reply::status(status, entry);
    Ok(if status == 200 { reply.with("idempotent-replayed", "true") } else { reply })
}

/// Records events of any members in the order in which they were sent; neighbours of
/// one member in one go.
async fn several(app: &App, call: &Call, line: &LineId) -> Result<Reply, Problem> {
    let EventsBody { events } = call.json()?;
    if !(1..=EVENTS_MAX).contains(&events.len()) {
        return Err(Problem::invalid("events", format!("must be 1 to {EVENTS_MAX} events")));
    }
    if app.rulebook().await?.rulebook.line(line).is_none() {
        return Err(Problem::from(&Refusal::UnknownLine(line.clone())));
    }
    let events: Vec<_> = events.iter().map(|event| one_of_several(line, event)).collect();
    let of_one_member = |one: &Result<(EntryKind, Command), Problem>, next: &Result<(EntryKind, Command), Problem>| matches!((one, next), (Ok((_, one)), Ok((_, next))) if one.member == next.member);
    let mut answers: Vec<Result<Answered, Problem>> = Vec::with_capacity(events.len());
    for neighbours in events.chunk_by(of_one_member) {
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
fn one_of_several(line: &LineId, event: &Value) -> Result<(EntryKind, Command), Problem> {
    let Value::Object(fields) = event else {
        return Err(Problem::new(INVALID_JSON, "an event is an object"));
    };
    let mut fields = fields.clone();
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Problem::field(INVALID_JSON, name, "expected text in quotation marks")),
        None => Err(Problem::field(INVALID_JSON, name, format!("missing field `{name}`"))),
    };
    let (kind, reference) = (text("kind")?, text("reference")?);
    let unknown = || Problem::invalid("kind", "must be accrual, redemption or reversal");
    let kind = EntryKind::from_word(&kind).filter(|kind| *kind != EntryKind::Adjustment).ok_or_else(unknown)?;
    let reference = Reference::parse(&reference).map_err(|error| Problem::invalid("reference", error))?;
    let body = Value::Object(fields).to_string();
    Ok((kind, command(body.as_bytes(), line, kind, &reference)?))
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
    let answers = app.ledger.post(rulebook, app, &first.member, &commands, source, app.clock()).await?;
    let mut shown = Vec::with_capacity(events.len());
    for ((kind, _), answer) in events.iter().zip(answers) {
        let (recorded, status) = match answer {
            Answer::Accepted(recorded) => (recorded, 201),
            Answer::Replayed(recorded) => (recorded, 200),
            Answer::Rejected(rejection) => {
                shown.push(Err(as_sent(*kind, Problem::from(&rejection))));
                continue;
            }
        };
        // A retry gets what was answered first, whatever is in force by now.
        let entry = wire::entry(&*app.by_hash(&recorded.rulebook).await?, &recorded, view)?;
        shown.push(Ok(Answered { status, entry }));
    }
    Ok(shown)
}

/// The ledger calls the bill of a redemption its amount, as files do.
fn as_sent(kind: EntryKind, mut problem: Problem) -> Problem {
    if kind == EntryKind::Redemption && problem.field.as_deref() == Some("amount") {
        problem.field = Some("bill".to_owned());
        problem.detail = problem.detail.replace("another amount", "another bill");
    }
    problem
}

fn command(body: &[u8], line: &LineId, kind: EntryKind, reference: &Reference) -> Result<Command, Problem> {
    let (member, occurred_at, action) = match kind {
        EntryKind::Accrual => {
            let body: AccrualBody = json_of(body)?;
            (body.member, body.occurred_at, Action::Accrue { amount: money("amount", &body.amount)? })
        }
        EntryKind::Redemption => {
            let body: RedemptionBody = json_of(body)?;
            let bill = body.bill.map(|bill| money("bill", &bill)).transpose()?;
            (body.member, body.occurred_at, Action::Redeem { points: points(body.points)?, bill })
        }
        EntryKind::Reversal => {
            let body: ReversalBody = json_of(body)?;
            let Object(reverses) = body.reverses;
            let unknown = || Problem::invalid("reverses.kind", "must be accrual, redemption or adjustment");
            let action = Action::Reverse {
                kind: EntryKind::from_word(&reverses.kind).ok_or_else(unknown)?,
                reference: Reference::parse(&reverses.reference)
                    .map_err(|error| Problem::invalid("reverses.reference", error))?,
                on: reverses.on.map(|text| day("reverses.on", &text)).transpose()?,
                amount: body.amount.map(|amount| money("amount", &amount)).transpose()?,
                points: body.points.map(points).transpose()?,
            };
            (body.member, body.occurred_at, action)
        }
        EntryKind::Adjustment => return Err(Problem::invalid("kind", "adjustments come in files only")),
    };
    Ok(Command {
        line: line.clone(),
        reference: reference.clone(),
        member: MemberId::parse(&member).map_err(|error| Problem::invalid("member", error))?,
        occurred_at: parse_occurred_at(&occurred_at).map_err(|error| Problem::invalid("occurred_at", error))?,
        action,
    })
}

fn money(field: &str, text: &str) -> Result<Money, Problem> {
    Money::parse(text).map_err(|error| Problem::invalid(field, error))
}

fn points(points: i64) -> Result<Points, Problem> {
    Points::parse(&points.to_string()).map_err(|error| Problem::invalid("points", error))
}
