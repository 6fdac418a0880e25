//! The disclosure's tables, of a funder with two cohorts and two months, worked by hand; and what lines invoice each
//! other and are owed by members.

use crate::fixture::{RULEBOOK, cohort, line, period, rulebook, run, settlement};
use interline_domain::actuarial::experience::{Compared, Life};
use interline_domain::actuarial::liability::{CohortLiability, RollForward};
use interline_domain::claims::lot::Cohort;
use interline_domain::close::settlement::{
    CohortState, Debt, Invoice, InvoiceKind, LiabilityRow, RateBasis, Settlement,
};
use interline_domain::terms::rulebook::{Product, Rulebook, VatTreatment};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::SchemeId;
use interline_domain::units::micro::Micro;
use interline_domain::units::money::{Money, Points, Rate};
use interline_reports::document::Comparison;
use interline_reports::manifest::RunKind;
use interline_reports::pack::render;
use interline_reports::rows::Rows;
use std::collections::BTreeMap;

fn money(minor: i64) -> Money {
    Money::from_minor(minor)
}

fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

/// Issued before the year, and in its first month.
fn old() -> Cohort {
    cohort("dining", "2016-12", (2017, 12, 31))
}

fn new() -> Cohort {
    cohort("dining", "2017-01", (2018, 1, 31))
}

fn row(cohort: Cohort, row: RollForward, maturity: [i64; 4]) -> LiabilityRow {
    let row = RollForward { closing: row.computed().unwrap(), ..row };
    let basis = RateBasis::Experience;
    LiabilityRow { cohort, row, basis, maturity: maturity.map(money), ..settlement().liability[0].clone() }
}

/// 1,000.00 of December and 500.00 of January; January's close, and February's.
fn months() -> [Settlement; 2] {
    let january = vec![
        row(
            old(),
            RollForward {
                opening: money(100_000),
                own_line_revenue: money(10_000),
                to_payable: money(6_000),
                agent_revenue: money(500),
                breakage: money(1_000),
                re_estimate: money(300),
                ..RollForward::default()
            },
            [82_200, 0, 0, 0],
        ),
        row(
            new(),
            RollForward { added: money(50_000), own_line_revenue: money(2_000), ..RollForward::default() },
            [48_000, 0, 0, 0],
        ),
    ];
    let february = vec![
        row(
            old(),
            RollForward {
                opening: money(82_200),
                own_line_revenue: money(5_000),
                expired: money(1_200),
                ..RollForward::default()
            },
            [40_000, 20_000, 15_000, 1_000],
        ),
        LiabilityRow {
            basis: RateBasis::Manual { reason: "new terms".to_owned() },
            ..row(
                new(),
                RollForward { opening: money(48_000), to_payable: money(3_000), ..RollForward::default() },
                [45_000, 0, 0, 0],
            )
        },
    ];
    let mut february = Settlement { liability: february, ..settlement() };
    let state = &mut february.state;
    // N 1,000, R 300, E 600, CL 100.00: closes at 50.00, at 650 at 53.85, at 550 at 45.45.
    state.liability = vec![CohortState {
        cohort: old(),
        payer: None,
        liability: CohortLiability {
            issued: Points::new(1_000),
            redeemed_own: Points::new(300),
            expected: Micro::of_points(Points::new(600)),
            allocated: Micro::of_money(money(10_000)),
            contract: interline_domain::actuarial::liability::Columns { closing: money(5_000), ..Default::default() },
            ..CohortLiability::default()
        },
        redeemed: vec![Points::new(100), Points::new(200), Points::new(300)],
        next: None,
        urr: Some(rate("0.6")),
        sponsored: BTreeMap::new(),
    }];
    state.urr.rates.set(&old().scheme, Life::Months(12), Period::parse("2017-03").unwrap(), rate("0.62"));
    let compared = |month: &str, actual, expected| Compared {
        month: Period::parse(month).unwrap(),
        scheme: old().scheme,
        actual: Points::new(actual),
        expected: Micro::of_points(Points::new(expected)),
    };
    state.urr.memory.compared = vec![compared("2017-01", 100, 100), compared("2017-02", 60, 100)];
    let mut of_january = settlement();
    of_january.liability = january;
    of_january.state.period = Period::parse("2017-01").unwrap();
    [of_january, february]
}

fn files() -> BTreeMap<String, Vec<u8>> {
    let (run, rulebook, [january, february]) = (run(RunKind::Final), rulebook(), months());
    let before = Comparison::of(&rulebook, &run, &january, None, None).unwrap();
    let comparison = Comparison::of(&rulebook, &run, &february, Some(before), None).unwrap();
    let files = render(&run, &rulebook, RULEBOOK, &[], &february, &comparison).unwrap();
    files.into_iter().map(|file| (file.entry.path, file.bytes)).collect()
}

/// What a table says of all lines, or of dining: item and amount or number.
fn told(rows: &Rows, keys: [&str; 4]) -> Vec<(String, String)> {
    let columns = ["table", "book", "funder", "span"];
    let matches = |row: &usize| columns.iter().zip(keys).all(|(column, key)| rows.text(*row, column) == key);
    let value = |row: usize| format!("{}{}", rows.text(row, "amount"), rows.text(row, "number"));
    (0..rows.len()).filter(matches).map(|row| (rows.text(row, "item").to_owned(), value(row))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(item, value)| ((*item).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn roll_forwards_are_of_the_month_and_of_the_year() {
    let rows = Rows::parse(&files()["disclosure.csv"]).unwrap();
    let year = told(&rows, ["roll-forward", "contract-liability", "*", "year-to-date"]);
    // 1,000.00 + 500.00 - 170.00 - 90.00 - 5.00 - 10.00 - 3.00 - 12.00
    let expected = pairs(&[
        ("opening", "1000.00"),
        ("added", "500.00"),
        ("own", "170.00"),
        ("payable", "90.00"),
        ("agent", "5.00"),
        ("breakage", "10.00"),
        ("re-estimate", "3.00"),
        ("remeasured", "0.00"),
        ("expired", "12.00"),
        ("reversed", "0.00"),
        ("closing", "1210.00"),
        ("undone", "0.00"),
    ]);
    assert_eq!(year, expected);
    assert_eq!(told(&rows, ["roll-forward", "contract-liability", "dining", "year-to-date"]), expected);
    let month = told(&rows, ["roll-forward", "contract-liability", "dining", "month"]);
    assert_eq!((month[0].1.as_str(), month[10].1.as_str()), ("1302.00", "1210.00"));
    assert_eq!(told(&rows, ["roll-forward", "provision", "*", "month"]), [], "there is none");
    assert_eq!(told(&rows, ["roll-forward", "contract-liability", "*", "year-to-date-before"]), [], "too young");
}

#[test]
fn revenue_of_the_opening_balance_is_that_of_points_issued_before_the_year() {
    let rows = Rows::parse(&files()["disclosure.csv"]).unwrap();
    // December's cohort only: 100.00 + 50.00, 5.00, 10.00, 3.00 and 12.00; 60.00 went to other lines.
    let expected = pairs(&[
        ("opening", "1000.00"),
        ("own", "150.00"),
        ("agent", "5.00"),
        ("breakage", "10.00"),
        ("re-estimate", "3.00"),
        ("expired", "12.00"),
        ("remeasured", "0.00"),
        ("revenue", "180.00"),
        ("payable", "60.00"),
    ]);
    assert_eq!(told(&rows, ["revenue-from-opening", "contract-liability", "*", "year-to-date"]), expected);
}

#[test]
fn the_closing_is_told_by_when_it_is_used_and_at_other_rates() {
    let rows = Rows::parse(&files()["disclosure.csv"]).unwrap();
    let expected = pairs(&[
        ("months-1-3", "850.00"),
        ("months-4-6", "200.00"),
        ("months-7-12", "150.00"),
        ("later", "10.00"),
        ("current", "1200.00"),
    ]);
    assert_eq!(told(&rows, ["maturity", "contract-liability", "*", "month"]), expected);
    let expected = pairs(&[
        ("closing-at-more", "53.85"),
        ("difference-at-more", "3.85"),
        ("profit-at-more", "-3.85"),
        ("closing-at-less", "45.45"),
        ("difference-at-less", "-4.55"),
        ("profit-at-less", "4.55"),
    ]);
    assert_eq!(told(&rows, ["sensitivity", "contract-liability", "dining", "month"]), expected);
}

#[test]
fn the_estimate_says_what_it_expects_and_how_it_did() {
    let rows = Rows::parse(&files()["disclosure.csv"]).unwrap();
    // Of 700 points open 300 are still expected; 60 of 100 came, and 160 of 200.
    let expected = pairs(&[
        ("rate-of-new-points", "0.62"),
        ("rate-of-open-points", "0.42857143"),
        ("actual-to-expected-1", "0.6"),
        ("actual-to-expected-3", "0.8"),
        ("actual-to-expected-12", "0.8"),
        ("override", "0.96"),
    ]);
    assert_eq!(told(&rows, ["estimate", "", "dining", ""]), expected);
    let set = (0..rows.len()).find(|row| rows.text(*row, "item") == "override").unwrap();
    assert_eq!((rows.text(set, "from"), rows.text(set, "note")), ("2017-01", "new terms"));
    let all = told(&rows, ["estimate", "", "*", ""]);
    assert!(all.contains(&("window-months".to_owned(), "12".to_owned())), "{all:?}");
}

#[test]
fn lines_see_their_own_invoices_and_debts_with_names_that_the_tax_office_knows() {
    let text = RULEBOOK.replace("id = \"dining\"\n", "id = \"dining\"\ntax_id = \"91310000MA1EX0006C\"\n");
    let text = format!(
        "{text}\n[[prices]]\nredeemer = \"dining\"\nfunder = \"*\"\nfrom = \"2017-01-01\"\nprice = \"0.0085\"\n"
    );
    let rulebook = Rulebook::parse(&text).unwrap();
    let mut settlement = settlement();
    settlement.state.debts = vec![Debt { creditor: SchemeId::of(&line("dining")), points: Points::new(3_000) }];
    settlement.invoices = vec![Invoice {
        issuer: line("group"),
        buyer: line("dining"),
        product: Product::PlatformFee,
        code: None,
        treatment: VatTreatment::MarketingService,
        rate: rate("0.06"),
        kind: InvoiceKind::Blue,
        original_period: period(),
        gross: money(1_060),
        tax: money(60),
    }];
    let run = run(RunKind::Final);
    let comparison = Comparison::of(&rulebook, &run, &settlement, None, None).unwrap();
    let files = render(&run, &rulebook, &text, &[], &settlement, &comparison).unwrap();
    let files: BTreeMap<String, Vec<u8>> = files.into_iter().map(|file| (file.entry.path, file.bytes)).collect();
    let rows = |path: &str| {
        let text = String::from_utf8(files[path].clone()).unwrap();
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let invoice = "group,示例集团有限公司,,dining,示例餐饮有限公司,91310000MA1EX0006C,platform-fee,,,,blue,2017-02,10.00,0.06,\
                   0.60,10.60,marketing-service,2017-02 group → dining";
    for path in ["invoices.csv", "lines/group/invoices.csv", "lines/dining/invoices.csv"] {
        assert_eq!(rows(path), [invoice], "{path}");
    }
    // 3,000 x 0.0085
    for path in ["debts.csv", "lines/dining/debts.csv"] {
        assert_eq!(rows(path), ["dining,,3000,0.0085,25.50"], "{path}");
    }
    assert!(!files.contains_key("lines/mall/invoices.csv") && !files.contains_key("lines/group/debts.csv"));
}
