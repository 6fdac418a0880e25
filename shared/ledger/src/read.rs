//! Reads: accounts, and whole shards for the month-end.

use crate::Ledger;
use crate::error::LedgerError;
use crate::items;
use crate::keys;
use crate::store::Item;
use futures::stream::{BoxStream, StreamExt};
use interline_domain::account::Account;
use interline_domain::calendar::Period;
use interline_domain::entry::Entry;
use interline_domain::id::MemberId;
use interline_domain::limits::SHARDS;

/// Items that a look for the first entry takes at once.
const FIRST_LOOK: i32 = 8;

/// The entries of one shard, in key order.
pub struct ShardEntries {
    pages: BoxStream<'static, Result<Vec<Item>, LedgerError>>,
}

impl ShardEntries {
    /// The entries of the next page; `None` after the last.
    pub async fn next_page(&mut self) -> Option<Result<Vec<Entry>, LedgerError>> {
        let items = match self.pages.next().await? {
            Ok(items) => items,
            Err(error) => return Some(Err(error)),
        };
        let entries: Result<Vec<Option<Entry>>, LedgerError> = items.iter().map(items::cleared).collect();
        Some(entries.map(|entries| entries.into_iter().flatten().collect()))
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
    pub async fn has_entries(&self, period: Period) -> Result<bool, LedgerError> {
        for shard in 0..SHARDS {
            let (pk, mut after) = (keys::shard(period, shard), None);
            loop {
                let (found, next) = self.store.page(&pk, None, after, Some(FIRST_LOOK)).await?;
                for item in &found {
                    if items::cleared(item)?.is_some() {
                        return Ok(true);
                    }
                }
                if next.is_none() {
                    break;
                }
                after = next;
            }
        }
        Ok(false)
    }

    /// Strongly consistent reads of one shard of the base table.
    pub fn shard_entries(&self, period: Period, shard: u8) -> ShardEntries {
        ShardEntries { pages: self.store.clone().partition(keys::shard(period, shard)) }
    }
}
