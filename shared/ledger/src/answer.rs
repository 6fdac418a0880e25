//! What whoever records events says and is told.

use crate::items::{Asked, EntrySource, Recorded, RememberedRefusal};
use interline_domain::events::{Command, Refusal};

/// A file is told from others by so many digits of its digest.
const FILE_DIGITS: usize = 16;

/// Where events come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A refusal leaves no trace; the reference may be tried again.
    Api(Option<&'a Asked>),
    /// A refusal is remembered with the file's SHA-256, in 64 hexadecimal digits: the
    /// same file gets the same answer when it is repeated, or resumed after a crash.
    File { digest: &'a str },
}

impl<'a> Source<'a> {
    /// What a refusal is remembered by.
    pub(crate) fn file(self) -> Option<&'a str> {
        match self {
            Source::Api(_) => None,
            Source::File { digest } => Some(digest.get(..FILE_DIGITS).unwrap_or(digest)),
        }
    }

    pub(crate) fn stored(self) -> EntrySource {
        match self {
            Source::Api(asked) => EntrySource::Api(asked.cloned()),
            Source::File { digest } => EntrySource::File(digest.to_owned()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Accepted(Box<Recorded>),
    /// The same event was recorded before; this is what was answered then.
    Replayed(Box<Recorded>),
    Rejected(Rejection),
}

impl Answer {
    /// To an event whose reference is recorded.
    pub(crate) fn repeated(command: &Command, recorded: &Recorded) -> Self {
        match command.differing_field(&recorded.entry) {
            None => Answer::Replayed(Box::new(recorded.clone())),
            Some(field) => Answer::Rejected(Rejection::Conflict(field)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("{0}")]
    Refused(Refusal),
    /// Refused when the same file was read before.
    #[error("{}", .0.text)]
    RefusedBefore(RememberedRefusal),
    #[error("this reference is recorded with another {0}")]
    Conflict(&'static str),
}

impl Rejection {
    pub fn code(&self) -> &'static str {
        match self {
            Rejection::Refused(refusal) => refusal.code(),
            Rejection::RefusedBefore(before) => before.rule.row().code,
            Rejection::Conflict(_) => "conflict",
        }
    }

    pub fn field(&self) -> &str {
        match self {
            Rejection::Refused(refusal) => refusal.field(),
            Rejection::RefusedBefore(before) => &before.field,
            Rejection::Conflict(field) => field,
        }
    }
}
