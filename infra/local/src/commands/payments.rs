use crate::CliError;
use crate::output::Output;
use crate::world::World;
use chrono::NaiveDate;
use interline_domain::units::calendar::Period;
use interline_lambda::payments::{Carried, NotConfirmed, Payments};
use interline_reports::camt::{self, Booked};
use interline_reports::payment_run::Confirmed;
use serde_json::json;
use std::path::PathBuf;

impl From<NotConfirmed> for CliError {
    fn from(error: NotConfirmed) -> Self {
        match error {
            NotConfirmed::Failed(failure) => failure.into(),
            other => CliError::Usage(other.to_string()),
        }
    }
}

/// Every payment of a closed month: confirmed on a day, or still open.
pub async fn list(world: &World, period: Period, output: &Output) -> Result<bool, CliError> {
    let payments = Payments::read(&world.app, period).await?;
    let shown = |of: &Confirmed| payments.currency().show(of.payment.amount).to_string();
    let mut rows = Vec::new();
    let mut documents = Vec::new();
    for (run, of) in &payments.all(period) {
        let state = run.map_or_else(|| "open".to_owned(), |run| format!("confirmed in run {run}"));
        let (payer, payee) = (of.payment.payer.to_string(), of.payment.payee.to_string());
        rows.push(vec![of.end_to_end_id.clone(), payer, payee, shown(of), of.day.to_string(), state]);
        documents.push(payments.shown(*run, of));
    }
    output.table(&["order", "payer", "payee", ">amount", "day", ""], &rows);
    if rows.is_empty() {
        output.line(format!("{period}: nothing is to be paid"));
    }
    output.document(&json!({ "period": period, "payments": documents }));
    Ok(true)
}

pub async fn confirm(
    world: &World,
    period: Period,
    paid_on: Option<NaiveDate>,
    statements: &[PathBuf],
    output: &Output,
) -> Result<bool, CliError> {
    let carried = match statements {
        [] => Carried::Whole { paid_on },
        statements => Carried::Booked(booked(world, period, statements).await?),
    };
    let by = world.app.person();
    let (run, payments) = interline_lambda::payments::confirm(&world.app, period, &carried, by).await?;
    let left = payments.open(period).len();
    let number = run.number;
    output.line(format!("{period}: {} payments confirmed in run {number}, {left} still open", run.confirmed.len()));
    output.line(format!("  files: payments/{period}/{number}/"));
    output.document(&json!({ "period": period, "run": number, "confirmed": run.confirmed.len(), "open": left }));
    Ok(true)
}

async fn booked(world: &World, period: Period, statements: &[PathBuf]) -> Result<Vec<Booked>, CliError> {
    let currency = Payments::read(&world.app, period).await?.currency();
    let mut booked = Vec::new();
    for path in statements {
        let bytes = tokio::fs::read(path).await;
        let bytes = bytes.map_err(|error| CliError::Usage(format!("{}: {error}", path.display())))?;
        let found = camt::parse(&bytes, currency);
        booked.extend(found.map_err(|error| CliError::Usage(format!("{}: {error}", path.display())))?);
    }
    Ok(booked)
}
