//! When net positions are paid.

use super::Rulebook;
use super::bank::CNY;
use super::changes::Comparison;
use super::check::{Check, Place};
use super::keys::Everywhere;
use super::read::tables;
use super::section::Section;
use super::table::Span;
use crate::units::bank::latin;
use crate::units::calendar::Period;
use crate::units::currency::Currency;
use crate::units::limits::{OUT_AFTER_MAX, PAYMENT_DAY_MAX, PURPOSE_MAX};
use crate::units::moment::parse_day;
use crate::units::money::Money;
use chrono::{Datelike, NaiveDate, Weekday};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentTerms {
    /// The business day of the following month on which net positions are paid.
    pub day: u32,
    /// Business days from then to what the hub pays.
    pub out_after: u32,
    /// What is smaller is carried to the next month.
    pub minimum: Money,
    pub files: PaymentFiles,
    /// With `{period}`; empty: the currency's own words.
    purpose: String,
    /// Days on which banks are closed, besides Saturdays and Sundays.
    pub holidays: BTreeSet<NaiveDate>,
    /// Saturdays and Sundays on which they are open.
    pub workdays: BTreeSet<NaiveDate>,
}

/// How many files of orders there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaymentFiles {
    /// One of each entity that pays, which alone may order its bank.
    Entity,
    /// One, for a finance company that has everybody's mandate.
    One,
}

/// By which days payments are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Calendar {
    Business,
}

/// The days on which what a month is closed with is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentDays {
    /// To the hub, and from line to line.
    pub incoming: NaiveDate,
    /// By the hub.
    pub outgoing: NaiveDate,
}

const DAY: u32 = 10;
const OUT_AFTER: u32 = 1;
const PERIOD: &str = "{period}";

fn is_weekend(day: NaiveDate) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

impl Default for PaymentTerms {
    fn default() -> Self {
        Self {
            day: DAY,
            out_after: OUT_AFTER,
            minimum: Money::ZERO,
            files: PaymentFiles::Entity,
            purpose: String::new(),
            holidays: BTreeSet::new(),
            workdays: BTreeSet::new(),
        }
    }
}

impl PaymentTerms {
    fn is_business_day(&self, day: NaiveDate) -> bool {
        self.workdays.contains(&day) || (!is_weekend(day) && !self.holidays.contains(&day))
    }

    /// The n-th business day from a day on, counted from zero. It is always there: a rule has
    /// fewer holidays than days to come.
    fn business_day(&self, first: NaiveDate, nth: u32) -> NaiveDate {
        let nth = usize::try_from(nth).unwrap_or_default();
        first.iter_days().filter(|day| self.is_business_day(*day)).nth(nth).unwrap_or(first)
    }

    /// Of what is closed with a period, not before a day.
    fn days(&self, period: Period, not_before: NaiveDate) -> PaymentDays {
        let by_rule = self.business_day(period.next().first_day(), self.day.saturating_sub(1));
        let incoming = by_rule.max(self.business_day(not_before, 0));
        PaymentDays { incoming, outgoing: self.business_day(incoming, self.out_after) }
    }

    /// Whether a year has any entry in the lists; they are made year by year.
    pub fn lists(&self, year: i32) -> bool {
        self.holidays.iter().chain(&self.workdays).any(|day| day.year() == year)
    }
}

tables! {
    PaymentsFile {
        /// First day, the first of a month; without it the programme's first.
        from: Option<String> = optional(None),
        /// Last day, the last of a month; without it until further notice.
        to: Option<String> = optional(None),
        /// On which business day net positions are paid, 1 to 20, counted from the first day of the following month; so
        /// many holidays may lead into the month after. Never before the month may be sealed.
        day: u32 = optional(DAY),
        /// How many business days later the hub pays what it was paid, 0 to 20.
        out_after: u32 = optional(OUT_AFTER),
        /// Which days are counted: `business`, Monday to Friday without the holidays, and the workdays.
        calendar: Calendar = optional(Calendar::Business),
        /// A smaller payment is not made but carried to the next month, an amount; everything is paid with December
        /// and once a line has left.
        minimum: String = optional("0".to_owned()),
        /// Payment orders in one file of each `entity` that pays, or in `one`, sent by the platform.
        files: PaymentFiles = optional(PaymentFiles::Entity),
        /// What the payee is told; `{period}` stands for the month. Without it `积分清算 {period}` in CNY and
        /// `Points settlement {period}` in other currencies.
        purpose: String = optional(String::new()),
        /// Days on which banks are closed, besides Saturdays and Sundays.
        holidays: Vec<String> = optional(Vec::new()),
        /// Saturdays and Sundays on which banks are open.
        workdays: Vec<String> = optional(Vec::new()),
    }
}

/// What is compared of a month: the days themselves, or by which rule they will be found.
#[derive(PartialEq)]
enum Paid {
    On(PaymentDays),
    By { day: u32, out_after: u32 },
}

impl Paid {
    fn words(&self) -> String {
        match self {
            Paid::On(PaymentDays { incoming, outgoing }) => format!("{incoming}, by the hub {outgoing}"),
            Paid::By { day, out_after } => format!("business day {day}, by the hub {out_after} later"),
        }
    }
}

/// How a term is told.
type Words = fn(&PaymentTerms, Currency) -> String;

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
        if rule.out_after > OUT_AFTER_MAX {
            check.refuse(place, "out_after", format!("must be at most {OUT_AFTER_MAX}"));
        }
        let minimum = check.amount_or_zero(place, "minimum", &rule.minimum);
        purpose(place, &rule.purpose, check);
        if let Some(day) = holidays.intersection(&workdays).next() {
            check.refuse(place, "workdays", format!("{day} is a holiday, too"));
        }
        if let Some(day) = workdays.iter().find(|day| !is_weekend(**day)) {
            check.refuse(place, "workdays", format!("{day} is neither a Saturday nor a Sunday"));
        }
        // There is but one, and it is what the days are counted by.
        let Calendar::Business = rule.calendar;
        let value = minimum.map(|minimum| PaymentTerms {
            day: rule.day,
            out_after: rule.out_after,
            minimum,
            files: rule.files,
            purpose: rule.purpose,
            holidays,
            workdays,
        });
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
                let terms = book.payments(month);
                // When a month may be sealed is a term without dates, and not compared here.
                let on = || Paid::On(terms.days(month, month.next().first_day()));
                let by = Paid::By { day: terms.day, out_after: terms.out_after };
                Some(if month > last { by } else { on() })
            },
            Paid::words,
        );
        let currency = comparison.currency();
        for (rule, words) in [
            ("payments: minimum", (|terms, currency| currency.show(terms.minimum).to_string()) as Words),
            ("payments: files", |terms, _| format!("{:?}", terms.files).to_lowercase()),
            ("payments: purpose", |terms, currency| terms.template(currency).to_owned()),
        ] {
            comparison.of_programme(
                rule,
                |book| &book.sections.payments,
                |book, day| words(&book.payments(Period::of_day(day)), currency),
                String::clone,
            );
        }
    }
}

impl PaymentTerms {
    fn template(&self, currency: Currency) -> &str {
        match (self.purpose.as_str(), currency.code()) {
            ("", CNY) => "积分清算 {period}",
            ("", _) => "Points settlement {period}",
            (purpose, _) => purpose,
        }
    }

    /// What the payee of a month's payment is told.
    pub fn purpose(&self, currency: Currency, period: Period) -> String {
        self.template(currency).replace(PERIOD, &period.to_string())
    }
}

impl Rulebook {
    /// How what a period is closed with is paid.
    pub fn payments(&self, period: Period) -> PaymentTerms {
        self.own_payments(period).cloned().unwrap_or_default()
    }

    /// The same, where the rulebook says so itself.
    pub fn own_payments(&self, period: Period) -> Option<&PaymentTerms> {
        self.sections.payments.on(&Everywhere, period.first_day())
    }

    /// When what a period is closed with is paid: never before it may be sealed.
    pub fn payment_days(&self, period: Period) -> PaymentDays {
        self.payments(period).days(period, self.day(self.seal_not_before(period)))
    }
}

/// What a file can carry once the month stands in it.
fn purpose(place: &Place, text: &str, check: &mut Check) {
    let filled = text.replace(PERIOD, "2000-01");
    check.printable(place, "purpose", &filled, PURPOSE_MAX);
    if filled.contains(['{', '}']) {
        check.refuse(place, "purpose", "has another placeholder than {period}");
    }
    let foreign = check.currency().is_some_and(|currency| currency.code() != CNY);
    if foreign && !text.is_empty() && latin(&filled).is_none() {
        check.refuse(place, "purpose", "must be in letters that EPC217-08 writes as Latin ones");
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

    fn day(text: &str) -> NaiveDate {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap()
    }

    fn days(terms: &PaymentTerms, period: &str, not_before: &str) -> [NaiveDate; 2] {
        let PaymentDays { incoming, outgoing } = terms.days(Period::parse(period).unwrap(), day(not_before));
        [incoming, outgoing]
    }

    #[test]
    fn holidays_push_the_payment_back_and_workdays_bring_it_forward() {
        let none = PaymentTerms::default();
        assert_eq!(days(&none, "2021-01", "2021-02-01"), [day("2021-02-12"), day("2021-02-15")]);
        assert_eq!(days(&none, "2017-02", "2017-03-01"), [day("2017-03-14"), day("2017-03-15")]);
        let new_year = PaymentTerms {
            holidays: (11..=17).filter_map(|date| day("2021-02-01").with_day(date)).collect(),
            workdays: [day("2021-02-07"), day("2021-02-20")].into(),
            ..PaymentTerms::default()
        };
        assert_eq!(days(&new_year, "2021-01", "2021-02-01"), [day("2021-02-18"), day("2021-02-19")]);
        // The Saturday that is worked comes before Monday.
        let later = PaymentTerms { out_after: 2, ..new_year };
        assert_eq!(days(&later, "2021-01", "2021-02-01"), [day("2021-02-18"), day("2021-02-20")]);
    }

    #[test]
    fn nothing_is_paid_before_the_month_may_be_sealed() {
        let terms = PaymentTerms { out_after: 0, ..PaymentTerms::default() };
        assert_eq!(days(&terms, "2026-01", "2026-03-04"), [day("2026-03-04"); 2]);
        // A Saturday.
        assert_eq!(days(&terms, "2026-01", "2026-03-07"), [day("2026-03-09"); 2]);
    }

    #[test]
    fn the_purpose_names_the_month() {
        let period = Period::parse("2017-02").unwrap();
        let purpose = |terms: &PaymentTerms, code: &str| terms.purpose(Currency::parse(code).unwrap(), period);
        assert_eq!(purpose(&PaymentTerms::default(), "CNY"), "积分清算 2017-02");
        assert_eq!(purpose(&PaymentTerms::default(), "EUR"), "Points settlement 2017-02");
        let own = PaymentTerms { purpose: "Points {period}/{period}".to_owned(), ..PaymentTerms::default() };
        assert_eq!(purpose(&own, "EUR"), "Points 2017-02/2017-02");
    }
}
