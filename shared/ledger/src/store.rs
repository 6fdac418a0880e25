//! What the ledger needs of its store: a few typed operations with the semantics
//! of DynamoDB. Production implements them with the SDK, the simulation in memory.

use crate::error::LedgerError;
use crate::items::{self, Recorded};
use crate::keys;
use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity};
use futures::stream::{self, BoxStream};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use crate::keys::Key;

/// The index for statements. Nothing is settled from it.
pub const STATEMENT_INDEX: &str = "member-statement";

const FIRST_PAUSE_MILLIS: u64 = 4;
const PAUSE_DOUBLED_AT_MOST: u32 = 6;
const LONGEST_PAUSE_MILLIS: u64 = 250;

pub type Item = HashMap<String, AttributeValue>;

/// Capacity units consumed since the start, in tenths.
#[derive(Debug, Default)]
pub struct Consumed {
    read_tenths: AtomicU64,
    write_tenths: AtomicU64,
}

impl Consumed {
    /// Read and write units so far.
    pub fn units(&self) -> (f64, f64) {
        let units = |tenths: &AtomicU64| tenths.load(Ordering::Relaxed) as f64 / 10.0;
        (units(&self.read_tenths), units(&self.write_tenths))
    }

    pub(crate) fn read(&self, capacity: &[ConsumedCapacity]) {
        Self::count(&self.read_tenths, capacity);
    }

    pub(crate) fn wrote(&self, capacity: &[ConsumedCapacity]) {
        Self::count(&self.write_tenths, capacity);
    }

    fn count(counter: &AtomicU64, capacity: &[ConsumedCapacity]) {
        let units: f64 = capacity.iter().filter_map(ConsumedCapacity::capacity_units).sum();
        counter.fetch_add((units * 10.0).round() as u64, Ordering::Relaxed);
    }
}

/// One item of a transaction.
#[derive(Debug, Clone)]
pub enum Write {
    Put {
        item: Item,
        condition: Condition,
    },
    /// Writes nothing; the transaction fails if the item exists.
    RequireAbsent {
        key: Key,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    None,
    Absent,
    /// The attribute has exactly this value.
    Equals(&'static str, AttributeValue),
}

/// Why a transaction was cancelled: for each write, in order.
#[derive(Debug)]
pub enum Outcome {
    Fine,
    /// The condition failed; the item as it is.
    Condition(Item),
    /// Another transaction was under way, or the partition was busy.
    Conflict,
}

#[derive(Debug)]
pub enum TransactError {
    Cancelled(Vec<Outcome>),
    Ledger(LedgerError),
}

/// Partitions of items in the order of their sort keys, and one index.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Creates the table where no template does: on a laptop and in tests.
    async fn create_if_missing(&self) -> Result<(), LedgerError>;

    /// A strongly consistent read.
    async fn get(&self, key: &Key) -> Result<Option<Item>, LedgerError>;

    /// Strongly consistent reads of up to 100 items, in no order.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Item>, LedgerError>;

    /// One page of a partition in key order, strongly consistent: the items whose
    /// sort key starts with `prefix`. `after` is the sort key where the page
    /// before ended.
    async fn page(
        &self,
        pk: &str,
        prefix: Option<&str>,
        after: Option<String>,
        limit: Option<i32>,
    ) -> Result<(Vec<Item>, Option<String>), LedgerError>;

    /// One page of the statement index, newest first, and whether there are more.
    /// It may lag behind the writes. `start` names the item where the page before
    /// ended: its keys in the table and in the index.
    async fn statement_page(
        &self,
        member: &str,
        start: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), LedgerError>;

    /// A conditional write of one item. `false`: the condition failed. That may be
    /// by this very write, if its reply was lost and the request was tried again.
    /// [`LedgerError::Conflicted`] while a transaction has the item, be it only to check it.
    async fn put(&self, item: Item, condition: Condition) -> Result<bool, LedgerError>;

    /// Writes all or nothing. A reply that is lost is asked for again with the same
    /// token, so the writes take effect once.
    async fn transact(&self, writes: &[Write]) -> Result<(), TransactError>;

    /// Waits at least half of `longest` and at most all of it, spread by `seed` and by
    /// whatever tells one process from another.
    async fn pause(&self, longest: Duration, seed: u64);

    fn consumed(&self) -> &Consumed;

    /// All items of a partition in key order, page by page, strongly consistent;
    /// at least the attributes that a month is closed and accounts are proven from. It ends after the first
    /// error.
    fn partition(self: Arc<Self>, pk: String) -> BoxStream<'static, Result<Vec<Item>, LedgerError>> {
        let start = Some((self, pk, None));
        Box::pin(stream::unfold(start, |position| async move {
            let (store, pk, after) = position?;
            match store.page(&pk, None, after, None).await {
                Ok((items, None)) => Some((Ok(items), None)),
                Ok((items, next)) => Some((Ok(items), Some((store, pk, next)))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}

/// The longest wait behind an attempt: twice as long with every one.
pub(crate) fn longest_pause(attempt: u32) -> Duration {
    let doubled = attempt.min(PAUSE_DOUBLED_AT_MOST);
    Duration::from_millis((FIRST_PAUSE_MILLIS << doubled).min(LONGEST_PAUSE_MILLIS))
}

/// The entry under a key that a reference points to.
pub(crate) async fn recorded(store: &dyn Store, key: &Key) -> Result<Recorded, LedgerError> {
    match store.get(key).await? {
        Some(item) => items::recorded(&item),
        None => Err(missing(key)),
    }
}

/// Something points to an item that is not there.
pub(crate) fn missing(key: &Key) -> LedgerError {
    LedgerError::Broken { item: keys::without_member(&key.pk, &key.sk), attribute: "all".to_owned() }
}
