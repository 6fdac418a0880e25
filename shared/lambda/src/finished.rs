//! A run read back: every file checked against the hash that its manifest has,
//! and the manifest against the one that the ledger has.

use crate::app::App;
use crate::failure::Failure;
use futures::{StreamExt, TryStreamExt, stream};
use interline_domain::close::period::{Run, predecessor};
use interline_domain::close::settlement::Settlement;
use interline_domain::close::snapshot::Snapshot;
use interline_domain::close::tally::SaleRates;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, SchemeId};
use interline_domain::units::shard::{Shard, Shards};
use interline_reports::accounts::{SnapshotFile, snapshot_key};
use interline_reports::details::{DetailIndex, unpacked};
use interline_reports::document::{COMPARISON, COMPARISON_SCHEMA, Comparison, Document, SETTLEMENT, SETTLEMENT_SCHEMA};
use interline_reports::manifest::{Manifest, sha256};
use interline_reports::pack::{MANIFEST, details_of_index, key};
use serde::de::DeserializeOwned;

/// Detail parts read at once.
const PARTS_AT_ONCE: usize = 16;

/// What the closes before a period expect of the points that are issued in it.
pub async fn sale_rates(app: &App, rulebook: &Rulebook, period: Period) -> Result<SaleRates, Failure> {
    let Some(predecessor) = predecessor(rulebook.first_period, period)? else { return Ok(SaleRates::default()) };
    let run = app.ledger.period(predecessor).await?.closed_before(period)?;
    let finished = FinishedRun::read(app, predecessor, &run).await?;
    Ok(finished.settlement().await?.state.urr.rates)
}

pub struct FinishedRun<'a> {
    app: &'a App,
    pub period: Period,
    pub run: Run,
    pub manifest: Manifest,
    /// The manifest as it lies there.
    pub manifest_bytes: Vec<u8>,
}

impl<'a> FinishedRun<'a> {
    pub async fn read(app: &'a App, period: Period, run: &Run) -> Result<Self, Failure> {
        let key = key(period, &run.id, MANIFEST);
        let bytes = app.reports.get(&key).await?;
        if sha256(&bytes) != run.manifest {
            return Err(Failure::Corrupt(format!("object {key} is not what its run recorded")));
        }
        let broken = |error| Failure::Corrupt(format!("object {key}: {error}"));
        let manifest = serde_json::from_slice(&bytes).map_err(broken)?;
        Ok(Self { app, period, run: run.clone(), manifest, manifest_bytes: bytes })
    }

    /// Where a file of the run lies.
    pub fn key(&self, path: &str) -> String {
        key(self.period, &self.run.id, path)
    }

    pub async fn file(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let key = self.key(path);
        let bytes = self.app.reports.get(&key).await?;
        let recorded = self.manifest.files.iter().find(|file| file.path == path);
        if recorded.is_none_or(|file| file.sha256 != sha256(&bytes)) {
            return Err(Failure::Corrupt(format!("object {key} is not what its manifest says")));
        }
        Ok(bytes)
    }

    pub async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let bytes = self.file(path).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.broken(path, &error))
    }

    /// How many shards the period was closed with.
    pub fn shards(&self) -> Result<Shards, Failure> {
        let none = || Failure::Corrupt(format!("object {} is of no shard", self.key(MANIFEST)));
        self.manifest.shards_of_period().ok_or_else(none)
    }

    /// What the members of a shard hold after the run, be it a shard of a period that has
    /// another number of them.
    pub async fn claims(&self, shard: Shard) -> Result<Snapshot, Failure> {
        let own = self.shards()?;
        if own == shard.of() {
            return self.claims_of(shard).await;
        }
        let mut claims = Snapshot::default();
        for other in own.with_members_of(shard) {
            claims.take_over(self.claims_of(other).await?, shard);
        }
        Ok(claims)
    }

    /// The detail rows of a pair of lines as CSV without a header: of each part only the
    /// range where they lie is read.
    pub async fn details_of(&self, funder: &SchemeId, redeemer: &LineId) -> Result<Vec<u8>, Failure> {
        let indexes = self.manifest.files.iter().map(|file| file.path.as_str());
        let indexes = indexes.filter_map(|path| Some((path, details_of_index(path)?)));
        let parts = stream::iter(indexes).map(|(index, part)| self.part_of(index, part, funder, redeemer));
        parts.buffered(PARTS_AT_ONCE).try_concat().await
    }

    async fn part_of(
        &self,
        index: &str,
        part: String,
        funder: &SchemeId,
        redeemer: &LineId,
    ) -> Result<Vec<u8>, Failure> {
        let index: DetailIndex = self.json(index).await?;
        let Some(pair) = index.of(funder, redeemer) else { return Ok(Vec::new()) };
        let packed = self.app.reports.get_range(&self.key(&part), pair.range()).await?;
        unpacked(&packed).map_err(|error| self.broken(&part, &error))
    }

    async fn claims_of(&self, shard: Shard) -> Result<Snapshot, Failure> {
        let key = snapshot_key(self.period, &self.run.id, shard);
        let recorded = self.manifest.accounts.iter().find(|accounts| accounts.shard == shard.number());
        let bytes = self.app.reports.get(&key).await?;
        if recorded.is_none_or(|accounts| accounts.sha256 != sha256(&bytes)) {
            return Err(Failure::Corrupt(format!("object {key} is not what the manifest of its run says")));
        }
        let file = SnapshotFile::parse(&bytes).map_err(|error| Failure::Corrupt(format!("object {key}: {error}")))?;
        match file.period == self.period && file.shard == shard.number() {
            true => Ok(file.claims),
            false => Err(Failure::Corrupt(format!("object {key} is that of shard {} of {}", file.shard, file.period))),
        }
    }

    /// What the run came to, complete.
    pub async fn settlement(&self) -> Result<Settlement, Failure> {
        let document: Document<Settlement> = self.json(SETTLEMENT).await?;
        match document.schema == SETTLEMENT_SCHEMA {
            true => Ok(document.settlement),
            false => Err(Failure::Corrupt(format!("object {}: is {}", self.key(SETTLEMENT), document.schema))),
        }
    }

    /// What stands beside it.
    pub async fn comparison(&self) -> Result<Comparison, Failure> {
        let comparison: Comparison = self.json(COMPARISON).await?;
        match comparison.schema == COMPARISON_SCHEMA {
            true => Ok(comparison),
            false => Err(Failure::Corrupt(format!("object {}: is {}", self.key(COMPARISON), comparison.schema))),
        }
    }

    fn broken(&self, path: &str, error: &dyn std::error::Error) -> Failure {
        Failure::Corrupt(format!("object {}: {error}", self.key(path)))
    }
}
