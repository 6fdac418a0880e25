//! The commands, one file each.

pub mod accounts;
mod close;
mod demo;
mod details;
mod doctor;
mod export;
mod import;
mod liability;
mod member;
pub mod payments;
mod reports;
pub mod rulebook;
mod serve;
pub mod shell;
mod status;
mod verify;

pub use close::{How, close, judgement};
pub use demo::demo;
pub use details::details;
pub use doctor::doctor;
pub use export::export;
pub use import::{import, is_standard_input};
pub use liability::liability;
pub use member::member;
pub use reports::reports;
pub use serve::serve;
pub use status::status;
pub use verify::verify;
