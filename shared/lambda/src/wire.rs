//! Entries as callers see them.

use crate::problem::Problem;
use chrono::SecondsFormat;
use interline_domain::account::Repayment;
use interline_domain::entry::{Action, Entry, Outcome};
use interline_domain::lot::Slice;
use interline_domain::money::Money;
use interline_domain::plan::from_the_end;
use interline_domain::rate::{RatedSlice, RatingError, rate};
use interline_domain::rulebook::Rulebook;
use interline_ledger::Recorded;
use serde_json::{Value, json};

/// An entry with what it means by the rulebook in force when it happened. The
/// settlement is indicative: what counts is computed at the close. It is null
/// where the rulebook in force has no price for it any more.
pub fn entry(rulebook: &Rulebook, recorded: &Recorded) -> Result<Value, Problem> {
    let entry = &recorded.entry;
    let command = &entry.command;
    let mut json = json!({
        "line": command.line,
        "kind": command.kind(),
        "reference": command.reference,
        "member": command.member,
        "occurred_at": command.occurred_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "recorded_at": recorded.recorded_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "period": entry.booked,
        "points": entry.points()?,
        "balance": recorded.balance,
    });
    if entry.is_late() {
        json["origin_period"] = json!(entry.home);
    }
    // Under the names by which they were sent.
    match &command.action {
        Action::Accrue { amount } => json["amount"] = money(*amount),
        Action::Redeem { bill: Some(bill), .. } => json["bill"] = money(*bill),
        Action::Reverse { kind, reference, .. } => json["reverses"] = json!({ "kind": kind, "reference": reference }),
        Action::Redeem { bill: None, .. } | Action::Grant { .. } => {}
    }
    details(&mut json, entry)?;
    json["indicative_settlement"] = settlement(rulebook, entry).unwrap_or_else(|error| {
        // The event stands all the same.
        tracing::error!(%error, line = %command.line, reference = %command.reference, "no indicative settlement");
        Value::Null
    });
    Ok(json)
}

fn details(json: &mut Value, entry: &Entry) -> Result<(), Problem> {
    match &entry.outcome {
        Outcome::Issued { slices: issued, repaid } => {
            json["slices"] = slices(issued);
            json["debts_repaid"] = repayments(repaid);
        }
        Outcome::Redeemed { value, slices: spent } => {
            json["slices"] = slices(spent);
            json["value"] = money(*value);
        }
        Outcome::Returned { original, before, points, value, repaid } => {
            json["slices"] = slices(&from_the_end(&original.slices, *before, *points)?);
            json["value"] = money(*value);
            json["debts_repaid"] = repayments(repaid);
        }
        Outcome::Withdrawn { amount, taken, owed, .. } => {
            json["amount"] = money(*amount);
            json["slices"] = slices(taken);
            json["debts_incurred"] = slices(owed);
        }
    }
    Ok(())
}

fn settlement(rulebook: &Rulebook, entry: &Entry) -> Result<Value, RatingError> {
    let rated = rate(rulebook, entry)?;
    let total = Money::sum(rated.iter().map(|slice| slice.amount))?;
    let obligations: Vec<Value> = rated
        .iter()
        .filter(|slice| slice.crosses_lines())
        .map(|RatedSlice { cohort, redeemer, points, price, amount, .. }| {
            json!({
                "payer": cohort.funder, "payee": redeemer, "points": points, "price": price, "amount": money(*amount),
            })
        })
        .collect();
    Ok(json!({ "currency": rulebook.currency, "amount": money(total), "obligations": obligations }))
}

pub fn money(amount: Money) -> Value {
    Value::String(amount.to_string())
}

fn slice(Slice { cohort, points }: &Slice) -> Value {
    json!({ "funder": cohort.funder, "issued": cohort.issued, "expires": cohort.expires, "points": points })
}

fn slices(slices: &[Slice]) -> Value {
    slices.iter().map(slice).collect()
}

fn repayments(repaid: &[Repayment]) -> Value {
    let one =
        |repayment: &Repayment| -> Value { json!({ "creditor": repayment.creditor, "points": repayment.paid.points }) };
    repaid.iter().map(one).collect()
}
