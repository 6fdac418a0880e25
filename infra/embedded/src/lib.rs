//! DynamoDB and S3 inside the process, on loopback, for one laptop and for tests.
//!
//! The clients are the ordinary AWS SDK ones, so the code that runs against
//! them is the code that runs in the account. S3 signatures and presigned URLs
//! are checked; DynamoDB signatures are not.
//!
//! Not emulated: `TransactionConflict`, throttling, the TTL timer, and client
//! request tokens across a restart. Of S3 there is what [`Embedded::s3`] lists.

mod clients;
mod error;
mod objects;
mod servers;

use std::path::PathBuf;
use std::thread;

use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};

pub use error::EmbeddedError;

use servers::{Place, Ports};

/// The file of the tables in a directory.
pub const DATABASE: &str = "dynamodb.sqlite";

/// Where the data lives.
#[derive(Debug, Clone)]
pub enum Storage {
    /// Nothing is kept: tables in memory, objects in a temporary directory.
    Memory,
    /// Kept across restarts, and across a killed process: tables in
    /// `<dir>/dynamodb.sqlite`, objects under `<dir>/s3/`. The directory is
    /// created if it is missing and serves one process at a time. Writes are
    /// not forced to the disk one by one, so a power cut may lose the last.
    Directory(PathBuf),
}

/// A running pair of servers and a client for each.
///
/// [`stop`](Embedded::stop) returns when the servers have ended and the data
/// directory is free. Dropping the handle ends them too, without waiting.
#[derive(Debug)]
pub struct Embedded {
    ports: Ports,
    dynamodb: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
    stop: watch::Sender<()>,
    ended: oneshot::Receiver<()>,
    scratch: Option<TempDir>,
}

impl Embedded {
    /// Starts both servers on free ports of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::InUse`] when another process holds the directory, and
    /// the other kinds when it cannot be read, written or served.
    pub async fn start(storage: Storage) -> Result<Self, EmbeddedError> {
        Self::start_on(storage, None).await
    }

    /// As [`start`](Embedded::start), with S3 on a port of the caller's choice,
    /// so that presigned URLs stay valid across a restart.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Embedded::start), and [`EmbeddedError::Listen`] when
    /// the port is taken.
    pub async fn start_on(storage: Storage, s3_port: Option<u16>) -> Result<Self, EmbeddedError> {
        let (place, scratch) = match storage {
            Storage::Memory => {
                let scratch = tempfile::Builder::new()
                    .prefix("interline-")
                    .tempdir()
                    .map_err(EmbeddedError::at("create a directory in", std::env::temp_dir()))?;
                (Place::in_memory(scratch.path()), Some(scratch))
            }
            Storage::Directory(directory) => (Place::on_disk(&directory), None),
        };

        let (ready, started) = oneshot::channel();
        let (stop, stopping) = watch::channel(());
        let (ending, ended) = oneshot::channel();
        // The thread owns the runtime: a runtime may not be dropped by async code.
        thread::Builder::new()
            .name("interline-embedded".to_owned())
            .spawn(move || {
                servers::run(&place, s3_port.unwrap_or(0), ready, stopping);
                drop(ending);
            })
            .map_err(EmbeddedError::Threads)?;
        let ports = started.await.map_err(|gone| EmbeddedError::Threads(std::io::Error::other(gone)))??;

        let (dynamodb, s3) = clients::connect(&endpoint(ports.dynamodb), &endpoint(ports.s3));
        Ok(Self { ports, dynamodb, s3, stop, ended, scratch })
    }

    /// `http://127.0.0.1:<port>` of DynamoDB.
    pub fn dynamodb_endpoint(&self) -> String {
        endpoint(self.ports.dynamodb)
    }

    /// `http://127.0.0.1:<port>` of S3; buckets are addressed path style.
    pub fn s3_endpoint(&self) -> String {
        endpoint(self.ports.s3)
    }

    /// A DynamoDB client. All clones share one connection pool.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb.clone()
    }

    /// An S3 client. All clones share one connection pool.
    ///
    /// Offered: create, head and list buckets; put (`If-None-Match: *` is the
    /// one condition), get, head, delete and list objects; presigned URLs of
    /// these. A put becomes visible whole, or not at all if its checksum is
    /// wrong. Refused as not implemented: copies, multipart uploads, tags and
    /// versions. A key is plain names between slashes, is not the folder of
    /// another key, and has at most 105 bytes (more if the bucket's name is
    /// short), because its attributes lie in a file named after both.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        self.s3.clone()
    }

    /// The access key id both servers know. Local only: it opens nothing in AWS.
    pub const fn access_key() -> &'static str {
        clients::ACCESS_KEY
    }

    /// The secret of [`access_key`](Embedded::access_key). Local only: it is no secret.
    pub const fn secret_key() -> &'static str {
        clients::SECRET_KEY
    }

    /// The same pair for an AWS SDK client. Local only.
    pub fn sdk_credentials() -> Credentials {
        clients::credentials()
    }

    /// Whether a table is there, and whole: with a place for its items and for those of
    /// each of its indexes. Of one whose creation a killed process left half done the
    /// tables of SQLite behind it are not all there; nothing can have been written to it.
    pub async fn has_table(&self, name: &str) -> bool {
        let described = match self.dynamodb.describe_table().table_name(name).send().await {
            Ok(described) => described.table,
            Err(error) => return !is_of_no_table(error.code(), error.message()),
        };
        let indexes = described.and_then(|table| table.global_secondary_indexes).unwrap_or_default();
        let indexes = indexes.into_iter().map(|index| index.index_name);
        for index in std::iter::once(None).chain(indexes) {
            let looked = self.dynamodb.scan().table_name(name).set_index_name(index).limit(1).send().await;
            if looked.is_err_and(|error| is_of_no_table(error.code(), error.message())) {
                return false;
            }
        }
        true
    }

    /// Removes a table whose creation a killed process left half done.
    pub async fn drop_table(&self, name: &str) -> Result<(), EmbeddedError> {
        let dropped = self.dynamodb().delete_table().table_name(name).send().await;
        dropped.map(|_| ()).map_err(|error| EmbeddedError::Table {
            name: name.to_owned(),
            reason: aws_sdk_dynamodb::error::DisplayErrorContext(error).to_string(),
        })
    }

    /// Ends both servers: requests under way finish, within five seconds.
    pub async fn stop(self) {
        let Self { stop, ended, scratch, .. } = self;
        drop(stop);
        // Nothing is ever sent: the other end is dropped when the thread is done.
        let _ = ended.await;
        drop(scratch);
    }
}

/// SQLite's own words, which come through as an internal error.
const NO_SQLITE_TABLE: &str = "no such table";

fn is_of_no_table(code: Option<&str>, message: Option<&str>) -> bool {
    code == Some("ResourceNotFoundException") || message.is_some_and(|message| message.contains(NO_SQLITE_TABLE))
}

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
