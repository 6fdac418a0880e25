//! The manifest of a run: what went in, and every file that came out.

use interline_domain::close::digest::ShardDigest;
pub use interline_domain::close::period::RunKind;
use interline_domain::units::calendar::Period;
use interline_domain::units::currency::Currency;
use interline_domain::units::shard::Shards;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub const SCHEMA: &str = "interline.manifest.v1";
pub const PROVENANCE_SCHEMA: &str = "interline.provenance.v1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub schema: String,
    pub programme: String,
    pub currency: Currency,
    pub period: Period,
    pub run: RunName,
    /// Version of the program that computed it.
    pub engine: String,
    /// The calculation that the program carried out.
    pub edition: u32,
    /// SHA-256 of the rulebook.
    pub rulebook: String,
    /// The final run before: runs form a chain.
    pub previous: Option<PreviousRun>,
    pub entries: u64,
    pub shards: Vec<ShardDigest>,
    /// Members' claims after the run, which lie outside of its pack.
    pub accounts: Vec<AccountsEntry>,
    pub gross: String,
    pub settled: String,
    pub netting_efficiency_percent: String,
    pub checks_passed: bool,
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// How many shards the period was closed with.
    pub fn shards_of_period(&self) -> Option<Shards> {
        Shards::new(u16::try_from(self.shards.len()).ok()?)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunName {
    pub kind: RunKind,
    pub id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousRun {
    pub period: Period,
    pub run: String,
    /// SHA-256 of its manifest.
    pub manifest: String,
}

/// The snapshot of one shard's members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountsEntry {
    pub shard: u16,
    pub members: u64,
    pub bytes: u64,
    pub sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Within the run's folder, and nowhere else.
    #[serde(deserialize_with = "plain_path")]
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Sums of the columns with amounts, points or counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub totals: BTreeMap<String, String>,
}

/// Names of letters, digits, `.`, `_` and `-` that begin with a letter or a
/// digit: who copies a run may join the path to a folder.
fn plain_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let path = String::deserialize(deserializer)?;
    let plain = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    if path.split('/').all(plain) {
        Ok(path)
    } else {
        Err(serde::de::Error::custom(format!("{path:?} is no plain path")))
    }
}

impl Manifest {
    /// The bytes that are stored and hashed.
    pub fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Which program made a run. It lies beside the run's files and is in no
/// comparison of them: another build of the same version is no other run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    pub schema: String,
    pub period: Period,
    pub run: RunName,
    pub engine: String,
    pub edition: u32,
    /// SHA-256 of the executable, or the function's name and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

impl Provenance {
    pub fn of(manifest: &Manifest, program: Option<String>) -> Self {
        Self {
            schema: PROVENANCE_SCHEMA.to_owned(),
            period: manifest.period,
            run: manifest.run.clone(),
            engine: manifest.engine.clone(),
            edition: manifest.edition,
            program,
        }
    }

    pub fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_within_the_folder_of_its_run() {
        let read = |path: &str| {
            let entry = serde_json::json!({ "path": path, "bytes": 1, "sha256": "" });
            serde_json::from_value::<FileEntry>(entry).map(|entry| entry.path)
        };
        for path in ["settlement.json", "details/part-00.csv.gz", "lines/hotel_1/statement.html", "erp/pain.001.xml"] {
            assert_eq!(read(path).unwrap(), path);
        }
        for path in
            ["", "/", "/etc/passwd", "..", "../x", "a/../x", "a//x", "a/", "./x", "a\\x", "C:x", "a\0", "-rf", "分"]
        {
            assert!(read(path).is_err(), "{path:?}");
        }
    }
}
