//! On which of the last eight weeks' days a line sold something, and what is missing by that.

use crate::close::tally::SaleDays;
use crate::units::calendar::Period;
use crate::units::id::LineId;
use chrono::{Datelike, Days, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

const WEEK: u32 = 7;
const WEEKS: u32 = 8;
const DAYS: u32 = WEEK * WEEKS;

/// A bit for each of the last 56 days with a sale, the period's last day being the lowest. Written as hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EightWeeks(u64);

impl Serialize for EightWeeks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:x}", self.0))
    }
}

impl<'de> Deserialize<'de> for EightWeeks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let days = u64::from_str_radix(&text, 16).ok().filter(|days| days >> DAYS == 0);
        days.map(Self).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no eight weeks of days")))
    }
}

/// The days of a period and of the eight weeks before, with those on which lines sold something.
pub struct DaysSold {
    period: Period,
    /// The period's last day is the lowest bit.
    lines: BTreeMap<LineId, u128>,
}

impl DaysSold {
    /// `before`: of the eight weeks that end with the last day of the period before. Sales that came late count on
    /// their own days.
    pub fn of(period: Period, before: &BTreeMap<LineId, EightWeeks>, sales: &SaleDays) -> Self {
        let length = period.last_day().day();
        let mut lines: BTreeMap<LineId, u128> =
            before.iter().map(|(line, days)| (line.clone(), u128::from(days.0) << length)).collect();
        for ((line, month), counts) in sales {
            let days = lines.entry(line.clone()).or_default();
            for (day, _) in month.first_day().iter_days().zip(counts).filter(|(_, count)| **count > 0) {
                let ago = period.last_day().signed_duration_since(day).num_days();
                *days |= u32::try_from(ago).ok().and_then(|ago| 1_u128.checked_shl(ago)).unwrap_or_default();
            }
        }
        Self { period, lines }
    }

    /// What the next period needs of it.
    pub fn carried(&self) -> BTreeMap<LineId, EightWeeks> {
        let last = |days: u128| u64::try_from(days & ((1 << DAYS) - 1)).unwrap_or_default();
        let lines = self.lines.iter().map(|(line, days)| (line.clone(), EightWeeks(last(*days))));
        lines.filter(|(_, days)| *days != EightWeeks::default()).collect()
    }

    /// The last day of the period on which any line sold something.
    pub fn last_sale(&self) -> Option<NaiveDate> {
        let length = self.period.last_day().day();
        let ago = self.lines.values().map(|days| days.trailing_zeros()).min().filter(|ago| *ago < length)?;
        self.period.last_day().checked_sub_days(Days::new(u64::from(ago)))
    }

    /// Days of the period, by line, without a sale where each of the eight same weekdays before had one.
    pub fn missing(&self) -> BTreeMap<&LineId, Vec<NaiveDate>> {
        let length = self.period.last_day().day();
        let mut lines = BTreeMap::new();
        for (line, days) in &self.lines {
            let sold = |ago: u32| days >> ago & 1 == 1;
            let is_missing = |ago: u32| !sold(ago) && (1..=WEEKS).all(|weeks| sold(ago + weeks * WEEK));
            let missing: Vec<NaiveDate> = self
                .period
                .first_day()
                .iter_days()
                .zip((0..length).rev())
                .filter(|(_, ago)| is_missing(*ago))
                .map(|(day, _)| day)
                .collect();
            if !missing.is_empty() {
                lines.insert(line, missing);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> Period {
        Period::parse(text).unwrap()
    }

    /// Sales of a line on every day of a month but some.
    fn sales(period: &str, but: &[usize]) -> SaleDays {
        let mut counts = [0; 31];
        let length = usize::try_from(month(period).last_day().day()).unwrap();
        (1..=length).filter(|day| !but.contains(day)).for_each(|day| counts[day - 1] = 2);
        SaleDays::from([((LineId::parse("ml").unwrap(), month(period)), counts)])
    }

    fn days(sold: &DaysSold) -> Vec<String> {
        sold.missing().into_values().flatten().map(|day| day.to_string()).collect()
    }

    #[test]
    fn a_day_is_missed_where_eight_same_weekdays_before_had_sales() {
        let mut carried = BTreeMap::new();
        // 2025-03-10 is the ninth Monday after one that had none, and has one without before itself.
        for (period, but, missing) in [
            ("2025-01", &[6][..], &[][..]),
            ("2025-02", &[28], &["2025-02-28"]),
            ("2025-03", &[3, 4, 10, 31], &["2025-03-04"]),
            ("2025-04", &[1, 2], &["2025-04-02"]),
        ] {
            let sold = DaysSold::of(month(period), &carried, &sales(period, but));
            assert_eq!(days(&sold), missing, "{period}");
            let text = serde_json::to_string(&sold.carried()).unwrap();
            carried = serde_json::from_str(&text).unwrap();
            assert_eq!(carried, sold.carried(), "{text}");
        }
    }

    #[test]
    fn sales_that_come_late_count_on_their_own_days_and_old_days_are_forgotten() {
        let mut late = sales("2025-02", &[]);
        late.extend(sales("2025-01", &[]));
        late.extend(sales("2024-01", &[]));
        let sold = DaysSold::of(month("2025-02"), &BTreeMap::new(), &late);
        assert_eq!(serde_json::to_string(&sold.carried()).unwrap(), r#"{"ml":"ffffffffffffff"}"#);
        assert_eq!(sold.last_sale(), Some(month("2025-02").last_day()));
        let march = DaysSold::of(month("2025-03"), &sold.carried(), &SaleDays::new());
        assert_eq!((march.last_sale(), march.carried().len()), (None, 1));
        let april = DaysSold::of(month("2025-04"), &march.carried(), &SaleDays::new());
        assert_eq!((april.last_sale(), april.carried().len()), (None, 0));
        assert!(serde_json::from_str::<EightWeeks>("\"100000000000000\"").is_err());
        assert!(serde_json::from_str::<EightWeeks>("\"x\"").is_err());
    }
}
