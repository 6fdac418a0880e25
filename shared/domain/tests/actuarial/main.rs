//! Liability, redemption rates and books: published and hand-worked figures, and
//! what must hold for every history.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper may fail its test")]

mod books;
mod closes;
mod experience;
mod liability;
mod programme;
#[path = "../common/reverse.rs"]
mod reverse;
mod sponsored;
mod urr;

use interline_domain::units::currency::Currency;
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, Points, Rate};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::de::DeserializeOwned;

/// A data file beside the tests.
fn golden<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn number(text: &str) -> Decimal {
    text.replace(',', "").parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// The currency of the worked cases.
fn cny() -> Currency {
    Currency::parse("CNY").unwrap()
}

fn shown(amount: Money) -> String {
    cny().show(amount).to_string()
}

/// An amount in currency units, with a sign if need be.
fn money(text: &str) -> Money {
    let minor = number(text) * Decimal::ONE_HUNDRED;
    assert!(minor.is_integer(), "{text}");
    Money::from_minor(minor.try_into().unwrap())
}

fn points(points: i64) -> Points {
    Points::new(points)
}

fn line(code: &str) -> LineId {
    LineId::parse(code).unwrap()
}

fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

/// Equal to the precision that was printed.
#[track_caller]
fn assert_printed(value: Decimal, printed: &str, what: &str) {
    let printed = number(printed);
    let rounded = value.round_dp_with_strategy(printed.scale(), RoundingStrategy::MidpointAwayFromZero);
    assert_eq!(rounded, printed, "{what}: {value}");
}
