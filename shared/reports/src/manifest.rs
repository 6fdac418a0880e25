//! The manifest of a run: what went in, and every file that came out.

use interline_domain::calendar::Period;
use interline_domain::settle::ShardDigest;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub const SCHEMA: &str = "interline.manifest.v1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub schema: String,
    pub programme: String,
    pub currency: String,
    pub period: Period,
    pub run: RunName,
    /// Version of the program that computed it.
    pub engine: String,
    /// SHA-256 of the rulebook.
    pub rulebook: String,
    /// The final run before: runs form a chain.
    pub previous: Option<PreviousRun>,
    pub entries: u64,
    pub shards: Vec<ShardDigest>,
    pub gross: String,
    pub settled: String,
    pub netting_efficiency_percent: String,
    pub checks_passed: bool,
    pub files: Vec<FileEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunName {
    pub kind: RunKind,
    pub id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    Trial,
    Final,
}

impl RunKind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Final => "final",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousRun {
    pub period: Period,
    pub run: String,
    /// SHA-256 of its manifest.
    pub manifest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Within the run's folder.
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Sums of the columns with amounts, points or counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub totals: BTreeMap<String, String>,
}

impl Manifest {
    /// The bytes that are stored and hashed.
    pub fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
