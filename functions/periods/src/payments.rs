//! What is paid of a sealed month, and what the bank has carried out of it.

use crate::known;
use interline_domain::units::calendar::Period;
use interline_lambda::App;
use interline_lambda::http::{Call, Reply, day};
use interline_lambda::payments::{self, Carried, NotConfirmed, Payments};
use interline_lambda::problem::Problem;
use interline_reports::camt;
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) async fn list(app: &App, call: &Call, period: Period) -> Result<Reply, Problem> {
    call.only(&[])?;
    known(app, period).await?;
    let payments = Payments::read(app, period).await?;
    let shown: Vec<Value> = payments.all(period).iter().map(|(run, of)| payments.shown(*run, of)).collect();
    Ok(Reply::ok(json!({ "period": period, "currency": payments.currency(), "payments": shown })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    /// All that is open was booked on this day; without it, and without a statement, on
    /// the days of the orders.
    paid_on: Option<String>,
    /// A bank statement (camt.053): what it says was booked.
    statement: Option<String>,
}

pub(crate) async fn confirm(app: &App, call: &Call, period: Period) -> Result<Reply, Problem> {
    call.only(&[])?;
    let ConfirmBody { paid_on, statement } = call.json()?;
    let paid_on = paid_on.map(|text| day("paid_on", &text)).transpose()?;
    let (field, carried) = match statement {
        Some(_) if paid_on.is_some() => {
            return Err(Problem::invalid(
                "statement",
                "must not be given with paid_on: it says itself what was booked when",
            ));
        }
        Some(text) => {
            // The currency is the same for good.
            let currency = app.rulebook().await?.rulebook.currency;
            let booked = camt::parse(text.as_bytes(), currency);
            ("statement", Carried::Booked(booked.map_err(|error| Problem::invalid("statement", error))?))
        }
        None => ("paid_on", Carried::Whole { paid_on }),
    };
    known(app, period).await?;
    let confirmed = payments::confirm(app, period, &carried, Some(&call.asked.by)).await;
    let (run, payments) = confirmed.map_err(|error| refused(error, field))?;
    let open = payments.open(period).len();
    let body = json!({ "period": period, "run": run.number, "confirmed": run.confirmed.len(), "open": open });
    Ok(Reply::status(201, body))
}

/// What was said of a payment was said in this field.
fn refused(error: NotConfirmed, field: &str) -> Problem {
    let of_a_field = matches!(error, NotConfirmed::TooEarly { .. } | NotConfirmed::OtherAmount { .. });
    let problem = Problem::from(error);
    Problem { field: of_a_field.then(|| field.to_owned()).or(problem.field), ..problem }
}
