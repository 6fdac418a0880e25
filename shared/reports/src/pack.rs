//! The proof pack: the files of a run and their places.

use crate::manifest::{FileEntry, sha256};
use crate::settlement::sheets;
use crate::sheet::Totals;
use interline_domain::calendar::Period;
use interline_domain::rulebook::Rulebook;
use interline_domain::settle::{Settlement, ShardDigest};
use interline_domain::tally::Tally;
use serde::{Deserialize, Serialize};

pub const MANIFEST: &str = "manifest.json";
pub const STATE: &str = "state.json";
pub const RULEBOOK: &str = "rulebook.toml";

/// Where a file of a run lies in the reports bucket.
pub fn key(period: Period, run: &str, path: &str) -> String {
    format!("periods/{period}/{run}/{path}")
}

/// Where a rulebook lies, by its hash.
pub fn rulebook_key(hash: &str) -> String {
    format!("rulebooks/{hash}.toml")
}

pub fn tally_path(shard: u8) -> String {
    format!("tallies/shard-{shard:02}.json")
}

pub fn details_path(shard: u8) -> String {
    format!("details/part-{shard:02}.csv.gz")
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
    pub shard: u8,
    pub rulebook: String,
    pub tally: Tally,
    /// The same shard of the period before, as it is read now.
    pub previous: Option<ShardDigest>,
    pub details: FileEntry,
}

impl TallyFile {
    pub fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// The files that settling adds: reports, carried state and the rulebook.
pub fn files(
    rulebook: &Rulebook,
    rulebook_text: &str,
    settlement: &Settlement,
) -> Result<Vec<PackFile>, serde_json::Error> {
    let mut files: Vec<PackFile> = sheets(rulebook, settlement)
        .into_iter()
        .map(|sheet| PackFile::new(format!("{}.csv", sheet.name), sheet.csv(), Some(sheet.totals())))
        .collect();
    let mut state = serde_json::to_vec_pretty(&settlement.state)?;
    state.push(b'\n');
    files.push(PackFile::new(STATE, state, None));
    files.push(PackFile::new(RULEBOOK, rulebook_text.as_bytes().to_vec(), None));
    Ok(files)
}
