//! Sales with points of sponsors in the group's books.

use crate::programme::Programme;
use crate::reverse::reverse;
use crate::{money, shown};
use interline_domain::close::books::{Elimination, consolidation};
use interline_domain::close::settlement::Settlement;
use interline_domain::events::{Accrual, Action, EntryKind, Redemption};
use interline_domain::units::id::Reference;
use interline_domain::units::money::{Money, Points};
use proptest::prelude::*;
use proptest::sample::Index;
use serde::Deserialize;

const CASE: &str = include_str!("../golden/sponsored.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rulebook: String,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Closed before.
    #[serde(default)]
    months: u32,
    /// From now on, of January's points of the group.
    urr: Option<String>,
    sale: Option<String>,
    refund: Option<String>,
    spend: Option<i64>,
    rows: Vec<String>,
}

fn case() -> Case {
    toml::from_str(CASE).unwrap()
}

fn sponsored(settlement: &Settlement) -> Vec<Elimination> {
    let sales = settlement.sponsored_sales().unwrap();
    let rows = consolidation(&settlement.vouchers, &settlement.cash_vouchers, &sales).unwrap();
    rows.into_iter().filter(|row| row.why.word().starts_with("sponsored")).collect()
}

fn told(row: &Elimination) -> String {
    let (role, other) = (row.role.word(), row.other_role.word());
    let (amount, other_amount) = (shown(row.amount), shown(row.other_amount));
    format!("{} {} {role} {amount} / {} {other} {other_amount}", row.why.word(), row.entity, row.other)
}

fn accrual(amount: &str) -> Action {
    Action::Accrual(Accrual::of(money(amount)))
}

fn redemption(points: i64) -> Action {
    Action::Redemption(Redemption::of(Points::new(points), None))
}

fn refund(number: usize, amount: Option<Money>) -> Action {
    reverse(EntryKind::Accrual, Reference::parse(&number.to_string()).unwrap(), None, amount, None)
}

#[test]
fn the_group_shares_a_sale_with_the_sponsors_points_and_earns_them_as_they_are_used() {
    let Case { rulebook, step } = case();
    let mut programme = Programme::new(&rulebook);
    for (at, step) in step.iter().enumerate() {
        (0..step.months).for_each(|_| drop(programme.close()));
        if let Some(urr) = &step.urr {
            let manual = format!(
                "urr_override = [{{ funder = \"hq\", issued = \"2025-01\", urr = \"{urr}\", reason = \"seen\" }}]"
            );
            programme.change(&format!("{rulebook}{manual}\n"));
        }
        for (day, action) in [
            (10, step.sale.as_deref().map(accrual)),
            (15, step.spend.map(redemption)),
            (20, step.refund.as_deref().map(|amount| refund(0, Some(money(amount))))),
        ] {
            assert!(action.is_none_or(|action| programme.record("ml", "m1", day, 0, action)), "step {at}");
        }
        let rows: Vec<String> = sponsored(&programme.settlement().unwrap().0).iter().map(told).collect();
        assert_eq!(rows, step.rows, "step {at}");
    }
}

#[test]
fn a_sale_whose_points_are_all_the_sponsors_is_shared_with_them() {
    let rulebook = case()
        .rulebook
        .replace(r#"points_per_unit = "0.1", multiplier = "2""#, r#"points_per_unit = "0.0001", multiplier = "1000""#);
    let mut programme = Programme::new(&rulebook);
    programme.sale("ml", "1000");
    let settlement = programme.close();
    // 1,000.00 x 80 / 1,080.
    assert_eq!(told(&sponsored(&settlement)[0]), "sponsored ml revenue 74.07 / hq contract_liability -74.07");
}

/// Two sellers with two sponsors; what they buy with the points is not asked for.
fn rulebook(expires: bool) -> String {
    let sponsors = r#"sponsors = [{ to = "hq", share = "0.7" }, { to = "ht", share = "0.3" }] }"#;
    let earn = |line: &str| {
        format!(r#"{{ line = "{line}", from = "2025-01-01", points_per_unit = "0.13", multiplier = "2.7", {sponsors}"#)
    };
    let of = case().rulebook;
    let (before, rest) = of.split_once("earn = [").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let all = format!("{before}earn = [{}, {}]\n{rest}", earn("ml"), earn("dn"));
    let lines = r#"{ id = "ml", name = "Mall" }"#;
    let all =
        all.replace(lines, &format!(r#"{lines}, {{ id = "dn", name = "Diner" }}, {{ id = "ht", name = "Hotel" }}"#));
    let price = |line: &str| format!(r#"prices = [{{ redeemer = "{line}", from = "2025-01-01", price = "0.6" }}, "#);
    let all = all.replace("prices = [", &price("dn")).replace("prices = [", &price("ht"));
    if expires { all.replace("never = true", "months = 1") } else { all }
}

#[derive(Debug, Clone)]
enum Does {
    Sale(bool, i64),
    Spend(i64),
    Refund(Index, Option<i64>),
    Close,
}

fn step() -> impl Strategy<Value = Does> {
    prop_oneof![
        3 => (any::<bool>(), 1..200_000_i64).prop_map(|(line, amount)| Does::Sale(line, amount)),
        2 => (1..300_i64).prop_map(Does::Spend),
        2 => (any::<Index>(), proptest::option::of(1..100_000_i64)).prop_map(|(at, amount)| Does::Refund(at, amount)),
        1 => Just(Does::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The sponsors give no other points, so what is left of P is their provision.
    #[test]
    fn refunds_undo_what_sales_brought_and_the_groups_provision_for_sponsored_points_is_none(
        steps in proptest::collection::vec(step(), 1..25),
        expires in any::<bool>(),
    ) {
        let mut programme = Programme::new(&rulebook(expires));
        let mut sales: Vec<(usize, &str)> = Vec::new();
        let check = |settlement: &Settlement| {
            let mut rows = sponsored(settlement);
            prop_assert!(rows.iter().all(|row| row.sum() == Ok(Money::ZERO)));
            rows.retain(|row| row.entity == row.other);
            for (funder, provision) in settlement.provision_by_funder().unwrap() {
                let of = rows.iter().filter(|row| row.entity == funder);
                let of = of.filter_map(|row| match (row.role.word(), row.other_role.word()) {
                    ("provision", _) => Some(row.amount),
                    (_, "provision") => Some(row.other_amount),
                    _ => None,
                });
                prop_assert_eq!(Money::sum(of).unwrap(), provision.closing, "{}", funder);
            }
            Ok(())
        };
        for step in steps {
            match step {
                Does::Sale(is_mall, minor) => {
                    let line = if is_mall { "ml" } else { "dn" };
                    let action = Action::Accrual(Accrual::of(Money::from_minor(minor)));
                    let number = programme.entries();
                    if programme.record(line, "m1", 10, 0, action) {
                        sales.push((number, line));
                    }
                }
                Does::Spend(points) => drop(programme.record("ml", "m1", 15, 0, redemption(points))),
                Does::Refund(at, minor) if !sales.is_empty() => {
                    let (number, line) = *at.get(&sales);
                    programme.record(line, "m1", 20, 0, refund(number, minor.map(Money::from_minor)));
                }
                Does::Refund(..) => {}
                Does::Close => check(&programme.close())?,
            }
        }
        for (number, line) in sales {
            programme.record(line, "m1", 25, 0, refund(number, None));
        }
        let settlement = programme.close();
        check(&settlement)?;
        prop_assert!(settlement.state.liability.iter().all(|state| state.sponsored.is_empty()));
        let rows = sponsored(&settlement);
        prop_assert!(rows.is_empty(), "{:?}", rows);
    }
}
