//! The month-end: entries folded to tallies, tallies settled, accounts proven.

pub mod books;
pub mod carry;
pub mod checks;
pub mod days;
pub mod digest;
pub mod judgement;
pub mod netting;
pub mod orders;
pub mod period;
pub mod settle;
pub mod settlement;
pub mod snapshot;
pub mod tally;
pub mod why;
