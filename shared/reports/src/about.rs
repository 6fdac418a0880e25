//! What every report says of the run it belongs to.

use crate::manifest::RunName;
use chrono::{DateTime, Datelike, NaiveDate, Utc, Weekday};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::LineId;

/// The business day of the following month on which net positions are paid.
const PAYMENT_DAY: usize = 10;

#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub rulebook: &'a Rulebook,
    pub period: Period,
    pub run: &'a RunName,
}

impl About<'_> {
    /// The moment that documents bear as their time of creation: the end of the
    /// period. A clock would make each rendering of a run differ.
    pub fn created(&self) -> DateTime<Utc> {
        self.period.end(self.rulebook.zone)
    }

    /// Monday to Friday count as business days; a bank moves an order that falls
    /// on a holiday.
    pub fn payment_day(&self) -> NaiveDate {
        let first = self.period.next().first_day();
        let weekday = |day: &NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        first.iter_days().filter(weekday).nth(PAYMENT_DAY - 1).unwrap_or(first)
    }

    pub fn name_en<'b>(&'b self, line: &'b LineId) -> &'b str {
        self.rulebook.line(line).map_or(line.as_str(), |line| &line.name)
    }

    pub fn name_zh<'b>(&'b self, line: &'b LineId) -> &'b str {
        self.rulebook.line(line).map_or(line.as_str(), |line| &line.name_zh)
    }

    /// Empty where the rulebook names none.
    pub fn bank_account(&self, line: &LineId) -> &str {
        self.rulebook.line(line).map_or("", |line| &line.bank_account)
    }
}
