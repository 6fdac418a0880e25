//! What every report says of the run it belongs to.

use crate::manifest::RunName;
use chrono::{DateTime, NaiveDate, Utc};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::LineId;

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

    /// The day on which net positions are paid.
    pub fn payment_day(&self) -> NaiveDate {
        self.rulebook.payment_day(self.period)
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
