//! Reads a line's file of events into the ledger. A line drops
//! `inbox/<line>/<file>.csv[.gz]`; rejected rows come back in
//! `rejects/<line>/<file>.<digest>.rejects.csv`, a file to correct and send
//! again. A file that was read to its end leaves a receipt, `files/<digest>.json`
//! among the reports.

mod checkpoint;
mod receipt;
mod walk;

pub use checkpoint::Late;

use aws_lambda_events::event::s3::S3Event;
use checkpoint::{Keeper, Reading, SoFar};
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt};
use interline_domain::events::Command;
use interline_domain::terms::rulebook::Rulebook;
use interline_domain::units::id::{LineId, Reference};
use interline_intake::{Content, Events, Reject, read, usual_columns, write_rejects};
use interline_lambda::{App, Failure, person_of};
use interline_ledger::{Answer, LedgerError, Source};
use interline_reports::bucket::StoreError;
use interline_reports::manifest::sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use walk::{OfMember, Reason, Rejected, Walk};

/// An object as it lies in the inbox, compressed or not.
pub const FILE_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Members that may fail for a fault of ours before the try is given up: then
/// nothing works, and the file is not to blame.
const FAULTS_MAX: usize = 100;
/// The code of a row that was not recorded for a fault of ours.
const INTERNAL: &str = "internal";

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Imported {
    pub file: String,
    /// Which version of the object was read, in a bucket that keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Who left it: the session of the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// SHA-256 of the file as it came.
    pub digest: String,
    pub rows: u64,
    /// Recorded from this file, now or by a try that was cut off.
    pub accepted: u64,
    /// Recorded before, with the same content.
    pub replayed: u64,
    pub rejected: u64,
    /// How many rows were rejected by which rule.
    pub rejected_by_rule: BTreeMap<String, u64>,
    /// Accepted rows that are booked into a later month than they happened in:
    /// month -> month of the books -> rows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub late: Late,
    /// When the first and the last of the events happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_occurred_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_occurred_at: Option<DateTime<Utc>>,
    /// Whether the file was read to its end before, whoever sent it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_repeat: bool,
    /// Why the file as a whole was not read; then nothing of it is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Why rows were not recorded for a fault of ours. The file has no receipt
    /// then: it is to be read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Where the rejected rows lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
    /// Where the receipt lies among the reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// Whether a checkpoint may be there that nobody shall go on from.
    #[serde(skip)]
    leaves_checkpoint: bool,
}

impl Imported {
    /// A name for the file of rejected rows.
    pub fn rejects_name(&self) -> String {
        let name = without_ending(without_ending(&self.file, ".gz"), ".csv");
        match self.digest.get(..8) {
            Some(digest) => format!("{name}.{digest}.rejects.csv"),
            None => format!("{name}.rejects.csv"),
        }
    }

    /// A file that is not read, and its file of rejects, which says why.
    fn refused(self, reason: &str) -> Result<(Self, Option<Vec<u8>>), Failure> {
        let row = Content::Whole("".into());
        let reject = Reject { number: 0, field: "file", code: "unreadable-file", rule: reason.into(), row };
        let rejects = rejects_file(&usual_columns(), [reject])?;
        Ok((Self { refused: Some(reason.to_owned()), ..self }, Some(rejects)))
    }
}

fn without_ending<'a>(name: &'a str, ending: &str) -> &'a str {
    let (start, end) = name.split_at_checked(name.len().saturating_sub(ending.len())).unwrap_or((name, ""));
    if end.eq_ignore_ascii_case(ending) { start } else { name }
}

fn has_ending(name: &str, ending: &str) -> bool {
    without_ending(name, ending).len() < name.len()
}

pub async fn handle(app: &App, event: S3Event) -> Result<Vec<Imported>, Failure> {
    let mut imported = Vec::new();
    for record in event.records {
        // Keys are percent-encoded in events; the names accepted here need no encoding.
        let object = record.s3.object;
        let key = object.key.ok_or_else(|| Failure::BadEvent("the event names no object".to_owned()))?;
        let by = record.principal_id.principal_id.as_deref().and_then(person_of);
        let result = import_object(app, &key, object.version_id, by).await?;
        tracing::info!(
            rows = result.rows,
            accepted = result.accepted,
            replayed = result.replayed,
            rejected = result.rejected,
            refused = result.refused,
            "imported"
        );
        if result.rejected > 0 {
            app.count("RejectedRows", result.rejected);
        }
        if result.refused.is_some() {
            app.count("RefusedFiles", 1);
        } else if result.rejected > 0 && result.rejected == result.rows {
            // Row by row, yet as a whole.
            app.count("FullyRejectedFiles", 1);
        }
        imported.push(result);
    }
    match imported.iter().find_map(|result| result.fault.as_ref()) {
        Some(fault) => Err(Failure::Corrupt(format!("rows were not recorded, the others were: {fault}"))),
        None => Ok(imported),
    }
}

/// Imports one object of the inbox and leaves the rejected rows beside it.
async fn import_object(app: &App, key: &str, version: Option<String>, by: Option<String>) -> Result<Imported, Failure> {
    let (line, name) = match place(key) {
        Ok(place) => place,
        Err(reason) => return Ok(Imported { file: key.to_owned(), refused: Some(reason), ..Imported::default() }),
    };
    let (mut imported, rejects) = match app.inbox.get_version(key, version.as_deref(), FILE_MAX_BYTES).await {
        Ok(bytes) => import(app, &line, name, &bytes, &|_, _| {}).await?,
        Err(StoreError::TooLarge { limit, .. }) => too_large(name, limit)?,
        Err(error) => return Err(error.into()),
    };
    (imported.version, imported.by) = (version, by);
    if let Some(rejects) = rejects {
        let key = format!("rejects/{line}/{}", imported.rejects_name());
        app.inbox.put(&key, rejects).await?;
        imported.rejects = Some(key);
    }
    finish(app, &line, &mut imported).await?;
    Ok(imported)
}

fn too_large(name: &str, limit: u64) -> Result<(Imported, Option<Vec<u8>>), Failure> {
    let imported = Imported { file: name.to_owned(), ..Imported::default() };
    imported.refused(&format!("the file has more than {limit} bytes: split it"))
}

/// Imports a file of a line, and returns a file of the rejected rows if there
/// are any. `progress` hears how many of how many rows have an answer. What it
/// leaves is to be kept before [`finish`].
pub async fn import(
    app: &App,
    line: &LineId,
    name: &str,
    bytes: &[u8],
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<(Imported, Option<Vec<u8>>), Failure> {
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return too_large(name, FILE_MAX_BYTES);
    }
    let digest = sha256(bytes);
    let mut result = Imported { file: name.to_owned(), digest: digest.clone(), ..Imported::default() };
    let published = app.rulebook().await?;
    let events = match read(bytes, has_ending(name, ".gz"), published.rulebook.currency) {
        Ok(events) => events,
        Err(error) => return result.refused(&error.to_string()),
    };
    result.rows = events.rows.len() as u64;
    // A line speaks for itself; the platform may send for all.
    let sender = (*line != published.rulebook.platform).then_some(line);
    let walk = Walk::of(&published.rulebook, &events.rows, sender);
    result.is_repeat = receipt::is_there(app, &digest).await?;
    let reading = Reading { digest: &digest, is_repeat: result.is_repeat };
    let keeper = Keeper::of(app, line, reading, walk.lanes.iter().map(Vec::len).sum());
    result.leaves_checkpoint = keeper.leaves_one();
    let refused_here = walk.rejected.len() as u64;
    let posting = Posting { app, rulebook: &published.rulebook, reading, keeper };
    let (so_far, fault) = posting.walk(&walk.lanes, &|done| progress(refused_here + done, result.rows)).await?;
    result.fault = fault;
    let mut rejected = walk.rejected;
    rejected.extend(so_far.rejected);
    result.accepted = so_far.accepted;
    result.replayed = so_far.replayed;
    result.late = so_far.late;
    result.rejected = rejected.len() as u64;
    for reason in rejected.values() {
        *result.rejected_by_rule.entry(reason.code.clone()).or_default() += 1;
    }
    let times = || events.rows.iter().filter_map(|row| Some(row.parsed.as_ref().ok()?.occurred()));
    (result.first_occurred_at, result.last_occurred_at) = (times().min(), times().max());
    let rejects = (!rejected.is_empty()).then(|| rejects_of(&events, &rejected)).transpose()?;
    Ok((result, rejects))
}

/// Whether a file with these bytes was read to its end before.
pub async fn was_read(app: &App, bytes: &[u8]) -> Result<bool, Failure> {
    receipt::is_there(app, &sha256(bytes)).await
}

/// Closes a file whose rejected rows are kept: it gets its receipt, and from now
/// on it was read before.
pub async fn finish(app: &App, line: &LineId, imported: &mut Imported) -> Result<(), Failure> {
    if imported.refused.is_some() {
        return Ok(());
    }
    if imported.fault.is_none() {
        imported.receipt = Some(receipt::keep(app, line, imported).await?);
    }
    if imported.leaves_checkpoint {
        checkpoint::end(app, line, &imported.digest).await?;
    }
    Ok(())
}

/// Records the rows of one file.
struct Posting<'a> {
    app: &'a App,
    rulebook: &'a Rulebook,
    reading: Reading<'a>,
    keeper: Keeper<'a>,
}

type Answered<'a> = (usize, &'a OfMember<'a>, Result<Vec<Answer>, LedgerError>);

impl Posting<'_> {
    /// Walks the lanes to their ends from where an earlier try has got to. Also
    /// gives the first fault of ours, if there was one.
    async fn walk(
        &self,
        lanes: &[Vec<OfMember<'_>>],
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(SoFar, Option<String>), Failure> {
        let mut so_far = self.keeper.so_far().await?;
        let (mut fault, mut faults) = (None, 0);
        // An earlier try may have met some, too.
        if so_far.rejected.values().any(|reason| reason.code == INTERNAL) {
            fault = Some("an earlier try has met it".to_owned());
        }
        progress(so_far.rows());
        let from = so_far.done.clone();
        let mut answers = stream::select_all(lanes.iter().enumerate().map(|(lane, members)| {
            let rest = members.get(from[lane]..).unwrap_or_default();
            self.lane(lane, rest)
        }));
        while let Some((lane, rows, answered)) = answers.next().await {
            match answered {
                Ok(answers) => so_far.take(self.reading, rows, answers),
                Err(error) if error.is_retryable() || faults == FAULTS_MAX => return Err(error.into()),
                Err(error) => {
                    tracing::error!(%error, "a member's rows were not recorded");
                    faults += 1;
                    fault.get_or_insert(error.to_string());
                    so_far.rejected.extend(rows.iter().map(|(at, _)| (*at, fault_of_ours())));
                }
            }
            so_far.done[lane] += 1;
            progress(so_far.rows());
            if so_far.members().is_multiple_of(self.keeper.every) && so_far.members() > 0 {
                self.keeper.keep(&so_far).await?;
            }
        }
        drop(answers);
        Ok((so_far, fault))
    }

    fn lane<'a>(&'a self, lane: usize, members: &'a [OfMember<'a>]) -> BoxStream<'a, Answered<'a>> {
        let ledger = &self.app.ledger;
        let answers = stream::unfold(members, move |rest| async move {
            let commands = rest.iter().map(|rows| rows.iter().map(|(_, command)| *command));
            let together = ledger.together(self.rulebook, commands.clone(), self.app.clock());
            let (members, left) = rest.split_at_checked(together)?;
            let commands: Vec<Vec<Command>> = commands.take(together).map(|rows| rows.cloned().collect()).collect();
            let source = Source::File { digest: self.reading.digest };
            let answers = ledger.post_together(self.rulebook, self.app, &commands, source, self.app.clock()).await;
            let answers: Vec<_> = members.iter().zip(answers).map(|(rows, answer)| (lane, rows, answer)).collect();
            Some((stream::iter(answers), left))
        });
        answers.flatten().boxed()
    }
}

fn fault_of_ours() -> Reason {
    let rule = "was not recorded for a fault of the programme, which is not in the row: send it again when told so";
    Reason { field: "row".to_owned(), code: INTERNAL.to_owned(), rule: rule.to_owned() }
}

fn rejects_of(events: &Events, rejected: &Rejected) -> Result<Vec<u8>, Failure> {
    let rejects = rejected.iter().map(|(at, Reason { field, code, rule })| {
        let row = &events.rows[*at];
        let content = events.values(row).map_or_else(|| Content::Whole(events.unread(row)), Content::Values);
        Reject { number: row.number, field, code, rule: rule.into(), row: content }
    });
    rejects_file(&events.columns(), rejects)
}

fn rejects_file<'a>(own: &[&str], rejects: impl IntoIterator<Item = Reject<'a>>) -> Result<Vec<u8>, Failure> {
    write_rejects(own, rejects).map_err(|error| Failure::Corrupt(format!("the rejects were not written: {error}")))
}

/// `inbox/<line>/<file>.csv` or `.csv.gz`.
fn place(key: &str) -> Result<(LineId, &str), String> {
    let bad = |rule: &str| format!("object {key}: {rule}");
    let mut parts = key.split('/');
    let (Some("inbox"), Some(line), Some(name), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(bad("is not named inbox/<line>/<file>"));
    };
    let line = LineId::parse(line).map_err(|error| bad(&format!("line {error}")))?;
    if !line.as_str().starts_with(|first: char| first.is_ascii_alphanumeric()) {
        // The rejects go to a folder of that name, where `..` is another.
        return Err(bad("line must begin with a letter or a digit"));
    }
    Reference::parse(name).map_err(|error| bad(&format!("file name {error}")))?;
    if !has_ending(without_ending(name, ".gz"), ".csv") {
        return Err(bad("must end with .csv or .csv.gz"));
    }
    Ok((line, name))
}
