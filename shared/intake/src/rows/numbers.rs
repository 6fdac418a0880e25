//! Amounts and points of a row, with a word for what tills send instead of a reversal.

use super::{Column, RowError};
use interline_domain::events::{EntryKind, Form, fields_of};
use interline_domain::units::currency::{AmountError, Currency};
use interline_domain::units::money::{Money, NumberError, Points};

pub fn amount(kind: EntryKind, currency: Currency, text: &str) -> Result<Money, RowError> {
    if negative(text).is_some_and(|text| currency.parse_money(text).is_ok()) {
        let rule = match takes_back(kind) {
            true => "must not be negative: it says how much is taken back",
            false => "must not be negative: a refund is an event of its own: reversal",
        };
        return Err(Column::Amount.error("negative-amount", rule));
    }
    match currency.parse_money(negative(text).unwrap_or(text)) {
        Err(AmountError::Zero) if kind == EntryKind::Accrual => {
            Err(Column::Amount.error("zero-amount", "earns nothing: leave the row out"))
        }
        _ => currency.parse_money(text).map_err(|error| amount_error(Column::Amount, error)),
    }
}

/// A part of an amount.
pub fn part(column: Column, currency: Currency, text: &str) -> Result<Money, RowError> {
    currency.parse_money(text).map_err(|error| amount_error(column, error))
}

pub fn points(kind: EntryKind, text: &str) -> Result<Points, RowError> {
    if negative(text).is_some_and(|text| Points::parse(text).is_ok()) {
        let rule = match takes_back(kind) {
            true => "must not be negative: it says how many points are taken back",
            false => "must not be negative: points are taken back by an event of their own: reversal",
        };
        return Err(Column::Points.error("negative-points", rule));
    }
    Points::parse(text).map_err(points_error)
}

/// Whether what the word says names an earlier event.
fn takes_back(kind: EntryKind) -> bool {
    fields_of(kind).iter().any(|field| field.form == Form::Origin)
}

/// What follows a sign, also a typographer's, or stands in an accountant's brackets.
fn negative(text: &str) -> Option<&str> {
    let bracketed = || text.strip_prefix('(')?.strip_suffix(')');
    text.strip_prefix(['-', '\u{2212}', '－']).or_else(bracketed)
}

fn amount_error(column: Column, error: AmountError) -> RowError {
    let code = match error {
        AmountError::NotADecimal(_) => "not-a-decimal",
        AmountError::TooManyDecimals(_) => "too-many-decimals",
        AmountError::Zero => "zero",
        AmountError::TooLarge(_) => "too-large",
    };
    column.error(code, error.to_string())
}

fn points_error(error: NumberError) -> RowError {
    let code = match error {
        NumberError::NotADecimal => "not-a-decimal",
        NumberError::TooManyDecimals(_) => "too-many-decimals",
        NumberError::NotAnInteger => "not-an-integer",
        NumberError::Zero => "zero",
        NumberError::TooLarge(_) => "too-large",
    };
    Column::Points.error(code, error.to_string())
}
