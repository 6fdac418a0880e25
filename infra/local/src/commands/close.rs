use crate::CliError;
use crate::month_end;
use crate::output::Output;
use crate::signing::KeyFile;
use crate::world::World;
use interline_cutoff::Close;
use interline_domain::close::judgement::{ACCEPTABLE, Judgement};
use interline_domain::close::period::{Run, RunKind};
use interline_domain::close::snapshot::Difference;
use interline_domain::units::calendar::Period;
use interline_domain::units::money::Money;
use interline_domain::units::shard::Shards;
use interline_lambda::finished::FinishedRun;
use interline_lambda::{App, Failure};
use interline_reports::accounts::{Differing, differences_key};
use interline_reports::pack::{SIGNATURE, key};
use interline_reports::signature::Signer;
use interline_settle::Done;
use serde_json::{Value, json};
use std::path::Path;

pub async fn close(world: &World, period: Period, how: How<'_>, output: &Output) -> Result<bool, CliError> {
    let kind = if how.trial { RunKind::Trial } else { RunKind::Final };
    // A key that cannot be read must not be found out after the close.
    let signer = how.sign.map(KeyFile::read).transpose()?;
    let before = world.app.ledger.period(period).await?.into_final_run().filter(|_| kind == RunKind::Final);
    let by = world.app.person().map(str::to_owned);
    let close = Close { empty: how.empty, by, judgement: how.judgement.clone(), ..Close::new(period, kind) };
    let done = match run(world, close, output).await {
        Ok(done) => done,
        Err(failure) => {
            name_differing(world, period, output).await?;
            return Err(failure.into());
        }
    };
    if let Some(run) = &before {
        output.line(already_final(period, run));
    }
    print(world, &done, kind, output);
    let mut document = document(world, &done, kind);
    document["already_final"] = json!(before.is_some());
    if let Some(signer) = &signer {
        sign(&world.app, period, signer).await?;
        output.line(format!("  signed: {SIGNATURE}"));
        document["signed"] = json!(true);
    }
    output.document(&document);
    Ok(done.checks_passed)
}

/// How a month is to be closed.
#[derive(Debug, Clone)]
pub struct How<'a> {
    pub trial: bool,
    /// Although nothing happened in it.
    pub empty: bool,
    /// What is said of it.
    pub judgement: Judgement,
    pub sign: Option<&'a Path>,
}

/// A remark, and `CHECK=REASON` for each check that is accepted.
pub fn judgement(remark: Option<&str>, accept: &[String]) -> Result<Judgement, CliError> {
    let mut pairs = Vec::new();
    for text in accept {
        let pair = text.split_once('=').filter(|(check, _)| !check.is_empty());
        // Names of checks may bear an equals sign themselves.
        let named = ACCEPTABLE
            .iter()
            .find_map(|check| Some((check.name(), text.strip_prefix(check.name())?.strip_prefix('=')?)));
        let pair = named.or(pair).ok_or_else(|| CliError::Usage(format!("--accept {text:?}: must be CHECK=REASON")))?;
        pairs.push(pair);
    }
    Judgement::new(remark, pairs).map_err(|error| CliError::Usage(error.to_string()))
}

fn already_final(period: Period, run: &Run) -> String {
    let by = run.engine.as_ref().map(|engine| format!(", closed by {engine}")).unwrap_or_default();
    let at = run.finished_at.format("%Y-%m-%d %H:%M:%S UTC");
    format!("{period} was final already: run {} of {at}{by}; nothing was changed", run.id)
}

/// Signs the manifest of a final run, unless this key did.
async fn sign(app: &App, period: Period, signer: &dyn Signer) -> Result<(), CliError> {
    let run = app.ledger.period(period).await?.into_final_run();
    let run = run.ok_or_else(|| CliError::Usage(format!("period {period} has no final run to sign")))?;
    let finished = FinishedRun::read(app, period, &run).await?;
    let key = finished.key(SIGNATURE);
    let signature = signer.sign(&finished.manifest_bytes).await?;
    if app.reports.put_new(&key, signature).await? {
        return Ok(());
    }
    match signer.has_signed(&finished.manifest_bytes, &app.reports.get(&key).await?).await? {
        true => Ok(()),
        false => Err(CliError::Usage(format!("{key} is there already, and is not by this key"))),
    }
}

pub async fn run(world: &World, close: Close, output: &Output) -> Result<Done, Failure> {
    let title = close.period.map_or_else(|| "close".to_owned(), |period| format!("close {period}"));
    let rulebook = &world.app.rulebook().await?.rulebook;
    let shards = close.period.map_or(Shards::DEFAULT, |period| rulebook.shards(period));
    let bar = output.progress(&title, u64::from(shards.number()));
    let done = month_end::close(&world.app, close, &|_| bar.inc(1)).await;
    bar.finish_and_clear();
    done
}

pub fn print(world: &World, done: &Done, kind: RunKind, output: &Output) {
    let shown = |amount: Money| done.currency.show(amount).to_string();
    let word = kind.word();
    output.line(format!("{} {word} run {}: {} entries cleared", done.period, done.run, done.entries));
    let rows: Vec<Vec<String>> = done
        .positions
        .iter()
        .map(|row| {
            let direction = match row.net.minor() {
                0 => "",
                net if net < 0 => "pays",
                _ => "receives",
            };
            vec![
                row.line.to_string(),
                shown(row.gross_payable),
                shown(row.gross_receivable),
                shown(row.net),
                direction.to_owned(),
            ]
        })
        .collect();
    output.table(&["line", ">owes", ">is owed", ">net", ""], &rows);
    output.line(format!(
        "  {} owed between lines, settled by {} payments that move {} net",
        shown(done.gross),
        done.payments.len(),
        shown(done.settled)
    ));
    for sentence in &done.sentences {
        output.line(format!("  {}", sentence.en));
    }
    if !done.checks_passed {
        output.line("  NOT ALL CHECKS PASSED: see close-checklist.csv");
    }
    output.line(format!("  files: {}", place(world, done)));
}

/// Says whose accounts stopped a run.
async fn name_differing(world: &World, period: Period, output: &Output) -> Result<(), CliError> {
    let Some(attempt) = world.app.ledger.period(period).await?.attempt else { return Ok(()) };
    let named = world.app.reports.find(&differences_key(period, &attempt.run)).await?;
    let Some(named) = named.and_then(|bytes| serde_json::from_slice::<Vec<Differing>>(&bytes).ok()) else {
        return Ok(());
    };
    for Differing { member, differences, .. } in named {
        for Difference { what, account, entries } in differences {
            output.line(format!("{member}: {what}: the account says {account}, its entries give {entries}"));
        }
    }
    Ok(())
}

/// Where the files of a run lie.
fn place(world: &World, done: &Done) -> String {
    let prefix = format!("{}/{}", world.app.reports.name(), key(done.period, &done.run, ""));
    match &world.folder {
        Some(folder) => folder.join(prefix).display().to_string(),
        None => format!("s3://{prefix}"),
    }
}

pub fn document(world: &World, done: &Done, kind: RunKind) -> Value {
    let amount = |money: Money| Value::String(done.currency.show(money).to_string());
    let positions: Vec<Value> = done
        .positions
        .iter()
        .map(|row| {
            json!({
                "line": row.line,
                "gross_payable": amount(row.gross_payable),
                "gross_receivable": amount(row.gross_receivable),
                "platform_fee": amount(row.platform_fee),
                "prior_period": amount(row.prior_period),
                "net": amount(row.net),
            })
        })
        .collect();
    let payments: Vec<Value> = done
        .payments
        .iter()
        .map(|row| json!({ "payer": row.payer, "payee": row.payee, "amount": amount(row.amount) }))
        .collect();
    json!({
        "period": done.period,
        "kind": kind,
        "run": done.run,
        "manifest": done.manifest,
        "entries": done.entries,
        "checks_passed": done.checks_passed,
        "gross": amount(done.gross),
        "settled": amount(done.settled),
        "positions": positions,
        "payments": payments,
        "sentences": done.sentences,
        "files": place(world, done),
    })
}
