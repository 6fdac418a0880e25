//! Periods: calendar months in the programme's time zone.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A calendar month, from 1970 to 2199.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    first_day: NaiveDate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a month such as 2017-01")]
pub struct NotAPeriod;

impl Period {
    pub fn parse(text: &str) -> Result<Self, NotAPeriod> {
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 7
            && bytes.iter().enumerate().all(|(at, byte)| if at == 4 { *byte == b'-' } else { byte.is_ascii_digit() });
        if !shaped {
            return Err(NotAPeriod);
        }
        let year = text[..4].parse().map_err(|_| NotAPeriod)?;
        let month = text[5..].parse().map_err(|_| NotAPeriod)?;
        match NaiveDate::from_ymd_opt(year, month, 1) {
            Some(first_day) if (1970..2200).contains(&year) => Ok(Self { first_day }),
            _ => Err(NotAPeriod),
        }
    }

    /// The period of a day.
    pub fn of_day(day: NaiveDate) -> Self {
        Self { first_day: day.with_day(1).unwrap_or(day) }
    }

    /// The period in which a moment falls, by the programme's clocks.
    pub fn of(moment: DateTime<Utc>, zone: Tz) -> Self {
        Self::of_day(moment.with_timezone(&zone).date_naive())
    }

    pub fn plus_months(self, months: u32) -> Self {
        Self { first_day: self.first_day.checked_add_months(Months::new(months)).unwrap_or(self.first_day) }
    }

    pub fn minus_months(self, months: u32) -> Self {
        Self { first_day: self.first_day.checked_sub_months(Months::new(months)).unwrap_or(self.first_day) }
    }

    pub fn next(self) -> Self {
        self.plus_months(1)
    }

    pub fn previous(self) -> Self {
        self.minus_months(1)
    }

    /// Whole months from `earlier` to this one; negative when it is later.
    pub fn months_since(self, earlier: Self) -> i32 {
        (self.first_day.year() - earlier.first_day.year()) * 12 + self.first_day.month0() as i32
            - earlier.first_day.month0() as i32
    }

    /// Whether a month is among the last so many up to this one.
    pub fn last_months(self, count: u32) -> impl Fn(Self) -> bool {
        move |of| of <= self && i64::from(self.months_since(of)) < i64::from(count)
    }

    pub fn year(self) -> i32 {
        self.first_day.year()
    }

    pub fn first_day(self) -> NaiveDate {
        self.first_day
    }

    pub fn last_day(self) -> NaiveDate {
        self.next().first_day.checked_sub_days(Days::new(1)).unwrap_or(self.first_day)
    }

    /// The first moment of the period.
    pub fn start(self, zone: Tz) -> DateTime<Utc> {
        // A clock change at midnight skips or repeats it: the first moment that
        // bears the day's date is meant.
        let midnight = self.first_day.and_time(chrono::NaiveTime::MIN);
        (0..96)
            .find_map(|quarters| zone.from_local_datetime(&(midnight + TimeDelta::minutes(15 * quarters))).earliest())
            .map_or_else(|| midnight.and_utc(), |moment| moment.with_timezone(&Utc))
    }

    /// The first moment after the period.
    pub fn end(self, zone: Tz) -> DateTime<Utc> {
        self.next().start(zone)
    }
}

/// As [`NaiveDate`]'s own `Display`, for the years that have periods.
pub(crate) fn write_date(text: &mut String, day: NaiveDate) {
    write_month(text, day);
    text.push('-');
    write_two_digits(text, day.day());
}

fn write_month(text: &mut String, day: NaiveDate) {
    let year = day.year().unsigned_abs();
    write_two_digits(text, year / 100);
    write_two_digits(text, year);
    text.push('-');
    write_two_digits(text, day.month());
}

/// `00` to `99`, one after another.
const TWO_DIGITS: &str = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546\
                          4748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293\
                          949596979899";

/// The last two digits of a number.
pub(crate) fn write_two_digits(text: &mut String, number: u32) {
    let at = (number % 100) as usize * 2;
    text.push_str(&TWO_DIGITS[at..at + 2]);
}

impl Period {
    /// As its `Display`.
    pub(crate) fn write(self, text: &mut String) {
        write_month(text, self.first_day);
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04}-{:02}", self.first_day.year(), self.first_day.month()))
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|error| serde::de::Error::custom(format!("{text:?} {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn a_moment_belongs_to_the_month_of_the_programmes_clock_whatever_its_offset() {
        let zone = chrono_tz::Asia::Shanghai;
        for (moment, period) in [
            ("2017-01-31T23:59:59+08:00", "2017-01"),
            ("2017-02-01T00:00:00+08:00", "2017-02"),
            ("2017-01-31T15:59:59Z", "2017-01"),
            ("2017-01-31T16:00:00Z", "2017-02"),
            ("2017-01-31T20:00:00-05:00", "2017-02"),
        ] {
            assert_eq!(Period::of(at(moment), zone).to_string(), period, "{moment}");
        }
    }

    #[test]
    fn a_month_starts_at_its_first_moment_even_where_midnight_is_skipped() {
        for (period, zone, start) in [
            ("2017-02", chrono_tz::Asia::Shanghai, "2017-02-01T00:00:00+08:00"),
            ("2011-04", chrono_tz::Asia::Amman, "2011-04-01T01:00:00+03:00"),
            ("1986-01", chrono_tz::Asia::Kathmandu, "1986-01-01T00:15:00+05:45"),
        ] {
            assert_eq!(Period::parse(period).unwrap().start(zone), at(start), "{period} {zone}");
        }
    }

    #[test]
    fn the_moment_before_a_month_starts_is_of_another_month_in_every_zone() {
        for zone in chrono_tz::TZ_VARIANTS {
            let mut period = Period::parse("2000-01").unwrap();
            while period < Period::parse("2038-01").unwrap() {
                let start = period.start(zone);
                assert_eq!(Period::of(start, zone), period, "{zone}");
                assert!(Period::of(start - TimeDelta::nanoseconds(1), zone) < period, "{period} {zone}");
                period = period.next();
            }
        }
    }

    #[test]
    fn months_are_counted_and_printed() {
        let period = Period::parse("2017-01").unwrap();
        assert_eq!(period.previous().to_string(), "2016-12");
        assert_eq!(format!("{period:?}"), "2017-01");
        assert_eq!(period.plus_months(13).months_since(period), 13);
        assert_eq!(period.last_day().to_string(), "2017-01-31");
        for text in ["2017-13", "2017-1", "17-01", "2017/01", "2300-01", "１２"] {
            assert_eq!(Period::parse(text), Err(NotAPeriod), "{text}");
        }
    }
}
