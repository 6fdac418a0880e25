//! What a tally knows of sales beside their points: on which days they were, and which were reported with what points
//! paid of them.

use crate::support::*;
use interline_domain::claims::account::Account;
use interline_domain::close::tally::{GrossSales, Tally};
use interline_domain::events::{Accrual, Action, Entry, Head, Redemption, plan};
use interline_domain::units::id::LineId;

fn sale(amount: &str) -> Action {
    Action::Accrual(Accrual::of(money(amount)))
}

fn spend(number: i64, bill: Option<&str>) -> Action {
    Action::Redemption(Redemption::of(points(number), bill.map(money)))
}

/// Line, member, reference, time; booked in a month.
type Told<'a> = (&'a str, &'a str, &'a str, &'a str, Action);

fn entries(booked: &str, told: Vec<Told<'_>>) -> Vec<Entry> {
    let rulebook = rulebook(include_str!("../golden/small.toml"));
    let mut accounts = [Account::default(), Account::default()];
    let entry = |(line, of, reference, occurred_at, action): Told<'_>| {
        let mut command = command(line, reference, occurred_at, action);
        command.head = Head { member: member(of), ..command.head };
        let account = &mut accounts[usize::from(of == "m2")];
        let plan = plan(&rulebook, account, &command, period(booked), None).unwrap();
        *account = plan.account;
        plan.entry
    };
    told.into_iter().map(entry).collect()
}

fn tallied(entries: &[Entry]) -> Tally {
    tally(&rulebook(include_str!("../golden/small.toml")), entries)
}

#[test]
fn sales_are_counted_on_their_own_day_by_the_programmes_clock_whenever_they_are_booked() {
    let entries = entries(
        "2025-02",
        vec![
            ("shop", "m1", "1", "2025-02-03T12:00:00+08:00", sale("100")),
            ("shop", "m1", "2", "2025-02-03T23:59:59+08:00", sale("0.01")),
            ("shop", "m2", "3", "2025-02-03T16:00:00Z", sale("100")),
            ("shop", "m1", "4", "2025-01-31T12:00:00+08:00", sale("100")),
            ("inn", "m1", "5", "2025-02-28T12:00:00+08:00", sale("100")),
            ("inn", "m1", "6", "2025-02-27T12:00:00+08:00", spend(1, None)),
        ],
    );
    let tally = tallied(&entries);
    let told: Vec<String> = tally
        .sale_days
        .iter()
        .flat_map(|((line, month), days)| {
            let sold = days.iter().enumerate().filter(|(_, count)| **count > 0);
            sold.map(move |(day, count)| format!("{line} {month}-{:02} {count}", day + 1))
        })
        .collect();
    assert_eq!(told, ["inn 2025-02-28 1", "shop 2025-01-31 1", "shop 2025-02-03 2", "shop 2025-02-04 1"]);
    let again: Tally = serde_json::from_str(&serde_json::to_string(&tally).unwrap()).unwrap();
    assert_eq!(again, tally);
}

#[test]
fn a_sale_that_is_more_than_points_left_of_its_bill_is_named() {
    let noon = "2025-02-03T12:00:00+08:00";
    let mut entries = entries(
        "2025-02",
        vec![
            ("shop", "m1", "before", "2025-02-01T12:00:00+08:00", sale("10000")),
            ("shop", "m1", "net", noon, sale("60")),
            ("shop", "m1", "net", noon, spend(40, Some("100"))),
            ("shop", "m1", "gross", noon, sale("60.01")),
            ("shop", "m1", "gross", noon, spend(40, Some("100"))),
            ("shop", "m1", "without", noon, sale("100")),
            ("shop", "m1", "without", noon, spend(40, None)),
            // Another line's, another member's, and one without a sale.
            ("inn", "m1", "elsewhere", noon, sale("100")),
            ("shop", "m1", "elsewhere", noon, spend(40, Some("100"))),
            ("shop", "m2", "other", noon, sale("100")),
            ("shop", "m1", "other", noon, spend(40, Some("100"))),
            ("shop", "m1", "alone", noon, spend(40, Some("100"))),
            ("inn", "m1", "inn-1", noon, spend(1, Some("100"))),
            ("inn", "m1", "inn-1", noon, sale("100")),
        ],
    );
    let found = |tally: Tally| -> Vec<String> {
        let told = |(line, gross): (LineId, GrossSales)| format!("{line} {} {:?}", gross.count, gross.named);
        tally.gross_sales.into_iter().map(told).collect()
    };
    let expected = [r#"inn 1 {"inn-1"}"#, r#"shop 1 {"gross"}"#];
    assert_eq!(found(tallied(&entries)), expected);
    entries.reverse();
    assert_eq!(found(tallied(&entries)), expected);
}

#[test]
fn of_many_sales_that_are_too_large_the_first_are_named_whatever_the_order_of_shards() {
    let noon = "2025-02-03T12:00:00+08:00";
    let names: Vec<String> = (0..9).map(|number| format!("order-{number}")).collect();
    let mut told = vec![("shop", "m1", "before", "2025-02-01T12:00:00+08:00", sale("10000"))];
    for name in &names {
        told.push(("shop", "m1", name, noon, sale("100")));
        told.push(("shop", "m1", name, noon, spend(1, Some("100"))));
    }
    let entries = entries("2025-02", told);
    let whole = tallied(&entries);
    let gross = &whole.gross_sales[&line("shop")];
    assert_eq!((gross.count, gross.named.iter().cloned().collect::<Vec<_>>()), (9, names[..5].to_vec()));
    let (some, others) = entries.split_at(9);
    let (some, others) = (tallied(some), tallied(others));
    for [one, other] in [[&some, &others], [&others, &some]] {
        let mut sum = one.clone();
        sum.merge(other).unwrap();
        assert_eq!(sum.gross_sales, whole.gross_sales);
    }
}
