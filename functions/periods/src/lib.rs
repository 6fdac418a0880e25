//! Shows periods, their runs and reports, starts closes, confirms payments, and
//! shows a line its own position.

mod payments;
pub mod state_machine;

use futures::future::BoxFuture;
use interline_cutoff::{Close, trial_id};
use interline_domain::close::judgement::Judgement;
use interline_domain::close::period::{Asked, Begin, CloseRefusal, PeriodState, Run, RunKind, check_begun};
use interline_domain::close::settlement::Bilateral;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::LineId;
use interline_lambda::finished::FinishedRun;
use interline_lambda::http::{Call, Object, Reply, not_served, respond};
use interline_lambda::problem::{CLOSE_UNDER_WAY, Problem};
use interline_lambda::routes::{Function, PeriodsRoute, Route};
use interline_lambda::wire::money;
use interline_lambda::{App, Failure};
use interline_ledger::LedgerError;
use interline_reports::pack::{MANIFEST, key};
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a link to a report works.
pub const LINK_VALID: Duration = Duration::from_secs(300);

/// Starts the steps of a close under a name of its own and returns at once.
pub type Starter = Box<dyn Fn(String, Close) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

pub async fn handle(app: &App, starter: &Starter, request: Request) -> Response<Body> {
    respond(app, Function::Periods, request, |call| async move { answer(app, starter, &call).await }).await
}

async fn answer(app: &App, starter: &Starter, call: &Call) -> Result<Reply, Problem> {
    let Route::Periods(route) = &call.route else { return Err(not_served()) };
    match route {
        PeriodsRoute::All => periods(app, call).await,
        PeriodsRoute::One { period } => one(app, call, *period).await,
        PeriodsRoute::Close { period } => close(app, starter, call, *period).await,
        PeriodsRoute::Payments { period } => payments::list(app, call, *period).await,
        PeriodsRoute::Confirm { period } => payments::confirm(app, call, *period).await,
        PeriodsRoute::Reports { period } => reports(app, call, *period).await,
        PeriodsRoute::Report { period, path } => report(app, call, *period, path).await,
        PeriodsRoute::Position { line } => position(app, call, line).await,
    }
}

async fn periods(app: &App, call: &Call) -> Result<Reply, Problem> {
    call.only(&[])?;
    let published = app.rulebook().await?;
    let (first, current) = (published.rulebook.first_period, published.rulebook.period(app.now()));
    let states = app.ledger.periods_from(first, current).await?;
    let periods: Vec<Value> = states.values().map(summary).collect();
    Ok(Reply::ok(json!({ "periods": periods })))
}

fn summary(state: &PeriodState) -> Value {
    let run = |run: Option<&Run>| {
        run.map(|run| {
            json!({
                "run": run.id, "rulebook": run.rulebook, "manifest": run.manifest, "finished_at": run.finished_at,
                "by": run.by,
            })
        })
    };
    json!({
        "period": state.period, "status": state.status.word(), "sealed_at": state.sealed_at(),
        "trial": run(state.trial.as_ref()), "final": run(state.final_run()),
    })
}

async fn one(app: &App, call: &Call, period: Period) -> Result<Reply, Problem> {
    call.only(&[])?;
    let state = known(app, period).await?;
    let mut json = summary(&state);
    if let Some(attempt) = &state.attempt {
        let prefix = key(period, &attempt.run, "tallies/");
        let shards = app.rulebook().await?.rulebook.shards(period).number();
        json["under_way"] = json!({
            "run": attempt.run, "started_at": attempt.started_at, "by": attempt.by, "failed": attempt.failed,
            "shards_done": app.reports.count(&prefix, shards).await?, "shards": shards,
        });
    }
    if let Some((kind, run)) = state.newest() {
        let finished = FinishedRun::read(app, period, run).await?;
        let checks = finished.settlement().await?.checklist;
        json["checklist"] =
            json!({ "run": run.id, "kind": kind, "passed": finished.manifest.checks_passed, "checks": checks });
    }
    Ok(Reply::ok(json))
}

/// The state of a period of the programme that has begun.
async fn known(app: &App, period: Period) -> Result<PeriodState, Problem> {
    check_begun(&app.rulebook().await?.rulebook, period, app.now())?;
    Ok(app.ledger.period(period).await?)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CloseBody {
    kind: Option<String>,
    /// A final run may be of a month without entries.
    empty: Option<bool>,
    /// Said of its warnings.
    remark: Option<String>,
    /// Checks that are right as they are.
    accept: Option<Vec<Object<Accepted>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    check: String,
    reason: String,
}

async fn close(app: &App, starter: &Starter, call: &Call, period: Period) -> Result<Reply, Problem> {
    call.only(&[])?;
    let CloseBody { kind, empty, remark, accept } = call.json()?;
    let kind = kind.ok_or_else(|| Problem::missing("kind"))?;
    let empty = empty.unwrap_or_default();
    let kind = match kind.as_str() {
        "trial" => RunKind::Trial,
        "final" => RunKind::Final,
        _ => return Err(Problem::invalid("kind", "must be trial or final")),
    };
    let accept = accept.iter().flatten().map(|Object(of)| (of.check.as_str(), of.reason.as_str()));
    let judgement =
        Judgement::new(remark.as_deref(), accept).map_err(|error| Problem::invalid(error.field, error.rule))?;
    let state = known(app, period).await?;
    let published = app.rulebook().await?;
    let (rulebook, now) = (&published.rulebook, app.now());
    app.ledger.check_order(rulebook, period).await?;
    match state.begin(rulebook, Asked { kind, empty, now })? {
        Begin::SealUnlessEmpty if !app.ledger.has_entries(period, rulebook.shards(period)).await? => {
            return Err(CloseRefusal::Empty(period).into());
        }
        Begin::SealUnlessEmpty | Begin::Seal | Begin::Run => {}
    }
    let run = match kind {
        RunKind::Trial => trial_id(now),
        RunKind::Final => app.final_run(&rulebook.hash),
    };
    match app.ledger.claim_run(period, &run, Some(&call.asked.by), now).await {
        Err(LedgerError::PeriodChanged(_)) => {
            return Err(Problem::new(CLOSE_UNDER_WAY, "another run was started at the same time"));
        }
        claimed => claimed?,
    }
    let hash = state.into_final_run().map_or_else(|| rulebook.hash.clone(), |run| run.rulebook);
    let close = Close {
        period: Some(period),
        kind,
        rulebook: Some(hash),
        run: Some(run.clone()),
        by: Some(call.asked.by.clone()),
        empty,
        judgement,
    };
    // By its name an execution is found from the run, and the run from the execution.
    let name = format!("{period}-{run}-{}", now.timestamp_millis());
    if let Err(failure) = starter(name, close).await {
        // Otherwise the period would seem busy until the attempt is stale.
        app.ledger.fail_run(period, &run, "the run could not be started").await?;
        return Err(failure.into());
    }
    let location = format!("/v1/periods/{period}");
    let reply = Reply::status(202, json!({ "period": period, "kind": kind, "run": run }));
    Ok(Reply { run: Some(run), ..reply }.with("location", location))
}

/// Every file of the newest run with a link that works for some minutes.
async fn reports(app: &App, call: &Call, period: Period) -> Result<Reply, Problem> {
    call.only(&[])?;
    let (kind, finished) = newest_run(app, period).await?;
    let mut files = Vec::with_capacity(finished.manifest.files.len() + 1);
    for file in &finished.manifest.files {
        let link = app.reports.presigned(&finished.key(&file.path), LINK_VALID).await?;
        files.push(json!({
            "path": file.path, "bytes": file.bytes, "sha256": file.sha256, "rows": file.rows, "url": link,
        }));
    }
    let link = app.reports.presigned(&finished.key(MANIFEST), LINK_VALID).await?;
    files.push(json!({ "path": MANIFEST, "sha256": finished.run.manifest, "url": link }));
    let body = json!({
        "period": period, "kind": kind, "run": finished.run.id, "links_valid_seconds": LINK_VALID.as_secs(),
        "files": files,
    });
    Ok(Reply::ok(body).with("cache-control", "no-store"))
}

async fn report(app: &App, call: &Call, period: Period, path: &str) -> Result<Reply, Problem> {
    call.only(&[])?;
    let (_, finished) = newest_run(app, period).await?;
    // Only what the manifest names is ever linked.
    if path != MANIFEST && !finished.manifest.files.iter().any(|file| file.path == path) {
        return Err(Problem::not_found(format!("run {} has no such file", finished.run.id)));
    }
    let link = app.reports.presigned(&finished.key(path), LINK_VALID).await?;
    Ok(Reply::redirect(link).with("cache-control", "no-store"))
}

/// What a line owes and is owed, pair by pair, by the newest run.
async fn position(app: &App, call: &Call, line: &LineId) -> Result<Reply, Problem> {
    call.only(&["period"])?;
    let period = call.period()?;
    let (kind, finished) = newest_run(app, period).await?;
    let settlement = finished.settlement().await?;
    let missing = || Problem::not_found(format!("line {line} has no position in {period}"));
    let own = settlement.positions.iter().find(|position| position.line == *line).ok_or_else(missing)?;
    let currency = finished.manifest.currency;
    let money = |amount| money(currency, amount);
    let pair = |row: &Bilateral, counterparty: &LineId| {
        json!({
            "counterparty": counterparty, "events": row.events, "points": row.points,
            "amount": money(row.amount), "prior_period": money(row.prior_period),
        })
    };
    let shows_pairs = call.view(&app.rulebook().await?.rulebook).shows_pairs();
    let pairs = |of: fn(&Bilateral) -> [&LineId; 2]| -> Vec<Value> {
        let shown = settlement.bilateral.iter().filter(|row| shows_pairs && of(row)[0] == line);
        shown.map(|row| pair(row, of(row)[1])).collect()
    };
    Ok(Reply::ok(json!({
        "line": line, "period": period, "run": { "kind": kind, "id": finished.run.id },
        "currency": currency,
        "gross_payable": money(own.gross_payable), "gross_receivable": money(own.gross_receivable),
        "platform_fee": money(own.platform_fee), "prior_period": money(own.prior_period), "net": money(own.net),
        "owes": pairs(|row| [&row.payer, &row.payee]), "is_owed": pairs(|row| [&row.payee, &row.payer]),
    })))
}

async fn newest_run(app: &App, period: Period) -> Result<(RunKind, FinishedRun<'_>), Problem> {
    let state = known(app, period).await?;
    let missing = || Problem::not_found(format!("period {period} has no run yet"));
    let (kind, run) = state.newest().ok_or_else(missing)?;
    Ok((kind, FinishedRun::read(app, period, run).await?))
}
