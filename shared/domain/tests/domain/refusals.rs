//! Everything that is refused, command by command.

use crate::reverse::reverse;
use crate::support::*;
use chrono::{DateTime, Utc};
use interline_domain::claims::account::Account;
use interline_domain::events::{
    Accrual, Action, Command, Entry, EntryKind, Grant, Issue, Plan, Redemption, Refusal, Reversed, Target, check,
};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::id::SchemeId;
use interline_domain::units::money::{Money, Points};
use std::collections::BTreeSet;

/// `shop` has every limit on a number of points, `inn` those on the bill, the
/// day and the month, `vault` none and a dear point; `club` stopped in March, and
/// `fair` takes part in February and March.
const RULEBOOK: &str = r#"
programme = { name = "Refusals", currency = "CNY", time_zone = "Asia/Shanghai", first_period = "2025-01", platform = "hq", netting = "hub", pseudonym_salt = "refusals" }
lines = [{ id = "hq", name = "Group" }, { id = "shop", name = "Shop" }, { id = "inn", name = "Inn" }, { id = "vault", name = "Vault" }, { id = "club", name = "Club" }, { id = "fair", name = "Fair", from = "2025-02-01", to = "2025-03-31" }]
earn = [
  { line = "shop", from = "2025-01-01", points_per_unit = "1" },
  { line = "inn", from = "2025-01-01", points_per_unit = "1", minimum_amount = "10" },
  { line = "club", from = "2025-01-01", to = "2025-03-31", points_per_unit = "1" },
]
burn = [
  { line = "shop", from = "2025-01-01", value = "0.01", minimum = 50, step = 10, max_per_order = 1000 },
  { line = "inn", from = "2025-01-01", value = "0.03", max_bill_share = "0.5", max_per_day = 300, max_per_month = 500 },
  { line = "vault", from = "2025-01-01", value = "0.5" },
  { line = "club", from = "2025-01-01", to = "2025-03-31", value = "0.01" },
]
prices = [
  { redeemer = "shop", from = "2025-01-01", price = "0.01" },
  { redeemer = "inn", from = "2025-01-01", price = "0.02" },
  { redeemer = "vault", from = "2025-01-01", price = "0.4" },
  { redeemer = "club", from = "2025-01-01", price = "0.01" },
]
expiry = [{ from = "2025-01-01", months = 12 }]
liability = [{ from = "2025-01-01", face_value = "0.01" }]
"#;

const NOON: &str = "2025-04-10T12:00:00+08:00";
const LOT: &str = "shop|2025-02|2026-02-28";
const FULL: i64 = i64::MAX;

fn now() -> DateTime<Utc> {
    at(NOON).to_utc()
}

/// Every rule by name. Without a wildcard arm, so that a new one is missed here first.
fn rule(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::UnknownLine(_) => "UnknownLine",
        Refusal::PhoneLikeMember => "PhoneLikeMember",
        Refusal::InTheFuture => "InTheFuture",
        Refusal::BeforeProgramme(_) => "BeforeProgramme",
        Refusal::LineNotActive { .. } => "LineNotActive",
        Refusal::NoEarnRule { .. } => "NoEarnRule",
        Refusal::NoBurnRule { .. } => "NoBurnRule",
        Refusal::InsufficientPoints { .. } => "InsufficientPoints",
        Refusal::BelowMinimum(_) => "BelowMinimum",
        Refusal::OffStep(_) => "OffStep",
        Refusal::AboveOrderCap(_) => "AboveOrderCap",
        Refusal::AboveBillCap { .. } => "AboveBillCap",
        Refusal::BillMissing(_) => "BillMissing",
        Refusal::AboveDayCap { .. } => "AboveDayCap",
        Refusal::AboveMonthCap { .. } => "AboveMonthCap",
        Refusal::TargetNotFound { .. } => "TargetNotFound",
        Refusal::NotReversible(_) => "NotReversible",
        Refusal::BeforeTarget(_) => "BeforeTarget",
        Refusal::AlreadyReversed => "AlreadyReversed",
        Refusal::MorePointsThanLeft(_) => "MorePointsThanLeft",
        Refusal::MoreAmountThanLeft(_) => "MoreAmountThanLeft",
        Refusal::UnknownTaxCode { .. } => "UnknownTaxCode",
        Refusal::TaxesNotTheAmount(_) => "TaxesNotTheAmount",
        Refusal::MoreTaxedThanLeft(_) => "MoreTaxedThanLeft",
        Refusal::Superfluous(..) => "Superfluous",
        Refusal::OutOfRange => "OutOfRange",
    }
}

/// The rules that can refuse each command; together they are all there are.
const OF_EVERY_COMMAND: [&str; 6] =
    ["UnknownLine", "PhoneLikeMember", "InTheFuture", "BeforeProgramme", "LineNotActive", "OutOfRange"];
const OF_ISSUES: [&str; 1] = ["NoEarnRule"];
const OF_REDEMPTIONS: [&str; 9] = [
    "NoBurnRule",
    "InsufficientPoints",
    "BelowMinimum",
    "OffStep",
    "AboveOrderCap",
    "AboveBillCap",
    "BillMissing",
    "AboveDayCap",
    "AboveMonthCap",
];
const OF_REVERSALS: [&str; 6] =
    ["TargetNotFound", "NotReversible", "BeforeTarget", "AlreadyReversed", "MorePointsThanLeft", "MoreAmountThanLeft"];
const _: () = assert!(
    // One more, `Superfluous`, is found where an event is read, and those of tax codes have tests of their own.
    OF_EVERY_COMMAND.len() + OF_ISSUES.len() + OF_REDEMPTIONS.len() + OF_REVERSALS.len() + 1 + 3 == 26,
    "a refusal is listed for no command"
);

/// The event that a reversal takes back, as the ledger would find it.
type Found = Option<(Entry, Reversed)>;

struct Case {
    says: &'static str,
    command: Command,
    account: Account,
    target: Found,
    expected: Refusal,
    code: &'static str,
    field: &'static str,
    depends_on_state: bool,
}

fn decide(
    rulebook: &Rulebook,
    account: &Account,
    command: &Command,
    target: Option<&(Entry, Reversed)>,
) -> Result<Plan, Refusal> {
    check(rulebook, command, now())?;
    let target = target.map(|(entry, reversed)| Target { entry, reversed, rulebook });
    plan_in_time(rulebook, account, command, target)
}

/// Runs the table, and checks that it names every rule of its command.
fn refuses(cases: &[Case], rules: &[&[&'static str]]) {
    let rulebook = rulebook(RULEBOOK);
    let mut seen = BTreeSet::new();
    for case in cases {
        let account = case.account.clone();
        let refusal = decide(&rulebook, &account, &case.command, case.target.as_ref()).unwrap_err();
        assert_eq!(refusal, case.expected, "{}", case.says);
        assert_eq!(refusal.code(), case.code, "{}", case.says);
        assert_eq!(refusal.field(), case.field, "{}", case.says);
        assert_eq!(refusal.depends_on_state(), case.depends_on_state, "{}", case.says);
        assert!(!refusal.to_string().is_empty(), "{}", case.says);
        assert_eq!(account, case.account, "{}: the account is as it was", case.says);
        seen.insert(rule(&refusal));
    }
    let expected: BTreeSet<&str> = OF_EVERY_COMMAND.iter().chain(rules.iter().copied().flatten()).copied().collect();
    assert_eq!(seen, expected);
}

fn of_member(name: &str, mut command: Command) -> Command {
    command.head.member = member(name);
    command
}

/// The rows that every command shares: where and when an event cannot be.
fn nowhere_and_never(action: &Action) -> Vec<Case> {
    let at_shop = |occurred_at: &str| command("shop", "X1", occurred_at, action.clone());
    let case = |says, command, expected, code, field| Case {
        says,
        command,
        account: account(&[(LOT, 1000)]),
        target: None,
        expected,
        code,
        field,
        depends_on_state: false,
    };
    vec![
        case(
            "a line outside the programme",
            command("mars", "X1", NOON, action.clone()),
            Refusal::UnknownLine(line("mars")),
            "unknown-line",
            "line",
        ),
        case(
            "the last second before the line's first day",
            command("fair", "X1", "2025-01-31T23:59:59+08:00", action.clone()),
            Refusal::LineNotActive { line: line("fair"), day: day("2025-01-31") },
            "line-not-active",
            "line",
        ),
        case(
            "a member who is named by a phone number",
            of_member("13800138000", at_shop(NOON)),
            Refusal::PhoneLikeMember,
            "phone-like-member",
            "member",
        ),
        case(
            "a phone number with its country code",
            of_member("8613800138000", at_shop(NOON)),
            Refusal::PhoneLikeMember,
            "phone-like-member",
            "member",
        ),
        case(
            "a second more than ten minutes ahead",
            at_shop("2025-04-10T12:10:01+08:00"),
            Refusal::InTheFuture,
            "in-the-future",
            "occurred_at",
        ),
        case(
            "ahead by its offset, not by its digits",
            at_shop("2025-04-10T12:00:00+07:00"),
            Refusal::InTheFuture,
            "in-the-future",
            "occurred_at",
        ),
        case(
            "the last second before the programme",
            at_shop("2024-12-31T23:59:59+08:00"),
            Refusal::BeforeProgramme(period("2025-01")),
            "before-programme",
            "occurred_at",
        ),
    ]
}

fn no_earn_rule(says: &'static str, at_line: &str, action: &Action) -> Case {
    Case {
        says,
        command: command(at_line, "X1", NOON, action.clone()),
        account: account(&[]),
        target: None,
        expected: Refusal::NoEarnRule { line: line(at_line), day: day("2025-04-10") },
        code: "no-earn-rule",
        field: "line",
        depends_on_state: false,
    }
}

fn out_of_range(says: &'static str, command: Command, lots: &[(&str, i64)]) -> Case {
    Case {
        says,
        command,
        account: account(lots),
        target: None,
        expected: Refusal::OutOfRange,
        code: "out-of-range",
        field: "points",
        depends_on_state: false,
    }
}

#[test]
fn an_accrual_is_refused_with_the_rule_and_the_field() {
    let sale = Action::Accrual(Accrual::of(money("1.00")));
    let mut cases = nowhere_and_never(&sale);
    cases.push(no_earn_rule("a line that never issued points", "vault", &sale));
    cases.push(no_earn_rule("a line that issues no more", "club", &sale));
    let accrual = command("shop", "X1", NOON, sale);
    cases.push(out_of_range("one point more than a lot can hold", accrual, &[("shop|2025-04|2026-04-30", FULL)]));
    refuses(&cases, &[&OF_ISSUES]);
}

#[test]
fn a_grant_is_refused_with_the_rule_and_the_field() {
    let gift = Action::Grant(Grant { points: points(1) });
    let mut cases = nowhere_and_never(&gift);
    cases.push(no_earn_rule("a line that never issued points", "vault", &gift));
    cases.push(no_earn_rule("a line that issues no more", "club", &gift));
    let grant = command("shop", "X1", NOON, gift);
    cases.push(out_of_range("one point more than a lot can hold", grant, &[("shop|2025-04|2026-04-30", FULL)]));
    refuses(&cases, &[&OF_ISSUES]);
}

#[test]
fn a_redemption_is_refused_with_the_rule_and_the_field() {
    let spend = |at_line: &str, number: i64, bill: Option<&str>| {
        command(at_line, "X1", NOON, Action::Redemption(Redemption::of(points(number), bill.map(money))))
    };
    let poor = Account::default();
    let rich = account(&[(LOT, 100_000)]);
    let mut spent_today = rich.clone();
    spent_today.redeemed.insert((line("inn"), day("2025-04-10")), points(250));
    let mut spent_this_month = rich.clone();
    spent_this_month.redeemed.insert((line("inn"), day("2025-04-01")), points(300));
    spent_this_month.redeemed.insert((line("inn"), day("2025-04-02")), points(180));
    let mut spent_all = spent_this_month.clone();
    spent_all.redeemed.insert((line("inn"), day("2025-04-03")), points(300));
    let mut expired = account(&[(LOT, 60), ("shop|2024-03|2025-04-09", 1000)]);
    expired.sequence = 7;

    // (what, command, account, refusal, code, field, depends on the account)
    let rows: Vec<(&str, Command, &Account, Refusal, &str, &str, bool)> = vec![
        (
            "a line where nothing can be spent",
            spend("hq", 100, None),
            &rich,
            Refusal::NoBurnRule { line: line("hq"), day: day("2025-04-10") },
            "no-burn-rule",
            "line",
            false,
        ),
        (
            "a line that takes points no more",
            spend("club", 100, None),
            &rich,
            Refusal::NoBurnRule { line: line("club"), day: day("2025-04-10") },
            "no-burn-rule",
            "line",
            false,
        ),
        (
            "more than an order may take, and off the step: the cap is named",
            spend("shop", 1001, None),
            &rich,
            Refusal::AboveOrderCap(points(1000)),
            "above-order-cap",
            "points",
            false,
        ),
        (
            "off the step, and below the minimum: the step is named",
            spend("shop", 45, None),
            &rich,
            Refusal::OffStep(points(10)),
            "off-step",
            "points",
            false,
        ),
        (
            "below the minimum, and more than the member has: the minimum is named",
            spend("shop", 40, None),
            &poor,
            Refusal::BelowMinimum(points(50)),
            "below-minimum",
            "points",
            false,
        ),
        (
            "a bill is needed where points may pay a share of it",
            spend("inn", 1, None),
            &rich,
            Refusal::BillMissing(line("inn")),
            "bill-missing",
            "amount",
            false,
        ),
        (
            "half of 10.00 is 166.67 points at 0.03",
            spend("inn", 167, Some("10.00")),
            &rich,
            Refusal::AboveBillCap { cap: points(166), bill: cny().show(money("10.00")) },
            "above-bill-cap",
            "points",
            false,
        ),
        (
            "one point more than is left of the day",
            spend("inn", 51, Some("100.00")),
            &spent_today,
            Refusal::AboveDayCap { left: points(50) },
            "above-day-cap",
            "points",
            true,
        ),
        (
            "one point more than is left of the month",
            spend("inn", 21, Some("100.00")),
            &spent_this_month,
            Refusal::AboveMonthCap { left: points(20) },
            "above-month-cap",
            "points",
            true,
        ),
        (
            "nothing is left when a cap was lowered below what was spent",
            spend("inn", 1, Some("100.00")),
            &spent_all,
            Refusal::AboveMonthCap { left: points(0) },
            "above-month-cap",
            "points",
            true,
        ),
        (
            "one step more than the balance; points past their date do not count",
            spend("shop", 70, None),
            &expired,
            Refusal::InsufficientPoints { available: points(60), requested: points(70) },
            "insufficient-points",
            "points",
            true,
        ),
    ];
    let mut cases = nowhere_and_never(&Action::Redemption(Redemption::of(points(50), None)));
    cases.extend(rows.into_iter().map(|(says, command, account, expected, code, field, depends_on_state)| Case {
        says,
        command,
        account: account.clone(),
        target: None,
        expected,
        code,
        field,
        depends_on_state,
    }));
    let lots = [(LOT, FULL)];
    cases.push(out_of_range("a value that no amount can hold", spend("vault", FULL, None), &lots));
    refuses(&cases, &[&OF_REDEMPTIONS]);
}

/// An event of 1 April with the account after it.
fn recorded(at_line: &str, action: Action, before: &Account) -> Plan {
    let command = command(at_line, "X0", "2025-04-01T09:00:00+08:00", action);
    plan_in_time(&rulebook(RULEBOOK), before, &command, None).unwrap()
}

fn take_back(kind: EntryKind, amount: Option<&str>, number: Option<i64>) -> Action {
    reverse(kind, reference("X0"), None, amount.map(money), number.map(points))
}

#[test]
fn a_reversal_is_refused_with_the_rule_and_the_field() {
    use EntryKind::Reversal;
    let [sold, redeemed, given] = [EntryKind::Accrual, EntryKind::Redemption, EntryKind::Adjustment];
    let sale = recorded("shop", Action::Accrual(Accrual::of(money("100.00"))), &account(&[]));
    let spent = recorded("shop", Action::Redemption(Redemption::of(points(80), None)), &account(&[(LOT, 100)]));
    let gift = recorded("shop", Action::Grant(Grant { points: points(30) }), &account(&[]));
    let back = |kind| command("shop", "X1", NOON, take_back(kind, None, None));
    let part = |kind, amount, number| command("shop", "X1", NOON, take_back(kind, amount, number));
    let so_far = |number: i64, amount: i64| Reversed {
        points: points(number),
        amount: Money::from_minor(amount),
        by_slice: vec![points(number)],
        by_tax: Vec::new(),
    };
    let of = |plan: &Plan, reversed: Reversed| Some((plan.entry.clone(), reversed));
    let none = Reversed::default;
    let rulebook = rulebook(RULEBOOK);
    let undone = |plan: &Plan, kind| {
        let target = Target { entry: &plan.entry, reversed: &none(), rulebook: &rulebook };
        plan_in_time(&rulebook, &plan.account, &back(kind), Some(target)).unwrap()
    };
    let not_found = |kind| Refusal::TargetNotFound { kind, reference: reference("X0") };
    let mut of_another = of(&sale, none());
    of_another.as_mut().unwrap().0.head.member = member("m2");

    // (what, command, recorded before, target, refusal, code, field, depends on the account)
    type Row<'a> = (&'static str, Command, &'a Plan, Found, Refusal, &'static str, &'static str, bool);
    let rows: Vec<Row<'_>> = vec![
        (
            "a sale that is not there, or not there yet",
            back(sold),
            &sale,
            None,
            not_found(sold),
            "target-not-found",
            "reverses",
            true,
        ),
        ("another member's sale", back(sold), &sale, of_another, not_found(sold), "target-not-found", "reverses", true),
        (
            "a refund found under another kind",
            back(sold),
            &sale,
            of(&undone(&sale, sold), none()),
            Refusal::NotReversible(Reversal),
            "not-reversible",
            "reverses",
            false,
        ),
        (
            "a return found under another kind",
            back(redeemed),
            &spent,
            of(&undone(&spent, redeemed), none()),
            Refusal::NotReversible(Reversal),
            "not-reversible",
            "reverses",
            false,
        ),
        (
            "a second before what it reverses",
            command("shop", "X1", "2025-04-01T08:59:59+08:00", take_back(sold, None, None)),
            &sale,
            of(&sale, none()),
            Refusal::BeforeTarget(at("2025-04-01T09:00:00+08:00").to_utc()),
            "before-target",
            "occurred_at",
            false,
        ),
        (
            "a sale refunded in full",
            back(sold),
            &sale,
            of(&sale, so_far(100, 10_000)),
            Refusal::AlreadyReversed,
            "already-reversed",
            "reverses",
            true,
        ),
        (
            "a redemption given back in full, asked for one point",
            part(redeemed, None, Some(1)),
            &spent,
            of(&spent, so_far(80, 0)),
            Refusal::AlreadyReversed,
            "already-reversed",
            "reverses",
            true,
        ),
        (
            "a gift taken back in full",
            back(given),
            &gift,
            of(&gift, so_far(30, 0)),
            Refusal::AlreadyReversed,
            "already-reversed",
            "reverses",
            true,
        ),
        (
            "a point more than is left of a redemption",
            part(redeemed, None, Some(51)),
            &spent,
            of(&spent, so_far(30, 0)),
            Refusal::MorePointsThanLeft(points(50)),
            "more-than-left",
            "points",
            true,
        ),
        (
            "a point more than is left of a gift",
            part(given, None, Some(31)),
            &gift,
            of(&gift, none()),
            Refusal::MorePointsThanLeft(points(30)),
            "more-than-left",
            "points",
            true,
        ),
        (
            "a fen more than is left of a sale",
            part(sold, Some("60.01"), None),
            &sale,
            of(&sale, so_far(40, 4_000)),
            Refusal::MoreAmountThanLeft(cny().show(money("60.00"))),
            "more-than-left",
            "amount",
            true,
        ),
    ];
    let mut cases = nowhere_and_never(&take_back(sold, None, None));
    cases.extend(rows.into_iter().map(|(says, command, plan, target, expected, code, field, depends_on_state)| Case {
        says,
        command,
        account: plan.account.clone(),
        target,
        expected,
        code,
        field,
        depends_on_state,
    }));
    let mut full = out_of_range("points given back to a full lot", back(redeemed), &[(LOT, FULL)]);
    full.target = of(&spent, none());
    cases.push(full);
    refuses(&cases, &[&OF_REVERSALS]);
}

#[test]
fn every_limit_is_accepted_at_its_boundary() {
    let rulebook = rulebook(RULEBOOK);
    let spend = |number: i64, bill: Option<&str>| Action::Redemption(Redemption::of(points(number), bill.map(money)));
    let mut spent_today = account(&[(LOT, 5000)]);
    spent_today.redeemed.insert((line("inn"), day("2025-04-10")), points(250));
    let mut spent_this_month = account(&[(LOT, 5000)]);
    spent_this_month.redeemed.insert((line("inn"), day("2025-04-01")), points(300));
    spent_this_month.redeemed.insert((line("inn"), day("2025-03-31")), points(300));
    let rich = account(&[(LOT, 5000)]);
    let sale = |amount: &str| Action::Accrual(Accrual::of(money(amount)));
    for (says, command, account) in [
        ("ten minutes ahead", command("shop", "X1", "2025-04-10T12:10:00+08:00", sale("1.00")), &rich),
        ("the programme's first second", command("shop", "X1", "2025-01-01T00:00:00+08:00", sale("1.00")), &rich),
        ("a rule's last second", command("club", "X1", "2025-03-31T23:59:59+08:00", sale("1.00")), &rich),
        ("an order's cap", command("shop", "X1", NOON, spend(1000, None)), &rich),
        ("the minimum", command("shop", "X1", NOON, spend(50, None)), &rich),
        ("the bill's share", command("inn", "X1", NOON, spend(166, Some("10.00"))), &rich),
        ("the rest of the day", command("inn", "X1", NOON, spend(50, Some("100.00"))), &spent_today),
        ("the rest of the month", command("inn", "X1", NOON, spend(200, Some("100.00"))), &spent_this_month),
        ("the whole balance", command("vault", "X1", NOON, spend(5000, None)), &rich),
        (
            "the last day of a lot",
            command("vault", "X1", NOON, spend(10, None)),
            &account(&[("shop|2024-04|2025-04-10", 10)]),
        ),
    ] {
        let plan = decide(&rulebook, account, &command, None);
        assert!(plan.is_ok(), "{says}: {plan:?}");
    }
}

#[test]
fn a_sale_too_small_to_earn_is_accepted_and_issues_nothing() {
    let rulebook = rulebook(RULEBOOK);
    for (at_line, amount) in [("shop", "0.99"), ("inn", "9.99")] {
        let command = command(at_line, "X1", NOON, Action::Accrual(Accrual::of(money(amount))));
        let plan = decide(&rulebook, &account(&[]), &command, None).unwrap();
        assert_eq!(issue(&plan.entry), Some(&Issue::default()), "{at_line} {amount}");
        assert!(plan.account.lots.is_empty());
    }
}

#[test]
fn a_return_frees_the_caps_of_the_day_it_was_spent_on() {
    let rulebook = rulebook(RULEBOOK);
    let bill = Some(money("100.00"));
    let redeem = command("inn", "X0", NOON, Action::Redemption(Redemption::of(points(300), bill)));
    let spent = decide(&rulebook, &account(&[(LOT, 5000)]), &redeem, None).unwrap();
    assert_eq!(spent.account.redeemed_on(&line("inn"), day("2025-04-10")), points(300));
    let give_back = command("inn", "X1", NOON, take_back(EntryKind::Redemption, None, Some(120)));
    let target = (spent.entry, Reversed::default());
    let returned = decide(&rulebook, &spent.account, &give_back, Some(&target)).unwrap();
    assert_eq!(returned.account.redeemed_on(&line("inn"), day("2025-04-10")), points(180));
    assert_eq!(returned.reversed, Some(Reversed { points: points(120), ..Reversed::default() }));
    let again = command("inn", "X2", NOON, Action::Redemption(Redemption::of(points(121), bill)));
    assert_eq!(
        decide(&rulebook, &returned.account, &again, None),
        Err(Refusal::AboveDayCap { left: Points::new(120) })
    );
}

#[test]
fn what_is_spent_counts_against_each_cap_that_the_line_has() {
    let caps = "max_bill_share = \"0.5\", max_per_day = 300, max_per_month = 500";
    assert!(RULEBOOK.contains(caps));
    let spent = |caps_instead: &str| {
        let rulebook = rulebook(&RULEBOOK.replace(caps, caps_instead));
        let redeem = command("inn", "X0", NOON, Action::Redemption(Redemption::of(points(300), None)));
        let once = decide(&rulebook, &account(&[(LOT, 5000)]), &redeem, None).unwrap();
        let again = command("inn", "X1", NOON, redeem.action.clone());
        let refused = decide(&rulebook, &once.account, &again, None).err().map(|refusal| refusal.code());
        (refused, once.account.redeemed.len())
    };
    assert_eq!(spent("max_per_day = 300"), (Some("above-day-cap"), 1));
    assert_eq!(spent("max_per_month = 500"), (Some("above-month-cap"), 1));
    assert_eq!(spent("max_per_order = 300"), (None, 0));
}

#[test]
fn exactly_what_is_left_can_be_taken_back() {
    let sale = recorded("shop", Action::Accrual(Accrual::of(money("100.00"))), &account(&[]));
    let spent = recorded("shop", Action::Redemption(Redemption::of(points(80), None)), &account(&[(LOT, 100)]));
    for (plan, kind, amount, number) in
        [(&sale, EntryKind::Accrual, Some("100.00"), None), (&spent, EntryKind::Redemption, None, Some(80))]
    {
        let rulebook = rulebook(RULEBOOK);
        let target = Target { entry: &plan.entry, reversed: &Reversed::default(), rulebook: &rulebook };
        let back = command("shop", "X1", NOON, take_back(kind, amount, number));
        let taken = plan_in_time(&rulebook, &plan.account, &back, Some(target));
        assert!(taken.is_ok(), "{kind}: {taken:?}");
    }
}

#[test]
fn a_line_that_has_left_sells_no_more_and_may_still_take_back() {
    let after = |action| check(&rulebook(RULEBOOK), &command("fair", "X1", "2025-04-01T00:00:00+08:00", action), now());
    let left = Refusal::LineNotActive { line: line("fair"), day: day("2025-04-01") };
    assert_eq!(after(Action::Accrual(Accrual::of(money("1.00")))), Err(left.clone()));
    assert_eq!(after(Action::Redemption(Redemption::of(points(1), None))), Err(left));
    assert_eq!(after(take_back(EntryKind::Accrual, None, None)), Ok(()));
}

#[test]
fn another_lines_event_is_not_found() {
    let spent = recorded("vault", Action::Redemption(Redemption::of(points(80), None)), &account(&[(LOT, 100)]));
    let give_back = command("shop", "X1", NOON, take_back(EntryKind::Redemption, None, None));
    let target = (spent.entry, Reversed::default());
    let refusal = decide(&rulebook(RULEBOOK), &spent.account, &give_back, Some(&target)).err();
    assert_eq!(refusal.as_ref().map(rule), Some("TargetNotFound"));
}

#[test]
fn a_sale_of_exactly_the_minimum_earns() {
    let command = command("inn", "X1", NOON, Action::Accrual(Accrual::of(money("10.00"))));
    let plan = decide(&rulebook(RULEBOOK), &account(&[]), &command, None).unwrap();
    assert_eq!(
        plan.account,
        Account {
            sequence: 1,
            forgotten_before: Some(day("2024-03-01")),
            ..account(&[("inn|2025-04|2026-04-30", 10)])
        }
    );
}

#[test]
fn new_points_pay_the_debt_to_their_own_funder_first_and_then_the_others_by_name() {
    let rulebook = rulebook(RULEBOOK);
    let mut before = account(&[]);
    for (creditor, number) in [("vault", 20), ("club", 20), ("shop", 20)] {
        before.owe(&SchemeId::of(&line(creditor)), points(number)).unwrap();
    }
    let paid = |number: i64| {
        let grant = command("shop", "X1", NOON, Action::Grant(Grant { points: points(number) }));
        let plan = decide(&rulebook, &before, &grant, None).unwrap();
        let Some(Issue { repaid, .. }) = issue(&plan.entry) else { panic!("not issued") };
        let paid: Vec<String> = repaid.iter().map(|r| format!("{} {}", r.creditor, r.paid.points)).collect();
        (paid.join(", "), plan.account.balance(day("2025-04-10")).unwrap().get())
    };
    assert_eq!(paid(15), ("shop 15".to_owned(), 0));
    assert_eq!(paid(30), ("shop 20, club 10".to_owned(), 0));
    assert_eq!(paid(61), ("shop 20, club 20, vault 20".to_owned(), 1));
}

fn so_far(number: i64, amount: &str) -> Reversed {
    Reversed { points: points(number), amount: money(amount), by_slice: vec![points(number)], by_tax: Vec::new() }
}

#[test]
fn a_refund_takes_no_points_that_are_past_their_date() {
    let rulebook = rulebook(&RULEBOOK.replace("months = 12", "months = 1"));
    let sale = command("shop", "X0", "2025-02-01T09:00:00+08:00", Action::Accrual(Accrual::of(money("100.00"))));
    let sold = decide(&rulebook, &account(&[]), &sale, None).unwrap();
    let target = (sold.entry, Reversed::default());
    for (refunded_at, taken) in [("2025-03-31T23:59:59+08:00", 100), ("2025-04-01T00:00:00+08:00", 0)] {
        let refund = command("shop", "X1", refunded_at, take_back(EntryKind::Accrual, None, None));
        let plan = decide(&rulebook, &sold.account, &refund, Some(&target)).unwrap();
        assert_eq!(plan.entry.event.points().unwrap(), points(taken), "{refunded_at}");
        assert!(plan.account.debts.is_empty(), "{refunded_at}");
        assert_eq!(plan.reversed, Some(so_far(100, "100.00")), "{refunded_at}");
    }
}

#[test]
fn a_rulebook_corrected_between_two_refunds_never_gives_points_back() {
    let corrected = rulebook(&RULEBOOK.replace(
        r#"{ line = "shop", from = "2025-01-01", points_per_unit = "1" }"#,
        r#"{ line = "shop", from = "2025-01-01", points_per_unit = "1.9" }"#,
    ));
    let sold = recorded("shop", Action::Accrual(Accrual::of(money("100.00"))), &account(&[]));
    // Half was refunded by the old rate: 50 points are gone. By the new one the
    // remaining 40.00 would be worth 76 of the 100.
    let target = (sold.entry, so_far(50, "50.00"));
    let refund = command("shop", "X1", NOON, take_back(EntryKind::Accrual, Some("10.00"), None));
    let plan = decide(&corrected, &sold.account, &refund, Some(&target)).unwrap();
    assert_eq!(plan.entry.event.points().unwrap(), points(0));
    assert_eq!(plan.reversed, Some(so_far(50, "60.00")));
    let rest = command("shop", "X2", NOON, take_back(EntryKind::Accrual, None, None));
    let target = (target.0, plan.reversed.unwrap());
    let plan = decide(&corrected, &plan.account, &rest, Some(&target)).unwrap();
    assert_eq!(plan.reversed, Some(so_far(100, "100.00")));
}

#[test]
fn a_rulebook_may_allow_phone_numbers_as_members() {
    let salt = "pseudonym_salt = \"refusals\"";
    let allowing = rulebook(&RULEBOOK.replace(salt, &format!("{salt}, allow_phone_members = true")));
    for name in ["13800138000", "8613800138000"] {
        let command = of_member(name, command("shop", "X1", NOON, Action::Accrual(Accrual::of(money("1.00")))));
        assert_eq!(check(&rulebook(RULEBOOK), &command, now()), Err(Refusal::PhoneLikeMember), "{name}");
        assert_eq!(check(&allowing, &command, now()), Ok(()), "{name}");
    }
}
