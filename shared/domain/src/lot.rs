//! Lots and cohorts: points that share their funder, issue period and expiry.

use crate::calendar::Period;
use crate::id::LineId;
use crate::money::Points;
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
            date => NaiveDate::parse_from_str(date, "%Y-%m-%d").ok().map(Expiry::On),
        }
    }
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
/// The order is the order of spending: earliest expiry, then issue, then funder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cohort {
    pub expires: Expiry,
    pub issued: Period,
    pub funder: LineId,
}

impl Cohort {
    /// The order of reports, and of equal remainders: funder, issue, expiry.
    pub fn by_funder(&self) -> (&LineId, Period, Expiry) {
        (&self.funder, self.issued, self.expires)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('|');
        let (funder, issued, expires) = (parts.next()?, parts.next()?, parts.next()?);
        let cohort = Self {
            funder: LineId::parse(funder).ok()?,
            issued: Period::parse(issued).ok()?,
            expires: Expiry::parse(expires)?,
        };
        parts.next().is_none().then_some(cohort)
    }
}

/// `funder|issued|expires`, as the ledger stores it.
impl fmt::Display for Cohort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}|{}", self.funder, self.issued, self.expires)
    }
}

/// The part of one entry that touches one lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    pub cohort: Cohort,
    /// Positive; the entry's kind says in which direction they went.
    pub points: Points,
}
