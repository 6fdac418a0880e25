//! Entries as callers see them.

use crate::caller::Caller;
use crate::problem::Problem;
use chrono::SecondsFormat;
use interline_domain::claims::account::Repayment;
use interline_domain::claims::lot::Slice;
use interline_domain::events::{Entry, Field, Origin, Reversed, Reversible, Said, Show, Taxes};
use interline_domain::legs::{OwedLeg, RatingError};
use interline_domain::terms::rulebook::{Awarded, Disclosure, Rulebook};
use interline_domain::units::currency::Currency;
use interline_domain::units::id::{LineId, TaxCode};
use interline_domain::units::money::{Money, OutOfRange, Points};
use interline_ledger::Recorded;
use serde_json::{Value, json};

/// What a caller is shown of an entry: all of it, or what concerns one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View<'a> {
    All,
    Own(&'a LineId),
}

impl<'a> View<'a> {
    /// By the rulebook in force, whichever decided the entry.
    pub fn of(caller: &'a Caller, rulebook: &Rulebook) -> Self {
        match (caller, rulebook.disclose) {
            (Caller::Line(line), Disclosure::Totals) => Self::Own(line),
            (Caller::Line(_), Disclosure::Pairs) | (Caller::Finance | Caller::Members, _) => Self::All,
        }
    }

    pub fn shows(self, line: &LineId) -> bool {
        match self {
            Self::All => true,
            Self::Own(own) => own == line,
        }
    }

    /// Whether who owes whom is shown.
    pub fn shows_pairs(self) -> bool {
        self == Self::All
    }
}

/// An entry with what it means by the rulebook that decided it. The settlement is
/// indicative: what counts is computed at the close. It is null where that rulebook
/// has no price for it.
pub fn entry(rulebook: &Rulebook, recorded: &Recorded, view: View<'_>) -> Result<Value, Problem> {
    let entry = &recorded.entry;
    let head = &entry.head;
    let mut json = json!({
        "line": head.line,
        "kind": entry.kind(),
        "reference": head.reference,
        "member": head.member,
        "occurred_at": head.occurred_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "recorded_at": recorded.recorded_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "period": entry.booked,
        "points": entry.event.points()?,
        "balance": recorded.balance,
    });
    if entry.is_late() {
        json["origin_period"] = json!(entry.home);
    }
    let mut shown = Shown { json: &mut json, currency: rulebook.currency, view };
    entry.event.say(&mut shown);
    entry.event.show(&mut shown)?;
    json["indicative_settlement"] = settlement(rulebook, entry, view).unwrap_or_else(|error| {
        // The event stands all the same.
        tracing::error!(%error, line = %head.line, reference = %head.reference, "no indicative settlement");
        Value::Null
    });
    Ok(json)
}

struct Shown<'a> {
    json: &'a mut Value,
    currency: Currency,
    view: View<'a>,
}

/// Under the names by which they were sent.
impl Said for Shown<'_> {
    fn amount(&mut self, field: &'static Field, amount: Money) {
        self.json[field.json] = money(self.currency, amount);
    }

    /// The entry's own number is shown already.
    fn points(&mut self, _field: &'static Field, _points: Points) {}

    fn origin(&mut self, field: &'static Field, Origin { kind, reference, on }: &Origin) {
        self.json[field.json] = json!({ "kind": kind, "reference": reference });
        if let Some(day) = on {
            self.json[field.json]["on"] = json!(day);
        }
    }

    fn taxes(&mut self, field: &'static Field, taxes: &Taxes) {
        let part = |(code, amount)| json!({ "code": code, "amount": money(self.currency, amount) });
        self.json[field.json] = taxes.iter().map(part).collect();
    }

    fn tax_code(&mut self, field: &'static Field, code: &TaxCode) {
        self.json[field.json] = json!(code);
    }
}

impl Show for Shown<'_> {
    fn money(&mut self, name: &'static str, amount: Money) {
        self.json[name] = money(self.currency, amount);
    }

    fn slices(&mut self, name: &'static str, slices: &[Slice]) {
        self.json[name] = slices_in(slices, self.view);
    }

    fn repaid(&mut self, name: &'static str, repaid: &[Repayment]) {
        self.json[name] = repayments_in(repaid, self.view);
    }

    fn awards(&mut self, name: &'static str, awards: &[Awarded]) {
        let one = |Awarded { award, scheme, points }: &Awarded| json!({ "award": award, "scheme": scheme, "quantity": points });
        self.json[name] = awards.iter().map(one).collect();
    }
}

/// An entry with what has been reversed of it and what is left; a reversal is not
/// reversed itself.
pub fn entry_with_rest(
    rulebook: &Rulebook,
    recorded: &Recorded,
    reversed: &Reversed,
    view: View<'_>,
) -> Result<Value, Problem> {
    let mut json = entry(rulebook, recorded, view)?;
    let event = &recorded.entry.event;
    let Some(Reversible { amount, slices }) = event.reversible() else { return Ok(json) };
    let mut now = json!({ "points": reversed.points });
    let mut left = json!({ "points": event.points()?.minus(reversed.points)? });
    if let Some(amount) = amount {
        now["amount"] = money(rulebook.currency, reversed.amount);
        left["amount"] = money(rulebook.currency, amount.minus(reversed.amount)?);
    }
    if let Some(slices) = slices {
        now["by_funder"] = by_funder(slices, view, |at, _| Ok(reversed.of_slice(at)))?;
        left["by_funder"] = by_funder(slices, view, |at, slice| slice.points.minus(reversed.of_slice(at)))?;
    }
    json["reversed"] = now;
    json["left"] = left;
    Ok(json)
}

fn by_funder(
    slices: &[Slice],
    view: View<'_>,
    points: impl Fn(usize, &Slice) -> Result<Points, OutOfRange>,
) -> Result<Value, OutOfRange> {
    let of = |(at, slice): (usize, &Slice)| Ok(json!({ "funder": slice.cohort.scheme, "points": points(at, slice)? }));
    slices.iter().enumerate().filter(|(_, slice)| view.shows(&slice.cohort.scheme.line())).map(of).collect()
}

fn settlement(rulebook: &Rulebook, entry: &Entry, view: View<'_>) -> Result<Value, RatingError> {
    let rated = entry.owed(rulebook)?;
    let total = Money::sum(rated.iter().map(|slice| slice.amount))?;
    let mut obligations = Vec::new();
    for OwedLeg { cohort, redeemer, points, price, amount, .. } in rated.iter().filter(|_| view.shows_pairs()) {
        let funding = rulebook.funding(&cohort.scheme, cohort.issued);
        for (payer, amount) in funding.shared(*amount)?.into_iter().filter(|(payer, _)| payer != redeemer) {
            obligations.push(json!({
                "payer": payer, "payee": redeemer, "points": points, "price": price,
                "amount": money(rulebook.currency, amount),
            }));
        }
    }
    Ok(json!({ "currency": rulebook.currency, "amount": money(rulebook.currency, total), "obligations": obligations }))
}

pub fn money(currency: Currency, amount: Money) -> Value {
    Value::String(currency.show(amount).to_string())
}

fn slice(Slice { cohort, points }: &Slice) -> Value {
    json!({ "funder": cohort.scheme, "issued": cohort.issued, "expires": cohort.expires, "points": points })
}

fn slices_in(slices: &[Slice], view: View<'_>) -> Value {
    slices.iter().filter(|slice| view.shows(&slice.cohort.scheme.line())).map(slice).collect()
}

fn repayments_in(repaid: &[Repayment], view: View<'_>) -> Value {
    let one =
        |repayment: &Repayment| -> Value { json!({ "creditor": repayment.creditor, "points": repayment.paid.points }) };
    repaid.iter().filter(|repayment| view.shows(repayment.creditor.as_line())).map(one).collect()
}
