//! A month beside other months.

use crate::fixture::{rulebook, run, settlement};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::LineId;
use interline_reports::document::{Comparison, LineFigures};
use interline_reports::manifest::RunKind;

fn month(period: &str, before: Option<&Comparison>, year_before: Option<&Comparison>) -> Comparison {
    let mut settlement = settlement();
    settlement.state.period = Period::parse(period).unwrap();
    let run = run(RunKind::Final);
    Comparison::of(&rulebook(), &run, &settlement, before.cloned(), year_before.cloned()).unwrap()
}

fn dining(of: &interline_reports::document::Figures) -> LineFigures {
    of.lines[&LineId::parse("dining").unwrap()]
}

#[test]
fn what_moved_is_added_up_within_the_year_and_what_stands_is_the_last_months() {
    let november = month("2016-11", None, None);
    assert_eq!((november.month_before.as_ref(), &november.year_to_date), (None, &november.this));
    let december = month("2016-12", Some(&november), None);
    assert_eq!(december.month_before.as_ref(), Some(&november.this));
    let (one, both) = (dining(&december.this), dining(&december.year_to_date));
    assert_eq!(both.issued.get(), 2 * one.issued.get());
    assert_eq!(both.redeemed.get(), 2 * one.redeemed.get());
    assert_eq!(both.net.minor(), 2 * one.net.minor());
    assert_eq!(both.gross_payable.minor(), 2 * one.gross_payable.minor());
    assert_eq!((both.outstanding, both.liability), (one.outstanding, one.liability));
    assert!(one.outstanding.is_positive() && one.liability.is_positive(), "{one:?}");
    let months = |of: &Comparison| (of.year_to_date.from.to_string(), of.year_to_date.to.to_string());
    assert_eq!(months(&december), ("2016-11".to_owned(), "2016-12".to_owned()));

    let january = month("2017-01", Some(&december), None);
    assert_eq!(january.year_to_date, january.this, "another year");
    assert_eq!(january.month_before, Some(december.this));
    let next = month("2017-11", Some(&january), Some(&november));
    assert_eq!(next.year_before, Some(november.this));
}

#[test]
fn a_line_that_is_gone_has_nothing_left_at_the_end_of_the_year_to_date() {
    let november = month("2016-11", None, None);
    let mut settlement = settlement();
    settlement.state.period = Period::parse("2016-12").unwrap();
    settlement.roll_forward.retain(|row| row.cohort.scheme.as_str() != "dining");
    settlement.liability.retain(|row| row.cohort.scheme.as_str() != "dining");
    settlement.positions.retain(|position| position.line.as_str() != "dining");
    let run = run(RunKind::Final);
    let december = Comparison::of(&rulebook(), &run, &settlement, Some(november.clone()), None).unwrap();
    let gone = dining(&december.year_to_date);
    assert_eq!(gone.issued, dining(&november.this).issued);
    assert!(gone.outstanding.is_zero() && gone.liability.is_zero(), "{gone:?}");
}

/// The columns of dining's contract liability: opening, added, to payable, closing.
fn contract(of: &interline_reports::document::Figures) -> [i64; 4] {
    let row = dining(of).contract;
    [row.opening, row.added, row.to_payable, row.closing].map(|amount| amount.minor())
}

#[test]
fn a_year_to_date_begins_anew_and_last_years_stands_beside_it() {
    let november = month("2016-11", None, None);
    let december = month("2016-12", Some(&november), None);
    // Each month of the fixture opens at 50,000.00, adds 40,000.00 and closes at 74,949.68.
    assert_eq!(contract(&december.this), [5_000_000, 4_000_000, 1_333_332, 7_494_968]);
    assert_eq!(contract(&december.year_to_date), [5_000_000, 8_000_000, 2_666_664, 7_494_968]);
    let january = month("2017-01", Some(&december), None);
    assert_eq!(contract(&january.year_to_date), contract(&january.this), "another year");
    assert_eq!(january.year_to_date_before, None);
    let next = month("2017-12", Some(&january), Some(&december));
    assert_eq!(next.year_to_date_before.as_ref(), Some(&december.year_to_date));
    assert_eq!(next.year_before.as_ref(), Some(&december.this));
}

#[test]
fn points_issued_before_the_years_first_day_are_told_apart() {
    let (december, january) = (month("2017-12", None, None), month("2018-01", None, None));
    assert_eq!(dining(&december.this).of_opening.opening.minor(), 0, "all are of 2017");
    assert_eq!(dining(&january.this).of_opening, dining(&january.this).contract);
    let read: Comparison = serde_json::from_slice(&serde_json::to_vec(&january).unwrap()).unwrap();
    assert_eq!(read, january);
}
