//! The ledger: one DynamoDB table. The domain decides what is written; this
//! crate knows how, and is the only one that does.

pub mod attributes;
mod error;
mod items;
mod keys;
mod periods;
mod post;
mod read;
mod statements;
mod table;

pub use error::LedgerError;
pub use items::{Recorded, RememberedRefusal, entry_item};
pub use periods::{Attempt, PeriodState, Run, Status};
pub use post::{Answer, ENTRIES_PER_BATCH, Rejection, Source};
pub use statements::{LinePosition, StatementFilter, StatementPosition};
pub use table::{Consumed, STATEMENT_INDEX};

use aws_sdk_dynamodb::Client;
use table::Table;

#[derive(Debug, Clone)]
pub struct Ledger {
    table: Table,
}

impl Ledger {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { table: Table::new(client, table) }
    }

    /// Creates the table where no template does: on a laptop and in tests.
    pub async fn create_table_if_missing(&self) -> Result<(), LedgerError> {
        self.table.create_if_missing().await
    }

    /// Capacity units consumed through this ledger, for metrics and tests.
    pub fn consumed(&self) -> &Consumed {
        self.table.consumed()
    }
}
