//! Records the events of business lines:
//! `PUT /v1/lines/{line}/{accruals|redemptions|reversals}/{reference}`.
//!
//! The first answer is 201. A retry with the same content gets it again as 200
//! with `Idempotent-Replayed: true`; other content under the same reference is
//! refused with 409.

use interline_domain::entry::{Action, Command, EntryKind};
use interline_domain::id::{LineId, MemberId, Reference};
use interline_domain::moment::parse_occurred_at;
use interline_domain::money::{Money, Points};
use interline_domain::plan::Refusal;
use interline_lambda::http::{Call, Object, Reply, day, respond};
use interline_lambda::problem::Problem;
use interline_lambda::routes::{Function, Route};
use interline_lambda::{App, wire};
use interline_ledger::{Answer, Rulebooks, Source};
use lambda_http::{Body, Request, Response};
use serde::Deserialize;

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

async fn record(app: &App, call: &Call) -> Result<Reply, Problem> {
    let Route::PutEntry { line, kind, reference } = &call.route else {
        return Err(Problem::new(interline_lambda::problem::NO_SUCH_PATH, "this function records events only"));
    };
    call.only(&[])?;
    let command = command(call, line, *kind, reference)?;
    let published = app.rulebook().await?;
    let rulebook = &published.rulebook;
    let commands = std::slice::from_ref(&command);
    let source = Source::Api(Some(&call.asked));
    let answers = app.ledger.post(rulebook, app, &command.member, commands, source, app.clock()).await?;
    let (recorded, replayed) = match answers.into_iter().next() {
        Some(Answer::Accepted(recorded)) => (recorded, false),
        Some(Answer::Replayed(recorded)) => (recorded, true),
        Some(Answer::Rejected(rejection)) => return Err(as_sent(*kind, Problem::from(&rejection))),
        None => return Err(Problem::from(&Refusal::OutOfRange)),
    };
    // A retry gets what was answered first, whatever is in force by now.
    let body = wire::entry(&*app.by_hash(&recorded.rulebook).await?, &recorded)?;
    Ok(match replayed {
        false => Reply::status(201, body),
        true => Reply::ok(body).with("idempotent-replayed", "true"),
    })
}

/// The ledger calls the bill of a redemption its amount, as files do.
fn as_sent(kind: EntryKind, mut problem: Problem) -> Problem {
    if kind == EntryKind::Redemption && problem.field.as_deref() == Some("amount") {
        problem.field = Some("bill".to_owned());
        problem.detail = problem.detail.replace("another amount", "another bill");
    }
    problem
}

fn command(call: &Call, line: &LineId, kind: EntryKind, reference: &Reference) -> Result<Command, Problem> {
    let (member, occurred_at, action) = match kind {
        EntryKind::Accrual => {
            let body: AccrualBody = call.json()?;
            (body.member, body.occurred_at, Action::Accrue { amount: money("amount", &body.amount)? })
        }
        EntryKind::Redemption => {
            let body: RedemptionBody = call.json()?;
            let bill = body.bill.map(|bill| money("bill", &bill)).transpose()?;
            (body.member, body.occurred_at, Action::Redeem { points: points(body.points)?, bill })
        }
        EntryKind::Reversal => {
            let body: ReversalBody = call.json()?;
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
