//! Shows a member's account and statement, a line's events, one entry, and what
//! a member could redeem.

use interline_domain::claims::lot::Expiry;
use interline_domain::events::quote::{Wish, quote};
use interline_domain::events::{EntryKind, Refusal};
use interline_domain::units::id::{LineId, MemberId, Reference};
use interline_domain::units::money::Points;
use interline_lambda::http::{Call, Reply, cursor, not_served, respond};
use interline_lambda::problem::{FORBIDDEN, Problem};
use interline_lambda::routes::{AccountRoute, Function, Route};
use interline_lambda::wire::{self, money};
use interline_lambda::{App, Caller};
use interline_ledger::{LineFilter, LinePosition, Recorded, Rulebooks, StatementFilter, StatementPosition};
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Display;

pub async fn handle(app: &App, request: Request) -> Response<Body> {
    respond(app, Function::Account, request, |call| async move { answer(app, &call).await }).await
}

async fn answer(app: &App, call: &Call) -> Result<Reply, Problem> {
    let Route::Account(route) = &call.route else { return Err(not_served()) };
    match route {
        AccountRoute::Entry { line, kind, reference } => entry(app, call, line, *kind, reference).await,
        AccountRoute::LineEntries { line } => line_entries(app, call, line).await,
        AccountRoute::Member { member } => account(app, call, member).await,
        AccountRoute::MemberEntries { member } => statement(app, call, member).await,
        AccountRoute::Quote => quoted(app, call).await,
    }
}

/// An entry is found by its name, and where the line's references recur by a day of
/// it: without one by today.
async fn entry(
    app: &App,
    call: &Call,
    line: &LineId,
    kind: EntryKind,
    reference: &Reference,
) -> Result<Reply, Problem> {
    call.only(&["on"])?;
    let published = app.rulebook().await?;
    let rulebook = &published.rulebook;
    let scope = rulebook.scope(line, call.on()?.unwrap_or_else(|| rulebook.day(app.now())));
    let missing = || Problem::not_found(format!("no {kind} {reference}{scope} of line {line}"));
    let (recorded, reversed) = app.ledger.entry(line, kind, reference, scope).await?.ok_or_else(missing)?;
    let decided_by = app.by_hash(&recorded.rulebook).await?;
    Ok(Reply::ok(wire::entry_with_rest(&decided_by, &recorded, &reversed, call.view(rulebook))?))
}

async fn account(app: &App, call: &Call, member: &MemberId) -> Result<Reply, Problem> {
    call.only(&[])?;
    let published = app.rulebook().await?;
    let day = published.rulebook.day(app.now());
    let account = app.ledger.account(member).await?;
    if account.sequence == 0 {
        return Err(Problem::not_found(format!("member {member} has no events")));
    }
    let mut expiring: BTreeMap<Expiry, Points> = BTreeMap::new();
    let mut lots: Vec<Value> = Vec::new();
    for (cohort, points) in account.lots.iter().filter(|(cohort, _)| !cohort.expires.is_before(day)) {
        expiring.entry(cohort.expires).or_default().add(*points)?;
        lots.push(json!({
            "funder": cohort.scheme, "issued": cohort.issued, "expires": cohort.expires, "points": points,
        }));
    }
    let expiring: Vec<Value> = expiring
        .iter()
        .filter(|(expires, _)| **expires != Expiry::Never)
        .map(|(expires, points)| json!({ "last_day": expires, "points": points }))
        .collect();
    let debts: Vec<Value> =
        account.debts.iter().map(|(creditor, points)| json!({ "creditor": creditor, "points": points })).collect();
    Ok(Reply::ok(json!({
        "member": member, "as_of": day, "balance": account.balance(day)?, "lots": lots, "expiring": expiring,
        "debts": debts,
    })))
}

async fn statement(app: &App, call: &Call, member: &MemberId) -> Result<Reply, Problem> {
    call.only(&["line", "kind", "from", "to", "limit", "cursor"])?;
    let (between, times) = call.between()?;
    let filter = StatementFilter { line: call.line()?, kind: call.kind()?, between };
    let list = format!("members/{member}/{}/{}/{times}", word(filter.line.as_ref()), word(filter.kind));
    let after = call.cursor(&list, StatementPosition::is_key)?;
    let (entries, next) = app.ledger.member_entries(member, &filter, after, call.limit()?).await?;
    page(app, call, &entries, cursor(&list, next)).await
}

async fn line_entries(app: &App, call: &Call, line: &LineId) -> Result<Reply, Problem> {
    call.only(&["period", "kind", "from", "to", "limit", "cursor"])?;
    let period = call.period()?;
    let (between, times) = call.between()?;
    let filter = LineFilter { line: line.clone(), kind: call.kind()?, between };
    let rulebook = &app.rulebook().await?.rulebook;
    if rulebook.line(line).is_none() {
        return Err(Problem::from(&Refusal::UnknownLine(line.clone())));
    }
    let shards = rulebook.shards(period);
    let list = format!("lines/{line}/{period}/{}/{times}", word(filter.kind));
    let after = call.cursor(&list, |position: &LinePosition| position.is_of(&filter, shards))?;
    let (entries, next) = app.ledger.line_entries(&filter, period, shards, after, call.limit()?).await?;
    page(app, call, &entries, cursor(&list, next)).await
}

/// What a list is filtered by, in the name that its cursors keep.
fn word(filter: Option<impl Display>) -> String {
    filter.map(|filter| filter.to_string()).unwrap_or_default()
}

async fn page(app: &App, call: &Call, entries: &[Recorded], next: Value) -> Result<Reply, Problem> {
    let published = app.rulebook().await?;
    let view = call.view(&published.rulebook);
    let mut shown = Vec::with_capacity(entries.len());
    for recorded in entries {
        shown.push(wire::entry(&*app.by_hash(&recorded.rulebook).await?, recorded, view)?);
    }
    Ok(Reply::ok(json!({ "entries": shown, "next_cursor": next })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuoteBody {
    member: Option<String>,
    line: Option<String>,
    /// What the member buys; required where the line limits points to a share of it.
    bill: Option<String>,
    /// Either points or value; without both, as much as possible.
    points: Option<i64>,
    value: Option<String>,
}

async fn quoted(app: &App, call: &Call) -> Result<Reply, Problem> {
    call.only(&[])?;
    let body: QuoteBody = call.json()?;
    let member = body.member.ok_or_else(|| Problem::missing("member"))?;
    let line = body.line.ok_or_else(|| Problem::missing("line"))?;
    let member = MemberId::parse(&member).map_err(|error| Problem::invalid("member", error))?;
    let line = LineId::parse(&line).map_err(|error| Problem::invalid("line", error))?;
    if let Caller::Line(own) = &call.caller
        && *own != line
    {
        return Err(Problem::field(FORBIDDEN, "line", format!("line {own} may ask for its own quotes only")));
    }
    let published = app.rulebook().await?;
    let rulebook = &published.rulebook;
    let amount = |field: &'static str, text: Option<String>| {
        let read = |text: String| rulebook.currency.parse_money(&text);
        text.map(|text| read(text).map_err(|error| Problem::invalid(field, error))).transpose()
    };
    let bill = amount("bill", body.bill)?;
    let wish = match (body.points, amount("value", body.value)?) {
        (Some(_), Some(_)) => return Err(Problem::invalid("value", "must be left out where points are given")),
        (Some(points), None) => {
            Wish::Points(Points::parse(&points.to_string()).map_err(|error| Problem::invalid("points", error))?)
        }
        (None, Some(value)) => Wish::Value(value),
        (None, None) => Wish::Most,
    };
    let day = rulebook.day(app.now());
    let account = app.ledger.account(&member).await?;
    let quote = quote(rulebook, &account, &line, bill, wish, day).map_err(|refusal| refused(&refusal))?;
    let shows_balance = call.view(rulebook).shows_pairs();
    let detail = |reason: &Refusal| match reason {
        // Which would tell the balance.
        Refusal::InsufficientPoints { .. } if !shows_balance => {
            "the member has fewer points than were asked for".to_owned()
        }
        other => other.to_string(),
    };
    let reason =
        quote.reason.map(|reason| json!({ "code": reason.code(), "field": reason.field(), "detail": detail(&reason) }));
    Ok(Reply::ok(json!({
        "member": member, "line": line, "as_of": day, "currency": rulebook.currency,
        "balance": shows_balance.then_some(quote.balance),
        "points": quote.points, "value": money(rulebook.currency, quote.value), "most": quote.most, "minimum": quote.minimum,
        "step": quote.step, "cap": quote.cap, "value_per_point": quote.rate, "reason": reason,
    })))
}

/// The ledger calls the bill of a redemption its amount, as files do.
fn refused(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::BillMissing(_) => Problem { field: Some("bill".to_owned()), ..Problem::from(refusal) },
        other => Problem::from(other),
    }
}
