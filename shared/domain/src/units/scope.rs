//! Within what a reference names one event.

use crate::units::calendar::Period;
use chrono::NaiveDate;
use std::fmt;

/// Within what a reference names one event of its line and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// For ever.
    Line,
    /// The line's tills number anew with every month.
    Month(Period),
    /// Or with every day.
    Day(NaiveDate),
}

impl Scope {
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(month) = Period::parse(text) {
            return Some(Scope::Month(month));
        }
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| day.to_string() == text).map(Scope::Day)
    }
}

/// What follows a reference in keys and reports: nothing, `@2025-11` or `@2025-11-03`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Line => Ok(()),
            Scope::Month(month) => write!(f, "@{month}"),
            Scope::Day(day) => write!(f, "@{day}"),
        }
    }
}
