//! The ledger: one DynamoDB table. The domain decides what is written; this
//! crate knows how, and is the only one that does.

mod accounts;
pub mod attributes;
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
mod statements;
pub mod store;

pub use error::LedgerError;
pub use items::{EntrySource, Recorded, RememberedRefusal, entry_item};
pub use periods::{Attempt, InForce, PeriodState, Run, Status};
pub use post::{Answer, ENTRIES_PER_BATCH, Rejection, Source};
pub use read::{ShardEntries, ShardRecords};
pub use rulebooks::Rulebooks;
pub use statements::{LinePosition, StatementFilter, StatementPosition};
pub use store::{Consumed, STATEMENT_INDEX, Store};

use aws_sdk_dynamodb::Client;
use dynamodb::Table;
use std::sync::Arc;

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

    /// Capacity units consumed through this ledger, for metrics and tests.
    pub fn consumed(&self) -> &Consumed {
        self.store.consumed()
    }
}
