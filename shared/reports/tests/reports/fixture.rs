//! A small settlement by hand: four lines, with names that need escaping and a
//! line of which a bank knows nothing.

use chrono::NaiveDate;
use interline_domain::actuarial::liability::{ProvisionRow, RollForward as LiabilityRoll};
use interline_domain::claims::lot::{Cohort, Expiry};
use interline_domain::close::books::{BooksEvent, Voucher, VoucherLine};
use interline_domain::close::checks::{CheckId, Severity};
use interline_domain::close::judgement::Judgement;
use interline_domain::close::netting::Payment;
use interline_domain::close::settlement::Evidence;
use interline_domain::close::settlement::{
    Bilateral, Check, ExpiryForecast, Issuance, LiabilityRow, Position, RateBasis, RedemptionRateRow, RollForward,
    Settlement, SplitRow, State, UrrState,
};
use interline_domain::legs::FlowKind;
use interline_domain::terms::rulebook::{Account, Dimension, Method, Product, Rulebook};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, SchemeId};
use interline_domain::units::micro::Micro;
use interline_domain::units::money::{Money, Points, Rate};
use interline_reports::manifest::{RunKind, RunName};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

pub const RULEBOOK: &str = r#"
[programme]
name = "Points & \"Perks\" <Group>"
currency = "CNY"
time_zone = "Asia/Shanghai"
first_period = "2017-01"
platform = "group"
netting = "direct"
pseudonym_salt = "fixture-of-reports"

[[lines]]
id = "group"
name = "Headquarters"
name_zh = "集团总部"
legal_name = "示例集团有限公司"
legal_name_en = "Example Group Co Ltd"
bank_name = "中国工商银行上海市静安支行"
bank_account = "6217-0000-0000-0001"
cnaps = "102290000003"

[[lines]]
id = "mall"
name = "Malls <& more>"
name_zh = "商场"
entity = "示例商场有限公司"
legal_name = "示例商场 <& 更多> 有限公司"
legal_name_en = "Malls <& more> Ltd"
bank_account = "6217-0000-0000-0002"
bic = "ICBKCNBJSHI"

[[lines]]
id = "hotel_1"
name = "酒店"
name_zh = "酒店"

[[lines]]
id = "dining"
name = "Dining"
name_zh = "餐饮"
legal_name = "示例餐饮有限公司"
legal_name_en = "Dîner Zürich – Dining Ltd"
bank_name = "招商银行上海分行"
bank_account = "6217001234567890123"
cnaps = "308290003020"
bic = "CMBCCNBS"
"#;

pub fn line(id: &str) -> LineId {
    LineId::parse(id).unwrap()
}

pub fn period() -> Period {
    Period::parse("2017-02").unwrap()
}

pub fn run(kind: RunKind) -> RunName {
    RunName { kind, id: "v1-c95dcb77".to_owned() }
}

pub fn rulebook() -> Rulebook {
    Rulebook::parse(RULEBOOK).unwrap()
}

fn money(minor: i64) -> Money {
    Money::from_minor(minor)
}

fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

pub fn cohort(funder: &str, issued: &str, expires: (i32, u32, u32)) -> Cohort {
    let (year, month, day) = expires;
    Cohort {
        scheme: SchemeId::of(&line(funder)),
        issued: Period::parse(issued).unwrap(),
        expires: Expiry::On(NaiveDate::from_ymd_opt(year, month, day).unwrap()),
    }
}

/// Payer, payee, events, points and amount.
const FLOWS: [(&str, &str, u64, i64, i64); 6] = [
    ("dining", "hotel_1", 12, 4_321, 1_234_567),
    ("dining", "mall", 7, 987, 98_765),
    ("group", "hotel_1", 1, 55, 577),
    ("hotel_1", "dining", 3, 120, 3_141),
    ("mall", "dining", 2, -60, -2_718),
    ("mall", "group", 0, 0, 1_618),
];

pub fn settlement() -> Settlement {
    let amount = |payer: &str, payee: &str| {
        FLOWS.iter().find(|flow| flow.0 == payer && flow.1 == payee).map_or(0, |flow| flow.4)
    };
    let bilateral = FLOWS.iter().map(|&(payer, payee, events, points, minor)| Bilateral {
        payer: line(payer),
        payee: line(payee),
        events,
        points: Points::new(points),
        amount: money(minor),
        prior_period: money(minor / 10),
        net: money(minor - amount(payee, payer)),
    });
    let position = |id: &str| {
        let payable: i64 = FLOWS.iter().filter(|flow| flow.0 == id).map(|flow| flow.4).sum();
        let receivable: i64 = FLOWS.iter().filter(|flow| flow.1 == id).map(|flow| flow.4).sum();
        Position {
            line: line(id),
            gross_payable: money(payable),
            gross_receivable: money(receivable),
            platform_fee: money(if id == "mall" { 1_618 } else { 0 }),
            prior_period: Money::ZERO,
            net: money(receivable - payable),
            carried_before: Money::ZERO,
            carried_after: Money::ZERO,
            to_pay: money(receivable - payable),
        }
    };
    let positions: Vec<Position> = ["dining", "group", "hotel_1", "mall"].map(position).into();
    let net = |id: &str| positions.iter().find(|row| row.line == line(id)).unwrap().net;
    let payments = ["hotel_1", "mall", "group"].map(|payee| Payment {
        payer: line("dining"),
        payee: line(payee),
        amount: net(payee),
    });
    let liability = vec![
        liability_row(
            cohort("dining", "2017-01", (2018, 1, 31)),
            [5_000_000, 0, 120_000, 1_234_567, -34_500, 0, 20_000, 5_000],
        ),
        liability_row(cohort("dining", "2017-02", (2018, 2, 28)), [0, 4_000_000, 60_000, 98_765, 1_200, 0, 0, 0]),
        liability_row(cohort("mall", "2017-01", (2017, 2, 28)), [777_700, 0, 100, 0, 0, 777_600, 0, 0]),
    ];
    Settlement {
        funding: vec![],
        schemes: vec![],
        splits: vec![SplitRow {
            product: Product::PlatformFee,
            payer: line("mall"),
            redeemer: line("dining"),
            beneficiary: line("group"),
            rule: "standard".to_owned(),
            share: rate("0.03"),
            base: money(53_933),
            amount: money(1_618),
            cumulative_base: money(53_933),
            cumulative_amount: money(1_618),
            rounding: Decimal::new(1, 4),
        }],
        issuance: vec![Issuance {
            scheme: SchemeId::of(&line("dining")),
            issue_month: period(),
            line: line("dining"),
            kind: FlowKind::Issued,
            events: 321,
            sales: money(123_456_789),
            points: Points::new(400_000),
        }],
        roll_forward: vec![RollForward {
            cohort: cohort("dining", "2017-01", (2018, 1, 31)),
            opening: Points::new(500_000),
            issued: Points::new(400_000),
            redeemed_own: Points::new(12_000),
            redeemed_other: Points::new(5_308),
            expired: Points::ZERO,
            reversed: Points::new(200),
            closing: Points::new(882_492),
        }],
        redemption_rates: vec![
            rates(cohort("dining", "2017-01", (2018, 1, 31)), 500_000, &[11_000, 27_308], 480_000),
            rates(cohort("dining", "2017-02", (2018, 2, 28)), 400_000, &[9_000], 400_000),
            rates(cohort("mall", "2017-01", (2017, 2, 28)), 77_777, &[10, 20], 20),
        ],
        expiry_forecast: vec![
            ExpiryForecast {
                scheme: SchemeId::of(&line("dining")),
                month: Period::parse("2018-01").unwrap(),
                points: Points::new(472_692),
                value: money(4_726_920),
                liability: money(3_654_933),
            },
            ExpiryForecast {
                scheme: SchemeId::of(&line("mall")),
                month: Period::parse("2018-01").unwrap(),
                points: Points::new(7_308),
                value: money(73_080),
                liability: money(70_000),
            },
        ],
        vouchers: vouchers(),
        cash_vouchers: Vec::new(),
        indebted: BTreeMap::new(),
        checklist: vec![
            check(CheckId::NetsSumToZero, "0.00", "0.00", true),
            check(CheckId::CohortsBelowZero, "0", "<1>", false),
            Check { severity: Severity::Warning, ..check(CheckId::SharesOff, "0", "2", false) },
        ],
        state: State {
            period: period(),
            cohorts: vec![],
            splits: vec![],
            debts: vec![],
            liability: vec![],
            carried: vec![],
            taxes: vec![],
            urr: UrrState::default(),
            schemes: vec![],
            sale_days: BTreeMap::new(),
        },
        invoices: vec![],
        judgement: Judgement::default(),
        why: Vec::new(),
        gross: money(1_340_809),
        settled: money(1_332_909),
        bilateral: bilateral.collect(),
        positions,
        payments: payments.into(),
        liability,
    }
}

fn check(check: CheckId, expected: &str, actual: &str, pass: bool) -> Check {
    Check {
        check,
        expected: expected.to_owned(),
        actual: actual.to_owned(),
        pass,
        severity: Severity::Failure,
        accepted: None,
    }
}

/// Opening, added, own line, to payable, agent, expired, re-estimate, reversed.
fn liability_row(cohort: Cohort, amounts: [i64; 8]) -> LiabilityRow {
    let [opening, added, own, payable, agent, expired, re_estimate, reversed] = amounts;
    let closing = opening + added - own - payable - agent - expired - re_estimate - reversed;
    LiabilityRow {
        payer: None,
        row: LiabilityRoll {
            opening: money(opening),
            added: money(added),
            own_line_revenue: money(own),
            to_payable: money(payable),
            agent_revenue: money(agent),
            breakage: Money::ZERO,
            re_estimate: money(re_estimate),
            remeasured: Money::ZERO,
            expired: money(expired),
            reversed: money(reversed),
            closing: money(closing),
            undone: Money::ZERO,
        },
        provision: ProvisionRow::default(),
        given: Points::ZERO,
        expected: Micro::ZERO,
        maturity: [money(closing * 9 / 10), Money::ZERO, Money::ZERO, money(closing - closing * 9 / 10)],
        provision_maturity: [Money::ZERO; 4],
        rate: rate("0.96"),
        previous_rate: (opening > 0).then(|| rate("1")),
        basis: RateBasis::Manual { reason: "=agreed with the auditor".to_owned() },
        method: Method::CatchUp,
        outstanding: Points::new(cohort.issued.months_since(period()).abs().into()),
        cohort,
    }
}

fn rates(cohort: Cohort, issued: i64, redeemed: &[i64], expected: i64) -> RedemptionRateRow {
    RedemptionRateRow {
        cohort,
        age: redeemed.len() - 1,
        issued: Points::new(issued),
        redeemed_by_age: redeemed.iter().map(|points| Points::new(*points)).collect(),
        evidence: Evidence { factors: vec![Some(Decimal::new(2_482_545_454_545, 12))], ..Evidence::default() },
        basis: RateBasis::Experience,
        expected: Points::new(expected),
        rate: rate(&Decimal::new(expected, 0).checked_div(Decimal::new(issued, 0)).unwrap().round_dp(8).to_string()),
        actual: Some(Points::new(16_308)),
        expected_of_previous_close: Some(Micro::new(15_000_123_456)),
    }
}

fn posted(role: Account, debit: i64, credit: i64) -> VoucherLine {
    let account = rulebook().accounts.of(role);
    VoucherLine {
        summary: "2017-02 他业态兑换, \"酒店\" 及其他往来单位的积分兑换结算款项确认及结转说明".to_owned(),
        role,
        full_name: account.full_name(),
        account: account.code,
        account_name: account.name,
        debit: money(debit),
        credit: money(credit),
        counterparty: Some(line("hotel_1")),
        aux: BTreeMap::new(),
    }
}

fn voucher(entity: &str, number: u32, event: BooksEvent, lines: Vec<VoucherLine>) -> Voucher {
    Voucher { entity: line(entity), word: "记".to_owned(), number, date: period().last_day(), event, lines }
}

fn vouchers() -> Vec<Voucher> {
    let mut payable = posted(Account::Payable, 0, 1_333_332);
    payable.aux = BTreeMap::from([
        (Dimension::Supplier, "G005".to_owned()),
        (Dimension::Department, "D04".to_owned()),
        (Dimension::Project, "P01".to_owned()),
    ]);
    vec![
        voucher(
            "dining",
            1,
            BooksEvent::OtherRedemption,
            vec![posted(Account::ContractLiability, 1_300_032, 0), payable, posted(Account::AgentRevenue, 0, -33_300)],
        ),
        voucher(
            "dining",
            2,
            BooksEvent::Netting,
            vec![posted(Account::Payable, 100, 0), posted(Account::ClearingPayable, 0, 100)],
        ),
        voucher(
            "hotel_1",
            1,
            BooksEvent::Receivable,
            vec![
                posted(Account::Receivable, 1_234_567, 0),
                posted(Account::SettlementRevenue, 0, 1_164_686),
                posted(Account::OutputVat, 0, 69_881),
            ],
        ),
    ]
}

/// What a programme that plans its payments has besides.
pub fn cash_vouchers() -> Vec<Voucher> {
    let mut paid = voucher(
        "dining",
        3,
        BooksEvent::Payment,
        vec![posted(Account::ClearingPayable, 100, 0), posted(Account::Bank, 0, 100)],
    );
    paid.date = NaiveDate::from_ymd_opt(2017, 3, 14).unwrap();
    vec![paid]
}
