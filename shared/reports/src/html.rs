//! Statements as pages: of the whole settlement, and of one line.

mod campaigns;
mod chart;
pub mod line;
pub mod page;
mod parts;
pub mod statement;
