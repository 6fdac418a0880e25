//! Looks whether a final run is still what it was: its files, its entries, and
//! every figure, computed again.

use crate::changed_entries::changed_entries;
use crate::signing::PublicKey;
use interline_domain::CALCULATION_EDITION;
use interline_domain::close::digest::ShardDigest;
use interline_domain::close::period::Run;
use interline_domain::units::calendar::Period;
use interline_domain::units::pseudonym::Pseudonyms;
use interline_domain::units::shard::Shard;
use interline_lambda::finished::{FinishedRun, sale_rates};
use interline_lambda::{App, Class, Failure};
use interline_reports::bucket::StoreError;
use interline_reports::details::{unpacked, with_members_of};
use interline_reports::figures;
use interline_reports::manifest::{FileEntry, Manifest, RunKind, sha256};
use interline_reports::pack::{
    MANIFEST, PackFile, SIGNATURE, TallyFile, details_index_path, details_path, digests_path, key, tally_path,
};
use interline_reports::rows::Rows;
use interline_reports::sheet::Totals;
use interline_settle::{Task, settle_pack};
use interline_tally::Tallied;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What was found of a final run.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    pub run: String,
    /// Version and edition of the program that closed it, and of this one.
    pub engine: String,
    pub edition: u32,
    pub this_engine: String,
    pub files: usize,
    pub entries: u64,
    /// Whether the figures were computed again; not those of another edition.
    pub recomputed: bool,
    /// Why members' names were taken as they stand, if they were.
    pub pseudonyms_not_compared: Option<String>,
    /// Whether the signature is right, if it was asked for.
    pub signature: Option<bool>,
    /// What is not as it was recorded; what was tampered with comes first.
    pub differences: Vec<String>,
    /// Files without figures of their own, which the other version rendered.
    pub rendered: usize,
    /// Those of them that this version renders otherwise, or not at all.
    pub rendered_otherwise: Vec<String>,
}

impl Verification {
    pub fn is_good(&self) -> bool {
        self.differences.is_empty()
    }

    pub fn verdict(&self) -> String {
        let Self { engine, edition, this_engine, .. } = self;
        if let Some(first) = self.differences.first() {
            return format!("NOT IDENTICAL: {first}");
        }
        if !self.recomputed {
            return format!(
                "closed by edition {edition} ({engine}); this program computes edition {CALCULATION_EDITION} \
                 ({this_engine}) and does not compute its figures again; every file is the one that was recorded"
            );
        }
        match engine == this_engine {
            true => "identical".to_owned(),
            false => format!("every figure identical; {} files rendered by {engine}", self.rendered),
        }
    }
}

/// Verifies a run; gives what stands under a public key's check, too.
pub async fn verification(
    app: &App,
    period: Period,
    run: &Run,
    public_key: Option<&PublicKey>,
    progress: &(dyn Fn(u16) + Sync),
) -> Result<Verification, Failure> {
    let mut found = Verification {
        run: run.id.clone(),
        engine: run.engine.clone().unwrap_or_default(),
        this_engine: app.engine().to_owned(),
        ..Verification::default()
    };
    let Some(stored) = Stored::read(app, period, run, &mut found).await? else { return Ok(found) };
    if let Some(public_key) = public_key {
        found.signature = Some(stored.is_signed(public_key, &mut found.differences).await?);
    }
    stored.check_hashes(&mut found.differences).await?;
    if stored.manifest.edition != CALCULATION_EDITION {
        return Ok(found);
    }
    found.recomputed = true;
    if let Some(computed) = stored.recompute(&mut found, progress).await? {
        stored.compare(&computed, &mut found).await?;
    }
    Ok(found)
}

/// A run as it lies in the bucket.
struct Stored<'a> {
    app: &'a App,
    period: Period,
    run: &'a Run,
    bytes: Vec<u8>,
    manifest: Manifest,
}

/// A run computed again.
struct Computed {
    files: BTreeMap<String, Vec<u8>>,
    manifest: Manifest,
}

impl<'a> Stored<'a> {
    /// None if the manifest is not the one that the ledger recorded.
    async fn read(
        app: &'a App,
        period: Period,
        run: &'a Run,
        found: &mut Verification,
    ) -> Result<Option<Self>, Failure> {
        let key = key(period, &run.id, MANIFEST);
        let Some(bytes) = object(app, &key).await? else {
            found.differences.push(format!("{MANIFEST}: missing or damaged"));
            return Ok(None);
        };
        if sha256(&bytes) != run.manifest {
            found.differences.push(format!("{MANIFEST}: is not the one that the ledger recorded"));
            return Ok(None);
        }
        let broken = |error| Failure::Corrupt(format!("object {key}: {error}"));
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(broken)?;
        found.engine.clone_from(&manifest.engine);
        found.edition = manifest.edition;
        found.entries = manifest.entries;
        found.files = manifest.files.len() + 1;
        Ok(Some(Self { app, period, run, bytes, manifest }))
    }

    async fn file(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        object(self.app, &key(self.period, &self.run.id, path)).await
    }

    async fn is_signed(&self, public_key: &PublicKey, differences: &mut Vec<String>) -> Result<bool, Failure> {
        let signed = match self.file(SIGNATURE).await? {
            None => Err("missing"),
            Some(signature) if public_key.has_signed(&self.bytes, &signature) => Ok(()),
            Some(_) => Err("is not the signature of the manifest by this key"),
        };
        if let Err(reason) = signed {
            differences.push(format!("{SIGNATURE}: {reason}"));
        }
        Ok(signed.is_ok())
    }

    /// Every file is the one that the manifest names.
    async fn check_hashes(&self, differences: &mut Vec<String>) -> Result<(), Failure> {
        for FileEntry { path, sha256: recorded, .. } in &self.manifest.files {
            match self.app.reports.get(&key(self.period, &self.run.id, path)).await {
                Ok(bytes) if sha256(&bytes) == *recorded => {}
                Ok(_) | Err(StoreError::Damaged(_)) => {
                    differences.push(format!("{path}: is not the file that was recorded"));
                }
                Err(StoreError::Missing(_)) => differences.push(format!("{path}: missing")),
                Err(StoreError::MissingOrDenied(_)) => {
                    differences.push(format!("{path}: missing, or not to be read by this role"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// None if what lies in the ledger cannot be settled any more.
    async fn recompute(
        &self,
        found: &mut Verification,
        progress: &(dyn Fn(u16) + Sync),
    ) -> Result<Option<Computed>, Failure> {
        let (app, period) = (self.app, self.period);
        let published = app.rulebook_by_hash(&self.run.rulebook).await?;
        let pseudonyms = match app.pseudonyms_of_before(&published.rulebook).await {
            Ok(pseudonyms) => pseudonyms,
            Err(failure @ Failure::Key { .. }) => {
                found.pseudonyms_not_compared = Some(failure.to_string());
                Pseudonyms::unknown()
            }
            Err(failure) => return Err(failure),
        };
        let is_unnamed = found.pseudonyms_not_compared.is_some();
        let differences = &mut found.differences;
        let (mut files, mut tallies, mut proofs) = (BTreeMap::new(), Vec::new(), Vec::new());
        let before = differences.len();
        let shards = published.rulebook.shards(period);
        let rates = sale_rates(app, &published.rulebook, period).await?;
        for shard in shards.all() {
            let terms = (&*published.rulebook, &rates);
            match interline_tally::tally(&app.ledger, app.engine(), terms, &pseudonyms, period, shard).await {
                Ok(mut tallied) => {
                    if is_unnamed {
                        self.take_names(shard, &mut tallied).await?;
                    }
                    let Tallied { file, parts } = tallied;
                    self.entries_of(shard, Some(&file), differences).await?;
                    let tally = PackFile::new(tally_path(shard), file.json()?, None);
                    tallies.push((file, tally.entry.clone()));
                    // Accounts have moved on since; `accounts check` compares them.
                    let carried = interline_prove::carry(app, &published.rulebook, period, shard).await?;
                    proofs.push(carried.files(app.engine(), &self.run.rulebook, Vec::new())?.0);
                    files.extend(parts.into_iter().chain([tally]).map(|file| (file.entry.path, file.bytes)));
                }
                Err(failure) if matches!(failure.class(), Class::Retryable | Class::TimedOut) => return Err(failure),
                Err(failure) => {
                    differences.push(format!("shard {shard} of the ledger: {failure}"));
                    self.entries_of(shard, None, differences).await?;
                }
            }
            progress(shard.number());
        }
        if tallies.len() < usize::from(shards.number()) {
            return Ok(None);
        }
        let (kind, rulebook) = (RunKind::Final, self.run.rulebook.clone());
        // What a person said of it is part of the run.
        let judgement = FinishedRun::read(app, period, self.run).await?.settlement().await.map(|of| of.judgement);
        let judgement = judgement.unwrap_or_default();
        let task = Task { period, kind, run: self.run.id.clone(), rulebook, judgement };
        match settle_pack(app, &task, tallies, proofs).await {
            Ok(pack) => {
                files.extend(pack.files.into_iter().map(|file| (file.entry.path, file.bytes)));
                Ok(Some(Computed { files, manifest: pack.manifest }))
            }
            Err(failure) if matches!(failure.class(), Class::Retryable | Class::TimedOut) => Err(failure),
            // Entries that were changed are the cause, and are told already.
            Err(failure) if failure.class() == Class::ChecksFailed || differences.len() > before => {
                differences.push(failure.to_string());
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Without the key a detail part is compared but for its pseudonyms: those that
    /// are stored are put in place of the computed ones. The tally holds its digest.
    async fn take_names(&self, shard: Shard, tallied: &mut Tallied) -> Result<(), Failure> {
        let path = details_path(shard);
        let Some(stored) = self.file(&path).await? else { return Ok(()) };
        let Some(at) = tallied.parts.iter().position(|part| part.entry.path == path) else { return Ok(()) };
        let part = &mut tallied.parts[at];
        if let Some((bytes, index)) = with_members_of(&stored, &part.bytes) {
            let FileEntry { path, rows, totals, .. } = part.entry.clone();
            *part = PackFile::new(path, bytes, rows.map(|rows| Totals { rows, sums: totals }));
            let index = PackFile::new(details_index_path(shard), index.json()?, None);
            let beside = tallied.parts.iter_mut().find(|part| part.entry.path == index.entry.path);
            beside.into_iter().for_each(|part| part.clone_from(&index));
        }
        tallied.file.files = tallied.parts.iter().map(|part| part.entry.clone()).collect();
        Ok(())
    }

    /// Names the entries of a shard that are not those that were closed.
    async fn entries_of(
        &self,
        shard: Shard,
        tally: Option<&TallyFile>,
        differences: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let recorded = self.manifest.shards.iter().find(|recorded| recorded.shard == shard.number());
        let is_as_recorded = |tally: &TallyFile| {
            let found = ShardDigest { shard: shard.number(), entries: tally.tally.entries, digest: tally.digest };
            recorded == Some(&found)
        };
        if tally.is_some_and(is_as_recorded) {
            return Ok(());
        }
        differences.push(format!("shard {shard} of the ledger: its entries are not those that were closed"));
        let Some(kept) = self.untouched(&digests_path(shard)).await? else { return Ok(()) };
        let details = self.untouched(&details_path(shard)).await?.unwrap_or_default();
        let named = changed_entries(&self.app.ledger, self.period, shard, &kept, &entries_in(&details)).await;
        match named {
            Ok(named) => differences.extend(named),
            Err(failure) if failure.class() == Class::Retryable => return Err(failure),
            // An entry that cannot even be read is named by what the tally failed with.
            Err(_) => {}
        }
        Ok(())
    }

    /// A file's bytes, if they are those that were recorded.
    async fn untouched(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        let recorded = self.manifest.files.iter().find(|file| file.path == path);
        let bytes = self.file(path).await?;
        Ok(bytes.filter(|bytes| recorded.is_some_and(|file| file.sha256 == sha256(bytes))))
    }

    /// Compares what was recorded with what was computed: bytes if this version
    /// closed the month, else figures.
    async fn compare(&self, computed: &Computed, found: &mut Verification) -> Result<(), Failure> {
        let same_version = self.manifest.engine == computed.manifest.engine;
        for FileEntry { path, sha256: recorded, .. } in &self.manifest.files {
            let Some(bytes) = computed.files.get(path) else {
                self.not_computed(path, same_version, found);
                continue;
            };
            let is_document = figures::differences(path, &[], &[]).is_none();
            found.rendered += usize::from(!same_version && is_document);
            if sha256(bytes) == *recorded {
                // A file that was touched shows by its hash; here is what was changed in it.
                self.touched(path, bytes, &mut found.differences).await?;
                continue;
            }
            let stored = self.file(path).await?.unwrap_or_default();
            match figures::differences(path, &stored, bytes) {
                None if !same_version => found.rendered_otherwise.push(path.clone()),
                Some(differences) if !differences.is_empty() => found.differences.extend(differences),
                Some(_) if !same_version => {}
                Some(_) | None => found.differences.push(format!("{path}: differs")),
            }
        }
        if same_version {
            let recorded: BTreeSet<&str> = self.manifest.files.iter().map(|file| file.path.as_str()).collect();
            let new = computed.files.keys().filter(|path| !recorded.contains(path.as_str()));
            found.differences.extend(new.map(|path| format!("{path}: was computed, and is not in the run")));
        }
        let differs = same_version && computed.manifest.json()? != self.bytes;
        let figures =
            figures::values(MANIFEST, &manifest_figures(&self.manifest)?, &manifest_figures(&computed.manifest)?);
        if differs && figures.is_empty() && found.differences.is_empty() {
            found.differences.push(format!("{MANIFEST}: differs"));
        }
        found.differences.extend(figures);
        Ok(())
    }

    fn not_computed(&self, path: &str, same_version: bool, found: &mut Verification) {
        match figures::differences(path, &[], &[]) {
            None if !same_version => {
                found.rendered += 1;
                found.rendered_otherwise.push(path.to_owned());
            }
            Some(_) | None => found.differences.push(format!("{path}: was not computed again")),
        }
    }

    async fn touched(&self, path: &str, computed: &[u8], differences: &mut Vec<String>) -> Result<(), Failure> {
        if differences.iter().any(|difference| difference.starts_with(&format!("{path}: is not"))) {
            let stored = self.file(path).await?.unwrap_or_default();
            differences.extend(figures::differences(path, &stored, computed).unwrap_or_default());
        }
        Ok(())
    }
}

/// The figures of a manifest, and those of its files by their path: neither who
/// computed them nor how the files are packed.
fn manifest_figures(manifest: &Manifest) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(manifest)?;
    let files: BTreeMap<&str, Value> = manifest
        .files
        .iter()
        .map(|file| (file.path.as_str(), json!({ "rows": file.rows, "totals": file.totals })))
        .filter(|(path, _)| !path.ends_with(CHECKLIST))
        .collect();
    value["files"] = serde_json::to_value(files)?;
    let members = manifest.accounts.iter().map(|accounts| (accounts.shard.to_string(), accounts.members));
    value["accounts"] = serde_json::to_value(members.collect::<BTreeMap<String, u64>>())?;
    Ok(value)
}

/// Its rows grow with every check that is added.
const CHECKLIST: &str = "close-checklist.csv";

/// An object's bytes; none if it is missing or damaged.
async fn object(app: &App, key: &str) -> Result<Option<Vec<u8>>, Failure> {
    match app.reports.find(key).await {
        Err(StoreError::Damaged(_)) => Ok(None),
        other => Ok(other?),
    }
}

/// The names of the entries whose slices lie in a detail part.
fn entries_in(details: &[u8]) -> BTreeSet<String> {
    let rows = unpacked(details).ok().and_then(|text| Rows::parse(&text).ok());
    rows.map(|rows| (0..rows.len()).map(|row| rows.text(row, "entry").to_owned()).collect()).unwrap_or_default()
}
