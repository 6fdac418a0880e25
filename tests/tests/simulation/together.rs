//! Members of a shard that are recorded in one transaction.

use crate::hooks::Hooked;
use interline_domain::events::Command;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_ledger::store::{Condition, Item, Outcome, Store, TransactError, Write};
use interline_ledger::{Answer, Ledger, LedgerError, MEMBERS_TOGETHER, Source};
use interline_tests::events::{member_of_shard, redemption, reversal, sale};
use interline_tests::programme::{RULEBOOK, moment};
use interline_tests::sim::memory::Memory;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const AT: &str = "2017-01-05T12:00:00+08:00";
const NEXT: &str = "2017-01-06T12:00:00+08:00";
const NOW: &str = "2017-02-20T12:00:00+08:00";
const SHARD: u16 = 7;
const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

type Answers = Vec<Result<Vec<Answer>, LedgerError>>;

fn terms() -> Rulebook {
    Rulebook::parse(RULEBOOK).unwrap()
}

fn members() -> Vec<String> {
    (0..MEMBERS_TOGETHER).map(|number| member_of_shard(SHARD, number)).collect()
}

/// Each member buys; some spend, some more than they have, and one takes a sale back.
fn events() -> Vec<Vec<Command>> {
    let of = |(number, member): (usize, String)| {
        let sold = sale("dining", &format!("S-{number}"), AT, &member, "40.00");
        let spent = |points| redemption("dining", &format!("R-{number}"), NEXT, &member, points);
        match number {
            1 => vec![sold, spent(50)],
            3 => vec![sold, spent(5_000)],
            5 => vec![sold, reversal("dining", "T-5", NEXT, &member, "accrual:S-5", "4.00")],
            _ => vec![sold],
        }
    };
    members().into_iter().enumerate().map(of).collect()
}

async fn together(ledger: &Ledger, events: &[Vec<Command>]) -> Answers {
    let (rulebook, source) = (terms(), Source::File { digest: DIGEST });
    ledger.post_together(&rulebook, &rulebook, events, source, &|| moment(NOW)).await
}

async fn alone(ledger: &Ledger, commands: &[Command]) -> Result<Vec<Answer>, LedgerError> {
    let (rulebook, source) = (terms(), Source::File { digest: DIGEST });
    ledger.post(&rulebook, &rulebook, &commands[0].head.member, commands, source, &|| moment(NOW)).await
}

async fn items(store: &Memory) -> BTreeMap<String, Item> {
    let mut found = BTreeMap::new();
    let partitions = members().into_iter().map(|member| format!("M#{member}"));
    let months = ["2017-01", "2017-02"].map(|month| format!("E#{month}#{SHARD:02}"));
    for pk in partitions.chain(months) {
        let (items, _) = store.page(&pk, None, None, None).await.unwrap();
        found.extend(items.into_iter().map(|item| (format!("{pk} {:?}", item["sk"]), item)));
    }
    found
}

fn said(answers: &Answers) -> Vec<String> {
    answers.iter().map(|answers| format!("{answers:?}")).collect()
}

/// How many accounts a transaction writes.
fn accounts(writes: &[Write]) -> usize {
    let is_account =
        |write: &&Write| matches!(write, Write::Put { item, .. } if item["pk"].as_s().unwrap().starts_with("M#"));
    writes.iter().filter(is_account).count()
}

fn counted() -> (Arc<Memory>, Arc<AtomicU32>, Hooked) {
    let (memory, transactions) = (Arc::<Memory>::default(), Arc::<AtomicU32>::default());
    let counter = transactions.clone();
    let store = Hooked::on(memory.clone()).before_transactions(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    (memory, transactions, store)
}

#[tokio::test]
async fn what_is_recorded_together_is_what_would_be_recorded_alone() {
    let (memory, transactions, store) = counted();
    let answers = together(&Ledger::on(Arc::new(store)), &events()).await;
    assert_eq!(transactions.load(Ordering::Relaxed), 1);
    let each = Arc::<Memory>::default();
    let ledger = Ledger::on(each.clone());
    let mut one_by_one = Vec::new();
    for commands in events() {
        one_by_one.push(alone(&ledger, &commands).await);
    }
    assert_eq!(said(&answers), said(&one_by_one));
    let left = items(&memory).await;
    assert_eq!(left, items(&each).await);
    assert!(left.len() > 2 * MEMBERS_TOGETHER);
    // And once more it is known.
    let again = together(&ledger, &events()).await;
    let known = again.iter().flatten().flatten().filter(|answer| matches!(answer, Answer::Replayed(_))).count();
    assert_eq!(known, MEMBERS_TOGETHER + 2);
    assert_eq!(left, items(&each).await);
}

#[tokio::test]
async fn a_member_who_is_written_by_others_meanwhile_is_asked_anew_and_nobody_is_held_up() {
    let memory = Arc::<Memory>::default();
    let other = Ledger::on(memory.clone());
    let met = AtomicU32::new(0);
    let store = Hooked::on(memory.clone()).before_transactions(move |_| {
        // Every other transaction comes too late.
        let number = met.fetch_add(1, Ordering::Relaxed);
        if number < 3 {
            let at = format!("X-{number}");
            let theirs = sale("grocery", &at, AT, &member_of_shard(SHARD, 2), "10.00");
            futures::executor::block_on(alone(&other, &[theirs])).unwrap();
        }
        Ok(())
    });
    let ledger = Ledger::on(Arc::new(store));
    let answers = together(&ledger, &events()).await;
    let accepted = answers.iter().flatten().flatten().filter(|answer| matches!(answer, Answer::Accepted(_))).count();
    assert_eq!(accepted, MEMBERS_TOGETHER + 2);
    let account = ledger.account(&events()[2][0].head.member).await.unwrap();
    assert_eq!(account.sequence, 4, "theirs and ours");
}

#[tokio::test]
async fn members_who_are_never_let_through_together_are_recorded_alone() {
    let (memory, together_in_vain) = (Arc::<Memory>::default(), Arc::<AtomicU32>::default());
    let counter = together_in_vain.clone();
    let store = Hooked::on(memory).before_transactions(move |writes| {
        if accounts(writes) < 2 {
            return Ok(());
        }
        counter.fetch_add(1, Ordering::Relaxed);
        let busy = |at| if at == 0 { Outcome::Conflict } else { Outcome::Fine };
        Err(TransactError::Cancelled((0..writes.len()).map(busy).collect()))
    });
    let answers = together(&Ledger::on(Arc::new(store)), &events()).await;
    assert_eq!(answers.iter().filter(|answers| answers.is_ok()).count(), MEMBERS_TOGETHER);
    assert_eq!(together_in_vain.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_gate_that_is_put_meanwhile_moves_all_of_them_into_the_next_month() {
    let (memory, transactions, store) = counted();
    let sealing = Ledger::on(memory.clone());
    let period = Period::parse("2017-01").unwrap();
    sealing.seal(&terms(), period, moment(NOW)).await.unwrap();
    let answers = together(&Ledger::on(Arc::new(store)), &events()).await;
    for answer in answers.iter().flatten().flatten() {
        if let Answer::Accepted(recorded) = answer {
            assert_eq!((recorded.entry.home, recorded.entry.booked), (period, period.next()));
        }
    }
    assert_eq!(transactions.load(Ordering::Relaxed), 2, "one in vain for all of them");
}

#[tokio::test]
async fn a_member_whose_account_cannot_be_read_is_the_only_one_who_is_not_recorded() {
    let memory = Arc::<Memory>::default();
    let ledger = Ledger::on(memory.clone());
    let mut broken = ledger.store().get(&key_of_account(&ledger, 4).await).await.unwrap().unwrap();
    broken.remove("v");
    assert!(memory.put(broken, Condition::None).await.unwrap());
    let answers = together(&ledger, &events()).await;
    let failed: Vec<usize> = (0..answers.len()).filter(|at| answers[*at].is_err()).collect();
    assert_eq!((answers.len(), failed), (MEMBERS_TOGETHER, vec![4]));
}

/// The key of a member's account, who has bought once.
async fn key_of_account(ledger: &Ledger, number: usize) -> interline_ledger::store::Key {
    let member = member_of_shard(SHARD, number);
    alone(ledger, &[sale("grocery", "X-1", AT, &member, "10.00")]).await.unwrap();
    interline_ledger::store::Key { pk: format!("M#{member}"), sk: "A".to_owned() }
}

#[tokio::test]
async fn where_the_service_fails_nobody_behind_is_asked_for() {
    let asked = Arc::<AtomicU32>::default();
    let counter = asked.clone();
    let store = Hooked::default().before_transactions(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Err(TransactError::Ledger(LedgerError::Unavailable("it went away".to_owned())))
    });
    let answers = together(&Ledger::on(Arc::new(store)), &events()).await;
    assert_eq!(answers.len(), 1);
    assert!(matches!(&answers[0], Err(error) if error.is_retryable()));
    assert!(asked.load(Ordering::Relaxed) <= 5);
}

#[test]
fn those_go_together_who_ask_for_one_gate_and_fit_into_one_transaction() {
    let ledger = Ledger::on(Arc::<Memory>::default());
    let rulebook = terms();
    let number = |events: &[Vec<Command>], now: &str| {
        let now = moment(now);
        ledger.together(&rulebook, events.iter().map(|commands| commands.iter()), &move || now)
    };
    let of = |shard: u16, member: usize, at: &str, sales: usize| -> Vec<Command> {
        let member = member_of_shard(shard, member);
        (0..sales).map(|sold| sale("dining", &format!("{member}-{sold}"), at, &member, "40.00")).collect()
    };
    let many: Vec<_> = (0..20).map(|member| of(SHARD, member, AT, 1)).collect();
    assert_eq!(number(&many, NOW), MEMBERS_TOGETHER);
    assert_eq!(number(&many[..3], NOW), 3);
    assert_eq!(number(&many, AT), 1, "the current month asks for no gate");
    assert_eq!(number(&[of(SHARD, 0, AT, 1), of(SHARD + 1, 0, AT, 1)], NOW), 1);
    let february = "2017-02-05T12:00:00+08:00";
    assert_eq!(number(&[of(SHARD, 0, AT, 1), of(SHARD, 1, february, 1)], "2017-03-20T12:00:00+08:00"), 1);
    let both = [of(SHARD, 0, AT, 1), of(SHARD, 0, february, 1)].concat();
    assert_eq!(number(&[both, of(SHARD, 1, AT, 1)], "2017-03-20T12:00:00+08:00"), 1, "he needs two");
    // An account and two items a sale, and the gate: 100.
    assert_eq!(number(&[of(SHARD, 0, AT, 24), of(SHARD, 1, AT, 24), of(SHARD, 2, AT, 1)], NOW), 2);
    assert_eq!(number(&[of(SHARD, 0, AT, 24), of(SHARD, 1, AT, 25)], NOW), 1);
    assert_eq!(number(&[], NOW), 1);
}
