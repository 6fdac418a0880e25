//! The commands, one file each.

pub mod accounts;
mod close;
mod demo;
mod import;
mod liability;
mod member;
pub mod reports;
pub mod rulebook;
mod serve;
mod verify;

pub use close::{How, close};
pub use demo::demo;
pub use import::import;
pub use liability::liability;
pub use member::member;
pub use reports::reports;
pub use serve::serve;
pub use verify::verify;
