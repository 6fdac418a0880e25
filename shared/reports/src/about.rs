//! What every report says of the run it belongs to.

use crate::manifest::RunName;
use chrono::{DateTime, Utc};
use interline_domain::close::netting::Payment;
use interline_domain::close::orders::{Order, orders};
use interline_domain::terms::rulebook::{Line, PaymentDays, Rulebook};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::LineId;

#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub rulebook: &'a Rulebook,
    pub period: Period,
    pub run: &'a RunName,
}

impl<'a> About<'a> {
    /// The moment that documents bear as their time of creation: the end of the
    /// period. A clock would make each rendering of a run differ.
    pub fn created(&self) -> DateTime<Utc> {
        self.period.end(self.rulebook.zone)
    }

    /// The days on which net positions are paid.
    pub fn payment_days(&self) -> PaymentDays {
        self.rulebook.payment_days(self.period)
    }

    /// All payments of the period, with what tells a bank of them.
    pub fn orders(&self, payments: &'a [Payment]) -> Vec<Order<'a>> {
        orders(self.rulebook, self.period, payments)
    }

    /// What payees are told.
    pub fn purpose(&self) -> String {
        self.rulebook.payments(self.period).purpose(self.rulebook.currency, self.period)
    }

    pub fn name_en<'b>(&'b self, line: &'b LineId) -> &'b str {
        self.rulebook.line(line).map_or(line.as_str(), |line| &line.name)
    }

    pub fn name_zh<'b>(&'b self, line: &'b LineId) -> &'b str {
        self.rulebook.line(line).map_or(line.as_str(), |line| &line.name_zh)
    }

    /// What of a line's terms a bank is told; empty where the rulebook does not say it.
    pub fn of_line(&self, line: &LineId, field: impl FnOnce(&'a Line) -> &'a str) -> &'a str {
        self.rulebook.line(line).map_or("", field)
    }

    /// Empty where the rulebook names none.
    pub fn bank_account(&self, line: &LineId) -> &'a str {
        self.of_line(line, |line| &line.bank_account)
    }

    /// The account's holder; empty where the rulebook names none.
    pub fn holder(&self, line: &LineId) -> String {
        self.rulebook.line(line).and_then(|line| line.holder(self.rulebook.currency)).unwrap_or_default()
    }
}
