//! Lots and cohorts: claims that share their scheme, issue period and expiry.

use crate::units::calendar::{Period, write_date};
use crate::units::id::{LineId, SchemeId};
use crate::units::money::Points;
use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The last day on which points can be spent. `Never` sorts last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expiry {
    On(NaiveDate),
    Never,
}

impl Expiry {
    /// Whether points can no longer be spent on a day.
    pub fn is_before(self, day: NaiveDate) -> bool {
        match self {
            Expiry::On(last) => last < day,
            Expiry::Never => false,
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "never" => Some(Expiry::Never),
            date => parse_date(date).map(Expiry::On),
        }
    }
}

/// As [`NaiveDate`]'s own reader, which is left what is not of the usual shape: it
/// is general, and every slice of a month has a date.
fn parse_date(text: &str) -> Option<NaiveDate> {
    let usual = || {
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else { return None };
        let number = |digits: &[u8]| {
            let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
            digits.iter().try_fold(0, |number, byte| Some(number * 10 + digit(*byte)?))
        };
        let year = i32::try_from(number(&[y1, y2, y3, y4])?).ok()?;
        NaiveDate::from_ymd_opt(year, number(&[m1, m2])?, number(&[d1, d2])?)
    };
    usual().or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expiry::On(day) => day.fmt(f),
            Expiry::Never => f.pad("never"),
        }
    }
}

impl Serialize for Expiry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a date or `never`")))
    }
}

/// What names a lot on one member's account, and a cohort over all members.
/// The order is the order of spending: earliest expiry, then issue, then scheme.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cohort {
    pub expires: Expiry,
    pub issued: Period,
    pub scheme: SchemeId,
}

impl Cohort {
    /// The order of reports, and of equal remainders: scheme, issue, expiry.
    pub fn by_scheme(&self) -> (&SchemeId, Period, Expiry) {
        (&self.scheme, self.issued, self.expires)
    }

    /// As its `Display`.
    pub(crate) fn write(&self, text: &mut String) {
        text.push_str(self.scheme.as_str());
        text.push('|');
        self.issued.write(text);
        text.push('|');
        match self.expires {
            Expiry::On(day) => write_date(text, day),
            Expiry::Never => text.push_str("never"),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('|');
        let (scheme, issued, expires) = (parts.next()?, parts.next()?, parts.next()?);
        let cohort = Self {
            scheme: SchemeId::parse(scheme).ok()?,
            issued: Period::parse(issued).ok()?,
            expires: Expiry::parse(expires)?,
        };
        parts.next().is_none().then_some(cohort)
    }
}

/// `scheme|issued|expires`, as the ledger stores it.
impl fmt::Display for Cohort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}|{}", self.scheme, self.issued, self.expires)
    }
}

/// A cohort in the part that one line bears of its cost, which has books of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Borne {
    pub cohort: Cohort,
    pub payer: LineId,
}

impl Borne {
    /// As it is stored: a line's own points name no payer.
    pub fn of(cohort: Cohort, payer: Option<LineId>) -> Self {
        Self { payer: payer.unwrap_or_else(|| cohort.scheme.line()), cohort }
    }

    /// The payer, where these are not its own points.
    pub fn other(&self) -> Option<LineId> {
        Some(self.payer.clone()).filter(|payer| self.cohort.scheme != *payer)
    }
}

/// The part of one entry that touches one lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    pub cohort: Cohort,
    /// Positive; the entry's kind says in which direction they went.
    pub points: Points,
}

impl Slice {
    /// `scheme|issued|expires:points`
    pub(crate) fn write(&self, text: &mut String) {
        self.cohort.write(text);
        text.push(':');
        text.push_str(itoa::Buffer::new().format(self.points.get()));
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (cohort, points) = text.rsplit_once(':')?;
        Some(Self { cohort: Cohort::parse(cohort)?, points: Points::new(points.parse().ok()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_date_is_read_as_chrono_reads_it(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9 +-]{0,12}") {
            prop_assert_eq!(parse_date(&text), NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok());
        }

        #[test]
        fn a_cohort_is_written_as_it_displays_and_read_again(days in 0_i32..84_000, expires in 0_i32..84_000) {
            // 1970 to 2199.
            let day = |days: i32| NaiveDate::from_epoch_days(days).unwrap();
            let expiry = if expires % 10 == 0 { Expiry::Never } else { Expiry::On(day(expires)) };
            let scheme = SchemeId::parse("dining").unwrap();
            let cohort = Cohort { expires: expiry, issued: Period::of_day(day(days)), scheme };
            let mut text = String::new();
            cohort.write(&mut text);
            prop_assert_eq!(&text, &cohort.to_string());
            prop_assert_eq!(Cohort::parse(&text), Some(cohort));
        }
    }
}
