//! A table and a bucket in memory, with the semantics of DynamoDB and S3 as far as
//! the ports promise them. The contract suite compares them with the real ones.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use interline_ledger::LedgerError;
use interline_ledger::attributes::{MEMBER, OCCURRED, PK, SK};
use interline_ledger::store::{Condition, Consumed, Item, Key, Outcome, Store, TransactError, Write};
use interline_reports::bucket::{Objects, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ITEM_MAX_BYTES: usize = 400 * 1024;
const PAGE_MAX_BYTES: usize = 1024 * 1024;
const TRANSACTION_MAX_BYTES: usize = 4 * 1024 * 1024;
const TRANSACTION_MAX_ITEMS: usize = 100;
const BATCH_MAX_ITEMS: usize = 100;

/// Items written at once: the history that an auditor reads.
#[derive(Debug, Clone)]
pub struct Commit {
    pub at: i64,
    pub items: Vec<(Key, Arc<Item>)>,
}

/// An item in the statement index, and from when on it is seen there.
type Indexed = (Arc<Item>, i64);

/// Every operation takes effect at once and whole.
#[derive(Debug, Clone, Default)]
pub struct Table {
    partitions: BTreeMap<String, BTreeMap<String, Arc<Item>>>,
    /// By member, then by time and key.
    index: BTreeMap<String, BTreeMap<(String, String, String), Indexed>>,
    /// Tokens of transactions that were carried out.
    tokens: BTreeSet<u64>,
    /// In the order in which they took effect.
    pub commits: Vec<Commit>,
}

fn text<'a>(item: &'a Item, attribute: &str) -> Option<&'a String> {
    item.get(attribute).and_then(|value| value.as_s().ok())
}

fn key_of(item: &Item) -> Result<Key, LedgerError> {
    match (text(item, PK), text(item, SK)) {
        (Some(pk), Some(sk)) if !pk.is_empty() && !sk.is_empty() => Ok(Key { pk: pk.clone(), sk: sk.clone() }),
        _ => Err(LedgerError::Refused("the item has no key".to_owned())),
    }
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::M(map) => 3 + map.iter().map(|(name, value)| name.len() + value_size(value) + 1).sum::<usize>(),
        AttributeValue::L(list) => 3 + list.iter().map(|value| value_size(value) + 1).sum::<usize>(),
        _ => 1,
    }
}

fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

impl Table {
    pub fn get(&self, key: &Key) -> Option<Item> {
        self.partitions.get(&key.pk)?.get(&key.sk).map(|item| Item::clone(item))
    }

    pub fn get_many(&self, keys: &[Key]) -> Result<Vec<Item>, LedgerError> {
        let distinct: BTreeSet<&Key> = keys.iter().collect();
        if keys.is_empty() || keys.len() > BATCH_MAX_ITEMS || distinct.len() < keys.len() {
            return Err(LedgerError::Refused("a batch has 1 to 100 distinct keys".to_owned()));
        }
        // No order is promised; this one is not what anybody asked for.
        Ok(keys.iter().rev().filter_map(|key| self.get(key)).collect())
    }

    pub fn page(
        &self,
        pk: &str,
        prefix: Option<&str>,
        after: Option<&str>,
        limit: Option<i32>,
    ) -> Result<(Vec<Item>, Option<String>), LedgerError> {
        let limit = limit.map_or(Ok(usize::MAX), |limit| usize::try_from(limit).map_err(|_| 0)).unwrap_or(0);
        if limit == 0 {
            return Err(LedgerError::Refused("a limit is at least 1".to_owned()));
        }
        let prefix = prefix.unwrap_or_default();
        if after.is_some_and(|after| !after.starts_with(prefix)) {
            return Err(LedgerError::Refused("a page starts within what is asked for".to_owned()));
        }
        let Some(partition) = self.partitions.get(pk) else { return Ok((Vec::new(), None)) };
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let (mut items, mut bytes) = (Vec::new(), 0);
        for (sk, item) in partition.range::<str, _>((start, Bound::Unbounded)) {
            if !sk.starts_with(prefix) {
                break;
            }
            let next = bytes + size(item);
            if next > PAGE_MAX_BYTES && !items.is_empty() {
                let last = items.last().and_then(|item| text(item, SK)).cloned();
                return Ok((items, last));
            }
            bytes = next;
            items.push(Item::clone(item));
            if items.len() == limit {
                return Ok((items, Some(sk.clone())));
            }
        }
        Ok((items, None))
    }

    /// The index as it is seen at a moment.
    pub fn statement_page(
        &self,
        member: &str,
        start: Option<&Item>,
        limit: usize,
        now: i64,
    ) -> Result<(Vec<Item>, bool), LedgerError> {
        let before = match start {
            None => None,
            Some(start) => {
                let part = |name: &str| text(start, name).filter(|text| !text.is_empty()).cloned();
                let broken = || LedgerError::Refused("the start of a page names an item".to_owned());
                Some((part(OCCURRED).zip(part(PK)).zip(part(SK))).ok_or_else(broken)?)
            }
        };
        let end = match before {
            None => Bound::Unbounded,
            Some(((occurred, pk), sk)) => Bound::Excluded((occurred, pk, sk)),
        };
        let Some(of_member) = self.index.get(member) else { return Ok((Vec::new(), false)) };
        let mut items = Vec::new();
        for (item, seen_from) in of_member.range((Bound::Unbounded, end)).rev().map(|(_, indexed)| indexed) {
            if *seen_from <= now {
                items.push(Item::clone(item));
            }
            if items.len() == limit {
                return Ok((items, true));
            }
        }
        Ok((items, false))
    }

    /// `None`: the condition holds. Otherwise the item as it is, or nothing.
    fn fails(&self, key: &Key, condition: &Condition) -> Option<Item> {
        let item = self.partitions.get(&key.pk).and_then(|partition| partition.get(&key.sk));
        let holds = match condition {
            Condition::None => true,
            Condition::Absent => item.is_none(),
            Condition::Equals(attribute, value) => item.is_some_and(|item| item.get(*attribute) == Some(value)),
        };
        (!holds).then(|| item.map(|item| Item::clone(item)).unwrap_or_default())
    }

    fn write(&mut self, item: Item, lag: i64, now: i64) -> Result<(Key, Arc<Item>), LedgerError> {
        let key = key_of(&item)?;
        if size(&item) > ITEM_MAX_BYTES {
            return Err(LedgerError::Refused("an item has at most 400 KB".to_owned()));
        }
        let item = Arc::new(item);
        if let (Some(member), Some(occurred)) = (text(&item, MEMBER), text(&item, OCCURRED)) {
            let of_member = self.index.entry(member.clone()).or_default();
            of_member.insert((occurred.clone(), key.pk.clone(), key.sk.clone()), (item.clone(), now + lag));
        }
        self.partitions.entry(key.pk.clone()).or_default().insert(key.sk.clone(), item.clone());
        Ok((key, item))
    }

    pub fn put(&mut self, item: Item, condition: &Condition, now: i64) -> Result<bool, LedgerError> {
        if self.fails(&key_of(&item)?, condition).is_some() {
            return Ok(false);
        }
        let written = self.write(item, 0, now)?;
        self.commits.push(Commit { at: now, items: vec![written] });
        Ok(true)
    }

    /// `token` names the request: carried out once, it has no further effect.
    /// `lag` is how long the index takes to show the items.
    pub fn transact(&mut self, writes: &[Write], token: u64, lag: i64, now: i64) -> Result<(), TransactError> {
        let refused = |text: &str| TransactError::Ledger(LedgerError::Refused(text.to_owned()));
        if self.tokens.contains(&token) {
            return Ok(());
        }
        let (mut keys, mut bytes) = (BTreeSet::new(), 0);
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            let (key, failed) = match write {
                Write::Put { item, condition } => {
                    let key = key_of(item).map_err(TransactError::Ledger)?;
                    bytes += size(item);
                    if size(item) > ITEM_MAX_BYTES {
                        return Err(refused("an item has at most 400 KB"));
                    }
                    let failed = self.fails(&key, condition);
                    (key, failed)
                }
                Write::RequireAbsent { key } => (key.clone(), self.fails(key, &Condition::Absent)),
            };
            keys.insert(key);
            outcomes.push(failed.map_or(Outcome::Fine, Outcome::Condition));
        }
        if writes.is_empty() || writes.len() > TRANSACTION_MAX_ITEMS || keys.len() < writes.len() {
            return Err(refused("a transaction has 1 to 100 distinct items"));
        }
        if bytes > TRANSACTION_MAX_BYTES {
            return Err(refused("a transaction has at most 4 MB"));
        }
        if outcomes.iter().any(|outcome| !matches!(outcome, Outcome::Fine)) {
            return Err(TransactError::Cancelled(outcomes));
        }
        let mut written = Vec::with_capacity(writes.len());
        for write in writes {
            if let Write::Put { item, .. } = write {
                written.push(self.write(item.clone(), lag, now).map_err(TransactError::Ledger)?);
            }
        }
        self.tokens.insert(token);
        self.commits.push(Commit { at: now, items: written });
        Ok(())
    }
}

/// The table as a store without faults.
#[derive(Debug, Default)]
pub struct Memory {
    table: Mutex<Table>,
    requests: std::sync::atomic::AtomicU64,
    consumed: Consumed,
}

#[async_trait]
impl Store for Memory {
    async fn create_if_missing(&self) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, LedgerError> {
        Ok(self.table.lock().unwrap().get(key))
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Item>, LedgerError> {
        self.table.lock().unwrap().get_many(keys)
    }

    async fn page(
        &self,
        pk: &str,
        prefix: Option<&str>,
        after: Option<String>,
        limit: Option<i32>,
    ) -> Result<(Vec<Item>, Option<String>), LedgerError> {
        self.table.lock().unwrap().page(pk, prefix, after.as_deref(), limit)
    }

    async fn statement_page(
        &self,
        member: &str,
        start: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), LedgerError> {
        self.table.lock().unwrap().statement_page(member, start.as_ref(), limit, 0)
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<bool, LedgerError> {
        self.table.lock().unwrap().put(item, &condition, 0)
    }

    async fn transact(&self, writes: &[Write]) -> Result<(), TransactError> {
        let token = self.requests.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.table.lock().unwrap().transact(writes, token, 0, 0)
    }

    async fn pause(&self, _: Duration, _: u64) {}

    fn consumed(&self) -> &Consumed {
        &self.consumed
    }
}

/// Objects by their key.
#[derive(Debug, Default)]
pub struct Bytes {
    pub objects: BTreeMap<String, Vec<u8>>,
    /// Keys whose bytes were replaced by others.
    pub replaced: Vec<String>,
    /// What was replaced, by key, oldest first: the versions of an object are named `0`, `1`, ...
    pub versions: BTreeMap<String, Vec<Vec<u8>>>,
    /// Until when a key is locked.
    pub locks: BTreeMap<String, DateTime<Utc>>,
}

impl Bytes {
    pub fn get(&self, key: &str, version: Option<&str>, limit: u64) -> Result<Vec<u8>, StoreError> {
        let replaced = self.versions.get(key).map_or(&[][..], Vec::as_slice);
        let bytes = match version.map(str::parse::<usize>) {
            None => self.objects.get(key),
            Some(Ok(number)) if number < replaced.len() => replaced.get(number),
            Some(Ok(number)) => self.objects.get(key).filter(|_| number == replaced.len()),
            Some(Err(_)) => None,
        };
        let bytes = bytes.ok_or_else(|| StoreError::Missing(key.to_owned()))?;
        match bytes.len() as u64 > limit {
            true => Err(StoreError::TooLarge { key: key.to_owned(), limit }),
            false => Ok(bytes.clone()),
        }
    }

    /// As much of a range as there is, as S3 does.
    pub fn get_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let bytes = self.get(key, None, u64::MAX)?;
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(bytes.len());
        match range.start < bytes.len() as u64 {
            true => Ok(bytes[at(range.start)..at(range.end)].to_vec()),
            false => Err(StoreError::ends_before(key)),
        }
    }

    pub fn put(&mut self, key: &str, bytes: Vec<u8>) {
        let changed = self.objects.get(key).is_some_and(|before| *before != bytes);
        let before = self.objects.insert(key.to_owned(), bytes);
        if changed {
            self.replaced.push(key.to_owned());
            self.versions.entry(key.to_owned()).or_default().extend(before);
        }
    }

    pub fn put_new(&mut self, key: &str, bytes: Vec<u8>) -> bool {
        let is_new = !self.objects.contains_key(key);
        if is_new {
            self.objects.insert(key.to_owned(), bytes);
        }
        is_new
    }

    pub fn lock(&mut self, key: &str, until: DateTime<Utc>) -> Result<(), StoreError> {
        if !self.objects.contains_key(key) {
            return Err(StoreError::Missing(key.to_owned()));
        }
        let lock = self.locks.entry(key.to_owned()).or_insert(until);
        *lock = until.max(*lock);
        Ok(())
    }

    pub fn count(&self, prefix: &str, most: u16) -> usize {
        let under = self.objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        under.take(usize::from(most)).count()
    }
}

/// A bucket without faults.
#[derive(Debug, Default)]
pub struct MemoryBucket(pub Mutex<Bytes>);

#[async_trait]
impl Objects for MemoryBucket {
    async fn create_if_missing(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn get(&self, key: &str, version: Option<&str>, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.0.lock().unwrap().get(key, version, limit)
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        self.0.lock().unwrap().get_range(key, range)
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.0.lock().unwrap().put(key, bytes);
        Ok(())
    }

    async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        Ok(self.0.lock().unwrap().put_new(key, bytes))
    }

    async fn count(&self, prefix: &str, most: u16) -> Result<usize, StoreError> {
        Ok(self.0.lock().unwrap().count(prefix, most))
    }

    async fn lock(&self, key: &str, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.0.lock().unwrap().lock(key, until)
    }

    async fn presigned(&self, key: &str, valid_for: Duration) -> Result<String, StoreError> {
        Ok(presigned(key, valid_for))
    }
}

/// A link as the simulation knows them.
pub fn presigned(key: &str, valid_for: Duration) -> String {
    format!("memory:{key}?expires={}", valid_for.as_secs())
}
