//! The way between a process and its table and buckets: requests take time, get
//! lost, arrive late, are refused, and are tried again as the SDK does.

use super::executor::{Sim, slot};
use super::memory::{Bytes, Table, presigned};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use interline_ledger::LedgerError;
use interline_ledger::store::{Condition, Consumed, Item, Key, Outcome, Store, TransactError, Write};
use interline_reports::bucket::{Objects, StoreError};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the SDK tries of a request.
const TRIES: u32 = 4;
/// How late a request may arrive that its sender gave up.
const LATE_MILLIS: i64 = 60_000;
/// How far the statement index may lag behind.
const INDEX_LAG_MILLIS: i64 = 20_000;

/// How often what happens, in thousandths of requests.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// A try fails, in one of the ways of [`Fault`].
    pub tries: u64,
    /// All tries of a request fail.
    pub outages: u64,
    pub conflicts: u64,
    pub slow: u64,
    /// A process ends in the middle of an invocation.
    pub crashes: u64,
    /// An invocation happens twice.
    pub duplicates: u64,
}

impl Faults {
    pub const NONE: Self = Self { tries: 0, outages: 0, conflicts: 0, slow: 0, crashes: 0, duplicates: 0 };
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    NeverSent,
    LostReply,
    /// The sender gives up first; then the request arrives.
    Late,
    Throttled,
    /// The service fails, before it did what was asked for or after.
    Internal,
}

const FAULTS: [Fault; 5] = [Fault::NeverSent, Fault::LostReply, Fault::Late, Fault::Throttled, Fault::Internal];

/// What all processes share.
#[derive(Debug)]
pub struct Cloud {
    pub sim: Sim,
    pub table: Mutex<Table>,
    pub reports: Mutex<Bytes>,
    pub inbox: Mutex<Bytes>,
    pub faults: Faults,
    /// From now on nothing fails any more.
    pub healed: AtomicBool,
    consumed: Consumed,
}

impl Cloud {
    pub fn new(sim: Sim, faults: Faults) -> Self {
        Self {
            sim,
            table: Mutex::default(),
            reports: Mutex::default(),
            inbox: Mutex::default(),
            faults,
            healed: AtomicBool::new(false),
            consumed: Consumed::default(),
        }
    }

    pub fn faults(&self) -> Faults {
        if self.healed.load(Ordering::Relaxed) { Faults::NONE } else { self.faults }
    }

    fn latency(&self) -> i64 {
        if self.sim.chance(self.faults().slow) { self.sim.between(200, 4_000) } else { self.sim.between(1, 12) }
    }

    /// One try. `None`: no answer in time, or none that helps.
    async fn attempt<T: Send + 'static>(
        self: &Arc<Self>,
        what: &str,
        fault: Option<Fault>,
        carry_out: impl FnOnce(&Cloud) -> T + Send + 'static,
    ) -> Option<T> {
        let (there, back) = (self.latency(), self.latency());
        let arrives = match fault {
            Some(Fault::NeverSent | Fault::Throttled) => {
                self.sim.step("fault");
                self.sim.sleep(there + back).await;
                return None;
            }
            Some(Fault::Internal) if self.sim.chance(500) => {
                self.sim.step("fault");
                self.sim.sleep(there + back).await;
                return None;
            }
            Some(Fault::Late) => self.sim.between(there, LATE_MILLIS),
            Some(Fault::LostReply | Fault::Internal) | None => there,
        };
        // A request that is on its way when its process ends may arrive or not.
        let survives = self.sim.chance(500);
        let (cloud, what) = (self.clone(), what.to_owned());
        let (slot, answer) = slot();
        self.sim.after(arrives, move || {
            if slot.is_forgotten() && !survives && fault.is_none() {
                return;
            }
            cloud.sim.step(&what);
            let value = carry_out(&cloud);
            cloud.sim.clone().after(back, move || slot.fill(value));
        });
        match fault {
            None => Some(answer.await),
            Some(_) => {
                self.sim.sleep(self.sim.between(1_000, 10_000)).await;
                None
            }
        }
    }

    /// A request with the SDK's tries; `None` when all of them failed.
    async fn request<T: Send + 'static>(
        self: &Arc<Self>,
        what: &str,
        carry_out: impl FnOnce(&Cloud) -> T + Clone + Send + 'static,
    ) -> Option<T> {
        let faults = self.faults();
        let is_outage = self.sim.chance(faults.outages);
        for attempt in 0..TRIES {
            let fault = (is_outage || self.sim.chance(faults.tries)).then(|| *self.sim.pick(&FAULTS));
            if let Some(answer) = self.attempt(what, fault, carry_out.clone()).await {
                return Some(answer);
            }
            self.sim.sleep(self.sim.between(1, 1_000 << attempt)).await;
        }
        None
    }
}

/// The table as a process reaches it.
#[derive(Debug)]
pub struct Wire(pub Arc<Cloud>);

fn unavailable() -> LedgerError {
    LedgerError::Unavailable("the tries of the request are used up".to_owned())
}

#[async_trait]
impl Store for Wire {
    async fn create_if_missing(&self) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, LedgerError> {
        let asked = key.clone();
        let read = move |cloud: &Cloud| cloud.table.lock().unwrap().get(&asked);
        self.0.request(&format!("get {} {}", key.pk, key.sk), read).await.ok_or_else(unavailable)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Item>, LedgerError> {
        let keys = keys.to_vec();
        let read = move |cloud: &Cloud| cloud.table.lock().unwrap().get_many(&keys);
        self.0.request("get many", read).await.ok_or_else(unavailable)?
    }

    async fn page(
        &self,
        pk: &str,
        prefix: Option<&str>,
        after: Option<String>,
        limit: Option<i32>,
    ) -> Result<(Vec<Item>, Option<String>), LedgerError> {
        let what = format!("page {pk}");
        let (pk, prefix) = (pk.to_owned(), prefix.map(str::to_owned));
        // Small pages now and then, so that a partition is read in several.
        let small = self.0.sim.chance(150).then(|| self.0.sim.between(1, 5) as i32);
        let limit = limit.into_iter().chain(small).min();
        let read =
            move |cloud: &Cloud| cloud.table.lock().unwrap().page(&pk, prefix.as_deref(), after.as_deref(), limit);
        self.0.request(&what, read).await.ok_or_else(unavailable)?
    }

    async fn statement_page(
        &self,
        member: &str,
        start: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), LedgerError> {
        let member = member.to_owned();
        let read = move |cloud: &Cloud| {
            cloud.table.lock().unwrap().statement_page(&member, start.as_ref(), limit, cloud.sim.now())
        };
        self.0.request("statement", read).await.ok_or_else(unavailable)?
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<bool, LedgerError> {
        let name = |attribute: &str| item.get(attribute).and_then(|value| value.as_s().ok()).cloned();
        let (pk, sk) = (name("pk").unwrap_or_default(), name("sk").unwrap_or_default());
        // Transactions that are under way check gates, so those are taken more often.
        let conflicts = self.0.faults().conflicts * if pk.starts_with("G#") { 4 } else { 1 };
        if self.0.sim.chance(conflicts) {
            self.0.sim.step("conflict");
            self.0.sim.sleep(self.0.latency()).await;
            return Err(LedgerError::Conflicted);
        }
        let what = format!("put {pk} {sk}");
        let write = move |cloud: &Cloud| cloud.table.lock().unwrap().put(item, &condition, cloud.sim.now());
        self.0.request(&what, write).await.ok_or_else(unavailable)?
    }

    async fn transact(&self, writes: &[Write]) -> Result<(), TransactError> {
        let sim = &self.0.sim;
        if sim.chance(self.0.faults().conflicts) {
            sim.step("conflict");
            sim.sleep(self.0.latency()).await;
            let mut outcomes: Vec<Outcome> = writes.iter().map(|_| Outcome::Fine).collect();
            let at = sim.below(writes.len() as u64) as usize;
            outcomes[at] = Outcome::Conflict;
            return Err(TransactError::Cancelled(outcomes));
        }
        let (writes, token, lag) = (writes.to_vec(), sim.number(), sim.between(0, INDEX_LAG_MILLIS));
        let write = move |cloud: &Cloud| cloud.table.lock().unwrap().transact(&writes, token, lag, cloud.sim.now());
        self.0.request("transact", write).await.ok_or_else(|| TransactError::Ledger(unavailable()))?
    }

    async fn pause(&self, longest: Duration, _: u64) {
        let longest = longest.as_millis() as i64;
        self.0.sim.sleep(self.0.sim.between(longest / 2, longest)).await;
    }

    fn consumed(&self) -> &Consumed {
        &self.0.consumed
    }
}

/// A bucket as a process reaches it.
#[derive(Debug)]
pub struct BucketWire {
    pub cloud: Arc<Cloud>,
    pub of: fn(&Cloud) -> &Mutex<Bytes>,
}

impl BucketWire {
    async fn request<T: Send + 'static>(
        &self,
        what: &str,
        key: &str,
        carry_out: impl FnOnce(&mut Bytes) -> T + Clone + Send + 'static,
    ) -> Result<T, StoreError> {
        let of = self.of;
        let what = format!("{what} {key}");
        let answer = self.cloud.request(&what, move |cloud| carry_out(&mut of(cloud).lock().unwrap()));
        let reason = || "the tries of the request are used up".to_owned();
        answer.await.ok_or_else(|| StoreError::Unavailable { key: key.to_owned(), reason: reason() })
    }
}

#[async_trait]
impl Objects for BucketWire {
    async fn create_if_missing(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn get(&self, key: &str, version: Option<&str>, limit: u64) -> Result<Vec<u8>, StoreError> {
        let (asked, version) = (key.to_owned(), version.map(str::to_owned));
        self.request("get", key, move |bytes| bytes.get(&asked, version.as_deref(), limit)).await?
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let asked = key.to_owned();
        self.request("get a range of", key, move |bytes| bytes.get_range(&asked, range)).await?
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let asked = key.to_owned();
        self.request("put", key, move |objects| objects.put(&asked, bytes)).await
    }

    async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let sim = &self.cloud.sim;
        if sim.chance(self.cloud.faults().conflicts / 4) {
            sim.step("conflict");
            let reason = "ConditionalRequestConflict".to_owned();
            return Err(StoreError::Unavailable { key: key.to_owned(), reason });
        }
        let asked = key.to_owned();
        self.request("put new", key, move |objects| objects.put_new(&asked, bytes)).await
    }

    async fn count(&self, prefix: &str, most: u16) -> Result<usize, StoreError> {
        let asked = prefix.to_owned();
        self.request("count", prefix, move |objects| objects.count(&asked, most)).await
    }

    async fn lock(&self, key: &str, until: DateTime<Utc>) -> Result<(), StoreError> {
        let asked = key.to_owned();
        self.request("lock", key, move |objects| objects.lock(&asked, until)).await?
    }

    async fn presigned(&self, key: &str, valid_for: Duration) -> Result<String, StoreError> {
        Ok(presigned(key, valid_for))
    }
}
