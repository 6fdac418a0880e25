//! Every check fails when what it looks at is wrong, and only then.

use super::*;
use crate::actuarial::liability::ProvisionRow;
use crate::actuarial::liability::RollForward;
use crate::claims::account::Account as Member;
use crate::close::books::{BooksEvent, VoucherLine};
use crate::close::digest::EntryDigests;
use crate::close::digest::ShardDigest;
use crate::close::netting::nets;
use crate::close::settle::settle;
use crate::close::settlement::{InvoiceKind, LiabilityRow, Previous, Reread, State};
use crate::close::tally::{Fold, SaleRates, Tally, TallyError};
use crate::events::{
    Accrual, Action, Command, Entry, EntryKind, GiveBack, Grant, Head, Origin, Redemption, Refund, Reversed, Target,
    plan,
};
use crate::terms::rulebook::Account;
use crate::terms::rulebook::Rulebook;
use crate::units::calendar::Period;
use crate::units::id::LineId;
use crate::units::id::{MemberId, Reference};
use crate::units::micro::Micro;
use crate::units::moment::parse_occurred_at;
use crate::units::shard::Shards;

/// What was spent at one line was returned in part, a sale was refunded after
/// its points were spent, and points were given that paid the debt.
struct Months {
    rulebook: Rulebook,
    january: Tally,
    february: Tally,
    state: State,
    shards: Vec<ShardDigest>,
}

const SMALL: &str = include_str!("../../../../tests/golden/small.toml");

fn months() -> Months {
    months_by(SMALL)
}

fn months_by(rulebook: &str) -> Months {
    let (months, january) = months_and_january(rulebook);
    assert!(january.passes(), "{:?}", january.checklist);
    months
}

fn months_and_january(rulebook: &str) -> (Months, Settlement) {
    let rulebook = Rulebook::parse(rulebook).unwrap();
    let reference = |text: &str| Reference::parse(text).unwrap();
    let spend = |points| Action::Redemption(Redemption::of(Points::new(points), None));
    let origin = |kind| Origin { kind, reference: reference("taken-back"), on: None };
    let give_back = |points| {
        let points = Some(Points::new(points));
        Action::GiveBack(GiveBack { origin: origin(EntryKind::Redemption), points })
    };
    let refund = || Action::Refund(Refund::of(origin(EntryKind::Accrual), None));
    let sale = |minor| Action::Accrual(Accrual::of(Money::from_minor(minor)));
    let mut account = Member::default();
    let mut entries: Vec<Entry> = Vec::new();
    for (line, day, action, target) in [
        ("shop", "2025-01-05", sale(100_000), None),
        ("inn", "2025-01-06", sale(50_000), None),
        ("inn", "2025-01-20", spend(60), None),
        ("shop", "2025-01-21", spend(15), None),
        ("shop", "2025-02-03", sale(130_000), None),
        ("inn", "2025-02-10", spend(90), None),
        ("inn", "2025-02-11", give_back(20), Some(5)),
        ("shop", "2025-02-12", refund(), Some(0)),
        ("shop", "2025-02-13", Action::Grant(Grant { points: Points::new(25) }), None),
    ] {
        let head = Head {
            line: LineId::parse(line).unwrap(),
            reference: reference(&entries.len().to_string()),
            member: MemberId::parse("m1").unwrap(),
            occurred_at: parse_occurred_at(&format!("{day}T12:00:00+08:00")).unwrap(),
        };
        let command = Command { head, action };
        let reversed = Reversed::default();
        let target = target.map(|at: usize| Target { entry: &entries[at], reversed: &reversed, rulebook: &rulebook });
        let booked = rulebook.period(command.occurred());
        let planned = plan(&rulebook, &account, &command, booked, target).unwrap();
        account = planned.account;
        entries.push(planned.entry);
    }
    let (january, february) = (rulebook.first_period, rulebook.first_period.next());
    let tally = |rates: &SaleRates, month: Period| {
        let mut fold = Fold::new(&rulebook, rates, month, rulebook.shards(month).of(&entries[0].head.member));
        let booked = entries.iter().filter(|entry| entry.booked == month);
        booked.for_each(|entry| fold.add(entry, |_| Ok::<(), TallyError>(())).unwrap());
        fold.finish()
    };
    let january = tally(&SaleRates::default(), january);
    let digest = |shard| ShardDigest { entries: u64::from(shard), ..EntryDigests::default().finish(shard).0 };
    let shards: Vec<ShardDigest> = (0..Shards::DEFAULT.number()).map(digest).collect();
    let first = settle(&Inputs {
        rulebook: &rulebook,
        period: rulebook.first_period,
        tally: &january,
        shards: &shards,
        sealed: None,
        previous: None,
    });
    let first = first.unwrap();
    let february = tally(&first.state.urr.rates, february);
    (Months { state: first.state.clone(), rulebook, january, february, shards }, first)
}

impl Months {
    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            rulebook: &self.rulebook,
            period: self.rulebook.first_period.next(),
            tally: &self.february,
            shards: &self.shards,
            sealed: Some(usize::from(Shards::DEFAULT.number())),
            previous: Some(Previous { state: &self.state, recorded: &self.shards, found: &self.shards, older: None }),
        }
    }

    fn settlement(&self) -> Settlement {
        settle(&self.inputs()).unwrap()
    }
}

fn nets_of(settlement: &Settlement) -> Nets {
    nets(settlement.bilateral.iter().map(|row| (&row.payer, &row.payee, row.amount))).unwrap()
}

/// The checks that fail over changed inputs or a changed settlement.
fn failed(inputs: &Inputs<'_>, settlement: &Settlement, nets: &Nets) -> Vec<String> {
    let checks = checklist(inputs, settlement, nets).unwrap();
    checks.into_iter().filter(Check::fails).map(|check| check.check.to_string()).collect()
}

/// Changes the settlement after the nets were computed.
fn after(change: impl FnOnce(&mut Settlement)) -> Vec<String> {
    after_by(SMALL, change)
}

fn after_by(rulebook: &str, change: impl FnOnce(&mut Settlement)) -> Vec<String> {
    let months = months_by(rulebook);
    let mut settlement = months.settlement();
    let nets = nets_of(&settlement);
    assert_eq!(failed(&months.inputs(), &settlement, &nets), [""; 0]);
    change(&mut settlement);
    failed(&months.inputs(), &settlement, &nets)
}

fn fen(minor: i64) -> Money {
    Money::from_minor(minor)
}

#[test]
fn shards_that_are_missing_unsealed_or_changed_are_noticed() {
    let months = months();
    let settlement = months.settlement();
    let nets = nets_of(&settlement);
    let with = |change: &dyn Fn(&mut Inputs<'_>)| {
        let mut inputs = months.inputs();
        change(&mut inputs);
        failed(&inputs, &settlement, &nets)
    };
    assert_eq!(with(&|inputs| inputs.shards = &inputs.shards[1..]), ["all shards are read"]);
    assert_eq!(with(&|inputs| inputs.sealed = Some(63)), ["all shards are sealed"]);
    assert_eq!(with(&|inputs| inputs.sealed = None), [""; 0]);
    let unchanged = ["sealed shards of the previous period are unchanged"];
    for change in [
        |shard: &mut ShardDigest| shard.entries += 1,
        |shard: &mut ShardDigest| shard.shard = 63,
        |shard: &mut ShardDigest| shard.digest = serde_json::from_str(&format!("\"{}\"", "0a".repeat(32))).unwrap(),
    ] {
        let mut found = months.shards.clone();
        change(&mut found[7]);
        let previous = Previous { state: &months.state, recorded: &months.shards, found: &found, older: None };
        assert_eq!(failed(&Inputs { previous: Some(previous), ..months.inputs() }, &settlement, &nets), unchanged);
    }
    let previous = Previous { state: &months.state, recorded: &months.shards, found: &months.shards[1..], older: None };
    assert_eq!(failed(&Inputs { previous: Some(previous), ..months.inputs() }, &settlement, &nets), unchanged);
    let mut state = months.state.clone();
    state.period = state.period.previous();
    let previous = Previous { state: &state, recorded: &months.shards, found: &months.shards, older: None };
    assert_eq!(
        failed(&Inputs { previous: Some(previous), ..months.inputs() }, &settlement, &nets),
        ["the previous period is the one before"]
    );
}

#[test]
fn an_older_month_that_changed_is_named_with_its_shards() {
    let months = months();
    let settlement = months.settlement();
    let nets = nets_of(&settlement);
    let mut found = months.shards.clone();
    found[7].entries += 1;
    found.remove(9);
    let older = Period::parse("2016-11").unwrap();
    let reread = Reread { period: older, recorded: &months.shards, found: &found };
    let previous =
        Previous { state: &months.state, recorded: &months.shards, found: &months.shards, older: Some(reread) };
    let inputs = Inputs { previous: Some(previous), ..months.inputs() };
    let failed: Vec<Check> = checklist(&inputs, &settlement, &nets).unwrap().into_iter().filter(Check::fails).collect();
    let expected = Check {
        check: CheckId::OlderShards,
        expected: "64 of 2016-11".to_owned(),
        actual: "62 of 2016-11, not [7, 9]".to_owned(),
        pass: false,
        severity: Severity::Failure,
        accepted: None,
    };
    assert_eq!(failed, [expected]);
}

#[test]
fn a_tally_that_does_not_add_up_is_noticed() {
    let months = months();
    let settlement = months.settlement();
    let nets = nets_of(&settlement);
    let with = |change: &dyn Fn(&mut Tally)| {
        let mut tally = months.february.clone();
        change(&mut tally);
        failed(&Inputs { tally: &tally, ..months.inputs() }, &settlement, &nets)
    };
    fn control(tally: &mut Tally, kind: ControlKind) -> &mut Points {
        let (_, control) = tally.controls.iter_mut().find(|((_, of), _)| *of == kind).unwrap();
        &mut control.points
    }
    let one = Points::new(1);
    assert_eq!(with(&|tally| tally.entries += 1), ["every entry is in a control total"]);
    assert_eq!(
        with(&|tally| tally.details.amount = tally.details.amount.plus(fen(1)).unwrap()),
        ["details = obligations before the split", "splits = obligations before the split"]
    );
    for kind in [ControlKind::Accrual, ControlKind::Adjustment] {
        assert_eq!(
            with(&|tally| control(tally, kind).add(one).unwrap()),
            ["points issued = accruals and adjustments", "points opening + movements = closing"],
            "{kind:?}"
        );
    }
    for kind in [ControlKind::Redemption, ControlKind::Return] {
        let noticed = ["points redeemed = redemptions, returns and repaid debts"];
        assert_eq!(with(&|tally| control(tally, kind).add(one).unwrap()), noticed, "{kind:?}");
    }
    assert_eq!(
        with(&|tally| control(tally, ControlKind::Withdrawal).add(one).unwrap()),
        ["points withdrawn = taken and owed"]
    );
    for (kind, noticed) in [
        (FlowKind::Repaid, &["points redeemed = redemptions, returns and repaid debts"][..]),
        (FlowKind::Owed, &["points withdrawn = taken and owed"]),
        (FlowKind::Taken, &["points withdrawn = taken and owed", "points opening + movements = closing"]),
    ] {
        let change = |tally: &mut Tally| {
            let (_, flow) = tally.flows.iter_mut().find(|(key, _)| key.kind == kind).unwrap();
            flow.points.add(one).unwrap();
        };
        assert_eq!(with(&change), noticed, "{kind:?}");
    }
}

#[test]
fn clearing_that_does_not_tie_is_noticed() {
    let split = ["splits = obligations before the split", "bilateral = splits between lines"];
    assert_eq!(after(|all| all.splits[0].amount.add(fen(1)).unwrap()), split);
    for (above, noticed) in [(Decimal::new(1, 2), 1), (Decimal::new(-1, 2), 1), (Decimal::new(99, 4), 0)] {
        let found = after(|all| all.splits[0].rounding = above);
        assert_eq!(found, ["shares a whole minor unit off"][..noticed], "{above}");
    }
    assert_eq!(after(|all| all.positions[0].net.add(fen(1)).unwrap()), ["net positions sum to zero"]);
    assert_eq!(after(|all| all.payments[0].amount.add(fen(1)).unwrap()), ["nets left after payment"]);
    assert_eq!(
        after(|all| all.bilateral[0].amount.add(fen(1)).unwrap()),
        [
            "bilateral = splits between lines",
            "payables of the vouchers = bilateral matrix",
            "pairs whose payable is not the bilateral amount",
            "pairs whose receivable is not the bilateral amount",
            "invoices and receipts = bilateral matrix",
        ]
    );
    let invoices = "invoices and receipts = bilateral matrix";
    assert_eq!(after(|all| all.invoices[0].gross.add(fen(1)).unwrap()), [invoices]);
    let tax = "tax of the invoices = output VAT of supplies between lines";
    assert_eq!(after(|all| all.invoices[0].tax.add(fen(1)).unwrap()), [tax]);
}

#[test]
fn payments_that_are_carried_are_neither_left_nor_lost() {
    let left = "nets left after payment";
    let carry = |all: &mut Settlement| all.payments.remove(0);
    assert_eq!(after(|all| drop(carry(all))), [left]);
    assert_eq!(
        after(|all| {
            let payment = carry(all);
            all.state.carried.push(payment);
        }),
        [""; 0]
    );
}

#[test]
fn what_banks_ask_for_stops_a_close_only_where_the_terms_say_how_payments_are_made() {
    let names = |text: &str| text.replace("name = \"Group\"", "name = \"Group\", entity = \"G\"");
    let names = |text: &str| names(text).replace("name = \"Shop\"", "name = \"Shop\", entity = \"S\"");
    let names = |text: &str| names(text).replace("name = \"Inn\"", "name = \"Inn\", entity = \"I\"");
    let small = names(include_str!("../../../../tests/golden/small.toml"));
    let bank = "hq: account, bank; inn: account, bank; shop: account, bank";
    let holidays = "holidays = [\"2025-03-03\"]";
    for (terms, severity, listed) in [
        ("", Severity::Warning, None),
        ("[payments]", Severity::Failure, Some(false)),
        (holidays, Severity::Failure, Some(true)),
    ] {
        let terms = if terms == holidays { format!("[payments]\n{terms}") } else { terms.to_owned() };
        let months = Months { rulebook: Rulebook::parse(&format!("{small}\n{terms}")).unwrap(), ..months() };
        let settlement = months.settlement();
        let of = |id: CheckId| settlement.checklist.iter().find(|check| check.check == id);
        let check = of(CheckId::BankData).unwrap();
        assert_eq!((check.actual.as_str(), check.pass, check.severity), (bank, false, severity));
        assert_eq!(settlement.passes(), severity == Severity::Warning);
        let holidays = of(CheckId::HolidaysListed).map(|check| (check.pass, check.severity));
        assert_eq!(holidays, listed.map(|pass| (pass, Severity::Warning)));
    }
}

#[test]
fn points_that_do_not_roll_forward_are_noticed() {
    let one = Points::new(1);
    let apart = "cohorts whose liability moves other points than the points roll-forward";
    let balance = "points opening + movements = closing";
    let redeemed = [
        "points redeemed = redemptions, returns and repaid debts",
        balance,
        "points redeemed of the liability = points roll-forward",
        apart,
    ];
    assert_eq!(after(|all| all.roll_forward[0].opening.add(one).unwrap()), [balance, apart]);
    assert_eq!(
        after(|all| all.roll_forward[0].issued.add(one).unwrap()),
        ["points issued = accruals and adjustments", apart]
    );
    assert_eq!(after(|all| all.roll_forward[0].redeemed_own.add(one).unwrap()), redeemed);
    assert_eq!(after(|all| all.roll_forward[0].redeemed_other.add(one).unwrap()), redeemed);
    assert_eq!(after(|all| all.roll_forward[0].expired.add(one).unwrap()), [balance, apart]);
    assert_eq!(after(|all| all.roll_forward[0].reversed.add(one).unwrap()), [apart]);
    assert_eq!(after(|all| all.roll_forward[0].closing.add(one).unwrap()), [balance, apart]);
    assert_eq!(
        after(|all| {
            // One cohort's loss is another's gain.
            let below = all.roll_forward[0].closing.plus(one).unwrap();
            all.roll_forward[0].closing = one.negated().unwrap();
            all.roll_forward[1].closing.add(below).unwrap();
        }),
        ["cohorts below zero", apart]
    );
}

#[test]
fn a_liability_that_does_not_tie_is_noticed() {
    /// A cohort with points left.
    fn open(all: &mut Settlement) -> &mut LiabilityRow {
        all.liability.iter_mut().find(|row| !row.outstanding.is_zero()).unwrap()
    }
    let (opening, rolled) =
        ("liability opening = closing of the previous close", "liability opening + movements = closing");
    let (untied, outside) =
        ("cohorts whose liability does not tie", "cohorts with a liability below zero or above CL0 and additions");
    let (cl0, left) = (
        "cohorts whose CL0 changed otherwise than by additions and reversals",
        "cohorts without points but with a liability",
    );
    let vouchers = "contract liability of the vouchers = roll-forward";
    let entities = "entities whose contract liability is not the roll-forward";
    assert_eq!(after(|all| open(all).row.opening.add(fen(1)).unwrap()), [opening, rolled, untied, vouchers, entities]);
    assert_eq!(after(|all| open(all).row.closing.add(fen(1)).unwrap()), [rolled, untied, cl0, vouchers, entities]);
    for column in [
        |row: &mut RollForward| row.added.add(fen(1)),
        |row: &mut RollForward| row.re_estimate.add(fen(1)),
        |row: &mut RollForward| row.remeasured.add(fen(1)),
        |row: &mut RollForward| row.reversed.add(fen(1)),
    ] {
        assert_eq!(after(|all| column(&mut open(all).row).unwrap()), [rolled, untied]);
    }
    assert_eq!(after(|all| open(all).row.closing = fen(-1)), [rolled, untied, outside, cl0, vouchers, entities]);
    assert_eq!(
        after(|all| {
            let cohort = open(all).cohort.clone();
            let state = all.state.liability.iter().find(|state| state.cohort == cohort).unwrap();
            let most = state.liability.allocated.money().unwrap();
            open(all).row.closing = most.plus(fen(1)).unwrap();
        }),
        [
            rolled,
            untied,
            outside,
            cl0,
            "cohorts with a liability above the face value of their points",
            vouchers,
            entities
        ]
    );
    assert_eq!(after(|all| all.state.liability[0].liability.allocated.add(Micro::new(1)).unwrap()), [cl0]);
    let above_face = "cohorts with a liability above the face value of their points";
    assert_eq!(after(|all| open(all).outstanding = Points::ZERO), [left, above_face]);
}

#[test]
fn who_invoices_without_a_tax_id_is_named_and_a_receipt_needs_none() {
    let months = months();
    let mut settlement = months.settlement();
    let named = |settlement: &Settlement| {
        let checks = checklist(&months.inputs(), settlement, &nets_of(settlement)).unwrap();
        let check = checks.into_iter().find(|check| check.check == CheckId::InvoicesTaxIds).unwrap();
        assert_eq!(check.warns(), !check.pass);
        check.actual
    };
    settlement.invoices.iter_mut().for_each(|invoice| invoice.kind = InvoiceKind::Receipt);
    assert_eq!(named(&settlement), "none");
    settlement.invoices.truncate(1);
    settlement.invoices[0].kind = InvoiceKind::Red;
    let mut sides = [&settlement.invoices[0].issuer, &settlement.invoices[0].buyer].map(LineId::to_string);
    sides.sort();
    assert_eq!(named(&settlement), sides.join("; "));
}

#[test]
fn a_provision_that_does_not_tie_is_noticed() {
    /// The cohort of the gift.
    fn given(all: &mut Settlement) -> &mut LiabilityRow {
        all.liability.iter_mut().find(|row| row.provision.closing.is_positive()).unwrap()
    }
    let (untied, entities) =
        ("cohorts whose liability does not tie", "entities whose provision is not the roll-forward");
    let (outside, left) = (
        "cohorts with a liability below zero or above CL0 and additions",
        "cohorts without points but with a liability",
    );
    for column in [
        |row: &mut ProvisionRow| row.granted.add(fen(1)),
        |row: &mut ProvisionRow| row.used_own.add(fen(1)),
        |row: &mut ProvisionRow| row.released.add(fen(1)),
        |row: &mut ProvisionRow| row.reversed.add(fen(1)),
    ] {
        assert_eq!(after(|all| column(&mut given(all).provision).unwrap()), [untied]);
    }
    for both in [fen(1), fen(-1)] {
        // Opening and closing tie with each other, and with nothing else.
        let moved = after(|all| {
            let row = &mut given(all).provision;
            row.opening.add(both).unwrap();
            row.closing.add(both).unwrap();
        });
        assert_eq!(moved, [untied]);
    }
    assert_eq!(after(|all| given(all).provision.closing.add(fen(1)).unwrap()), [untied, entities]);
    assert_eq!(after(|all| given(all).provision.closing = fen(-1)), [untied, outside, entities]);
    let above_face = "cohorts with a liability above the face value of their points";
    assert_eq!(after(|all| given(all).outstanding = Points::ZERO), [left, above_face]);
}

#[test]
fn vouchers_that_do_not_balance_or_say_something_else_are_noticed() {
    let (unbalanced, crooked) = ("vouchers that do not balance", "voucher lines without exactly one amount");
    /// The first line of an event, and of an account of it.
    fn line(all: &mut Settlement, event: BooksEvent, role: Account) -> &mut VoucherLine {
        let mut lines = all.vouchers.iter_mut().filter(|voucher| voucher.event == event).flat_map(|v| &mut v.lines);
        lines.find(|line| line.role == role).unwrap()
    }
    let expense = |all: &mut Settlement| line(all, BooksEvent::Granted, Account::MarketingExpense).clone();
    assert!(expense(&mut months().settlement()).debit.is_positive());
    let change =
        |change: fn(&mut VoucherLine)| after(|all| change(line(all, BooksEvent::Granted, Account::MarketingExpense)));
    assert_eq!(change(|line| line.debit.add(fen(1)).unwrap()), [unbalanced]);
    assert_eq!(
        change(|line| {
            line.debit.add(fen(1)).unwrap();
            line.credit = fen(1)
        }),
        [crooked, "voucher lines on the wrong side"]
    );
    assert_eq!(
        change(|line| {
            line.credit = line.debit.negated().unwrap();
            line.debit = Money::ZERO
        }),
        ["voucher lines on the wrong side"]
    );
    let liability = [
        "contract liability of the vouchers = roll-forward",
        "entities whose contract liability is not the roll-forward",
    ];
    let provision = ["entities whose provision is not the roll-forward"];
    for (event, missed) in [(BooksEvent::Deferral, &liability[..]), (BooksEvent::Granted, &provision)] {
        assert_eq!(after(|all| all.vouchers.retain(|voucher| voucher.event != event)), missed);
        let elsewhere = after(|all| {
            // One funder's books have what is another's.
            let mut of = all.vouchers.iter_mut().filter(|voucher| voucher.event == event);
            of.next().unwrap().entity = LineId::parse("inn").unwrap();
        });
        assert_eq!(elsewhere, missed[missed.len() - 1..]);
    }
    let positions = "entities whose clearing is not the net unpaid";
    assert_eq!(
        after(|all| all.vouchers.retain(|voucher| voucher.event != BooksEvent::Netting)),
        ["payables and receivables left after netting", positions]
    );
    let of = |with: &str| Some(LineId::parse(with).unwrap());
    let apart = [
        "pairs of entities that do not eliminate",
        "rows of the consolidation that do not sum to zero",
        "payables and receivables left after netting",
    ];
    for (event, role, named) in [
        // The payee books what it receives from another line.
        (BooksEvent::Receivable, Account::Receivable, "pairs whose receivable is not the bilateral amount"),
        (BooksEvent::OtherRedemption, Account::Payable, "pairs whose payable is not the bilateral amount"),
    ] {
        let found = after(|all| line(all, event, role).counterparty = of("hq"));
        assert_eq!(found, [&[named][..], &apart].concat());
    }
}

#[test]
fn payments_that_are_planned_leave_nothing_and_are_missed() {
    let planned = format!("{SMALL}books = {{ cash = \"planned\" }}\n");
    let settlement = months_by(&planned).settlement();
    assert_eq!(settlement.cash_vouchers.len(), 2 * settlement.payments.len());
    assert!(months().settlement().cash_vouchers.is_empty());
    let positions = "entities whose clearing is not the net unpaid";
    let one_missing = after_by(&planned, |all| drop(all.cash_vouchers.pop()));
    let apart = [
        "elimination between the group's entities sums to zero",
        "pairs of entities that do not eliminate",
        "rows of the consolidation that do not sum to zero",
        positions,
    ];
    assert_eq!(one_missing, apart);
    assert_eq!(after_by(&planned, |all| all.cash_vouchers.clear()), [positions]);
}

#[test]
fn a_code_that_an_account_asks_for_is_missed_by_line_and_account() {
    let asks = r#"accounts = { payable = { code = "224101", name = "积分清算", aux = ["supplier"] } }"#;
    let text = format!("{SMALL}{asks}\n");
    let months = months_and_january(&text).0;
    let missed: Vec<Check> = months.settlement().checklist.into_iter().filter(Check::fails).collect();
    let [Check { check: CheckId::VoucherAux, expected, actual, .. }] = &missed[..] else { panic!("{missed:?}") };
    let lines = ["hq", "inn"].map(|line| format!("supplier of line {line} for payable 224101"));
    assert_eq!((expected.as_str(), actual), ("none", &lines.join("; ")));

    let coded = ["hq", "shop", "inn"].iter().fold(text, |text, line| {
        let id = format!("id = \"{line}\",");
        assert_eq!(text.matches(&id).count(), 1);
        text.replace(&id, &format!("{id} aux = {{ supplier = \"G-{line}\", project = \"P\" }},"))
    });
    let settlement = months_by(&coded).settlement();
    assert!(settlement.passes());
    let lines = settlement.vouchers.iter().flat_map(|voucher| &voucher.lines);
    for line in lines {
        let code = line.aux.values().map(String::as_str).collect::<Vec<_>>();
        let asked = line.counterparty.as_ref().filter(|_| line.role == Account::Payable).map(|of| format!("G-{of}"));
        assert_eq!(code, asked.as_deref().into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn january_closes_with_every_check() {
    let months = months();
    assert_eq!(months.january.entries, 4);
    assert_eq!(months.february.entries, 5);
    assert!(months.settlement().passes());
}
