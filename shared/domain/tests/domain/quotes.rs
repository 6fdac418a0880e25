//! A quote says what a redemption would be allowed.

use crate::support::*;
use interline_domain::claims::account::Account;
use interline_domain::events::quote::{Wish, quote};
use interline_domain::events::{Action, Redemption, Refusal};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::money::{Money, Points};
use proptest::prelude::*;

const PROGRAMME: &str = include_str!("../golden/programme.toml");
const NOON: &str = "2025-03-10T12:00:00+08:00";

#[derive(Debug, Clone)]
struct Terms {
    /// Ten-thousandths of a currency unit per point.
    value: i64,
    minimum: i64,
    step: i64,
    /// Per order, day and month; none at zero.
    caps: [i64; 3],
    /// In percent; none at zero.
    bill_share: i64,
}

impl Terms {
    /// The sample programme, where the hotels redeem by these terms.
    fn rulebook(&self) -> Rulebook {
        let rule = "line = \"HT\"\nfrom = \"2024-07-01\"\nvalue = ";
        let value = format!("\"0.{:04}\"\nminimum = {}\nstep = {}\n", self.value, self.minimum, self.step);
        let caps = ["max_per_order", "max_per_day", "max_per_month"].iter().zip(self.caps);
        let caps: String = caps.filter(|(_, cap)| *cap > 0).map(|(name, cap)| format!("{name} = {cap}\n")).collect();
        let share = match self.bill_share {
            0 => String::new(),
            share => format!("max_bill_share = \"0.{share:02}\"\n"),
        };
        let (old, new) = (format!("{rule}\"0.50\"\n"), format!("{rule}{value}{caps}{share}"));
        assert_eq!(PROGRAMME.matches(&old).count(), 1);
        rulebook(&PROGRAMME.replace(&old, &new))
    }
}

fn terms() -> impl Strategy<Value = Terms> {
    let cap = || prop_oneof![Just(0), 1_i64..120];
    let share = prop_oneof![Just(0), 1_i64..100];
    (1_i64..9_999, 1_i64..30, 1_i64..12, [cap(), cap(), cap()], share).prop_map(
        |(value, minimum, step, caps, bill_share)| {
            // A cap that nobody can meet is refused with the rulebook.
            let least = (minimum + step - 1) / step * step;
            let caps = caps.map(|cap: i64| if cap == 0 { 0 } else { cap.max(least) });
            Terms { value, minimum, step, caps, bill_share }
        },
    )
}

/// Points that can be spent, and some that were spent that day and earlier in the month.
fn accounts() -> impl Strategy<Value = Account> {
    (0_i64..150, 0_i64..40, 0_i64..40).prop_map(|(balance, today, earlier)| {
        let mut account = account(&[]);
        if balance > 0 {
            account.lots.insert(cohort("ML|2025-02|never"), points(balance));
        }
        account.redeemed.insert((line("HT"), day("2025-03-10")), points(today));
        account.redeemed.insert((line("HT"), day("2025-03-01")), points(earlier));
        account
    })
}

fn redeem(rulebook: &Rulebook, account: &Account, wished: Points, bill: Option<Money>) -> Result<Money, Refusal> {
    let command = command("HT", "R1", NOON, Action::Redemption(Redemption::of(wished, bill)));
    let plan = plan_in_time(rulebook, account, &command, None)?;
    let value = spent(&plan.entry).unwrap().value;
    Ok(value)
}

proptest! {
    #[test]
    fn a_quote_is_what_a_redemption_would_be_allowed(
        terms in terms(),
        account in accounts(),
        bill in 1_i64..3_000,
        wished in 1_i64..160,
        covered in 1_i64..2_000,
    ) {
        let rulebook = terms.rulebook();
        let bill = Some(Money::from_minor(bill));
        let quoted = |wish| quote(&rulebook, &account, &line("HT"), bill, wish, day("2025-03-10")).unwrap();
        let allowed = |number: i64| redeem(&rulebook, &account, points(number), bill);
        let most = (1..=160).rev().find(|number| allowed(*number).is_ok()).unwrap_or(0);

        let by_points = quoted(Wish::Points(points(wished)));
        prop_assert_eq!(by_points.most, points(most));
        match allowed(wished) {
            Ok(value) => {
                prop_assert_eq!((by_points.points, by_points.value, by_points.reason), (points(wished), value, None));
            }
            Err(refusal) => {
                prop_assert_eq!((by_points.points, by_points.value), (Points::ZERO, Money::ZERO));
                match (by_points.reason.unwrap(), refusal) {
                    // The quote names the fewest points that are a whole number of steps, too.
                    (Refusal::BelowMinimum(least), Refusal::BelowMinimum(minimum)) => {
                        let expected = (minimum.get()..).find(|number| number % terms.step == 0).unwrap();
                        prop_assert_eq!(least, points(expected));
                    }
                    (reason, refusal) => prop_assert_eq!(reason, refusal),
                }
            }
        }

        let by_value = quoted(Wish::Value(Money::from_minor(covered)));
        // Minor units times a hundred against points times ten-thousandths.
        let fits = |number: i64| number % terms.step == 0 && number * terms.value <= covered * 100;
        let highest = covered * 100 / terms.value;
        let enough = (highest + 1 - terms.step.min(highest + 1)..=highest).rev().find(|number| fits(*number)).unwrap();
        if enough > 0 && allowed(enough).is_ok() {
            prop_assert_eq!((by_value.points, by_value.reason), (points(enough), None));
        } else {
            prop_assert_eq!(by_value.points, Points::ZERO);
            prop_assert!(by_value.reason.is_some());
        }

        let at_most = quoted(Wish::Most);
        prop_assert_eq!((at_most.points, at_most.reason.is_none()), (points(most), most > 0));
    }
}

#[test]
fn a_quote_for_as_much_as_possible_names_the_limit_that_stands_in_the_way() {
    let least = |minimum, step, caps, bill_share| Terms { value: 100, minimum, step, caps, bill_share };
    let full = account(&[("ML|2025-02|never", 1_000)]);
    let poor = account(&[("ML|2025-02|never", 20)]);
    let mut spent = full.clone();
    spent.redeemed.insert((line("HT"), day("2025-03-10")), points(1));
    let paid = Money::from_minor(100);
    let bill = Some(paid);
    for (terms, account, reason) in [
        (least(1, 50, [0, 50, 0], 0), &spent, Refusal::AboveDayCap { left: points(49) }),
        (least(50, 1, [0, 0, 50], 0), &spent, Refusal::AboveMonthCap { left: points(49) }),
        (least(51, 1, [0; 3], 50), &full, Refusal::AboveBillCap { cap: points(50), bill: cny().show(paid) }),
        (least(21, 1, [0; 3], 0), &poor, Refusal::InsufficientPoints { available: points(20), requested: points(21) }),
        (least(7, 30, [0; 3], 0), &poor, Refusal::InsufficientPoints { available: points(20), requested: points(30) }),
    ] {
        let quoted = quote(&terms.rulebook(), account, &line("HT"), bill, Wish::Most, day("2025-03-10")).unwrap();
        assert_eq!((quoted.most, quoted.reason), (Points::ZERO, Some(reason)), "{terms:?}");
    }
    for terms in [least(50, 1, [50, 0, 0], 0), least(1, 50, [0, 50, 0], 0), least(50, 1, [0; 3], 50)] {
        let quoted = quote(&terms.rulebook(), &full, &line("HT"), bill, Wish::Most, day("2025-03-10")).unwrap();
        assert_eq!((quoted.most, quoted.reason), (points(50), None), "{terms:?}");
    }
    let exactly = quote(&least(20, 1, [0; 3], 0).rulebook(), &poor, &line("HT"), None, Wish::Most, day("2025-03-10"));
    assert_eq!(exactly.unwrap().points, points(20));
    let wish = Wish::Points(points(21));
    let beyond = quote(&least(20, 1, [0; 3], 0).rulebook(), &poor, &line("HT"), None, wish, day("2025-03-10")).unwrap();
    let reason = Refusal::InsufficientPoints { available: points(20), requested: points(21) };
    assert_eq!((beyond.points, beyond.reason), (Points::ZERO, Some(reason)));
}

#[test]
fn a_quote_is_refused_at_a_line_that_is_unknown_or_redeems_nothing() {
    let rulebook = rulebook(PROGRAMME);
    let asked = |at: &str, on: &str| quote(&rulebook, &account(&[]), &line(at), None, Wish::Most, day(on)).unwrap_err();
    assert_eq!(asked("XX", "2025-03-10"), Refusal::UnknownLine(line("XX")));
    let before = Refusal::NoBurnRule { line: line("HT"), day: day("2024-06-30") };
    assert_eq!(asked("HT", "2024-06-30"), before);
}
