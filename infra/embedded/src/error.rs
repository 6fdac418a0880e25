use std::io;
use std::path::PathBuf;

/// Why the servers did not start. The cause, where there is one, is the
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Another process, or another [`Embedded`](crate::Embedded) of this one, holds the directory.
    #[error("the data directory {} is in use by another interline process", .0.display())]
    InUse(PathBuf),
    /// The database takes its path as text.
    #[error("the data directory {} has a name that is not UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// A file or directory is not as it must be.
    #[error("cannot {action} {}", .path.display())]
    Path {
        /// What was tried, as a verb that stands before the path.
        action: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite refused the file.
    #[error("cannot open the database {}", .path.display())]
    Database {
        /// The SQLite file, or `:memory:`.
        path: PathBuf,
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is there and is not what was written.
    #[error(
        "the database {} is damaged: bring the folder back from a copy, or begin a new one and import the files of events \
         again; what was closed lies beside it, in s3, as it was",
        .0.display()
    )]
    Damaged(PathBuf),
    /// The port is taken, or loopback is not to be had.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port asked for; 0 asks for any.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The threads that serve did not start.
    #[error("cannot start the server threads")]
    Threads(#[source] io::Error),
    /// A table that a killed process left half made.
    #[error("the table {name} was left half made and could not be removed: {reason}")]
    Table {
        /// The table's name.
        name: String,
        /// What the embedded DynamoDB said.
        reason: String,
    },
}

impl EmbeddedError {
    pub(crate) fn at(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Path { action, path, source }
    }
}
