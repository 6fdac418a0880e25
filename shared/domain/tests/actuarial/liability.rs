use crate::{assert_printed, cny, decimal, golden, money};
use interline_domain::actuarial::liability::{
    CohortLiability, LiabilityError, Movement, OtherLine, RollForward, agent_revenue, allocate_price,
    expected_redemptions, recognised, remote_rate, stand_alone_value,
};
use interline_domain::units::id::LineId;
use interline_domain::units::money::{Money, OutOfRange, Points, Rate};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    #[serde(rename = "source")]
    _source: String,
    sale: Option<Sale>,
    /// Given instead of a sale.
    cl0: Option<String>,
    issued: i64,
    periods: Vec<PeriodOfCase>,
    prospective_pool_of_the_second_period: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sale {
    price: String,
    goods: String,
    face: Rate,
    urr: Rate,
    goods_revenue: String,
    cl0: String,
    cl0_to_the_cent: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeriodOfCase {
    redeemed: i64,
    expected: i64,
    revenue: String,
    liability: String,
    re_estimate: Option<String>,
}

impl Case {
    fn cl0(&self) -> Money {
        match (&self.sale, &self.cl0) {
            (Some(sale), None) => {
                let issued = Points::new(self.issued);
                let parts =
                    allocate_price(cny(), money(&sale.price), money(&sale.goods), issued, sale.face, sale.urr).unwrap();
                parts.points
            }
            (None, Some(cl0)) => money(cl0),
            _ => panic!("{}: either a sale or CL0", self.case),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Other {
    agent: Vec<Agent>,
    roll_forward: Vec<Published>,
}

#[derive(Deserialize)]
struct Agent {
    source: String,
    released: String,
    paid: String,
    revenue: String,
}

#[derive(Deserialize)]
struct Published {
    opening: String,
    own_line_revenue: String,
    agent_revenue: String,
    added: String,
    closing: String,
}

fn cases() -> Vec<Case> {
    golden("contract-liability.json")
}

fn other() -> Other {
    golden("other-revenue.json")
}

fn points(points: i64) -> Points {
    Points::new(points)
}

fn line(code: &str) -> LineId {
    LineId::parse(code).unwrap()
}

fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

fn rate_of(part: i64, whole: i64) -> Rate {
    rate(&(Decimal::from(part) / Decimal::from(whole)).round_dp(8).to_string())
}

fn sale(allocated: &str, issued: i64) -> Movement {
    Movement { allocated: money(allocated), issued: points(issued), ..Movement::default() }
}

#[test]
fn a_sale_is_shared_between_goods_and_points_as_published() {
    for case in cases() {
        let Some(sale) = &case.sale else { continue };
        let (price, goods) = (money(&sale.price), money(&sale.goods));
        let parts = allocate_price(cny(), price, goods, points(case.issued), sale.face, sale.urr).unwrap();
        assert_printed(decimal(parts.goods), &sale.goods_revenue, &case.case);
        assert_printed(decimal(parts.points), &sale.cl0, &case.case);
        assert_printed(decimal(parts.points), &sale.cl0_to_the_cent, &case.case);
        assert_eq!(parts.goods.plus(parts.points), Ok(price), "{}", case.case);
    }
}

#[test]
fn the_cumulative_catch_up_gives_the_published_revenue_of_every_period() {
    for case in cases() {
        let cl0 = case.cl0();
        let (mut redeemed, mut before) = (Points::ZERO, Money::ZERO);
        for period in &case.periods {
            redeemed.add(points(period.redeemed)).unwrap();
            let now = recognised(cl0, redeemed, points(period.expected)).unwrap();
            assert_printed(decimal(now.minus(before).unwrap()), &period.revenue, &case.case);
            assert_printed(decimal(cl0.minus(now).unwrap()), &period.liability, &case.case);
            before = now;
        }
    }
}

#[test]
fn a_cohort_closed_period_by_period_gives_the_published_figures() {
    for case in cases() {
        let mut state = CohortLiability::default();
        let mut movement = Movement { allocated: case.cl0(), issued: points(case.issued), ..Movement::default() };
        for period in &case.periods {
            movement.redeemed_own = points(period.redeemed);
            let urr = rate_of(period.expected, case.issued);
            let closing = state.close(&movement, urr, Rate::ONE).unwrap();
            assert_eq!(closing.state.expected, points(period.expected), "{}", case.case);
            assert_printed(decimal(closing.row.released().unwrap()), &period.revenue, &case.case);
            assert_printed(decimal(closing.row.closing), &period.liability, &case.case);
            assert_eq!(closing.state.cl0, case.cl0(), "{}", case.case);
            if let Some(re_estimate) = &period.re_estimate {
                assert_printed(decimal(closing.row.re_estimate), re_estimate, &case.case);
            }
            state = closing.state;
            movement = Movement::default();
        }
    }
}

#[test]
fn the_prospective_pool_would_give_another_second_period_and_is_not_used() {
    let pools = cases().into_iter().filter_map(|case| {
        let pool = case.prospective_pool_of_the_second_period.clone()?;
        Some((case, pool))
    });
    let mut seen = 0;
    for (case, pool) in pools {
        let [first, second] = &case.periods[..] else { panic!("{}", case.case) };
        let liability =
            case.cl0().minus(recognised(case.cl0(), points(first.redeemed), points(first.expected)).unwrap());
        let prospective = decimal(liability.unwrap()) * Decimal::from(second.redeemed)
            / Decimal::from(second.expected - first.redeemed);
        assert_printed(prospective, &pool, &case.case);
        assert_ne!(pool, second.revenue, "{}", case.case);
        seen += 1;
    }
    assert_eq!(seen, 1);
}

#[test]
fn an_agent_keeps_what_it_does_not_owe() {
    for case in other().agent {
        let revenue = agent_revenue(money(&case.released), money(&case.paid)).unwrap();
        assert_printed(decimal(revenue), &case.revenue, &case.source);
    }
}

#[test]
fn published_roll_forwards_tie() {
    for case in other().roll_forward {
        let row = RollForward {
            opening: money(&case.opening),
            added: money(&case.added),
            own_line_revenue: money(&case.own_line_revenue),
            agent_revenue: money(&case.agent_revenue),
            closing: money(&case.closing),
            ..RollForward::default()
        };
        assert_eq!(row.check(), Ok(()));
        let off = RollForward { closing: money("1"), ..row };
        let computed = money(&case.closing);
        assert_eq!(off.check(), Err(LiabilityError::Untied { found: money("1"), computed }));
    }
}

#[test]
fn points_without_any_stand_alone_price_leave_the_whole_price_to_the_goods() {
    let nothing = allocate_price(cny(), money("10"), Money::ZERO, points(5), Rate::ZERO, Rate::ONE).unwrap();
    assert_eq!((nothing.goods, nothing.points), (money("10"), Money::ZERO));
    let unlikely = allocate_price(cny(), money("10"), money("10"), points(5), Rate::ONE, Rate::ZERO).unwrap();
    assert_eq!(unlikely.points, Money::ZERO);
    let refused = allocate_price(cny(), money("-1"), money("10"), points(5), Rate::ONE, Rate::ONE);
    assert_eq!(refused, Err(LiabilityError::Negative("the price")));
    let too_many =
        allocate_price(cny(), Money::from_minor(i64::MAX), money("1"), points(i64::MAX), rate("10000"), Rate::ONE);
    assert_eq!(too_many, Err(OutOfRange.into()));
}

#[test]
fn granted_points_are_worth_their_face_times_the_rate() {
    for (granted, face, urr, value) in [
        (1_000, "0.1", "0.95", "95.00"),
        (3, "0.005", "1", "0.02"),
        (3, "0.005", "0.99", "0.01"),
        (0, "1", "1", "0.00"),
        (10, "1", "1.5", "10.00"),
    ] {
        assert_eq!(
            stand_alone_value(cny(), points(granted), rate(face), rate(urr)),
            Ok(money(value)),
            "{granted} x {face}"
        );
    }
}

#[test]
fn expected_redemptions_stay_between_what_is_redeemed_and_what_has_not_expired() {
    for (urr, issued, redeemed, expired, expected) in [
        ("0.95", 10_000, 0, 0, 9_500),
        ("0.5", 3, 0, 0, 2),
        ("0.1", 100, 40, 0, 40),
        ("2", 100, 40, 0, 100),
        ("1", 100, 40, 30, 70),
        ("1", 100, 40, 60, 40),
        ("0", 0, 0, 0, 0),
    ] {
        let found = expected_redemptions(rate(urr), points(issued), points(redeemed), points(expired));
        assert_eq!(found, Ok(points(expected)), "{urr} of {issued}, {redeemed}, {expired}");
    }
    for (issued, redeemed, expired) in [(100, 101, 0), (100, 60, 41), (100, -1, 0), (100, 0, -1), (-1, 0, 0)] {
        let (issued, redeemed, expired) = (points(issued), points(redeemed), points(expired));
        let refused = expected_redemptions(Rate::ONE, issued, redeemed, expired);
        assert_eq!(refused, Err(LiabilityError::Overdrawn { issued, redeemed, expired }));
    }
}

#[test]
fn without_an_estimate_breakage_is_released_when_it_is_remote_or_when_points_expire() {
    let mut movement = sale("100", 100);
    movement.redeemed_own = points(40);
    let first = CohortLiability::default().close(&movement, remote_rate(false), Rate::ONE).unwrap();
    assert_eq!((first.row.own_line_revenue, first.row.closing), (money("40"), money("60")));

    let remote = first.state.close(&Movement::default(), remote_rate(true), Rate::ONE).unwrap();
    assert_eq!((remote.row.re_estimate, remote.row.closing), (money("60"), Money::ZERO));

    let expiry = Movement { redeemed_own: points(10), expired: points(50), ..Movement::default() };
    let expired = first.state.close(&expiry, rate("0.5"), Rate::ONE).unwrap().row;
    assert_eq!(
        (expired.own_line_revenue, expired.expired, expired.re_estimate),
        (money("10"), money("50"), Money::ZERO)
    );
    assert_eq!(expired.closing, Money::ZERO);
}

#[test]
fn an_estimate_of_no_redemptions_at_all_releases_everything() {
    assert_eq!(recognised(money("7"), Points::ZERO, Points::ZERO), Ok(money("7")));
    assert_eq!(recognised(money("7"), points(3), points(2)), Ok(money("7")), "E is at least R");
    let nothing = CohortLiability::default().close(&sale("7", 10), Rate::ZERO, Rate::ONE).unwrap();
    assert_eq!((nothing.row.re_estimate, nothing.row.closing), (money("7"), Money::ZERO));
    let movement = Movement { redeemed_own: points(4), ..Movement::default() };
    let after_all = nothing.state.close(&movement, Rate::ZERO, Rate::ONE).unwrap().row;
    assert_eq!((after_all.own_line_revenue, after_all.re_estimate), (money("7"), money("-7")));
}

#[test]
fn a_cohort_that_is_redeemed_to_the_last_point_had_a_re_estimate_and_no_expiry() {
    let at = rate("0.8");
    let first = Movement { redeemed_own: points(40), ..sale("10.00", 100) };
    let first = CohortLiability::default().close(&first, at, Rate::ONE).unwrap();
    let rest = Movement { redeemed_own: points(60), ..Movement::default() };
    let row = first.state.close(&rest, at, Rate::ONE).unwrap().row;
    // The forty were measured by eighty, and are by a hundred now.
    assert_eq!((row.own_line_revenue, row.re_estimate), (money("6.00"), money("-1.00")));
    assert_eq!((row.expired, row.closing), (Money::ZERO, Money::ZERO));
}

#[test]
fn a_redemption_at_another_line_becomes_its_payable_and_the_funders_net_revenue() {
    let mut movement = sale("100", 1_000);
    movement.redeemed_own = points(100);
    movement.redeemed_other = BTreeMap::from([
        (line("HT"), OtherLine { points: points(200), amount: money("18") }),
        (line("TP"), OtherLine { points: points(200), amount: money("26") }),
    ]);
    let closing = CohortLiability::default().close(&movement, rate("0.8"), rate("0.25")).unwrap();
    let row = closing.row;
    assert_eq!((row.own_line_revenue, row.to_payable, row.agent_revenue), (money("12.5"), money("44"), money("6")));
    assert_eq!((row.closing, row.current), (money("37.5"), money("9.38")));
    let hotel = closing.other_lines[&line("HT")];
    assert_eq!((hotel.released, hotel.owed, hotel.agent_revenue), (money("25"), money("18"), money("7")));
    let park = closing.other_lines[&line("TP")];
    assert_eq!((park.released, park.owed, park.agent_revenue), (money("25"), money("26"), money("-1")));
}

#[test]
fn granted_points_add_to_the_liability_and_are_shown_apart() {
    let movement = Movement { granted: money("9.5"), issued: points(110), ..sale("100", 0) };
    let row = CohortLiability::default().close(&movement, Rate::ONE, Rate::ONE).unwrap().row;
    assert_eq!((row.added, row.granted, row.closing), (money("109.5"), money("9.5"), money("109.5")));
}

#[test]
fn a_refunded_sale_takes_its_share_of_the_liability_and_no_revenue() {
    let first = CohortLiability::default().close(&sale("90", 1_000), rate("0.9"), Rate::ONE).unwrap().state;
    let redeemed = Movement { redeemed_own: points(450), ..Movement::default() };
    let second = first.close(&redeemed, rate("0.9"), Rate::ONE).unwrap();
    assert_eq!(second.row.closing, money("45"));
    let refund = Movement { reversed: points(100), ..Movement::default() };
    let third = second.state.close(&refund, rate("0.9"), Rate::ONE).unwrap();
    assert_eq!((third.row.reversed, third.row.released()), (money("9"), Ok(Money::ZERO)));
    assert_eq!((third.state.cl0, third.row.closing), (money("81"), money("36")));
}

#[test]
fn a_sale_refunded_before_any_redemption_leaves_nothing() {
    let both = Movement { reversed: points(33), ..sale("10", 33) };
    let closing = CohortLiability::default().close(&both, rate("0.7"), Rate::ONE).unwrap();
    assert_eq!((closing.row.reversed, closing.row.closing), (money("10"), Money::ZERO));
    let untouched = CohortLiability { urr: Some(rate("0.7")), ..CohortLiability::default() };
    assert_eq!(closing.state, untouched);
}

#[test]
fn a_late_redemption_after_the_expiry_turns_expiry_into_redemption() {
    let mut movement = sale("100", 100);
    movement.redeemed_own = points(50);
    movement.expired = points(50);
    let expired = CohortLiability::default().close(&movement, Rate::ONE, Rate::ONE).unwrap();
    assert_eq!((expired.row.own_line_revenue, expired.row.expired), (money("50"), money("50")));
    let owed = OtherLine { points: points(10), amount: money("8") };
    let late =
        Movement { redeemed_other: BTreeMap::from([(line("HT"), owed)]), expired: points(-10), ..Movement::default() };
    let row = expired.state.close(&late, rate("0.6"), Rate::ONE).unwrap().row;
    assert_eq!((row.to_payable, row.agent_revenue), (money("8"), money("8.67")));
    assert_eq!((row.expired, row.re_estimate, row.closing), (money("-16.67"), Money::ZERO, Money::ZERO));
}

#[test]
fn a_movement_that_cannot_be_is_refused() {
    let state = CohortLiability::default().close(&sale("10", 100), Rate::ONE, Rate::ONE).unwrap().state;
    let close = |movement: Movement| state.close(&movement, Rate::ONE, Rate::ONE).unwrap_err();
    let (issued, none) = (points(100), Points::ZERO);
    for (movement, error) in [
        (
            Movement { redeemed_own: points(101), ..Movement::default() },
            LiabilityError::Overdrawn { issued, redeemed: points(101), expired: none },
        ),
        (
            Movement { expired: points(101), ..Movement::default() },
            LiabilityError::Overdrawn { issued, redeemed: none, expired: points(101) },
        ),
        (
            Movement { redeemed_own: points(-1), ..Movement::default() },
            LiabilityError::Overdrawn { issued, redeemed: points(-1), expired: none },
        ),
        (
            Movement { reversed: points(101), ..Movement::default() },
            LiabilityError::TakenBack { issued, reversed: points(101) },
        ),
        (sale("-1", 0), LiabilityError::Negative("allocated")),
        (sale("1", -1), LiabilityError::Negative("issued")),
        (Movement { granted: money("-1"), ..Movement::default() }, LiabilityError::Negative("granted")),
        (Movement { reversed: points(-1), ..Movement::default() }, LiabilityError::Negative("reversed")),
        (Movement { allocated: Money::from_minor(i64::MAX), ..Movement::default() }, OutOfRange.into()),
    ] {
        assert_eq!(close(movement.clone()), error, "{movement:?}");
    }
    let tampered = CohortLiability { recognised: money("1"), ..state };
    let error = LiabilityError::State { found: money("1"), computed: Money::ZERO };
    assert_eq!(tampered.close(&Movement::default(), Rate::ONE, Rate::ONE), Err(error));
}

#[test]
fn a_state_is_stored_and_read_back_as_it_was() {
    let state = CohortLiability::default().close(&sale("10", 100), rate("0.95"), Rate::ONE).unwrap().state;
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<CohortLiability>(&text).unwrap(), state);
}

/// A period's events as fractions, so that any of them is possible in any state.
#[derive(Debug, Clone)]
struct Events {
    allocated: i64,
    granted: i64,
    issued: i64,
    /// In thousandths of what is outstanding, one after the other.
    own: i64,
    other: [i64; 2],
    returned: i64,
    reversed: i64,
    expires: bool,
    urr: i64,
}

fn events() -> impl Strategy<Value = Events> {
    (
        (0_i64..1_000_000_000, 0_i64..1_000_000, 0_i64..100_000_000),
        (0_i64..500, [0_i64..500, 0_i64..500], 0_i64..300, 0_i64..300),
        prop::bool::weighted(0.1),
        0_i64..=100_000_000,
    )
        .prop_map(|((allocated, granted, issued), (own, other, returned, reversed), expires, urr)| Events {
            allocated,
            granted,
            issued,
            own,
            other,
            returned,
            reversed,
            expires,
            urr,
        })
}

impl Events {
    fn urr(&self) -> Rate {
        rate(&Decimal::new(self.urr, 8).to_string())
    }

    fn movement(&self, state: &CohortLiability) -> Movement {
        let mut left = state.outstanding().unwrap().get() + self.issued;
        let mut take = |thousandths: i64| {
            let taken = left * thousandths / 1_000;
            left -= taken;
            taken
        };
        let reversed = take(self.reversed);
        let own = take(self.own) - state.redeemed.get() * self.returned / 1_000;
        let [hotel, park] = self.other.map(&mut take);
        let returned = state.redeemed.get() * self.returned / 1_000;
        let other = |points: i64| OtherLine { points: self::points(points), amount: Money::from_minor(points * 3) };
        Movement {
            allocated: Money::from_minor(self.allocated),
            granted: Money::from_minor(self.granted),
            issued: points(self.issued),
            redeemed_own: points(own),
            redeemed_other: BTreeMap::from([(line("HT"), other(hotel)), (line("TP"), other(park))]),
            reversed: points(reversed),
            expired: points(if self.expires { left + returned } else { 0 }),
        }
    }
}

/// Points that a movement leaves to be redeemed.
fn outstanding_after(state: &CohortLiability, movement: &Movement) -> Points {
    let other = Points::sum(movement.redeemed_other.values().map(|line| line.points)).unwrap();
    let gone = [movement.redeemed_own, other, movement.reversed, movement.expired];
    state.outstanding().unwrap().plus(movement.issued).unwrap().minus(Points::sum(gone).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_liability_stays_between_nothing_and_cl0_and_every_row_ties(
        periods in prop::collection::vec(events(), 1..12),
    ) {
        let mut state = CohortLiability::default();
        let mut added = Money::ZERO;
        for events in periods {
            let movement = events.movement(&state);
            let after = outstanding_after(&state, &movement);
            let closing = state.close(&movement, events.urr(), rate("0.4")).unwrap();
            let row = closing.row;
            added.add(row.added).unwrap();
            prop_assert_eq!(row.check(), Ok(()));
            prop_assert_eq!(row.opening, state.liability().unwrap());
            prop_assert!(!row.closing.is_negative() && row.closing <= closing.state.cl0 && closing.state.cl0 <= added);
            prop_assert!(!row.current.is_negative() && row.current <= row.closing);
            prop_assert_eq!(closing.state.outstanding().unwrap(), after);
            prop_assert!(closing.state.expected >= closing.state.redeemed);
            if after.is_zero() {
                prop_assert_eq!(row.closing, Money::ZERO);
            }
            if movement.expired.is_zero() {
                prop_assert_eq!(row.expired, Money::ZERO);
            }
            for release in closing.other_lines.values() {
                prop_assert_eq!(release.owed.plus(release.agent_revenue), Ok(release.released));
            }
            state = closing.state;
        }
    }

    #[test]
    fn a_new_estimate_moves_revenue_but_never_cl0(
        events in events(), rates in prop::collection::vec(0_i64..=100_000_000, 1..10),
    ) {
        let start = CohortLiability::default();
        let mut state = start.close(&events.movement(&start), events.urr(), Rate::ONE).unwrap().state;
        let cl0 = state.cl0;
        for scaled in rates {
            let urr = rate(&Decimal::new(scaled, 8).to_string());
            let closing = state.close(&Movement::default(), urr, Rate::ONE).unwrap();
            prop_assert_eq!(closing.state.cl0, cl0);
            prop_assert_eq!(closing.row.released(), Ok(closing.row.re_estimate));
            let again = closing.state.close(&Movement::default(), urr, Rate::ONE).unwrap();
            prop_assert_eq!(again.row.released(), Ok(Money::ZERO), "the same estimate again changes nothing");
            state = closing.state;
        }
    }

    #[test]
    fn the_same_redemptions_in_one_period_or_in_many_come_to_the_same(
        allocated in 0_i64..1_000_000_000, issued in 1_i64..1_000_000_000, urr in 1_i64..=100_000_000,
        redemptions in prop::collection::vec((0_i64..100, 0_i64..100), 1..8), expires: bool,
    ) {
        let urr = rate(&Decimal::new(urr, 8).to_string());
        let issue = Movement { allocated: Money::from_minor(allocated), issued: points(issued), ..Movement::default() };
        let start = CohortLiability::default().close(&issue, urr, Rate::ONE).unwrap().state;
        let redeem = |own: i64, other: i64| Movement {
            redeemed_own: points(own),
            redeemed_other: BTreeMap::from([(line("HT"), OtherLine { points: points(other), amount: Money::ZERO })]),
            ..Movement::default()
        };
        let (mut own, mut other) = (0, 0);
        let mut state = start;
        let mut sum = RollForward::default();
        for (one, two) in &redemptions {
            let (one, two) = (issued * one / 2_000, issued * two / 2_000);
            let closing = state.close(&redeem(one, two), urr, Rate::ONE).unwrap();
            sum = sum.plus(&RollForward { opening: Money::ZERO, closing: Money::ZERO, ..closing.row }).unwrap();
            (own, other, state) = (own + one, other + two, closing.state);
        }
        let mut together = redeem(own, other);
        if expires {
            together.expired = outstanding_after(&start, &together);
            let expiry = Movement { expired: together.expired, ..Movement::default() };
            let closing = state.close(&expiry, urr, Rate::ONE).unwrap();
            sum = sum.plus(&RollForward { opening: Money::ZERO, closing: Money::ZERO, ..closing.row }).unwrap();
            state = closing.state;
        }
        let whole = start.close(&together, urr, Rate::ONE).unwrap();
        prop_assert_eq!(whole.state, state);
        prop_assert_eq!(whole.row.released(), sum.released());
    }

    #[test]
    fn each_cause_is_within_a_minor_unit_of_its_formula(
        allocated in 0_i64..1_000_000_000, issued in 1_i64..1_000_000_000,
        first in 0_i64..500, second in 0_i64..500, urrs in [50_000_000_i64..=100_000_000, 50_000_000_i64..=100_000_000],
    ) {
        let [urr, next_urr] = urrs.map(|urr| rate(&Decimal::new(urr, 8).to_string()));
        let (first, second) = (issued * first / 1_000, issued * second / 1_000);
        let mut movement = Movement { allocated: Money::from_minor(allocated), ..sale("0", issued) };
        movement.redeemed_own = points(first);
        let start = CohortLiability::default().close(&movement, urr, Rate::ONE).unwrap().state;
        let closing = start.close(&Movement { redeemed_own: points(second), ..Movement::default() }, next_urr, Rate::ONE);
        let closing = closing.unwrap();
        let (before, now) = (i128::from(start.expected.get()), i128::from(closing.state.expected.get()));
        prop_assume!(before > 0 && now > 0);
        let scale = before * now;
        let own = i128::from(allocated) * i128::from(second) * before;
        let re_estimate = i128::from(allocated) * i128::from(first) * (before - now);
        prop_assert!((i128::from(closing.row.own_line_revenue.minor()) * scale - own).abs() < scale);
        prop_assert!((i128::from(closing.row.re_estimate.minor()) * scale - re_estimate).abs() < scale);
        if before == now {
            prop_assert_eq!(closing.row.re_estimate, Money::ZERO);
        }
    }

    #[test]
    fn an_allocation_sums_to_the_price_and_the_points_part_is_within_a_minor_unit(
        price in 0_i64..1_000_000_000_000, goods in 1_i64..1_000_000_000_000, issued in 0_i64..1_000_000_000,
        face in 0_i64..100_000_000, urr in 0_i64..=100_000_000,
    ) {
        let [face, urr] = [face, urr].map(|scaled| rate(&Decimal::new(scaled, 8).to_string()));
        let parts =
            allocate_price(cny(), Money::from_minor(price), Money::from_minor(goods), points(issued), face, urr).unwrap();
        prop_assert_eq!(parts.goods.plus(parts.points), Ok(Money::from_minor(price)));
        let alone = face.decimal() * urr.decimal() * Decimal::from(issued) * Decimal::ONE_HUNDRED;
        let exact = Decimal::from(price) * (alone / (alone + Decimal::from(goods)));
        let distance = (Decimal::from(parts.points.minor()) - exact).abs();
        prop_assert!(distance < Decimal::ONE, "{:?} from {}", parts.points, exact);
    }
}
