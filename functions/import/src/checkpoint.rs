//! How far a file has got, kept beside it, so that a try that was cut off is
//! gone on with and not begun again.

use crate::walk::{Reason, Rejected};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use interline_domain::events::{Command, EntryKind};
use interline_domain::units::calendar::Period;
use interline_domain::units::id::{LineId, Reference};
use interline_domain::units::limits::SHARDS;
use interline_lambda::{App, Failure};
use interline_ledger::{Answer, Rejection};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

/// Members of a file with a few; a file with many is kept this often.
const MEMBERS_BETWEEN: usize = 256;
const TIMES_AT_MOST: usize = 32;
/// Counts the orders in which files have been walked: in another order a
/// position means something else.
const ORDER: u32 = 1;

/// Rows that were booked into a later month: when they happened -> where they are booked -> how many.
pub type Late = BTreeMap<Period, BTreeMap<Period, u64>>;

#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    order: u32,
    is_repeat: bool,
    /// Nobody goes on from here any more.
    is_over: bool,
    so_far: SoFar,
}

/// What became of the rows so far.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoFar {
    /// Members that are done, by their lane.
    pub done: Vec<usize>,
    pub accepted: u64,
    pub replayed: u64,
    pub late: Late,
    /// What the ledger refused.
    pub rejected: Rejected,
}

/// What the answers to a file's rows mean.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    pub digest: &'a str,
    /// Whether the file was read to its end before.
    pub is_repeat: bool,
}

impl SoFar {
    pub fn nothing() -> Self {
        Self { done: vec![0; usize::from(SHARDS)], ..Self::default() }
    }

    pub fn rows(&self) -> u64 {
        self.accepted + self.replayed + self.rejected.len() as u64
    }

    pub fn members(&self) -> usize {
        self.done.iter().sum()
    }

    /// Takes in what the ledger answered to a member's rows. The counts are the
    /// file's and not the try's: what an earlier try has recorded was accepted.
    pub fn take(&mut self, reading: Reading<'_>, rows: &[(usize, &Command)], answers: Vec<Answer>) {
        let mut named = BTreeSet::new();
        for ((at, command), answer) in rows.iter().zip(answers) {
            match answer {
                Answer::Accepted(recorded) => {
                    named.insert(name(command));
                    self.accept(recorded.entry.home, recorded.entry.booked);
                }
                Answer::Replayed(recorded) => {
                    let is_ours = !reading.is_repeat && recorded.source.is_file(reading.digest);
                    // The same row once more is a repetition within the file.
                    if is_ours && named.insert(name(command)) {
                        self.accept(recorded.entry.home, recorded.entry.booked);
                    } else {
                        self.replayed += 1;
                    }
                }
                Answer::Rejected(rejection) => {
                    self.rejected.insert(*at, reason(&rejection, reading.is_repeat));
                }
            }
        }
    }

    fn accept(&mut self, home: Period, booked: Period) {
        self.accepted += 1;
        if home != booked {
            *self.late.entry(home).or_default().entry(booked).or_default() += 1;
        }
    }
}

type Name<'a> = (&'a LineId, EntryKind, &'a Reference, i64, u32);

fn name(command: &Command) -> Name<'_> {
    let occurred = command.occurred();
    (
        &command.head.line,
        command.kind(),
        &command.head.reference,
        occurred.timestamp(),
        occurred.timestamp_subsec_nanos(),
    )
}

fn reason(rejection: &Rejection, is_repeat: bool) -> Reason {
    let rule = match rejection {
        Rejection::RefusedBefore(before) if is_repeat => {
            format!("refused when this file was first read ({}); send the row in a new file", before.text)
        }
        _ => rejection.to_string(),
    };
    Reason { field: rejection.field().to_owned(), code: rejection.code().to_owned(), rule }
}

/// The place of a file's checkpoint.
pub struct Keeper<'a> {
    app: &'a App,
    key: String,
    /// Members from one checkpoint to the next; a file with fewer has none.
    pub every: usize,
    members: usize,
    is_repeat: bool,
}

impl<'a> Keeper<'a> {
    pub fn of(app: &'a App, line: &LineId, reading: Reading<'_>, members: usize) -> Self {
        let every = members.div_ceil(TIMES_AT_MOST).max(MEMBERS_BETWEEN);
        Self { app, key: key(line, reading.digest), every, members, is_repeat: reading.is_repeat }
    }

    /// Where an earlier try has got to.
    pub async fn so_far(&self) -> Result<SoFar, Failure> {
        if !self.leaves_one() || self.app.inbox.count(&self.key, 1).await? == 0 {
            return Ok(SoFar::nothing());
        }
        let bytes = self.app.inbox.get(&self.key).await?;
        let corrupt = |error: &dyn std::fmt::Display| Failure::Corrupt(format!("object {}: {error}", self.key));
        let mut json = Vec::new();
        GzDecoder::new(bytes.as_slice()).read_to_end(&mut json).map_err(|error| corrupt(&error))?;
        let found: Checkpoint = serde_json::from_slice(&json).map_err(|error| corrupt(&error))?;
        let is_usable = found.order == ORDER
            && found.is_repeat == self.is_repeat
            && !found.is_over
            && found.so_far.done.len() == usize::from(SHARDS);
        Ok(if is_usable { found.so_far } else { SoFar::nothing() })
    }

    pub async fn keep(&self, so_far: &SoFar) -> Result<(), Failure> {
        let checkpoint = Checkpoint { order: ORDER, is_repeat: self.is_repeat, is_over: false, so_far: so_far.clone() };
        write(self.app, &self.key, &checkpoint).await
    }

    /// Whether the file leaves a checkpoint behind.
    pub fn leaves_one(&self) -> bool {
        self.members > self.every
    }
}

/// From now on the file is begun anew when it comes again.
pub async fn end(app: &App, line: &LineId, digest: &str) -> Result<(), Failure> {
    let over = Checkpoint { order: ORDER, is_repeat: false, is_over: true, so_far: SoFar::default() };
    write(app, &key(line, digest), &over).await
}

async fn write(app: &App, key: &str, checkpoint: &Checkpoint) -> Result<(), Failure> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let json = serde_json::to_vec(checkpoint)?;
    let bytes = encoder.write_all(&json).and_then(|()| encoder.finish());
    let bytes = bytes.map_err(|error| Failure::Corrupt(format!("object {key} was not written: {error}")))?;
    Ok(app.inbox.put(key, bytes).await?)
}

fn key(line: &LineId, digest: &str) -> String {
    format!("checkpoints/{line}/{digest}.json.gz")
}
