//! Lines' files of events: read row by row, each of them an event or the reason why
//! not; written again; and the rows that were not accepted, as a file to correct and send.

mod rejects;
mod rows;
mod writing;

pub use rejects::{Content, Reject, write_rejects};
pub use rows::{Events, FileError, Row, RowError, read, usual_columns};
pub use writing::{FileOfEvents, RowNotWritten};
