use super::*;
use crate::close::netting::residual;
use proptest::prelude::*;

const SMALL: &str = include_str!("../../../tests/golden/small.toml");

/// Lines a to f beside the hub; f leaves with June.
fn rulebook(netting: &str, minimum: &str) -> Rulebook {
    let line = |id: &str| {
        let to = if id == "f" { ", to = \"2025-06-30\"" } else { "" };
        format!("{{ id = \"{id}\", name = \"{id}\", entity = \"{id}\"{to} }}, ")
    };
    let more: String = ["a", "b", "c", "d", "e", "f"].map(line).concat();
    let text = SMALL.replace("name = \"Small\"", "name = \"SMALL\"").replace("name = ", "entity = \"x\", name = ");
    let text = text.replace("entity = \"x\", name = \"SMALL\"", "name = \"SMALL\"");
    let text = text.replace("lines = [", &format!("lines = [{more}")).replace("\"hub\"", &format!("\"{netting}\""));
    let text = format!("{text}[payments]\nminimum = \"{minimum}\"\n");
    Rulebook::parse(&text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

fn period(text: &str) -> Period {
    Period::parse(text).unwrap()
}

fn nets(text: &str) -> Nets {
    let net = |pair: &str| {
        let (line, minor) = pair.split_once(' ').unwrap();
        (LineId::parse(line).unwrap(), Money::from_minor(minor.parse().unwrap()))
    };
    text.split(", ").map(net).collect()
}

fn told(nets: &Nets) -> String {
    nets.iter().map(|(line, net)| format!("{line} {}", net.minor())).collect::<Vec<_>>().join(", ")
}

fn told_payments(payments: &[Payment]) -> String {
    let one = |Payment { payer, payee, amount }: &Payment| format!("{payer}>{payee} {}", amount.minor());
    payments.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_is_too_small_is_carried_and_paid_with_the_next() {
    let rulebook = rulebook("hub", "1.00");
    let first = paid(&rulebook, period("2025-01"), &nets("a -40, b -1000, c 1040"), &[]).unwrap();
    assert_eq!(told_payments(&first.payments), "b>hq 1000, hq>c 1040");
    assert_eq!(told(&balances(&first.carried).unwrap()), "a -40, hq 40");
    let second = paid(&rulebook, period("2025-02"), &nets("a -500, c 500"), &first.carried).unwrap();
    assert_eq!(told_payments(&second.payments), "a>hq 540, hq>c 500");
    assert_eq!(second.carried, []);
    // What the hub is owed stays there until then.
    let moved = moved(&first.carried, &second).unwrap();
    assert_eq!(told_payments(&moved), "a>hq 500, hq>c 500");
}

#[test]
fn what_turns_round_is_carried_the_other_way() {
    let rulebook = rulebook("hub", "1.00");
    let first = paid(&rulebook, period("2025-01"), &nets("a -40, c 40"), &[]).unwrap();
    assert_eq!((first.payments.len(), told_payments(&first.carried)), (0, "a>hq 40, hq>c 40".to_owned()));
    let second = paid(&rulebook, period("2025-02"), &nets("a 60, c -60"), &first.carried).unwrap();
    assert_eq!(told(&balances(&second.carried).unwrap()), "a 20, c -20");
    let third = paid(&rulebook, period("2025-03"), &nets("a -20, c 20"), &second.carried).unwrap();
    assert_eq!((third.payments, third.carried), (vec![], vec![]));
}

#[test]
fn december_and_a_line_that_leaves_are_paid_whatever_the_size() {
    for (netting, to_f) in [("hub", "hq>f 1"), ("direct", "a>f 1")] {
        let rulebook = rulebook(netting, "1.00");
        let of = |month: &str, nets_of: &str| paid(&rulebook, period(month), &nets(nets_of), &[]).unwrap();
        assert_eq!(told_payments(&of("2025-12", "a -1, b 1").carried), "");
        assert_eq!(of("2025-11", "a -1, b 1").payments, []);
        assert_eq!(of("2025-05", "a -1, f 1").payments, []);
        assert!(told_payments(&of("2025-06", "a -1, f 1").payments).contains(to_f));
        // Whatever comes late, too.
        assert!(told_payments(&of("2025-09", "a -1, f 1").payments).contains(to_f));
    }
}

#[test]
fn lines_that_pay_each_other_carry_payment_by_payment() {
    let rulebook = rulebook("direct", "1.00");
    let first = paid(&rulebook, period("2025-01"), &nets("a -40, b -1000, c 1040"), &[]).unwrap();
    assert_eq!(
        (told_payments(&first.payments), told_payments(&first.carried)),
        ("b>c 1000".to_owned(), "a>c 40".to_owned())
    );
    let second = paid(&rulebook, period("2025-02"), &nets("a -500, d 500"), &first.carried).unwrap();
    assert_eq!(told_payments(&second.payments), "a>d 500");
    assert_eq!(told_payments(&second.carried), "a>c 40");
    let third = paid(&rulebook, period("2025-03"), &nets("a -500, d 540, b -40"), &second.carried).unwrap();
    let moved = moved(&second.carried, &third).unwrap();
    assert_eq!(told_payments(&third.payments), "a>d 540");
    assert_eq!(told_payments(&third.carried), "b>c 40");
    assert_eq!(told_payments(&moved), "a>d 540, b>c 40, a>c -40");
}

#[test]
fn nothing_is_carried_where_the_terms_name_no_smallest_payment() {
    let rulebook = Rulebook::parse(SMALL).unwrap();
    let all = paid(&rulebook, period("2025-01"), &nets("inn 1, shop -1"), &[]).unwrap();
    assert_eq!((told_payments(&all.payments), all.carried), ("shop>hq 1, hq>inn 1".to_owned(), vec![]));
}

proptest! {
    /// Over a year of random months.
    #[test]
    fn every_net_is_paid_or_carried_and_december_leaves_nothing(
        months in prop::collection::vec(prop::collection::vec(-300_i64..300, 6), 12),
        direct in any::<bool>(),
    ) {
        let rulebook = rulebook(if direct { "direct" } else { "hub" }, "1.50");
        let lines = ["a", "b", "c", "d", "e", "f", "hq"];
        let (mut carried, mut open) = (Vec::new(), Nets::new());
        for (at, month) in months.into_iter().enumerate() {
            let sum: i64 = month.iter().sum();
            let nets: Nets = lines.iter().zip(month.into_iter().chain([-sum]))
                .map(|(line, net)| (LineId::parse(line).unwrap(), Money::from_minor(net)))
                .collect();
            let month = period("2025-01").plus_months(u32::try_from(at).unwrap());
            let all = paid(&rulebook, month, &nets, &carried).unwrap();
            let before = std::mem::replace(&mut carried, all.carried.clone());

            let balances = balances(&carried).unwrap();
            prop_assert!(balances.values().all(|balance| !balance.is_zero()));
            prop_assert_eq!(Money::sum(balances.values().copied()).unwrap(), Money::ZERO);
            prop_assert!(carried.iter().all(|one| one.amount.is_positive() && one.amount.minor() < 150));
            // All nets so far, less all that was paid, is what is carried.
            for (line, net) in &nets {
                open.entry(line.clone()).or_default().add(*net).unwrap();
            }
            open = residual(&open, &all.payments).unwrap();
            open.retain(|_, left| !left.is_zero());
            prop_assert_eq!(&open, &balances);
            // What the month moves is its nets.
            let mut of_month = residual(&nets, &moved(&before, &all).unwrap()).unwrap();
            of_month.retain(|_, left| !left.is_zero());
            prop_assert_eq!(of_month, Nets::new());
            let f = LineId::parse("f").unwrap();
            prop_assert!(at < 5 || !balances.contains_key(&f), "f has left");
        }
        prop_assert_eq!(carried, vec![]);
    }
}
