use crate::{assert_printed, golden, number};
use interline_domain::actuarial::urr::{
    ActualToExpected, Basis, CohortRate, Estimate, Experience, ManualRate, Policy, Projection, Triangle, UrrError,
    UrrMethod, actual_to_expected, bornhuetter_ferguson, estimate,
};
use interline_domain::claims::lot::{Cohort, Expiry};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::SchemeId;
use interline_domain::units::money::{OutOfRange, Points, Rate};
use proptest::prelude::*;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaylorAshe {
    #[serde(rename = "source")]
    _source: String,
    cumulative: Vec<Vec<i64>>,
    factors: Vec<String>,
    outstanding: Vec<String>,
    total_outstanding: String,
    variances: Vec<String>,
    standard_errors: Vec<String>,
    total_standard_error: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quarterly {
    #[serde(rename = "source")]
    _source: String,
    issued: Vec<i64>,
    cumulative: Vec<Vec<i64>>,
    chain_ladder: Figures,
    bornhuetter_ferguson: Figures,
    cape_cod: Figures,
    additive: Figures,
    survival: Figures,
    single_bornhuetter_ferguson: Single,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Figures {
    prior: Option<String>,
    #[serde(default)]
    pattern: Vec<String>,
    total: Option<String>,
    /// In per cent of all points issued.
    rate: Option<String>,
    #[serde(default)]
    ultimates: Vec<String>,
}

#[derive(Deserialize)]
struct Single {
    source: String,
    reported: String,
    expected: String,
    to_ultimate: String,
    ultimate: String,
}

const FIRST: &str = "2015-01";

/// The n-th monthly cohort of ML, whose points live for `months` or for ever.
fn cohort(index: usize, months: Option<u32>) -> Cohort {
    let issued = Period::parse(FIRST).unwrap().plus_months(index.try_into().unwrap());
    let expires = months.map_or(Expiry::Never, |months| Expiry::On(issued.plus_months(months).last_day()));
    Cohort { expires, issued, scheme: SchemeId::parse("ML").unwrap() }
}

fn row(index: usize, months: Option<u32>, issued: i64, redeemed: &[i64]) -> Experience {
    let redeemed = redeemed.iter().copied().map(Points::new).collect();
    Experience { cohort: cohort(index, months), issued: Points::new(issued), redeemed }
}

fn triangle(issued: &[i64], cumulative: &[Vec<i64>], expiry_age: Option<usize>) -> Result<Triangle, UrrError> {
    let rows = issued.iter().zip(cumulative).enumerate();
    Triangle::new(rows.map(|(index, (issued, redeemed))| row(index, None, *issued, redeemed)).collect(), expiry_age)
}

fn taylor_ashe() -> (TaylorAshe, Triangle) {
    let data: TaylorAshe = golden("taylor-ashe.json");
    let triangle = triangle(&[10_000_000; 10], &data.cumulative, None).unwrap();
    (data, triangle)
}

fn quarterly() -> (Quarterly, Triangle) {
    let data: Quarterly = golden("points-quarterly.json");
    let triangle = triangle(&data.issued, &data.cumulative, Some(3)).unwrap();
    (data, triangle)
}

#[track_caller]
fn assert_figures(projection: &Projection, figures: &Figures, issued: &[i64], what: &str) {
    if !figures.pattern.is_empty() {
        assert_eq!(projection.pattern.len(), figures.pattern.len(), "{what}");
    }
    for (found, printed) in projection.pattern.iter().zip(&figures.pattern) {
        assert_printed(found.unwrap(), printed, what);
    }
    for (found, printed) in projection.ultimates.iter().zip(&figures.ultimates) {
        assert_printed(found.unwrap(), printed, what);
    }
    let total = projection.total().unwrap().unwrap();
    if let Some(printed) = &figures.total {
        assert_printed(total, printed, what);
    }
    if let Some(printed) = &figures.rate {
        assert_printed(total * Decimal::ONE_HUNDRED / Decimal::from(issued.iter().sum::<i64>()), printed, what);
    }
}

fn whole(estimates: &[Estimate]) -> Vec<&CohortRate> {
    estimates.iter().flat_map(|estimate| &estimate.cohorts).collect()
}

#[test]
fn the_chain_ladder_reproduces_the_published_factors_and_reserves_of_taylor_and_ashe() {
    let (data, triangle) = taylor_ashe();
    let projection = triangle.chain_ladder().unwrap();
    assert_eq!(projection.pattern.len(), data.factors.len());
    for (found, printed) in projection.pattern.iter().zip(&data.factors) {
        assert_printed(found.unwrap(), printed, "factor");
    }
    let mut total = Decimal::ZERO;
    for ((ultimate, printed), row) in projection.ultimates.iter().zip(&data.outstanding).zip(triangle.rows()) {
        let outstanding = ultimate.unwrap() - Decimal::from(row.latest().get());
        assert_printed(outstanding, printed, "outstanding");
        total += outstanding;
    }
    assert_printed(total, &data.total_outstanding, "total");
}

#[test]
fn macks_standard_errors_of_taylor_and_ashe_are_the_published_ones() {
    let (data, triangle) = taylor_ashe();
    let mack = triangle.mack().unwrap();
    assert_eq!(mack.standard_errors.len(), data.standard_errors.len());
    for (found, printed) in mack.variances.iter().zip(&data.variances) {
        assert_printed(*found, printed, "variance");
    }
    for (found, printed) in mack.standard_errors.iter().zip(&data.standard_errors) {
        assert_printed(*found, printed, "standard error");
    }
    assert_printed(mack.total_standard_error, &data.total_standard_error, "total");
    let ultimates: Vec<_> = triangle.chain_ladder().unwrap().ultimates.into_iter().map(Option::unwrap).collect();
    for (one, other) in mack.ultimates.iter().zip(ultimates) {
        assert!((one - other).abs() < number("0.000001"));
    }
}

#[test]
fn where_macks_variances_fall_the_last_one_falls_on_in_their_ratio() {
    let rows = [vec![200, 300, 585, 600], vec![200, 300, 615], vec![200, 360], vec![200]];
    let mack = triangle(&[1_000; 4], &rows, None).unwrap().mack().unwrap();
    // 1.5 squared over 6.
    assert_eq!(mack.variances, [number("6"), number("1.5"), number("0.375")]);
}

#[test]
fn every_method_gives_the_figures_worked_by_hand_for_points_that_expire() {
    let (data, triangle) = quarterly();
    let figures = |projection, figures, what| assert_figures(&projection, figures, &data.issued, what);
    figures(triangle.chain_ladder().unwrap(), &data.chain_ladder, "chain ladder");
    let prior = number(data.bornhuetter_ferguson.prior.as_ref().unwrap());
    figures(triangle.bornhuetter_ferguson(prior).unwrap(), &data.bornhuetter_ferguson, "BF");
    figures(triangle.cape_cod().unwrap(), &data.cape_cod, "Cape Cod");
    figures(triangle.additive().unwrap(), &data.additive, "additive");
    figures(triangle.survival().unwrap(), &data.survival, "survival");
}

#[test]
fn bornhuetter_and_ferguson_add_what_was_expected_of_the_undeveloped_part() {
    let single = quarterly().0.single_bornhuetter_ferguson;
    let developed = Decimal::ONE / number(&single.to_ultimate);
    let ultimate = bornhuetter_ferguson(number(&single.reported), number(&single.expected), developed).unwrap();
    assert_printed(ultimate, &single.ultimate, &single.source);
}

#[test]
fn a_triangle_that_cannot_be_is_refused_by_the_cohorts_name() {
    let refused = |rows| Triangle::new(rows, None).unwrap_err();
    let named = cohort(1, None);
    let good = || row(0, None, 100, &[10, 20]);
    let (issued, redeemed) = (Points::new(100), Points::new(101));
    for (rows, error) in [
        (vec![], UrrError::NoCohorts),
        (vec![good(), row(1, None, 100, &[])], UrrError::NoAge { cohort: named.clone() }),
        (vec![good(), row(1, None, -1, &[0])], UrrError::NegativePoints { cohort: named.clone() }),
        (vec![good(), row(1, None, 100, &[-1, 5])], UrrError::NegativePoints { cohort: named.clone() }),
        (vec![row(1, None, 100, &[50, 101]), good()], UrrError::RedeemedAboveIssue { cohort: named, issued, redeemed }),
        (vec![good(), good()], UrrError::Twice { cohort: cohort(0, None) }),
    ] {
        assert_eq!(refused(rows), error);
    }
    let legacy = estimate(&[row(1, Some(2), 0, &[5])], |_| Policy::default()).unwrap_err();
    assert_eq!(legacy.to_string(), "cohort ML|2015-02|2015-04-30 redeemed 5 points, more than the 0 it issued");
}

#[test]
fn points_that_were_returned_and_taken_back_since_are_not_held_against_the_issue() {
    assert!(Triangle::new(vec![row(0, None, 50, &[80, 50])], None).is_ok());
}

#[test]
fn an_age_without_redemptions_makes_the_chain_ladder_undefined_and_the_others_not() {
    let rows = vec![vec![0, 30, 60], vec![0, 20], vec![0]];
    let triangle = triangle(&[100, 100, 100], &rows, Some(2)).unwrap();
    let chain_ladder = triangle.chain_ladder().unwrap();
    assert_eq!(chain_ladder.pattern, [None, Some(Decimal::TWO)]);
    assert_eq!(chain_ladder.ultimates, [Some(Decimal::from(60)), Some(Decimal::from(40)), None]);
    assert_eq!(chain_ladder.total(), Ok(None));
    assert_eq!(triangle.mack(), Err(UrrError::NoDevelopment { age: 0 }));

    // Nothing is developed at age zero, so the youngest cohort is all prior.
    let prior = triangle.bornhuetter_ferguson(number("0.6")).unwrap();
    assert_eq!(prior.pattern, [Some(Decimal::ZERO), Some(number("0.5")), Some(Decimal::ONE)]);
    assert_eq!(prior.ultimates, [60, 50, 60].map(|points| Some(Decimal::from(points))));
    assert_eq!(triangle.additive().unwrap().total(), Ok(Some(Decimal::from(60 + 50 + 55))));
    assert!(triangle.cape_cod().unwrap().total().unwrap().is_some());
    assert!(triangle.survival().unwrap().total().unwrap().is_some());
}

#[test]
fn what_nobody_redeemed_at_an_age_is_undeveloped_there_if_anybody_did_later() {
    let developed = |cumulative: &[Vec<i64>]| {
        let projection = triangle(&[100; 3], cumulative, Some(2)).unwrap().bornhuetter_ferguson(number("0.6")).unwrap();
        (projection.pattern, projection.ultimates)
    };
    let points = |number: i64| Some(Decimal::from(number));
    // The middle cohort alone redeemed at age one, and nobody knows what follows.
    let (pattern, ultimates) = developed(&[vec![0, 0, 0], vec![0, 20], vec![0]]);
    assert_eq!((pattern, ultimates), (vec![points(0), None, points(1)], vec![points(0), None, points(60)]));
    // Everything comes at the last age.
    let (pattern, ultimates) = developed(&[vec![0, 0, 30], vec![0, 0], vec![0]]);
    assert_eq!((pattern, ultimates), (vec![points(0), points(0), points(1)], vec![points(30), points(60), points(60)]));
}

#[test]
fn a_triangle_without_any_redemption_or_issue_has_typed_results() {
    let silent = triangle(&[100, 100], &[vec![0, 0], vec![0]], Some(1)).unwrap();
    assert_eq!(silent.chain_ladder().unwrap().ultimates, [Some(Decimal::ZERO), None]);
    assert_eq!(silent.bornhuetter_ferguson(Decimal::ONE).unwrap().ultimates, [Some(Decimal::ZERO), None]);
    assert_eq!(silent.additive().unwrap().total(), Ok(Some(Decimal::ZERO)));
    assert_eq!(silent.survival().unwrap().total(), Ok(Some(Decimal::ZERO)));

    let empty = triangle(&[0, 0], &[vec![0, 0], vec![0]], Some(1)).unwrap();
    assert_eq!(empty.additive().unwrap().ultimates, [Some(Decimal::ZERO), None]);
    assert_eq!(empty.survival().unwrap().total(), Ok(Some(Decimal::ZERO)));
    assert_eq!(empty.cape_cod(), Err(UrrError::NothingDeveloped));
}

#[test]
fn an_expiry_that_no_cohort_has_reached_leaves_ultimates_unknown() {
    let young = triangle(&[100, 100], &[vec![10, 20], vec![10]], Some(12)).unwrap();
    for projection in
        [young.chain_ladder(), young.additive(), young.survival(), young.bornhuetter_ferguson(Decimal::ONE)]
    {
        assert_eq!(projection.unwrap().ultimates, [None, None]);
    }
}

#[test]
fn mack_needs_two_developments_of_one_age_and_a_start() {
    let one = triangle(&[100, 100], &[vec![10, 20], vec![10]], None).unwrap();
    assert_eq!(one.mack(), Err(UrrError::NoSpread));
    let rows = vec![vec![0, 20, 30], vec![10, 20], vec![10]];
    let from_nothing = triangle(&[100, 100, 100], &rows, None).unwrap();
    assert_eq!(from_nothing.mack(), Err(UrrError::FromNothing { cohort: cohort(0, None), age: 0 }));
    let even = triangle(&[100; 4], &[vec![10, 20, 40, 80], vec![10, 20, 40], vec![10, 20], vec![10]], None).unwrap();
    assert_eq!(even.mack().unwrap().total_standard_error, Decimal::ZERO, "no spread, no error");
}

#[test]
fn what_is_booked_after_the_expiry_counts_at_the_last_age() {
    let late = Triangle::new(vec![row(0, None, 100, &[10, 20, 30, 35])], Some(2)).unwrap();
    assert_eq!(late.rows()[0].redeemed, [10, 20, 35].map(Points::new));
    assert!(late.is_expired(&late.rows()[0]));
}

#[test]
fn numbers_beyond_the_precision_are_an_error_and_not_a_panic() {
    let huge = i64::MAX / 4;
    let rows = vec![vec![1, huge, huge], vec![1, huge], vec![1]];
    let steep = triangle(&[huge; 3], &rows, None).unwrap();
    assert_eq!(steep.mack(), Err(UrrError::OutOfRange(OutOfRange)));
    let sums = triangle(&[i64::MAX; 3], &[vec![i64::MAX], vec![i64::MAX], vec![i64::MAX]], None).unwrap();
    assert_eq!(sums.additive(), Err(UrrError::OutOfRange(OutOfRange)));
}

#[test]
fn thin_cohorts_are_joined_until_they_are_large_enough_and_known_as_far_as_the_youngest() {
    let rows = vec![
        row(0, None, 40, &[4, 8, 12]),
        row(1, None, 70, &[7, 14]),
        row(2, None, 100, &[1, 2]),
        row(3, None, 30, &[3]),
    ];
    let groups = Triangle::new(rows, None).unwrap().grouped(Points::new(100)).unwrap();
    let found: Vec<_> = groups
        .iter()
        .map(|group| (group.members.len(), group.experience.issued.get(), group.experience.redeemed.clone()))
        .collect();
    let expected = [(2, 110, vec![11, 22]), (1, 100, vec![1, 2]), (1, 30, vec![3])]
        .map(|(members, issued, redeemed)| (members, issued, redeemed.into_iter().map(Points::new).collect()));
    assert_eq!(found, expected);
    assert_eq!(groups[0].experience.cohort, cohort(0, None));
}

/// Monthly cohorts of points that live for `months`, as seen at the end of
/// month `now`. Each redeems `per_mille` of its issue at every age.
fn steady(months: u32, cohorts: usize, now: usize, issued: i64, per_mille: i64) -> Vec<Experience> {
    (0..cohorts)
        .map(|index| {
            let ages = (now - index).min(months as usize);
            let redeemed: Vec<i64> = (0..=ages as i64).map(|age| issued * per_mille * (age + 1) / 1_000).collect();
            row(index, Some(months), issued, &redeemed)
        })
        .collect()
}

#[test]
fn until_a_cohort_has_fully_expired_every_point_is_expected_to_be_redeemed() {
    let estimates = estimate(&steady(24, 24, 23, 100_000, 20), |_| Policy::default()).unwrap();
    assert_eq!(estimates.len(), 1);
    assert_eq!((estimates[0].prior, estimates[0].expiry_age), (None, Some(24)));
    for cohort in &estimates[0].cohorts {
        assert_eq!(
            (&cohort.basis, cohort.rate, cohort.expected),
            (&Basis::NoExperience, Some(Rate::ONE), cohort.issued)
        );
        assert_eq!((cohort.next, cohort.current_share), (None, Rate::ONE));
    }
    let endless = estimate(&[row(0, None, 100_000, &[1; 200])], |_| Policy::default()).unwrap();
    assert_eq!(endless[0].cohorts[0].basis, Basis::NoExperience);
}

#[test]
fn with_experience_young_cohorts_lean_on_the_expired_ones_and_older_ones_on_the_increments() {
    let estimates = estimate(&steady(24, 30, 30, 100_000, 20), |_| Policy::default()).unwrap();
    let estimate = &estimates[0];
    assert_eq!(estimate.prior, Some(number("0.5")));
    assert!(estimate.increments.iter().all(|part| *part == Some(number("0.02"))));
    for cohort in &estimate.cohorts {
        let basis = match cohort.age {
            24 => Basis::Expired,
            12..24 => Basis::Additive,
            _ => Basis::BornhuetterFerguson,
        };
        assert_eq!(cohort.basis, basis, "age {}", cohort.age);
        assert_eq!((cohort.rate, cohort.expected), (Some(Rate::parse("0.5").unwrap()), Points::new(50_000)));
        let (next, current) = match cohort.age {
            24 => (0, "1"),
            12.. => (2_000, "1"),
            _ => (2_000, ""),
        };
        assert_printed(cohort.next.unwrap(), &format!("{next}.000000"), "next");
        match current {
            "" => assert_eq!(
                cohort.current_share.decimal(),
                (Decimal::from(12) / Decimal::from(24 - cohort.age)).round_dp(8)
            ),
            share => assert_eq!(cohort.current_share, Rate::parse(share).unwrap()),
        }
    }
}

#[test]
fn each_method_expects_what_its_projection_says() {
    let rows = uneven();
    let triangle = Triangle::new(rows.clone(), Some(3)).unwrap();
    for (method, basis, projected) in [
        (UrrMethod::ChainLadder, Basis::ChainLadder, triangle.chain_ladder()),
        (UrrMethod::CapeCod, Basis::CapeCod, triangle.cape_cod()),
        (UrrMethod::Additive, Basis::Additive, triangle.additive()),
        (UrrMethod::Survival, Basis::Survival, triangle.survival()),
    ] {
        let policy = Policy { method, thin_below: Points::ZERO, ..Policy::default() };
        let estimates = estimate(&rows, |_| policy).unwrap();
        for (cohort, ultimate) in estimates[0].cohorts.iter().zip(projected.unwrap().ultimates) {
            assert_eq!(cohort.basis, if cohort.age == 3 { Basis::Expired } else { basis.clone() });
            let expected = ultimate.unwrap().round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
            assert_eq!(Decimal::from(cohort.expected.get()), expected, "{method:?} at age {}", cohort.age);
            assert!(cohort.age == 3 || cohort.next.unwrap() > Decimal::ZERO, "{method:?} at age {}", cohort.age);
        }
    }
}

/// Cohorts of unlike sizes and speeds, the oldest expired.
fn uneven() -> Vec<Experience> {
    vec![
        row(0, Some(3), 1_000, &[200, 350, 430, 500]),
        row(1, Some(3), 700, &[90, 200, 270]),
        row(2, Some(3), 1_300, &[310, 490]),
        row(3, Some(3), 900, &[130]),
    ]
}

#[test]
fn a_thin_expired_cohort_is_no_experience_until_its_neighbours_have_expired_too() {
    let policy = Policy { thin_below: Points::new(250), ..Policy::default() };
    for (now, prior) in [(5, None), (6, None), (7, Some(number("0.35"))), (8, Some(number("0.35")))] {
        let estimates = estimate(&steady(6, now + 1, now + 1, 100, 50), |_| policy).unwrap();
        assert_eq!(estimates[0].prior, prior, "{now}");
        assert_eq!(estimates[0].cohorts[0].basis, if now < 5 { Basis::NoExperience } else { Basis::Expired });
    }
}

#[test]
fn rates_are_capped_at_the_issue_and_floored_at_what_is_redeemed() {
    let policy = Policy { young_below_age: 0, thin_below: Points::ZERO, ..Policy::default() };
    let rows = [row(0, Some(2), 100, &[0, 50, 100]), row(1, Some(2), 100, &[60, 90])];
    let estimates = estimate(&rows, |_| policy).unwrap();
    let capped = &estimates[0].cohorts[1];
    assert_eq!((capped.expected, capped.rate), (Points::new(100), Some(Rate::ONE)));
    assert_printed(capped.next.unwrap(), "10", "no more than is left can come");

    let returned = [row(0, Some(2), 100, &[80, 60, 40]), row(1, Some(2), 100, &[30])];
    let estimates = estimate(&returned, |_| policy).unwrap();
    let floored = &estimates[0].cohorts[1];
    assert_eq!((floored.expected, floored.next), (Points::new(30), Some(Decimal::ZERO)));
}

#[test]
fn nothing_issued_has_no_rate() {
    let estimates = estimate(&[row(0, Some(2), 0, &[0])], |_| Policy::default()).unwrap();
    let nothing = &estimates[0].cohorts[0];
    assert_eq!((nothing.expected, nothing.rate), (Points::ZERO, None));
}

#[test]
fn cohorts_of_another_term_or_funder_are_judged_apart() {
    let mut rows = steady(6, 10, 10, 100_000, 50);
    let long = row(10, Some(24), 100_000, &[50]);
    let mut other = row(9, Some(6), 100_000, &[50, 100]);
    other.cohort.scheme = SchemeId::parse("HT").unwrap();
    rows.extend([long, other]);
    let estimates = estimate(&rows, |_| Policy::default()).unwrap();
    let found: Vec<_> = estimates
        .iter()
        .map(|estimate| (estimate.scheme.as_str(), estimate.expiry_age, estimate.prior, estimate.cohorts.len()))
        .collect();
    let prior = Some(number("0.35"));
    assert_eq!(found, [("HT", Some(6), None, 1), ("ML", Some(6), prior, 10), ("ML", Some(24), None, 1)]);
}

#[test]
fn a_manual_rate_is_at_most_one_and_has_a_reason() {
    let rate = |text| Rate::parse(text).unwrap();
    assert_eq!(ManualRate::new(rate("1.00000001"), "why"), Err(UrrError::RateAboveOne { rate: rate("1.00000001") }));
    for reason in ["", " ", "\t\n"] {
        assert_eq!(ManualRate::new(rate("0.5"), reason), Err(UrrError::NoReason));
    }
    for text in ["0", "0.5", "1"] {
        let manual = ManualRate::new(rate(text), " new burn partners ").unwrap();
        assert_eq!((manual.rate(), manual.reason()), (rate(text), "new burn partners"));
    }
}

#[test]
fn a_manual_rate_replaces_the_estimate_within_cap_and_floor_and_not_the_facts() {
    let estimates = estimate(&steady(24, 30, 30, 100_000, 20), |_| Policy::default()).unwrap();
    let manual = |text| ManualRate::new(Rate::parse(text).unwrap(), "new burn partners").unwrap();
    let cohorts = &estimates[0].cohorts;
    let (expired, old) = (&cohorts[0], &cohorts[10]);
    assert_eq!(expired.overridden(&manual("0.9")).unwrap(), *expired);
    assert_eq!((old.age, old.redeemed), (20, Points::new(42_000)));
    let raised = old.overridden(&manual("0.58")).unwrap();
    assert_eq!(raised.basis, Basis::Manual { reason: "new burn partners".to_owned() });
    assert_eq!((raised.expected, raised.rate), (Points::new(58_000), Some(Rate::parse("0.58").unwrap())));
    assert_printed(raised.next.unwrap(), "4000", "twice as much is to come as was estimated");
    let floored = old.overridden(&manual("0.1")).unwrap();
    assert_eq!((floored.expected, floored.next), (old.redeemed, Some(Decimal::ZERO)));
}

#[test]
fn what_came_is_compared_with_what_the_previous_close_expected() {
    let before = estimate(&steady(24, 30, 30, 100_000, 20), |_| Policy::default()).unwrap();
    let before: Vec<CohortRate> = whole(&before).into_iter().cloned().collect();
    let mut now = steady(24, 31, 31, 100_000, 20);
    now[10].redeemed[21] = Points::new(43_000);
    let compared = actual_to_expected(&before, &now).unwrap();
    assert_eq!(compared.len(), 23, "neither the expired cohorts nor the new one");
    let low = compared[&cohort(10, Some(24))];
    assert_eq!((low.actual, low.ratio()), (Points::new(1_000), Ok(Some(number("0.5")))));
    let all = compared.into_values().try_fold(ActualToExpected::default(), ActualToExpected::plus).unwrap();
    assert_eq!(all.actual, Points::new(45_000));
    assert_printed(all.ratio().unwrap().unwrap(), "0.978261", "22.5 of 23");
    assert_eq!(ActualToExpected::default().ratio(), Ok(None));

    let unknown = estimate(&steady(24, 24, 23, 100_000, 20), |_| Policy::default()).unwrap();
    let unknown: Vec<CohortRate> = whole(&unknown).into_iter().cloned().collect();
    assert!(actual_to_expected(&unknown, &steady(24, 24, 24, 100_000, 20)).unwrap().is_empty());
}

#[test]
fn a_cohorts_rate_is_stored_and_read_back_as_it_was() {
    let estimates = estimate(&steady(24, 30, 30, 100_000, 21), |_| Policy::default()).unwrap();
    let manual = ManualRate::new(Rate::parse("0.58").unwrap(), "new burn partners").unwrap();
    for cohort in whole(&estimates) {
        for rate in [cohort.clone(), cohort.overridden(&manual).unwrap()] {
            let text = serde_json::to_string(&rate).unwrap();
            assert_eq!(serde_json::from_str::<CohortRate>(&text).unwrap(), rate, "{text}");
        }
    }
}

/// Cohorts of any length with up to 10^12 points each, some months or none apart.
fn experience() -> impl Strategy<Value = Vec<Experience>> {
    let row = (0_i64..1_000_000_000_000, prop::collection::vec(0_i64..400, 1..9), prop::bool::ANY);
    prop::collection::vec(row, 1..12).prop_map(|rows| {
        rows.into_iter()
            .enumerate()
            .map(|(index, (issued, parts, endless))| {
                let mut left = issued;
                let redeemed: Vec<i64> = parts
                    .iter()
                    .map(|part| {
                        left -= left * (part - 100).max(0) / 1_000;
                        issued - left
                    })
                    .collect();
                self::row(index, (!endless).then_some(6), issued, &redeemed)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn estimates_stay_between_what_is_redeemed_and_what_is_issued_in_any_order_of_the_cohorts(
        rows in experience(), young_below_age in 0_usize..9, thin_below in 0_i64..100_000_000,
    ) {
        let policy = Policy { young_below_age, thin_below: Points::new(thin_below), ..Policy::default() };
        let estimates = estimate(&rows, |_| policy).unwrap();
        prop_assert_eq!(whole(&estimates).len(), rows.len());
        for cohort in whole(&estimates) {
            prop_assert!(cohort.redeemed <= cohort.expected && cohort.expected <= cohort.issued);
            prop_assert!(cohort.rate.is_none_or(|rate| rate <= Rate::ONE) && cohort.current_share <= Rate::ONE);
            let left = Decimal::from(cohort.expected.get() - cohort.redeemed.get());
            prop_assert!(cohort.next.is_none_or(|next| Decimal::ZERO <= next && next <= left));
        }
        let reversed: Vec<Experience> = rows.into_iter().rev().collect();
        prop_assert_eq!(estimate(&reversed, |_| policy).unwrap(), estimates);
    }

    #[test]
    fn no_method_panics_and_no_ultimate_is_below_what_is_redeemed(rows in experience()) {
        let triangle = Triangle::new(rows, None).unwrap();
        let projections = [triangle.chain_ladder(), triangle.additive(), triangle.survival(), triangle.cape_cod()];
        for projection in projections.into_iter().flatten() {
            for (ultimate, row) in projection.ultimates.iter().zip(triangle.rows()) {
                // A product of rounded factors may miss the last of 28 digits.
                let floor = Decimal::from(row.latest().get()) - number("0.000001");
                prop_assert!(ultimate.is_none_or(|ultimate| ultimate >= floor));
            }
        }
        if let Ok(mack) = triangle.mack() {
            let largest = mack.standard_errors.iter().max().copied().unwrap_or_default();
            prop_assert!(mack.total_standard_error >= largest);
        }
    }
}
