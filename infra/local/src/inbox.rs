//! The inbox of a folder: what is dropped there is read, as S3's events have it done on AWS.

use crate::output::warn;
use crate::world::INBOX_BUCKET;
use interline_import::{Imported, was_read};
use interline_lambda::App;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Which edition of a file it is.
type Edition = (SystemTime, u64);

/// Reads every object under `inbox/` of the bucket's folder, now and as they come, and
/// tells what became of it. What has a receipt when it begins was read before.
pub async fn watch(app: Arc<App>, bucket: PathBuf, tell: impl Fn(&str, &Imported) + Send) {
    let mut known: BTreeMap<String, Edition> = BTreeMap::new();
    for (key, (path, edition)) in objects(&bucket) {
        if has_receipt(&app, &path).await {
            known.insert(key, edition);
        }
    }
    loop {
        for (key, (_, edition)) in objects(&bucket) {
            if known.get(&key) == Some(&edition) {
                continue;
            }
            match read(&app, &key).await {
                Ok(imported) => imported.iter().for_each(|imported| tell(&key, imported)),
                Err(reason) => warn(format!("{key} was not read: {reason}")),
            }
            // What failed is tried again when it comes anew, or by the next server.
            known.insert(key, edition);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn has_receipt(app: &App, path: &Path) -> bool {
    match std::fs::read(path) {
        Ok(bytes) => was_read(app, &bytes).await.unwrap_or_default(),
        Err(_) => false,
    }
}

async fn read(app: &App, key: &str) -> Result<Vec<Imported>, String> {
    let event = json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "local", "eventTime": "1970-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put", "userIdentity": {}, "requestParameters": {}, "responseElements": {},
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "inbox",
            "bucket": { "name": INBOX_BUCKET, "ownerIdentity": {}, "arn": "" }, "object": { "key": key },
        },
    }] });
    let event = serde_json::from_value(event).map_err(|error| error.to_string())?;
    interline_import::handle(app, event).await.map_err(|failure| failure.to_string())
}

/// `inbox/<line>/<file>` with where it lies.
fn objects(bucket: &Path) -> BTreeMap<String, (PathBuf, Edition)> {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found = BTreeMap::new();
    for line in entries(&bucket.join("inbox")) {
        for file in entries(&line.path()) {
            let edition = file.metadata().ok().filter(std::fs::Metadata::is_file);
            let edition = edition.and_then(|of| Some((of.modified().ok()?, of.len())));
            if let (Some(line), Some(name), Some(edition)) =
                (line.file_name().to_str(), file.file_name().to_str(), edition)
            {
                found.insert(format!("inbox/{line}/{name}"), (file.path(), edition));
            }
        }
    }
    found
}
