//! The ledger: one DynamoDB table. The domain decides what is written; this
//! crate knows how, and is the only one that does.

mod accounts;
mod answer;
pub mod attributes;
mod draft;
mod dynamodb;
mod error;
mod items;
mod keys;
mod lots;
mod periods;
mod post;
mod read;
mod references;
mod rulebooks;
mod service_time;
mod statements;
pub mod store;

pub use answer::{Answer, Rejection, Source};
pub use error::LedgerError;
pub use items::{Asked, EntrySource, Recorded, RememberedRefusal, account_item, entry_item};
pub use periods::{CameIntoForce, InForce, NewRulebook};
pub use post::{Clock, ENTRIES_PER_BATCH, MEMBERS_TOGETHER};
pub use read::{ShardEntries, ShardRecords};
pub use rulebooks::Rulebooks;
pub use statements::{Between, LineFilter, LinePosition, StatementFilter, StatementPosition};
pub use store::{Consumed, STATEMENT_INDEX, Store};

use aws_sdk_dynamodb::Client;
use dynamodb::Table;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use store::{Condition, Item};

/// Some three seconds of a gate that is checked by one writer after the other.
const PUT_ATTEMPTS: u32 = 20;

#[derive(Debug, Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
    gate_always_checked: bool,
}

impl Ledger {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self::on(Arc::new(Table::new(client, table)))
    }

    pub fn on(store: Arc<dyn Store>) -> Self {
        Self { store, gate_always_checked: false }
    }

    /// Whether an event checks its period's gate even where the clock says that the
    /// period is not over: for a clock that was set by hand.
    pub fn with_gate_always_checked(self, gate_always_checked: bool) -> Self {
        Self { gate_always_checked, ..self }
    }

    /// Creates the table where no template does: on a laptop and in tests.
    pub async fn create_table_if_missing(&self) -> Result<(), LedgerError> {
        self.store.create_if_missing().await
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// A conditional write of one item, again and again while a transaction has it.
    pub(crate) async fn put(&self, item: Item, condition: Condition) -> Result<bool, LedgerError> {
        let mut hasher = DefaultHasher::new();
        item.get(attributes::PK).and_then(|pk| pk.as_s().ok()).hash(&mut hasher);
        let seed = hasher.finish();
        for attempt in 0..PUT_ATTEMPTS {
            match self.store.put(item.clone(), condition.clone()).await {
                Err(LedgerError::Conflicted) => {
                    self.store.pause(store::longest_pause(attempt), seed.rotate_left(attempt)).await;
                }
                other => return other,
            }
        }
        Err(LedgerError::Contention(PUT_ATTEMPTS))
    }

    /// Capacity units consumed through this ledger, for metrics and tests.
    pub fn consumed(&self) -> &Consumed {
        self.store.consumed()
    }
}
