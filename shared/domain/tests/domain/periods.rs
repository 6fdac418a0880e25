//! The life of a period: what may be done with it in each of its states, and what it is
//! afterwards.

use crate::support::{period, rulebook};
use chrono::{DateTime, TimeDelta, Utc};
use interline_domain::close::period::{
    ATTEMPT_STALE, Asked, Attempt, Begin, CloseRefusal, PeriodState, Run, RunKind, Status, check_begun, predecessor,
};
use interline_domain::terms::rulebook::Rulebook;

const SMALL: &str = include_str!("../golden/small.toml");

fn terms() -> Rulebook {
    rulebook(SMALL)
}

/// When January may be sealed.
fn earliest() -> DateTime<Utc> {
    terms().seal_not_before(terms().first_period)
}

fn run(id: &str) -> Run {
    Run {
        id: id.to_owned(),
        rulebook: "terms".to_owned(),
        manifest: format!("manifest of {id}"),
        finished_at: earliest(),
        by: None,
        engine: None,
        edition: None,
        program: None,
    }
}

fn attempt(run: &str, started_at: DateTime<Utc>, by: Option<&str>) -> Attempt {
    Attempt::new(run, by, started_at)
}

fn open() -> PeriodState {
    PeriodState::open(terms().first_period)
}

fn sealed() -> PeriodState {
    PeriodState { status: Status::Sealed { sealed_at: earliest() }, ..open() }
}

fn closed(id: &str) -> PeriodState {
    PeriodState { status: Status::Final { sealed_at: earliest(), run: run(id) }, ..open() }
}

#[test]
fn a_close_begins_by_the_state_its_kind_and_the_clock() {
    let terms = terms();
    let early = earliest() - TimeDelta::milliseconds(1);
    let too_early = || CloseRefusal::TooEarly { period: terms.first_period, earliest: earliest() };
    let already = || CloseRefusal::AlreadyFinal { period: terms.first_period, run: "v1".to_owned() };
    for (state, kind, empty, now, expected) in [
        (open(), RunKind::Trial, false, early, Ok(Begin::Run)),
        (sealed(), RunKind::Trial, false, early, Ok(Begin::Run)),
        (closed("v1"), RunKind::Trial, false, early, Ok(Begin::Run)),
        (open(), RunKind::Final, false, early, Err(too_early())),
        (open(), RunKind::Final, true, early, Err(too_early())),
        (open(), RunKind::Final, false, earliest(), Ok(Begin::SealUnlessEmpty)),
        (open(), RunKind::Final, true, earliest(), Ok(Begin::Seal)),
        // A clock that went back does not open it.
        (sealed(), RunKind::Final, false, early, Ok(Begin::Run)),
        (closed("v1"), RunKind::Final, true, earliest(), Err(already())),
    ] {
        assert_eq!(state.begin(&terms, Asked { kind, empty, now }), expected, "{state:?} {kind:?} {empty} {now}");
    }
}

#[test]
fn a_final_period_gives_its_run_again_with_its_own_terms_only() {
    let first = terms().first_period;
    for (state, kind, rulebook, expected) in [
        (open(), RunKind::Final, "terms", Ok(None)),
        (sealed(), RunKind::Final, "terms", Ok(None)),
        (closed("v1"), RunKind::Trial, "other", Ok(None)),
        (closed("v1"), RunKind::Final, "terms", Ok(Some(run("v1")))),
        (
            closed("v1"),
            RunKind::Final,
            "other",
            Err(CloseRefusal::AlreadyFinal { period: first, run: "v1".to_owned() }),
        ),
    ] {
        assert_eq!(state.again(kind, rulebook).map(Option::<&Run>::cloned), expected, "{state:?} {kind:?} {rulebook}");
    }
}

#[test]
fn a_period_is_sealed_once_and_not_before_its_moment() {
    let terms = terms();
    let early = earliest() - TimeDelta::milliseconds(1);
    let refused = CloseRefusal::TooEarly { period: terms.first_period, earliest: earliest() };
    assert_eq!(open().sealed(&terms, early), Err(refused));
    assert_eq!(open().sealed(&terms, earliest()), Ok(Some(sealed())));
    for state in [sealed(), closed("v1")] {
        for now in [early, earliest() + TimeDelta::days(1)] {
            assert_eq!(state.sealed(&terms, now), Ok(None), "{state:?}");
        }
    }
}

#[test]
fn periods_are_closed_in_their_order_from_the_first_one_on() {
    let first = period("2017-01");
    let before = CloseRefusal::BeforeProgramme { period: period("2016-12"), first };
    assert_eq!(predecessor(first, period("2016-12")), Err(before));
    assert_eq!(predecessor(first, first), Ok(None));
    assert_eq!(predecessor(first, period("2017-03")), Ok(Some(period("2017-02"))));
    let state = |status| PeriodState { status, ..PeriodState::open(first) };
    for status in [Status::Open, Status::Sealed { sealed_at: earliest() }] {
        let refused = CloseRefusal::PredecessorOpen { period: first.next(), predecessor: first };
        assert_eq!(state(status).closed_before(first.next()), Err(refused));
    }
    assert_eq!(closed("v1").closed_before(first.next()), Ok(run("v1")));
}

#[test]
fn a_period_of_the_programme_has_begun_or_is_refused() {
    let terms = terms();
    let (first, now) = (terms.first_period, earliest());
    let current = terms.period(now);
    for (asked, fine) in [(first.previous(), false), (first, true), (current, true), (current.next(), false)] {
        let expected = if fine { Ok(()) } else { Err(CloseRefusal::NotBegun { first, current }) };
        assert_eq!(check_begun(&terms, asked, now), expected, "{asked}");
    }
}

#[test]
fn a_run_is_claimed_unless_another_is_under_way_that_is_neither_failed_nor_old() {
    let started_at = earliest();
    let busy = open().started(attempt("a", started_at, None));
    let failed = busy.clone().failed("a", "it broke").unwrap();
    let just_before = started_at + ATTEMPT_STALE - TimeDelta::milliseconds(1);
    let refused = CloseRefusal::UnderWay { run: "a".to_owned(), started_at };
    assert_eq!(busy.clone().claimed(attempt("b", just_before, None)), Err(refused));
    for (state, now) in [(open(), started_at), (failed, started_at), (busy, started_at + ATTEMPT_STALE)] {
        let claimed = state.claimed(attempt("b", now, None)).unwrap();
        assert_eq!(claimed.attempt, Some(attempt("b", now, None)));
    }
}

#[test]
fn only_the_run_that_is_under_way_fails() {
    let busy = open().started(attempt("a", earliest(), None));
    assert_eq!(open().failed("a", "it broke"), None);
    assert_eq!(busy.clone().failed("b", "it broke"), None);
    let failed = busy.failed("a", "it broke").unwrap().attempt.unwrap();
    assert_eq!(failed.failed.as_deref(), Some("it broke"));
}

#[test]
fn a_run_that_ends_takes_its_own_attempt_away_and_is_who_asked_for_it() {
    let by = |state: PeriodState, run: &str| state.started(attempt(run, earliest(), Some("wang")));
    let asked_for = Run { by: Some("wang".to_owned()), ..run("a") };
    let other = Some(attempt("b", earliest(), Some("wang")));

    let trial = by(open(), "a").finished_trial(run("a"));
    assert_eq!(trial, PeriodState { trial: Some(asked_for.clone()), ..open() });
    let trial = by(open(), "b").finished_trial(run("a"));
    assert_eq!(trial, PeriodState { trial: Some(run("a")), attempt: other.clone(), ..open() });

    let status = |run: &Run| Status::Final { sealed_at: earliest(), run: run.clone() };
    let last = by(sealed(), "a").finished_final(run("a")).unwrap().unwrap();
    assert_eq!(last, PeriodState { status: status(&asked_for), ..open() });
    let last = by(sealed(), "b").finished_final(run("a")).unwrap().unwrap();
    assert_eq!(last, PeriodState { status: status(&run("a")), attempt: other, ..open() });
}

#[test]
fn a_final_run_is_of_a_sealed_period_and_stays_the_final_one() {
    let first = terms().first_period;
    assert_eq!(open().finished_final(run("a")), Err(CloseRefusal::NotSealed(first)));
    let other_files = Run { manifest: "other".to_owned(), ..run("a") };
    for other in [run("b"), other_files] {
        let refused = CloseRefusal::AlreadyFinal { period: first, run: "a".to_owned() };
        assert_eq!(closed("a").finished_final(other), Err(refused));
    }
    // The same run again changes nothing, but for the note that it is under way.
    assert_eq!(closed("a").finished_final(run("a")), Ok(None));
    let noted = closed("a").started(attempt("a", earliest(), None));
    assert_eq!(noted.finished_final(run("a")), Ok(Some(closed("a"))));
    let trial = closed("a").started(attempt("trial-1", earliest(), None));
    assert_eq!(trial.finished_final(run("a")), Ok(None));
}

#[test]
fn a_state_is_read_back_and_one_that_cannot_be_is_not_read() {
    let trial = PeriodState { trial: Some(run("trial-1")), ..open() };
    for state in [open(), trial, sealed(), closed("v1").started(attempt("v1", earliest(), Some("wang")))] {
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<PeriodState>(&text).unwrap(), state, "{text}");
    }
    for text in [
        r#"{"period":"2017-01"}"#,
        r#"{"period":"2017-01","status":"sealed"}"#,
        r#"{"period":"2017-01","status":"final","sealed_at":"2017-02-01T00:00:00Z"}"#,
        r#"{"period":"2017-01","status":"closed"}"#,
        r#"{"period":"2017-01","status":"open","sealed_at":"2017-02-01T00:00:00Z"}"#,
    ] {
        assert!(serde_json::from_str::<PeriodState>(text).is_err(), "{text}");
    }
}
