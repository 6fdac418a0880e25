//! What stays for good of a file that was read to its end.

use crate::Imported;
use interline_domain::units::id::LineId;
use interline_lambda::{App, Failure};
use serde::{Deserialize, Serialize};

/// A file of a line with what became of it when it was first read.
#[derive(Debug, Serialize)]
struct Receipt<'a> {
    line: &'a LineId,
    #[serde(flatten)]
    imported: Imported,
}

/// As much of a receipt as says whose it is.
#[derive(Debug, Deserialize)]
struct Sender {
    line: LineId,
}

/// Whether a file with these bytes was read to its end before, whoever sent it.
pub async fn is_there(app: &App, digest: &str) -> Result<bool, Failure> {
    Ok(app.reports.count(&key(digest), 1).await? > 0)
}

fn key(digest: &str) -> String {
    format!("files/{digest}.json")
}

/// Writes the receipt of a file unless it has one, and gives its place.
pub async fn keep(app: &App, line: &LineId, imported: &Imported) -> Result<String, Failure> {
    // Where the rejected rows lie says nothing of the file, and they are not kept for good.
    let receipt = Receipt { line, imported: Imported { rejects: None, ..imported.clone() } };
    let bytes = serde_json::to_vec_pretty(&receipt)?;
    let key = key(&imported.digest);
    if app.reports.put_new(&key, bytes.clone()).await? {
        return Ok(key);
    }
    let sender: Sender = serde_json::from_slice(&app.reports.get(&key).await?)?;
    if sender.line == *line {
        return Ok(key);
    }
    // Another line sent the same bytes before: what became of them there says nothing of this one.
    let key = format!("files/{}.{line}.json", imported.digest);
    app.reports.put_new(&key, bytes).await?;
    Ok(key)
}
