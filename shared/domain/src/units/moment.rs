//! The time of an event as a caller writes it.

use crate::units::calendar::{write_date, write_two_digits};
use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Timelike, Utc};
use std::ops::Range;

/// Why a time was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct MomentError {
    /// A stable word for the rule.
    pub code: &'static str,
    pub rule: &'static str,
}

/// The shape of RFC 3339 up to its seconds; `0` is any digit.
const MOMENT: &[u8] = b"0000-00-00T00:00:00";
/// The years that have periods.
const YEARS: Range<u32> = 1970..2200;

/// Stricter than most readers of RFC 3339: `T` and not a space, no leap
/// second, and no digit that would be dropped.
pub fn parse_occurred_at(text: &str) -> Result<DateTime<FixedOffset>, MomentError> {
    let error = |code, rule| MomentError { code, rule };
    let shape = || error("not-a-time", "must be a time such as 2017-01-31T18:05:09+08:00");
    let no_day = || error("no-such-day", "is a day that the calendar does not have");
    let (moment, rest) = text.split_at_checked(MOMENT.len()).ok_or_else(shape)?;
    if !has_shape(moment, MOMENT) {
        return Err(shape());
    }
    let part = |range: Range<usize>| number(&moment.as_bytes()[range]);
    let (year, second) = (part(0..4), part(17..19));
    if !YEARS.contains(&year) {
        return Err(error("year-out-of-range", "must lie in the years 1970 to 2199"));
    }
    let day = NaiveDate::from_ymd_opt(year.cast_signed(), part(5..7), part(8..10)).ok_or_else(no_day)?;
    if second == 60 {
        return Err(error("leap-second", "is a leap second: write the second before or after it"));
    }
    let (nanosecond, rest) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(fraction) => {
            let (digits, rest) = fraction.split_at(fraction.bytes().take_while(u8::is_ascii_digit).count());
            match digits.len() {
                0 => return Err(shape()),
                1..=9 => (number(format!("{digits:0<9}").as_bytes()), rest),
                _ => return Err(error("too-precise", "must not have more than 9 decimals of a second")),
            }
        }
    };
    let time = NaiveTime::from_hms_nano_opt(part(11..13), part(14..16), second, nanosecond)
        .ok_or_else(|| error("no-such-time", "is a time that no clock shows"))?;
    if rest.is_empty() {
        return Err(error("no-offset", "has no offset: it must end with Z or an offset such as +08:00"));
    }
    let offset = offset(rest).ok_or_else(|| error("bad-offset", "must end with Z or an offset such as +08:00"))?;
    offset.from_local_datetime(&day.and_time(time)).single().ok_or_else(no_day)
}

/// A day such as `2017-01-31`, of the years that have periods.
pub fn parse_day(text: &str) -> Option<NaiveDate> {
    let (shape, _) = MOMENT.split_at("0000-00-00".len());
    let part = |range: Range<usize>| number(&text.as_bytes()[range]);
    let year = (has_shape(text, shape)).then(|| part(0..4)).filter(|year| YEARS.contains(year))?;
    NaiveDate::from_ymd_opt(year.cast_signed(), part(5..7), part(8..10))
}

/// `Z` or `+08:00`; chrono refuses a day or more.
fn offset(text: &str) -> Option<FixedOffset> {
    if matches!(text, "Z" | "z") {
        return FixedOffset::east_opt(0);
    }
    if !has_shape(text, b"+00:00") && !has_shape(text, b"-00:00") {
        return None;
    }
    let bytes = text.as_bytes();
    let (hours, minutes) = (number(&bytes[1..3]), number(&bytes[4..6]));
    if minutes > 59 {
        return None;
    }
    let seconds = (hours * 3600 + minutes * 60).cast_signed();
    FixedOffset::east_opt(if text.starts_with('-') { -seconds } else { seconds })
}

fn has_shape(text: &str, shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'T' => matches!(byte, b'T' | b't'),
            _ => byte == *shape,
        })
}

/// The value of at most nine ASCII digits.
fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

/// `2017-01-01T03:53:26Z`, with a fraction only where there is one.
pub fn rfc3339_utc(moment: DateTime<Utc>) -> String {
    let mut text = String::with_capacity(32);
    write_utc(&mut text, moment);
    text
}

/// As chrono writes it, without its general formatter: a month-end writes every entry.
pub(crate) fn write_utc(text: &mut String, moment: DateTime<Utc>) {
    if moment.nanosecond() != 0 || !(0..10_000).contains(&moment.year()) {
        text.push_str(&moment.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        return;
    }
    write_date(text, moment.date_naive());
    for (separator, number) in [("T", moment.hour()), (":", moment.minute()), (":", moment.second())] {
        text.push_str(separator);
        write_two_digits(text, number);
    }
    text.push('Z');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_moment_is_written_as_chrono_writes_it(
            seconds in prop_oneof![0_i64..7_258_118_400, -100_000_000_000_i64..300_000_000_000],
            nanoseconds in prop_oneof![Just(0), Just(500_000_000), 0_u32..1_000_000_000],
        ) {
            let moment = DateTime::from_timestamp(seconds, nanoseconds).unwrap();
            prop_assert_eq!(rfc3339_utc(moment), moment.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        }
    }
}
