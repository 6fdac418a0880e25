//! Worked clearing examples, to the last fen. The numbers stand in `tests/golden`.

use crate::reverse::reverse;
use crate::support::*;
use interline_domain::claims::account::Account;
use interline_domain::claims::lot::{Cohort, Slice};
use interline_domain::close::netting::{Nets, Payment, direct, nets, residual, settled};
use interline_domain::events::{
    Accrual, Action, Entry, EntryKind, Grant, Redemption, Reversed, Target, Withdrawal, points_of_sale,
};
use interline_domain::legs::settlement_amounts;
use interline_domain::terms::rulebook::{EarnRule, Rulebook};
use interline_domain::units::allocate::largest_remainder;
use interline_domain::units::money::{Money, Points, Rate};
use serde::Deserialize;
use std::collections::BTreeMap;

fn programme() -> Rulebook {
    rulebook(include_str!("../golden/programme.toml"))
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    payer: String,
    payee: String,
    amount: String,
}

fn transfers(payments: &[Payment]) -> Vec<Transfer> {
    let transfer = |payment: &Payment| Transfer {
        payer: payment.payer.to_string(),
        payee: payment.payee.to_string(),
        amount: shown(payment.amount),
    };
    payments.iter().map(transfer).collect()
}

fn written(nets: &Nets) -> BTreeMap<String, String> {
    nets.iter().map(|(line, net)| (line.to_string(), shown(*net))).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NettingCase {
    name: String,
    obligations: Vec<Transfer>,
    nets: BTreeMap<String, String>,
    settled: String,
    payments: Vec<Transfer>,
}

#[test]
fn netting_leaves_the_fewest_payments_and_every_net_at_zero() {
    #[derive(Deserialize)]
    struct File {
        case: Vec<NettingCase>,
    }
    let file: File = toml::from_str(include_str!("../golden/netting.toml")).unwrap();
    for NettingCase { name, obligations, nets: expected, settled: amount, payments } in file.case {
        let owed: Vec<_> = obligations.iter().map(|o| (line(&o.payer), line(&o.payee), money(&o.amount))).collect();
        let found = nets(owed.iter().map(|(payer, payee, amount)| (payer, payee, *amount))).unwrap();
        assert_eq!(written(&found), expected, "{name}");
        assert_eq!(shown(settled(&found).unwrap()), amount, "{name}");
        let paid = direct(&found).unwrap();
        assert_eq!(transfers(&paid), payments, "{name}");
        assert!(residual(&found, &paid).unwrap().values().all(|net| net.is_zero()), "{name}");
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chain {
    member: Vec<ChainMember>,
    redemption: Vec<ChainRedemption>,
    settlement: Settlement,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainMember {
    id: String,
    lots: BTreeMap<String, i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainRedemption {
    reference: String,
    member: String,
    line: String,
    occurred_at: String,
    points: i64,
    amount: String,
    slices: Vec<RatedPart>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct RatedPart {
    funder: String,
    points: i64,
    amount: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settlement {
    gross: String,
    settled: String,
    efficiency_percent: String,
    nets: BTreeMap<String, String>,
    payments: Vec<Transfer>,
}

#[test]
fn a_month_goes_from_lots_to_payments_to_the_last_fen() {
    let rulebook = programme();
    let chain: Chain = toml::from_str(include_str!("../golden/chain.toml")).unwrap();
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    for member in chain.member {
        let lots: Vec<(&str, i64)> = member.lots.iter().map(|(lot, points)| (lot.as_str(), *points)).collect();
        accounts.insert(member.id, account(&lots));
    }
    let mut entries = Vec::new();
    for redemption in &chain.redemption {
        let action = Action::Redemption(Redemption::of(points(redemption.points), None));
        let mut command = command(&redemption.line, &redemption.reference, &redemption.occurred_at, action);
        command.head.member = member(&redemption.member);
        let account = accounts.get_mut(&redemption.member).unwrap();
        let plan = plan_in_time(&rulebook, account, &command, None).unwrap();
        *account = plan.account;
        let rated = plan.entry.owed(&rulebook).unwrap();
        let parts: Vec<RatedPart> = rated
            .iter()
            .map(|slice| RatedPart {
                funder: slice.cohort.scheme.to_string(),
                points: slice.points.get(),
                amount: shown(slice.amount),
            })
            .collect();
        assert_eq!(parts, redemption.slices, "{}", redemption.reference);
        let amount = Money::sum(rated.iter().map(|slice| slice.amount)).unwrap();
        assert_eq!(shown(amount), redemption.amount, "{}", redemption.reference);
        entries.push(plan.entry);
    }
    let left: Vec<(String, i64)> = accounts["member-1"].lots.iter().map(|(c, p)| (c.to_string(), p.get())).collect();
    assert_eq!(left, [("HT|2025-01|never".to_owned(), 750)]);
    assert!(accounts["member-2"].lots.is_empty());

    let (tally, details) = fold(&rulebook, &entries);
    assert_eq!(details.len(), 9);
    let gross = Money::sum(tally.obligations.values().map(|obligation| obligation.amount)).unwrap();
    assert_eq!(shown(gross), chain.settlement.gross);
    let nets = nets_of(&tally);
    assert_eq!(written(&nets), chain.settlement.nets);
    let paid = settled(&nets).unwrap();
    assert_eq!(shown(paid), chain.settlement.settled);
    // Basis points, rounded half up: 1 - V / gross.
    let saved = gross.minus(paid).unwrap().minor();
    let efficiency = Money::from_minor((saved * 20_000 + gross.minor()) / (2 * gross.minor()));
    assert_eq!(shown(efficiency), chain.settlement.efficiency_percent);
    assert_eq!(transfers(&direct(&nets).unwrap()), chain.settlement.payments);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rounding {
    event: RoundedEvent,
    equal_parts: EqualParts,
    sale: SponsoredSale,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoundedEvent {
    price: String,
    amount: String,
    slices: Vec<RatedPart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EqualParts {
    total: String,
    parts: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SponsoredSale {
    amount: String,
    points_per_unit: String,
    multiplier: String,
    sponsors: Vec<Sponsor>,
    own_points: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sponsor {
    line: String,
    share: String,
    points: i64,
}

fn rounding() -> Rounding {
    toml::from_str(include_str!("../golden/rounding.toml")).unwrap()
}

#[test]
fn an_event_is_rounded_once_and_equal_remainders_go_by_funder_whatever_the_order_of_the_slices() {
    let RoundedEvent { price, amount, mut slices } = rounding().event;
    let price = Rate::parse(&price).unwrap();
    for _ in 0..slices.len() {
        slices.rotate_left(1);
        let spent: Vec<Slice> =
            slices.iter().map(|part| slice(&format!("{}|2025-01|never", part.funder), part.points)).collect();
        let amounts = settlement_amounts(cny(), &spent, &vec![price; spent.len()]).unwrap();
        assert_eq!(shown(Money::sum(amounts.clone()).unwrap()), amount);
        for (found, part) in amounts.iter().zip(&slices) {
            assert_eq!(shown(*found), part.amount, "{}", part.funder);
        }
    }
}

#[test]
fn an_amount_that_four_share_equally_gives_the_odd_fen_to_the_first() {
    let EqualParts { total, parts } = rounding().equal_parts;
    let shared = largest_remainder(money(&total).minor(), &vec![1; parts.len()]).unwrap();
    let shared: Vec<String> = shared.into_iter().map(|part| shown(Money::from_minor(part))).collect();
    assert_eq!(shared, parts);
}

#[test]
fn sponsors_share_the_extra_points_of_a_sale_by_largest_remainder() {
    let sale = rounding().sale;
    let rule = EarnRule {
        points_per_unit: Rate::parse(&sale.points_per_unit).unwrap(),
        minimum_amount: Money::ZERO,
        multiplier: Rate::parse(&sale.multiplier).unwrap(),
        sponsors: sale.sponsors.iter().map(|s| (line(&s.line), Rate::parse(&s.share).unwrap())).collect(),
    };
    let mut expected = vec![(line("SHOP"), points(sale.own_points))];
    expected.extend(sale.sponsors.iter().map(|sponsor| (line(&sponsor.line), points(sponsor.points))));
    assert_eq!(points_of_sale(&rule, &line("SHOP"), cny(), money(&sale.amount)).unwrap(), expected);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    event: EntryKind,
    line: String,
    reference: String,
    occurred_at: String,
    amount: Option<String>,
    points: Option<i64>,
    /// The sale that a reversal refunds in full.
    reverses: Option<String>,
    taken: Option<i64>,
    owed: Option<i64>,
    balance: i64,
    debts: BTreeMap<String, i64>,
    obligations: BTreeMap<String, String>,
}

impl Step {
    fn action(&self) -> Action {
        let asked = || points(self.points.unwrap());
        match self.event {
            EntryKind::Accrual => Action::Accrual(Accrual::of(money(self.amount.as_deref().unwrap()))),
            EntryKind::Redemption => Action::Redemption(Redemption::of(asked(), None)),
            EntryKind::Adjustment => Action::Grant(Grant { points: asked() }),
            EntryKind::Reversal => {
                reverse(EntryKind::Accrual, reference(self.reverses.as_deref().unwrap()), None, None, None)
            }
        }
    }
}

#[test]
fn a_refund_of_spent_points_leaves_a_debt_that_the_next_points_repay_and_the_redeemer_keeps_its_claim() {
    #[derive(Deserialize)]
    struct File {
        step: Vec<Step>,
    }
    let rulebook = programme();
    let file: File = toml::from_str(include_str!("../golden/claw-back.toml")).unwrap();
    let nothing = Reversed::default();
    let mut account = Account::default();
    let mut entries: Vec<Entry> = Vec::new();
    for step in &file.step {
        let name = &step.reference;
        let command = command(&step.line, name, &step.occurred_at, step.action());
        let target = step.reverses.as_deref().map(|reverses| Target {
            entry: entries.iter().find(|entry| entry.head.reference.as_str() == reverses).unwrap(),
            reversed: &nothing,
            rulebook: &rulebook,
        });
        let plan = plan_in_time(&rulebook, &account, &command, target).unwrap();
        account = plan.account;
        if let Some(Withdrawal { taken, owed, .. }) = withdrawal(&plan.entry) {
            let sum = |slices: &[Slice]| Some(slices.iter().map(|slice| slice.points.get()).sum::<i64>());
            assert_eq!((sum(taken), sum(owed)), (step.taken, step.owed), "{name}");
        }
        entries.push(plan.entry);

        let balance = account.balance(rulebook.day(command.occurred())).unwrap();
        assert_eq!(balance, points(step.balance), "{name}");
        let debts: BTreeMap<String, i64> = account.debts.iter().map(|(to, p)| (to.to_string(), p.get())).collect();
        assert_eq!(debts, step.debts, "{name}");
        assert_eq!(obligations_of(&tally(&rulebook, &entries)), step.obligations, "{name}");
    }
}

#[test]
fn points_are_spent_by_expiry_then_issue_then_funder_and_a_lot_past_its_date_is_ignored() {
    let account = account(&[
        ("ML|2025-01|never", 10),
        ("TP|2025-02|2026-02-28", 10),
        ("PM|2025-01|2026-02-28", 10),
        ("DN|2025-01|2026-02-28", 10),
        ("HQ|2024-07|2025-07-31", 10),
        ("HQ|2024-06|2025-06-30", 10),
    ]);
    let spent = account.lots_for(Points::new(41), day("2025-07-31"), |_| true).unwrap().unwrap();
    let lots: Vec<(String, i64)> = spent.iter().map(|s| (s.cohort.to_string(), s.points.get())).collect();
    let expected = [
        ("HQ|2024-07|2025-07-31", 10),
        ("DN|2025-01|2026-02-28", 10),
        ("PM|2025-01|2026-02-28", 10),
        ("TP|2025-02|2026-02-28", 10),
        ("ML|2025-01|never", 1),
    ];
    assert_eq!(lots, expected.map(|(lot, points)| (lot.to_owned(), points)));
    assert_eq!(account.balance(day("2025-07-31")).unwrap(), points(50));
    assert_eq!(account.balance(day("2025-08-01")).unwrap(), points(40));
    assert_eq!(account.lots_for(points(41), day("2025-08-01"), |_| true).unwrap(), None);
}

#[test]
fn a_lot_of_a_later_month_is_not_there_for_an_event_that_comes_late() {
    let account = account(&[("ML|2025-03|never", 10), ("ML|2025-04|never", 10)]);
    for (date, balance) in [("2025-02-28", 0), ("2025-03-01", 10), ("2025-03-31", 10), ("2025-04-01", 20)] {
        assert_eq!(account.balance(day(date)).unwrap(), points(balance), "{date}");
        assert_eq!(account.lots_for(points(balance + 1), day(date), |_| true).unwrap(), None, "{date}");
    }
}

#[test]
fn a_cohort_is_written_as_it_is_read() {
    for text in ["ML|2024-11|2025-12-31", "HT|2025-01|never"] {
        assert_eq!(cohort(text).to_string(), text);
    }
    for text in
        ["", "ML", "ML|2024-11", "ML|2024-11|soon", "ML|2024-13|never", "M L|2024-11|never", "ML|2024-11|never|"]
    {
        assert_eq!(Cohort::parse(text), None, "{text}");
    }
}
