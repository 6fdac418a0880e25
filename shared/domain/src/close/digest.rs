//! What tells whether a shard's entries are still those that a month was closed with.

use crate::events::{Canonical, Entry};
use crate::units::calendar::Period;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// One shard as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardDigest {
    pub shard: u8,
    pub entries: u64,
    pub digest: EntriesDigest,
}

/// Bytes that a pack keeps of each entry's own digest.
pub const ENTRY_DIGEST_BYTES: usize = 8;

/// Months before the last one of which one is read again at every close.
const OLDER_MONTHS: i32 = 11;

/// The SHA-256 over the SHA-256 digests of entries in the order of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntriesDigest([u8; 32]);

impl fmt::Display for EntriesDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for EntriesDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntriesDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let invalid = || serde::de::Error::custom("must be 64 hex digits");
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).map_err(|_| invalid())?;
        }
        Ok(Self(bytes))
    }
}

/// Takes in a shard's entries in the order of their keys.
#[derive(Debug, Clone, Default)]
pub struct EntryDigests {
    running: Sha256,
    kept: Vec<u8>,
    text: Canonical,
}

impl EntryDigests {
    pub fn add(&mut self, entry: &Entry) {
        let digest = Sha256::digest(entry.canonical(&mut self.text));
        self.running.update(digest);
        self.kept.extend_from_slice(&digest[..ENTRY_DIGEST_BYTES]);
    }

    /// The digest of the shard, and the first [`ENTRY_DIGEST_BYTES`] of each entry's.
    pub fn finish(self, shard: u8) -> (ShardDigest, Vec<u8>) {
        let entries = (self.kept.len() / ENTRY_DIGEST_BYTES) as u64;
        let digest = EntriesDigest(self.running.finalize().into());
        (ShardDigest { shard, entries, digest }, self.kept)
    }
}

/// The older month that is read again when `period` is closed, besides the last
/// one. In the year after its close every month has its turn once.
pub fn older_month(period: Period, first: Period) -> Option<Period> {
    let turn = period.months_since(first);
    let months = (turn - 1).clamp(0, OLDER_MONTHS);
    let back = turn.checked_neg()?.checked_rem_euclid(months)?;
    Some(period.minus_months(2 + back.unsigned_abs()))
}
