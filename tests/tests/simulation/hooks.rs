//! The store in memory, with something happening before a write.

use async_trait::async_trait;
use interline_ledger::LedgerError;
use interline_ledger::store::{Condition, Consumed, Item, Key, Store, TransactError, Write};
use interline_tests::sim::memory::Memory;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type BeforeTransaction = Box<dyn Fn(&[Write]) -> Result<(), TransactError> + Send + Sync>;
type BeforePut = Box<dyn Fn(&Item) + Send + Sync>;

#[derive(Default)]
pub struct Hooked {
    memory: Arc<Memory>,
    before_transaction: Option<BeforeTransaction>,
    before_put: Option<BeforePut>,
    pauses: Mutex<Vec<(Duration, u64)>>,
}

impl Hooked {
    /// Over a store that others reach, too.
    pub fn on(memory: Arc<Memory>) -> Self {
        Self { memory, ..Self::default() }
    }

    /// A transaction fails where this does.
    pub fn before_transactions(
        self,
        hook: impl Fn(&[Write]) -> Result<(), TransactError> + Send + Sync + 'static,
    ) -> Self {
        Self { before_transaction: Some(Box::new(hook)), ..self }
    }

    pub fn before_puts(self, hook: impl Fn(&Item) + Send + Sync + 'static) -> Self {
        Self { before_put: Some(Box::new(hook)), ..self }
    }

    /// What was asked for: the longest, and the seed.
    pub fn pauses(&self) -> Vec<(Duration, u64)> {
        self.pauses.lock().unwrap().clone()
    }
}

impl fmt::Debug for Hooked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.memory.fmt(formatter)
    }
}

#[async_trait]
impl Store for Hooked {
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
        if let Some(hook) = &self.before_put {
            hook(&item);
        }
        self.memory.put(item, condition).await
    }

    async fn transact(&self, writes: &[Write]) -> Result<(), TransactError> {
        if let Some(hook) = &self.before_transaction {
            hook(writes)?;
        }
        self.memory.transact(writes).await
    }

    async fn pause(&self, longest: Duration, seed: u64) {
        self.pauses.lock().unwrap().push((longest, seed));
    }

    fn consumed(&self) -> &Consumed {
        self.memory.consumed()
    }
}
