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
