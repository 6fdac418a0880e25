use crate::CliError;
use crate::month_end;
use crate::output::Output;
use crate::world::World;
use interline_cutoff::Close;
use interline_domain::calendar::Period;
use interline_domain::limits::SHARDS;
use interline_domain::money::Money;
use interline_lambda::Failure;
use interline_reports::manifest::RunKind;
use interline_reports::pack::key;
use interline_settle::Done;
use serde_json::{Value, json};

pub async fn close(world: &World, period: Period, trial: bool, output: &Output) -> Result<bool, CliError> {
    let kind = if trial { RunKind::Trial } else { RunKind::Final };
    let done = run(world, period, kind, output).await?;
    print(world, &done, kind, output);
    output.document(&document(world, &done, kind));
    Ok(done.checks_passed)
}

pub async fn run(world: &World, period: Period, kind: RunKind, output: &Output) -> Result<Done, Failure> {
    let close = Close { period: Some(period), kind, rulebook: None, run: None };
    let bar = output.progress(&format!("close {period}"), u64::from(SHARDS));
    let done = month_end::close(&world.app, close, &|_| bar.inc(1)).await;
    bar.finish_and_clear();
    done
}

pub fn print(world: &World, done: &Done, kind: RunKind, output: &Output) {
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
                row.gross_payable.to_string(),
                row.gross_receivable.to_string(),
                row.net.to_string(),
                direction.to_owned(),
            ]
        })
        .collect();
    output.table(&["line", ">owes", ">is owed", ">net", ""], &rows);
    output.line(format!(
        "  {} owed between lines, settled by {} payments that move {} net",
        done.gross,
        done.payments.len(),
        done.settled
    ));
    if !done.checks_passed {
        output.line("  NOT ALL CHECKS PASSED: see close-checklist.csv");
    }
    output.line(format!("  files: {}", place(world, done)));
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
    let amount = |money: Money| Value::String(money.to_string());
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
        "files": place(world, done),
    })
}
