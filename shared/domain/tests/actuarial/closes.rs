//! The liability and the books of whole programmes, closed month by month.

use crate::programme::{Programme, books, closing, digests, merged};
use crate::reverse::reverse;
use crate::{money, rate, shown};
use interline_domain::close::books::{BooksEvent, VoucherLine};
use interline_domain::close::settlement::{RateBasis, Settlement, State};
use interline_domain::events::{Accrual, Action, EntryKind, Grant, Redemption};
use interline_domain::terms::rulebook::{Account, Method, Side};
use interline_domain::units::id::{LineId, Reference};
use interline_domain::units::limits::{ACCOUNT_CODE_MAX, ACCOUNT_NAME_MAX, SUMMARY_MAX};
use interline_domain::units::money::{Money, Points, Rate};
use proptest::prelude::*;
use proptest::sample::Index;

/// The initial rate holds, so that every figure is of the case.
const SMALL: &str = concat!(include_str!("../golden/small.toml"), "urr = [{ method = \"initial\" }]\n");

/// A rulebook with texts replaced, each of which stands in it once.
fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(SMALL.to_owned(), |text, (old, new)| {
        assert_eq!(text.matches(old).count(), 1, "{old:?}");
        text.replace(old, new)
    })
}

const SHOP: &str = "shop|2025-01|never";
const LIABILITY: &str = r#"initial_urr = "0.95" }]"#;
const NEVER: (&str, &str) = ("never = true", "months = 1");

#[test]
fn example_52_runs_through_tally_settlement_and_vouchers() {
    let mut programme = Programme::new(SMALL);
    programme.sale("shop", "100000");
    programme.spend("shop", 4_500);
    let first = programme.close();
    assert_eq!(
        books(&first),
        [
            "shop deferral: revenue 8675.80, contract_liability -8675.80",
            "shop own-redemption: contract_liability 4109.59, points_revenue -4109.59",
        ]
    );
    assert_eq!(closing(&first, SHOP), money("4566.21"));
    let row = &first.liability[0];
    assert_eq!((&row.basis, row.rate, row.previous_rate), (&RateBasis::Initial, rate("0.95"), None));

    programme.change(&with(&[(
        LIABILITY,
        "initial_urr = \"0.95\" }]\nurr_override = [{ funder = \"shop\", issued = \"2025-01\", urr = \"0.97\", reason = \"the second year\" }]",
    )]));
    programme.spend("shop", 4_000);
    let second = programme.close();
    let row = &second.liability[0];
    assert_eq!((row.row.released(), row.row.closing), (Ok(money("3492.92")), money("1073.29")));
    assert_eq!((row.basis.word(), row.basis.reason()), ("manual", "the second year"));
    assert_eq!((row.rate, row.previous_rate), (rate("0.97"), Some(rate("0.95"))));
    assert_eq!(second.redemption_rates[0].basis.reason(), "the second year");
    assert_eq!(
        books(&second),
        [
            "shop own-redemption: contract_liability 3577.65, points_revenue -3577.65",
            "shop re-estimate: contract_liability -84.73, breakage_revenue 84.73",
        ]
    );
    let allocated = |of: &Settlement| of.state.liability[0].liability.allocated;
    assert_eq!(allocated(&second), allocated(&first), "an estimate never changes what was allocated");
    assert!(first.passes() && second.passes());
}

/// Points of every line spent at every line; the platform redeems, too, and
/// what it receives of its own redemptions is no fee.
#[test]
fn clearing_is_reported_by_pair_share_and_line_with_late_events_told_apart() {
    let mut programme = Programme::new(&with(&[
        ("burn = [", "burn = [{ line = \"hq\", from = \"2025-01-01\", value = \"1\" }, "),
        ("earn = [", "earn = [{ line = \"hq\", from = \"2025-01-01\", points_per_unit = \"0\" }, "),
        ("prices = [", "prices = [{ redeemer = \"hq\", from = \"2025-01-01\", price = \"0.7\" }, "),
    ]));
    let redeem = |points| Action::Redemption(Redemption::of(Points::new(points), None));
    let sale = |amount| Action::Accrual(Accrual::of(money(amount)));
    for (line, member, action) in [
        ("shop", "m1", sale("1000")),
        ("shop", "m1", sale("500")),
        ("inn", "m1", redeem(10)),
        ("hq", "m1", redeem(7)),
        ("hq", "m2", Action::Grant(Grant { points: Points::new(50) })),
        ("inn", "m2", redeem(30)),
        ("inn", "m3", sale("250")),
        ("shop", "m3", redeem(5)),
    ] {
        assert!(programme.record(line, member, 10, 0, action));
    }
    let january = programme.close();
    assert!(programme.record("shop", "m3", 11, 1, redeem(4)));
    assert!(programme.record("shop", "m3", 11, 0, redeem(3)));
    let february = programme.close();

    let issued = |of: &Settlement| -> Vec<String> {
        let row = |row: &interline_domain::close::settlement::Issuance| {
            let (funder, line, kind) = (&row.scheme, &row.line, row.kind);
            format!("{funder} {line} {kind:?} {} {} {}", row.events, shown(row.sales), row.points)
        };
        of.issuance.iter().map(row).collect()
    };
    assert_eq!(
        issued(&january),
        ["hq hq Granted 1 0.00 50", "inn inn Issued 1 250.00 25", "shop shop Issued 2 1500.00 150"]
    );
    assert_eq!(issued(&february), [""; 0]);
    let pairs = |of: &Settlement| -> Vec<String> {
        let rows = of.bilateral.iter();
        rows.map(|row| {
            let (payer, payee) = (&row.payer, &row.payee);
            format!(
                "{payer}>{payee} {} {} {} {} {}",
                row.events,
                row.points,
                shown(row.amount),
                shown(row.prior_period),
                shown(row.net)
            )
        })
        .collect()
    };
    // 30 x 0.80 = 24.00, of it 23.28; 5 x 0.90 = 4.50: 4.37 and 0.13; 7 x 0.70 = 4.90 and 0.24 of 8.00.
    assert_eq!(
        pairs(&january),
        [
            "hq>inn 1 30 23.28 0.00 23.15",
            "inn>hq 0 0 0.13 0.00 -23.15",
            "inn>shop 1 5 4.37 0.00 -3.39",
            "shop>hq 1 7 5.14 0.00 5.14",
            "shop>inn 1 10 7.76 0.00 3.39",
        ]
    );
    // 7 x 0.90 = 6.30, 3.60 of it late. With January: 6.98 and 0.22 of 7.20, then 10.48 and 0.32 of 10.80.
    assert_eq!(pairs(&february), ["inn>hq 0 0 0.19 0.10 0.19", "inn>shop 2 7 6.11 3.50 6.11"]);
    let positions = |of: &Settlement| -> Vec<String> {
        let rows = of.positions.iter();
        rows.map(|row| {
            let amounts = [row.gross_payable, row.gross_receivable, row.platform_fee, row.prior_period, row.net];
            format!("{} {}", row.line, amounts.map(shown).join(" "))
        })
        .collect()
    };
    assert_eq!(
        positions(&january),
        ["hq 23.28 5.27 0.00 0.00 -18.01", "inn 4.50 31.04 0.13 0.00 26.54", "shop 12.90 4.37 0.24 0.00 -8.53"]
    );
    assert_eq!(
        positions(&february),
        ["hq 0.00 0.19 0.00 0.10 0.19", "inn 6.30 0.00 0.19 -3.60 -6.30", "shop 0.00 6.11 0.00 3.50 6.11"]
    );
    let rolled = january.roll_forward.iter();
    let rolled: Vec<(i64, i64)> = rolled.map(|row| (row.redeemed_own.get(), row.redeemed_other.get())).collect();
    assert_eq!(rolled, [(0, 30), (0, 5), (0, 17)]);
    let splits = |of: &Settlement| -> Vec<String> {
        let rows = of.splits.iter().filter(|row| row.payer.as_str() == "inn");
        rows.map(|row| {
            let (to, total, of_it) = (&row.beneficiary, shown(row.cumulative_base), shown(row.cumulative_amount));
            format!(
                "{to} {} {} of {}, {of_it} of {total}, {}",
                row.share,
                shown(row.amount),
                shown(row.base),
                row.rounding
            )
        })
        .collect()
    };
    assert_eq!(
        splits(&january),
        ["shop 0.97 4.37 of 4.50, 4.37 of 4.50, 0.005", "hq 0.03 0.13 of 4.50, 0.13 of 4.50, -0.005"]
    );
    assert_eq!(
        splits(&february),
        ["shop 0.97 6.11 of 6.30, 10.48 of 10.80, 0.004", "hq 0.03 0.19 of 6.30, 0.32 of 10.80, -0.004"]
    );
}

#[test]
fn a_settlement_says_how_much_of_the_gross_need_not_be_paid() {
    let mut programme = Programme::new(SMALL);
    programme.sale("shop", "1000");
    let settled = programme.close();
    for (gross, paid, percent) in [("0.00", "0.00", "0"), ("80.00", "20.00", "75.00"), ("3.00", "1.00", "66.67")] {
        let settlement = Settlement { gross: money(gross), settled: money(paid), ..settled.clone() };
        assert_eq!(settlement.netting_efficiency(), percent.parse().unwrap(), "{gross} {paid}");
    }
}

#[test]
fn points_redeemed_elsewhere_are_in_three_books_and_cancel_in_the_groups() {
    let mut programme = Programme::new(SMALL);
    programme.sale("shop", "100000");
    programme.spend("inn", 1_000);
    let settlement = programme.close();
    assert_eq!(
        books(&settlement),
        [
            "hq fee: receivable 24.00 (shop), other_revenue -24.00 (shop)",
            "hq netting: receivable -24.00 (shop), clearing_payable -776.00 (inn), clearing_receivable 800.00 (shop)",
            "inn receivable: receivable 776.00 (shop), settlement_revenue -776.00 (shop)",
            "inn netting: receivable -776.00 (shop), clearing_receivable 776.00 (hq)",
            "shop deferral: revenue 8675.80, contract_liability -8675.80",
            "shop other-redemption: contract_liability 913.24 (inn), payable -776.00 (inn), agent_revenue -137.24 (inn)",
            "shop fee: fee_expense 24.00 (hq), payable -24.00 (hq)",
            "shop netting: payable 24.00 (hq), payable 776.00 (inn), clearing_payable -800.00 (hq)",
        ]
    );
    let row = &settlement.liability[0].row;
    assert_eq!((row.to_payable, row.agent_revenue), (money("776"), money("137.24")));
    let numbers: Vec<u32> = settlement.vouchers.iter().map(|voucher| voucher.number).collect();
    assert_eq!(numbers, [1, 2, 1, 2, 1, 2, 3, 4]);
    let voucher = &settlement.vouchers[5];
    assert_eq!(voucher.date.to_string(), "2025-01-31");
    let payable = &voucher.lines[1];
    assert_eq!((payable.summary.as_str(), payable.account.as_str()), ("2025-01 他业态兑换 酒店", "224101"));
    assert_eq!(
        (payable.full_name.as_str(), payable.debit, payable.credit),
        ("其他应付款-积分清算", Money::ZERO, money("776"))
    );
}

#[test]
fn direct_payments_clear_the_positions_between_the_two_lines() {
    let mut programme = Programme::new(&with(&[("netting = \"hub\"", "netting = \"direct\"")]));
    programme.sale("shop", "100000");
    programme.spend("inn", 1_000);
    let books = books(&programme.close());
    for line in [
        "shop netting: payable 24.00 (hq), payable 776.00 (inn), clearing_payable -776.00 (inn), clearing_payable -24.00 (hq)",
        "inn netting: receivable -776.00 (shop), clearing_receivable 776.00 (shop)",
        "hq netting: receivable -24.00 (shop), clearing_receivable 24.00 (shop)",
    ] {
        assert!(books.iter().any(|voucher| voucher == line), "{line}\n{books:#?}");
    }
}

#[test]
fn vat_is_a_part_of_every_amount_as_the_rulebook_says() {
    let vat = r#"initial_urr = "0.95", vat_rate = "0.13" }]
books = { sales = "full" }
vat = [
  { product = "redemption", from = "2025-01-01", treatment = "third-party-consideration", rate = "0.13" },
  { funder = "shop", redeemer = "inn", product = "redemption", from = "2025-02-01", treatment = "marketing-service", rate = "0.06" },
  { product = "platform-fee", from = "2025-01-01", treatment = "marketing-service", rate = "0.06" },
]"#;
    let mut programme = Programme::new(&with(&[(LIABILITY, vat)]));
    programme.sale("shop", "113000");
    programme.spend("inn", 1_000);
    let first = programme.close();
    let found = books(&first);
    for line in [
        // 113,000 holds 13,000 of VAT; 11,300 points are 10,735 of 110,735.
        "shop sale: bank 113000.00, revenue -100000.00, output_vat -13000.00",
        "shop deferral: revenue 9694.32, contract_liability -9694.32",
        "shop other-redemption: contract_liability 903.06 (inn), payable -776.00 (inn), agent_revenue -127.06 (inn)",
        "inn receivable: receivable 776.00 (shop), settlement_revenue -686.73 (shop), output_vat -89.27 (shop)",
        "shop fee: fee_expense 22.64 (hq), input_vat_pending 1.36 (hq), payable -24.00 (hq)",
        "hq fee: receivable 24.00 (shop), other_revenue -22.64 (shop), output_vat -1.36 (shop)",
    ] {
        assert!(found.iter().any(|voucher| voucher == line), "{line}\n{found:#?}");
    }
    programme.spend("inn", 1_000);
    let second = programme.close();
    let found = books(&second);
    for line in [
        "shop other-redemption: contract_liability 903.06 (inn), payable -776.00 (inn), agent_revenue -170.98 (inn), input_vat_pending 43.92 (inn)",
        "inn receivable: receivable 776.00 (shop), settlement_revenue -732.08 (shop), output_vat -43.92 (shop)",
    ] {
        assert!(found.iter().any(|voucher| voucher == line), "{line}\n{found:#?}");
    }
    assert_eq!(second.liability[0].row.to_payable, money("732.08"), "what is deducted is no cost");
}

#[test]
fn sales_without_their_vat_get_it_on_top() {
    let exclusive = r#"initial_urr = "0.95", vat_rate = "0.13", tax_inclusive = false }]
books = { sales = "full" }"#;
    let mut programme = Programme::new(&with(&[(LIABILITY, exclusive)]));
    programme.sale("shop", "100000");
    assert_eq!(
        books(&programme.close()),
        [
            "shop sale: bank 113000.00, revenue -100000.00, output_vat -13000.00",
            "shop deferral: revenue 8675.80, contract_liability -8675.80",
        ]
    );
}

#[test]
fn points_without_a_sale_are_a_marketing_expense_of_their_funder() {
    let sponsored = r#"{ line = "inn", from = "2025-01-01", points_per_unit = "0.1", multiplier = "2", sponsors = [{ to = "shop", share = "1" }] }"#;
    let mut programme =
        Programme::new(&with(&[(r#"{ line = "inn", from = "2025-01-01", points_per_unit = "0.1" }"#, sponsored)]));
    programme.grant("shop", 200);
    programme.sale("inn", "1000");
    let first = programme.close();
    assert_eq!(
        books(&first),
        [
            // 95 of 1,095 of the sale; the shop's hundred points are no part of it.
            "inn deferral: revenue 86.76, contract_liability -86.76",
            "shop granted: marketing_expense 285.00, provision -285.00",
        ]
    );
    let row = &first.liability[1];
    assert_eq!((row.row.closing, row.provision.closing, row.given), (Money::ZERO, money("285"), Points::new(300)));

    // Taking both back gives the expense back, and the sale's part its revenue.
    programme.take_back("shop", EntryKind::Adjustment, 0);
    programme.take_back("inn", EntryKind::Accrual, 1);
    let second = programme.close();
    assert_eq!(
        books(&second),
        [
            "inn deferral-back: revenue -86.76, contract_liability 86.76",
            "shop granted-back: marketing_expense -285.00, provision 285.00",
        ]
    );
    assert_eq!(second.liability_total().unwrap().closing, Money::ZERO);
    assert_eq!(second.provision_total().unwrap().closing, Money::ZERO);
}

#[test]
fn a_sale_refunded_after_its_points_are_spent_leaves_the_spent_part_released_and_a_debt() {
    let mut programme = Programme::new(SMALL);
    programme.sale("shop", "1000");
    programme.spend("inn", 80);
    programme.take_back("shop", EntryKind::Accrual, 0);
    let first = programme.close();
    let shop: Vec<String> = books(&first).into_iter().filter(|voucher| voucher.starts_with("shop")).collect();
    assert_eq!(
        shop[..4],
        [
            "shop deferral: revenue 86.76, contract_liability -86.76",
            // Eighty of ninety-five that were expected had been released: that is undone, the rest of the sale goes back.
            "shop deferral-back: revenue -13.70, contract_liability 13.70",
            // What the inn was paid is lost until the member pays the debt.
            "shop claw-back: clawback_loss 62.08, agent_revenue 10.98, revenue -73.06",
            "shop other-redemption: contract_liability 73.06 (inn), payable -62.08 (inn), agent_revenue -10.98 (inn)",
        ]
    );
    assert_eq!(first.liability[0].row.closing, Money::ZERO);
    assert_eq!(first.state.debts[0].points, Points::new(80));

    // The inn's next points pay the debt: what was lost comes back, and is no revenue.
    programme.sale("inn", "500");
    let second = books(&programme.close());
    for line in [
        "inn debt-repaid: contract_liability 43.38 (shop), payable -45.00 (shop), agent_revenue 1.62 (shop)",
        "shop debt-recovered: receivable 45.00 (inn), clawback_loss -45.00 (inn)",
    ] {
        assert!(second.iter().any(|voucher| voucher == line), "{line}\n{second:#?}");
    }
}

#[test]
fn expired_points_are_revenue_and_a_late_redemption_takes_from_it() {
    let mut programme = Programme::new(&with(&[NEVER]));
    programme.sale("shop", "1000");
    programme.spend("shop", 40);
    let first = programme.close();
    let row = &first.expiry_forecast[0];
    assert_eq!((row.scheme.as_str(), row.month.to_string().as_str()), ("shop", "2025-02"));
    assert_eq!((row.points, row.value, row.liability), (Points::new(60), money("60"), first.liability[0].row.closing));
    let second = programme.close();
    let row = &second.liability[0];
    assert_eq!((&row.basis, row.row.closing, row.row.expired), (&RateBasis::Expired, Money::ZERO, row.row.opening));
    assert!(second.expiry_forecast.is_empty());
    assert_eq!(row.rate, rate("0.4"), "a fact now");

    assert!(programme.record("inn", "m1", 20, 1, Action::Redemption(Redemption::of(Points::new(20), None))));
    let third = programme.close();
    let row = &third.liability[0].row;
    assert_eq!((row.released().unwrap(), row.closing), (Money::ZERO, Money::ZERO));
    assert_eq!((row.to_payable, row.expired), (money("15.52"), money("-18.26")));
    assert_eq!(third.redemption_rates[0].redeemed_by_age, [40, 40].map(Points::new), "what comes later is of no age");

    let quiet = programme.close();
    assert!(quiet.liability.is_empty() && quiet.vouchers.is_empty());
    assert_eq!(quiet.redemption_rates.len(), 1, "experience stays");
}

#[test]
fn the_remote_method_releases_breakage_only_once_redemption_is_remote() {
    let remote = r#"method = "remote", remote_after_months = 2 }]"#;
    let mut programme = Programme::new(&with(&[(LIABILITY, remote)]));
    programme.sale("shop", "1000");
    programme.spend("shop", 40);
    let first = programme.close();
    let row = &first.liability[0];
    assert_eq!((row.method, &row.basis), (Method::Remote { after_months: Some(2) }, &RateBasis::Remote));
    assert_eq!([row.method, Method::CatchUp].map(Method::word), ["remote", "catch-up"]);
    // All hundred points count: 100 of 1,100, and 40 % of it is earned.
    assert_eq!(
        (row.row.added, row.row.own_line_revenue, row.row.closing),
        (money("90.91"), money("36.36"), money("54.55"))
    );
    let second = programme.close();
    assert_eq!((second.liability[0].row.released().unwrap(), second.liability[0].rate), (Money::ZERO, Rate::ONE));
    let third = programme.close();
    let row = &third.liability[0];
    assert_eq!((row.row.expired, row.row.closing, row.rate), (money("54.55"), Money::ZERO, rate("0.4")));
    assert_eq!(books(&third), ["shop expiry: contract_liability 54.55, breakage_revenue -54.55"]);

    let row = &programme.close().liability[0];
    assert_eq!((row.row.closing, row.outstanding), (Money::ZERO, Points::new(60)), "worth nothing, still to be spent");
}

#[test]
fn points_worth_less_than_a_minor_unit_are_reported_while_they_are_there_or_move() {
    let mut programme = Programme::new(&with(&[(r#"face_value = "1""#, r#"face_value = "0.0001""#)]));
    programme.sale("shop", "10");
    let left = |close: Settlement| -> Vec<(Money, Points)> {
        close.liability.iter().map(|row| (row.row.closing, row.outstanding)).collect()
    };
    let of = |points: i64| vec![(Money::ZERO, Points::new(points))];
    assert_eq!([left(programme.close()), left(programme.close())], [of(1), of(1)]);
    programme.spend("shop", 1);
    assert_eq!([left(programme.close()), left(programme.close())], [of(0), Vec::new()]);
}

#[test]
fn late_sales_add_to_their_own_cohort_and_leave_what_was_allocated() {
    let mut programme = Programme::new(SMALL);
    programme.sale("shop", "1000");
    let first = programme.close();
    assert!(programme.record("shop", "m1", 31, 1, Action::Accrual(Accrual::of(money("500")))));
    programme.sale("shop", "200");
    let second = programme.close();
    let old = &second.liability[0];
    assert_eq!((old.cohort.to_string().as_str(), old.row.opening), (SHOP, money("86.76")));
    assert_eq!((old.row.added, old.row.closing), (money("43.38"), money("130.14")));
    assert_eq!(old.row.opening, first.liability[0].row.closing);
    assert_eq!(second.redemption_rates[0].redeemed_by_age, [Points::ZERO; 2]);
    assert_eq!(second.liability[1].cohort.issued.to_string(), "2025-02");
}

#[test]
fn what_comes_is_compared_with_what_the_previous_close_expected() {
    let initial = "method = \"initial\"";
    let mut programme = Programme::new(&with(&[NEVER, (initial, "initial_months = 1, credibility = 0")]));
    programme.sale("shop", "1000000");
    programme.spend("shop", 30_000);
    let first = programme.close();
    assert_eq!(first.liability[0].basis, RateBasis::Experience);
    programme.spend("shop", 20_000);
    let second = programme.close();
    let row = &second.redemption_rates[0];
    // Three tenths were spent at age zero; of the seventy thousand left as many were expected at the age nobody had seen.
    assert_eq!(row.actual, Some(Points::new(20_000)));
    assert_eq!(row.expected_of_previous_close.unwrap().points(), Ok(Points::new(21_000)));
    assert_eq!(first.redemption_rates[0].actual, None);
}

#[test]
fn a_month_that_brings_next_to_nothing_fails_no_close_by_itself_and_teaches_nothing() {
    let mut programme = Programme::new(&with(&[("method = \"initial\"", "initial_months = 1")]));
    programme.sale("shop", "1000000");
    programme.spend("shop", 30_000);
    let first = programme.close();
    let second = programme.close();
    let indicators = |of: &Settlement| of.state.urr.indicators.unwrap();
    assert!(!indicators(&first).is_ignored && indicators(&second).is_ignored);
    assert_eq!(second.state.urr.memory.ignored.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2025-02"]);
    assert_eq!(second.state.urr.memory.compared, []);
    assert_eq!(indicators(&second).level, indicators(&first).level);
}

#[test]
fn a_state_that_was_tampered_with_fails_a_check() {
    let mut programme = Programme::new(SMALL);
    programme.sale("shop", "1000");
    programme.spend("shop", 40);
    programme.close();
    let state = programme.state.clone().unwrap();
    programme.spend("shop", 60);
    let mut failed = |change: &dyn Fn(&mut State)| -> Vec<&str> {
        let mut changed = state.clone();
        change(&mut changed);
        programme.state = Some(changed);
        let (settlement, _) = programme.settlement().unwrap();
        settlement.checklist.iter().filter(|check| check.fails()).map(|check| check.check.name()).collect()
    };
    assert_eq!(failed(&|_| {}), [""; 0]);
    let apart = "cohorts whose liability moves other points than the points roll-forward";
    assert_eq!(failed(&|state| state.cohorts[0].points = Points::new(61)), [apart]);
    // Fewer points than are redeemed now.
    let issued = failed(&|state| state.liability[0].liability.issued = Points::new(70));
    assert_eq!(issued, [apart, "cohorts with a liability above the face value of their points"]);
    // Points without any liability.
    assert!(failed(&|state| state.liability.clear()).contains(&apart));
}

/// Sponsors, splits, both VAT treatments, short and endless terms, a third
/// party's share.
const LARGE: &str = r#"
programme = { name = "Large", currency = "CNY", time_zone = "Asia/Shanghai", first_period = "2025-01", platform = "hq", netting = "hub", pseudonym_salt = "large programme" }
lines = [{ id = "hq", name = "Group" }, { id = "mall", name = "Mall" }, { id = "hotel", name = "Hotel" }, { id = "dining", name = "Dining" }]
earn = [
  { line = "hq", from = "2025-01-01", points_per_unit = "0" },
  { line = "mall", from = "2025-01-01", points_per_unit = "1" },
  { line = "hotel", from = "2025-01-01", points_per_unit = "0.7", multiplier = "1.9", sponsors = [{ to = "hq", share = "0.55" }, { to = "dining", share = "0.45" }] },
  { line = "dining", from = "2025-01-01", points_per_unit = "2", minimum_amount = "20" },
]
burn = [
  { line = "mall", from = "2025-01-01", value = "0.0055" },
  { line = "hotel", from = "2025-01-01", value = "0.225" },
  { line = "dining", from = "2025-01-01", value = "0.333" },
]
prices = [
  { redeemer = "hq", from = "2025-01-01", price = "0.1" },
  { redeemer = "mall", from = "2025-01-01", to = "2025-02-28", price = "0.0045" },
  { redeemer = "mall", from = "2025-03-01", price = "0.0035" },
  { redeemer = "hotel", from = "2025-01-01", price = "0.225" },
  { redeemer = "hotel", funder = "mall", from = "2025-01-01", price = "0.2125" },
  { redeemer = "dining", from = "2025-01-01", price = "0.333" },
]
splits = [
  { rule = "standard", from = "2025-01-01", shares = [{ to = "redeemer", share = "0.9" }, { to = "hq", share = "0.07" }, { to = "dining", share = "0.03" }] },
  { rule = "hotel-share", payer = "mall", redeemer = "hotel", from = "2025-01-01", to = "2025-02-28", shares = [{ to = "redeemer", share = "1" }] },
]
expiry = [{ from = "2025-01-01", months = 3 }, { funder = "dining", from = "2025-01-01", months = 1 }, { funder = "hq", from = "2025-01-01", never = true }]
liability = [
  { from = "2025-01-01", face_value = "0.3", vat_rate = "0.06" },
  { funder = "mall", from = "2025-01-01", to = "2025-02-28", face_value = "0.21", initial_urr = "0.87", vat_rate = "0.13" },
  { funder = "mall", from = "2025-03-01", face_value = "0.22", vat_rate = "0.13", tax_inclusive = false },
  { funder = "hq", from = "2025-01-01", face_value = "0.1", method = "remote", remote_after_months = 4 },
]
urr_override = [{ funder = "hotel", issued = "2025-03", urr = "0.6", reason = "the hotel closed for the winter" }]
vat = [
  { from = "2025-01-01", treatment = "marketing-service", rate = "0.06" },
  { redeemer = "hotel", from = "2025-01-01", treatment = "third-party-consideration", rate = "0.13" },
  { funder = "dining", redeemer = "mall", product = "redemption", from = "2025-02-01", treatment = "none" },
]
"#;

/// Campaigns: of three funders with a cap, and of each line's own.
const CAMPAIGNS: &str = r#"
schemes = [
  { id = "c-618", expiry = { months = 2 }, repay_price = "0.1", funders = [{ from = "2025-01-01", over = "hq", shares = [{ to = "mall", share = "0.45", cap = "300.00" }, { to = "hotel", share = "0.25" }, { to = "hq", share = "0.3" }] }] },
  { id = "own", expiry = { days = 40 }, accounting = "grant", funders = [{ from = "2025-01-01", shares = [{ to = "line", share = "1" }] }] },
]
awards = [
  { id = "more", scheme = "c-618", from = "2025-01-01", to = "2025-04-30", lines = ["mall", "hotel"], extra = "0.37" },
  { id = "visit", scheme = "own", from = "2025-01-01", lines = ["dining"], minimum_amount = "50.00", fixed = 30 },
]
"#;

const LINES: [&str; 4] = ["mall", "hotel", "dining", "hq"];
const MEMBERS: [&str; 3] = ["m1", "m2", "m3"];

#[derive(Debug, Clone)]
struct Step {
    member: usize,
    line: usize,
    day: u32,
    months_late: u32,
    deed: Deed,
}

#[derive(Debug, Clone)]
enum Deed {
    Sale(i64),
    Spend(i64),
    Gift(i64),
    TakeBack(Index, Option<i64>),
}

fn step() -> impl Strategy<Value = Step> {
    let deed = prop_oneof![
        4 => (1_i64..5_000_000).prop_map(Deed::Sale),
        5 => (1_i64..20_000).prop_map(Deed::Spend),
        1 => (1_i64..20_000).prop_map(Deed::Gift),
        3 => (any::<Index>(), prop::option::of(1_i64..10_000)).prop_map(|(which, part)| Deed::TakeBack(which, part)),
    ];
    let late = prop_oneof![5 => Just(0_u32), 1 => Just(1), 1 => Just(2)];
    (0..MEMBERS.len(), 0..LINES.len(), 1_u32..=28, late, deed).prop_map(|(member, line, day, months_late, deed)| Step {
        member,
        line,
        day,
        months_late,
        deed,
    })
}

fn history() -> impl Strategy<Value = Vec<Vec<Step>>> {
    prop::collection::vec(prop::collection::vec(step(), 0..12), 1..8)
}

fn play(programme: &mut Programme, step: &Step) {
    let (line, member) = (LINES[step.line], MEMBERS[step.member]);
    let mut record = |action| {
        programme.record(line, member, step.day, step.months_late, action);
    };
    match &step.deed {
        Deed::Sale(minor) => record(Action::Accrual(Accrual::of(Money::from_minor(*minor)))),
        Deed::Spend(points) => record(Action::Redemption(Redemption::of(Points::new(*points), None))),
        Deed::Gift(points) => record(Action::Grant(Grant { points: Points::new(*points) })),
        Deed::TakeBack(which, part) => {
            if programme.entries() == 0 {
                return;
            }
            let number = which.index(programme.entries());
            let reference = Reference::parse(&number.to_string()).unwrap();
            for (kind, amount, points) in [
                (EntryKind::Accrual, part.map(Money::from_minor), None),
                (EntryKind::Redemption, None, part.map(Points::new)),
                (EntryKind::Adjustment, None, part.map(Points::new)),
            ] {
                if programme.kind(number) == kind {
                    let action = reverse(kind, reference.clone(), None, amount, points);
                    let (line, member) = programme.home(number);
                    programme.record(&line, &member, step.day, step.months_late, action);
                }
            }
        }
    }
}

/// What must hold of every close beside its own checklist.
fn sound(before: Option<&Settlement>, now: &Settlement) -> Result<(), TestCaseError> {
    let red = now.vouchers.iter().flat_map(|voucher| &voucher.lines).any(VoucherLine::is_red);
    for voucher in now.vouchers.iter().chain(&now.cash_vouchers) {
        prop_assert_eq!(voucher.balance(), Ok(Money::ZERO), "{:?}", voucher);
        prop_assert!(voucher.lines.len() >= 2);
        for line in &voucher.lines {
            prop_assert!(line.debit.is_zero() != line.credit.is_zero());
            prop_assert!(line.summary.chars().count() <= SUMMARY_MAX && !line.account.is_empty());
            match line.role.natural_side() {
                Some(Side::Debit) if red => prop_assert!(line.credit.is_zero(), "{:?}", voucher),
                Some(Side::Credit) if red => prop_assert!(line.debit.is_zero(), "{:?}", voucher),
                Some(_) | None => {}
            }
        }
    }
    // What is between the entities sums to nothing: when it arises (a redemption or a repaid debt
    // is an event of its own for each side), when it is netted, and when it is paid.
    let between = [Account::Receivable, Account::Payable, Account::ClearingReceivable, Account::ClearingPayable];
    let redemption = [
        BooksEvent::OtherRedemption,
        BooksEvent::GrantedUsed,
        BooksEvent::Receivable,
        BooksEvent::DebtRepaid,
        BooksEvent::DebtRecovered,
    ];
    let others = BooksEvent::ALL.iter().filter(|event| !redemption.contains(event)).map(|event| vec![*event]);
    for events in others.chain([redemption.to_vec()]) {
        let of = now.vouchers.iter().chain(&now.cash_vouchers).filter(|voucher| events.contains(&voucher.event));
        let lines = of.flat_map(|voucher| &voucher.lines).filter(|line| between.contains(&line.role));
        let sum = Money::sum(lines.map(|line| line.debit.minus(line.credit).unwrap())).unwrap();
        prop_assert_eq!(sum, Money::ZERO, "{:?}", events);
    }
    for row in &now.liability {
        prop_assert_eq!(row.row.check(), Ok(()));
        prop_assert!(row.rate <= Rate::ONE);
        // A payer's share of the points may be none.
        if row.outstanding.is_zero() && row.payer.is_none() {
            prop_assert_eq!(row.row.closing, Money::ZERO, "{}", row.cohort);
        }
        prop_assert_eq!(row.provision.computed(), Ok(row.provision.closing));
        let old = before.and_then(|before| before.state.liability.iter().find(|state| state.borne() == row.borne()));
        let old = old.map(|state| state.liability.clone()).unwrap_or_default();
        prop_assert_eq!(row.row.opening, old.contract.closing);
        prop_assert_eq!(row.provision.opening, old.provision.closing);
        prop_assert_eq!(Money::sum(row.maturity), Ok(row.row.closing), "{}", row.cohort);
        prop_assert!(row.maturity.iter().all(|step| !step.is_negative()), "{:?}", row.maturity);
        prop_assert_eq!(Money::sum(row.provision_maturity), Ok(row.provision.closing));
    }
    let expected: Money = Money::sum(now.expiry_forecast.iter().map(|row| row.liability)).unwrap();
    let total = now.liability_total().unwrap();
    let provision = now.provision_total().unwrap();
    prop_assert!(expected <= total.closing.plus(provision.closing).unwrap());
    let by_funder = now.liability_by_funder().unwrap();
    prop_assert_eq!(Money::sum(by_funder.values().map(|row| row.closing)).unwrap(), total.closing);
    prop_assert!(now.liability.iter().all(|row| by_funder.contains_key(&row.funder())));
    funded(now)
}

/// What the funders of a scheme bear at a line is what its claims cost there, and none bears more than its cap.
fn funded(now: &Settlement) -> Result<(), TestCaseError> {
    let mut sums: std::collections::BTreeMap<_, (Vec<Money>, Money)> = std::collections::BTreeMap::new();
    for row in &now.funding {
        let (bases, borne) = sums.entry((&row.scheme, &row.redeemer)).or_default();
        // A base stands with each of its funders: of one it is counted.
        let first = now.funding.iter().find(|of| of.scheme == row.scheme).unwrap();
        bases.extend((first.payer == row.payer).then_some(row.base));
        borne.add(row.amount).unwrap();
        prop_assert!(row.cap_left.is_none_or(|left| !left.is_negative()), "{:?}", row);
    }
    for (pair, (bases, borne)) in sums {
        prop_assert_eq!(Money::sum(bases), Ok(borne), "{:?}", pair);
    }
    let nets = Money::sum(now.positions.iter().map(|row| row.net)).unwrap();
    prop_assert_eq!(nets, Money::ZERO);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_history_closes_with_all_checks_and_ends_with_nothing(
        months in history(),
        (direct, campaigns) in any::<(bool, bool)>(),
        terms in any::<(bool, bool, bool)>(),
    ) {
        let text = if direct { LARGE.replace("\"hub\"", "\"direct\"") } else { LARGE.to_owned() };
        let (red, full, planned) = terms;
        let (sales, cash) = (["deferral", "full"][usize::from(full)], ["confirmed", "planned"][usize::from(planned)]);
        let text = format!("{text}books = {{ red = {red}, sales = \"{sales}\", cash = \"{cash}\" }}\n");
        let text = text + if campaigns { CAMPAIGNS } else { "" };
        let mut programme = Programme::new(&text);
        let mut before: Option<Settlement> = None;
        for steps in &months {
            steps.iter().for_each(|step| play(&mut programme, step));

            let tallies = programme.tallies();
            let shards = digests(&tallies);
            let one = programme.settle_tally(&merged(&tallies), &shards).unwrap();
            let other = programme.settle_tally(&merged(tallies.iter().rev()), &shards).unwrap();
            prop_assert_eq!(&one, &other, "shards in any order");

            let now = programme.close();
            prop_assert_eq!(&one, &now);
            sound(before.as_ref(), &now)?;
            before = Some(now);
        }
        // Quiet months until all that expires has expired and the rest is remote.
        for _ in 0..5 {
            let now = programme.close();
            sound(before.as_ref(), &now)?;
            before = Some(now);
        }
        let last = before.unwrap();
        prop_assert_eq!(last.liability_total().unwrap().closing, Money::ZERO);
        prop_assert_eq!(last.provision_total().unwrap().closing, Money::ZERO);
    }
}

/// VAT on sales and on what lines owe each other that changes every month.
fn taxed(sales: &[i64], owed: &[i64]) -> String {
    let month = |at: usize| programme_month(at);
    let rate = |percent: &i64| format!("0.{percent:02}");
    let face: String = sales
        .iter()
        .enumerate()
        .map(|(at, percent)| {
            let (from, to) = month(at);
            let to = if at + 1 == sales.len() { String::new() } else { format!(", to = \"{to}\"") };
            let rate = rate(percent);
            format!(
                "{{ from = \"{from}\"{to}, face_value = \"1\", vat_rate = \"{rate}\", tax_inclusive = {} }},",
                at != 1
            )
        })
        .collect();
    let vat: String = owed
        .iter()
        .enumerate()
        .map(|(at, percent)| {
            let (from, to) = month(at);
            let to = if at + 1 == owed.len() { String::new() } else { format!(", to = \"{to}\"") };
            let treatment = ["third-party-consideration", "marketing-service"][at % 2];
            format!("{{ from = \"{from}\"{to}, treatment = \"{treatment}\", rate = \"{}\" }},", rate(percent))
        })
        .collect();
    let text = with(&[(LIABILITY, "}]")]);
    let (before, after) = text.split_once("liability = ").unwrap();
    let after = after.split_once('\n').unwrap().1;
    format!("{before}liability = [{face}]\nvat = [{vat}]\nbooks = {{ sales = \"full\" }}\n{after}")
}

fn programme_month(at: usize) -> (String, String) {
    let month = interline_domain::units::calendar::Period::parse("2025-01").unwrap().plus_months(at as u32);
    (month.first_day().to_string(), month.last_day().to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn tax_is_back_at_zero_once_everything_is_taken_back_whatever_the_rates_between(
        rates in prop::collection::vec((0_i64..30, 1_i64..30), 4),
        months in prop::collection::vec(prop::collection::vec((0..2_usize, 0..2_usize, 1_i64..5_000_000, 1_i64..4_000), 0..5), 1..5),
        parts in prop::collection::vec(1_i64..4_000, 0..12),
    ) {
        let (sales, owed): (Vec<i64>, Vec<i64>) = rates.into_iter().unzip();
        let mut programme = Programme::new(&taxed(&sales, &owed));
        let mut posted: std::collections::BTreeMap<(String, &str), Money> = std::collections::BTreeMap::new();
        let mut taxed = 0;
        let mut post = |settlement: &Settlement| {
            for voucher in &settlement.vouchers {
                for line in &voucher.lines {
                    if [Account::OutputVat, Account::InputVatPending].contains(&line.role) {
                        let sum = posted.entry((voucher.entity.to_string(), line.role.word())).or_default();
                        sum.add(line.debit.minus(line.credit).unwrap()).unwrap();
                        taxed += 1;
                    }
                }
            }
        };
        for deeds in months {
            for (sells, redeems, minor, points) in deeds {
                let [seller, redeemer] = [sells, redeems].map(|at| ["shop", "inn"][at]);
                programme.record(seller, "m1", 5, 0, Action::Accrual(Accrual::of(Money::from_minor(minor))));
                let spend = Action::Redemption(Redemption::of(Points::new(points), None));
                programme.record(redeemer, "m1", 6, 0, spend);
            }
            post(&programme.close());
        }
        // Redemptions first, so that no refund finds its points spent; some in two parts, months apart.
        let entries = programme.entries();
        let mut parts = parts.into_iter();
        for kind in [EntryKind::Redemption, EntryKind::Accrual] {
            for whole in [false, true] {
                for number in (0..entries).filter(|number| programme.kind(*number) == kind).collect::<Vec<_>>() {
                    let part = if whole { None } else { parts.next() };
                    if !whole && part.is_none() {
                        continue;
                    }
                    let reference = Reference::parse(&number.to_string()).unwrap();
                    let (amount, points) = match kind {
                        EntryKind::Accrual => (part.map(Money::from_minor), None),
                        _ => (None, part.map(Points::new)),
                    };
                    let (line, member) = programme.home(number);
                    programme.record(&line, &member, 7, 0, reverse(kind, reference, None, amount, points));
                }
                post(&programme.close());
            }
        }
        let state = programme.state.as_ref().unwrap();
        for tax in &state.taxes {
            prop_assert_eq!(tax.base, Money::ZERO, "{:?}", tax.key);
        }
        for (of, sum) in &posted {
            prop_assert_eq!(*sum, Money::ZERO, "{:?} of {} postings", of, taxed);
        }
        prop_assert!(state.cohorts.is_empty() && state.debts.is_empty());
        for row in &state.liability {
            prop_assert_eq!((row.liability.contract.closing, row.liability.issued), (Money::ZERO, Points::ZERO));
        }
    }
}

/// What is refused in the sections on liability, VAT and accounts.
#[test]
fn terms_that_cannot_be_are_refused_where_they_stand() {
    let base = with(&[(LIABILITY, "}]")]);
    let base = base.split("liability = ").next().unwrap();
    let good = r#"liability = [{ from = "2025-01-01", face_value = "1" }]"#;
    for (says, sections, field, rule) in [
        ("no liability at all", "", "liability", "no rule for points issued by inn on 2025-01-01"),
        (
            "a line without terms",
            r#"liability = [{ funder = "shop", from = "2025-01-01", face_value = "1" }]"#,
            "liability",
            "no rule for points issued by inn on 2025-01-01",
        ),
        (
            "terms that end",
            r#"liability = [{ from = "2025-01-01", to = "2025-03-31", face_value = "1" }]"#,
            "liability",
            "on 2025-04-01",
        ),
        (
            "a face value of zero",
            r#"liability = [{ from = "2025-01-01", face_value = "0" }]"#,
            "liability[0].face_value",
            "more than zero",
        ),
        (
            "a rate above one",
            r#"liability = [{ from = "2025-01-01", face_value = "1", initial_urr = "1.01" }]"#,
            "liability[0].initial_urr",
            "at most 1",
        ),
        (
            "a rate below zero",
            r#"liability = [{ from = "2025-01-01", face_value = "1", initial_urr = "-0.1" }]"#,
            "liability[0].initial_urr",
            "without sign",
        ),
        (
            "no redemption at all",
            r#"liability = [{ from = "2025-01-01", face_value = "1", initial_urr = "0" }]"#,
            "liability[0].initial_urr",
            "more than zero",
        ),
        (
            "terms from the middle of a month",
            r#"liability = [{ from = "2024-12-15", face_value = "1" }]"#,
            "liability[0].from",
            "first day of a month",
        ),
        (
            "terms to the middle of a month",
            r#"liability = [{ from = "2025-01-01", to = "2025-06-29", face_value = "1" }, { from = "2025-06-30", face_value = "1" }]"#,
            "liability[0].to",
            "last day of a month",
        ),
        (
            "a remote age with the other method",
            r#"liability = [{ from = "2025-01-01", face_value = "1", remote_after_months = 6 }]"#,
            "liability[0].remote_after_months",
            "only for the method",
        ),
        (
            "remote at once",
            r#"liability = [{ from = "2025-01-01", face_value = "1", method = "remote", remote_after_months = 0 }]"#,
            "liability[0].remote_after_months",
            "1 to 120",
        ),
        (
            "an unknown method",
            r#"liability = [{ from = "2025-01-01", face_value = "1", method = "prospective" }]"#,
            "liability[0].method",
            "unknown variant `prospective`",
        ),
        (
            "an override without a reason",
            r#"urr_override = [{ funder = "shop", issued = "2025-01", urr = "0.9" }]"#,
            "urr_override[0].reason",
            "needs a reason",
        ),
        (
            "an override with an empty reason",
            r#"urr_override = [{ funder = "shop", issued = "2025-01", urr = "0.9", reason = " " }]"#,
            "urr_override[0].reason",
            "needs a reason",
        ),
        (
            "an override above one",
            r#"urr_override = [{ funder = "shop", issued = "2025-01", urr = "1.2", reason = "hope" }]"#,
            "urr_override[0].urr",
            "more than 100 %",
        ),
        (
            "two overrides of one cohort",
            r#"urr_override = [{ funder = "shop", issued = "2025-01", urr = "1", reason = "a" }, { funder = "shop", issued = "2025-01", urr = "1", reason = "b" }]"#,
            "urr_override[1].issued",
            "has a rate already",
        ),
        (
            "an override of nobody's points",
            r#"urr_override = [{ funder = "sh op", issued = "2025-01", urr = "1", reason = "a" }]"#,
            "urr_override[0].funder",
            "may only contain",
        ),
        (
            "an override of no month",
            r#"urr_override = [{ funder = "shop", urr = "1", reason = "a" }]"#,
            "urr_override[0].issued",
            "either `issued` or `issued_from` and `issued_to`",
        ),
        (
            "an override of a month and of months",
            r#"urr_override = [{ funder = "shop", issued = "2025-01", issued_to = "2025-02", urr = "1", reason = "a" }]"#,
            "urr_override[0].issued",
            "either `issued` or `issued_from` and `issued_to`",
        ),
        (
            "an override of months without an end",
            r#"urr_override = [{ funder = "shop", issued_from = "2025-01", urr = "1", reason = "a" }]"#,
            "urr_override[0].issued",
            "either `issued` or `issued_from` and `issued_to`",
        ),
        (
            "an override of months that end before they begin",
            r#"urr_override = [{ funder = "shop", issued_from = "2025-02", issued_to = "2025-01", urr = "1", reason = "a" }]"#,
            "urr_override[0].issued_to",
            "must not be before 2025-02",
        ),
        (
            "an override from the close of no month",
            r#"urr_override = [{ funder = "shop", issued = "2025-01", urr = "1", close_from = "2025-13", reason = "a" }]"#,
            "urr_override[0].close_from",
            "",
        ),
        (
            "two overrides of a month of many from one close",
            r#"urr_override = [{ funder = "*", issued_from = "2025-01", issued_to = "2025-06", urr = "1", close_from = "2025-03", reason = "a" }, { funder = "*", issued = "2025-06", urr = "1", close_from = "2025-03", reason = "b" }]"#,
            "urr_override[1].issued",
            "has a rate already",
        ),
        (
            "free points that cost nothing",
            r#"liability = [{ from = "2025-01-01", face_value = "1", grant_value = "0" }]"#,
            "liability[0].grant_value",
            "more than zero",
        ),
        (
            "an unknown estimate",
            r#"urr = [{ method = "credibility" }]"#,
            "urr[0].method",
            "unknown variant `credibility`",
        ),
        ("terms of before", r#"urr = [{ young_below_age = 12 }]"#, "urr[0].young_below_age", "unknown field"),
        ("no window", r#"urr = [{ window_months = 0 }]"#, "urr[0].window_months", "must be 1 to"),
        (
            "a level of more months than there may be",
            r#"urr = [{ level_months = 61 }]"#,
            "urr[0].level_months",
            "must be 1 to 60",
        ),
        ("no horizon", r#"urr = [{ horizon_months = 0 }]"#, "urr[0].horizon_months", "must be 1 to 120"),
        ("one age from none on", r#"urr = [{ open_age = 0 }]"#, "urr[0].open_age", "must be 1 to 120"),
        ("one age too late", r#"urr = [{ open_age = 121 }]"#, "urr[0].open_age", "must be 1 to 120"),
        ("a rate that fades for ever", r#"urr = [{ initial_months = 1000 }]"#, "urr[0].initial_months", "must be 0 to"),
        ("a floor above all", r#"urr = [{ floor = "1.01" }]"#, "urr[0].floor", "at most 1"),
        ("a margin below nothing", r#"urr = [{ margin = "-1" }]"#, "urr[0].margin", "without sign"),
        ("months that teach only above all", r#"urr = [{ ignore_below = "2" }]"#, "urr[0].ignore_below", "at most 1"),
        (
            "an estimate from the middle of a month",
            r#"urr = [{ from = "2025-03-02" }]"#,
            "urr[0].from",
            "first day of a month",
        ),
        (
            "VAT for some pairs only",
            r#"vat = [{ funder = "shop", from = "2025-01-01", treatment = "none" }]"#,
            "vat",
            "no rule for redemption from inn to shop on 2025-01-01",
        ),
        ("VAT that begins late", r#"vat = [{ from = "2025-02-01", treatment = "none" }]"#, "vat", "on 2025-01-01"),
        (
            "a rate without a treatment",
            r#"vat = [{ from = "2025-01-01", treatment = "none", rate = "0.06" }]"#,
            "vat[0].rate",
            "must be 0",
        ),
        (
            "VAT in percent",
            r#"vat = [{ from = "2025-01-01", treatment = "marketing-service", rate = "6" }]"#,
            "vat[0].rate",
            "at most 1",
        ),
        (
            "a product that no entry names",
            r#"vat = [{ from = "2025-01-01", product = "rooms", treatment = "none" }]"#,
            "vat[0].product",
            "must be \"redemption\"",
        ),
        (
            "an account that is none",
            r#"accounts = { cash = { code = "1001", name = "库存现金" } }"#,
            "accounts.cash",
            "unknown field `cash`",
        ),
        (
            "a code that is too long",
            r#"accounts = { bank = { code = "1234567890123456", name = "银行" } }"#,
            "accounts.bank.code",
            "1 to 15",
        ),
        (
            "an account without a name",
            r#"accounts = { bank = { code = "1002", name = "" } }"#,
            "accounts.bank.name",
            "1 to 60",
        ),
    ] {
        let sections = if sections.is_empty() || sections.starts_with("liability") {
            sections.to_owned()
        } else {
            format!("{good}\n{sections}")
        };
        let errors = interline_domain::terms::rulebook::Rulebook::parse(&format!("{base}{sections}\n"));
        let errors = errors.err().unwrap_or_else(|| panic!("{says}: must be refused"));
        let found = errors.0.iter().any(|error| error.field == field && error.rule.contains(rule));
        assert!(found, "{says}: expected {field}: {rule}, found\n{errors}");
    }
}

#[test]
fn codes_and_names_of_accounts_are_taken_up_to_their_limits() {
    let bank = |code: &str, name: &str| {
        let accounts = format!("{LIABILITY}\naccounts = {{ bank = {{ code = {code:?}, name = {name:?} }} }}");
        interline_domain::terms::rulebook::Rulebook::parse(&with(&[(LIABILITY, &accounts)])).is_ok()
    };
    assert!(bank(&"1".repeat(ACCOUNT_CODE_MAX), &"银".repeat(ACCOUNT_NAME_MAX)));
    assert!(!bank("1002", &"银".repeat(ACCOUNT_NAME_MAX + 1)));
    for name in [" 银行", "银行 ", "银\t行", "银\n行"] {
        assert!(!bank("1002", name), "{name:?}");
    }
}

#[test]
fn points_that_expire_are_forecast_for_the_months_ahead_that_the_report_has() {
    let months_ahead = |months: u32| {
        let mut programme = Programme::new(&with(&[("never = true", &format!("months = {months}"))]));
        programme.sale("shop", "1000");
        programme.close().expiry_forecast.len()
    };
    assert_eq!((months_ahead(11), months_ahead(12), months_ahead(13)), (1, 1, 0));
}

#[test]
fn accounts_are_the_rulebooks_and_the_defaults_otherwise() {
    let text = with(&[(
        LIABILITY,
        "initial_urr = \"0.95\" }]\nbooks = { sales = \"full\" }\naccounts = { bank = { code = \"100299\", name = \"工商银行\" } }",
    )]);
    let mut programme = Programme::new(&text);
    programme.sale("shop", "1000");
    let settlement = programme.close();
    let lines = settlement.vouchers.iter().flat_map(|voucher| &voucher.lines);
    let named: Vec<(&str, &str)> = lines.map(|line| (line.account.as_str(), line.account_name.as_str())).collect();
    assert_eq!(named, [("100299", "工商银行"), ("600101", "商品销售"), ("600101", "商品销售"), ("220501", "积分")]);
    let entity = programme.rulebook.line(&LineId::parse("inn").unwrap()).map(|line| line.entity.clone());
    assert_eq!(entity.as_deref(), Some("酒店"));
}
