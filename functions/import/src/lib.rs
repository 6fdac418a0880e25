//! Reads a line's file of events into the ledger. A line drops
//! `inbox/<line>/<file>.csv[.gz]`; rejected rows come back in
//! `rejects/<line>/<file>.<digest>.rejects.csv` with line number, field and reason.

mod rejects;
mod rows;

pub use rejects::Reject;
pub use rows::{FileError, Row, RowError, read};

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
    /// Where the rejected rows lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
}

impl Imported {
    /// A name for the file of rejected rows.
    pub fn rejects_name(&self) -> String {
        let digest = self.digest.get(..8).unwrap_or_default();
        format!("{}.{digest}.rejects.csv", self.file.trim_end_matches(".gz").trim_end_matches(".csv"))
    }
}

pub async fn handle(app: &App, event: S3Event) -> Result<Vec<Imported>, Failure> {
    let mut imported = Vec::new();
    for record in event.records {
        // Keys are percent-encoded in events; the names accepted here need no encoding.
        let key = record.s3.object.key;
        let key = key.ok_or_else(|| Failure::BadEvent("the event names no object".to_owned()))?;
        let result = import_object(app, &key).await?;
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
        }
        imported.push(result);
    }
    Ok(imported)
}

/// Imports one object of the inbox and leaves the rejected rows beside it.
async fn import_object(app: &App, key: &str) -> Result<Imported, Failure> {
    let (line, name) = match place(key) {
        Ok(place) => place,
        Err(reason) => return Ok(Imported { file: key.to_owned(), refused: Some(reason), ..Imported::default() }),
    };
    let bytes = app.inbox.get_at_most(key, OBJECT_MAX_BYTES).await?;
    let (mut imported, rejects) = import(app, &line, name, &bytes, &|_, _| {}).await?;
    if let Some(rejects) = rejects {
        let key = format!("rejects/{line}/{}", imported.rejects_name());
        app.inbox.put(&key, rejects).await?;
        imported.rejects = Some(key);
    }
    Ok(imported)
}

/// Imports a file of a line, and returns a file of the rejected rows if there
/// are any. `progress` hears how many of how many rows have an answer.
pub async fn import(
    app: &App,
    line: &LineId,
    name: &str,
    bytes: &[u8],
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<(Imported, Option<Vec<u8>>), Failure> {
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut result = Imported { file: name.to_owned(), digest: digest.clone(), ..Imported::default() };
    let published = app.rulebook().await?;
    let rows = match rows::read(bytes, name.ends_with(".gz")) {
        Ok(rows) => rows,
        Err(error) => {
            let code = "unreadable-file";
            let reject = Reject { number: 0, field: "file", code, rule: error.to_string(), raw: "" };
            result.refused = Some(error.to_string());
            return Ok((result, Some(rejects_file([reject])?)));
        }
    };
    result.rows = rows.len() as u64;
    // A line speaks for itself; the platform may send for all.
    let sender = (*line != published.rulebook.platform).then_some(line);
    let (members, mut rejected) = by_member(&rows, sender);
    result.rejected = rejected.len() as u64;
    progress(result.rejected, result.rows);
    let rulebook = &published.rulebook;
    let source = Source::File { digest: &digest };
    let mut answers = stream::iter(members.values())
        .map(|of_member| async move {
            let commands: Vec<Command> = of_member.iter().map(|(_, command)| (*command).clone()).collect();
            let member = &commands[0].member;
            // The time of each write, not of the file's start: a period that ends
            // while a long file is read becomes a past one.
            let answers = app.ledger.post(rulebook, app, member, &commands, source, app.now()).await?;
            Ok::<_, Failure>(of_member.iter().map(|(at, _)| *at).zip(answers))
        })
        .buffer_unordered(MEMBERS_AT_ONCE);
    while let Some(answered) = answers.try_next().await? {
        for (at, answer) in answered {
            match answer {
                Answer::Accepted(_) => result.accepted += 1,
                Answer::Replayed(_) => result.replayed += 1,
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
    if rejected.is_empty() {
        return Ok((result, None));
    }
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
    Ok((result, Some(rejects_file(rejects)?)))
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
    if !line.as_str().starts_with(|first: char| first.is_ascii_alphanumeric()) {
        // The rejects go to a folder of that name, where `..` is another.
        return Err(bad("line must begin with a letter or a digit"));
    }
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
