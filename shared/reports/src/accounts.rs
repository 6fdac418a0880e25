//! What a run leaves of members' claims: outside of its pack, as it names members.

use crate::manifest::{AccountsEntry, sha256};
use crate::pack::{PackFile, is_trial};
use crate::report::{Column, column};
use crate::sheet::{Cell, Sheet};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use interline_domain::close::settlement::{CohortBalance, Debt};
use interline_domain::close::snapshot::{Difference, Snapshot};
use interline_domain::units::calendar::Period;
use interline_domain::units::currency::Currency;
use interline_domain::units::id::{MemberId, SchemeId};
use interline_domain::units::shard::Shard;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a file about a run's accounts lies in the reports bucket: those of trials
/// apart, as they are not kept for good.
fn key(period: Period, run: &str, name: &str) -> String {
    let folder = if is_trial(run) { "trial-accounts" } else { "accounts" };
    format!("{folder}/{period}/{run}/{name}")
}

pub fn snapshot_key(period: Period, run: &str, shard: Shard) -> String {
    key(period, run, &format!("shard-{shard}.json.gz"))
}

pub fn proof_key(period: Period, run: &str, shard: Shard) -> String {
    key(period, run, &format!("proof-{shard}.json"))
}

pub fn differences_key(period: Period, run: &str) -> String {
    key(period, run, "differences.json")
}

/// The claims of a shard's members at the end of a period, after its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotFile {
    pub period: Period,
    pub shard: u16,
    pub claims: Snapshot,
}

impl SnapshotFile {
    /// Compressed JSON. The same claims give the same bytes: the header of the archive
    /// holds no time and no name.
    pub fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
        serde_json::to_writer(&mut encoder, self)?;
        encoder.finish().map_err(serde_json::Error::io)
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_reader(std::io::BufReader::new(GzDecoder::new(bytes)))
    }

    pub fn entry(&self, bytes: &[u8]) -> AccountsEntry {
        AccountsEntry {
            shard: self.shard,
            members: self.claims.members.len() as u64,
            bytes: bytes.len() as u64,
            sha256: sha256(bytes),
        }
    }
}

/// What the accounts step leaves for the settle step, one file per shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    /// Version of the program: a run is of one only.
    #[serde(default)]
    pub engine: String,
    pub rulebook: String,
    pub snapshot: AccountsEntry,
    /// Entries of the period.
    pub entries: u64,
    /// Members who moved in the period, whose accounts were compared.
    pub compared: u64,
    pub lots: Vec<CohortBalance>,
    pub debts: Vec<Debt>,
    /// How many members owe each creditor something.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub indebted: BTreeMap<SchemeId, u64>,
    pub differing: Vec<Differing>,
}

/// A member whose account is not what his entries give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differing {
    pub member: MemberId,
    /// As files for everybody name him.
    pub pseudonym: String,
    pub differences: Vec<Difference>,
}

/// Rows are of different things, so nothing adds up.
const COLUMNS: [Column; 4] = [
    column("member", "会员", "Member"),
    column("what", "项目", "What"),
    column("account", "账户", "Account"),
    column("entries", "分录", "Entries"),
];

fn number(text: &str) -> Cell {
    text.parse().map_or_else(|_| Cell::text(text), Cell::Rate)
}

/// The file of a pack that names them, by pseudonym; none if there is nobody to name.
pub fn account_differences(currency: Currency, differing: &[Differing]) -> Option<PackFile> {
    let rows: Vec<Vec<Cell>> = differing
        .iter()
        .flat_map(|Differing { pseudonym, differences, .. }| {
            differences.iter().map(move |Difference { what, account, entries }| {
                vec![Cell::text(pseudonym), Cell::text(what), number(account), number(entries)]
            })
        })
        .collect();
    let columns = COLUMNS.iter().map(Column::heading).collect();
    let sheet = Sheet { name: "account-differences", currency, columns, rows };
    (!sheet.rows.is_empty()).then(|| PackFile::new(format!("{}.csv", sheet.name), sheet.csv(), Some(sheet.totals())))
}
