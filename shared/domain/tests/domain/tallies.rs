//! What one tally holds, and what its digest notices.

use crate::reverse::reverse;
use crate::support::*;
use chrono::TimeDelta;
use interline_domain::actuarial::experience::Life;
use interline_domain::claims::account::{Account, Repayment};
use interline_domain::close::digest::ShardDigest;
use interline_domain::close::digest::{EntriesDigest, EntryDigests, older_month};
use interline_domain::close::tally::{Fold, SaleRates, Tally, TallyError};
use interline_domain::events::{
    Accrual, Action, Canonical, Did, Entry, EntryKind, Event, GiveBack, Grant, Issue, Origin, Redemption, Refund,
    Reversed, Target, Withdrawal, plan,
};
use interline_domain::legs::ControlKind;
use interline_domain::legs::Reason;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::money::{Money, OutOfRange, Rate};
use interline_domain::units::scope::Scope;
use interline_domain::units::shard::Shards;
use sha2::{Digest, Sha256};

fn programme() -> Rulebook {
    rulebook(include_str!("../golden/programme.toml"))
}

/// One entry of every outcome: a refunded sale that was spent, a gift that pays
/// the debt, a redemption and its return.
fn one_of_each() -> Vec<Entry> {
    let rulebook = programme();
    let mut account = Account::default();
    let mut entries: Vec<Entry> = Vec::new();
    let reverse = |kind, name: &str, amount: Option<&str>, number: Option<i64>| {
        reverse(kind, reference(name), None, amount.map(money), number.map(points))
    };
    let steps = [
        ("ML", "S1", Action::Accrual(Accrual::of(money("100.00"))), None),
        ("HT", "R1", Action::Redemption(Redemption::of(points(80), None)), None),
        ("HT", "R1-back", reverse(EntryKind::Redemption, "R1", None, Some(30)), Some(1)),
        ("ML", "S1-refund", reverse(EntryKind::Accrual, "S1", Some("75.50"), None), Some(0)),
        ("DN", "G1", Action::Grant(Grant { points: points(50) }), None),
    ];
    for (hour, (at_line, name, action, target)) in steps.into_iter().enumerate() {
        let command = command(at_line, name, &format!("2025-03-01T{:02}:00:00+08:00", hour + 9), action);
        let reversed = Reversed::default();
        let target = target.map(|at: usize| Target { entry: &entries[at], reversed: &reversed, rulebook: &rulebook });
        let plan = plan_in_time(&rulebook, &account, &command, target).unwrap();
        account = plan.account;
        entries.push(plan.entry);
    }
    entries
}

fn digest(entries: &[Entry]) -> EntriesDigest {
    digests(entries).0.digest
}

fn digests(entries: &[Entry]) -> (ShardDigest, Vec<u8>) {
    let mut digests = EntryDigests::default();
    entries.iter().for_each(|entry| digests.add(entry));
    digests.finish(7)
}

#[test]
fn one_of_each_covers_every_outcome_and_every_list_in_it() {
    let entries = one_of_each();
    let slices = |at: usize| issue(&entries[at]).unwrap().slices.len();
    assert_eq!((slices(0), slices(4)), (1, 1));
    assert_eq!(spent(&entries[1]).unwrap().slices.len(), 1);
    assert!(given_back(&entries[2]).is_some());
    let Withdrawal { taken, owed, .. } = withdrawal(&entries[3]).unwrap();
    assert!(!taken.is_empty() && !owed.is_empty());
    assert_eq!(issue(&entries[4]).unwrap().repaid.len(), 1);
}

/// Closed months are told apart by the SHA-256 of these texts.
#[test]
fn the_text_of_an_entry_is_the_one_that_closed_months_were_digested_with() {
    let texts: Vec<String> = one_of_each()
        .iter()
        .map(|entry| {
            let mut text = Canonical::default();
            entry.canonical(&mut text).to_owned()
        })
        .collect();
    let expected = [
        "1|ML|accrual|S1|m1|2025-03-01T01:00:00Z|10000|0|\
         |2025-03|issued;ML|2025-03|2026-03-31:100|repaid",
        "1|HT|redemption|R1|m1|2025-03-01T02:00:00Z|0|80|\
         |2025-03|spent;ML|2025-03|2026-03-31:80|4000",
        "1|HT|reversal|R1-back|m1|2025-03-01T03:00:00Z|0|30|redemption:R1\
         |2025-03|returned;ML|2025-03|2026-03-31:80|2025-03-01T02:00:00Z|4000|0|30|1500|repaid",
        "1|ML|reversal|S1-refund|m1|2025-03-01T04:00:00Z|7550|0|accrual:S1\
         |2025-03|issued;ML|2025-03|2026-03-31:100|2025-03-01T01:00:00Z|10000|0|7550;0:76\
         |taken;ML|2025-03|2026-03-31:50|gone|owed;ML|2025-03|2026-03-31:26|repaid",
        "1|DN|adjustment|G1|m1|2025-03-01T05:00:00Z|0|50|\
         |2025-03|issued;DN|2025-03|2026-03-31:50|repaid;ML:DN|2025-03|2026-03-31:26",
    ];
    assert_eq!(texts, expected);
}

/// The facts of an entry, for those who know its kind.
fn issued(entry: &mut Entry) -> &mut Issue {
    match &mut entry.event {
        Event::Accrual(did) => &mut did.fact,
        Event::Grant(did) => &mut did.fact,
        _ => panic!("not issued"),
    }
}

fn sold(entry: &mut Entry) -> &mut Accrual {
    let Event::Accrual(did) = &mut entry.event else { panic!("not a sale") };
    &mut did.asked
}

fn given(entry: &mut Entry) -> &mut Grant {
    let Event::Grant(did) = &mut entry.event else { panic!("not given") };
    &mut did.asked
}

fn redeemed(entry: &mut Entry) -> &mut Did<Redemption> {
    let Event::Redemption(did) = &mut entry.event else { panic!("not redeemed") };
    did
}

fn returned(entry: &mut Entry) -> &mut Did<GiveBack> {
    let Event::GiveBack(did) = &mut entry.event else { panic!("not returned") };
    did
}

fn refunded(entry: &mut Entry) -> &mut Did<Refund> {
    let Event::Refund(did) = &mut entry.event else { panic!("not refunded") };
    did
}

fn withdrawn(entry: &mut Entry) -> &mut Withdrawal {
    &mut refunded(entry).fact.withdrawal
}

fn taken_back(entry: &mut Entry) -> &mut Origin {
    match &mut entry.event {
        Event::Refund(did) => &mut did.asked.origin,
        Event::GiveBack(did) => &mut did.asked.origin,
        _ => panic!("not a reversal"),
    }
}

type Change = (&'static str, fn(&mut Entry));

const OF_EVERY_ENTRY: &[Change] = &[
    ("line", |entry| entry.head.line = line("TP")),
    ("reference", |entry| entry.head.reference = reference("other")),
    ("member", |entry| entry.head.member = member("m2")),
    ("second", |entry| entry.head.occurred_at += TimeDelta::seconds(1)),
    ("millisecond", |entry| entry.head.occurred_at += TimeDelta::milliseconds(1)),
    ("booked", |entry| entry.booked = entry.booked.next()),
    ("scope", |entry| entry.scope = Scope::Month(entry.home)),
];
const OF_ACCRUALS: &[Change] = &[("amount", |entry| sold(entry).amount = money("100.01"))];
const OF_GRANTS: &[Change] = &[
    ("points", |entry| given(entry).points = points(51)),
    ("creditor", |entry| issued(entry).repaid[0].creditor = scheme("PM")),
    ("repaid points", |entry| issued(entry).repaid[0].paid.points = points(1)),
    ("repaying lot", |entry| issued(entry).repaid[0].paid.cohort = cohort("DN|2025-03|never")),
    ("repayment left out", |entry| issued(entry).repaid.clear()),
];
const OF_ISSUES: &[Change] = &[
    ("issued points", |entry| issued(entry).slices[0].points = points(1)),
    ("issued lot", |entry| issued(entry).slices[0].cohort = cohort("TP|2025-03|2026-03-31")),
    ("nothing issued", |entry| issued(entry).slices.clear()),
    ("one repayment more", |entry| issued(entry).repaid.push(repayment())),
];
const OF_REDEMPTIONS: &[Change] = &[
    ("points", |entry| redeemed(entry).asked.points = points(81)),
    ("bill", |entry| redeemed(entry).asked.bill = Some(money("1.00"))),
    ("value", |entry| redeemed(entry).fact.value = money("0.01")),
    ("spent points", |entry| redeemed(entry).fact.slices[0].points = points(79)),
    ("spent lot", |entry| redeemed(entry).fact.slices[0].cohort = cohort("ML|2025-02|2026-03-31")),
];
const OF_REVERSALS: &[Change] = &[
    ("reversed kind", |entry| taken_back(entry).kind = EntryKind::Adjustment),
    ("reversed reference", |entry| taken_back(entry).reference = reference("S2")),
    ("day of what is reversed", |entry| taken_back(entry).on = Some(day("2025-03-01"))),
];
const OF_RETURNS: &[Change] = &[
    ("reversed points", |entry| returned(entry).asked.points = Some(points(31))),
    ("original moment", |entry| returned(entry).fact.original.at += TimeDelta::seconds(1)),
    ("original value", |entry| returned(entry).fact.original_value = money("0.01")),
    ("original lot", |entry| returned(entry).fact.original.slices[0].cohort = cohort("ML|2025-03|never")),
    ("points returned before", |entry| returned(entry).fact.before = points(1)),
    ("returned points", |entry| returned(entry).fact.points = points(31)),
    ("returned value", |entry| returned(entry).fact.value = money("0.01")),
    ("one repayment more", |entry| returned(entry).fact.repaid.push(repayment())),
];
const OF_WITHDRAWALS: &[Change] = &[
    ("reversed amount", |entry| refunded(entry).asked.amount = Some(money("75.51"))),
    ("moment of the sale", |entry| withdrawn(entry).original.at += TimeDelta::seconds(1)),
    ("amount of the sale", |entry| refunded(entry).fact.sale = money("0.01")),
    ("lot of the sale", |entry| withdrawn(entry).original.slices[0].cohort = cohort("ML|2025-03|never")),
    ("refunded before", |entry| refunded(entry).fact.before = money("0.01")),
    ("points withdrawn before", |entry| withdrawn(entry).before_by_slice = vec![points(1)]),
    ("refund", |entry| refunded(entry).fact.amount = Money::ZERO),
    ("points withdrawn", |entry| withdrawn(entry).points[0] = points(1)),
    ("owed instead of taken", |entry| {
        let Withdrawal { taken, owed, .. } = withdrawn(entry);
        owed.append(taken);
    }),
    ("taken instead of owed", |entry| {
        let Withdrawal { taken, owed, .. } = withdrawn(entry);
        taken.append(owed);
    }),
    ("gone instead of taken", |entry| {
        let Withdrawal { taken, gone, .. } = withdrawn(entry);
        gone.append(taken);
    }),
    ("one repayment more", |entry| withdrawn(entry).repaid.push(repayment())),
];

fn repayment() -> Repayment {
    Repayment { creditor: scheme("HQ"), paid: slice("ML|2025-03|2026-03-31", 1) }
}

#[test]
fn the_digest_changes_with_any_fact_of_any_entry() {
    let entries = one_of_each();
    let whole = digest(&entries);
    let tables = [
        vec![OF_ISSUES, OF_ACCRUALS],
        vec![OF_REDEMPTIONS],
        vec![OF_REVERSALS, OF_RETURNS],
        vec![OF_REVERSALS, OF_WITHDRAWALS],
        vec![OF_ISSUES, OF_GRANTS],
    ];
    for (index, tables) in tables.into_iter().enumerate() {
        let kind = entries[index].kind();
        for (what, change) in tables.into_iter().chain([OF_EVERY_ENTRY]).flatten() {
            let mut changed = entries.clone();
            change(&mut changed[index]);
            assert_ne!(changed, entries, "{kind} {index}: {what} is not a change");
            assert_ne!(digest(&changed), whole, "{kind} {index}: {what}");
        }
        let mut without = entries.clone();
        without.remove(index);
        assert_ne!(digest(&without), whole, "{kind} {index}: left out");
        let mut twice = entries.clone();
        twice.push(entries[index].clone());
        assert_ne!(digest(&twice), whole, "{kind} {index}: twice");
    }
}

#[test]
fn the_digest_knows_the_order_of_entries_and_not_the_offset_that_a_time_was_written_with() {
    let mut entries = one_of_each();
    let whole = digest(&entries);
    for entry in &mut entries {
        entry.head.occurred_at = entry.head.occurred_at.to_utc().fixed_offset();
    }
    assert_eq!(digest(&entries), whole);
    entries.swap(0, 1);
    assert_ne!(digest(&entries), whole);
}

#[test]
fn the_digest_of_a_shard_is_the_sha_256_over_those_of_its_entries_and_begins_of_them_are_kept() {
    // sha256sum of nothing.
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let (empty, kept) = digests(&[]);
    assert_eq!((empty.shard, empty.entries, empty.digest.to_string(), kept.len()), (7, 0, nothing.to_owned(), 0));
    let entries = one_of_each();
    let own: Vec<Vec<u8>> = entries
        .iter()
        .map(|entry| {
            let mut text = Canonical::default();
            Sha256::digest(entry.canonical(&mut text)).to_vec()
        })
        .collect();
    let hex: String = Sha256::digest(own.concat()).iter().map(|byte| format!("{byte:02x}")).collect();
    let (shard, kept) = digests(&entries);
    assert_eq!((shard.entries, shard.digest.to_string()), (5, hex));
    assert_eq!(kept, own.iter().flat_map(|digest| digest[..8].to_vec()).collect::<Vec<u8>>());
}

#[test]
fn a_digest_is_written_as_it_is_read() {
    let sum = digest(&one_of_each());
    let json = serde_json::to_string(&sum).unwrap();
    assert_eq!(json.len(), 66);
    assert_eq!(serde_json::from_str::<EntriesDigest>(&json).unwrap(), sum);
    for hex in ["", "00", &"zz".repeat(32), &"+0".repeat(32), &"00".repeat(33)] {
        assert!(serde_json::from_str::<EntriesDigest>(&format!("{hex:?}")).is_err(), "{hex}");
    }
}

#[test]
fn every_month_is_read_again_once_in_the_year_after_its_last_look() {
    let first = Period::parse("2017-01").unwrap();
    assert_eq!(older_month(first, first), None);
    assert_eq!(older_month(first.next(), first), None);
    assert_eq!(older_month(first.plus_months(2), first), Some(first));
    for closed in (0..60).map(|months| first.plus_months(months)) {
        if closed < first.plus_months(12) {
            continue;
        }
        let looks = (0..=24).filter(|months| older_month(closed.plus_months(*months), first) == Some(closed));
        let looks: Vec<u32> = looks.collect();
        assert!(matches!(looks[..], [months] if (2..=12).contains(&months)), "{closed}: {looks:?}");
    }
}

#[test]
fn an_entry_of_another_period_or_shard_stops_the_fold() {
    let rulebook = programme();
    let entry = &one_of_each()[0];
    let rates = SaleRates::default();
    let home = Shards::DEFAULT.of(&entry.head.member);
    let other = Shards::DEFAULT.all().find(|shard| *shard != home).unwrap();
    for (period, shard) in [(entry.booked.next(), home), (entry.booked.previous(), home), (entry.booked, other)] {
        let result = Fold::new(&rulebook, &rates, period, shard).add(entry, |_| Ok::<(), TallyError>(()));
        assert!(matches!(result, Err(TallyError::Misplaced { .. })), "{period} {shard}");
    }
    assert!(Fold::new(&rulebook, &rates, entry.booked, home).add(entry, |_| Ok::<(), TallyError>(())).is_ok());
}

#[test]
fn what_sales_and_gifts_issue_is_valued_by_cohort_and_a_refund_tells_what_was_spent_of_it() {
    let tally = tally(&programme(), &one_of_each());
    let found: Vec<String> = tally
        .valued
        .iter()
        .map(|(of, valued)| {
            let (refunded, revoked) = (valued.refunded, valued.revoked);
            let back = (refunded.points, refunded.owed, refunded.gone, revoked.points);
            format!("{} sold {} given {} back {back:?}", of.payer, valued.sold, valued.given)
        })
        .collect();
    let none = "Points(0)";
    assert_eq!(
        found,
        [
            format!("DN sold 0 given 50 back ({none}, {none}, {none}, {none})"),
            format!("ML sold 100 given 0 back (Points(76), Points(26), {none}, {none})"),
        ]
    );
    let of = |name: &str| tally.valued.iter().find(|(of, _)| of.payer.as_str() == name).unwrap().1;
    let (mall, dining) = (of("ML"), of("DN"));
    assert!(mall.back.is_positive() && mall.back < mall.allocated && mall.given_value.is_zero());
    assert!(dining.given_value.is_positive() && dining.allocated.is_zero());
}

#[test]
fn points_are_valued_by_the_rate_of_their_own_month_whenever_they_come_or_go_back() {
    let small = include_str!("../golden/small.toml");
    let overrides = r#"urr_override = [
  { funder = "shop", issued = "2025-03", urr = "0.5", reason = "known when they were sold" },
  { funder = "shop", issued = "2025-04", urr = "0.2", close_from = "2025-05", reason = "known later" },
]"#;
    let book = rulebook(&format!("{small}{overrides}\n"));
    let rate = |text: &str| Rate::parse(text).unwrap();
    let mut rates = SaleRates::default();
    for (month, known) in [("2025-02", "0.7"), ("2025-03", "0.6"), ("2025-04", "0.6")] {
        rates.set(&scheme("shop"), Life::Never, period(month), rate(known));
    }
    let of = |book: &Rulebook, of: &str, booked: &str| {
        let cohort = cohort(of);
        let terms = book.liability(&cohort.scheme, cohort.issued).unwrap();
        rates.of(book, &cohort, period(booked), terms)
    };
    for (cohort, booked, expected) in [
        // What no close could estimate, or not for points that live so long, has the initial rate.
        ("shop|2025-01|never", "2025-01", "0.95"),
        ("shop|2025-02|2026-02-28", "2025-02", "0.95"),
        ("inn|2025-02|never", "2025-02", "0.95"),
        ("shop|2025-02|never", "2025-02", "0.7"),
        ("shop|2025-02|never", "2025-06", "0.7"),
        // A person's goes first while it holds in their own month, and values nothing anew.
        ("shop|2025-03|never", "2025-03", "0.5"),
        ("shop|2025-04|never", "2025-04", "0.6"),
        ("shop|2025-04|never", "2025-06", "0.6"),
    ] {
        assert_eq!(of(&book, cohort, booked), rate(expected), "{cohort} in {booked}");
    }
    let remote = rulebook(&small.replace("initial_urr = \"0.95\"", "method = \"remote\""));
    assert_eq!(of(&remote, "shop|2025-02|never", "2025-02"), Rate::ONE);
    let kept: Vec<_> = rates.in_month(period("2025-02")).map(|(of, life, rate)| (of.to_string(), life, rate)).collect();
    assert_eq!(kept, [("shop".to_owned(), Life::Never, rate("0.7"))]);
    let text = serde_json::to_string(&rates).unwrap();
    assert_eq!(serde_json::from_str::<SaleRates>(&text).unwrap(), rates);
}

#[test]
fn control_totals_count_each_kind_by_line() {
    let rulebook = programme();
    let tally = tally(&rulebook, &one_of_each());
    let found: Vec<String> = tally
        .controls
        .iter()
        .map(|((line, kind), control)| {
            format!("{line} {kind:?} {} {} {}", control.events, control.points, shown(control.amount))
        })
        .collect();
    // The refund of 75.50 keeps 24 points of 24.50: 76 are withdrawn.
    assert_eq!(
        found,
        [
            "DN Adjustment 1 50 0.00",
            "HT Redemption 1 80 32.00",
            "HT Return 1 -30 -12.00",
            "ML Accrual 1 100 100.00",
            "ML Withdrawal 1 76 75.50",
        ]
    );
    assert_eq!(tally.entries, 5);
    assert!(tally.controls.keys().all(|(_, kind)| *kind <= ControlKind::Withdrawal));
}

#[test]
fn a_sale_without_points_is_counted_as_one_and_nothing_else_is() {
    let rulebook = programme();
    let plan = |at_line: &str, action| {
        let command = command(at_line, "S1", "2025-03-01T09:00:00+08:00", action);
        plan_in_time(&rulebook, &account(&[("ML|2025-01|never", 100)]), &command, None).unwrap().entry
    };
    let entries = [
        plan("PM", Action::Accrual(Accrual::of(money("999.99")))),
        plan("ML", Action::Accrual(Accrual::of(money("1.00")))),
        plan("HT", Action::Redemption(Redemption::of(points(10), None))),
    ];
    let tally = tally(&rulebook, &entries);
    let unearned: Vec<(&str, u64, Money)> =
        tally.unearned.iter().map(|(line, sum)| (line.as_str(), sum.events, sum.amount)).collect();
    assert_eq!(unearned, [("PM", 1, money("999.99"))]);
    assert_eq!(tally.controls[&(line("PM"), ControlKind::Accrual)].events, 1);
}

#[test]
fn movements_of_a_cohort_are_counted_and_summed_over_shards() {
    let rulebook = programme();
    let spend = |at: &str, name: &str| {
        let mut command = command("HT", "R1", at, Action::Redemption(Redemption::of(points(10), None)));
        command.head.member = member(name);
        plan_in_time(&rulebook, &account(&[("ML|2025-01|never", 100)]), &command, None).unwrap().entry
    };
    assert_ne!(Shards::DEFAULT.of(&member("m1")), Shards::DEFAULT.of(&member("m2")));
    let entries = [
        spend("2025-03-01T09:00:00+08:00", "m1"),
        spend("2025-03-01T10:00:00+08:00", "m1"),
        spend("2025-03-01T09:00:00+08:00", "m2"),
    ];
    let tally = tally(&rulebook, &entries);
    let (_, flow) = tally.flows.first_key_value().unwrap();
    assert_eq!((flow.events, flow.points, flow.amount), (3, points(30), money("12.00")));
    let (_, obligation) = tally.obligations.first_key_value().unwrap();
    assert_eq!((obligation.events, obligation.points, obligation.amount), (3, points(30), money("12.00")));
    assert_eq!((tally.details.events, tally.details.points, tally.details.amount), (3, points(30), money("12.00")));
    assert_eq!((tally.flows.len(), tally.obligations.len(), tally.entries), (1, 1, 3));
}

#[test]
fn an_entry_is_counted_once_for_a_pair_of_lines_and_each_slice_for_its_obligation() {
    let rulebook = programme();
    let account = account(&[("ML|2025-01|never", 10), ("ML|2025-02|never", 20), ("DN|2025-01|never", 30)]);
    let spend = |number: i64| {
        let redemption = Redemption::of(points(number), None);
        let command = command("HT", &format!("R{number}"), "2025-03-01T09:00:00+08:00", Action::Redemption(redemption));
        plan_in_time(&rulebook, &account, &command, None).unwrap().entry
    };
    let tally = tally(&rulebook, &[spend(60), spend(25)]);
    let slices = |payer: &str| {
        let of = tally.obligations.iter().filter(|(key, _)| key.scheme == line(payer));
        of.map(|(_, obligation)| obligation.events).sum::<u64>()
    };
    let entries = |payer: &str| tally.pairs[&(line(payer), line("HT"))].events;
    assert_eq!((entries("ML"), slices("ML")), (1, 2));
    assert_eq!((entries("DN"), slices("DN")), (2, 2));
}

#[test]
fn a_late_event_is_labelled_with_its_origin_and_counted_as_prior_period() {
    let rulebook = programme();
    let account = account(&[("ML|2025-01|never", 100)]);
    let command =
        command("HT", "R1", "2025-03-31T23:59:59+08:00", Action::Redemption(Redemption::of(points(10), None)));
    let late = plan(&rulebook, &account, &command, period("2025-04"), None).unwrap().entry;
    assert!(late.is_late());
    let (tally, details) = fold(&rulebook, [&late]);
    assert!(details[0].is_late);
    let (_, obligation) = tally.obligations.first_key_value().unwrap();
    assert_eq!((obligation.amount, obligation.prior_period), (money("4.00"), money("4.00")));
    assert_eq!(tally.controls[&(line("HT"), ControlKind::Redemption)].late, 1);

    let in_time = plan(&rulebook, &account, &command, period("2025-03"), None).unwrap().entry;
    assert!(!in_time.is_late());
    let (tally, details) = fold(&rulebook, [&in_time]);
    assert!(!details[0].is_late);
    let (_, obligation) = tally.obligations.first_key_value().unwrap();
    assert_eq!((obligation.amount, obligation.prior_period), (money("4.00"), Money::ZERO));
    assert_eq!(tally.controls[&(line("HT"), ControlKind::Redemption)].late, 0);
}

#[test]
fn an_obligation_stands_under_the_terms_of_its_payer_and_redeemer_on_the_day_of_the_event() {
    let split = |rule: &str, payer: &str, to: &str| {
        format!(
            "[[splits]]\nrule = \"{rule}\"\npayer = \"{payer}\"\nfrom = \"2025-01-01\"\nto = \"2025-03-01\"\n\
             shares = [{{ to = \"redeemer\", share = \"0.9\" }}, {{ to = \"{to}\", share = \"0.1\" }}]\n"
        )
    };
    let text = include_str!("../golden/programme.toml");
    let rulebook = rulebook(&format!("{text}{}{}", split("of-malls", "ML", "HQ"), split("of-hotels", "HT", "TP")));
    let spend = |at_line: &str, lot: &str, occurred_at: &str| {
        let command = command(at_line, "R1", occurred_at, Action::Redemption(Redemption::of(points(10), None)));
        let entry = plan_in_time(&rulebook, &account(&[(lot, 10)]), &command, None).unwrap().entry;
        let tally = tally(&rulebook, [&entry]);
        let terms = tally.obligations.keys().map(|key| match &key.terms {
            Some(terms) => terms.to_string(),
            None => "no rule".to_owned(),
        });
        terms.collect::<Vec<_>>().join(", ")
    };
    let (malls, hotels) = ("ML|2025-01|never", "HT|2025-01|never");
    assert_eq!(spend("HT", malls, "2025-03-01T23:59:59+08:00"), "of-malls redeemer=0.9 HQ=0.1");
    assert_eq!(spend("HT", malls, "2025-03-02T00:00:00+08:00"), "no rule");
    assert_eq!(spend("ML", hotels, "2025-03-01T12:00:00+08:00"), "of-hotels redeemer=0.9 TP=0.1");
    assert_eq!(spend("ML", malls, "2025-03-01T12:00:00+08:00"), "", "own points owe nothing");
}

/// A row is read once or not at all: of two with one key a map would keep the last.
#[test]
fn a_stored_tally_with_a_row_twice_or_a_field_more_is_refused() {
    let entries = one_of_each();
    let (rulebook, rates) = (programme(), SaleRates::default());
    let mut fold = Fold::new(&rulebook, &rates, entries[0].booked, Shards::DEFAULT.of(&entries[0].head.member));
    entries.iter().for_each(|entry| fold.add(entry, |_| Ok::<(), TallyError>(())).unwrap());
    let tally = fold.finish();
    let stored = serde_json::to_value(&tally).unwrap();
    assert_eq!(serde_json::from_value::<Tally>(stored.clone()).unwrap(), tally);
    for rows in ["controls", "sales", "valued", "flows", "obligations", "pairs"] {
        let mut twice = stored.clone();
        let first = twice[rows][0].clone();
        twice[rows].as_array_mut().unwrap().push(first);
        let error = serde_json::from_value::<Tally>(twice).unwrap_err();
        let what = if rows == "valued" { "a cohort" } else { "a row" };
        assert_eq!(error.to_string(), format!("{what} stands in the tally twice"), "{rows}");
        let mut more = stored.clone();
        more[rows][0]["note"] = serde_json::json!("x");
        assert!(serde_json::from_value::<Tally>(more).is_err(), "{rows}");
    }
}

#[test]
fn counts_that_become_too_large_are_an_error_and_no_wrap() {
    let full = Tally { entries: u64::MAX, ..Tally::default() };
    assert_eq!(full.clone().merge(&full), Err(OutOfRange));
    let mut details = Tally::default();
    details.details.events = u64::MAX;
    assert_eq!(details.clone().merge(&details), Err(OutOfRange));
    let mut controls = Tally::default();
    controls.controls.entry((line("ML"), ControlKind::Accrual)).or_default().events = u64::MAX;
    assert_eq!(controls.clone().merge(&controls), Err(OutOfRange));
    assert_eq!(controls.clone().merge(&Tally::default()), Ok(()));
}

#[test]
fn reasons_are_called_as_the_detail_file_calls_them() {
    let words = [Reason::Redemption, Reason::Return, Reason::Repayment].map(Reason::word);
    assert_eq!(words, ["redemption", "return", "repayment"]);
}
