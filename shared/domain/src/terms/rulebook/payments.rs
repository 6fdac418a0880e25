//! When net positions are paid.

use super::Rulebook;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::keys::Everywhere;
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::units::calendar::Period;
use crate::units::limits::PAYMENT_DAY_MAX;
use chrono::{Datelike, NaiveDate, Weekday};
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentTerms {
    /// The business day of the following month on which net positions are paid.
    pub day: u32,
    /// Days on which banks are closed, besides Saturdays and Sundays.
    pub holidays: BTreeSet<NaiveDate>,
    /// Saturdays and Sundays on which they are open.
    pub workdays: BTreeSet<NaiveDate>,
}

const DAY: u32 = 10;

impl Default for PaymentTerms {
    fn default() -> Self {
        Self { day: DAY, holidays: BTreeSet::new(), workdays: BTreeSet::new() }
    }
}

impl PaymentTerms {
    pub fn is_business_day(&self, day: NaiveDate) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        self.workdays.contains(&day) || (!weekend && !self.holidays.contains(&day))
    }

    /// Counted from the first day of a month, the n-th business day is always there:
    /// a rule has fewer holidays than days to come.
    fn day_from(&self, first: NaiveDate) -> NaiveDate {
        let nth = usize::try_from(self.day.saturating_sub(1)).unwrap_or_default();
        first.iter_days().filter(|day| self.is_business_day(*day)).nth(nth).unwrap_or(first)
    }
}

tables! {
    PaymentsFile {
        /// First day, the first of a month; without it the programme's first.
        from: Option<String> = optional(None),
        /// Last day, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// On which business day of the following month net positions are paid, 1 to 20.
        day: u32 = optional(DAY),
        /// Days on which banks are closed, besides Saturdays and Sundays.
        holidays: Vec<String> = optional(Vec::new()),
        /// Saturdays and Sundays on which banks are open.
        workdays: Vec<String> = optional(Vec::new()),
    }
}

pub struct Payments;

impl Section for Payments {
    const NAME: &'static str = "payments";
    const ABOUT: &'static str = "When net positions are paid, by the month that was closed.";
    type File = PaymentsFile;
    type Pattern = ();
    type Rule = PaymentTerms;

    fn check(rule: PaymentsFile, place: &Place, check: &mut Check) -> Option<((), Span<PaymentTerms>)> {
        if !(1..=PAYMENT_DAY_MAX).contains(&rule.day) {
            check.refuse(place, "day", format!("must be 1 to {PAYMENT_DAY_MAX}, a business day of any month"));
        }
        let holidays = days(place, "holidays", &rule.holidays, check);
        let workdays = days(place, "workdays", &rule.workdays, check);
        if let Some(day) = holidays.intersection(&workdays).next() {
            check.refuse(place, "workdays", format!("{day} is a holiday, too"));
        }
        let value = Some(PaymentTerms { day: rule.day, holidays, workdays });
        Some(((), check.months_of_programme(place, rule.from.as_deref(), rule.to.as_deref(), value)?))
    }

    fn compare(comparison: &mut Comparison<'_>) {
        comparison.of_programme(
            Payments::NAME,
            |book| &book.sections.payments,
            |book, day| book.payments(Period::of_day(day)),
            words,
        );
    }
}

impl Rulebook {
    /// How what a period is closed with is paid.
    pub fn payments(&self, period: Period) -> PaymentTerms {
        self.sections.payments.on(&Everywhere, period.first_day()).cloned().unwrap_or_default()
    }

    /// The day on which a period's net positions are paid.
    pub fn payment_day(&self, period: Period) -> NaiveDate {
        self.payments(period).day_from(period.next().first_day())
    }
}

fn days(place: &Place, field: &str, texts: &[String], check: &mut Check) -> BTreeSet<NaiveDate> {
    texts.iter().filter_map(|text| check.date(place, field, text)).collect()
}

fn words(terms: &PaymentTerms) -> String {
    let list = |days: &BTreeSet<NaiveDate>| days.iter().map(|day| format!(" {day}")).collect::<String>();
    let mut words = format!("business day {}", terms.day);
    if !terms.holidays.is_empty() {
        words += &format!(", holidays{}", list(&terms.holidays));
    }
    if !terms.workdays.is_empty() {
        words += &format!(", workdays{}", list(&terms.workdays));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holidays_push_the_payment_back_and_workdays_bring_it_forward() {
        let day = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
        let february = day("2021-02-01");
        assert_eq!(PaymentTerms::default().day_from(february), day("2021-02-12"));
        let new_year = PaymentTerms {
            holidays: (11..=17).filter_map(|date| february.with_day(date)).collect(),
            workdays: [day("2021-02-07"), day("2021-02-20")].into(),
            ..PaymentTerms::default()
        };
        assert_eq!(new_year.day_from(february), day("2021-02-18"));
    }
}
