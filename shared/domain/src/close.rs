//! The month-end: entries folded to tallies, tallies settled, accounts proven.

pub mod books;
pub mod checks;
pub mod digest;
pub mod netting;
pub mod period;
pub mod settle;
pub mod settlement;
pub mod snapshot;
pub mod tally;
