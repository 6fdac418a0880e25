//! What members can spend is proven from entries at every close.

use aws_sdk_dynamodb::types::AttributeValue;
use interline_domain::claims::account::Account;
use interline_domain::close::period::PeriodState;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::MemberId;
use interline_domain::units::limits::SHARDS;
use interline_domain::units::money::Points;
use interline_lambda::finished::FinishedRun;
use interline_lambda::{Class, Failure};
use interline_prove::{Books, held_on};
use interline_reports::accounts::{Differing, differences_key, snapshot_key};
use interline_reports::manifest::{RunKind, sha256};
use interline_tests::events::{redemption, reversal, sale};
use interline_tests::pack::Pack;
use interline_tests::programme::{Items, Programme, RULEBOOK, edited};

const AFTER_JANUARY: &str = "2017-02-01T01:00:00+08:00";
const AFTER_FEBRUARY: &str = "2017-03-01T01:00:00+08:00";

fn key(member: &str) -> (String, String) {
    (format!("M#{member}"), "A".to_owned())
}

async fn write(programme: &Programme, member: &str, change: impl FnOnce(&mut Account)) {
    let id = MemberId::parse(member).unwrap();
    let read = programme.account(member).await;
    let mut account = read.clone();
    change(&mut account);
    assert!(programme.app().ledger.restore_account(&id, &read, &account).await.unwrap());
}

/// January is closed; two members have earned in it.
async fn january() -> Programme {
    let programme = Programme::sample("2017-01-20T12:00:00+08:00").await;
    programme.accept(&[sale("dining", "S-1", "2017-01-10T12:00:00+08:00", "anna", "83.40")]).await;
    programme.accept(&[sale("dining", "S-2", "2017-01-10T12:00:00+08:00", "bert", "834.00")]).await;
    programme.set_now(AFTER_JANUARY);
    programme.close("2017-01").await.unwrap();
    programme.set_now("2017-02-20T12:00:00+08:00");
    programme
}

/// The failure of February's close, and whom the run names.
async fn stopped(programme: &Programme) -> (String, Vec<Differing>) {
    programme.set_now("2017-03-02T13:00:00+08:00");
    let failure = programme.close("2017-02").await.unwrap_err();
    assert_eq!(failure.class(), Class::ChecksFailed, "{failure}");
    let Failure::ChecksFailed(text) = failure else { panic!("{failure}") };
    let period = Period::parse("2017-02").unwrap();
    let run = programme.app().ledger.period(period).await.unwrap().attempt.unwrap().run;
    let named = programme.app().reports.get(&differences_key(period, &run)).await.unwrap();
    (text, serde_json::from_slice(&named).unwrap())
}

#[tokio::test]
async fn a_balance_that_was_raised_and_spent_stops_the_close_and_names_the_member() {
    let programme = january().await;
    let held = programme.account("anna").await.lots.into_iter().next().unwrap();
    write(&programme, "anna", |account| {
        account.lots.insert(held.0.clone(), held.1.plus(Points::new(500)).unwrap());
    })
    .await;
    let all = held.1.get() + 500;
    programme.accept(&[redemption("grocery", "R-1", "2017-02-06T10:00:00+08:00", "anna", all)]).await;
    programme.accept(&[redemption("grocery", "R-2", "2017-02-06T10:00:00+08:00", "bert", 10)]).await;
    let (text, named) = stopped(&programme).await;
    assert!(text.contains("members whose account is not what their entries give: expected 0, found 1"), "{text}");
    assert!(!text.contains("anna"), "{text}");
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].member.as_str(), "anna");
    let [difference] = &named[0].differences[..] else { panic!("{named:?}") };
    assert_eq!(difference.what, format!("lot {}", held.0));
    assert_eq!((difference.account.as_str(), difference.entries.as_str()), ("0", "-500"));

    let trial = programme.close_as("2017-02", RunKind::Trial, None).await.unwrap();
    assert!(!trial.checks_passed);
    let rows = Pack::of(&programme, "2017-02", &trial.run).await.sheet("account-differences").rows;
    assert_eq!((rows.len(), rows[0]["entries"].as_str()), (1, "-500"));
    assert_ne!(rows[0]["member"], "anna");

    // What nobody issued is given back, and the account written as its entries give it.
    let back = reversal("grocery", "V-1", "2017-03-01T00:30:00+08:00", "anna", "redemption:R-1", "500");
    programme.accept(&[back]).await;
    assert_eq!(rebuilt(&programme).await, ["anna"]);
    assert_eq!(rebuilt(&programme).await, [""; 0]);
    programme.close("2017-02").await.unwrap();
}

/// Whose accounts were written anew as `interline accounts rebuild` does.
async fn rebuilt(programme: &Programme) -> Vec<String> {
    let (ledger, rulebook) = (&programme.app().ledger, programme.rulebook().await);
    let newest = ledger.periods().await.unwrap().into_iter().rev().find(PeriodState::is_final);
    let closed = match newest {
        Some(state) => {
            Some(FinishedRun::read(programme.app(), state.period, state.final_run().unwrap()).await.unwrap())
        }
        None => None,
    };
    let mut rebuilt = Vec::new();
    for shard in 0..SHARDS {
        let books = Books::open(programme.app(), closed.as_ref(), &rulebook, shard).await.unwrap();
        for found in books.check(ledger).await.unwrap().1 {
            let account = books.rebuilt(ledger, &rulebook, &found.member).await.unwrap();
            let anew = account.account.unwrap();
            assert!(ledger.restore_account(&found.member, &account.read, &anew).await.unwrap());
            rebuilt.push(found.member.to_string());
        }
    }
    rebuilt
}

#[tokio::test]
async fn accounts_that_are_lost_or_damaged_are_rebuilt_from_a_snapshot_or_from_entries_alone() {
    let capped =
        edited(RULEBOOK, &[("[[burn]]\nline = \"grocery\"", "[[burn]]\nmax_per_month = 5000\nline = \"grocery\"")]);
    for closes in [false, true] {
        let programme = Programme::with_rulebook(&capped, "2017-01-20T12:00:00+08:00").await;
        programme.accept(&[sale("dining", "S-1", "2017-01-10T12:00:00+08:00", "anna", "834.00")]).await;
        programme.accept(&[redemption("grocery", "R-1", "2017-01-11T10:00:00+08:00", "anna", 100)]).await;
        if closes {
            programme.set_now(AFTER_JANUARY);
            programme.close("2017-01").await.unwrap();
        }
        programme.set_now("2017-02-20T12:00:00+08:00");
        programme.accept(&[redemption("grocery", "R-2", "2017-02-06T10:00:00+08:00", "anna", 70)]).await;
        let back = reversal("grocery", "V-1", "2017-02-07T10:00:00+08:00", "anna", "redemption:R-1", "30");
        programme.accept(&[back]).await;
        let whole = programme.account("anna").await;
        assert_eq!(whole.redeemed.len(), 2);
        let refund = reversal("dining", "V-2", "2017-02-08T10:00:00+08:00", "anna", "accrual:S-1", "");
        programme.accept(&[refund]).await;
        let before = programme.account("anna").await;
        assert!(!before.debts.is_empty());
        for damaged in [None, Some("l"), Some("d"), Some("v")] {
            let mut item = programme.items().await.remove(&key("anna")).unwrap();
            match damaged {
                Some(name) => {
                    item.insert(name.to_owned(), AttributeValue::S("?".to_owned()));
                    programme.put_item(item).await;
                }
                None => {
                    let delete = programme.embedded().dynamodb().delete_item().table_name(interline::world::TABLE);
                    delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
                }
            }
            assert_eq!(rebuilt(&programme).await, ["anna"], "{closes} {damaged:?}");
            let account = programme.account("anna").await;
            assert_eq!(account.returned_in, before.returned_in);
            assert_eq!(
                (account.sequence, &account.debts, &account.lots),
                (before.sequence, &before.debts, &before.lots)
            );
            assert_eq!(account.redeemed, before.redeemed, "{closes} {damaged:?}");
        }
        programme.accept(&[sale("dining", "S-4", "2017-02-10T12:00:00+08:00", "anna", "834.00")]).await;
    }
}

#[tokio::test]
async fn a_closed_month_says_what_a_member_held_on_each_of_its_days() {
    let programme = january().await;
    programme.accept(&[redemption("grocery", "R-1", "2017-02-06T10:00:00+08:00", "anna", 10)]).await;
    programme.set_now(AFTER_FEBRUARY);
    programme.close("2017-02").await.unwrap();
    programme.accept(&[redemption("grocery", "R-2", "2017-03-01T00:30:00+08:00", "anna", 10)]).await;
    let rulebook = programme.rulebook().await;
    let anna = MemberId::parse("anna").unwrap();
    let earned = programme.account("anna").await.lots.values().next().unwrap().get() + 20;
    for (day, held) in [
        ("2017-01-09", 0),
        ("2017-01-10", earned),
        ("2017-01-31", earned),
        ("2017-02-05", earned),
        ("2017-02-06", earned - 10),
        ("2017-02-28", earned - 10),
    ] {
        let claims = held_on(programme.app(), &rulebook, &anna, day.parse().unwrap()).await.unwrap();
        assert_eq!(Points::sum(claims.lots.values().copied()).unwrap().get(), held, "{day}");
    }
}

#[tokio::test]
async fn whatever_is_changed_behind_the_ledgers_back_stops_the_close() {
    type Change = fn(&mut Items);
    let changes: [(&str, Change); 4] = [
        ("debt mall", |items| {
            let debts = [("mall".to_owned(), AttributeValue::N("7".to_owned()))].into();
            items.get_mut(&key("anna")).unwrap().insert("d".to_owned(), AttributeValue::M(debts));
        }),
        ("entries", |items| {
            items.get_mut(&key("anna")).unwrap().insert("v".to_owned(), AttributeValue::N("9".to_owned()));
        }),
        ("entries", |items| {
            items.get_mut(&key("anna")).unwrap().insert("l".to_owned(), AttributeValue::S("lots".to_owned()));
        }),
        ("lot dining", |items| {
            drop(
                items
                    .get_mut(&key("anna"))
                    .unwrap()
                    .insert("lb".to_owned(), AttributeValue::S("2199-01-01".to_owned())),
            )
        }),
    ];
    for (what, change) in changes {
        let programme = january().await;
        programme.accept(&[redemption("grocery", "R-1", "2017-02-06T10:00:00+08:00", "anna", 10)]).await;
        if what.starts_with("lot") {
            write(&programme, "anna", |account| {
                let lot = account.lots.values_mut().next().unwrap();
                *lot = lot.plus(Points::new(1)).unwrap();
            })
            .await;
        }
        let mut items = programme.items().await;
        change(&mut items);
        programme.put_item(items.remove(&key("anna")).unwrap()).await;
        let (_, named) = stopped(&programme).await;
        assert_eq!(named.len(), 1, "{what}");
        assert!(named[0].differences.iter().any(|difference| difference.what.starts_with(what)), "{what}: {named:?}");
    }
}

#[tokio::test]
async fn an_account_put_back_to_what_it_once_was_stops_the_close() {
    // As it was within the closed month, at its end, and in the month after.
    for back_to in 1..4 {
        let programme = january().await;
        let mut was = Vec::new();
        for (n, now) in ["2017-02-20", "2017-02-21", "2017-03-01", "2017-03-02"].into_iter().enumerate() {
            programme.set_now(&format!("{now}T12:00:00+08:00"));
            let (reference, at) = (format!("R-{n}"), format!("{now}T10:00:00+08:00"));
            was.push(programme.items().await.remove(&key("anna")).unwrap());
            programme.accept(&[redemption("grocery", &reference, &at, "anna", 10)]).await;
        }
        programme.put_item(was[back_to].clone()).await;
        let (text, named) = stopped(&programme).await;
        assert_eq!(named.len(), 1, "{back_to}: {text}");
        assert_eq!(named[0].differences[0].what, "entries", "{back_to}");
    }
}

#[tokio::test]
async fn an_entry_that_is_gone_from_the_ledger_stops_the_close() {
    let programme = january().await;
    programme.accept(&[redemption("grocery", "R-1", "2017-02-06T10:00:00+08:00", "anna", 10)]).await;
    programme.accept(&[redemption("grocery", "R-2", "2017-02-07T10:00:00+08:00", "anna", 10)]).await;
    let items = programme.items().await;
    let (pk, sk) = items.keys().find(|(pk, sk)| pk.starts_with("E#2017-02") && sk.contains("R-1")).unwrap();
    let of = |text: &String| AttributeValue::S(text.clone());
    let delete = programme.embedded().dynamodb().delete_item().table_name(interline::world::TABLE);
    delete.key("pk", of(pk)).key("sk", of(sk)).send().await.unwrap();
    let (_, named) = stopped(&programme).await;
    let what: Vec<&str> = named[0].differences.iter().map(|difference| difference.what.as_str()).collect();
    assert_eq!(what[..2], ["entries", "sequence"], "{named:?}");
}

#[tokio::test]
async fn an_account_that_moved_on_is_compared_up_to_its_sequence_and_snapshots_form_a_chain() {
    let programme = january().await;
    programme.accept(&[redemption("grocery", "R-1", "2017-02-06T10:00:00+08:00", "anna", 10)]).await;
    programme.set_now("2017-03-02T12:00:00+08:00");
    programme.accept(&[redemption("grocery", "R-2", "2017-03-01T10:00:00+08:00", "anna", 10)]).await;
    let late = sale("dining", "S-3", "2017-02-27T10:00:00+08:00", "anna", "100.00");
    programme.accept(&[late]).await;
    let pack = programme.closed("2017-02").await;
    let manifest = pack.manifest();
    assert_eq!(manifest.accounts.len(), 64);
    assert_eq!(manifest.accounts.iter().map(|accounts| accounts.members).sum::<u64>(), 2);
    for accounts in &manifest.accounts {
        let key = snapshot_key(manifest.period, &manifest.run.id, accounts.shard);
        assert_eq!(sha256(&programme.app().reports.get(&key).await.unwrap()), accounts.sha256);
    }
    let held = &manifest.accounts.iter().find(|accounts| accounts.members > 0).unwrap();
    let january =
        programme.app().ledger.period(Period::parse("2017-02").unwrap()).await.unwrap().into_final_run().unwrap();
    let key = snapshot_key(manifest.period, &january.id, held.shard);
    programme.app().reports.put(&key, b"other".to_vec()).await.unwrap();
    programme.set_now("2017-04-01T12:00:00+08:00");
    let failure = programme.close("2017-03").await.unwrap_err();
    assert!(failure.to_string().contains(&key), "{failure}");
}
