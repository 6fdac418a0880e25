use crate::failure::Failure;
use chrono::{DateTime, TimeDelta, Utc};
use interline_domain::rulebook::Rulebook;
use interline_ledger::Ledger;
use interline_reports::bucket::Bucket;
use interline_reports::manifest::sha256;
use interline_reports::pack::rulebook_key;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// How long a function goes on with the rulebook it read.
const RULEBOOK_FRESH: TimeDelta = TimeDelta::seconds(60);
/// Rulebooks kept in memory by hash.
const RULEBOOKS_KEPT: usize = 8;

pub const DEFAULT_ROLE_PREFIX: &str = "interline";

pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// A rulebook with the text it was read from.
#[derive(Debug)]
pub struct Published {
    pub rulebook: Rulebook,
    pub text: String,
}

/// The world as a handler sees it. Built once per process.
pub struct App {
    pub ledger: Ledger,
    pub reports: Bucket,
    pub inbox: Bucket,
    clock: Clock,
    role_prefix: String,
    current: Mutex<Option<(DateTime<Utc>, Arc<Published>)>>,
    by_hash: Mutex<BTreeMap<String, Arc<Published>>>,
}

impl App {
    pub fn new(ledger: Ledger, reports: Bucket, inbox: Bucket, clock: Clock) -> Self {
        Self {
            ledger,
            reports,
            inbox,
            clock,
            role_prefix: DEFAULT_ROLE_PREFIX.to_owned(),
            current: Mutex::default(),
            by_hash: Mutex::default(),
        }
    }

    /// Callers' roles are named `<prefix>-finance`, `<prefix>-members` and `<prefix>-line-<line>`.
    pub fn with_role_prefix(self, role_prefix: String) -> Self {
        Self { role_prefix, ..self }
    }

    pub fn role_prefix(&self) -> &str {
        &self.role_prefix
    }

    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// The rulebook in force for new events and runs.
    pub async fn rulebook(&self) -> Result<Arc<Published>, Failure> {
        let now = self.now();
        let mut current = self.current.lock().await;
        if let Some((read_at, published)) = &*current
            && now < *read_at + RULEBOOK_FRESH
        {
            return Ok(published.clone());
        }
        let hash = self.ledger.current_rulebook().await?.ok_or(interline_ledger::LedgerError::NoRulebook)?;
        let published = self.rulebook_by_hash(&hash).await?;
        *current = Some((now, published.clone()));
        Ok(published)
    }

    pub async fn rulebook_by_hash(&self, hash: &str) -> Result<Arc<Published>, Failure> {
        let mut by_hash = self.by_hash.lock().await;
        if let Some(published) = by_hash.get(hash) {
            return Ok(published.clone());
        }
        let key = rulebook_key(hash);
        let bytes = self.reports.get(&key).await?;
        if sha256(&bytes) != hash {
            return Err(Failure::Corrupt(format!("object {key} is not the rulebook that it is named after")));
        }
        let text = String::from_utf8(bytes).map_err(|_| Failure::Corrupt(format!("object {key} is not UTF-8")))?;
        let rulebook = Rulebook::parse(&text)?;
        let published = Arc::new(Published { rulebook, text });
        if by_hash.len() >= RULEBOOKS_KEPT {
            by_hash.clear();
        }
        by_hash.insert(hash.to_owned(), published.clone());
        Ok(published)
    }

    /// Checks a rulebook, stores it for good and makes it the current one.
    pub async fn publish(&self, text: &str) -> Result<Arc<Published>, Failure> {
        let rulebook = Rulebook::parse(text)?;
        self.reports.put_once(&rulebook_key(&rulebook.hash), text.as_bytes().to_vec()).await?;
        self.ledger.set_current_rulebook(&rulebook.hash).await?;
        let published = Arc::new(Published { rulebook, text: text.to_owned() });
        *self.current.lock().await = Some((self.now(), published.clone()));
        Ok(published)
    }
}
