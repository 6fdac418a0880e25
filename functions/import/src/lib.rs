//! Reads a line's file of events into the ledger. A line drops
//! `inbox/<line>/<file>.csv[.gz]`; rejected rows come back in
//! `rejects/<line>/<file>.<digest>.csv` with line number, field and reason.

mod rejects;
mod rows;

pub use rejects::Reject;
pub use rows::{FileError, Row, RowError};

use aws_lambda_events::event::s3::S3Event;
use futures::stream::{self, StreamExt, TryStreamExt};
use interline_domain::account::shard;
use interline_domain::entry::{Command, EntryKind};
use interline_domain::id::{LineId, MemberId, Reference};
use interline_lambda::{App, Failure};
use interline_ledger::{Answer, Source};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// An object as it lies in the inbox, compressed or not.
const OBJECT_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Members whose events are written at once.
const MEMBERS_AT_ONCE: usize = 8;

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Imported {
    pub file: String,
    /// SHA-256 of the file as it came.
    pub digest: String,
    pub rows: u64,
    pub accepted: u64,
    /// Recorded before, with the same content.
    pub replayed: u64,
    pub rejected: u64,
    /// How many rows were rejected by which rule.
    pub rejected_by_rule: BTreeMap<String, u64>,
    /// Why the file as a whole was not read; then nothing of it is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Where the rejected rows lie, in the inbox bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
}

impl Imported {
    fn refused(file: &str, reason: String) -> Self {
        Self { file: file.to_owned(), refused: Some(reason), ..Self::default() }
    }
}

pub async fn handle(app: &App, event: S3Event) -> Result<Vec<Imported>, Failure> {
    let mut imported = Vec::new();
    for record in event.records {
        // Keys are percent-encoded in events; the names accepted here need no encoding.
        let key = record.s3.object.key;
        let key = key.ok_or_else(|| Failure::BadEvent("the event names no object".to_owned()))?;
        let result = import(app, &key, &|_, _| {}).await?;
        tracing::info!(
            rows = result.rows,
            accepted = result.accepted,
            replayed = result.replayed,
            rejected = result.rejected,
            refused = result.refused,
            "imported"
        );
        imported.push(result);
    }
    Ok(imported)
}

/// Imports one object of the inbox. `progress` hears how many of how many rows
/// have an answer.
pub async fn import(app: &App, key: &str, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Imported, Failure> {
    let (line, name) = match place(key) {
        Ok(place) => place,
        Err(reason) => return Ok(Imported::refused(key, reason)),
    };
    let bytes = app.inbox.get_at_most(key, OBJECT_MAX_BYTES).await?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut result = Imported { file: name.to_owned(), digest: digest.clone(), ..Imported::default() };
    let published = app.rulebook().await?;
    let rejects_key = format!("rejects/{line}/{name}.{}.csv", &digest[..8]);
    let rows = match rows::read(bytes.as_slice(), name.ends_with(".gz")) {
        Ok(rows) => rows,
        Err(error) => {
            let reject =
                Reject { number: 0, field: "file", code: "unreadable-file", rule: error.to_string(), raw: "" };
            app.inbox.put(&rejects_key, rejects_file([reject])?).await?;
            result.refused = Some(error.to_string());
            result.rejects = Some(rejects_key);
            return Ok(result);
        }
    };
    result.rows = rows.len() as u64;
    // A line speaks for itself; the platform may send for all.
    let sender = (line != published.rulebook.platform).then_some(&line);
    let (members, mut rejected) = by_member(&rows, sender);
    result.rejected = rejected.len() as u64;
    progress(result.rejected, result.rows);
    let now = app.now();
    let rulebook = &published.rulebook;
    let source = Source::File { digest: &digest[..16] };
    let mut answers = stream::iter(members.values())
        .map(|of_member| async move {
            let commands: Vec<Command> = of_member.iter().map(|(_, command)| (*command).clone()).collect();
            let member = &commands[0].member;
            let answers = app.ledger.post(rulebook, member, &commands, source, now).await?;
            Ok::<_, Failure>(of_member.iter().map(|(at, _)| *at).zip(answers))
        })
        .buffer_unordered(MEMBERS_AT_ONCE);
    while let Some(answered) = answers.try_next().await? {
        for (at, answer) in answered {
            match answer {
                Answer::Accepted { .. } => result.accepted += 1,
                Answer::Replayed { .. } => result.replayed += 1,
                Answer::Rejected(rejection) => {
                    result.rejected += 1;
                    let reason = (rejection.field().to_owned(), rejection.code().to_owned(), rejection.to_string());
                    rejected.insert(at, reason);
                }
            }
        }
        progress(result.accepted + result.replayed + result.rejected, result.rows);
    }
    drop(answers);
    if !rejected.is_empty() {
        for (_, code, _) in rejected.values() {
            *result.rejected_by_rule.entry(code.clone()).or_default() += 1;
        }
        let rejects = rejected.iter().map(|(at, (field, code, rule))| Reject {
            number: rows[*at].number,
            field,
            code,
            rule: rule.clone(),
            raw: &rows[*at].raw,
        });
        app.inbox.put(&rejects_key, rejects_file(rejects)?).await?;
        result.rejects = Some(rejects_key);
    }
    Ok(result)
}

fn rejects_file<'a>(rejects: impl IntoIterator<Item = Reject<'a>>) -> Result<Vec<u8>, Failure> {
    rejects::write_rejects(rejects).map_err(|error| Failure::Corrupt(format!("the rejects were not written: {error}")))
}

/// `inbox/<line>/<file>.csv` or `.csv.gz`.
fn place(key: &str) -> Result<(LineId, &str), String> {
    let bad = |rule: &str| format!("object {key}: {rule}");
    let mut parts = key.split('/');
    let (Some("inbox"), Some(line), Some(name), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(bad("is not named inbox/<line>/<file>"));
    };
    let line = LineId::parse(line).map_err(|error| bad(&format!("line {error}")))?;
    Reference::parse(name).map_err(|error| bad(&format!("file name {error}")))?;
    if !name.ends_with(".csv") && !name.ends_with(".csv.gz") {
        return Err(bad("must end with .csv or .csv.gz"));
    }
    Ok((line, name))
}

type Members<'a> = BTreeMap<(u8, &'a MemberId), Vec<(usize, &'a Command)>>;
/// Row -> field, code and rule.
type Rejected = BTreeMap<usize, (String, String, String)>;

/// Rows by shard and member, each member's in the order of the file.
fn by_member<'a>(rows: &'a [Row], sender: Option<&LineId>) -> (Members<'a>, Rejected) {
    let mut members = Members::new();
    let mut rejected = Rejected::new();
    let mut references: BTreeMap<(&LineId, EntryKind, &Reference), usize> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let mut reject = |field: &str, code: &str, rule: String| {
            rejected.insert(at, (field.to_owned(), code.to_owned(), rule));
        };
        let command = match &row.parsed {
            Ok(command) => command,
            Err(error) => {
                reject(error.field, error.code, error.rule.clone());
                continue;
            }
        };
        if let Some(sender) = sender
            && *sender != command.line
        {
            reject("line", "not-your-line", format!("this inbox takes events of line {sender} only"));
            continue;
        }
        match references.entry((&command.line, command.kind(), &command.reference)) {
            Entry::Vacant(vacant) => {
                vacant.insert(at);
            }
            Entry::Occupied(first) => {
                let first = &rows[*first.get()];
                let other = first.parsed.as_ref().map(|first| &first.member);
                if other.is_ok_and(|member| *member != command.member) {
                    let rule = format!("row {} has this reference for another member", first.number);
                    reject("member", "conflict", rule);
                    continue;
                }
            }
        }
        members.entry((shard(&command.member), &command.member)).or_default().push((at, command));
    }
    (members, rejected)
}
