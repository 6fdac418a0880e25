use crate::failure::{Class, Failure};
use crate::keys::{Keys, NoKeys};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::pseudonym::Pseudonyms;
use interline_ledger::{Ledger, LedgerError, Rulebooks};
use interline_reports::bucket::{Bucket, StoreError};
use interline_reports::manifest::sha256;
use interline_reports::pack::{fingerprint_key, is_trial, rulebook_key};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;

/// How long a function goes on with the rulebook it read.
const RULEBOOK_FRESH: TimeDelta = TimeDelta::seconds(60);
/// Rulebooks kept in memory by hash.
const RULEBOOKS_KEPT: usize = 32;

/// Where the alarms of a deployment look for its metrics.
const METRICS_NAMESPACE: &str = "Interline";

pub const DEFAULT_ROLE_PREFIX: &str = "interline";

pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;
/// Tells which build of the program runs; asked once a run is finished.
pub type Program = Arc<dyn Fn() -> Option<String> + Send + Sync>;
/// Takes metrics as lines of a log.
pub type MetricSink = Arc<dyn Fn(&str) + Send + Sync>;

/// A rulebook with the text it was read from.
#[derive(Debug)]
pub struct Published {
    pub rulebook: Arc<Rulebook>,
    pub text: String,
}

/// The world as a handler sees it. Built once per process.
pub struct App {
    pub ledger: Ledger,
    pub reports: Bucket,
    pub inbox: Bucket,
    clock: Clock,
    keys: Arc<dyn Keys>,
    role_prefix: String,
    person: Option<String>,
    lock_days: u32,
    metrics: Option<MetricSink>,
    engine: String,
    program: Program,
    served: AtomicBool,
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
            keys: Arc::new(NoKeys),
            role_prefix: DEFAULT_ROLE_PREFIX.to_owned(),
            person: None,
            lock_days: 0,
            metrics: None,
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            program: Arc::new(|| None),
            served: AtomicBool::new(false),
            current: Mutex::default(),
            by_hash: Mutex::default(),
        }
    }

    /// Callers' roles are named `<prefix>-finance`, `<prefix>-members` and `<prefix>-line-<line>`.
    pub fn with_role_prefix(self, role_prefix: String) -> Self {
        Self { role_prefix, ..self }
    }

    pub fn with_metrics(self, sink: MetricSink) -> Self {
        Self { metrics: Some(sink), ..self }
    }

    /// For how long the files of a final run are locked.
    pub fn with_lock_days(self, lock_days: u32) -> Self {
        Self { lock_days, ..self }
    }

    /// Who works with this process, where one person does.
    pub fn with_person(self, person: Option<String>) -> Self {
        Self { person, ..self }
    }

    /// Where keys of pseudonyms are kept.
    pub fn with_keys(self, keys: Arc<dyn Keys>) -> Self {
        Self { keys, ..self }
    }

    /// Another version than the one that was built, for runs and their verification.
    pub fn with_engine(self, engine: impl Into<String>) -> Self {
        Self { engine: engine.into(), ..self }
    }

    pub fn with_program(self, program: Program) -> Self {
        Self { program, ..self }
    }

    /// Version of the program.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// Hash of the executable, or name and version of the function, where it is known.
    pub fn program(&self) -> Option<String> {
        (self.program)()
    }

    /// The folder of a final run names its terms and its program, so that a run that
    /// was broken off and is tried with others meets no file of the first try.
    pub fn final_run(&self, rulebook: &str) -> String {
        format!("v1-{}", &sha256(format!("{}|{rulebook}", self.engine).as_bytes())[..8])
    }

    /// Refuses to go on with a final run that another version began: its files would be of both.
    pub fn check_own(&self, run: &str, rulebook: &str) -> Result<(), Failure> {
        match is_trial(run) || run == self.final_run(rulebook) {
            true => Ok(()),
            false => Err(Failure::OtherVersion(run.to_owned())),
        }
    }

    /// Until when a final run's files are to be locked, if at all.
    pub fn locked_until(&self) -> Option<DateTime<Utc>> {
        (self.lock_days > 0).then(|| self.now() + TimeDelta::days(self.lock_days.into()))
    }

    pub fn person(&self) -> Option<&str> {
        self.person.as_deref()
    }

    pub fn role_prefix(&self) -> &str {
        &self.role_prefix
    }

    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    pub fn clock(&self) -> &interline_ledger::Clock {
        &*self.clock
    }

    /// Whether this is the first request of the process; says so once.
    pub fn take_cold_start(&self) -> bool {
        !self.served.swap(true, Ordering::Relaxed)
    }

    /// Hands a count to CloudWatch, in its embedded metric format.
    pub fn count(&self, metric: &str, count: u64) {
        let Some(sink) = &self.metrics else { return };
        let metrics = json!([{ "Name": metric, "Unit": "Count" }]);
        let line = json!({
            "_aws": {
                "Timestamp": self.now().timestamp_millis(),
                "CloudWatchMetrics": [
                    { "Namespace": METRICS_NAMESPACE, "Dimensions": [["Programme"]], "Metrics": metrics },
                ],
            },
            "timestamp": self.now().to_rfc3339_opts(SecondsFormat::Millis, true),
            // The highest level that a deployment may filter its logs by; a metric must not be lost.
            "level": "WARN",
            "Programme": self.role_prefix,
            metric: count,
        });
        sink(&line.to_string());
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
        let hash = self.ledger.current_rulebook().await?.ok_or(LedgerError::NoRulebook)?;
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
        let published = Arc::new(Published { rulebook: Arc::new(rulebook), text });
        if by_hash.len() >= RULEBOOKS_KEPT {
            by_hash.clear();
        }
        by_hash.insert(hash.to_owned(), published.clone());
        Ok(published)
    }

    /// Members' names in the reports of a rulebook's programme.
    ///
    /// # Errors
    ///
    /// [`Failure::Key`] where the key is kept elsewhere and is not there, or
    /// cannot be one.
    pub async fn pseudonyms(&self, rulebook: &Rulebook) -> Result<Pseudonyms, Failure> {
        let source = &rulebook.pseudonym_key;
        let (name, fetched) = match source.to_fetch() {
            None => ("", None),
            Some(name) => (name, Some(self.keys.key(name).await?)),
        };
        let unusable = |reason: String| Failure::Key { name: name.to_owned(), reason };
        source.pseudonyms(fetched.as_deref()).map_err(|bad| unusable(bad.to_string()))
    }

    /// As [`pseudonyms`](Self::pseudonyms), where the key is the one that the
    /// programme's reports were made with.
    pub async fn pseudonyms_of_before(&self, rulebook: &Rulebook) -> Result<Pseudonyms, Failure> {
        let pseudonyms = self.pseudonyms(rulebook).await?;
        let Some((name, fingerprint)) = fingerprint(rulebook, &pseudonyms) else { return Ok(pseudonyms) };
        match self.reports.get(&fingerprint_key(name)).await {
            Ok(before) if before == fingerprint => Ok(pseudonyms),
            Ok(_) => Err(another_key(name)),
            // No report was made with any key yet.
            Err(StoreError::Missing(_)) => Ok(pseudonyms),
            Err(error) => Err(error.into()),
        }
    }

    /// Refuses to go on without the key of the programme's reports. Of a key only
    /// its fingerprint is stored, when it is first used.
    pub async fn keep_to_one_key(&self, rulebook: &Rulebook) -> Result<(), Failure> {
        let pseudonyms = self.pseudonyms(rulebook).await?;
        let Some((name, fingerprint)) = fingerprint(rulebook, &pseudonyms) else { return Ok(()) };
        match self.reports.put_once(&fingerprint_key(name), fingerprint).await {
            Err(StoreError::Differs(_)) => Err(another_key(name)),
            other => Ok(other?),
        }
    }

    /// The rulebook that is in force at this very moment.
    pub async fn rulebook_now(&self) -> Result<Arc<Published>, Failure> {
        *self.current.lock().await = None;
        self.rulebook().await
    }

    pub(crate) async fn came_into_force(&self, published: Arc<Published>) {
        *self.current.lock().await = Some((self.now(), published));
    }
}

#[async_trait]
impl Rulebooks for App {
    async fn by_hash(&self, hash: &str) -> Result<Arc<Rulebook>, LedgerError> {
        match self.rulebook_by_hash(hash).await {
            Ok(published) => Ok(published.rulebook.clone()),
            Err(Failure::Ledger(error)) => Err(error),
            Err(failure) if failure.class() == Class::Retryable => Err(LedgerError::Unavailable(failure.to_string())),
            Err(failure) => Err(LedgerError::Rulebook { hash: hash.to_owned(), reason: failure.to_string() }),
        }
    }
}

/// Name and fingerprint of a key that is kept elsewhere.
fn fingerprint<'r>(rulebook: &'r Rulebook, pseudonyms: &Pseudonyms) -> Option<(&'r str, Vec<u8>)> {
    let name = rulebook.pseudonym_key.to_fetch()?;
    Some((name, format!("{}\n", pseudonyms.fingerprint()?).into_bytes()))
}

fn another_key(name: &str) -> Failure {
    let reason = "is not the key that the programme's reports were made with; bring that one back".to_owned();
    Failure::Key { name: name.to_owned(), reason }
}
