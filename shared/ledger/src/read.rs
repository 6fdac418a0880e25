//! Reads: accounts, and whole shards for the month-end.

use crate::Ledger;
use crate::error::LedgerError;
use crate::items::{self, Found, Item};
use crate::keys;
use interline_domain::account::Account;
use interline_domain::calendar::Period;
use interline_domain::entry::Entry;
use interline_domain::id::MemberId;
use tokio::sync::mpsc;

/// Pages read ahead while earlier ones are folded.
const PAGES_AHEAD: usize = 2;

/// The entries of one shard, in key order, read ahead by a task of its own.
pub struct ShardEntries {
    pages: mpsc::Receiver<Result<Vec<Item>, LedgerError>>,
}

impl ShardEntries {
    /// The entries of the next page; `None` after the last.
    pub async fn next_page(&mut self) -> Option<Result<Vec<Entry>, LedgerError>> {
        let items = match self.pages.recv().await? {
            Ok(items) => items,
            Err(error) => return Some(Err(error)),
        };
        let mut entries = Vec::with_capacity(items.len());
        for item in &items {
            match items::found(item) {
                Ok(Found::Entry(recorded)) => entries.push(recorded.entry),
                // Kept for retries only; they clear nothing.
                Ok(Found::Stub { .. } | Found::Refusals(_)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(entries))
    }
}

impl Ledger {
    /// A member's account; empty for one that never had an event.
    pub async fn account(&self, member: &MemberId) -> Result<Account, LedgerError> {
        let item = self.table.get(&keys::account(member)).await?;
        Ok(item.as_ref().map(items::account).transpose()?.unwrap_or_default())
    }

    /// Strongly consistent reads of one shard of the base table.
    pub fn shard_entries(&self, period: Period, shard: u8) -> ShardEntries {
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        let table = self.table.clone();
        tokio::spawn(async move {
            let pk = keys::shard(period, shard);
            let mut after = None;
            loop {
                let page = table.page(&pk, None, after, None).await;
                let next = page.as_ref().ok().and_then(|(_, next)| next.clone());
                let sent = sender.send(page.map(|(items, _)| items)).await;
                match next {
                    Some(_) if sent.is_ok() => after = next,
                    _ => return,
                }
            }
        });
        ShardEntries { pages }
    }
}
