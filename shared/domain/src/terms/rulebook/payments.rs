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
use crate::units::moment::parse_day;
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

fn is_weekend(day: NaiveDate) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

impl Default for PaymentTerms {
    fn default() -> Self {
        Self { day: DAY, holidays: BTreeSet::new(), workdays: BTreeSet::new() }
    }
}

impl PaymentTerms {
    fn is_business_day(&self, day: NaiveDate) -> bool {
        self.workdays.contains(&day) || (!is_weekend(day) && !self.holidays.contains(&day))
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
        /// On which business day net positions are paid, 1 to 20, counted from the first day of the following month; so
        /// many holidays may lead into the month after.
        day: u32 = optional(DAY),
        /// Days on which banks are closed, besides Saturdays and Sundays.
        holidays: Vec<String> = optional(Vec::new()),
        /// Saturdays and Sundays on which banks are open.
        workdays: Vec<String> = optional(Vec::new()),
    }
}

/// What is compared of a month: the day itself, or by which rule it will be found.
#[derive(PartialEq)]
enum Paid {
    On(NaiveDate),
    By(u32),
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
            check.refuse(place, "day", format!("must be 1 to {PAYMENT_DAY_MAX}"));
        }
        let holidays = days(place, "holidays", &rule.holidays, check);
        let workdays = days(place, "workdays", &rule.workdays, check);
        if let Some(day) = holidays.intersection(&workdays).next() {
            check.refuse(place, "workdays", format!("{day} is a holiday, too"));
        }
        if let Some(day) = workdays.iter().find(|day| !is_weekend(**day)) {
            check.refuse(place, "workdays", format!("{day} is neither a Saturday nor a Sunday"));
        }
        let value = Some(PaymentTerms { day: rule.day, holidays, workdays });
        Some(((), check.months_of_programme(place, rule.from.as_deref(), rule.to.as_deref(), value)?))
    }

    /// By the days of payment, month by month as far as either book names days, and then by
    /// the rule: a holiday that is added concerns the months that it moves.
    fn compare(comparison: &mut Comparison<'_>) {
        let books = comparison.books();
        let spans = books.iter().flat_map(|book| book.sections.payments.spans());
        let named = spans.flat_map(|span| span.value.holidays.iter().chain(&span.value.workdays)).copied();
        // The same in both: it stays for the programme's life.
        let first = books[0].first_period;
        let last = named.map(Period::of_day).max().map_or(first, |last| last.max(first));
        let months = std::iter::successors(Some(first), |month| Some(month.next())).take_while(|month| *month <= last);
        let mut days: BTreeSet<NaiveDate> = months.map(Period::first_day).collect();
        days.insert(last.next().first_day());
        days.extend(books.iter().flat_map(|book| book.sections.payments.edges(&Everywhere)));
        comparison.of_days(
            Payments::NAME,
            days,
            |book, day| {
                let month = Period::of_day(day);
                let by_rule = month > last;
                Some(if by_rule { Paid::By(book.payments(month).day) } else { Paid::On(book.payment_day(month)) })
            },
            |paid| match paid {
                Paid::On(day) => day.to_string(),
                Paid::By(day) => format!("business day {day}"),
            },
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
    let day = |text: &String| {
        let day = parse_day(text);
        if day.is_none() {
            check.refuse(place, field, format!("{text:?} must be a date such as 2026-02-16"));
        }
        day
    };
    texts.iter().filter_map(day).collect()
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
