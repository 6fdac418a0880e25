//! What a close learns of redemptions: small programmes worked by hand, and what holds of every one.

use crate::{line, points, rate};
use interline_domain::actuarial::experience::{Before, Compared, Learned, Life, Memory, Observed, Parameters};
use interline_domain::claims::lot::{Cohort, Expiry};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::SchemeId;
use interline_domain::units::micro::Micro;
use interline_domain::units::money::{Points, Rate};
use proptest::prelude::*;

const S: i128 = Rate::SCALE;

fn month(text: &str) -> Period {
    Period::parse(text).unwrap()
}

fn scheme(name: &str) -> SchemeId {
    SchemeId::of(&line(name))
}

/// A cohort with what was redeemed to the end of each age.
#[derive(Debug, Clone)]
struct Row {
    cohort: Cohort,
    issued: Points,
    redeemed: Vec<Points>,
    initial: Rate,
    before: Option<Before>,
}

fn row(of: &str, issued: &str, life: Life, number: i64, redeemed: &[i64]) -> Row {
    let issued = month(issued);
    let expires = match life {
        Life::Months(months) => Expiry::On(issued.plus_months(months).last_day()),
        Life::Never => Expiry::Never,
    };
    let cohort = Cohort { expires, issued, scheme: scheme(of) };
    let redeemed = redeemed.iter().copied().map(Points::new).collect();
    Row { cohort, issued: points(number), redeemed, initial: Rate::ONE, before: None }
}

fn observed(rows: &[Row]) -> Vec<Observed<'_>> {
    fn of(row: &Row) -> Observed<'_> {
        let Row { cohort, issued, redeemed, initial, before } = row;
        Observed { cohort, issued: *issued, redeemed, initial: *initial, before: *before }
    }
    rows.iter().map(of).collect()
}

/// Experience alone: no prior of the programme, no floor, no rate that fades.
fn bare() -> Parameters {
    Parameters { credibility: Points::ZERO, initial_months: 0, floor: Rate::ZERO, ..Parameters::default() }
}

fn remembered() -> Memory {
    Memory { first_redemption: Some(month("2025-01")), ..Memory::default() }
}

fn learn(terms: Parameters, rows: &[Row], closed: &str, memory: &mut Memory) -> Learned {
    Learned::of(terms, &observed(rows), month(closed), month("2025-01"), memory).unwrap()
}

fn to_come(learned: &Learned, row: &Row) -> i128 {
    learned.expected(&observed(std::slice::from_ref(row))[0]).unwrap().to_come.get()
}

fn next(learned: &Learned, row: &Row) -> Option<i128> {
    learned.expected(&observed(std::slice::from_ref(row))[0]).unwrap().next.map(Micro::get)
}

const TWO: Life = Life::Months(2);

/// Two fifths of a thousand at age zero in two cohorts, a fifth of nine hundred at age one.
fn two_months() -> [Row; 2] {
    [row("shop", "2025-01", TWO, 1_000, &[100, 280]), row("shop", "2025-02", TWO, 1_000, &[300])]
}

#[test]
fn points_of_an_age_are_spent_as_those_of_that_age_were_and_of_one_nobody_saw_as_the_most() {
    let rows = two_months();
    let learned = learn(bare(), &rows, "2025-02", &mut remembered());
    // h0 = 400 / 2000 = .2, h1 = 180 / 900 = .2, h2 unseen: .2. Expected 400 + 180, and as many came.
    assert_eq!((learned.indicators.level, learned.indicators.phi, learned.indicators.margin), (S, S, 0));
    // January has one age to come: 720 x .2. February two: 700 x (1 - .8 x .8).
    assert_eq!([to_come(&learned, &rows[0]), to_come(&learned, &rows[1])], [144_000_000, 252_000_000]);
    assert_eq!([next(&learned, &rows[0]), next(&learned, &rows[1])], [Some(144_000_000), Some(140_000_000)]);
    // New points have all three: 1 - .8 x .8 x .8.
    assert_eq!(learned.of_new(&scheme("shop"), TWO, Rate::ONE), Ok(rate("0.488")));
    let seen = observed(&rows[1..]);
    assert_eq!(
        [1, 2, 9].map(|months| learned.within(&seen[0], months).unwrap()),
        [140_000_000, 252_000_000, 252_000_000]
    );
}

#[test]
fn the_level_is_the_pace_of_the_last_months_to_that_of_the_window() {
    let rows = two_months();
    let learned = learn(Parameters { level_months: 1, ..bare() }, &rows, "2025-02", &mut remembered());
    // February: 180 + 300 came, 180 + 200 would have: 24/19.
    assert_eq!(learned.indicators.level, 126_315_789);
    // 720 x .2 x 1.26315789 = 720 x .25263158.
    assert_eq!(to_come(&learned, &rows[0]), 181_894_738);
}

#[test]
fn a_month_out_of_the_window_is_forgotten() {
    let rows = [row("shop", "2025-01", TWO, 1_000, &[100, 280]), row("shop", "2025-02", TWO, 1_000, &[300])];
    let terms = Parameters { window_months: 1, level_months: 1, ..bare() };
    let learned = learn(terms, &rows, "2025-02", &mut remembered());
    // h0 = 300 / 1000 and h1 = .2 of February alone; age two takes the most: 720 x .3.
    assert_eq!(to_come(&learned, &rows[0]), 216_000_000);
}

#[test]
fn a_schemes_own_experience_counts_with_the_programmes_as_prior() {
    let one = Life::Months(1);
    let rows = [row("shop", "2025-01", one, 1_000, &[300]), row("inn", "2025-01", one, 1_000, &[100])];
    let learned = |credibility| {
        let terms = Parameters { credibility: points(credibility), ..bare() };
        let learned = learn(terms, &rows, "2025-01", &mut remembered());
        rows.each_ref().map(|row| to_come(&learned, row))
    };
    // Both together a fifth: 200 each were expected. With 100 as prior 400 / 300 and 200 / 300 of .2:
    // 700 x .26666667 and 900 x .13333333.
    assert_eq!(learned(100), [186_666_669, 119_999_997]);
    // Without it all of its own: 700 x .3 and 900 x .1. A scheme's own counts the less the more is asked of it.
    assert_eq!(learned(0), [210_000_000, 90_000_000]);
    // 1000300 / 1000200 and 1000100 / 1000200 of .2.
    assert_eq!(learned(1_000_000), [140_014_000, 179_982_000]);
}

#[test]
fn no_less_is_to_come_than_the_pace_times_the_mean_age() {
    let rows = [
        row("shop", "2025-01", TWO, 1_000, &[0, 0, 100]),
        row("shop", "2025-02", TWO, 100, &[0, 0]),
        row("shop", "2025-03", TWO, 100, &[0]),
    ];
    let learned = learn(bare(), &rows, "2025-03", &mut remembered());
    // A tenth at age two: ten of each hundred. But 2 x 100 in three months are a flow of 66.666667, to 20.
    assert_eq!(learned.indicators.phi, 333_333_335);
    assert_eq!(rows.each_ref().map(|row| to_come(&learned, row)), [0, 33_333_334, 33_333_334]);
    // Nothing of the pace is in what the next month is held against.
    assert_eq!(next(&learned, &rows[1]), Some(10_000_000));
    // Of all that is open at most: 2 x 900 in three months are 600, to 180.
    let mut most = rows.clone();
    most[0].redeemed[2] = points(900);
    let learned = learn(bare(), &most, "2025-03", &mut remembered());
    assert_eq!(learned.indicators.phi, 333_333_333);
    assert_eq!(to_come(&learned, &most[1]), 100_000_000);
}

fn compared(of: &str, actual: i64, expected: i64) -> Compared {
    let expected = Micro::of_points(points(expected));
    Compared { month: month(of), scheme: scheme("shop"), actual: points(actual), expected }
}

#[test]
fn the_margin_is_as_large_as_what_three_closes_together_fell_short_by() {
    let rows = two_months();
    let learned = |margin: &str| {
        let mut memory = remembered();
        // 1.2, then 220 of 200, then 300 of 300: shortfalls of .2, .1 and none. The root of (.04 + .01) / 3.
        let pairs = [("2024-11", 120, 100), ("2024-12", 100, 100), ("2025-01", 80, 100)];
        memory.compared = pairs.map(|(of, actual, expected)| compared(of, actual, expected)).to_vec();
        learn(Parameters { margin: rate(margin), ..bare() }, &rows, "2025-02", &mut memory)
    };
    assert_eq!(["0", "1", "2"].map(|margin| learned(margin).indicators.margin), [0, 12_909_944, 25_819_888]);
    // 144 x 1.12909944, and x 2.16189496.
    assert_eq!(to_come(&learned("1"), &rows[0]), 162_590_319);
    assert_eq!(to_come(&learned("9"), &rows[0]), 311_312_874);
    // .488 x 1.12909944
    assert_eq!(learned("1").of_new(&scheme("shop"), TWO, Rate::ONE), Ok(rate("0.55100053")));
}

#[test]
fn what_exceeded_the_estimate_takes_nothing_from_the_margin_and_a_year_of_closes_is_remembered() {
    let mut memory = remembered();
    let months = (0..14).map(|at| month("2024-01").plus_months(at).to_string());
    memory.compared = months.map(|of| compared(&of, if of == "2024-01" { 900 } else { 90 }, 100)).collect();
    let rows = two_months();
    let learned = learn(bare(), &rows, "2025-03", &mut memory);
    assert_eq!(memory.months().len(), 12);
    assert_eq!(memory.months().first(), Some(&month("2024-03")));
    assert_eq!(learned.indicators.margin, 0, "the ninefold month is forgotten, and too little is no shortfall");
    assert_eq!(memory.ratio(month("2025-02"), 3, None), Ok(Some(90_000_000)));
    assert_eq!(memory.ratio(month("2025-02"), 3, Some(&scheme("inn"))), Ok(None));
}

#[test]
fn a_month_that_brings_less_than_a_quarter_of_enough_teaches_nothing() {
    let ignored = |came: i64, expected: Micro| {
        let mut rows = [row("shop", "2025-01", TWO, 100_000, &[20_000, 20_000 + came])];
        rows[0].before = Some(Before { redeemed: points(20_000), next: expected });
        let mut memory = remembered();
        let learned = learn(bare(), &rows, "2025-02", &mut memory);
        assert_eq!(memory.ignored.contains(&month("2025-02")), learned.indicators.is_ignored);
        assert_eq!(memory.compared.is_empty(), learned.indicators.is_ignored);
        (learned.indicators.is_ignored, to_come(&learned, &rows[0]))
    };
    let enough = Micro::of_points(points(5_000));
    // h0 = .2 and nothing is known of age one, so age two has .2, too: 78,751 x .2.
    assert_eq!(ignored(1_249, enough), (true, 15_750_200_000));
    // h1 = 1,250 / 80,000 is known: the age nobody saw still has .2.
    assert_eq!(ignored(1_250, enough), (false, 15_750_000_000));
    assert!(!ignored(0, Micro::new(enough.get() - 1)).0, "of less than five thousand nothing can be told");
    assert!(!ignored(1_249, Micro::new(4_996_000_000)).0, "1,249 are a quarter of 4,996");
}

#[test]
fn what_was_learnt_stays_while_a_month_is_ignored() {
    let before = [row("shop", "2025-01", TWO, 100_000, &[20_000])];
    let first = learn(bare(), &before, "2025-01", &mut remembered());
    let mut memory = remembered();
    memory.ignored.insert(month("2025-02"));
    let after = [row("shop", "2025-01", TWO, 100_000, &[20_000, 90_000])];
    let second = learn(bare(), &after, "2025-02", &mut memory);
    assert_eq!((first.indicators.level, second.indicators.level), (S, S));
    assert_eq!(first.of_new(&scheme("shop"), TWO, Rate::ONE), second.of_new(&scheme("shop"), TWO, Rate::ONE));
}

#[test]
fn the_initial_rate_fades_out_over_the_months_since_the_first_redemption() {
    let z = |closed: &str, initial_months: u32, first: Option<&str>| {
        let mut memory = Memory { first_redemption: first.map(month), ..Memory::default() };
        learn(Parameters { initial_months, ..bare() }, &two_months(), closed, &mut memory).indicators.z
    };
    let since = |closed: &str| z(closed, 6, Some("2025-01"));
    assert_eq!(["2025-01", "2025-03", "2025-06", "2025-07"].map(since), [16_666_667, 50_000_000, S, S]);
    assert_eq!((z("2025-06", 6, None), z("2025-01", 0, Some("2025-01"))), (0, S));

    let mut rows = two_months();
    rows.iter_mut().for_each(|row| row.initial = rate("0.6"));
    let learned = |initial_months| learn(Parameters { initial_months, ..bare() }, &rows, "2025-02", &mut remembered());
    // Half of 144, and half of 600 - 280; half of 252, and half of 600 - 300.
    assert_eq!(rows.each_ref().map(|row| to_come(&learned(4), row)), [232_000_000, 276_000_000]);
    assert_eq!(rows.each_ref().map(|row| next(&learned(4), row)), [None, None], "nothing is held against a mixture");
    // Half of .488 and of .6.
    assert_eq!(learned(4).of_new(&scheme("shop"), TWO, rate("0.6")), Ok(rate("0.544")));
    // What was redeemed above the initial rate takes nothing back: half of 144.
    let mut spent = rows.clone();
    spent[0].initial = rate("0.1");
    assert_eq!(to_come(&learned(4), &spent[0]), 72_000_000);
}

#[test]
fn points_that_never_expire_are_of_one_age_from_an_age_on_and_expected_up_to_the_horizon() {
    let rows = [row("shop", "2025-01", Life::Never, 1_000, &[0, 0, 200, 270])];
    let learned = |open_age| {
        let terms = Parameters { open_age, horizon_months: 5, ..bare() };
        to_come(&learn(terms, &rows, "2025-04", &mut remembered()), &rows[0])
    };
    // From two on (200 + 70) / (1000 + 800) = .15; two more months of 730: 1 - .85 x .85.
    assert_eq!(learned(2), 202_575_000);
    // Apart: .2 and .0875, and the most for the two that nobody saw: 1 - .8 x .8.
    assert_eq!(learned(24), 262_800_000);
}

#[test]
fn some_part_of_open_points_is_expected_whatever_was_seen_until_they_expire() {
    let one = Life::Months(1);
    let rows = [row("shop", "2025-01", one, 1_000, &[0, 10]), row("shop", "2025-02", one, 1_000, &[0])];
    let learned = |floor: &str| {
        let learned = learn(Parameters { floor: rate(floor), ..bare() }, &rows, "2025-02", &mut remembered());
        (rows.each_ref().map(|row| to_come(&learned, row)), learned.of_new(&scheme("shop"), one, Rate::ONE).unwrap())
    };
    // A hundredth at age one.
    assert_eq!(learned("0"), ([0, 10_000_000], rate("0.01")));
    assert_eq!(learned("0.05"), ([0, 50_000_000], rate("0.05")));
}

#[test]
fn a_programme_in_which_nothing_was_seen_expects_everything() {
    let rows = [row("shop", "2025-01", TWO, 1_000, &[0])];
    let learned = learn(bare(), &rows, "2025-01", &mut remembered());
    assert_eq!(to_come(&learned, &rows[0]), 1_000_000_000);
    assert_eq!(learned.of_new(&scheme("shop"), TWO, Rate::ONE), Ok(Rate::ONE));
    let none = learn(bare(), &[], "2025-01", &mut remembered());
    assert_eq!(none.of_new(&scheme("shop"), TWO, Rate::ONE), Ok(Rate::ONE));
}

/// A cohort by fractions: its month, scheme, life, points, what is spent of the rest at each age in thousandths (below
/// zero what comes back), its initial rate, and what was expected of the last month.
fn any_row() -> impl Strategy<Value = Row> {
    let life = prop_oneof![Just(TWO), Just(Life::Months(5)), Just(Life::Never)];
    let spent = prop::collection::vec(-200_i64..=1_000, 9);
    let before = prop::option::of(0_i128..200_000_000_000);
    (0_u32..9, any::<bool>(), life, 0_i64..200_000, spent, 1_i64..=100_000_000, before).prop_map(
        |(at, inn, life, number, spent, initial, before)| {
            let issued = month("2025-01").plus_months(at);
            let last = match life {
                Life::Months(months) => (8 - at).min(months),
                Life::Never => 8 - at,
            };
            let mut redeemed = Vec::new();
            let mut sum = 0;
            for part in spent.into_iter().take(last as usize + 1) {
                sum += if part < 0 { sum * part / 1_000 } else { (number - sum) * part / 1_000 };
                redeemed.push(sum);
            }
            let of = if inn { "inn" } else { "shop" };
            let mut row = row(of, &issued.to_string(), life, number, &redeemed);
            row.initial = Rate::from_scaled(initial.into()).unwrap();
            row.before = before
                .filter(|_| redeemed.len() > 1)
                .map(|next| Before { redeemed: points(redeemed[redeemed.len() - 2]), next: Micro::new(next) });
            row
        },
    )
}

fn any_terms() -> impl Strategy<Value = Parameters> {
    let parts = (0_i64..=300_000_000, 0_i64..=100_000_000, 0_i64..=100_000_000);
    (1_u32..13, 1_u32..7, 0_i64..2_000, 0_u32..12, parts, 1_u32..40, 1_u32..30).prop_map(
        |(window_months, level, credibility, initial_months, (margin, floor, ignored), horizon_months, open_age)| {
            let scaled = |rate: i64| Rate::from_scaled(rate.into()).unwrap();
            Parameters {
                window_months,
                level_months: level.min(window_months),
                credibility: points(credibility),
                initial_months,
                margin: scaled(margin),
                floor: scaled(floor),
                ignore_below: scaled(ignored),
                horizon_months,
                open_age: open_age.min(horizon_months),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_expected_lies_between_what_is_redeemed_and_what_is_issued_in_any_order_of_the_cohorts(
        rows in prop::collection::vec(any_row(), 0..12),
        terms in any_terms(),
        first in prop::option::of(0_u32..9),
    ) {
        let memory = Memory { first_redemption: first.map(|at| month("2025-01").plus_months(at)), ..Memory::default() };
        let (mut one, mut other) = (memory.clone(), memory);
        let learned = learn(terms, &rows, "2025-09", &mut one);
        let mut turned = rows.clone();
        turned.reverse();
        let again = learn(terms, &turned, "2025-09", &mut other);
        prop_assert_eq!(learned.indicators, again.indicators);
        prop_assert_eq!(&one, &other);
        for (row, seen) in rows.iter().zip(observed(&rows)) {
            let open = Micro::of_points(row.issued.minus(*row.redeemed.last().unwrap()).unwrap());
            let expected = learned.expected(&seen).unwrap();
            prop_assert_eq!(expected, again.expected(&seen).unwrap());
            prop_assert!(!expected.to_come.is_negative() && expected.to_come <= open, "{:?} of {:?}", expected, open);
            prop_assert!(expected.next.is_none_or(|next| !next.is_negative() && next <= open));
            prop_assert_eq!(expected.next.is_some(), learned.indicators.z == S && !expired(row));
            if expired(row) {
                prop_assert_eq!(expected.to_come, Micro::ZERO);
            } else if learned.indicators.z == S {
                prop_assert!(expected.to_come >= open.part(terms.floor).unwrap());
            }
            // Month by month it adds up, and never past the points there are.
            let within: Vec<i128> = (0..70).map(|months| learned.within(&seen, months).unwrap()).collect();
            prop_assert!(within.is_sorted() && within[0] == 0 && within[69] <= open.get(), "{:?}", within);
            prop_assert_eq!(within[69], learned.within(&seen, u32::MAX).unwrap());
        }
        for life in [TWO, Life::Months(5), Life::Never] {
            let initial = rate("0.4");
            let new = learned.of_new(&scheme("shop"), life, initial).unwrap();
            prop_assert!(new <= Rate::ONE);
            if learned.indicators.z == 0 {
                prop_assert_eq!(new, initial);
            } else if learned.indicators.z == S {
                prop_assert!(new >= terms.floor);
            }
        }
    }
}

fn expired(row: &Row) -> bool {
    matches!(Life::of(&row.cohort), Life::Months(months) if row.redeemed.len() > months as usize)
}
