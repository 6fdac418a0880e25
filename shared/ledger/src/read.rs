//! Reads: accounts, and whole shards for the month-end.

use crate::Ledger;
use crate::error::LedgerError;
use crate::items;
use crate::keys;
use crate::store::Item;
use futures::stream::{BoxStream, StreamExt};
use interline_domain::claims::account::Account;
use interline_domain::events::Entry;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::LineId;
use interline_domain::units::id::MemberId;
use interline_domain::units::shard::{Shard, Shards};

/// The entries of one shard, in key order.
pub struct ShardEntries(ShardRecords);

impl ShardEntries {
    /// The entries of the next page; `None` after the last.
    pub async fn next_page(&mut self) -> Option<Result<Vec<Entry>, LedgerError>> {
        let records = self.0.next_page().await?;
        Some(records.map(|records| records.into_iter().map(|(entry, _)| entry).collect()))
    }
}

/// The entries of one shard with their place among their member's, in key order.
pub struct ShardRecords {
    pages: BoxStream<'static, Result<Vec<Item>, LedgerError>>,
}

impl ShardRecords {
    /// The next page; `None` after the last.
    pub async fn next_page(&mut self) -> Option<Result<Vec<(Entry, u64)>, LedgerError>> {
        match self.pages.next().await? {
            Ok(items) => Some(items.iter().map(items::cleared).collect()),
            Err(error) => Some(Err(error)),
        }
    }
}

impl Ledger {
    /// A member's account; empty for one that never had an event.
    pub async fn account(&self, member: &MemberId) -> Result<Account, LedgerError> {
        let item = self.store.get(&keys::account(member)).await?;
        Ok(item.as_ref().map(items::account).transpose()?.unwrap_or_default())
    }

    /// Whether anything is booked in a period: strongly consistent, and no longer
    /// than until one entry is found.
    pub async fn has_entries(&self, period: Period, shards: Shards) -> Result<bool, LedgerError> {
        self.has_any(period, shards, None).await
    }

    /// As [`has_entries`](Self::has_entries), of one line.
    pub async fn has_entries_of(&self, period: Period, shards: Shards, line: &LineId) -> Result<bool, LedgerError> {
        self.has_any(period, shards, Some(&keys::of_line(line))).await
    }

    async fn has_any(&self, period: Period, shards: Shards, prefix: Option<&str>) -> Result<bool, LedgerError> {
        for shard in shards.all() {
            let (found, _) = self.store.page(&keys::shard(period, shard), prefix, None, Some(1)).await?;
            if !found.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Strongly consistent reads of one shard of the base table.
    pub fn shard_entries(&self, period: Period, shard: Shard) -> ShardEntries {
        ShardEntries(self.shard_records(period, shard))
    }

    /// As [`shard_entries`](Self::shard_entries), for proving accounts.
    pub fn shard_records(&self, period: Period, shard: Shard) -> ShardRecords {
        ShardRecords { pages: self.store.clone().partition(keys::shard(period, shard)) }
    }
}
