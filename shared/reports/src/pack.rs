//! The proof pack: the files of a run and their places.

use crate::about::About;
use crate::changes::{self, Publication};
use crate::document::{COMPARISON, Comparison, Document, SETTLEMENT};
use crate::erp::{kingdee, pain, yonyou};
use crate::error::RenderError;
use crate::html::statement::statement;
use crate::manifest::{FileEntry, RunKind, RunName, sha256};
use crate::own_part::OwnPart;
use crate::report::{Report, Scope, Source};
use crate::reports::{REPORTS, vouchers};
use crate::sheet::{Sheet, Totals};
use crate::workbook::workbook;
use interline_domain::close::books::Voucher;
use interline_domain::close::digest::EntriesDigest;
use interline_domain::close::digest::ShardDigest;
use interline_domain::close::settlement::Settlement;
use interline_domain::close::tally::Tally;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::calendar::Period;
use interline_domain::units::id::LineId;
use interline_domain::units::money::OutOfRange;
use interline_domain::units::shard::Shard;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const MANIFEST: &str = "manifest.json";
/// Beside the manifest, and not in it.
pub const PROVENANCE: &str = "provenance.json";
pub const SIGNATURE: &str = "manifest.json.sig";
pub const RULEBOOK: &str = "rulebook.toml";
pub const WORKBOOK: &str = "settlement.xlsx";
pub const STATEMENT: &str = "statement.html";

/// Before the names of files with vouchers of payments.
pub const CASH: &str = "cash-";

const DETAILS_INDEX: &str = ".index.json";

/// What the names of trial runs begin with.
pub const TRIAL: &str = "trial-";

pub fn is_trial(run: &str) -> bool {
    run.starts_with(TRIAL)
}

/// Where a file of a run lies in the reports bucket: trial runs apart, as they
/// are not kept for good.
pub fn key(period: Period, run: &str, path: &str) -> String {
    let folder = if is_trial(run) { "trials" } else { "periods" };
    format!("{folder}/{period}/{run}/{path}")
}

/// Where a rulebook lies, by its hash.
pub fn rulebook_key(hash: &str) -> String {
    format!("rulebooks/{hash}.toml")
}

/// Where the fingerprint of a pseudonym key lies, by the key's name.
pub fn fingerprint_key(name: &str) -> String {
    format!("rulebooks/keys/{name}.fingerprint")
}

pub fn tally_path(shard: Shard) -> String {
    format!("tallies/shard-{shard}.json")
}

pub fn details_path(shard: Shard) -> String {
    format!("details/part-{shard}.csv.gz")
}

/// Where the rows of each pair lie in a shard's details.
pub fn details_index_path(shard: Shard) -> String {
    format!("details/part-{shard}{DETAILS_INDEX}")
}

/// The part that an index is of; none where the path is no index's.
pub fn details_of_index(path: &str) -> Option<String> {
    let part = path.strip_suffix(DETAILS_INDEX).filter(|part| part.starts_with("details/part-"))?;
    Some(format!("{part}.csv.gz"))
}

pub fn digests_path(shard: Shard) -> String {
    format!("digests/shard-{shard}.bin")
}

#[derive(Debug, Clone)]
pub struct PackFile {
    pub entry: FileEntry,
    pub bytes: Vec<u8>,
}

impl PackFile {
    pub fn new(path: impl Into<String>, bytes: Vec<u8>, totals: Option<Totals>) -> Self {
        let entry = FileEntry {
            path: path.into(),
            bytes: bytes.len() as u64,
            sha256: sha256(&bytes),
            rows: totals.as_ref().map(|totals| totals.rows),
            totals: totals.map(|totals| totals.sums).unwrap_or_default(),
        };
        Self { entry, bytes }
    }
}

/// What the tally step leaves for the settle step, one file per shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TallyFile {
    pub shard: u16,
    /// Version of the program: a run is of one only.
    #[serde(default)]
    pub engine: String,
    pub rulebook: String,
    pub tally: Tally,
    /// Of the shard's entries.
    pub digest: EntriesDigest,
    /// The same shard of the period before, as it is read now. Where that has another
    /// number of shards: those that fall to this one, perhaps none.
    pub previous: Vec<ShardDigest>,
    /// As `previous`, of the older month whose turn it is.
    pub older: Vec<ShardDigest>,
    /// What else was written of the shard.
    pub files: Vec<FileEntry>,
}

impl TallyFile {
    pub fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// The files that settling adds: reports, statements, files for accounting and
/// the bank, the settlement as a document and the rulebook.
///
/// Only a final run has files under `erp/`: nobody should post or pay a trial.
pub fn render(
    run: &RunName,
    rulebook: &Rulebook,
    rulebook_text: &str,
    changes: &[Publication],
    settlement: &Settlement,
    comparison: &Comparison,
) -> Result<Vec<PackFile>, RenderError> {
    let about = About { rulebook, period: settlement.state.period, run };
    let source = Source { about: &about, settlement, comparison, line: None };
    let of_programme = REPORTS.iter().filter(|report| report.is_in_pack(rulebook));
    let sheets = of_programme.map(|report| Ok((*report, report.sheet(&source)?)));
    let sheets = sheets.collect::<Result<Vec<(&Report, Sheet)>, OutOfRange>>()?;
    let mut files: Vec<PackFile> = sheets.iter().map(|(_, sheet)| csv("", sheet)).collect();
    if !settlement.cash_vouchers.is_empty() {
        files.push(csv("", &vouchers::cash(&about, &settlement.cash_vouchers)));
    }
    files.push(PackFile::new(WORKBOOK, workbook(&source, &sheets)?, None));
    match run.kind {
        RunKind::Final => files.extend(exports(&about, settlement)?),
        RunKind::Trial => {}
    }
    files.extend(line_statements(&about, settlement, comparison)?);
    files.push(json(SETTLEMENT, &Document::of(rulebook, run, settlement))?);
    files.push(json(COMPARISON, comparison)?);
    files.push(PackFile::new(RULEBOOK, rulebook_text.as_bytes().to_vec(), None));
    files.extend(changes::file(rulebook.currency, changes));
    let mut paths: Vec<String> = files.iter().map(|file| file.entry.path.clone()).collect();
    paths.push(MANIFEST.to_owned());
    paths.sort();
    files.push(PackFile::new(STATEMENT, statement(&about, settlement, comparison, &paths)?, None));
    Ok(files)
}

/// For each line a folder of its own, which can be handed to it as it is.
fn line_statements(
    about: &About<'_>,
    settlement: &Settlement,
    comparison: &Comparison,
) -> Result<Vec<PackFile>, RenderError> {
    let mut files = Vec::new();
    for line in &about.rulebook.lines {
        let folder = format!("lines/{}/", line.id);
        let source = Source { about, settlement, comparison, line: Some(&line.id) };
        let mut sheets = Vec::new();
        for report in REPORTS {
            let is_there = |sheet: &Sheet| match report.scope {
                Scope::Programme => false,
                Scope::ProgrammeAndLines | Scope::OfSchemes => !sheet.rows.is_empty(),
                Scope::EachLine => true,
            };
            sheets.extend(Some(report.sheet(&source)?).filter(is_there));
        }
        let own = OwnPart::of(about, &line.id, settlement);
        let names: Vec<String> = sheets.iter().map(|sheet| format!("{}.csv", sheet.name)).collect();
        files.extend(sheets.iter().map(|sheet| csv(&folder, sheet)));
        files.push(PackFile::new(
            format!("{folder}{STATEMENT}"),
            own.statement(about, settlement, comparison, &names)?,
            None,
        ));
    }
    Ok(files)
}

pub(crate) fn csv(folder: &str, sheet: &Sheet) -> PackFile {
    PackFile::new(format!("{folder}{}.csv", sheet.name), sheet.csv(), Some(sheet.totals()))
}

fn exports(about: &About<'_>, settlement: &Settlement) -> Result<Vec<PackFile>, RenderError> {
    let mut files = for_accounting(about, "", &settlement.vouchers)?;
    files.extend(for_accounting(about, CASH, &settlement.cash_vouchers)?);
    let messages = pain::messages(about, &settlement.payments)?;
    files.extend(messages.into_iter().map(|(path, message)| PackFile::new(path, message, None)));
    Ok(files)
}

/// Each entity's vouchers as accounting programs import them. `kind` stands before the files' names.
pub fn for_accounting(about: &About<'_>, kind: &str, vouchers: &[Voucher]) -> Result<Vec<PackFile>, RenderError> {
    let mut by_entity: BTreeMap<&LineId, Vec<&Voucher>> = BTreeMap::new();
    for voucher in vouchers {
        by_entity.entry(&voucher.entity).or_default().push(voucher);
    }
    let mut files = Vec::new();
    for (entity, vouchers) in by_entity {
        let kingdee = kingdee::workbook(about, &vouchers)?;
        files.push(PackFile::new(format!("erp/{kind}kingdee-{entity}.xlsx"), kingdee, None));
        files.push(PackFile::new(format!("erp/{kind}yonyou-u8-{entity}.txt"), yonyou::text(about, &vouchers), None));
    }
    Ok(files)
}

fn json(path: &str, document: &impl Serialize) -> Result<PackFile, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(document)?;
    bytes.push(b'\n');
    Ok(PackFile::new(path, bytes, None))
}
