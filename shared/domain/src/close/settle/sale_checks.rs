//! Whether the lines have reported all of their sales, and as they should.

use super::found::Checks;
use crate::close::checks::{CheckId, Severity};
use crate::close::days::DaysSold;
use crate::close::settlement::{Inputs, State};
use crate::close::tally::GrossSales;
use crate::terms::rulebook::NetOfPoints;
use crate::units::id::LineId;
use chrono::NaiveDate;

/// Those of the month, with the weeks before.
pub(super) fn days_sold(inputs: &Inputs<'_>, previous: Option<&State>) -> DaysSold {
    let none = Default::default();
    let before = previous.map_or(&none, |state| &state.sale_days);
    DaysSold::of(inputs.period, before, &inputs.tally.sale_days)
}

/// What is looked at of a month's sales.
pub(super) fn sales(checks: &mut Checks, inputs: &Inputs<'_>) {
    days(checks, inputs, &days_sold(inputs, inputs.previous.as_ref().map(|previous| previous.state)));
    let severity = match inputs.rulebook.control(inputs.period).net_of_points {
        NetOfPoints::Warned => Severity::Warning,
        NetOfPoints::Required => Severity::Failure,
    };
    let gross = inputs.tally.gross_sales.iter().map(|(line, GrossSales { count, named })| {
        let names: Vec<&str> = named.iter().map(String::as_str).collect();
        let more = if usize::try_from(*count).is_ok_and(|count| count == names.len()) { "" } else { ", ..." };
        format!("{line} {count}: {}{more}", names.join(", "))
    });
    checks.none_or(severity, CheckId::NetOfPoints, gross.collect());
}

/// Days of a line that takes part, which are over.
fn days(checks: &mut Checks, inputs: &Inputs<'_>, sold: &DaysSold) {
    let until = if inputs.sealed.is_some() { Some(inputs.period.last_day()) } else { sold.last_sale() };
    let takes_part =
        |line: &LineId, day: NaiveDate| inputs.rulebook.line(line).is_some_and(|line| line.takes_part(day));
    let mut found = Vec::new();
    for (line, mut days) in sold.missing() {
        days.retain(|day| until.is_some_and(|until| *day <= until) && takes_part(line, *day));
        if !days.is_empty() {
            found.push(format!("{line} {}", days.iter().map(NaiveDate::to_string).collect::<Vec<_>>().join(", ")));
        }
    }
    checks.none(CheckId::DaysWithoutSales, found);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::close::settlement::{Check, Previous, UrrState};
    use crate::close::tally::Tally;
    use crate::terms::rulebook::Rulebook;
    use crate::units::calendar::Period;
    use std::collections::{BTreeMap, BTreeSet};

    const SMALL: &str = include_str!("../../../tests/golden/small.toml");

    fn month(text: &str) -> Period {
        Period::parse(text).unwrap()
    }

    fn line(code: &str) -> LineId {
        LineId::parse(code).unwrap()
    }

    /// Sales of the shop on every day of a month up to the 20th, but on one.
    fn tally(period: Period, but: usize) -> Tally {
        let mut days = [0; 31];
        (0..20).filter(|day| day + 1 != but).for_each(|day| days[day] = 1);
        Tally { sale_days: [((line("shop"), period), days)].into(), ..Tally::default() }
    }

    fn state(sale_days: BTreeMap<LineId, crate::close::days::EightWeeks>) -> State {
        State {
            period: month("2025-06"),
            cohorts: Vec::new(),
            splits: Vec::new(),
            debts: Vec::new(),
            taxes: Vec::new(),
            liability: Vec::new(),
            urr: UrrState::default(),
            carried: Vec::new(),
            sale_days,
            schemes: Vec::new(),
        }
    }

    fn checked(rulebook: &str, tally: &Tally, is_trial: bool) -> Vec<Check> {
        let rulebook = Rulebook::parse(rulebook).unwrap();
        let before = serde_json::from_str(r#"{"shop": "ffffffffffffff", "inn": "7f"}"#).unwrap();
        let state = state(before);
        let mut checks = Checks(Vec::new());
        let inputs = Inputs {
            rulebook: &rulebook,
            period: month("2025-07"),
            tally,
            shards: &[],
            sealed: (!is_trial).then_some(64),
            previous: Some(Previous { state: &state, recorded: &[], found: &[], older: None }),
        };
        sales(&mut checks, &inputs);
        checks.0
    }

    #[test]
    fn days_without_sales_are_named_with_their_line_unless_they_are_to_come_or_it_has_left() {
        let tally = tally(month("2025-07"), 3);
        let days = |rulebook: &str, is_trial| {
            let check = checked(rulebook, &tally, is_trial).swap_remove(0);
            assert_eq!((check.check, check.severity), (CheckId::DaysWithoutSales, Severity::Warning));
            assert_eq!(check.pass, check.actual == "none");
            check.actual
        };
        assert_eq!(days(SMALL, true), "shop 2025-07-03");
        // The 24th is a Thursday after the 3rd, and from the 28th on a week is missing before.
        let rest = "2025-07-21, 2025-07-22, 2025-07-23, 2025-07-25, 2025-07-26, 2025-07-27";
        assert_eq!(days(SMALL, false), format!("shop 2025-07-03, {rest}"));
        let shop = r#"{ id = "shop", name = "Shop""#;
        let left = SMALL.replace(shop, &format!(r#"{shop}, to = "2025-07-22""#));
        assert_eq!(days(&left, false), "shop 2025-07-03, 2025-07-21, 2025-07-22");
        let gone = SMALL.replace(shop, &format!(r#"{shop}, to = "2025-07-02""#));
        assert_eq!(days(&gone, false), "none");
    }

    #[test]
    fn sales_with_what_points_paid_are_a_warning_or_a_failure_as_the_rulebook_says() {
        let named = |number: usize| -> BTreeSet<String> { (0..number).map(|at| format!("S{at}")).collect() };
        let gross = |count, named| GrossSales { count, named };
        let all = [(line("inn"), gross(2, named(2))), (line("shop"), gross(7, named(5)))];
        let tally = Tally { gross_sales: all.into(), ..tally(month("2025-07"), 0) };
        let required = format!("{SMALL}control = {{ net_of_points = \"required\" }}\n");
        for (rulebook, severity) in [(SMALL, Severity::Warning), (&required, Severity::Failure)] {
            let check = checked(rulebook, &tally, true).swap_remove(1);
            assert_eq!((check.check, check.severity, check.pass), (CheckId::NetOfPoints, severity, false));
            assert_eq!(check.actual, "inn 2: S0, S1; shop 7: S0, S1, S2, S3, S4, ...");
            assert!(checked(rulebook, &Tally::default(), true)[1].pass);
        }
        assert!(Rulebook::parse(&format!("{SMALL}control = {{ net_of_points = \"maybe\" }}\n")).is_err());
    }
}
