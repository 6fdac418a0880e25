//! Why the estimate moved since the close before, funder by funder.

use crate::actuarial::experience::{Indicators, Life};
use crate::claims::lot::Cohort;
use crate::close::settlement::{Inputs, RateBasis, RedemptionRateRow, State, UrrState};
use crate::close::why::{EstimateChange, Moved, Overridden, ReEstimateReason};
use crate::units::calendar::Period;
use crate::units::id::SchemeId;
use crate::units::micro::times;
use crate::units::money::{OutOfRange, Rate};
use std::collections::{BTreeMap, BTreeSet};

/// A factor moves an estimate from a hundredth on.
const TELLING: i128 = 100;

/// The rates that a person set, of cohorts that are still open.
pub(super) fn overridden(inputs: &Inputs<'_>, rows: &[RedemptionRateRow]) -> Vec<Overridden> {
    let set = rows.iter().filter(|row| matches!(row.basis, RateBasis::Manual { .. }));
    let rate = |row: &RedemptionRateRow| {
        let manual = inputs.rulebook.urr_override(&row.cohort.scheme, row.cohort.issued, inputs.period)?;
        Some(Overridden { cohort: row.cohort.clone(), rate: manual.rate() })
    };
    set.filter_map(rate).collect()
}

pub(super) fn why(
    inputs: &Inputs<'_>,
    previous: Option<&State>,
    urr: &UrrState,
    rows: &[RedemptionRateRow],
) -> Result<Vec<EstimateChange>, OutOfRange> {
    let programme = programme(previous.and_then(|state| state.urr.indicators), urr.indicators)?;
    let mut changed = changed_by_person(previous, urr, rows);
    let schemes: BTreeSet<&SchemeId> = rows.iter().map(|row| &row.cohort.scheme).collect();
    let change = |scheme: &SchemeId| EstimateChange {
        funder: scheme.line(),
        reason: changed.remove(scheme).unwrap_or_else(|| programme.clone()),
        new_points: new_points(inputs.period, scheme, urr, rows),
    };
    Ok(schemes.into_iter().map(change).collect())
}

fn moved(before: i128, after: i128) -> Result<Moved, OutOfRange> {
    Ok(Moved { before: Rate::from_scaled(before)?, after: Rate::from_scaled(after)? })
}

/// Whether a factor is another by a hundredth or more.
fn tells(before: i128, after: i128) -> Result<bool, OutOfRange> {
    Ok(before != after && times((after - before).abs(), TELLING)? >= before)
}

fn programme(before: Option<Indicators>, now: Option<Indicators>) -> Result<ReEstimateReason, OutOfRange> {
    let Some(now) = now else { return Ok(ReEstimateReason::Terms) };
    let z = before.map_or(0, |before| before.z);
    if z != now.z {
        return Ok(ReEstimateReason::Credibility(moved(z, now.z)?));
    }
    let Some(before) = before else { return Ok(ReEstimateReason::Ages) };
    Ok(if now.is_ignored {
        ReEstimateReason::IgnoredMonth
    } else if tells(before.level, now.level)? {
        ReEstimateReason::Level(moved(before.level, now.level)?)
    } else if tells(Rate::SCALE + before.margin, Rate::SCALE + now.margin)? {
        ReEstimateReason::Margin(moved(before.margin, now.margin)?)
    } else {
        ReEstimateReason::Ages
    })
}

/// By scheme, where the rate that a person set is another than at the close before. What has expired since has no rate
/// to be set any more.
fn changed_by_person(
    previous: Option<&State>,
    urr: &UrrState,
    rows: &[RedemptionRateRow],
) -> BTreeMap<SchemeId, ReEstimateReason> {
    let Some(previous) = previous else { return BTreeMap::new() };
    let rates = |list: &[Overridden]| -> BTreeMap<Cohort, Rate> {
        list.iter().map(|set| (set.cohort.clone(), set.rate)).collect()
    };
    let (before, now) = (rates(&previous.urr.overridden), rates(&urr.overridden));
    let known: BTreeSet<&Cohort> = previous.liability.iter().map(|state| &state.cohort).collect();
    let mut changed = BTreeMap::new();
    for row in rows.iter().filter(|row| known.contains(&row.cohort)) {
        let is_over = matches!(row.basis, RateBasis::Expired | RateBasis::Remote);
        if !is_over && before.get(&row.cohort) != now.get(&row.cohort) {
            let reason = ReEstimateReason::Override { reason: row.basis.reason().to_owned() };
            changed.entry(row.cohort.scheme.clone()).or_insert(reason);
        }
    }
    changed
}

fn new_points(period: Period, scheme: &SchemeId, urr: &UrrState, rows: &[RedemptionRateRow]) -> Option<Moved> {
    let issued = rows.iter().filter(|row| row.cohort.scheme == *scheme && row.cohort.issued == period);
    let life = issued.max_by_key(|row| row.issued).map(|row| Life::of(&row.cohort));
    let of = |month: Period| {
        let mut rates = urr.rates.in_month(month).filter(|(of, ..)| *of == scheme);
        rates.find(|(_, of, _)| life.is_none_or(|life| *of == life)).map(|(_, _, rate)| rate)
    };
    Some(Moved { before: of(period)?, after: of(period.next())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i128 = Rate::SCALE;

    fn shows(level: i128, margin: i128, z: i128) -> Indicators {
        Indicators { level: level * S / 1_000, phi: S, margin: margin * S / 1_000, z: z * S / 1_000, is_ignored: false }
    }

    fn between(before: Indicators, now: Indicators) -> ReEstimateReason {
        programme(Some(before), Some(now)).unwrap()
    }

    fn rates(before: &str, after: &str) -> Moved {
        Moved { before: Rate::parse(before).unwrap(), after: Rate::parse(after).unwrap() }
    }

    #[test]
    fn the_first_reason_that_holds_is_told() {
        let before = shows(1_000, 20, 500);
        let all = Indicators { is_ignored: true, ..shows(900, 50, 667) };
        assert_eq!(between(before, all), ReEstimateReason::Credibility(rates("0.5", "0.667")));
        let ignored = Indicators { is_ignored: true, ..shows(900, 50, 500) };
        assert_eq!(between(before, ignored), ReEstimateReason::IgnoredMonth);
        assert_eq!(between(before, shows(900, 50, 500)), ReEstimateReason::Level(rates("1", "0.9")));
        assert_eq!(between(before, shows(1_000, 50, 500)), ReEstimateReason::Margin(rates("0.02", "0.05")));
        assert_eq!(between(before, shows(1_000, 20, 500)), ReEstimateReason::Ages);
    }

    #[test]
    fn less_than_a_hundredth_of_a_factor_is_no_reason() {
        let before = shows(1_000, 0, 1_000);
        assert_eq!(between(before, shows(1_009, 9, 1_000)), ReEstimateReason::Ages);
        assert_eq!(between(before, shows(1_010, 0, 1_000)), ReEstimateReason::Level(rates("1", "1.01")));
        assert_eq!(between(before, shows(1_009, 10, 1_000)), ReEstimateReason::Margin(rates("0", "0.01")));
    }

    #[test]
    fn rates_that_are_not_of_experience_are_the_rulebooks() {
        assert_eq!(programme(None, None), Ok(ReEstimateReason::Terms));
        assert_eq!(programme(Some(shows(1_000, 0, 1_000)), None), Ok(ReEstimateReason::Terms));
        let first = programme(None, Some(shows(1_000, 0, 167)));
        assert_eq!(first, Ok(ReEstimateReason::Credibility(rates("0", "0.167"))));
    }

    #[test]
    fn every_reason_is_read_as_it_was_written() {
        let (moved, reason) = (rates("0.5", "1"), "agreed".to_owned());
        for reason in [
            ReEstimateReason::Override { reason },
            ReEstimateReason::Credibility(moved),
            ReEstimateReason::IgnoredMonth,
            ReEstimateReason::Level(moved),
            ReEstimateReason::Margin(moved),
            ReEstimateReason::Ages,
            ReEstimateReason::Terms,
        ] {
            let text = serde_json::to_string(&reason).unwrap();
            assert_eq!(serde_json::from_str::<ReEstimateReason>(&text).unwrap(), reason, "{text}");
        }
    }
}
