//! How the import of a large file spreads over the table, and that a try which is
//! cut off costs only the part behind its last checkpoint.

use async_trait::async_trait;
use interline_domain::units::id::LineId;
use interline_import::{Imported, finish, import};
use interline_lambda::{App, Class, Failure};
use interline_ledger::store::{Condition, Consumed, Item, Key, TransactError, Write};
use interline_ledger::{Ledger, LedgerError, MEMBERS_TOGETHER, Store};
use interline_reports::bucket::Bucket;
use interline_tests::SHARDS;
use interline_tests::events::csv;
use interline_tests::readers::memory::{TERMS, moment, wait};
use interline_tests::sim::memory::{Memory, MemoryBucket};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// January is over, so its gates are asked for.
const NOW: &str = "2017-02-10T12:00:00+08:00";
const MEMBERS: usize = 6_000;

/// A store that takes its time, says what is under way, and goes away after so many transactions.
#[derive(Debug)]
struct Watched {
    memory: Memory,
    gates: Mutex<BTreeMap<String, usize>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    most_at_a_gate: AtomicUsize,
    transactions: AtomicUsize,
    goes_away_after: AtomicUsize,
}

impl Watched {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            memory: Memory::default(),
            gates: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            most_at_a_gate: AtomicUsize::new(0),
            transactions: AtomicUsize::new(0),
            goes_away_after: AtomicUsize::new(usize::MAX),
        })
    }

    fn at_gates(&self, writes: &[Write], change: fn(usize) -> usize) {
        let mut gates = self.gates.lock().unwrap();
        for write in writes {
            if let Write::RequireAbsent { key } = write {
                let at_gate = gates.entry(key.pk.clone()).or_default();
                *at_gate = change(*at_gate);
                self.most_at_a_gate.fetch_max(*at_gate, Ordering::Relaxed);
            }
        }
    }
}

#[async_trait]
impl Store for Watched {
    async fn create_if_missing(&self) -> Result<(), LedgerError> {
        self.memory.create_if_missing().await
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, LedgerError> {
        self.memory.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Item>, LedgerError> {
        self.memory.get_many(keys).await
    }

    async fn page(
        &self,
        pk: &str,
        prefix: Option<&str>,
        after: Option<String>,
        limit: Option<i32>,
    ) -> Result<(Vec<Item>, Option<String>), LedgerError> {
        self.memory.page(pk, prefix, after, limit).await
    }

    async fn statement_page(
        &self,
        member: &str,
        start: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), LedgerError> {
        self.memory.statement_page(member, start, limit).await
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<bool, LedgerError> {
        self.memory.put(item, condition).await
    }

    async fn transact(&self, writes: &[Write]) -> Result<(), TransactError> {
        if self.transactions.fetch_add(1, Ordering::Relaxed) >= self.goes_away_after.load(Ordering::Relaxed) {
            return Err(TransactError::Ledger(LedgerError::Unavailable("it went away".to_owned())));
        }
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::Relaxed);
        self.at_gates(writes, |number| number + 1);
        // Some are quicker than others.
        for _ in 0..=under_way % 7 {
            tokio::task::yield_now().await;
        }
        let answer = self.memory.transact(writes).await;
        self.at_gates(writes, |number| number - 1);
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        answer
    }

    async fn pause(&self, longest: Duration, seed: u64) {
        self.memory.pause(longest, seed).await;
    }

    fn consumed(&self) -> &Consumed {
        self.memory.consumed()
    }
}

struct Place {
    store: Arc<Watched>,
    inbox: Arc<MemoryBucket>,
    reports: Arc<MemoryBucket>,
    app: App,
}

impl Place {
    fn new() -> Self {
        let (store, inbox, reports) = (Watched::new(), Arc::<MemoryBucket>::default(), Arc::<MemoryBucket>::default());
        let [reports_bucket, inbox_bucket] =
            [(&reports, "reports"), (&inbox, "inbox")].map(|(bucket, name)| Bucket::on(bucket.clone(), name));
        let now = moment(NOW);
        let app = App::new(Ledger::on(store.clone()), reports_bucket, inbox_bucket, Arc::new(move || now));
        wait(app.publish(TERMS)).unwrap();
        store.transactions.store(0, Ordering::Relaxed);
        Self { store, inbox, reports, app }
    }

    fn import(&self, file: &[u8]) -> Result<(Imported, Option<Vec<u8>>), Failure> {
        let platform = LineId::parse("group").unwrap();
        wait(async {
            let (mut imported, rejects) = import(&self.app, &platform, "january.csv", file, &|_, _| {}).await?;
            finish(&self.app, &platform, &mut imported).await?;
            Ok((imported, rejects))
        })
    }

    fn cut_off_after(&self, transactions: usize, file: &[u8]) {
        let done = self.store.transactions.load(Ordering::Relaxed);
        self.store.goes_away_after.store(done + transactions, Ordering::Relaxed);
        let failure = self.import(file).map(|(imported, _)| imported).unwrap_err();
        assert_eq!(failure.class(), Class::Retryable);
        self.store.goes_away_after.store(usize::MAX, Ordering::Relaxed);
    }

    fn receipt(&self, imported: &Imported) -> Vec<u8> {
        self.reports.0.lock().unwrap().objects[imported.receipt.as_ref().unwrap()].clone()
    }
}

/// A sale of each member; some spend, some more than they have, and some rows stand there twice.
fn file() -> Vec<u8> {
    let at = "2017-01-05T12:00:00+08:00";
    let rows = (0..MEMBERS).flat_map(|member| {
        let sale = format!("accrual,dining,S-{member},{at},m{member},100.00,,");
        let spent =
            |points: u32| format!("redemption,dining,R-{member},2017-01-06T12:00:00+08:00,m{member},,{points},");
        match member % 10 {
            3 => vec![spent(100), sale],
            5 => vec![sale, spent(1_000)],
            7 => vec![sale.clone(), sale],
            _ => vec![sale],
        }
    });
    csv(rows)
}

#[test]
fn no_two_writes_of_a_file_ask_for_the_same_gate_and_as_many_are_under_way_as_there_are_shards() {
    let place = Place::new();
    let (imported, _) = place.import(&file()).unwrap();
    assert_eq!(imported.rejected_by_rule, BTreeMap::from([("insufficient-points".to_owned(), MEMBERS as u64 / 10)]));
    assert_eq!(place.store.gates.lock().unwrap().len(), usize::from(SHARDS), "every shard has its part");
    assert_eq!(place.store.most_at_a_gate.load(Ordering::Relaxed), 1);
    assert_eq!(place.store.most_under_way.load(Ordering::Relaxed), usize::from(SHARDS));
    let (fewest, each_shard) = (MEMBERS / MEMBERS_TOGETHER, usize::from(SHARDS));
    let transactions = place.store.transactions.load(Ordering::Relaxed);
    assert!((fewest..fewest + each_shard).contains(&transactions), "{transactions}: some in vain");
}

#[test]
fn a_try_that_was_cut_off_is_gone_on_with_behind_its_checkpoint_and_ends_as_one_that_was_not() {
    let file = file();
    let whole = Place::new();
    let undisturbed = whole.import(&file).unwrap();
    for cuts in [&[10][..], &[150], &[350], &[700], &[150, 10, 300]] {
        let place = Place::new();
        for cut in cuts {
            place.cut_off_after(*cut, &file);
        }
        let before = place.store.transactions.load(Ordering::Relaxed);
        let resumed = place.import(&file).unwrap();
        assert_eq!(resumed.0, undisturbed.0, "{cuts:?}");
        assert!(resumed.1 == undisturbed.1, "{cuts:?}: other rejects");
        assert_eq!(place.receipt(&resumed.0), whole.receipt(&undisturbed.0), "{cuts:?}");
        // Checkpoints are 256 members apart, and as many may be under way as there are
        // lanes, each with its members together.
        let done: usize = cuts.iter().sum();
        let again = place.store.transactions.load(Ordering::Relaxed) - before;
        let lost = cuts.len() * (256 + usize::from(SHARDS) * MEMBERS_TOGETHER);
        let saved = (done * MEMBERS_TOGETHER).saturating_sub(lost) / MEMBERS_TOGETHER;
        let most = MEMBERS / MEMBERS_TOGETHER + usize::from(SHARDS) * (1 + cuts.len());
        assert!(again <= most - saved, "{cuts:?}: {again} transactions after {done}");
        let (repeated, _) = place.import(&file).unwrap();
        assert!(repeated.is_repeat, "{cuts:?}");
        assert_eq!((repeated.accepted, repeated.replayed), (0, resumed.0.accepted + resumed.0.replayed), "{cuts:?}");
        assert_eq!(repeated.rejected_by_rule, resumed.0.rejected_by_rule, "{cuts:?}");
        assert_eq!(place.receipt(&repeated), whole.receipt(&undisturbed.0), "{cuts:?}");
        let inbox = place.inbox.0.lock().unwrap();
        assert!(inbox.objects.keys().all(|key| key.starts_with("checkpoints/group/")), "one place for all of them");
        assert_eq!(inbox.objects.len(), 1);
    }
}
